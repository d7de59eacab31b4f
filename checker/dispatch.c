#include "checker/dispatch.h"

#include "checker/clock.h"
#include "checker/compose.h"
#include "checker/sendmail.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>

/*
 *   RESOLVING --on_route--> UNLOCKING --on_secret--> SENDING --on_sent--> SENT
 *       ^                                               |  (refused for now, or the connection failed, everywhere)
 *       +---------------------- PAUSING <---------------+--(refused for good, no trust, or the window ends)--> GIVEN_UP
 *
 * UNLOCKING only where a login is wanted; sendmail begins with SENDING.
 */
enum lane { RESOLVING, UNLOCKING, SENDING, PAUSING, SENT, GIVEN_UP, OWN_TROUBLE };

struct dispatch {
    struct dispatch_task task;
    struct story        *story;
    dispatch_changed_fn *changed;
    void                *arg;

    enum lane            lane;
    struct resolution   *resolution;
    struct credential_request *request;
    struct sender       *sender;
    struct sendmail     *sendmail;
    struct event        *pause;         /* ends PAUSING */
    unsigned             next_target;   /* in story->targets */
    bool                 in_the_clear;  /* the target under way is tried once more without TLS, whose handshake failed */
    bool                 refused;       /* each server of this round has refused for good, or cannot be trusted, so far */
    bool                 maybe_taken;
    bool                 token_renewed; /* once an access token was refused, and another one was asked for */
    uint32_t             gap_ms;        /* before the next round */
    char                 fault[512];
};

static void start_round(struct dispatch *d);

static uint64_t
now_us(const struct dispatch *d)
{
    return monotonic_us() - d->task.start_us;
}

static uint32_t
left_ms(const struct dispatch *d)
{
    uint64_t now = now_us(d);

    return now >= d->task.end_us ? 0 : (uint32_t)((d->task.end_us - now + 999) / 1000);
}

enum dispatch_state
dispatch_state(const struct dispatch *d)
{
    switch (d->lane) {
    case SENT:
        return DISPATCH_SENT;
    case GIVEN_UP:
        return DISPATCH_GIVEN_UP;
    case OWN_TROUBLE:
        return DISPATCH_OWN_TROUBLE;
    default:
        return DISPATCH_UNDER_WAY;
    }
}

const char *
dispatch_fault(const struct dispatch *d)
{
    return d->fault;
}

bool
dispatch_maybe_taken(const struct dispatch *d)
{
    return d->maybe_taken;
}

bool
dispatch_is_sending(const struct dispatch *d)
{
    return d->lane == SENDING;
}

const char *
dispatch_doing(const struct dispatch *d)
{
    static const char *const words[] = {
        [RESOLVING] = "looking up the server", [UNLOCKING] = "getting the login's secret", [SENDING] = "sending", [PAUSING] = "waiting to try again",
        [SENT] = "waiting for the arrival", [GIVEN_UP] = "waiting for the arrival", [OWN_TROUBLE] = "ending",
    };

    return words[d->lane];
}

/* The last act of a callback: the owner may free d. */
static void
tell(struct dispatch *d)
{
    d->changed(d->arg);
}

static void
fail_own(struct dispatch *d, enum own_trouble whose, const char *what, const char *reason)
{
    d->lane = OWN_TROUBLE;
    d->story->own = whose;
    snprintf(d->fault, sizeof(d->fault), "%s: %s", what, reason);
}

/* ---- Attempts ---------------------------------------------------------------------------------------------------- */

/* Nobody took the mail in this round: after a gap, once more from the look-up on, as long as the window lasts. */
static void
pause_sending(struct dispatch *d)
{
    struct timeval after = { .tv_sec = d->gap_ms / 1000, .tv_usec = d->gap_ms % 1000 * 1000 };

    if (d->gap_ms == 0 || d->gap_ms >= left_ms(d)) {
        d->lane = GIVEN_UP;
        return;
    }
    d->lane = PAUSING;
    event_add(d->pause, &after);
    d->gap_ms = d->gap_ms * 2 < RETRY_GAP_MAX_MS ? d->gap_ms * 2 : RETRY_GAP_MAX_MS;
}

