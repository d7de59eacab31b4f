#include "imapd/login_try.h"

#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/throttle.h"

#include <stdlib.h>
#include <time.h>

enum try_state { TRY_TALKS, TRY_WAITS_TURN, TRY_IS_CHECKED, TRY_WAITS_REFUSAL };

struct login_try {
    struct connection           *connection;
    const struct login_protocol *protocol;
    struct login_try           **slot;
    enum try_state               state;
    enum sasl_result             result;        /* of a refusal that waits */
    struct sasl                  sasl;
    struct buf                   message;       /* the client's, while it is looked at; wiped */
    struct event                *timer;
    struct password_check       *check;         /* NULL: none is under way */
    struct throttle_try          turn;
    bool                         has_turn;
    bool                         was_checked;   /* its check took a place in the queue */
    uint64_t                     asked_us;      /* when it first wanted its turn */
    uint64_t                     began_us;      /* when the client's last message came, or its turn */
    char                         name[LOGIN_NAME_BYTES + 1];
};

static uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool
login_is_allowed(const struct connection *c)
{
    return connection_is_secure(c) || c->plain_login;
}

bool
login_may_start_tls(const struct connection *c)
{
    return c->imapd->tls != NULL && !connection_is_secure(c);
}

/* ---- The log ---------------------------------------------------------------------------------------------------------------- */

static const char *
reason_of(const struct login_try *t, enum sasl_result result)
{
    const struct login *l = &t->sasl.login;

    switch (result) {
    case SASL_REFUSED:
        if (l->unknown != NULL)
            return l->unknown;
        return l->credentials.chosen && t->sasl.mechanism != SASL_PLAIN ? "a chosen secret, which SCRAM cannot check" : "wrong secret";
    case SASL_DISABLED:
        return "disabled";
    case SASL_BUSY:
        return "access.password_checks_max is reached";
    case SASL_PUT_OFF:
        return "too many tries from this address or on this name";
    case SASL_UNREADABLE:
        return "the database cannot be read";
    default:
        return "malformed";
    }
}

static void
log_refused(const struct login_try *t, enum sasl_result result)
{
    const struct connection *c = t->connection;

    const struct login      *l = &t->sasl.login;
    bool                     names_mailbox = l->reads_only && l->mailbox_id != 0, names_agent = names_mailbox && l->has_credentials;

    metric_add(c->protocol->login_failures, 1);
    log_info("s=%x event=login-failed protocol=%s client=%s user=\"%s\" reason=\"%s\"%s%s%s%s", c->number, c->protocol->name, c->client,
             l->has_credentials ? t->name : "", reason_of(t, result), names_mailbox ? " mailbox=" : "", names_mailbox ? l->mailbox : "",
             names_agent ? " agent=" : "", names_agent ? l->agent : "");
}

/* ---- The end ---------------------------------------------------------------------------------------------------------------- */

void
login_try_free(struct login_try *t)
{
    if (t == NULL)
        return;
    if (t->has_turn)
        throttle_dropped(t->connection->imapd->role->shared, &t->turn, monotonic_ms());
    if (t->check != NULL)
        password_check_cancel(t->connection->imapd->checks, t->check);
    if (t->timer != NULL)
        event_free(t->timer);
    *t->slot = NULL;
    sasl_end(&t->sasl);
    buf_wipe(&t->message);
    free(t);
}

static void
finish(struct login_try *t, enum sasl_result result)
{
    struct connection *c = t->connection;

    c->waiting = false;
    if (result == SASL_PASSED)
        t->protocol->passed(c, &t->sasl.login);
    else
        t->protocol->refused(c, result);
    login_try_free(t);
}

static void
wait_until(struct login_try *t, enum try_state state, uint64_t at_us)
{
    uint64_t             now = now_us(), left_us = at_us > now ? at_us - now : 0;
    const struct timeval left = { .tv_sec = (time_t)(left_us / 1000000), .tv_usec = (suseconds_t)(left_us % 1000000) };

    t->state = state;
    t->connection->waiting = true;
    if (event_add(t->timer, &left) != 0)
        connection_break(t->connection);
}

static uint64_t
answered_at_us(const struct login_try *t)
{
    return t->began_us + (uint64_t)t->connection->imapd->config->access.refusal_ms * 1000;
}

static void
refuse(struct login_try *t, enum sasl_result result)
{
    struct imapd *imapd = t->connection->imapd;

    log_refused(t, result);
    if (t->has_turn && result == SASL_REFUSED)
        throttle_failed(imapd->role->shared, &t->turn, monotonic_ms());
    else if (t->has_turn)
        throttle_dropped(imapd->role->shared, &t->turn, monotonic_ms());
    t->has_turn = false;
    /* Who is told "busy" is not to learn from it that the name has a chosen secret. */
    if (result == SASL_REFUSED && !t->was_checked && password_checks_are_full(imapd->checks))
        result = SASL_BUSY;
    if (result == SASL_REFUSED || result == SASL_DISABLED) {
        t->result = result;
        wait_until(t, TRY_WAITS_REFUSAL, answered_at_us(t));
    } else {
        finish(t, result);
    }
}

