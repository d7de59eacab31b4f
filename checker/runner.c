#include "checker/runner.h"

#include "checker/clock.h"
#include "checker/compose.h"
#include "checker/outcome_story.h"
#include "lib/error.h"
#include "lib/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAVED_VERSION = 1 };

/* One round trip of the run. */
struct part {
    struct runner     *runner;
    struct plan        plan;                    /* that of the check; with a host of its own in each_mx */
    char               host[ROUTE_HOST_BYTES];  /* empty: as the check says */
    struct round_trip *trip;
    bool               done;
    struct outcome     outcome;
    char               token[TOKEN_CHARS + 1];
};

struct runner {
    struct runner_task   task;
    struct round_trip_tools trips;
    struct probe_tools   probes;
    uint64_t             started_us;
    struct event        *finished;
    struct runner_result result;

    struct smtp_probe   *smtp;
    struct blacklist    *blacklist;
    struct resolution   *resolution;    /* of the MX, for each_mx */
    struct part         *parts;
    unsigned             parts_count;
};

static const struct plan *
plan_of(const struct runner *r)
{
    return &r->task.check->plan;
}

/* ---- The end ----------------------------------------------------------------------------------------------------------- */

static void
finish(struct runner *r)
{
    event_active(r->finished, 0, 0);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct runner *r = arg;

    (void)fd;
    (void)what;
    r->task.done(r->task.arg, &r->result);
}

/* Out of memory while it began: our own trouble. */
static void
fail(struct runner *r)
{
    struct outcome *o = &r->result.outcome;

    o->started_us = r->started_us;
    o->state = STATE_UNKNOWN;
    o->own_trouble = true;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("unknown"));
    slice_copy(o->cause, sizeof(o->cause), slice_of("machine"));
    slice_copy(o->reason, sizeof(o->reason), slice_of(mt_strerror(MT_ENOMEM)));
    finish(r);
}

/* The copy shares the document. */
static void
take_outcome(struct runner *r, const struct outcome *o)
{
    outcome_clear(&r->result.outcome);
    r->result.outcome = *o;
    json_incref(r->result.outcome.document);
    finish(r);
}

static void
on_probed(void *arg, const struct outcome *outcome)
{
    take_outcome(arg, outcome);
}

/* ---- Round trips ---------------------------------------------------------------------------------------------------------- */

/* CRITICAL is worse than WARNING; that nothing is known is worse than that all is well. */
static int
badness(enum state state)
{
    static const int order[] = { [STATE_OK] = 0, [STATE_UNKNOWN] = 1, [STATE_WARNING] = 2, [STATE_CRITICAL] = 3 };

    return order[state];
}

static struct part *
worst_part(struct runner *r)
{
    struct part *worst = &r->parts[0];

    for (unsigned i = 1; i < r->parts_count; i++)
        if (badness(r->parts[i].outcome.state) > badness(worst->outcome.state))
            worst = &r->parts[i];
    return worst;
}

/* The document of the worst, with what became of each host: "each_mx". */
static json_t *
join_documents(const struct runner *r, const struct part *worst)
{
    json_t *all = json_array(), *document = worst->outcome.document == NULL ? json_object() : json_copy(worst->outcome.document);

    for (unsigned i = 0; i < r->parts_count; i++) {
        const struct part *p = &r->parts[i];
        json_t            *one = json_object();
        json_object_set_new(one, "host", json_string(p->host));
        json_object_set_new(one, "state", json_string(state_name(p->outcome.state)));
        json_object_set_new(one, "verdict", json_string(p->outcome.verdict));
        json_object_set_new(one, "document", p->outcome.document == NULL ? json_null() : json_incref(p->outcome.document));
        json_array_append_new(all, one);
    }
    json_object_set_new(document, "each_mx", all);
    return document;
}

