/* script - see script.h. */

#include "tests/simulation/script.h"

#include "lib/error.h"
#include "lib/record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum what { RELAY_DOWN, SERVER_DOWN, SLOW, SERVICE_DOWN, ONE_FAILS };

struct outage {
    enum what what;
    unsigned  which;            /* relay, customer, or check */
    uint32_t  from_s, to_s;
};

/* The customers of the outages of servers; on relays that stay up in every size of the simulation. */
enum { DOWN_LONG = 2, DOWN_REMINDED = 3, SLOW_UNWANTED = 4, SLOW_WANTED = 5, QUIET_WITHIN = 6, QUIET_BEYOND = 7, FLAPPING = 8, FIRST_USUAL = 9 };
enum { BOUND_S = 900, FLAP_ON_S = 900, FLAP_FROM_S = 54000, FLAP_TO_S = 72000 };
enum { QUIET_FROM_MIN = 12 * 60, QUIET_TO_MIN = 14 * 60, REMINDER_S = 3600, ESCALATE_S = 1800 };

static const struct outage fixed[] = {
    { RELAY_DOWN, 0, 7200, 8400 },              /* of checks that depend on it */
    { RELAY_DOWN, 1, 14400, 15600 },            /* of checks that share its cause */
    { SERVER_DOWN, DOWN_LONG, 21600, 24000 },
    { SERVER_DOWN, DOWN_REMINDED, 25200, 34200 },
    { SLOW, SLOW_UNWANTED, 28800, 32400 },
    { SLOW, SLOW_WANTED, 28800, 32400 },
    { SERVICE_DOWN, 0, 36000, 37400 },
    { SERVICE_DOWN, 0, 39600, 39620 },          /* too short to be told */
    { SERVER_DOWN, QUIET_WITHIN, 45000, 46800 },
    { SERVER_DOWN, QUIET_BEYOND, 48600, 52200 },
};

/* ---- Rows ---- */

void
told_add(struct told_list *list, const struct told_row *row)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 1024 : list->room * 2;
        list->rows = realloc(list->rows, list->room * sizeof(*list->rows));
        assert(list->rows != NULL);
    }
    list->rows[list->count++] = *row;
}

int
told_compare(const struct told_row *left, const struct told_row *right)
{
    int order = strcmp(left->cause, right->cause);

    if (left->contact != right->contact)
        return left->contact < right->contact ? -1 : 1;
    if (order != 0)
        return order;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->state != right->state)
        return left->state < right->state ? -1 : 1;
    return left->from_s < right->from_s ? -1 : left->from_s > right->from_s;
}

static int
compare_rows(const void *a, const void *b)
{
    return told_compare(a, b);
}

void
told_sort(struct told_list *list)
{
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof(*list->rows), compare_rows);
}

/* ---- Who is who ---- */

/* The relays' checks are the last ones. */
static unsigned
first_relay(const struct script *s)
{
    return s->checks.checks_count - s->relays;
}

static bool
is_relay(const struct script *s, unsigned check)
{
    return check >= first_relay(s);
}

static unsigned
customer_of(unsigned check)
{
    return check / CHECKS_OF_OWNER;
}

/* The number of the relay that a check uses. */
static unsigned
relay_of(const struct script *s, unsigned check)
{
    return is_relay(s, check) ? check - first_relay(s) : customer_of(check) % s->relays;
}

static bool
is_on(const struct outage *o, uint32_t at_s)
{
    return at_s >= o->from_s && at_s < o->to_s;
}

/* A number that looks drawn, and is the same each time. */
static uint64_t
drawn(uint64_t a, uint64_t b)
{
    uint64_t both[2] = { a, b };

    return checksum(slice_make(both, sizeof(both)));
}

/* ---- Making it ---- */

