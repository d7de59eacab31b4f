#ifndef IMAPD_STORE_ASK_H
#define IMAPD_STORE_ASK_H
/*
 * store_ask - requests to store on behalf of connections: each connection has at most one under way and takes no step before its
 * answer (connection.waiting).
 */

#include "lib/channel.h"

#include <sys/queue.h>

struct imapd;
struct connection;

/* rc: what store said, MT_ESHUTDOWN when it was lost; r has the answer's fields when rc is 0. MT_EPROTO when they do not fit. */
typedef int store_answer_fn(struct connection *c, int rc, struct reader *r);

#define STORE_ASK_BUCKETS 256u

struct store_asks {
    LIST_HEAD(, store_ask) buckets[STORE_ASK_BUCKETS];
    struct store_ask *begun;          /* between store_ask_begin and store_ask_end */
    uint64_t    last_req;
};

/*
 * Begins a request: returns where its fields go, then store_ask_end sends it, and the connection waits. NULL: store is not there, or
 * takes no more at the moment; nothing waits then.
 */
struct buf *store_ask_begin(struct connection *c, enum msg_type type, store_answer_fn *on_answer);
bool        store_ask_end_with(struct imapd *imapd, int fd);    /* sends a descriptor along, taken over in any case */
bool        store_ask_end(struct imapd *imapd);   /* false: it could not be sent; nothing waits */

/* As store_ask_begin, for what nobody waits for: the answer is thrown away. */
struct buf *store_tell_begin(struct imapd *imapd, enum msg_type type);

/* A MSG_ANSWER came in. 0 or MT_EPROTO. */
int store_asks_answered(struct imapd *imapd, const struct msg_head *head, struct reader *r);

/* store has gone: all that waits hears of it. */
void store_asks_lost(struct imapd *imapd);

/* The connection is freed: its answer will be thrown away. */
void store_asks_forget(struct imapd *imapd, const struct connection *c);

void store_asks_fini(struct imapd *imapd);

#endif
