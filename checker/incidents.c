/* incidents - see incidents.h: takes what runs came to, confirms, and puts together what has one cause. */

#include "checker/incidents_parts.h"

#include "checker/quiet.h"

#include <assert.h>
#include <stdlib.h>

static void
set_now(struct incidents *in, struct moment now)
{
    in->now = now;
    if (in->minute_wall != now.wall_us / MINUTE_US)
        in->minute = quiet_minute(now.wall_us);
    in->minute_wall = now.wall_us / MINUTE_US;
}

/* ---- Dependencies ---- */

bool
track_is_failing(const struct track *t)
{
    return t->failures > 0 || t->phase == ACTIVE;
}

/* WARNINGs block nobody: a certificate that ends in two weeks is no reason for a mail not to come. */
bool
track_is_blocking(const struct track *t)
{
    return t->criticals > 0 || state_is_bad(t->shown);
}

bool
track_is_blocked(const struct incidents *in, unsigned check)
{
    const struct check *c = &in->checks->checks[check];

    for (unsigned d = 0; d < c->depends_count; d++)
        if (in->checks->checks[c->depends[d]].enabled && track_is_blocking(&in->watched[c->depends[d]].tracks[TRACK_CHECK]))
            return true;
    return false;
}

bool
track_is_held(const struct incidents *in, const struct track *t)
{
    const struct check *c = &in->checks->checks[incidents_index(in, t)];

    if (t->hold_until <= incidents_steady(in))
        return false;
    for (unsigned d = 0; d < c->depends_count; d++)
        if (in->checks->checks[c->depends[d]].enabled && in->watched[c->depends[d]].begun < t->first_begun)
            return true;
    return false;
}

/* Those that it depends on should tell soon whether they are the cause. */
static void
hasten_roots(struct incidents *in, const struct track *t)
{
    const struct check *c = &in->checks->checks[incidents_index(in, t)];

    for (unsigned d = 0; d < c->depends_count && in->hooks.hasten != NULL; d++)
        if (in->checks->checks[c->depends[d]].enabled && in->watched[c->depends[d]].begun < t->first_begun)
            in->hooks.hasten(in->hooks.arg, c->depends[d]);
}

/* A run of this check was taken: those that depend on it and are not told of yet may be told of now, or not any more. */
static void
look_at_dependents(struct incidents *in, unsigned check)
{
    for (unsigned d = in->dependents_at[check]; d < in->dependents_at[check + 1]; d++) {
        const struct track *t = &in->watched[in->dependents[d]].tracks[TRACK_CHECK];

        if (t->phase == ACTIVE && !t->told)
            incident_touch(in, t->incident);
    }
}

/* It fails still, but what was counted of it does not count any more. */
static void
begin_anew(struct incidents *in, struct track *t)
{
    if (t->failures == 0)
        t->failures = 1;                /* so that what is known of it is not forgotten: it flaps, and its last run was well */
    incident_leave(in, t);
    t->failures = t->criticals = 0;
    t->shown = STATE_OK;
    t->hold_until = 0;
}

/* This check works again: what failed beside it may have failed by it, and has to fail anew before anybody is told. */
static void
free_dependents(struct incidents *in, unsigned check)
{
    for (unsigned d = in->dependents_at[check]; d < in->dependents_at[check + 1]; d++) {
        struct track *t = &in->watched[in->dependents[d]].tracks[TRACK_CHECK];

        if (!track_is_failing(t) || t->told)
            continue;
        begin_anew(in, t);
        t->not_before = incidents_steady(in);
    }
}

/* ---- Runs ---- */

static void
copy_text(char *to, size_t size, const char *from)
{
    slice_copy(to, size, slice_of(from));
}

