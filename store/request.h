#ifndef STORE_REQUEST_H
#define STORE_REQUEST_H
/*
 * request - what may be asked of store, by whom, and the functions that do it. Fields of requests and answers: lib/msg.h.
 *
 * A handler reads the fields, then answers at once, or queues a change and answers after the commit. Whatever it returns but
 * MT_OK breaks the protocol and ends the channel; a refusal is an answer and MT_OK.
 */

#include "store/peer.h"

typedef int request_fn(struct peer *p, uint64_t req, struct reader *r, int *fd);

#define REQUEST_TELLS (1u << 31)

struct request {
    enum msg_type type;
    unsigned      from;     /* FROM(role) of those who may ask; REQUEST_TELLS: they tell, with req 0, and get no answer */
    request_fn   *run;
};

/* NULL: that role may not ask this. */
const struct request *request_find(unsigned type, enum role role);

/* serve_message.c */
request_fn serve_deliver, serve_delivered, serve_message_delete, serve_messages_delete, serve_message_list, serve_message_show, serve_message_raw;
/* serve_flags.c */
request_fn serve_flags;
/* serve_recent.c */
request_fn serve_recent;
/* serve_folder.c */
request_fn serve_folder_create, serve_folder_delete, serve_folder_rename, serve_folder_subscribe;
/* serve_copy.c */
request_fn serve_copy;
/* serve_append.c */
request_fn serve_append;
/* serve_token.c */
request_fn serve_mint, serve_token_show, serve_token_forget;
/* serve_mailbox.c */
request_fn serve_mailbox_add, serve_mailbox_list, serve_mailbox_show, serve_mailbox_enable, serve_mailbox_delete,
           serve_mailbox_secret, serve_mailbox_chosen, serve_mailbox_key;
/* serve_agent.c */
request_fn serve_agent_add, serve_agent_list, serve_agent_show, serve_agent_remove, serve_agent_enable, serve_agent_secret, serve_agent_chosen,
           serve_agent_grant, serve_agent_revoke;
/* serve_key.c */
request_fn serve_key_rotate, serve_key_list, serve_key_retire, serve_api_key_add, serve_api_key_list, serve_api_key_revoke;
/* serve_status.c */
request_fn serve_status, serve_subscribe, serve_backup, serve_ping;
/* serve_webhook.c */
request_fn serve_webhook_add, serve_webhook_list, serve_webhook_remove, serve_webhook_test, serve_post_list, serve_post_retry, serve_post_ready,
           serve_post_done, serve_pattern, serve_serving;

/* serve_result.c */
request_fn serve_results, serve_check_list, serve_check_show, serve_result_list, serve_result_sums, serve_check_delete;

/*
 * A change that a request asked for: queued with request_queue, answered after the commit. The struct is the first member of the
 * request's own, which is allocated with calloc and freed here.
 */
struct request_op {
    struct batch_op op;
    struct peer    *peer;
    uint64_t        req;
    /* Adds the fields of the answer; NULL: it has none. */
    void          (*answer)(struct request_op *o, struct buf *b);
    /* Tells the log, once the change is on the disk, what was changed: what an operator does leaves a trace there. NULL: nothing is told. */
    void          (*tell)(const struct request_op *o);
    const char     *event;      /* for tell: "mailbox-disabled" */
    /* Wipes or frees what the struct holds; may be NULL. */
    void          (*fini)(struct request_op *o);
};

/* A new one of size octets. NULL: out of memory (answered). */
void *request_op_new(struct peer *p, uint64_t req, size_t size, int (*run)(struct batch_op *op, struct tx *tx),
                     void (*answer)(struct request_op *o, struct buf *b), bool grows);
void  request_queue(struct request_op *o);

/* For the log's by=: "control" for mailtestctl, "api" for the HTTP API. */
const char *request_by(const struct request_op *o);

/* peer_stream for a handler: refuses where one is under way. Takes over state. */
int request_stream(struct peer *p, uint64_t req, peer_stream_fn *step, void *state);

#endif
