/* incidents_tell - see incidents_parts.h: looks at an incident, decides for each contact whether it is to be told, and writes the notices. */

#include "checker/incidents_parts.h"

#include "checker/quiet.h"
#include "lib/duration.h"

#include <stdio.h>
#include <stdlib.h>

#define NOBODY UINT32_MAX               /* a row of told that is to be taken out */

static const struct check *
check_of(const struct incidents *in, const struct track *t)
{
    return &in->checks->checks[incidents_index(in, t)];
}

static bool
is_quiet(const struct incidents *in, const struct check *c)
{
    return c->quiet_count > 0 && quiet_has(c->quiet, c->quiet_count, in->minute);
}

static bool
has_contact(const struct check *c, unsigned contact)
{
    for (unsigned k = 0; k < c->contacts_count; k++)
        if (c->contacts[k] == contact)
            return true;
    return false;
}

/* Whether the contact wants to know of a failure that looks so. */
static bool
is_relevant(const struct incidents *in, unsigned contact, enum state shown)
{
    return state_is_bad(shown) || (shown == STATE_WARNING && in->checks->contacts[contact].warnings);
}

/* Whether somebody may be told now that it fails. */
static bool
is_tellable(const struct incidents *in, const struct incident *i, const struct track *t)
{
    if (t->phase != ACTIVE || is_quiet(in, check_of(in, t)))
        return false;
    if (i->kind == TRACK_OWN)
        return i->confirmed;
    return !track_is_blocked(in, incidents_index(in, t)) && (t->told || !track_is_held(in, t));
}

static void
wake_at(struct incident *i, uint64_t at)
{
    if (at < i->wake)
        i->wake = at;
}

/* ---- What each contact is to know ---- */

static struct sum *
sum_of(struct incidents *in, unsigned contact)
{
    struct sum *sum = &in->sums[contact];

    if (sum->look != in->look) {
        *sum = (struct sum){ .look = in->look };
        in->concerned[in->concerned_count++] = contact;
    }
    return sum;
}

static void
add_member(struct incidents *in, struct incident *i, const struct track *t)
{
    const struct check *c = check_of(in, t);
    bool                tellable = is_tellable(in, i, t), quiet = is_quiet(in, c);

    /* Quiet times end at a full minute, whatever summer time does meanwhile. */
    if (quiet)
        wake_at(i, incidents_steady(in) + MINUTE_US - in->now.wall_us % MINUTE_US);
    if (!tellable && t->phase == ACTIVE && t->hold_until > incidents_steady(in))
        wake_at(i, t->hold_until);
    for (unsigned k = 0; k < c->contacts_count; k++) {
        struct sum *sum = sum_of(in, c->contacts[k]);

        if (t->phase != ACTIVE || !is_relevant(in, c->contacts[k], t->shown)) {
            sum->well += t->told;
            sum->well_loud += t->told && !quiet;
            continue;
        }
        sum->active++;
        sum->bad += state_is_bad(t->shown);
        if (!tellable)
            continue;
        if (sum->tellable == 0 || t->shown_at < sum->shown_at)
            sum->shown_at = t->shown_at;
        sum->tellable++;
        if (severity(t->shown) > severity(sum->worst))
            sum->worst = t->shown;
    }
}

static void
add_up(struct incidents *in, struct incident *i)
{
    const struct track *t;

    in->look++;
    in->concerned_count = 0;
    for (unsigned k = 0; k < i->told_count; k++)
        sum_of(in, i->told[k].contact)->told_at = k + 1;
    TAILQ_FOREACH(t, &i->members, link)
        add_member(in, i, t);
}

/* ---- Notices ---- */

/* Its reason with what is to be known besides. */
static const char *
reason_of(struct incidents *in, const struct track *t, unsigned place)
{
    const struct watched *w = &in->watched[incidents_index(in, t)];
    char                  span[DURATION_TEXT_BYTES], flapping[100] = "";

    if (w->flapping && t->phase == ACTIVE && t == &w->tracks[TRACK_CHECK] && w->bouts[FLAP_BOUTS - 1] != 0)
        snprintf(flapping, sizeof(flapping), "flapping, failed %u times within %s: ", FLAP_BOUTS,
                 duration_text(w->bouts[0] - w->bouts[FLAP_BOUTS - 1], span));
    snprintf(in->reasons[place], sizeof(in->reasons[place]), "%s%s%s%s", flapping, t->facts->reason,
             t->facts->late[0] != '\0' ? "; " : "", t->facts->late);
    return in->reasons[place];
}