static bool
set_facts(struct track *t, const struct outcome *o)
{
    if (t->facts == NULL)
        t->facts = calloc(1, sizeof(*t->facts));
    if (t->facts == NULL)
        return false;
    t->facts->state = o->state;
    t->facts->code = o->code;
    copy_text(t->facts->verdict, sizeof(t->facts->verdict), o->verdict);
    copy_text(t->facts->cause, sizeof(t->facts->cause), o->cause);
    copy_text(t->facts->step, sizeof(t->facts->step), o->step);
    copy_text(t->facts->host, sizeof(t->facts->host), o->host);
    copy_text(t->facts->reply, sizeof(t->facts->reply), o->reply);
    copy_text(t->facts->reason, sizeof(t->facts->reason), o->reason);
    return true;
}

/*
 * One of its checks works again. If now none fails by the incident's cause any more, that is over: what else fails there fails by something else, and
 * has to be confirmed of that. Members whose cause only varies, while nobody has recovered, stay.
 */
static void
split(struct incidents *in, struct incident *i)
{
    struct track *t, *next;

    if (i->kind != TRACK_CHECK || i->active == 0)
        return;
    TAILQ_FOREACH(t, &i->members, link)
        if (t->phase == ACTIVE && (t->facts->cause[0] == '\0' || strcmp(t->facts->cause, i->cause) == 0))
            return;
    for (t = TAILQ_FIRST(&i->members); t != NULL; t = next) {
        next = TAILQ_NEXT(t, link);
        if (t->phase == ACTIVE)
            begin_anew(in, t);
    }
}

/*
 * One of its checks works again: another, whose next run may be a day away, is to tell soon whether it does, too. One for each, so that they come one after
 * the other.
 */
static void
ask_another(struct incidents *in, struct incident *i)
{
    struct track *t;

    if (i->active == 0 || in->hooks.hasten == NULL || !in->has_slow)
        return;
    TAILQ_FOREACH(t, &i->members, link) {
        if (t->phase != ACTIVE || t->asked || in->checks->checks[incidents_index(in, t)].interval_ms <= SLOW_MS)
            continue;
        t->asked = true;
        in->hooks.hasten(in->hooks.arg, incidents_index(in, t));
        return;
    }
}

/* It is well: nothing counts any more. Who was told of it is to be told of this, too. */
static void
recover(struct incidents *in, struct track *t)
{
    struct incident *i = t->incident;
    bool             was_failing = track_is_failing(t);

    if (!was_failing && (t->phase == RECOVERED || t->since_wall == 0))
        return;
    incidents_mark(in, incidents_index(in, t));
    t->failures = t->criticals = 0;
    t->shown = STATE_OK;
    t->hold_until = t->not_before = 0;
    if (i != NULL && t->told) {
        i->active -= t->phase == ACTIVE;
        t->phase = RECOVERED;
    } else {
        incident_leave(in, t);
    }
    if (i != NULL) {
        incident_mark(in, i);
        incident_touch(in, i);
        split(in, i);
        ask_another(in, i);
    }
}

/* A failure of it was confirmed: the third within a while, and it flaps. */
static void
note_bout(struct incidents *in, unsigned check)
{
    struct watched *w = &in->watched[check];
    uint64_t        now = incidents_steady(in), while_us = (uint64_t)in->checks->checks[check].interval_ms * 1000 * FLAP_INTERVALS;

    memmove(w->bouts + 1, w->bouts, sizeof(w->bouts) - sizeof(w->bouts[0]));
    w->bouts[0] = now;
    w->calm = 0;
    if (w->bouts[FLAP_BOUTS - 1] != 0 && now - w->bouts[FLAP_BOUTS - 1] <= while_us)
        w->flapping = true;
}

