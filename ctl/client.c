#include "ctl/client.h"

#include "lib/error.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OUT_LIMIT_BYTES MSG_MAX_BYTES

struct client {
    struct event_base *base;
    struct channel    *channel;
    struct event      *alarm;
    struct buf         fields;
    uint64_t           patience_ms;
    uint64_t           calls;           /* made so far: the last one's req */
    bool               over;            /* the channel has ended */
    /* The call under way. */
    bool               waiting;
    uint64_t           req;             /* 0: it waits for a change */
    int                rc;
    client_read_fn    *on_row;
    client_read_fn    *on_answer;
    void              *arg;
    /* Changes. */
    client_wanted_fn  *wanted;
    void              *wanted_arg;
    bool               heard;           /* a wanted change has come since the last client_wait */
};

/* Ends the call under way. */
static void
finish(struct client *c, int rc)
{
    if (c->waiting) {
        c->waiting = false;
        c->rc = rc;
        event_base_loopbreak(c->base);
    }
}

static void
rearm(struct client *c, uint64_t ms)
{
    struct timeval after = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    if (ms == 0)
        event_del(c->alarm);
    else
        event_add(c->alarm, &after);
}

static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg, MT_EAGAIN);
}

static int
take_row(struct client *c, struct reader *r)
{
    int rc = c->on_row == NULL ? MT_EPROTO : c->on_row(c->arg, r);

    if (rc == MT_OK && !read_end(r))
        rc = MT_EPROTO;
    if (rc != MT_OK) {
        c->over = true;         /* the rest of the list would only confuse the next call */
        finish(c, rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    rearm(c, c->patience_ms);
    return MT_OK;
}

static int
take_answer(struct client *c, struct reader *r)
{
    uint32_t code;
    int      rc;

    read_u32(r, &code);
    if (!read_ok(r) || code >= MT_ERROR_COUNT)
        return MT_EPROTO;
    rc = (int)code;
    if (rc == MT_OK && c->on_answer != NULL)
        rc = c->on_answer(c->arg, r);
    if (rc == MT_OK && !read_end(r))
        rc = MT_EPROTO;
    finish(c, rc);
    return rc == MT_EPROTO ? rc : MT_OK;
}

static int
take_change(struct client *c, struct reader *r)
{
    struct change change;

    change_read(r, &change);
    if (!read_end(r))
        return MT_EPROTO;
    if (c->wanted != NULL && c->wanted(c->wanted_arg, &change)) {
        c->heard = true;
        if (c->waiting && c->req == 0)
            finish(c, MT_OK);
    }
    return MT_OK;
}

static int
on_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct client *c = arg;

    (void)fd;
    if (head->type == MSG_CHANGED)
        return take_change(c, r);
    if (!c->waiting || c->req == 0 || head->req != c->req)
        return MT_EPROTO;
    if (head->type == MSG_ROW)
        return take_row(c, r);
    if (head->type == MSG_ANSWER)
        return take_answer(c, r);
    return MT_EPROTO;
}

static void
on_closed(void *arg, int rc)
{
    struct client *c = arg;

    c->over = true;
    finish(c, rc == MT_OK ? MT_ESHUTDOWN : rc);
}

static int
open_socket(const char *path, int *out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd, err;

    if (strlen(path) >= sizeof(address.sun_path))
        return MT_EINVALID;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return mt_from_errno(errno);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        err = errno;
        close(fd);
        return err == ENOENT || err == ECONNREFUSED ? MT_ESHUTDOWN : mt_from_errno(err);
    }
    *out = fd;
    return MT_OK;
}

int
client_connect(const char *path, struct client **out)
{
    struct client *c;
    int            fd = -1, rc = open_socket(path, &fd);

    if (rc != MT_OK)
        return rc;
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        return MT_ENOMEM;
    }
    buf_init(&c->fields, MSG_MAX_BYTES);
    c->patience_ms = CLIENT_PATIENCE_MS;
    c->base = event_base_new();
    if (c->base != NULL)
        c->channel = channel_new(c->base, fd, OUT_LIMIT_BYTES, on_message, on_closed, c);
    if (c->channel == NULL)
        close(fd);
    else
        c->alarm = evtimer_new(c->base, on_alarm, c);
    if (c->alarm == NULL) {
        client_close(c);
        return MT_ENOMEM;
    }
    *out = c;
    return MT_OK;
}

void
client_close(struct client *c)
{
    if (c == NULL)
        return;
    if (c->alarm != NULL)
        event_free(c->alarm);
    channel_free(c->channel);
    if (c->base != NULL)
        event_base_free(c->base);
    buf_wipe(&c->fields);
    free(c);
}

struct buf *
client_fields(struct client *c)
{
    buf_clear(&c->fields);
    return &c->fields;
}

/* Runs the loop until the call under way is over. */
static int
run(struct client *c, uint64_t req, uint64_t limit_ms)
{
    c->waiting = true;
    c->req = req;
    rearm(c, limit_ms);
    while (c->waiting)
        if (event_base_dispatch(c->base) != 0)
            finish(c, MT_EIO);
    event_del(c->alarm);
    return c->rc;
}

int
client_call(struct client *c, enum msg_type type, int fd, client_read_fn *on_row, client_read_fn *on_answer, void *arg)
{
    int rc = c->over ? MT_ESHUTDOWN : c->fields.fault;

    if (rc != MT_OK) {
        if (fd != -1)
            close(fd);
        return rc;
    }
    c->on_row = on_row;
    c->on_answer = on_answer;
    c->arg = arg;
    rc = channel_send(c->channel, type, ++c->calls, buf_slice(&c->fields), fd);
    buf_wipe(&c->fields);
    return rc != MT_OK ? rc : run(c, c->calls, c->patience_ms);
}

void
client_set_patience(struct client *c, uint64_t ms)
{
    c->patience_ms = ms;
}

int
client_watch(struct client *c, client_wanted_fn *wanted, void *arg)
{
    c->wanted = wanted;
    c->wanted_arg = arg;
    client_fields(c);
    return client_call(c, MSG_SUBSCRIBE, -1, NULL, NULL, NULL);
}

int
client_wait(struct client *c, uint64_t wait_ms)
{
    int rc = MT_OK;

    if (!c->heard)
        rc = c->over ? MT_ESHUTDOWN : wait_ms == 0 ? MT_EAGAIN : run(c, 0, wait_ms);
    c->heard = false;
    return rc;
}