static void
put_check(struct incidents *in, struct notice *n, const struct track *t)
{
    const struct facts  *f = t->facts;
    struct notice_check *c = &in->list[n->checks_told];
    enum state           state = t->phase == ACTIVE ? t->shown : f->state;

    in->seen[incidents_index(in, t)] = n->id;
    n->checks_count++;
    if (t->since_wall != 0 && (n->since_us == 0 || t->since_wall < n->since_us))
        n->since_us = t->since_wall;
    if (n->checks_told == NOTICE_CHECKS_MAX)
        return;
    *c = (struct notice_check){ .name = check_of(in, t)->name, .since_us = t->since_wall, .verdict = "", .step = "", .host = "",
                                .reply = "", .reason = "" };
    if (n->kind == NOTICE_RECOVERY) {
        c->state = t->phase == ACTIVE ? t->shown : STATE_OK;
        if (t->phase != ACTIVE && f->state == STATE_OK) {
            c->verdict = f->verdict;
            c->reason = f->reason;
        }
    } else {
        *c = (struct notice_check){ .name = c->name, .state = state, .since_us = c->since_us, .verdict = f->verdict, .step = f->step, .host = f->host,
                                    .reply = f->reply, .code = f->code, .reason = reason_of(in, t, n->checks_told) };
    }
    n->checks_told++;
}

/* Those that fail while a check of the notice does on which they depend: not alarmed of by themselves. */
static void
put_dependents(struct incidents *in, struct notice *n, const struct incident *i, unsigned contact)
{
    const struct track *t;
    unsigned            count = 0;

    TAILQ_FOREACH(t, &i->members, link)
        if (in->seen[incidents_index(in, t)] == n->id && track_is_blocking(t) && has_contact(check_of(in, t), contact))
            in->queue[count++] = incidents_index(in, t);
    for (unsigned at = 0; at < count; at++) {
        for (unsigned d = in->dependents_at[in->queue[at]]; d < in->dependents_at[in->queue[at] + 1]; d++) {
            const struct track *dependent = &in->watched[in->dependents[d]].tracks[TRACK_CHECK];

            if (in->seen[in->dependents[d]] == n->id || !track_is_failing(dependent))
                continue;
            put_check(in, n, dependent);
            if (track_is_blocking(dependent))
                in->queue[count++] = in->dependents[d];
        }
    }
}

static void
put_gone(struct incidents *in, struct notice *n, const struct incident *i)
{
    for (unsigned g = 0; g < i->gone_count; g++) {
        n->checks_count++;
        if (n->checks_told < NOTICE_CHECKS_MAX)
            in->list[n->checks_told++] = (struct notice_check){
                .name = i->gone[g], .state = STATE_UNKNOWN, .since_us = i->since_wall, .verdict = "", .step = "", .host = "", .reply = "",
                .reason = "it is checked no longer",
            };
    }
}

/* The checks of a contact that a notice of this kind tells of. */
static void
put_members(struct incidents *in, struct notice *n, const struct incident *i, unsigned contact)
{
    const struct track *t;

    TAILQ_FOREACH(t, &i->members, link) {
        bool fails = t->phase == ACTIVE && is_relevant(in, contact, t->shown);

        if (!has_contact(check_of(in, t), contact) || (n->kind == NOTICE_RECOVERY ? fails || !t->told : !fails || !is_tellable(in, i, t)))
            continue;
        put_check(in, n, t);
    }
    if (n->kind == NOTICE_RECOVERY)
        put_gone(in, n, i);
    else if (i->kind == TRACK_CHECK)
        put_dependents(in, n, i, contact);
}

/* The ways of one or both lists, each once. */
static unsigned
gather_ways(const struct contact *c, enum notice_kind kind, bool escalated, unsigned ways[2 * CONTACT_WAYS_MAX])
{
    unsigned count = 0;

    if (kind != NOTICE_ESCALATION)
        for (unsigned w = 0; w < c->ways_count; w++)
            ways[count++] = c->ways[w];
    for (unsigned w = 0; (kind == NOTICE_ESCALATION || (kind == NOTICE_RECOVERY && escalated)) && w < c->escalate_count; w++) {
        unsigned same = 0;

        while (same < count && ways[same] != c->escalate_to[w])
            same++;
        if (same == count)
            ways[count++] = c->escalate_to[w];
    }
    return count;
}

/* What the incident knows of the contact is up to date: it is kept before the notice goes out. */
static void
tell(struct incidents *in, struct incident *i, unsigned contact, enum notice_kind kind, enum state state, bool escalated)
{
    unsigned      ways[2 * CONTACT_WAYS_MAX];
    unsigned      count = gather_ways(&in->checks->contacts[contact], kind, escalated, ways);
    struct notice n = { .kind = kind, .incident = i->id, .id = in->next_notice++, .cause = i->cause, .state = state,
                        .now_us = in->now.wall_us, .checks = in->list };

    put_members(in, &n, i, contact);
    if (n.since_us == 0)
        n.since_us = i->since_wall;
    incident_mark(in, i);
    incidents_keep(in, i);
    in->stats.told[kind]++;
    if (count > 0)
        in->hooks.tell(in->hooks.arg, contact, ways, count, &n);
}

/* ---- What is to be told ---- */

static bool
is_over(uint64_t since, uint32_t span_ms, uint64_t now)
{
    return span_ms > 0 && since + (uint64_t)span_ms * 1000 <= now;
}

