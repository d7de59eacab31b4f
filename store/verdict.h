#ifndef STORE_VERDICT_H
#define STORE_VERDICT_H
/*
 * verdict - each token that is expected ends in exactly one verdict: an arrival in time decides at once, the rest is decided behind the
 * deadline, by a timer and in small steps; after a restart those that are overdue, the oldest first. A late arrival amends. Each
 * decision is in the token's record and has an event. The rules: docs/verdicts.md.
 */

#include "store/store.h"

struct verdicts;

/* So long behind the last second of the deadline it is decided: what was received in that second is on its way to the disk. */
#define VERDICT_AFTER_S 2u

struct verdicts *verdicts_new(struct store *s);         /* NULL: out of memory */
void             verdicts_free(struct verdicts *v);     /* NULL is fine */

/* A token with this deadline was minted, and is on disk. */
void verdicts_expect(struct verdicts *v, uint64_t deadline_unix);

/* Decides what is due, in later turns, and sets the timer for what will be. Called by the timer; here for tests. */
void verdicts_look(struct verdicts *v);

/* Within a transaction: the row that makes a token expected; put when it is minted, deleted when it is decided or forgotten. */
void verdict_expect(struct tx *tx, const struct token *t, const struct token_record *r);
void verdict_forget(struct tx *tx, const struct token *t, const struct token_record *r);

/* One arrival of a token. */
struct verdict_arrival {
    enum message_kind kind;
    uint64_t          received_us;
    uint64_t          message_id;
    struct slice      facts;
};

/* Before the arrival is put into the record: what came too late finds a verdict to amend, though the timer was not there yet. */
void verdict_before(struct store *s, struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r,
                    const struct verdict_arrival *a);

/* After it was: decides or amends, and writes the events. first: it is the token's first of its kind. The caller writes the record. */
void verdict_after(struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r, const struct verdict_arrival *a,
                   bool first);

/* The deadlines of a mailbox that is being deleted; at most some thousands are looked at, and the rest ends without a word when it is due. */
void verdict_forget_mailbox(struct tx *tx, uint32_t mailbox_id);

#endif