static void
make_check(struct script *s, unsigned i)
{
    struct check *c = &s->list[i];

    snprintf(s->names[i], sizeof(s->names[i]), is_relay(s, i) ? "relay-%u" : "check-%u", i);
    *c = (struct check){ .name = s->names[i], .kind = is_relay(s, i) ? CHECK_SMTP : CHECK_ROUND_TRIP, .enabled = true,
                         .interval_ms = INTERVAL_S * 1000, .confirm = CONFIRM, .confirm_gap_ms = CONFIRM_GAP_S * 1000, .contacts_count = 1, .client_of = -1 };
    c->contacts[0] = is_relay(s, i) ? OPS : customer_of(i) + 1;
    if (!is_relay(s, i) && relay_of(s, i) % 2 == 0) {
        c->depends[0] = first_relay(s) + relay_of(s, i);
        c->depends_count = 1;
    }
    if (customer_of(i) == QUIET_WITHIN || customer_of(i) == QUIET_BEYOND) {
        for (unsigned day = 0; day < 7; day++)
            c->quiet[day] = (struct quiet){ day * 1440 + QUIET_FROM_MIN, day * 1440 + QUIET_TO_MIN };
        c->quiet_count = 7;
    }
}

static void
make_contacts(struct script *s)
{
    for (unsigned i = 0; i <= s->customers; i++) {
        s->contacts[i] = (struct contact){ .name = s->names[s->checks.checks_count + i], .ways_count = 1, .recoveries = true };
        snprintf(s->names[s->checks.checks_count + i], sizeof(s->names[0]), "contact-%u", i);
    }
    s->contacts[SLOW_WANTED + 1].warnings = true;
    s->contacts[DOWN_REMINDED + 1].reminder_ms = REMINDER_S * 1000;
    s->contacts[DOWN_REMINDED + 1].escalate_after_ms = ESCALATE_S * 1000;
    s->contacts[DOWN_REMINDED + 1].escalate_count = 1;
}

/* In the evening one check of many customers fails by itself for a while, twenty minutes to an hour. */
static void
make_outages(struct script *s)
{
    for (unsigned i = 0; i < COUNT(fixed); i++)
        s->outages[s->outages_count++] = fixed[i];
    for (unsigned c = FIRST_USUAL; c < s->customers; c += 7) {
        uint32_t from_s = 57600 + (uint32_t)(drawn(c, 1) % 20000), lasts_s = 1200 + (uint32_t)(drawn(c, 2) % 2400);
        unsigned check = c * CHECKS_OF_OWNER + (unsigned)(drawn(c, 3) % CHECKS_OF_OWNER);

        s->outages[s->outages_count++] = (struct outage){ ONE_FAILS, check, from_s, from_s + lasts_s };
        s->own_outage[check] = s->outages_count;
    }
}

struct script *
script_new(unsigned checks)
{
    struct script *s = calloc(1, sizeof(*s));

    assert(s != NULL && checks % 2000 == 0);
    s->relays = checks / CHECKS_OF_RELAY;
    s->customers = (checks - s->relays) / CHECKS_OF_OWNER;
    s->list = calloc(checks, sizeof(*s->list));
    s->contacts = calloc(s->customers + 1u, sizeof(*s->contacts));
    s->names = calloc(checks + s->customers + 1u, sizeof(*s->names));
    s->outages = calloc(COUNT(fixed) + s->customers, sizeof(*s->outages));
    s->own_outage = calloc(checks, sizeof(*s->own_outage));
    assert(s->list != NULL && s->contacts != NULL && s->names != NULL && s->outages != NULL && s->own_outage != NULL);
    s->checks = (struct checks){ .checks = s->list, .checks_count = checks, .contacts = s->contacts, .contacts_count = s->customers + 1,
                                 .group_ms = GROUP_S * 1000, .under_way_max = 5000 };
    make_contacts(s);
    for (unsigned i = 0; i < checks; i++)
        make_check(s, i);
    make_outages(s);
    return s;
}