static void
on_pause(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    start_round(arg);
    tell(arg);
}

static void
note_fault(struct dispatch *d, const struct attempt *a)
{
    const struct step *failed = steps_failed(&a->result.steps);
    unsigned           code = a->result.code;
    char               server[SERVER_TEXT_BYTES];

    snprintf(d->fault, sizeof(d->fault), "%s %.160s %s: %.300s", step_words(failed != NULL ? failed->kind : STEP_OTHER),
             story_server_text(&a->target, server), code >= 500 ? "refused" : a->result.deferred ? "deferred" : "failed", a->result.reason);
}

/* What came of the attempt under way goes into the story, with the times of its steps on the story's clock. */
static struct attempt *
take_result(struct dispatch *d, const struct sender_result *result)
{
    struct attempt    *a = &d->story->attempts[d->story->attempts_kept - 1];
    const struct step *end;

    a->result = *result;
    a->took_us = now_us(d) - a->at_us;
    for (unsigned i = 0; i < a->result.steps.count; i++)
        a->result.steps.list[i].at_us -= d->task.start_us;
    d->story->deferred = d->story->deferred || result->deferred;
    if (!result->accepted) {
        if (!a->cut_short || d->fault[0] == '\0')      /* what failed by itself says more */
            note_fault(d, a);
        return a;
    }
    end = steps_find(&a->result.steps, d->task.plan->send == SEND_SENDMAIL ? STEP_SENDMAIL : STEP_END);
    d->story->sent = true;
    d->story->sent_us = end->at_us + end->took_us;
    d->lane = SENT;
    return a;
}

static void try_target(struct dispatch *d);

static bool
wants_login(const struct dispatch *d)
{
    return d->task.plan->server.auth.mechanism != AUTH_NONE && d->task.plan->send != SEND_MX;
}

/* Whether the same address is to be tried once more at once, in another way. */
static bool
is_worth_another_way(struct dispatch *d, const struct attempt *a, enum step_kind kind)
{
    const struct server *server = &d->task.plan->server;

    if (a->result.token_refused && !d->token_renewed && credential_refused(d->task.credentials, &server->auth)) {
        d->token_renewed = true;
        return true;
    }
    /* RFC 7435: TLS that does not work must not stop the mail; but a login needs it. */
    if (kind == STEP_TLS && server->tls == TLS_AUTO && !server->implicit_tls && !d->in_the_clear && !wants_login(d)) {
        d->in_the_clear = true;
        return true;
    }
    return false;
}

/* What to do after an attempt that failed. */
static void
go_on(struct dispatch *d, const struct attempt *a)
{
    const struct step *failed = steps_failed(&a->result.steps);
    enum step_kind     kind = failed != NULL ? failed->kind : STEP_OTHER;

    d->maybe_taken = d->maybe_taken || (a->result.data_sent && a->result.code == 0);
    d->refused = d->refused && (a->result.code >= 500 || a->result.hopeless);
    if (!is_worth_another_way(d, a, kind)) {
        if (a->result.code >= 500 && kind >= STEP_AUTH) {
            d->lane = GIVEN_UP;         /* the mail itself, or the login, is refused: no other server is asked (RFC 5321 section 5.1) */
            return;
        }
        d->in_the_clear = false;
        d->next_target++;
    }
    try_target(d);
}

static void
on_sent(void *arg, const struct sender_result *result)
{
    struct dispatch *d = arg;
    struct attempt  *a = take_result(d, result);

    d->sender = NULL;
    d->sendmail = NULL;
    if (result->own_trouble)
        fail_own(d, OWN_MACHINE, "sending", result->reason);
    else if (!result->accepted)
        go_on(d, a);
    tell(d);
}

