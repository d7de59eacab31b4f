#include "smtpd/session.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/tls_server.h"
#include "smtpd/commands.h"
#include "smtpd/smtpd.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    OUT_BYTES_MAX      = 64 * 1024,
    OUT_ENOUGH_BYTES   = 16 * 1024,     /* of replies: they are sent before more commands are read */
    IN_BYTES_MAX       = READ_BYTES + LINE_BYTES_MAX + 2,
    READ_BYTES_AT_BOUND = 4096,         /* between messages, while memory is short */
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void session_settle(struct session *s);

/* ---- Replies -------------------------------------------------------------------------------------------------- */

static void
count_reply(struct session *s, enum reply reply)
{
    switch (reply_class(reply)) {
    case 5:
        s->errors++;
        metric_add(METRIC_SMTP_REFUSED_PERM_TOTAL, 1);
        break;
    case 4:
        metric_add(METRIC_SMTP_REFUSED_TEMP_TOTAL, 1);
        break;
    default:
        break;
    }
}

void
session_reply_two(struct session *s, enum reply reply, struct slice detail, struct slice second)
{
    count_reply(s, reply);
    reply_append2(&s->out, reply, detail, second);
}

void
session_reply_with(struct session *s, enum reply reply, struct slice detail)
{
    session_reply_two(s, reply, detail, slice_make(NULL, 0));
}

void
session_reply(struct session *s, enum reply reply)
{
    session_reply_with(s, reply, slice_make(NULL, 0));
}

void
session_reply_number(struct session *s, enum reply reply, uint64_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    session_reply_with(s, reply, slice_of(digits));
}

void
session_close_with(struct session *s, enum reply reply, struct slice detail)
{
    session_reply_with(s, reply, detail);
    session_end_transaction(s);
    s->linger = true;
    s->state = ST_CLOSING;
}

/* ---- Begin and end -------------------------------------------------------------------------------------------- */

static struct session *
session_new(struct smtpd *smtpd, int fd, const char *client, const struct limit_client *limit, bool lmtp)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->smtpd = smtpd;
    s->state = ST_GREETED;
    s->lmtp = lmtp;
    s->number = ++smtpd->last_number;
    s->began_ms = monotonic_ms();
    s->limit = *limit;
    slice_copy(s->client, sizeof(s->client), slice_of(client));
    stream_init(&s->stream, fd);
    buf_init(&s->in, IN_BYTES_MAX);
    buf_init(&s->out, OUT_BYTES_MAX);
    deadline_init(&s->deadline, s);
    flight_entry_init(&s->flight, s);
    event_assign(&s->ev_read, smtpd->role->base, fd, EV_READ | EV_PERSIST, on_readable, s);
    event_assign(&s->ev_write, smtpd->role->base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
    event_priority_set(&s->ev_read, 0);
    event_priority_set(&s->ev_write, 0);
    TAILQ_INSERT_TAIL(&smtpd->sessions, s, link);
    smtpd->session_count++;
    pressure_changed(smtpd);
    metric_add(METRIC_SMTP_SESSIONS_TOTAL, 1);
    metric_add(METRIC_SMTP_SESSIONS, 1);
    return s;
}

void
session_end_transaction(struct session *s)
{
    flight_release(&s->smtpd->flight, &s->flight);
    pressure_of_messages(s->smtpd);
    transaction_end(&s->smtpd->pool, s->tx);
    s->tx = NULL;
}

void
session_free(struct session *s)
{
    struct smtpd *smtpd = s->smtpd;

    log_debug("s=%x event=session-end client=%s transactions=%u errors=%u", s->number, s->client, s->transactions, s->errors);
    session_end_transaction(s);
    deadline_stop(&smtpd->deadlines, &s->deadline);
    if (s->reading)
        event_del(&s->ev_read);
    event_del(&s->ev_write);
    stream_close(&s->stream);
    buf_fini(&s->in);
    buf_fini(&s->out);
    free(s->helo);
    TAILQ_REMOVE(&smtpd->sessions, s, link);
    smtpd->session_count--;
    limits_leave(smtpd->clients, &s->limit);
    pressure_changed(smtpd);
    metric_sub(METRIC_SMTP_SESSIONS, 1);
    free(s);
    smtpd_session_gone(smtpd);
}