static void
tell_problem(struct incidents *in, struct incident *i, unsigned k, enum state worst)
{
    struct told *known = &i->told[k];

    if (!known->told)
        known->at = incidents_steady(in);
    known->told = true;
    known->state = worst;
    known->last = incidents_steady(in);
    tell(in, i, known->contact, NOTICE_PROBLEM, worst, false);
}

/* Some of its checks fail, and it may be told so. */
static void
decide_failing(struct incidents *in, struct incident *i, unsigned k, const struct sum *sum)
{
    struct told          *known = &i->told[k];
    const struct contact *c = &in->checks->contacts[known->contact];
    uint64_t              now = incidents_steady(in);

    if (!known->told) {
        if (known->due == 0) {
            known->due = sum->shown_at + (uint64_t)in->checks->group_ms * 1000;
            incident_mark(in, i);
        }
        if (known->due <= now)
            tell_problem(in, i, k, sum->worst);
    } else if (severity(sum->worst) > severity(known->state) || (sum->bad == 0 && state_is_bad(known->state))) {
        tell_problem(in, i, k, sum->worst);
    } else if (!known->escalated && is_over(known->at, c->escalate_after_ms, now)) {
        known->escalated = true;
        tell(in, i, known->contact, NOTICE_ESCALATION, sum->worst, true);
    } else if (is_over(known->last, c->reminder_ms, now)) {
        known->last = now;
        tell(in, i, known->contact, NOTICE_REMINDER, sum->worst, false);
    }
    known = &i->told[k];
    if (!known->told)
        wake_at(i, known->due);
    if (known->told && !known->escalated && c->escalate_after_ms > 0)
        wake_at(i, known->at + (uint64_t)c->escalate_after_ms * 1000);
    if (known->told && c->reminder_ms > 0)
        wake_at(i, known->last + (uint64_t)c->reminder_ms * 1000);
}

/* None of its checks fails any more. */
static void
decide_well(struct incidents *in, struct incident *i, unsigned k, const struct sum *sum)
{
    struct told known = i->told[k];

    if (known.told && sum->well > 0 && sum->well_loud == 0)
        return;                         /* all of them quiet: it is told then */
    i->told[k].contact = NOBODY;
    incident_mark(in, i);
    if (known.told && sum->well + i->gone_count > 0 && in->checks->contacts[known.contact].recoveries)
        tell(in, i, known.contact, NOTICE_RECOVERY, STATE_OK, known.escalated);
}

static void
decide(struct incidents *in, struct incident *i, unsigned contact)
{
    struct sum *sum = &in->sums[contact];

    if (sum->told_at == 0) {
        if (sum->tellable == 0 || incident_add_told(i, contact) == NULL)
            return;
        sum->told_at = i->told_count;
    }
    if (sum->tellable > 0)
        decide_failing(in, i, sum->told_at - 1, sum);
    else if (sum->active == 0)
        decide_well(in, i, sum->told_at - 1, sum);
    else if (!i->told[sum->told_at - 1].told)
        i->told[sum->told_at - 1].contact = NOBODY;     /* what waited for company is not to be told after all, for now */
}

/* Whether one of the contacts of a check knows of it as a member. */
static bool
is_known(const struct incidents *in, const struct incident *i, const struct track *t)
{
    const struct check *c = check_of(in, t);

    for (unsigned k = 0; k < c->contacts_count; k++) {
        unsigned at = in->sums[c->contacts[k]].told_at;

        if (at > 0 && i->told[at - 1].told && i->told[at - 1].contact != NOBODY &&
            (t->phase == RECOVERED || is_relevant(in, c->contacts[k], t->shown)))
            return true;
    }
    return false;
}

/* Who of the members somebody knows of now. One that works again, and whose contacts all know that, is a member no longer. */
static void
update_members(struct incidents *in, struct incident *i)
{
    struct track *t, *next;

    for (t = TAILQ_FIRST(&i->members); t != NULL; t = next) {
        next = TAILQ_NEXT(t, link);
        if (t->phase == ACTIVE && !t->told && is_tellable(in, i, t) && is_known(in, i, t)) {
            t->told = true;
            incidents_mark(in, incidents_index(in, t));
        } else if (t->phase == RECOVERED && !is_known(in, i, t)) {
            incident_leave(in, t);
        }
    }
}

void
incident_look(struct incidents *in, struct incident *i)
{
    uint64_t now = incidents_steady(in), wake;
    unsigned kept = 0;

    i->looked = now;
    i->wake = UINT64_MAX;
    add_up(in, i);
    for (unsigned k = 0; k < in->concerned_count; k++)
        decide(in, i, in->concerned[k]);
    wake = i->wake;
    update_members(in, i);
    i->wake = wake;
    for (unsigned k = 0; k < i->told_count; k++)
        if (i->told[k].contact != NOBODY)
            i->told[kept++] = i->told[k];
    i->told_count = kept;
    if (i->active == 0 && kept == 0) {
        i->dirty = false;
        incident_close(in, i);
        return;
    }
    if (i->wake <= now)
        i->wake = now + 1;
    if (i->wake < in->wake)
        in->wake = i->wake;
}