/* What is confirmed of it. A member that is failing less is shown so at once; one that fails worse only after as many runs as at first. */
static void
confirm(struct incidents *in, struct track *t, uint32_t runs)
{
    enum state was = t->shown;
    bool       joins = t->phase != ACTIVE;

    if (state_is_bad(t->facts->state) && (t->criticals >= runs || state_is_bad(was)))
        t->shown = t->facts->state;
    else if (t->failures >= runs || (!joins && t->facts->state == STATE_WARNING))
        t->shown = STATE_WARNING;
    if (t->shown == STATE_OK)
        return;
    if (joins) {
        t->hold_until = in->checks->checks[incidents_index(in, t)].depends_count > 0 ? incidents_steady(in) + HOLD_US : 0;
        note_bout(in, incidents_index(in, t));
        incident_join(in, t);
    } else if (t->shown != was) {
        if (severity(t->shown) > severity(was))
            t->shown_at = incidents_steady(in);
        incident_touch(in, t->incident);
    }
}

static bool
take_failure(struct incidents *in, unsigned check, const struct outcome *o, uint64_t begun)
{
    const struct check *c = &in->checks->checks[check];
    struct watched     *w = &in->watched[check];
    struct track       *t = &w->tracks[TRACK_CHECK];

    if (!set_facts(t, o))
        return false;
    incidents_mark(in, check);
    w->calm = 0;
    if (begun > t->failed_begun)
        t->failed_begun = begun;
    if (begun < t->not_before)
        return false;
    if (t->failures == 0) {
        t->first_begun = begun;
        t->facts->late[0] = '\0';
        if (t->since_wall == 0 || t->phase == RECOVERED)
            t->since_wall = o->started_us;
    }
    t->asked = false;
    t->failures++;
    t->criticals = state_is_bad(o->state) ? t->criticals + 1 : 0;
    hasten_roots(in, t);
    confirm(in, t, c->confirm);
    if (o->deferred || track_is_blocked(in, check))
        return false;
    if (state_is_bad(o->state))
        return !state_is_bad(t->shown) && t->criticals < c->confirm;
    return t->shown == STATE_OK && w->wants_warnings && t->failures < c->confirm;
}

static void
take_success(struct incidents *in, unsigned check, const struct outcome *o, uint64_t begun)
{
    struct watched *w = &in->watched[check];
    struct track   *t = &w->tracks[TRACK_CHECK];

    /* One that began before the newest failed run came later than that: it says less. */
    if (track_is_failing(t) && begun < t->failed_begun)
        return;
    if (w->flapping && t->phase == ACTIVE && ++w->calm < FLAP_CALM) {
        t->failures = t->criticals = 0;
        incidents_mark(in, check);
        return;
    }
    if (w->flapping && t->phase == ACTIVE) {
        w->flapping = false;
        memset(w->bouts, 0, sizeof(w->bouts));
    }
    if (t->phase == ACTIVE)
        set_facts(t, o);
    recover(in, t);
}

/* It has lasted: now it waits for company. */
static void
confirm_own(struct incidents *in, struct incident *i)
{
    struct track *t;

    i->confirmed = true;
    TAILQ_FOREACH(t, &i->members, link) {
        t->shown_at = incidents_steady(in);
        incidents_mark(in, incidents_index(in, t));
    }
    incident_mark(in, i);
    incident_touch(in, i);
}

/* Our own trouble: it says nothing of what is checked. */
static bool
take_own(struct incidents *in, unsigned check, const struct outcome *o, uint64_t begun)
{
    const struct check *c = &in->checks->checks[check];
    struct track       *t = &in->watched[check].tracks[TRACK_OWN];

    if (!set_facts(t, o))
        return false;
    incidents_mark(in, check);
    t->asked = false;
    t->failures++;
    if (t->since_wall == 0 || t->phase == RECOVERED) {
        t->since_wall = o->started_us;
        t->first_begun = begun;
    }
    t->shown = o->state == STATE_OK ? STATE_UNKNOWN : o->state;
    if (t->phase != ACTIVE) {
        incident_join(in, t);
        if (t->incident == NULL)
            return false;
        t->prober = t->incident->active <= PROBERS_MAX;
    }
    if (t->failures >= (c->confirm > OWN_CONFIRM ? c->confirm : OWN_CONFIRM) && !t->incident->confirmed)
        confirm_own(in, t->incident);
    return t->prober && !t->incident->confirmed && !o->deferred;
}

