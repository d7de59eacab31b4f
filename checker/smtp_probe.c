/*
 * smtp_probe - whether SMTP servers answer as they should, without a mail: a sender that stops before MAIL, or behind RCPT. The host that is
 * given, or each MX host of the domain, one after the other; of a host with several addresses the first that takes a connection. The worst
 * host is what the check comes to.
 */
#include "checker/probe.h"

#include "checker/clock.h"
#include "checker/compose.h"
#include "checker/smtp_probe_json.h"
#include "checker/story.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_STEPS = 8, SMTP_PORT = 25 };      /* the whole dialogue may take as long as so many steps */

struct smtp_probe {
    struct probe_tools         tools;
    const struct check        *check;
    probe_done_fn             *done;
    void                      *arg;

    struct resolution         *resolution;
    struct credential_request *request;
    struct sender             *sender;
    struct route               route;
    unsigned                   next_target;
    uint64_t                   began_us;        /* monotonic */
    uint64_t                   lookup_us;
    json_t                    *hosts;           /* what each address came to */
    bool                       token_renewed;   /* once an access token was refused, and another one was asked for */
    bool                       judged;          /* outcome holds the worst host so far */
    struct outcome             outcome;
};

static const struct plan *
plan_of(const struct smtp_probe *p)
{
    return &p->check->plan;
}

static void
show(char *to, size_t size, const char *text)
{
    struct buf safe;

    buf_init(&safe, size * 4 + 8);
    display_text(&safe, slice_of(text), size - 1);
    slice_copy(to, size, buf_slice(&safe));
    buf_fini(&safe);
}

/* ---- How it ends -------------------------------------------------------------------------------------------------- */

/* The owner may free p from inside. */
static void
finish(struct smtp_probe *p)
{
    struct outcome *o = &p->outcome;

    o->took_us = monotonic_us() - p->began_us;
    o->document = smtp_probe_document(p->check, o, &p->route, p->lookup_us, p->hosts);
    p->done(p->arg, o);
}

/* It says nothing of the servers. */
static void
finish_own_trouble(struct smtp_probe *p, const char *cause, const char *what, const char *reason)
{
    struct outcome *o = &p->outcome;

    o->state = STATE_UNKNOWN;
    o->own_trouble = true;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("unknown"));
    slice_copy(o->cause, sizeof(o->cause), slice_of(cause));
    snprintf(o->reason, sizeof(o->reason), "%.100s: %.390s", what, reason);
    finish(p);
}

/* ---- What a host came to ------------------------------------------------------------------------------------------- */

static void
put_times(struct smtp_probe *p, struct outcome *o, const struct steps *steps, uint64_t total_us)
{
    outcome_add_time(o, step_name(STEP_LOOKUP), p->lookup_us);
    for (int kind = STEP_CONNECT; kind < STEP_OTHER; kind++) {
        uint64_t sum = 0;
        bool     reached = false;

        for (unsigned i = 0; i < steps->count; i++)
            if (steps->list[i].kind == (enum step_kind)kind) {
                sum += steps->list[i].took_us;      /* the second EHLO is added to the first */
                reached = true;
            }
        if (reached)
            outcome_add_time(o, step_name((enum step_kind)kind), sum);
    }
    outcome_add_time(o, "total", total_us);
}

static void
judge_failure(struct smtp_probe *p, struct outcome *o, const struct target *t, const struct sender_result *r)
{
    const struct step *failed = steps_failed(&r->steps);
    enum step_kind     kind = failed != NULL ? failed->kind : STEP_OTHER;
    const char        *name = step_name(kind), *host = plan_of(p)->server.host;

    o->state = STATE_CRITICAL;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("failed"));
    slice_copy(o->step, sizeof(o->step), slice_of(name));
    o->code = r->code;
    o->deferred = r->deferred;
    if (r->code != 0 && failed != NULL)
        show(o->reply, sizeof(o->reply), failed->reply);
    snprintf(o->cause, sizeof(o->cause), "server %.150s:%u %s", host != NULL ? host : t->host, t->port, name);
    snprintf(o->reason, sizeof(o->reason), "%s %.150s %s: %.300s", step_words(kind), o->host,
             r->code >= 500 ? "refused" : r->deferred ? "deferred" : "failed", r->reason);
}

/* What the certificate is worth a word for; it was good enough for the connection. */
static void
judge_certificate(struct smtp_probe *p, struct outcome *o, const struct target *t, const struct certificate *c)
{
    int64_t     days = certificate_days_left(c, (int64_t)(wall_us() / 1000000));
    const char *host = plan_of(p)->server.host;
    char        date[RFC3339_TEXT_BYTES];

    if (!c->seen || c->until_unix <= 0 || days >= (int64_t)p->check->certificate_warning_days)
        return;
    o->state = STATE_WARNING;
    slice_copy(o->step, sizeof(o->step), slice_of(step_name(STEP_TLS)));
    snprintf(o->cause, sizeof(o->cause), "server %.150s:%u certificate", host != NULL ? host : t->host, t->port);
    rfc3339_text((uint64_t)c->until_unix, date);
    if (days < 0)
        snprintf(o->reason, sizeof(o->reason), "the certificate of %.200s expired on %.10s", o->host, date);
    else
        snprintf(o->reason, sizeof(o->reason), "the certificate of %.200s expires in %lld day%s, on %.10s", o->host, (long long)days,
                 days == 1 ? "" : "s", date);
}