void
session_open(struct smtpd *smtpd, int fd, const char *client, struct limit_client *limit, bool lmtp)
{
    struct session *s = session_new(smtpd, fd, client, limit, lmtp);

    if (s == NULL) {
        log_error("event=session-failed client=%s reason=\"%s\"", client, mt_strerror(MT_ENOMEM));
        limits_leave(smtpd->clients, limit);
        evutil_closesocket(fd);
        return;
    }
    client_names_ask(smtpd->names, s->client);
    log_debug("s=%x event=session-begin client=%s protocol=%s", s->number, s->client, lmtp ? "lmtp" : "smtp");
    reply_append2(&s->out, REPLY_GREETING, slice_of(smtpd->config->hostname), slice_of(lmtp ? "LMTP" : "ESMTP"));
    session_await_command(s);
    session_settle(s);
}

/* ---- Time limits ---------------------------------------------------------------------------------------------- */

void
session_await_command(struct session *s)
{
    deadline_start(&s->smtpd->deadlines, &s->deadline, s->named_mailbox ? DEADLINE_COMMAND : DEADLINE_EARLY);
}

static uint64_t
message_bytes(const struct session *s)
{
    return s->tx == NULL ? 0 : s->tx->reader.size_bytes;
}

void
session_await_message(struct session *s)
{
    if (s->deadline.kind != DEADLINE_MESSAGE)
        s->message_began_ms = monotonic_ms();
    s->period_bytes = message_bytes(s);
    deadline_start(&s->smtpd->deadlines, &s->deadline, DEADLINE_MESSAGE);
}

bool
session_is_stalled(const struct session *s)
{
    return !s->flight.blocked && message_bytes(s) - s->period_bytes < s->smtpd->config->smtp.stalled_bytes;
}

/* The time for a part of the message is over, and enough of it came, or it was us who did not read. */
static bool
message_goes_on(struct session *s)
{
    uint64_t began_ms = s->message_began_ms;

    if (session_is_stalled(s) || monotonic_ms() - began_ms >= s->smtpd->config->smtp.message_timeout_ms)
        return false;
    session_await_message(s);
    s->message_began_ms = began_ms;
    return true;
}

/* ---- Reading -------------------------------------------------------------------------------------------------- */

static bool
has_replies_enough(const struct session *s)
{
    return s->out.len > OUT_ENOUGH_BYTES;
}

/* Whether the session may use what the client sends. */
static bool
may_go_on(const struct session *s)
{
    return !s->waiting && !s->broken && s->state != ST_CLOSING && s->state != ST_TLS;
}

/* Takes steps with what is there; what is left stays in s->in. fresh is not in s->in yet. */
static void
take_steps(struct session *s, struct slice fresh)
{
    struct slice in = fresh;
    bool         queued = s->in.len > 0;

    if (queued) {
        buf_append_slice(&s->in, fresh);
        in = buf_slice(&s->in);
    }
    if (s->in.fault != MT_OK)
        s->broken = true;
    while (may_go_on(s) && !has_replies_enough(s) && dispatch_step(s, &in))
        ;
    if (s->state == ST_CLOSING || s->state == ST_TLS || s->broken) {
        /* What was sent behind STARTTLS came in plain and is thrown away (RFC 3207 section 4.2). */
        buf_fini(&s->in);
        s->line = (struct line){ .scanned = 0 };
    } else if (in.len == 0) {
        buf_fini(&s->in);
    } else if (queued) {
        buf_consume(&s->in, s->in.len - in.len);
    } else if (buf_append_slice(&s->in, in) != MT_OK) {
        s->broken = true;
    }
}

static void
stop_reading(struct session *s)
{
    if (s->reading)
        event_del(&s->ev_read);
    s->reading = false;
}

static void
start_reading(struct session *s)
{
    if (!s->reading)
        event_add(&s->ev_read, NULL);
    s->reading = true;
}

/* Within a message of which the octets are kept. */
static bool
is_within_message(const struct session *s)
{
    return (s->state == ST_BODY || s->state == ST_CHUNK) && s->tx != NULL && s->tx->refusal == REPLY_NONE;
}

