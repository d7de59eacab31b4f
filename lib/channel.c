#include "lib/channel.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES    = 256 * 1024,     /* offered to one recvmsg */
    FDS_A_READ    = 16,
    FDS_WAITING   = 64,             /* descriptors that came and whose message is not complete yet */
    KEEP_BYTES    = 128 * 1024,     /* a buffer that grew over this is given back when it is empty */
};

/* In the type on the wire: a descriptor goes along. The channel's own business, so outside of lib/msg.h. */
#define WITH_FD 0x8000u

struct outgoing_fd {
    size_t at;      /* offset in out of the message that it goes along with */
    int    fd;
};

struct channel {
    int                  fd;
    struct event        *readable;
    struct event        *writable;
    struct event        *flush;         /* made active by a send: runs at the end of the loop's turn */
    channel_message_fn  *on_message;
    channel_closed_fn   *on_closed;
    channel_room_fn     *on_room;
    void                *arg;
    struct buf           in;
    struct buf           out;
    size_t               out_sent;      /* octets of out that have left */
    size_t               head_at;       /* where in out the open message began */
    size_t               out_limit;
    bool                 message_open;
    bool                 wants_room;
    bool                 over;          /* nothing is sent or read any more */
    bool                 told;          /* on_closed was called */
    int                  over_rc;
    bool                 dispatching;   /* inside on_message: freeing waits for its return */
    bool                 freed;
    int                  fds_in[FDS_WAITING];
    unsigned             fds_in_count;
    struct outgoing_fd   fds_out[FDS_WAITING];
    unsigned             fds_out_count;
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_flush(evutil_socket_t fd, short what, void *arg);

struct channel *
channel_new(struct event_base *base, int fd, size_t out_limit_bytes, channel_message_fn *on_message, channel_closed_fn *on_closed,
            void *arg)
{
    struct channel *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct channel){ .fd = -1, .on_message = on_message, .on_closed = on_closed, .arg = arg, .out_limit = out_limit_bytes };
    buf_init(&c->in, MSG_MAX_BYTES + MSG_HEAD_BYTES + READ_BYTES);
    buf_init(&c->out, out_limit_bytes + out_limit_bytes / 2 + MSG_MAX_BYTES + MSG_HEAD_BYTES);
    c->in.secret = c->out.secret = true;        /* keys and passwords go by */
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
    c->flush = event_new(base, -1, 0, on_flush, c);
    if (c->readable == NULL || c->writable == NULL || c->flush == NULL || evutil_make_socket_nonblocking(fd) != 0 ||
        evutil_make_socket_closeonexec(fd) != 0 || event_add(c->readable, NULL) != 0) {
        channel_free(c);
        return NULL;
    }
    /* Answers to what peers ask go before new work. */
    event_priority_set(c->readable, 0);
    event_priority_set(c->writable, 0);
    event_priority_set(c->flush, 0);
    c->fd = fd;
    return c;
}