static void
judge_time(struct smtp_probe *p, struct outcome *o, const struct target *t, uint64_t total_us)
{
    const struct plan *plan = plan_of(p);
    enum state         state = range_state(&plan->warning, &plan->critical, (double)total_us / 1e6);
    char               text[DURATION_TEXT_BYTES];

    if (state == STATE_OK || (o->state == STATE_WARNING && state == STATE_WARNING))
        return;
    o->state = state;
    o->step[0] = '\0';
    snprintf(o->cause, sizeof(o->cause), "server %.150s:%u slow", plan->server.host != NULL ? plan->server.host : t->host, t->port);
    snprintf(o->reason, sizeof(o->reason), "%.200s took %s", o->host, duration_text(total_us, text));
}

/* In words, for a host with which nothing is wrong. */
static void
praise(struct outcome *o, const struct sender_result *r, uint64_t total_us)
{
    char   text[DURATION_TEXT_BYTES];
    size_t len;

    snprintf(o->reason, sizeof(o->reason), "%.200s answered in %s", o->host, duration_text(total_us, text));
    len = strlen(o->reason);
    if (r->tls_version[0] != '\0')
        snprintf(o->reason + len, sizeof(o->reason) - len, ", %s, certificate: %s", r->tls_version, r->tls_verify);
    len = strlen(o->reason);
    if (r->certificate.seen)
        snprintf(o->reason + len, sizeof(o->reason) - len, " (%lld days left)",
                 (long long)certificate_days_left(&r->certificate, (int64_t)(wall_us() / 1000000)));
    len = strlen(o->reason);
    if (o->deferred)
        snprintf(o->reason + len, sizeof(o->reason) - len, ", RCPT deferred: %.150s", o->reply);
}

/* 4yz to RCPT alone: greylisting is no fault of a server's (421 is: it goes away). */
static bool
is_greylisted(const struct sender_result *r)
{
    const struct step *failed = steps_failed(&r->steps);

    return failed != NULL && failed->kind == STEP_RCPT && r->code / 100 == 4 && r->code != 421;
}

static void
judge(struct smtp_probe *p, struct outcome *o, const struct target *t, const struct sender_result *r)
{
    const struct steps *steps = &r->steps;
    const struct step  *last = steps->count == 0 ? NULL : &steps->list[steps->count - 1], *rcpt = steps_find(steps, STEP_RCPT);
    uint64_t            total_us = p->lookup_us + (last == NULL ? 0 : last->at_us + last->took_us - steps->list[0].at_us);
    char                text[SERVER_TEXT_BYTES];

    outcome_init(o);
    o->state = STATE_OK;
    slice_copy(o->host, sizeof(o->host), slice_of(story_server_text(t, text)));
    put_times(p, o, steps, total_us);
    if (!r->accepted && !is_greylisted(r)) {
        judge_failure(p, o, t, r);
        return;
    }
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("ok"));
    if (!r->accepted) {
        o->deferred = true;
        o->code = r->code;
        show(o->reply, sizeof(o->reply), rcpt->reply);
    }
    judge_certificate(p, o, t, &r->certificate);
    judge_time(p, o, t, total_us);
    if (o->state == STATE_OK)
        praise(o, r, total_us);
}

static uint64_t
total_of(const struct outcome *o)
{
    return o->times_count == 0 ? 0 : o->times[o->times_count - 1].us;
}

/* The worst host counts; of good ones the slowest. */
static void
keep_worst(struct smtp_probe *p, const struct outcome *found)
{
    uint64_t started_us = p->outcome.started_us;

    if (p->judged && (found->state < p->outcome.state || (found->state == p->outcome.state && total_of(found) <= total_of(&p->outcome))))
        return;
    p->judged = true;
    p->outcome = *found;
    p->outcome.started_us = started_us;
}

/* ---- One address after the other ------------------------------------------------------------------------------------ */

static void try_target(struct smtp_probe *p);

static bool
same_host(const struct target *a, const struct target *b)
{
    return strcmp(a->host, b->host) == 0;
}

static void
on_sent(void *arg, const struct sender_result *r)
{
    struct smtp_probe   *p = arg;
    const struct target *t = &p->route.targets[p->next_target];
    const struct step   *failed = r->accepted ? NULL : steps_failed(&r->steps);
    bool                 unreachable = failed != NULL && failed->kind == STEP_CONNECT;
    struct outcome       found;

    p->sender = NULL;
    if (r->token_refused && !p->token_renewed && credential_refused(p->tools.credentials, &plan_of(p)->server.auth)) {
        p->token_renewed = true;
        try_target(p);
        return;
    }
    if (r->own_trouble) {
        finish_own_trouble(p, "machine", "connecting", r->reason);
        return;
    }
    judge(p, &found, t, r);
    json_array_append_new(p->hosts, smtp_probe_host(&found, t, r));
    p->next_target++;
    if (!unreachable || p->next_target == p->route.count || !same_host(t, &p->route.targets[p->next_target])) {
        keep_worst(p, &found);
        while (p->next_target < p->route.count && same_host(t, &p->route.targets[p->next_target]))
            p->next_target++;
    }
    try_target(p);
}