/* Whether more may be read: replies must leave first, an answer must come first, memory must be there first. */
static bool
may_read(struct session *s)
{
    if (!may_go_on(s) || s->out.len > 0)
        return false;
    return !is_within_message(s) || flight_may_read(&s->smtpd->flight, &s->flight);
}

static void
read_some(struct session *s)
{
    const struct flight *flight = &s->smtpd->flight;
    size_t               size = READ_BYTES;
    size_t               got = 0;
    int                  rc;

    if (!is_within_message(s) && flight->bytes >= flight->max_bytes)
        size = READ_BYTES_AT_BOUND;
    rc = stream_read(&s->stream, s->smtpd->scratch, size, &got);
    if (rc == MT_OK)
        take_steps(s, slice_make(s->smtpd->scratch, got));
    else if (rc != MT_EAGAIN)
        s->state = ST_CLOSING;
}

static void
handshake(struct session *s)
{
    bool wants_write;
    int  rc = stream_handshake(&s->stream, &wants_write);

    if (wants_write)
        event_add(&s->ev_write, NULL);
    else
        event_del(&s->ev_write);
    if (rc == MT_EAGAIN)
        return;
    if (rc != MT_OK) {
        if (limits_may_log(s->smtpd->clients, &s->limit))
            log_info("s=%x event=tls-failed client=%s reason=\"%s\"", s->number, s->client, stream_tls_error());
        s->broken = true;
        return;
    }
    metric_add(METRIC_SMTP_TLS_TOTAL, 1);
    s->state = ST_GREETED;
    session_await_command(s);
}

/* Throws away what still comes; the client's end ends the session. */
static void
linger(struct session *s)
{
    size_t got;
    int    rc = s->stream.ssl != NULL && !s->stream.established ? MT_EIO
                                                               : stream_read(&s->stream, s->smtpd->scratch, READ_BYTES, &got);

    if (rc != MT_OK && rc != MT_EAGAIN)
        s->broken = true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    if (s->lingering)
        linger(s);
    else if (s->state == ST_TLS && s->stream.ssl != NULL)
        handshake(s);
    else if (!may_read(s))
        stop_reading(s);        /* only now: most clients send nothing while they wait for a reply */
    else
        read_some(s);
    session_settle(s);
}

/* ---- Writing -------------------------------------------------------------------------------------------------- */

static void
send_replies(struct session *s)
{
    bool last = s->state == ST_CLOSING && !s->linger;

    while (s->out.len > 0 && !s->broken) {
        size_t sent;
        int    rc = stream_write(&s->stream, buf_slice(&s->out), last, &sent);

        if (rc == MT_EAGAIN) {
            event_add(&s->ev_write, NULL);
            return;
        }
        if (rc != MT_OK)
            s->broken = true;
        buf_consume(&s->out, sent);
    }
    if (s->out.fault != MT_OK)
        s->broken = true;
    buf_fini(&s->out);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    event_del(&s->ev_write);
    if (s->state == ST_TLS && s->stream.ssl != NULL)
        handshake(s);
    session_settle(s);
}

/* ---- The end of a turn ---------------------------------------------------------------------------------------- */

static void
begin_tls(struct session *s)
{
    if (stream_begin_tls(&s->stream, tls_server_context(s->smtpd->tls), "smtp") != MT_OK) {
        log_error("s=%x event=tls-failed client=%s reason=\"%s\"", s->number, s->client, mt_strerror(MT_ENOMEM));
        s->broken = true;
    }
    pressure_of_handshakes(s->smtpd, s);
}

/* All is said. A socket that is closed with octets unread resets the connection, and the client may never see our last reply. */
static void
begin_linger(struct session *s)
{
    stream_end_output(&s->stream);
    s->lingering = true;
    deadline_start(&s->smtpd->deadlines, &s->deadline, DEADLINE_CLOSING);
    start_reading(s);
}

/* Whether the session is over, and can be freed. */
static bool
is_over(struct session *s)
{
    if (s->waiting)
        return false;
    if (s->broken || (s->state == ST_CLOSING && s->smtpd->forced))
        return true;
    if (s->state != ST_CLOSING || s->out.len > 0)
        return false;
    if (!s->linger)
        return true;
    if (!s->lingering)
        begin_linger(s);
    return false;
}