/* The secret may have been replaced while it was checked, or while the client took its time between the steps of SCRAM. */
static void
pass(struct login_try *t)
{
    if (!session_login_holds(t->connection, &t->sasl.login)) {
        t->sasl.login.unknown = "the secret was replaced, or the login disabled, meanwhile";
        refuse(t, SASL_REFUSED);
        return;
    }
    if (t->has_turn)
        throttle_passed(t->connection->imapd->role->shared, &t->turn, monotonic_ms());
    t->has_turn = false;
    limits_know(t->connection->imapd->clients, &t->connection->limit);
    session_begin(t->connection, &t->sasl.login);
    metric_add(t->connection->protocol->logins, 1);
    finish(t, SASL_PASSED);
}

/* ---- Messages ---------------------------------------------------------------------------------------------------------------- */

static void
on_checked(void *arg, bool right)
{
    struct login_try  *t = arg;
    struct connection *c = t->connection;
    enum sasl_result   result = sasl_checked(&t->sasl, right);

    t->check = NULL;
    if (c->ending)
        return;
    if (result == SASL_PASSED)
        pass(t);
    else
        refuse(t, result);
    connection_turn(c);
}

static void
check(struct login_try *t)
{
    t->check = password_check_begin(t->connection->imapd->checks, t->sasl.secret, &t->sasl.login.credentials, on_checked, t);
    t->sasl.secret = slice_make("", 0);
    buf_wipe(&t->message);
    if (t->check == NULL) {
        refuse(t, SASL_BUSY);
        return;
    }
    t->was_checked = true;
    t->state = TRY_IS_CHECKED;
    t->connection->waiting = true;
}

static void
take_step(struct login_try *t)
{
    struct connection *c = t->connection;
    struct buf         challenge;
    enum sasl_result   result;

    t->began_us = now_us();
    t->state = TRY_TALKS;
    c->waiting = false;
    buf_init(&challenge, SASL_MESSAGE_BYTES);
    result = sasl_step(&t->sasl, buf_slice(&t->message), &challenge);
    if (result == SASL_CHECK) {
        check(t);
    } else if (result == SASL_MORE) {
        buf_wipe(&t->message);
        t->protocol->challenge(c, buf_slice(&challenge));
    } else if (result == SASL_PASSED) {
        pass(t);
    } else {
        buf_wipe(&t->message);
        refuse(t, result);
    }
    buf_fini(&challenge);
}

/* Takes the step when it is its turn. */
static void
ask_turn(struct login_try *t)
{
    struct imapd *imapd = t->connection->imapd;

    t->has_turn = throttle_begin(imapd->role->shared, &t->turn, monotonic_ms());
    if (t->has_turn) {
        take_step(t);
    } else if (now_us() - t->asked_us > (uint64_t)LOGIN_PUT_OFF_MS * 1000) {
        t->connection->waiting = false;
        refuse(t, SASL_PUT_OFF);
    } else {
        wait_until(t, TRY_WAITS_TURN, now_us() + (uint64_t)LOGIN_AGAIN_MS * 1000);
    }
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct login_try  *t = arg;
    struct connection *c = t->connection;

    (void)fd;
    (void)what;
    if (c->ending)
        return;                 /* the last words were said; the connection frees the try */
    if (t->state == TRY_WAITS_TURN)
        ask_turn(t);
    else if (now_us() < answered_at_us(t))      /* the loop's clock is coarse */
        wait_until(t, TRY_WAITS_REFUSAL, answered_at_us(t));
    else
        finish(t, t->result);
    connection_turn(c);
}

void
login_take(struct login_try *t, struct slice message)
{
    struct connection *c = t->connection;

    buf_wipe(&t->message);
    buf_append_slice(&t->message, message);
    if (t->message.fault != MT_OK) {
        refuse(t, SASL_MALFORMED);
        return;
    }
    t->asked_us = now_us();
    if (sasl_begins_try(&t->sasl, buf_slice(&t->message), t->name)) {
        t->turn = (struct throttle_try){ .client = slice_of(c->client), .name = slice_of(t->name) };
        ask_turn(t);
    } else {
        take_step(t);
    }
}

/* ---- The beginning ------------------------------------------------------------------------------------------------------------ */

bool
login_begin(struct connection *c, const struct login_protocol *protocol, struct slice mechanism, struct login_try **slot)
{
    enum sasl_mechanism which = sasl_mechanism_of(mechanism);
    struct login_try   *t;

    if (which == SASL_NONE || (which == SASL_SCRAM_PLUS && !connection_is_secure(c)))
        return false;
    t = calloc(1, sizeof(*t));
    if (t == NULL || (t->timer = evtimer_new(c->imapd->role->base, on_timer, t)) == NULL) {
        free(t);
        connection_break(c);
        return true;
    }
    event_priority_set(t->timer, 0);
    t->connection = c;
    t->protocol = protocol;
    t->slot = slot;
    buf_init(&t->message, SASL_MESSAGE_BYTES);
    sasl_begin(&t->sasl, which, c->imapd->db, c->imapd->config, connection_is_secure(c) ? c->stream.ssl : NULL);
    *slot = t;
    return true;
}

void
login_take_both(struct connection *c, const struct login_protocol *protocol, struct slice user, struct slice secret, struct login_try **slot)
{
    struct buf message;

    login_begin(c, protocol, slice_of("PLAIN"), slot);
    if (*slot == NULL)
        return;
    buf_init(&message, 2 * SASL_MESSAGE_BYTES);
    buf_append_byte(&message, '\0');
    buf_append_slice(&message, user);
    buf_append_byte(&message, '\0');
    buf_append_slice(&message, secret);
    login_take(*slot, buf_slice(&message));
    buf_wipe(&message);
}