static void
send_to_target(struct smtp_probe *p, const char *secret)
{
    const struct plan   *plan = plan_of(p);
    const struct target *t = &p->route.targets[p->next_target];
    struct sender_task   task = {
        .purpose = p->check->probe_recipient ? SENDER_ASK : SENDER_GREET, .host = t->host, .address = t->address, .port = t->port,
        .helo = plan->helo, .from = plan->from != NULL ? plan->from : "", .to = plan->to, .implicit_tls = plan->server.implicit_tls,
        .tls = plan->server.tls, .ca_file = plan->server.ca_file, .auth = &plan->server.auth, .secret = secret,
        .timeout_ms = plan->timeout_ms, .limit_ms = plan->timeout_ms * LIMIT_STEPS,
    };

    p->sender = sender_start(p->tools.base, &task, on_sent, p);
    if (p->sender == NULL)
        finish_own_trouble(p, "machine", "connecting", mt_strerror(MT_ENOMEM));
}

static void
on_secret(void *arg, const char *secret, const char *reason)
{
    struct smtp_probe *p = arg;

    p->request = NULL;
    if (secret == NULL)
        finish_own_trouble(p, "login", "login", reason);
    else
        send_to_target(p, secret);
}

static void
try_target(struct smtp_probe *p)
{
    if (p->next_target == p->route.count) {
        finish(p);
    } else if (plan_of(p)->server.auth.mechanism == AUTH_NONE) {
        send_to_target(p, NULL);
    } else {
        p->request = credential_get(p->tools.credentials, &plan_of(p)->server.auth, on_secret, p);
        if (p->request == NULL)
            finish_own_trouble(p, "machine", "login", mt_strerror(MT_ENOMEM));
    }
}

/* ---- Look-up -------------------------------------------------------------------------------------------------------- */

static void
fail_lookup(struct smtp_probe *p)
{
    const struct plan *plan = plan_of(p);
    struct slice       domain = plan->to != NULL ? compose_domain(slice_of(plan->to)) : slice_of("");
    struct outcome    *o = &p->outcome;

    o->state = STATE_CRITICAL;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("failed"));
    slice_copy(o->step, sizeof(o->step), slice_of(step_name(STEP_LOOKUP)));
    outcome_add_time(o, step_name(STEP_LOOKUP), p->lookup_us);
    if (plan->server.host != NULL)
        snprintf(o->cause, sizeof(o->cause), "server %.150s:%u lookup", plan->server.host, plan->server.port);
    else
        snprintf(o->cause, sizeof(o->cause), "domain %.*s lookup", (int)(domain.len < 150 ? domain.len : 150), domain.data);
    snprintf(o->reason, sizeof(o->reason), "lookup failed: %.300s", p->route.reason);
    finish(p);
}

static void
on_route(void *arg, const struct route *route)
{
    struct smtp_probe *p = arg;

    p->resolution = NULL;
    p->route = *route;
    p->lookup_us = monotonic_us() - p->began_us;
    if (route->fault == ROUTE_FOUND)
        try_target(p);
    else if (route->fault == ROUTE_NO_DNS)
        finish_own_trouble(p, "resolver", "no name server can be reached", route->reason);
    else
        fail_lookup(p);
}

struct smtp_probe *
smtp_probe_start(const struct probe_tools *tools, const struct check *check, probe_done_fn *done, void *arg)
{
    struct smtp_probe *p = calloc(1, sizeof(*p));
    const struct plan *plan = &check->plan;
    uint16_t           port = plan->server.port != 0 ? plan->server.port : SMTP_PORT;

    if (p == NULL)
        return NULL;
    *p = (struct smtp_probe){ .tools = *tools, .check = check, .done = done, .arg = arg, .began_us = monotonic_us() };
    outcome_init(&p->outcome);
    p->outcome.started_us = wall_us();
    p->hosts = json_array();
    if (plan->server.host != NULL)
        p->resolution = resolver_find_host(tools->resolver, slice_of(plan->server.host), port, on_route, p);
    else
        p->resolution = resolver_find_mx(tools->resolver, compose_domain(slice_of(plan->to)), port, on_route, p);
    if (p->hosts == NULL || p->resolution == NULL) {
        smtp_probe_free(p);
        return NULL;
    }
    return p;
}

void
smtp_probe_free(struct smtp_probe *p)
{
    if (p == NULL)
        return;
    resolution_cancel(p->resolution);
    credential_cancel(p->request);
    sender_cancel(p->sender);
    outcome_clear(&p->outcome);
    json_decref(p->hosts);
    free(p);
}
