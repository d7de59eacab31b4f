#ifndef LOOKUP_ASK_H
#define LOOKUP_ASK_H
/*
 * ask - requests to store on behalf of HTTP requests: sends, finds the exchange again when the answer comes, and replies with a
 * problem when none comes.
 */

#include "lookup/call.h"

/* How long store may take for what we ask of it. */
#define ASK_TIMEOUT_MS 30000u

struct asks;

/* What the answer's handler gets: the exchange to reply to, and what the asker left. */
struct ask_note {
    char         mailbox[MAILBOX_NAME_MAX + 1];
    uint64_t     number;
    struct token token;
    void        *state;         /* the asker's own, or NULL; freed with free() when the request is over, however it ends */
};

/* rc is what store said; r has the answer's fields when it is 0. Returns MT_EPROTO when they do not fit. Replies in any case. */
typedef int ask_answer_fn(struct lookup *l, struct exchange *x, const struct ask_note *note, int rc, struct reader *r);

struct asks *asks_new(struct lookup *l);
void         asks_free(struct asks *a);     /* NULL is fine */

/*
 * Begins a request: returns where its fields are to be written, then ask_end sends it and holds the exchange. NULL: there is no
 * store at the moment, or too much waits for it; the problem was replied, and note.state is still the asker's.
 */
struct buf *ask_begin(struct lookup *l, struct exchange *x, enum msg_type type, const struct ask_note *note, ask_answer_fn *on_answer);
void        ask_end(struct lookup *l);

/* The same, with a descriptor, which is taken over. */
void        ask_end_with(struct lookup *l, int fd);

/* A MSG_ANSWER came in. MT_EPROTO. */
int asks_answered(struct asks *a, const struct msg_head *head, struct reader *r);

/* store has gone: whoever waits for it is told to ask again. */
void asks_lost(struct asks *a);

unsigned asks_pending(const struct asks *a);

#endif