/* Goes on reading where that makes sense; a client that sends while it may not is left alone until it may (on_readable). */
static void
choose_reading(struct session *s)
{
    if (s->lingering || s->reading)
        return;
    if (s->state == ST_TLS ? s->stream.ssl != NULL : may_read(s))
        start_reading(s);
}

static void
session_settle(struct session *s)
{
    send_replies(s);
    /* Replies that were too many for one write have left: go on with the commands behind them. */
    while (s->in.len > 0 && s->out.len == 0 && may_go_on(s)) {
        size_t before = s->in.len;

        take_steps(s, slice_make(NULL, 0));
        send_replies(s);
        if (s->in.len == before)
            break;
    }
    if (s->state == ST_TLS && s->stream.ssl == NULL && s->out.len == 0 && !s->broken)
        begin_tls(s);
    if (s->state == ST_CLOSING && s->out.len > 0 && s->deadline.kind != DEADLINE_CLOSING)
        deadline_start(&s->smtpd->deadlines, &s->deadline, DEADLINE_CLOSING);
    if (is_over(s)) {
        session_free(s);
        return;
    }
    choose_reading(s);
    /* TLS may hold octets that the socket no longer announces. */
    if (s->reading && !s->lingering && stream_has_more(&s->stream) && may_go_on(s))
        event_active(&s->ev_read, EV_READ, 0);
}

/* ---- What happens from outside -------------------------------------------------------------------------------- */

void
session_delivered(struct session *s, int rc)
{
    s->waiting = false;
    data_delivered(s, rc);
    session_resume(s);
}

void
session_abandon(struct session *s)
{
    s->waiting = false;
    s->broken = true;
    session_settle(s);
}

void
session_resume(struct session *s)
{
    take_steps(s, slice_make(NULL, 0));
    session_settle(s);
}

void
session_stop(struct session *s, bool force)
{
    bool idle = (s->state & (ST_GREETED | ST_READY)) != 0 && s->tx == NULL;

    if (s->waiting || (!idle && !force))
        return;
    if (s->state == ST_CLOSING || s->state == ST_TLS)
        s->broken = true;
    else
        session_close_with(s, REPLY_STOPPING, slice_of(s->smtpd->config->hostname));
    session_settle(s);
}

void
session_time_out(struct session *s, const char *what)
{
    if (limits_may_log(s->smtpd->clients, &s->limit))
        log_info("s=%x event=timeout client=%s limit=\"%s\"", s->number, s->client, what);
    metric_add(METRIC_SMTP_TIMEOUTS_TOTAL, 1);
    session_close_with(s, REPLY_TIMEOUT, slice_of(what));
}

void
session_expired(struct session *s, enum deadline_kind kind)
{
    assert(!s->waiting);    /* store's answer is the next thing that the client hears */
    if (kind == DEADLINE_MESSAGE && message_goes_on(s))
        return;
    if (kind == DEADLINE_TLS || kind == DEADLINE_CLOSING) {
        s->broken = true;
    } else {
        session_time_out(s, kind == DEADLINE_MESSAGE ? "a message" : "a command");
    }
    if (kind == DEADLINE_TLS)
        metric_add(METRIC_SMTP_TIMEOUTS_TOTAL, 1);
    session_settle(s);
}

void
session_shed(struct session *s)
{
    if (s->state == ST_CLOSING || s->state == ST_TLS || s->out.len > 0) {
        s->broken = true;
    } else {
        session_close_with(s, REPLY_SHED, slice_of(s->smtpd->config->hostname));
        s->linger = false;
        send_replies(s);
        s->broken = true;
    }
    session_settle(s);
}

void
session_evict(struct session *s)
{
    if (s->waiting)     /* store has it; what it holds is about to be free */
        return;
    log_info("s=%x event=evicted client=%s in_flight_bytes=%llu", s->number, s->client, (unsigned long long)s->flight.bytes);
    session_close_with(s, REPLY_SHORT_OF_MEMORY, slice_make(NULL, 0));
    session_settle(s);
}