/* The worst counts; the sentence says how many hosts there are and which one it is. */
static void
join_parts(struct runner *r)
{
    struct part    *worst = worst_part(r);
    struct outcome *o = &r->result.outcome;
    unsigned        bad = 0;
    int             n;

    outcome_clear(o);
    *o = worst->outcome;
    o->document = NULL;
    o->started_us = r->started_us;
    slice_copy(r->result.token, sizeof(r->result.token), slice_of(worst->token));
    for (unsigned i = 0; i < r->parts_count; i++) {
        uint64_t end_us = r->parts[i].outcome.started_us + r->parts[i].outcome.took_us;
        bad += r->parts[i].outcome.state != STATE_OK;
        if (end_us > o->started_us + o->took_us)
            o->took_us = end_us - o->started_us;
    }
    o->document = join_documents(r, worst);
    if (bad == 0)
        n = snprintf(o->reason, sizeof(o->reason), "all %u MX hosts: the slowest, %.255s: ", r->parts_count, worst->host);
    else
        n = snprintf(o->reason, sizeof(o->reason), "%u of %u MX hosts: %.255s: ", bad, r->parts_count, worst->host);
    if (n > 0 && (size_t)n < sizeof(o->reason))
        slice_copy(o->reason + n, sizeof(o->reason) - (size_t)n, slice_of(worst->outcome.reason));
}

static void
on_trip_done(void *arg, const struct story *story)
{
    struct part   *p = arg;
    struct runner *r = p->runner;

    outcome_clear(&p->outcome);
    outcome_from_story(&p->outcome, &p->plan, story);
    if (p->plan.receive == RECEIVE_HOSTED && (story->verdict == TRIP_NOT_ARRIVED || story->verdict == TRIP_AUTOREPLY))
        slice_copy(p->token, sizeof(p->token), slice_of(story->token));
    p->done = true;
    for (unsigned i = 0; i < r->parts_count; i++)
        if (!r->parts[i].done)
            return;
    if (r->parts[0].host[0] != '\0') {
        join_parts(r);
        finish(r);
        return;
    }
    slice_copy(r->result.token, sizeof(r->result.token), slice_of(p->token));
    take_outcome(r, &p->outcome);
}

static void
on_trip_changed(void *arg)
{
    struct part *p = arg;

    if (p->runner->task.changed != NULL)
        p->runner->task.changed(p->runner->task.arg);
}

static int
add_part(struct runner *r, unsigned at, const char *host, uint16_t port, struct slice saved)
{
    struct part *p = &r->parts[at];

    p->runner = r;
    p->plan = *plan_of(r);
    outcome_init(&p->outcome);
    slice_copy(p->host, sizeof(p->host), slice_of(host));
    if (host[0] != '\0') {
        p->plan.send = SEND_HOST;
        p->plan.each_mx = false;
        p->plan.server.host = p->host;
        p->plan.server.port = port;
    }
    if (saved.len == 0 || round_trip_resume(&r->trips, &p->plan, saved, on_trip_done, p, &p->trip) != MT_OK)
        p->trip = round_trip_start(&r->trips, &p->plan, on_trip_done, p);
    return p->trip == NULL ? MT_ENOMEM : MT_OK;
}

static void
start_one_trip(struct runner *r, struct slice saved)
{
    r->parts = calloc(1, sizeof(*r->parts));
    r->parts_count = r->parts != NULL;
    if (r->parts == NULL || add_part(r, 0, "", 0, saved) != MT_OK)
        fail(r);
}

/* A host is there once, whatever its addresses: the round trip tries them in their order. */
static unsigned
distinct_hosts(const struct route *route, const struct target *out[ROUTE_HOSTS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < route->count && count < ROUTE_HOSTS_MAX; i++) {
        bool known = false;
        for (unsigned j = 0; j < count; j++)
            known = known || strcasecmp(out[j]->host, route->targets[i].host) == 0;
        if (!known)
            out[count++] = &route->targets[i];
    }
    return count;
}

/* Where there is no MX to be found, one ordinary round trip says why, and tries on as long as its window lasts. */
static void
on_route(void *arg, const struct route *route)
{
    struct runner       *r = arg;
    const struct target *hosts[ROUTE_HOSTS_MAX];
    unsigned             count = route->fault == ROUTE_FOUND ? distinct_hosts(route, hosts) : 0;

    r->resolution = NULL;
    if (count == 0) {
        start_one_trip(r, slice_make(NULL, 0));
        return;
    }
    r->parts = calloc(count, sizeof(*r->parts));
    if (r->parts == NULL) {
        fail(r);
        return;
    }
    for (r->parts_count = 0; r->parts_count < count; r->parts_count++) {
        if (add_part(r, r->parts_count, hosts[r->parts_count]->host, hosts[r->parts_count]->port, slice_make(NULL, 0)) != MT_OK) {
            r->parts_count++;
            fail(r);
            return;
        }
    }
}