/* Late by greylisting alone is no failure: the mail came. */
static bool
is_well(const struct outcome *o)
{
    return o->state == STATE_OK || (o->deferred && strcmp(o->verdict, "arrived") == 0);
}

bool
incidents_take(struct incidents *in, unsigned check, const struct outcome *o, struct moment now)
{
    struct watched *w = &in->watched[check];
    uint64_t        begun;
    bool            soon = false, blocked_others;

    assert(check < in->checks->checks_count);
    if (!in->checks->checks[check].enabled)
        return false;
    set_now(in, now);
    /* By the clock that never jumps: it ended just now. */
    begun = incidents_steady(in) > o->took_us ? incidents_steady(in) - o->took_us : 1;
    if (o->own_trouble) {
        soon = take_own(in, check, o, begun);
    } else {
        recover(in, &w->tracks[TRACK_OWN]);
        blocked_others = track_is_blocking(&w->tracks[TRACK_CHECK]);
        if (begun > w->begun)
            w->begun = begun;
        if (in->dependents_at[check] < in->dependents_at[check + 1])
            incidents_mark(in, check);
        if (is_well(o))
            take_success(in, check, o, begun);
        else
            soon = take_failure(in, check, o, begun);
        if (blocked_others && !track_is_blocking(&w->tracks[TRACK_CHECK]))
            free_dependents(in, check);
        look_at_dependents(in, check);
    }
    incidents_keep(in, NULL);
    return soon;
}

void
incidents_late(struct incidents *in, unsigned check, const struct outcome *o, struct moment now)
{
    struct track *t = &in->watched[check].tracks[TRACK_CHECK];

    assert(check < in->checks->checks_count);
    set_now(in, now);
    if (t->facts == NULL)
        return;
    copy_text(t->facts->late, sizeof(t->facts->late), o->reason);
    incidents_mark(in, check);
    incidents_keep(in, NULL);
}

uint64_t
incidents_turn(struct incidents *in, struct moment now)
{
    struct incident *i, *next;
    uint64_t         steady;

    set_now(in, now);
    steady = incidents_steady(in);
    while (in->wake <= steady) {
        in->wake = UINT64_MAX;
        for (i = TAILQ_FIRST(&in->open); i != NULL; i = next) {
            next = TAILQ_NEXT(i, link);
            if (i->wake <= steady)
                incident_look(in, i);
            else if (i->wake < in->wake)
                in->wake = i->wake;
        }
    }
    incidents_keep(in, NULL);
    return moment_of_steady_us(in->first, in->wake);
}

/* ---- What is asked ---- */

enum standing
incidents_standing(const struct incidents *in, unsigned check)
{
    const struct watched *w = &in->watched[check];

    if (w->tracks[TRACK_CHECK].phase == ACTIVE)
        return STANDING_FAILING;
    if (w->tracks[TRACK_CHECK].failures > 0)
        return STANDING_SUSPECTED;
    return w->tracks[TRACK_OWN].phase == ACTIVE ? STANDING_UNKNOWN : STANDING_OK;
}

void
incidents_stats(const struct incidents *in, struct incidents_stats *out)
{
    const struct incident *i;

    *out = in->stats;
    TAILQ_FOREACH(i, &in->open, link)
        out->open += i->told_count > 0;
    for (unsigned c = 0; c < in->checks->checks_count; c++) {
        enum standing standing = incidents_standing(in, c);

        out->failing += standing == STANDING_FAILING;
        out->suspected += standing == STANDING_SUSPECTED;
    }
}

/* ---- Its life ---- */

