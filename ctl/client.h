#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H
/*
 * client - mailtestctl's end of the control socket: asks store one thing at a time and waits for the answer, and hears of
 * changes (MSG_CHANGED) once it has subscribed.
 */

#include "lib/change.h"
#include "lib/channel.h"

struct client;

/*
 * Connects to the control socket.
 * MT_ESHUTDOWN  nobody listens there: the service is not running
 * MT_EDENIED    the socket's mode does not let this user in
 * MT_EINVALID   the path is too long for a socket
 * MT_ENOMEM MT_EIO
 */
int  client_connect(const char *path, struct client **out);
void client_close(struct client *c);    /* NULL is fine */

/* The fields of the next request, emptied: to be filled with write_…(). They are wiped once sent. */
struct buf *client_fields(struct client *c);

/*
 * Reads the fields of one row, or of the answer behind its error code. 0, or MT_E… to give up. That nothing is left over is
 * checked by the client.
 */
typedef int client_read_fn(void *arg, struct reader *r);

/*
 * Sends a request with the fields filled in and the descriptor fd (taken over; -1: none), and waits for its answer. on_row and
 * on_answer may be NULL where none is due. Returns what store answered, or
 * MT_ESHUTDOWN  store went away before it answered
 * MT_EAGAIN     no word of it for longer than the patience
 * MT_EPROTO     what it said cannot be read
 */
int client_call(struct client *c, enum msg_type type, int fd, client_read_fn *on_row, client_read_fn *on_answer, void *arg);

/* How long store may be silent in a call, milliseconds; 0: for ever. At first CLIENT_PATIENCE_MS. */
#define CLIENT_PATIENCE_MS 30000u
void client_set_patience(struct client *c, uint64_t ms);

/* Subscribes to changes; from now on those for which wanted() is true are remembered for client_wait. As client_call. */
typedef bool client_wanted_fn(void *arg, const struct change *change);
int client_watch(struct client *c, client_wanted_fn *wanted, void *arg);

/* Waits until a wanted change was heard of since the last call. MT_EAGAIN: not within wait_ms; else as client_call. */
int client_wait(struct client *c, uint64_t wait_ms);

#endif