static void
start_each_mx(struct runner *r)
{
    struct slice domain = compose_domain(slice_of(plan_of(r)->to));

    r->resolution = resolver_find_mx(r->trips.resolver, domain, plan_of(r)->server.port, on_route, r);
    if (r->resolution == NULL)
        fail(r);
}

/* ---- Over a restart --------------------------------------------------------------------------------------------------------- */

void
runner_save(const struct runner *r, struct buf *out)
{
    struct buf trip;

    if (r->parts_count == 0)
        return;
    write_u8(out, SAVED_VERSION);
    write_u64(out, r->started_us);
    write_u8(out, (uint8_t)r->parts_count);
    for (unsigned i = 0; i < r->parts_count; i++) {
        buf_init(&trip, ROUND_TRIP_SAVED_MAX);
        if (!r->parts[i].done)
            round_trip_save(r->parts[i].trip, &trip);
        write_string(out, r->parts[i].host);
        write_u16(out, r->parts[i].plan.server.port);
        write_bytes(out, buf_slice(&trip));
        buf_fini(&trip);
    }
}

/* Of a run to each MX host, those that were done are made anew: what they came to was not kept. */
static bool
take_up(struct runner *r, struct slice saved)
{
    struct reader in;
    uint8_t       version, count;
    char          host[ROUTE_HOST_BYTES];
    uint16_t      port;
    struct slice  trip;
    int           rc = MT_OK;

    reader_init(&in, saved);
    read_u8(&in, &version);
    read_u64(&in, &r->started_us);
    read_u8(&in, &count);
    if (!read_ok(&in) || version != SAVED_VERSION || count == 0 || count > ROUTE_HOSTS_MAX ||
        (r->parts = calloc(count, sizeof(*r->parts))) == NULL)
        return false;
    while (rc == MT_OK && r->parts_count < count) {
        read_string(&in, host, sizeof(host));
        read_u16(&in, &port);
        read_bytes(&in, &trip, ROUND_TRIP_SAVED_MAX);
        rc = !read_ok(&in) || (host[0] != '\0') != plan_of(r)->each_mx ? MT_EDAMAGED : add_part(r, r->parts_count, host, port, trip);
        r->parts_count += rc != MT_EDAMAGED;
    }
    return rc == MT_OK && read_end(&in);
}

static void
drop_parts(struct runner *r)
{
    for (unsigned i = 0; i < r->parts_count; i++) {
        round_trip_free(r->parts[i].trip);
        outcome_clear(&r->parts[i].outcome);
    }
    free(r->parts);
    r->parts = NULL;
    r->parts_count = 0;
}

/* ---- The object ------------------------------------------------------------------------------------------------------------- */

static void
start_trips(struct runner *r, struct slice saved)
{
    if (saved.len > 0 && take_up(r, saved))
        return;
    drop_parts(r);
    if (saved.len > 0)
        r->started_us = wall_us();
    if (plan_of(r)->each_mx)
        start_each_mx(r);
    else
        start_one_trip(r, slice_make(NULL, 0));
}

struct runner *
runner_start(const struct runner_task *task)
{
    struct runner *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->task = *task;
    r->task.saved = slice_make(NULL, 0);
    r->started_us = wall_us();
    r->trips = task->tools->trips;
    r->trips.changed = on_trip_changed;
    r->probes = task->tools->probes;
    r->probes.checks = task->checks;
    outcome_init(&r->result.outcome);
    r->finished = event_new(r->trips.base, -1, 0, on_finished, r);
    if (r->finished == NULL) {
        free(r);
        return NULL;
    }
    if (task->check->kind == CHECK_ROUND_TRIP)
        start_trips(r, task->saved);
    else if (task->check->kind == CHECK_SMTP)
        r->smtp = smtp_probe_start(&r->probes, task->check, on_probed, r);
    else
        r->blacklist = blacklist_start(&r->probes, task->check, task->client, on_probed, r);
    if (task->check->kind != CHECK_ROUND_TRIP && r->smtp == NULL && r->blacklist == NULL)
        fail(r);
    return r;
}

void
runner_free(struct runner *r)
{
    if (r == NULL)
        return;
    resolution_cancel(r->resolution);
    drop_parts(r);
    smtp_probe_free(r->smtp);
    blacklist_free(r->blacklist);
    outcome_clear(&r->result.outcome);
    event_free(r->finished);
    free(r);
}
