#ifndef STORE_POSTING_H
#define STORE_POSTING_H
/*
 * posting - hands what is due in the webhooks' queue (store/post.h) to the webhook role, and takes its answers. At most as many posts are
 * under way as the role said that it can take, and of each webhook one: so events come in their order, but for one that failed and
 * is tried again later, which the others do not wait for. Where more is due than may be under way, the oldest goes first.
 *
 * A post that was handed over is in the queue until its answer is on disk: when the role or store dies in between, it is posted again, under
 * the same event id.
 */

#include "store/post.h"
#include "store/store.h"

struct peer;
struct posting;

struct posting *posting_new(struct store *s);       /* NULL: out of memory */
void            posting_free(struct posting *p);    /* NULL is fine */

/* The webhook role takes so many at a time from now on; a later one takes its place. */
void posting_ready(struct posting *p, struct peer *peer, uint32_t count);
void posting_peer_gone(struct posting *p, const struct peer *peer);

/* The role's answer; what is not under way is passed over. Copies. */
void posting_done(struct posting *p, uint32_t webhook_id, uint64_t event_id, const struct post_result *result);

/* Something may have become due: looks in the next turn of the loop. */
void posting_poke(struct posting *p);

/* Hands over what is due, and sets the timer for what will be. Called by the timer; here for tests. */
void posting_look(struct posting *p);

#endif