static void
release(struct channel *c)
{
    for (unsigned i = 0; i < c->fds_in_count; i++)
        close(c->fds_in[i]);
    for (unsigned i = 0; i < c->fds_out_count; i++)
        close(c->fds_out[i].fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

static void
stop_events(struct channel *c)
{
    struct event **events[] = { &c->readable, &c->writable, &c->flush };

    for (size_t i = 0; i < COUNT(events); i++) {
        if (*events[i] != NULL)
            event_free(*events[i]);
        *events[i] = NULL;
    }
    if (c->fd != -1)
        close(c->fd);
    c->fd = -1;
}

void
channel_free(struct channel *c)
{
    if (c == NULL)
        return;
    stop_events(c);
    c->over = c->freed = true;
    if (!c->dispatching)
        release(c);
}

/* The channel is over; the owner is told from the loop, never from inside a send. */
static void
fail(struct channel *c, int rc)
{
    if (c->over)
        return;
    c->over = true;
    c->over_rc = rc;
    event_del(c->readable);
    event_del(c->writable);
    event_active(c->flush, EV_TIMEOUT, 0);
}

size_t
channel_pending_bytes(const struct channel *c)
{
    return c->out.len - c->out_sent;
}

/* What has left moves out of the buffer. */
static void
drop_sent(struct channel *c)
{
    buf_consume(&c->out, c->out_sent);
    for (unsigned i = 0; i < c->fds_out_count; i++)
        c->fds_out[i].at -= c->out_sent;
    c->out_sent = 0;
}

struct buf *
channel_begin(struct channel *c, enum msg_type type, uint64_t req)
{
    assert(!c->message_open);
    if (c->over)
        return NULL;
    if (channel_pending_bytes(c) > c->out_limit) {
        c->wants_room = true;
        return NULL;
    }
    /* What has left still takes room that this message may need: at least half of out_limit goes at once, so it costs little. */
    if (c->out.len > c->out_limit + c->out_limit / 2)
        drop_sent(c);
    c->head_at = c->out.len;
    msg_head_write(&c->out, &(struct msg_head){ .version = MSG_VERSION, .type = (uint16_t)type, .req = req });
    if (c->out.fault != MT_OK) {
        c->out.fault = MT_OK;
        return NULL;
    }
    c->message_open = true;
    return &c->out;
}

static int
abandon_message(struct channel *c, int fd, int rc)
{
    c->out.len = c->head_at;
    c->out.fault = MT_OK;
    if (fd != -1)
        close(fd);
    return rc;
}

int
channel_end(struct channel *c, int fd)
{
    size_t len = c->out.len - c->head_at - MSG_HEAD_BYTES;

    assert(c->message_open);
    c->message_open = false;
    if (c->out.fault == MT_ENOMEM)
        return abandon_message(c, fd, MT_ENOMEM);
    if (c->out.fault != MT_OK || len > MSG_MAX_BYTES)
        return abandon_message(c, fd, MT_ESIZE);
    if (channel_pending_bytes(c) > c->out_limit || (fd != -1 && c->fds_out_count == FDS_WAITING)) {
        c->wants_room = true;
        return abandon_message(c, fd, MT_EFULL);
    }
    msg_head_patch(&c->out, c->head_at, (uint32_t)len);
    if (fd != -1) {
        c->out.data[c->head_at + 2] |= (char)(WITH_FD >> 8);
        c->fds_out[c->fds_out_count++] = (struct outgoing_fd){ .at = c->head_at, .fd = fd };
    }
    event_active(c->flush, EV_TIMEOUT, 0);
    return MT_OK;
}

int
channel_send(struct channel *c, enum msg_type type, uint64_t req, struct slice fields, int fd)
{
    struct buf *b = channel_begin(c, type, req);

    if (b == NULL) {
        if (fd != -1)
            close(fd);
        return c->over ? MT_ESHUTDOWN : MT_EFULL;
    }
    buf_append_slice(b, fields);
    return channel_end(c, fd);
}

struct buf *
channel_answer_begin(struct channel *c, uint64_t req)
{
    struct buf *b = channel_begin(c, MSG_ANSWER, req);

    if (b != NULL)
        write_u32(b, MT_OK);
    return b;
}

int
channel_answer(struct channel *c, uint64_t req, int rc)
{
    unsigned char field[4];

    put_u32(field, (uint32_t)rc);
    return channel_send(c, MSG_ANSWER, req, slice_make(field, sizeof(field)), -1);
}

void
channel_on_room(struct channel *c, channel_room_fn *on_room)
{
    c->on_room = on_room;
}

/* How far one sendmsg may go: descriptors leave with the first octet of their message, so a write stops before the next one. */
static size_t
sendable(const struct channel *c, bool *with_fd)
{
    size_t end = c->out.len;

    *with_fd = c->fds_out_count > 0 && c->fds_out[0].at == c->out_sent;
    if (c->fds_out_count > (*with_fd ? 1u : 0u))
        end = c->fds_out[*with_fd ? 1 : 0].at;
    return end - c->out_sent;
}

static ssize_t
send_some(struct channel *c)
{
    union {
        struct cmsghdr align;
        char           bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    bool          with_fd;
    size_t        len = sendable(c, &with_fd);
    struct iovec  iov = { .iov_base = c->out.data + c->out_sent, .iov_len = len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t       sent;

    if (with_fd) {
        struct cmsghdr *head;

        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &c->fds_out[0].fd, sizeof(int));
    }
    sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0 && with_fd) {
        close(c->fds_out[0].fd);
        memmove(c->fds_out, c->fds_out + 1, --c->fds_out_count * sizeof(c->fds_out[0]));
    }
    return sent;
}

static void
compact_out(struct channel *c)
{
    if (c->out_sent == c->out.len) {
        if (c->out.cap > KEEP_BYTES)
            buf_fini(&c->out);
        else
            buf_clear(&c->out);
        c->out_sent = 0;
    } else if (c->out_sent > c->out.len / 2) {
        drop_sent(c);
    }
}

/* Nobody will read what waits to be sent. */
static void
drop_out(struct channel *c)
{
    for (unsigned i = 0; i < c->fds_out_count; i++)
        close(c->fds_out[i].fd);
    c->fds_out_count = 0;
    c->out_sent = c->out.len;
}

/* Sends until all has left or the socket is full. */
static void
send_all(struct channel *c)
{
    while (channel_pending_bytes(c) > 0) {
        ssize_t sent = send_some(c);

        if (sent < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                break;
            /* What came in before the other end went is still read; the read then finds the end. */
            if (errno != EPIPE && errno != ECONNRESET)
                fail(c, mt_from_errno(errno));
            drop_out(c);
            break;
        }
        c->out_sent += (size_t)sent;
    }
    compact_out(c);
    if (channel_pending_bytes(c) > 0 && !c->over)
        event_add(c->writable, NULL);
}

static void
tell_room(struct channel *c)
{
    if (!c->wants_room || channel_pending_bytes(c) > c->out_limit / 2)
        return;
    c->wants_room = false;
    if (c->on_room != NULL)
        c->on_room(c->arg);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct channel *c = arg;

    (void)fd;
    (void)what;
    if (!c->over)
        send_all(c);
    if (c->over && !c->told) {
        c->told = true;
        c->on_closed(c->arg, c->over_rc);   /* may free c */
        return;
    }
    tell_room(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    on_flush(fd, what, arg);
}

int
channel_flush(struct channel *c)
{
    while (!c->over && channel_pending_bytes(c) > 0) {
        struct pollfd p = { .fd = c->fd, .events = POLLOUT };

        send_all(c);
        if (channel_pending_bytes(c) > 0 && poll(&p, 1, -1) < 0 && errno != EINTR)
            return mt_from_errno(errno);
    }
    return c->over ? MT_ESHUTDOWN : MT_OK;
}

/* Puts the descriptors that came with a read into the queue. False: more than anyone may send. */
static bool
take_fds(struct channel *c, struct msghdr *msg)
{
    bool ok = (msg->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head != NULL; head = CMSG_NXTHDR(msg, head)) {
        size_t count;

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
            if (c->fds_in_count < FDS_WAITING) {
                c->fds_in[c->fds_in_count++] = fd;
            } else {
                close(fd);
                ok = false;
            }
        }
    }
    return ok;
}

static int
take_first_fd(struct channel *c)
{
    int fd = c->fds_in[0];

    memmove(c->fds_in, c->fds_in + 1, --c->fds_in_count * sizeof(c->fds_in[0]));
    return fd;
}

/* The next message of in from *at on. MT_EAGAIN: not complete. */
static int
dispatch_one(struct channel *c, size_t *at)
{
    struct slice    rest = slice_sub(buf_slice(&c->in), *at, SIZE_MAX);
    struct msg_head head;
    struct reader   r;
    bool            with_fd;
    char            bytes[MSG_HEAD_BYTES];
    int             fd = -1;
    int             rc;

    if (rest.len < MSG_HEAD_BYTES)
        return MT_EAGAIN;
    memcpy(bytes, rest.data, sizeof(bytes));
    with_fd = ((unsigned char)bytes[2] & (WITH_FD >> 8)) != 0;
    bytes[2] = (char)((unsigned char)bytes[2] & ~(WITH_FD >> 8));
    if ((rc = msg_head_read(slice_make(bytes, sizeof(bytes)), &head)) != MT_OK)
        return rc;
    if (rest.len - MSG_HEAD_BYTES < head.len_bytes)
        return MT_EAGAIN;
    if (with_fd) {
        if (c->fds_in_count == 0)
            return MT_EPROTO;
        fd = take_first_fd(c);
    }
    reader_init(&r, slice_sub(rest, MSG_HEAD_BYTES, head.len_bytes));
    *at += MSG_HEAD_BYTES + head.len_bytes;
    rc = c->on_message(c->arg, &head, &r, &fd);
    if (fd != -1)
        close(fd);
    if (rc != MT_OK)
        log_warning("event=channel-refused message=%s reason=\"%s\"", msg_name(head.type), mt_strerror(rc));
    return rc;
}

static void
dispatch(struct channel *c)
{
    size_t at = 0;
    int    rc = MT_OK;

    c->dispatching = true;
    while (!c->over && (rc = dispatch_one(c, &at)) == MT_OK)
        ;
    c->dispatching = false;
    if (c->freed) {
        release(c);
        return;
    }
    if (rc != MT_OK && rc != MT_EAGAIN)
        fail(c, rc);
    buf_consume(&c->in, at);
    if (c->in.len == 0 && c->in.cap > 2 * KEEP_BYTES)
        buf_fini(&c->in);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct channel *c = arg;
    union {
        struct cmsghdr align;
        char           bytes[CMSG_SPACE(FDS_A_READ * sizeof(int))];
    } control;
    struct iovec  iov;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
    ssize_t       got;

    (void)fd;
    (void)what;
    iov.iov_len = c->in.len == 0 ? KEEP_BYTES : READ_BYTES;
    iov.iov_base = buf_reserve(&c->in, iov.iov_len);
    if (iov.iov_base == NULL) {
        fail(c, MT_ENOMEM);
        return;
    }
    got = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            fail(c, errno == ECONNRESET ? MT_OK : mt_from_errno(errno));
        return;
    }
    if (!take_fds(c, &msg)) {
        fail(c, MT_EPROTO);
        return;
    }
    if (got == 0) {
        fail(c, MT_OK);
        return;
    }
    buf_added(&c->in, (size_t)got);
    dispatch(c);
}

int
channel_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0 ? MT_OK : mt_from_errno(errno);
}