void
script_free(struct script *s)
{
    free(s->list);
    free(s->contacts);
    free(s->names);
    free(s->outages);
    free(s->own_outage);
    free(s);
}

/* ---- What runs come to ---- */

static void
fail_by(struct outcome *o, enum state state, const char *verdict, const char *cause, const char *step)
{
    o->state = state;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of(verdict));
    slice_copy(o->cause, sizeof(o->cause), slice_of(cause));
    slice_copy(o->step, sizeof(o->step), slice_of(step));
    slice_copy(o->reason, sizeof(o->reason), slice_of("it failed"));
}

/* Whether an outage makes this run fail. */
static bool
hits(const struct script *s, const struct outage *g, unsigned check, uint32_t at_s)
{
    if (!is_on(g, at_s))
        return false;
    switch (g->what) {
    case RELAY_DOWN:
        return relay_of(s, check) == g->which;
    case SERVER_DOWN:
    case SLOW:
        return !is_relay(s, check) && customer_of(check) == g->which;
    case SERVICE_DOWN:
        return !is_relay(s, check);
    case ONE_FAILS:
        return check == g->which;
    }
    return false;
}

static void
cause_of(const struct outage *g, char out[40])
{
    if (g->what == SERVICE_DOWN)
        snprintf(out, 40, "service");
    else if (g->what == RELAY_DOWN)
        snprintf(out, 40, "relay %u connect", g->which);
    else if (g->what == SERVER_DOWN)
        snprintf(out, 40, "server of customer %u", g->which);
    else if (g->what == SLOW)
        snprintf(out, 40, "slow customer %u", g->which);
    else
        snprintf(out, 40, "mailbox of check %u", g->which);
}

static void
fail(const struct outage *g, struct outcome *o, uint64_t *took_us)
{
    char cause[40];

    cause_of(g, cause);
    *took_us = g->what == RELAY_DOWN ? 30000000 : g->what == SLOW ? 100000000 : 1000000;
    if (g->what == SERVICE_DOWN) {
        o->own_trouble = true;
        fail_by(o, STATE_UNKNOWN, "unknown", cause, "");
    } else if (g->what == SLOW) {
        fail_by(o, STATE_WARNING, "arrived", cause, "");
    } else {
        fail_by(o, STATE_CRITICAL, "not-sent", cause, "connect");
    }
}

static bool
flaps(unsigned check, uint32_t at_s)
{
    return check == FLAPPING * CHECKS_OF_OWNER && at_s >= FLAP_FROM_S && at_s < FLAP_TO_S && (at_s - FLAP_FROM_S) / FLAP_ON_S % 2 == 0;
}

void
script_run(const struct script *s, unsigned check, uint32_t begun_s, struct outcome *o, uint64_t *took_us)
{
    uint64_t draw = drawn(check, begun_s);

    outcome_init(o);
    o->state = STATE_OK;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("arrived"));
    *took_us = 1000000 + draw % 8000000;
    for (unsigned i = 0; i <= COUNT(fixed); i++) {
        const struct outage *g = i < COUNT(fixed) ? &s->outages[i] : s->own_outage[check] > 0 ? &s->outages[s->own_outage[check] - 1] : NULL;

        if (g != NULL && hits(s, g, check, begun_s)) {
            fail(g, o, took_us);
            return;
        }
    }
    if (flaps(check, begun_s)) {
        fail_by(o, STATE_CRITICAL, "not-arrived", "on and off", "arrival");
        return;
    }
    /* One of twenty checks writes to a server that greylists: four minutes, by which the mail is too slow. */
    if (!is_relay(s, check) && check % 20 == 3) {
        o->deferred = true;
        o->state = STATE_WARNING;
        *took_us = 250000000;
        return;
    }
    /* One run of a thousand fails by itself. */
    if (draw / 8000000 % 1000 == 0)
        fail_by(o, STATE_CRITICAL, "not-arrived", "", "arrival");
}

