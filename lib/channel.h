#ifndef LIB_CHANNEL_H
#define LIB_CHANNEL_H
/*
 * channel - one end of a Unix stream socket between two roles: frames messages (lib/msg.h) both ways on a libevent loop and
 * passes descriptors along with them. What is sent during one turn of the loop leaves in one write, so that many small
 * messages cost one system call.
 *
 * Whatever the other end sends is hostile: a bad head, a message that is too long, or a descriptor that nothing announced
 * ends the channel (on_closed), never the process.
 */

#include "lib/msg.h"

#include <event2/event.h>

struct channel;

/*
 * One message has come in. r reads its fields and is valid during the call only. *fd is the descriptor that came with it, or
 * -1; the callee takes it over by setting *fd to -1, otherwise it is closed after the call.
 * Returns 0, or an MT_E… when the message breaks the protocol: the channel is then closed with that error.
 * channel_free() is allowed from inside.
 */
typedef int channel_message_fn(void *arg, const struct msg_head *head, struct reader *r, int *fd);

/* The channel is over: MT_OK the other end closed it, else why. Called once, never from inside a send; the owner frees the channel, here or later. */
typedef void channel_closed_fn(void *arg, int rc);

/*
 * Takes over the socket fd (made non-blocking and close-on-exec). out_limit_bytes bounds what may wait to be sent.
 * Returns NULL when out of memory; fd is then still the caller's.
 */
struct channel *channel_new(struct event_base *base, int fd, size_t out_limit_bytes, channel_message_fn *on_message,
                            channel_closed_fn *on_closed, void *arg);
void            channel_free(struct channel *c);    /* NULL is fine; what was not sent yet is lost */

/*
 * Starts a message and returns the buffer to append its fields to with write_…(); channel_end() completes it. Nothing else may
 * be sent on this channel in between. NULL when the channel is over or the limit is reached.
 */
struct buf *channel_begin(struct channel *c, enum msg_type type, uint64_t req);

/*
 * Completes the message. fd: a descriptor to send along, taken over and closed once sent (also on error), or -1.
 * MT_EFULL       over out_limit_bytes: nothing was sent
 * MT_ESIZE       the fields are over MSG_MAX_BYTES: nothing was sent
 * MT_ESHUTDOWN   the channel is over
 */
int channel_end(struct channel *c, int fd);

/* A message without fields, and one whose fields are given as bytes. As channel_end. */
int channel_send(struct channel *c, enum msg_type type, uint64_t req, struct slice fields, int fd);

/* MSG_ANSWER with an error code (or MT_OK and no fields). */
int channel_answer(struct channel *c, uint64_t req, int rc);

/* Starts a MSG_ANSWER with MT_OK written; fields follow, then channel_end. */
struct buf *channel_answer_begin(struct channel *c, uint64_t req);

/* Octets that wait to be sent. */
size_t channel_pending_bytes(const struct channel *c);

/* Called each time that what waits has shrunk to below half of the limit after channel_begin gave NULL or channel_end MT_EFULL. */
typedef void channel_room_fn(void *arg);
void channel_on_room(struct channel *c, channel_room_fn *on_room);

/* Sends what waits now, blocking: for the last words of a process. */
int channel_flush(struct channel *c);

/* A connected pair of sockets for two channels, close-on-exec. 0 or MT_EIO. */
int channel_pair(int fds[2]);

#endif