/* Who depends on whom, the other way round. */
static void
turn_dependencies(struct incidents *in)
{
    const struct checks *checks = in->checks;
    unsigned             at = 0;

    for (unsigned c = 0; c < checks->checks_count; c++)
        for (unsigned d = 0; d < checks->checks[c].depends_count; d++)
            in->dependents_at[checks->checks[c].depends[d] + 1]++;
    for (unsigned c = 0; c < checks->checks_count; c++) {
        unsigned count = in->dependents_at[c + 1];

        /* Where the first of c comes, for the filling below, which moves it to where the first of c + 1 is. */
        in->dependents_at[c + 1] = at;
        at += count;
    }
    for (unsigned c = 0; c < checks->checks_count; c++)
        for (unsigned d = 0; d < checks->checks[c].depends_count; d++)
            in->dependents[in->dependents_at[checks->checks[c].depends[d] + 1]++] = c;
}

static bool
allocate(struct incidents *in)
{
    const struct checks *checks = in->checks;
    size_t               edges = 0;

    for (unsigned c = 0; c < checks->checks_count; c++)
        edges += checks->checks[c].depends_count;
    in->watched = calloc(checks->checks_count + 1u, sizeof(*in->watched));
    in->dependents = calloc(edges + 1, sizeof(*in->dependents));
    in->dependents_at = calloc(checks->checks_count + 2u, sizeof(*in->dependents_at));
    in->sums = calloc(checks->contacts_count + 1u, sizeof(*in->sums));
    in->concerned = calloc(checks->contacts_count + 1u, sizeof(*in->concerned));
    in->dirty = calloc(checks->checks_count + 1u, sizeof(*in->dirty));
    in->queue = calloc(checks->checks_count + 1u, sizeof(*in->queue));
    in->seen = calloc(checks->checks_count + 1u, sizeof(*in->seen));
    in->reasons = calloc(NOTICE_CHECKS_MAX, sizeof(*in->reasons));
    return in->watched != NULL && in->dependents != NULL && in->dependents_at != NULL && in->sums != NULL && in->concerned != NULL &&
           in->dirty != NULL && in->queue != NULL && in->seen != NULL && in->reasons != NULL;
}

struct incidents *
incidents_new(const struct checks *checks, const struct incidents_hooks *hooks, struct moment now)
{
    struct incidents *in = calloc(1, sizeof(*in));

    if (in == NULL)
        return NULL;
    *in = (struct incidents){ .checks = checks, .hooks = *hooks, .first = now, .wake = UINT64_MAX };
    TAILQ_INIT(&in->open);
    /* Where nothing is restored: never used before, if the clock is right, also after the records were lost. */
    in->next_incident = in->next_notice = now.wall_us / 1000000;
    if (!allocate(in)) {
        incidents_free(in);
        return NULL;
    }
    set_now(in, now);
    turn_dependencies(in);
    for (unsigned c = 0; c < checks->checks_count; c++)
        in->has_slow |= checks->checks[c].interval_ms > SLOW_MS;
    for (unsigned c = 0; c < checks->checks_count; c++)
        for (unsigned k = 0; k < checks->checks[c].contacts_count; k++)
            in->watched[c].wants_warnings |= checks->contacts[checks->checks[c].contacts[k]].warnings;
    return in;
}

void
incidents_free(struct incidents *in)
{
    struct incident *i;

    if (in == NULL)
        return;
    while ((i = TAILQ_FIRST(&in->open)) != NULL) {
        TAILQ_REMOVE(&in->open, i, link);
        free(i->told);
        free(i->gone);
        free(i);
    }
    for (unsigned c = 0; in->watched != NULL && c < in->checks->checks_count; c++)
        for (unsigned k = 0; k < TRACK_COUNT; k++)
            free(in->watched[c].tracks[k].facts);
    incidents_drop_restored(in);
    free(in->watched);
    free(in->dependents);
    free(in->dependents_at);
    free(in->sums);
    free(in->concerned);
    free(in->dirty);
    free(in->queue);
    free(in->seen);
    free(in->reasons);
    free(in);
}