/* ---- What has to be told ---- */

static void
expect(struct told_list *out, enum notice_kind kind, enum state state, unsigned contact, const char *cause, uint32_t from_s, uint32_t within_s)
{
    struct told_row row = { .kind = kind, .state = state, .contact = contact, .from_s = from_s, .to_s = from_s + within_s };

    if (from_s < STILL_FROM_S + STILL_S && row.to_s > STILL_FROM_S)
        row.to_s += STILL_S;
    slice_copy(row.cause, sizeof(row.cause), slice_of(cause));
    told_add(out, &row);
}

static void
expect_pair(struct told_list *out, const struct outage *g, enum state state, unsigned contact)
{
    char cause[40];

    cause_of(g, cause);
    expect(out, NOTICE_PROBLEM, state, contact, cause, g->from_s, BOUND_S);
    expect(out, NOTICE_RECOVERY, STATE_OK, contact, cause, g->to_s, BOUND_S);
}

static void
expect_server_down(struct told_list *out, const struct outage *g)
{
    struct outage told = *g;
    char          cause[40];

    if (g->which == QUIET_WITHIN)
        return;
    if (g->which == QUIET_BEYOND)
        told.from_s = QUIET_TO_MIN * 60;
    expect_pair(out, &told, STATE_CRITICAL, g->which + 1);
    if (g->which != DOWN_REMINDED)
        return;
    cause_of(g, cause);
    expect(out, NOTICE_ESCALATION, STATE_CRITICAL, g->which + 1, cause, g->from_s + ESCALATE_S, BOUND_S);
    for (uint32_t at_s = g->from_s + REMINDER_S; at_s + BOUND_S < g->to_s; at_s += REMINDER_S)
        expect(out, NOTICE_REMINDER, STATE_CRITICAL, g->which + 1, cause, at_s, BOUND_S);
}

static void
expect_outage(const struct script *s, const struct outage *g, struct told_list *out)
{
    switch (g->what) {
    case RELAY_DOWN:
        expect_pair(out, g, STATE_CRITICAL, OPS);
        for (unsigned c = 0; g->which % 2 == 1 && c < s->customers; c++)
            if (c % s->relays == g->which)
                expect_pair(out, g, STATE_CRITICAL, c + 1);
        break;
    case SERVER_DOWN:
        expect_server_down(out, g);
        break;
    case SLOW:
        if (g->which == SLOW_WANTED)
            expect_pair(out, g, STATE_WARNING, g->which + 1);
        break;
    case SERVICE_DOWN:
        for (unsigned c = 0; g->to_s - g->from_s > BOUND_S && c < s->customers; c++)
            expect_pair(out, g, STATE_UNKNOWN, c + 1);
        break;
    case ONE_FAILS:
        expect_pair(out, g, STATE_CRITICAL, customer_of(g->which) + 1);
        break;
    }
}

void
script_expect(const struct script *s, struct told_list *out)
{
    for (unsigned i = 0; i < s->outages_count; i++)
        expect_outage(s, &s->outages[i], out);
    /* Two failures with their recoveries, then a third that lasts until ten runs in a row were well. */
    for (uint32_t bout = 0; bout < 3; bout++) {
        expect(out, NOTICE_PROBLEM, STATE_CRITICAL, FLAPPING + 1, "on and off", FLAP_FROM_S + bout * 2 * FLAP_ON_S, FLAP_ON_S);
        if (bout < 2)
            expect(out, NOTICE_RECOVERY, STATE_OK, FLAPPING + 1, "on and off", FLAP_FROM_S + (bout * 2 + 1) * FLAP_ON_S, FLAP_ON_S);
    }
    expect(out, NOTICE_RECOVERY, STATE_OK, FLAPPING + 1, "on and off", FLAP_TO_S - FLAP_ON_S + 9 * INTERVAL_S, 3 * BOUND_S);
}