/* NULL, with our own trouble: out of memory. */
static struct attempt *
begin_attempt(struct dispatch *d, const struct target *target)
{
    struct attempt *a = story_new_attempt(d->story);

    if (a == NULL) {
        fail_own(d, OWN_MACHINE, "sending", mt_strerror(MT_ENOMEM));
        return NULL;
    }
    d->story->doubled_here = d->story->doubled_here || d->maybe_taken;
    a->at_us = now_us(d);
    a->target = *target;
    d->lane = SENDING;
    return a;
}

/* The secret is NULL where no login is wanted. */
static void
send_to_target(struct dispatch *d, const char *secret)
{
    const struct plan    *plan = d->task.plan;
    const struct attempt *a = begin_attempt(d, &d->story->targets[d->next_target]);
    struct sender_task    task;

    if (a == NULL)
        return;
    task = (struct sender_task){
        .host = a->target.host, .address = a->target.address, .port = a->target.port, .helo = plan->helo, .from = d->story->from, .to = plan->to,
        .message = d->task.message, .implicit_tls = plan->server.implicit_tls, .tls = d->in_the_clear ? TLS_NONE : plan->server.tls,
        .ca_file = plan->server.ca_file, .auth = wants_login(d) ? &plan->server.auth : NULL, .secret = secret, .timeout_ms = plan->timeout_ms,
        .limit_ms = left_ms(d),
    };
    d->sender = sender_start(d->task.base, &task, on_sent, d);
    if (d->sender == NULL)
        fail_own(d, OWN_MACHINE, "sending", mt_strerror(MT_ENOMEM));
}

static void
on_secret(void *arg, const char *secret, const char *reason)
{
    struct dispatch *d = arg;

    d->request = NULL;
    if (secret == NULL)
        fail_own(d, OWN_LOGIN, "login", reason);
    else
        send_to_target(d, secret);
    if (d->lane == OWN_TROUBLE)
        tell(d);
}

static void
send_by_program(struct dispatch *d)
{
    struct sender_task task = { .from = d->story->from, .to = d->task.plan->to, .message = d->task.message, .limit_ms = left_ms(d) };
    struct target      target = { .port = 0 };

    slice_copy(target.host, sizeof(target.host), slice_of(d->task.plan->sendmail));
    if (begin_attempt(d, &target) == NULL)
        return;
    d->sendmail = sendmail_start(d->task.base, d->task.plan->sendmail, &task, on_sent, d);
    if (d->sendmail == NULL)
        fail_own(d, OWN_MACHINE, "sending", mt_strerror(MT_ENOMEM));
}

/* The next address, or the end of this round. */
static void
try_target(struct dispatch *d)
{
    unsigned targets = d->task.plan->send == SEND_SENDMAIL ? 1 : d->story->targets_count;

    if (d->next_target >= targets && !d->refused) {
        pause_sending(d);
        return;
    }
    if (d->next_target >= targets || left_ms(d) == 0) {
        d->lane = GIVEN_UP;
    } else if (d->task.plan->send == SEND_SENDMAIL) {
        send_by_program(d);
    } else if (!wants_login(d)) {
        send_to_target(d, NULL);
    } else {
        d->lane = UNLOCKING;
        d->request = credential_get(d->task.credentials, &d->task.plan->server.auth, on_secret, d);
        if (d->request == NULL)
            fail_own(d, OWN_MACHINE, "login", mt_strerror(MT_ENOMEM));
    }
}

