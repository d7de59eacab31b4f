#ifndef STORE_PEER_H
#define STORE_PEER_H
/*
 * peer - whom store talks with: one channel to each other role, handed over by the supervisor (MSG_PEER), and one to each
 * mailtestctl that connected to the control socket. Dispatches their requests by a table of who may ask what; tells them
 * what changed.
 *
 * A request that is not in the table for that role, or whose fields do not fit, ends the channel.
 */

#include "lib/role.h"
#include "store/store.h"

struct peers;
struct peer;

/* Connections to the control socket at the same time; further ones are closed. */
#define PEER_CONTROL_MAX 64u

struct peers *peers_new(struct store *s);           /* NULL: out of memory */
void          peers_free(struct peers *ps);         /* NULL is fine */

/* Takes over the socket when it returns 0. A new one for the same process takes the place of the old. MT_ENOMEM, MT_EINVALID. */
int peers_add(struct peers *ps, enum role role, unsigned index, int fd);

/* Accepts from a listening control socket: root and the service's own user only. */
int peers_listen(struct peers *ps, int fd);

/* No new control connections, and those there are end; calls on_gone once no role is left. */
void peers_drain(struct peers *ps, void (*on_gone)(void *arg), void *arg);

/* From now on all that is asked is answered with MT_ESHUTDOWN. */
void peers_close(struct peers *ps);

/* Each may be called with peers NULL, as unit tests do. */
void     peers_tell_changes(struct peers *ps, const struct change *changes, size_t count);  /* lookup first: a checker waits there */
void     peers_tell_mailbox(struct peers *ps, const struct mailbox_state *state);
void     peers_tell_mailbox_gone(struct peers *ps, const char *name);
void     peers_tell_full(struct peers *ps, bool full);
unsigned peers_count(const struct peers *ps, enum role role);

/* What a request handler needs. A peer stays while somebody holds it, also when its channel is over: then answers go nowhere. */
struct store   *peer_store(const struct peer *p);
enum role       peer_role(const struct peer *p);
struct channel *peer_channel(const struct peer *p);     /* NULL: it is over */
void            peer_hold(struct peer *p);
void            peer_release(struct peer *p);
void            peer_subscribe(struct peer *p);
void            peer_answer(struct peer *p, uint64_t req, int rc);     /* MSG_ANSWER with a code and no fields */

/* A MSG_ANSWER with MT_OK; fields are appended, then peer_answer_end. NULL: the channel is over, and there is nothing to end. */
struct buf *peer_answer_begin(struct peer *p, uint64_t req);
void        peer_answer_end(struct peer *p, uint64_t req);

/*
 * An answer of many rows: step sends rows until the channel takes no more (MT_EAGAIN: it is called again when there is room)
 * or all are sent (MT_OK, or the error that the closing MSG_ANSWER carries). One at a time for each peer. Takes over state,
 * which is freed with free() at the end. MT_EBUSY: one is under way; state is then still the caller's.
 */
typedef int peer_stream_fn(struct peer *p, uint64_t req, void *state);
int peer_stream(struct peer *p, uint64_t req, peer_stream_fn *step, void *state);

#endif
