#include "imapd/connection.h"

#include "imapd/compression.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/tls_server.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAID_BYTES_MAX = 1024 };

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void connection_settle(struct connection *c);

/* ---- What protocols say ---------------------------------------------------------------------------------------------- */

void
connection_say(struct connection *c, const char *line)
{
    buf_append_string(&c->out, line);
    buf_append_string(&c->out, "\r\n");
}

void
connection_sayf(struct connection *c, const char *format, ...)
{
    char    line[SAID_BYTES_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    connection_say(c, line);
}

void
connection_begin_tls(struct connection *c)
{
    c->starts_tls = true;
}

bool
connection_compress(struct connection *c)
{
    if (c->imapd->compressing >= IMAPD_COMPRESSING_MAX || (c->compression = compression_new()) == NULL)
        return false;
    c->imapd->compressing++;
    c->begins_compression = true;
    return true;
}

void
connection_produce(struct connection *c)
{
    c->producing = true;
}

void
connection_end(struct connection *c)
{
    c->ending = true;
    c->producing = false;
}

void
connection_break(struct connection *c)
{
    c->broken = true;
}

void
connection_limit(struct connection *c, enum deadline_kind kind)
{
    deadline_start(&c->imapd->deadlines, &c->deadline, kind);
}

bool
connection_is_secure(const struct connection *c)
{
    return c->stream.ssl != NULL && c->stream.established;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------------- */

static bool
may_step(const struct connection *c)
{
    return !c->waiting && !c->revoked && !c->producing && !c->ending && !c->broken && !c->starts_tls && !c->begins_compression &&
           c->out.len < CONNECTION_OUT_ENOUGH;
}

static bool
may_read(const struct connection *c)
{
    return c->lingering || (c->starts_tls && c->stream.ssl != NULL) || (may_step(c) && !c->rests && c->in.len < CONNECTION_IN_BYTES_MAX);
}

static void
choose_reading(struct connection *c)
{
    bool wanted = may_read(c);

    if (wanted && !c->reading)
        event_add(&c->ev_read, NULL);
    if (!wanted && c->reading)
        event_del(&c->ev_read);
    c->reading = wanted;
}

/* What was said so far goes as it is; what the client sent behind its command is compressed (RFC 4978 section 3). */
static void
begin_compression(struct connection *c, struct slice *in)
{
    c->begins_compression = false;
    if (buf_append_slice(compression_to_send(c->compression), buf_slice(&c->out)) != MT_OK || compression_receive(c->compression, *in) != MT_OK)
        c->broken = true;
    buf_clear(&c->out);
    in->len = 0;
}

static uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Others are to have their turns. */
static void
rest_in_time(struct connection *c)
{
    c->rests = c->rests || now_us() - c->turn_began_us > CONNECTION_TURN_US;
}

static void
take_steps(struct connection *c)
{
    struct slice in = buf_slice(&c->in);

    while (may_step(c) && !c->rests && c->protocol->step(c, &in))
        rest_in_time(c);
    if (c->begins_compression)
        begin_compression(c, &in);
    /* What was sent behind STLS came in plain and is thrown away (RFC 2595 section 2.2). */
    if (in.len == 0 || c->starts_tls || c->ending || c->broken)
        buf_wipe(&c->in);
    else
        buf_consume(&c->in, c->in.len - in.len);
}

/* A turn takes no more octets of one who compresses than of others, however few these were on the way. */
static size_t
room_to_read(const struct connection *c)
{
    size_t room = CONNECTION_IN_BYTES_MAX - c->in.len;

    return room < IMAPD_READ_BYTES ? room : IMAPD_READ_BYTES;
}

static void
inflate_some(struct connection *c)
{
    int rc = c->compression == NULL || !may_read(c) ? MT_OK : compression_inflate(c->compression, &c->in, room_to_read(c));

    if (rc == MT_OK)
        return;
    log_info("s=%x event=compression-failed client=%s reason=\"%s\"", c->number, c->client,
             rc == MT_EPROTO ? "the client's octets are not deflate" : mt_strerror(rc));
    c->broken = true;
}

static void
read_some(struct connection *c)
{
    size_t got = 0;
    int    rc;

    if (c->compression != NULL && !compression_is_drained(c->compression)) {
        inflate_some(c);
        return;
    }
    rc = stream_read(&c->stream, c->imapd->scratch, room_to_read(c), &got);
    if (rc == MT_OK && c->compression != NULL)
        rc = compression_receive(c->compression, slice_make(c->imapd->scratch, got));
    else if (rc == MT_OK)
        rc = buf_append_slice(&c->in, slice_make(c->imapd->scratch, got));
    sodium_memzero(c->imapd->scratch, got);     /* it may have been a password */
    if (rc != MT_OK && rc != MT_EAGAIN)
        c->broken = true;
    inflate_some(c);
}

/* Throws away what still comes; the client's end ends the connection. */
static void
linger(struct connection *c)
{
    size_t got;
    int    rc = c->stream.ssl != NULL && !c->stream.established ? MT_EIO
                                                               : stream_read(&c->stream, c->imapd->scratch, IMAPD_READ_BYTES, &got);

    if (rc != MT_OK && rc != MT_EAGAIN)
        c->broken = true;
}

static void
greet(struct connection *c)
{
    c->greeted = true;
    connection_limit(c, DEADLINE_LOGIN);
    c->protocol->greet(c);
}

static void
handshake(struct connection *c)
{
    bool wants_write;
    int  rc = stream_handshake(&c->stream, &wants_write);

    if (wants_write)
        event_add(&c->ev_write, NULL);
    else
        event_del(&c->ev_write);
    if (rc == MT_EAGAIN)
        return;
    if (rc != MT_OK) {
        if (limits_may_log(c->imapd->clients, &c->limit))
            log_info("s=%x event=tls-failed client=%s reason=\"%s\"", c->number, c->client, stream_tls_error());
        c->broken = true;
        return;
    }
    c->starts_tls = false;
    if (!c->greeted) {
        greet(c);
        return;
    }
    connection_limit(c, DEADLINE_LOGIN);
    c->protocol->secured(c);
}

/* ---- The end of a turn --------------------------------------------------------------------------------------------------- */

/* Makes more of a long answer, until there is enough of it, or others are to have their turns. */
static void
make_more(struct connection *c)
{
    while (c->producing && !c->rests && c->out.len < CONNECTION_OUT_ENOUGH && c->out.fault == MT_OK && !c->broken) {
        c->producing = c->protocol->produce(c) && !c->ending;
        rest_in_time(c);
    }
}

/* What goes out: what was said, or what came of it where both sides compress. */
static struct buf *
choose_sent(struct connection *c)
{
    struct buf *sent;

    if (c->compression == NULL)
        return &c->out;
    sent = compression_to_send(c->compression);
    if (sent->len == 0 && compression_deflate(c->compression, &c->out) != MT_OK)
        c->broken = true;
    return sent;
}

static bool
all_is_sent(const struct connection *c)
{
    return c->out.len == 0 && (c->compression == NULL || compression_to_send(c->compression)->len == 0);
}

/* Sends as much as the client takes, and makes more of a long answer as room comes. */
static void
send_said(struct connection *c)
{
    while (!c->broken) {
        struct buf *out;
        size_t      sent = 0;
        int         rc;

        make_more(c);
        if (c->out.fault != MT_OK)
            c->broken = true;
        out = choose_sent(c);
        if (out->len == 0 || c->broken)
            return;
        rc = stream_write(&c->stream, buf_slice(out), c->ending && !c->producing, &sent);
        if (sent > 0 && c->deadline.kind == DEADLINE_STALLED)
            connection_limit(c, DEADLINE_STALLED);
        if (rc == MT_EAGAIN) {
            event_add(&c->ev_write, NULL);
            if (c->deadline.kind == DEADLINE_IDLE)
                connection_limit(c, DEADLINE_STALLED);
            return;
        }
        if (rc != MT_OK)
            c->broken = true;
        buf_consume(out, sent);
    }
}

static void
end_stall(struct connection *c)
{
    if (c->deadline.kind == DEADLINE_STALLED && all_is_sent(c) && !c->producing)
        connection_limit(c, DEADLINE_IDLE);
}

static bool
is_over(struct connection *c)
{
    if (c->broken)
        return true;
    if (!c->ending || !all_is_sent(c))
        return false;
    if (!c->lingering) {
        stream_end_output(&c->stream);
        c->lingering = true;
    }
    return false;
}

static bool
is_silent(const void *owner)
{
    return stream_is_silent(&((const struct connection *)owner)->stream);
}

/* Where handshakes are too many, the one that has waited for its client for longest gives way; one that waits for us only where they are twice too many. */
static void
bound_handshakes(const struct connection *newcomer)
{
    struct imapd      *imapd = newcomer->imapd;
    unsigned           most = imapd->config->tls.handshakes_max, count = imapd->deadlines.count[DEADLINE_TLS];
    struct connection *c;

    if (count <= most)
        return;
    c = deadlines_oldest(&imapd->deadlines, DEADLINE_TLS, 0, count > 2 * most ? NULL : is_silent);
    if (c == NULL || c == newcomer)
        return;
    limits_reached(imapd->clients, &c->limit, c->client, LIMIT_SHED);
    connection_break(c);
    connection_settle(c);
}

static void
begin_handshake(struct connection *c)
{
    buf_wipe(&c->in);
    if (stream_begin_tls(&c->stream, tls_server_context(c->imapd->tls), c->protocol->name) != MT_OK)
        c->broken = true;
    connection_limit(c, DEADLINE_TLS);
    bound_handshakes(c);
}

/* There is something to do in the next turn. */
static bool
goes_on(const struct connection *c)
{
    return c->rests && (c->producing || (c->in.len > 0 && may_step(c)));
}

static void
stop_when_idle(struct connection *c)
{
    if (!c->stopping || c->ending || c->waiting || ((c->producing || goes_on(c)) && !c->revoked))
        return;
    if (c->starts_tls || !c->greeted || c->producing)
        c->broken = true;
    else
        c->protocol->stop(c);
}

/* Who is idle keeps nothing. */
static void
free_answer(struct connection *c)
{
    if (!all_is_sent(c) || c->producing)
        return;
    buf_fini(&c->out);
    if (c->compression != NULL)
        compression_rest(c->compression);
}

/* Where the client takes none of its answers, the turn does not come. */
static void
wait_for_turn(struct connection *c)
{
    /* Not event_active, which would have it run before the loop looks for what others sent. */
    event_add(&c->ev_write, NULL);
    if (c->deadline.kind == DEADLINE_IDLE || c->deadline.kind == DEADLINE_STALLED)
        connection_limit(c, DEADLINE_STALLED);
}

static void
connection_settle(struct connection *c)
{
    size_t before;
    bool   was_producing;

    c->rests = false;
    c->turn_began_us = now_us();
    /* The end of a long answer lets the commands behind it go on. */
    do {
        before = c->in.len;
        was_producing = c->producing;
        if (c->greeted)
            take_steps(c);
        send_said(c);
    } while (c->in.len > 0 && (c->in.len < before || (was_producing && !c->producing)) && may_step(c) && !c->rests);
    end_stall(c);
    stop_when_idle(c);
    send_said(c);
    if (c->starts_tls && c->stream.ssl == NULL && c->out.len == 0 && !c->broken)
        begin_handshake(c);
    if (c->ending && c->deadline.kind != DEADLINE_CLOSING)
        connection_limit(c, DEADLINE_CLOSING);
    if (is_over(c)) {
        connection_free(c);
        return;
    }
    free_answer(c);
    /* Until it goes on nothing is read, so that a client's end comes behind all that it sent. */
    c->rests = goes_on(c);
    choose_reading(c);
    if (c->rests)
        wait_for_turn(c);
    if (c->reading && c->compression != NULL && !compression_is_drained(c->compression))
        event_add(&c->ev_write, NULL);
    /* TLS may hold octets that the socket no longer announces. */
    if (c->reading && stream_has_more(&c->stream))
        event_active(&c->ev_read, EV_READ, 0);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;

    (void)fd;
    (void)what;
    if (c->lingering)
        linger(c);
    else if (c->starts_tls && c->stream.ssl != NULL)
        handshake(c);
    else if (may_read(c))
        read_some(c);
    connection_settle(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;

    (void)fd;
    (void)what;
    event_del(&c->ev_write);
    if (c->starts_tls && c->stream.ssl != NULL)
        handshake(c);
    inflate_some(c);
    connection_settle(c);
}

/* ---- Begin and end ------------------------------------------------------------------------------------------------------- */

static bool
is_on_this_machine(const char *client)
{
    return strcmp(client, "unix") == 0 || strcmp(client, "::1") == 0 || strncmp(client, "127.", 4) == 0;
}

void
connection_open(struct imapd *imapd, struct accepted *accepted)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        limits_leave(imapd->clients, &accepted->limit);
        evutil_closesocket(accepted->fd);
        return;
    }
    c->imapd = imapd;
    c->protocol = accepted->protocol;
    c->limit = accepted->limit;
    c->number = ++imapd->last_number;
    c->starts_tls = accepted->tls;
    c->plain_login = !accepted->proxied && is_on_this_machine(accepted->client);
    slice_copy(c->client, sizeof(c->client), slice_of(accepted->client));
    stream_init(&c->stream, accepted->fd);
    buf_init(&c->in, CONNECTION_IN_BYTES_MAX);
    buf_init(&c->out, CONNECTION_OUT_BYTES_MAX);
    deadline_init(&c->deadline, c);
    event_assign(&c->ev_read, imapd->role->base, accepted->fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->ev_write, imapd->role->base, accepted->fd, EV_WRITE | EV_PERSIST, on_writable, c);
    event_priority_set(&c->ev_read, 0);
    event_priority_set(&c->ev_write, 0);
    TAILQ_INSERT_TAIL(&imapd->connections, c, link);
    imapd->connection_count++;
    accept_changed(imapd);
    log_debug("s=%x event=session-begin client=%s protocol=%s", c->number, c->client, c->protocol->name);
    if (c->protocol->open(c) != MT_OK)
        c->broken = true;
    else if (!c->starts_tls)
        greet(c);
    connection_settle(c);
}

void
connection_free(struct connection *c)
{
    struct imapd *imapd = c->imapd;

    session_end(c);
    store_asks_forget(imapd, c);
    if (c->own != NULL)
        c->protocol->free(c);
    deadline_stop(&imapd->deadlines, &c->deadline);
    event_del(&c->ev_read);
    event_del(&c->ev_write);
    stream_close(&c->stream);
    if (c->compression != NULL)
        imapd->compressing--;
    compression_free(c->compression);
    buf_wipe(&c->in);           /* passwords came in here */
    buf_fini(&c->out);
    TAILQ_REMOVE(&imapd->connections, c, link);
    imapd->connection_count--;
    limits_leave(imapd->clients, &c->limit);
    free(c);
    imapd_connection_gone(imapd);
}

void
connection_turn(struct connection *c)
{
    connection_settle(c);
}

void
connection_shed(struct connection *c, const char *line)
{
    if (c->greeted && !c->ending && !c->starts_tls && all_is_sent(c)) {
        connection_say(c, line);
        send_said(c);
    }
    c->broken = true;
    connection_settle(c);
}

void
connection_stop(struct connection *c)
{
    c->stopping = true;
    connection_settle(c);
}

void
connection_revoke(struct connection *c)
{
    log_info("s=%x event=session-revoked protocol=%s client=%s %s", c->number, c->protocol->name, c->client, SESSION_NAMES(&c->session));
    c->revoked = true;
    connection_stop(c);
}

void
connection_expired(void *owner, enum deadline_kind kind)
{
    struct connection *c = owner;

    switch (kind) {
    case DEADLINE_TLS:
    case DEADLINE_CLOSING:
        c->broken = true;
        break;
    case DEADLINE_STALLED:
        log_info("s=%x event=timeout client=%s limit=\"reading its answer\"", c->number, c->client);
        c->broken = true;
        break;
    default:
        c->protocol->expired(c, kind);
        break;
    }
    connection_settle(c);
}