void
dispatch_abandon(struct dispatch *d, const char *reason)
{
    struct sender_result result;

    event_del(d->pause);
    resolution_cancel(d->resolution);
    d->resolution = NULL;
    credential_cancel(d->request);
    d->request = NULL;
    if ((d->lane == RESOLVING || d->lane == UNLOCKING) && d->fault[0] == '\0')
        snprintf(d->fault, sizeof(d->fault), "%s: %s", d->lane == RESOLVING ? "look-up" : "login", reason);
    if (dispatch_state(d) == DISPATCH_UNDER_WAY)
        d->lane = GIVEN_UP;
    if (d->sender != NULL)
        sender_peek(d->sender, &result);
    else if (d->sendmail != NULL)
        sendmail_peek(d->sendmail, &result);
    else
        return;
    sender_cancel(d->sender);
    sendmail_cancel(d->sendmail);
    d->sender = NULL;
    d->sendmail = NULL;
    if (!result.accepted && result.reason[0] == '\0') {
        d->story->attempts[d->story->attempts_kept - 1].cut_short = true;
        slice_copy(result.reason, sizeof(result.reason), slice_of(reason));
    }
    take_result(d, &result);
}

/* ---- Look-up ----------------------------------------------------------------------------------------------------- */

static void
begin_targets(struct dispatch *d)
{
    d->next_target = 0;
    d->in_the_clear = false;
    d->refused = true;              /* until a server does anything else */
}

static void
take_route(struct dispatch *d, const struct route *route)
{
    begin_targets(d);
    if (route->fault == ROUTE_FOUND) {
        try_target(d);
        return;
    }
    snprintf(d->fault, sizeof(d->fault), "look-up failed: %s", route->reason);
    if (route->fault == ROUTE_NO_DNS && d->story->attempts_made == 0)
        fail_own(d, OWN_RESOLVER, "no name server can be reached", route->reason);
    else if (route->fault == ROUTE_REFUSED)
        d->lane = GIVEN_UP;
    else
        pause_sending(d);
}

static void
on_route(void *arg, const struct route *route)
{
    struct dispatch *d = arg;

    d->resolution = NULL;
    d->story->looked_up = true;
    if (d->story->attempts_made == 0)
        d->story->lookup_took_us = now_us(d) - d->story->lookup_at_us;
    if (story_take_route(d->story, route) == MT_OK)
        take_route(d, route);
    else
        fail_own(d, OWN_MACHINE, "look-up", mt_strerror(MT_ENOMEM));
    tell(d);
}

/* Look-up, then all addresses in their order; or the program. */
static void
start_round(struct dispatch *d)
{
    const struct plan *p = d->task.plan;

    if (p->send == SEND_SENDMAIL) {
        begin_targets(d);
        try_target(d);
        return;
    }
    d->lane = RESOLVING;
    if (d->story->attempts_made == 0)
        d->story->lookup_at_us = now_us(d);
    d->resolution = p->server.host != NULL ? resolver_find_host(d->task.resolver, slice_of(p->server.host), p->server.port, on_route, d)
                                      : resolver_find_mx(d->task.resolver, compose_domain(slice_of(p->to)), p->server.port, on_route, d);
    if (d->resolution == NULL)
        fail_own(d, OWN_MACHINE, "look-up", mt_strerror(MT_ENOMEM));
}

struct dispatch *
dispatch_start(const struct dispatch_task *task, struct story *story, dispatch_changed_fn *changed, void *arg)
{
    struct dispatch *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return NULL;
    *d = (struct dispatch){ .task = *task, .story = story, .changed = changed, .arg = arg, .gap_ms = task->plan->retry_gap_ms };
    d->pause = evtimer_new(task->base, on_pause, d);
    if (d->pause != NULL) {
        if (story->send_at_us == 0)         /* else it was taken up again */
            story->send_at_us = now_us(d);
        start_round(d);
    }
    if (d->pause == NULL || d->lane == OWN_TROUBLE) {
        dispatch_free(d);
        return NULL;
    }
    return d;
}

void
dispatch_free(struct dispatch *d)
{
    if (d == NULL)
        return;
    resolution_cancel(d->resolution);
    credential_cancel(d->request);
    sender_cancel(d->sender);
    sendmail_cancel(d->sendmail);
    if (d->pause != NULL)
        event_free(d->pause);
    free(d);
}
