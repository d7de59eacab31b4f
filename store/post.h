#ifndef STORE_POST_H
#define STORE_POST_H
/*
 * post - the rows of the webhooks' queue: one in table post for each event that a webhook is to be told, from the event's commit until it was
 * taken; one in table post-due beside it while it is not dead. Sending them: store/posting.h.
 */

#include "store/tx.h"

/* After the first attempt that fails the next one follows in a minute, then each gap is twice the one before, at most two hours. */
#define POST_GAP_FIRST_US UINT64_C(60000000)
#define POST_GAP_MAX_US   (UINT64_C(7200) * 1000000)
#define POST_GAP_JITTER   8u    /* up to an eighth more, by chance, so that not all that failed together comes back together */

/* So long after its event a post is tried; the last attempt is then, and if that fails, too, it is dead. */
#define POST_TRIED_US     (UINT64_C(86400) * 1000000)

/* What to do with at most so many dead posts in one request. */
#define POST_RETRY_MAX    10000u

/* Due at once. */
void post_add(struct tx *tx, uint32_t webhook_id, uint64_t event_id);

/* With its row in post-due. False: it is not there. */
bool post_remove(struct tx *tx, uint32_t webhook_id, uint64_t event_id);

/* How an attempt ended. error: for a person, cut to WEBHOOK_ERROR_BYTES; not used where it was taken. */
struct post_result {
    bool         taken;         /* 2xx: it is done */
    bool         final;         /* not taken, and no further attempt makes sense: 410 Gone, or its event is no more */
    uint16_t     http_status;   /* 0: no answer */
    struct slice error;
};

/* MT_ENOTFOUND: it was removed meanwhile. *dead: nothing more is tried. */
int post_done(struct tx *tx, uint32_t webhook_id, uint64_t event_id, const struct post_result *result, bool *dead);

/* When the next attempt is, after attempts that failed; jitter: 0 to gap / POST_GAP_JITTER. 0: never. */
uint64_t post_next_us(uint64_t first_us, uint64_t now_us, uint32_t attempts);

/* Makes a post due at once; a dead one gets one more attempt. event_id 0: all dead ones of the webhook, at most POST_RETRY_MAX. Returns how many. */
unsigned post_retry(struct tx *tx, uint32_t webhook_id, uint64_t event_id);

/* The earliest of a webhook. False: none waits. */
bool post_first_due(const struct db_view *v, uint32_t webhook_id, uint64_t *due_us, uint64_t *event_id);

/* How many posts wait and how many are dead. Costs a step for each. */
void post_count(const struct db_view *v, uint32_t webhook_id, uint64_t *waiting, uint64_t *dead);

/* Removes the webhook; its posts go bit by bit (webhook_purge), under an id that is never used again. False: there is none. */
bool webhook_remove(struct tx *tx, uint32_t id);

/* All of one mailbox, which is being deleted. */
void webhook_remove_of(struct tx *tx, uint32_t mailbox_id);

/* Removes at most max posts of a webhook that was removed; returns how many. Fewer than max: none is left. */
unsigned webhook_purge(struct tx *tx, uint32_t id, unsigned max);

#endif
