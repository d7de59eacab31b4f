/* incidents_member - see incidents_parts.h: incidents, and which checks are members of them. */

#include "checker/incidents_parts.h"

#include "lib/record.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Small things ---- */

uint64_t
incidents_steady(const struct incidents *in)
{
    return moment_steady_us(in->first, in->now);
}

static struct watched *
watched_of(const struct incidents *in, const struct track *t)
{
    size_t offset = (size_t)((const char *)t - (const char *)in->watched);

    return &in->watched[offset / sizeof(struct watched)];
}

unsigned
incidents_index(const struct incidents *in, const struct track *t)
{
    return (unsigned)(watched_of(in, t) - in->watched);
}

enum track_kind
incidents_kind(const struct incidents *in, const struct track *t)
{
    return (enum track_kind)(t - watched_of(in, t)->tracks);
}

int
severity(enum state state)
{
    static const int order[] = { [STATE_OK] = 0, [STATE_WARNING] = 1, [STATE_UNKNOWN] = 2, [STATE_CRITICAL] = 3 };

    return order[state];
}

bool
state_is_bad(enum state state)
{
    return severity(state) > severity(STATE_WARNING);
}

void
incident_touch(struct incidents *in, struct incident *i)
{
    uint64_t at = i->count > LARGE_MEMBERS ? i->looked + LARGE_GAP_US : 0;

    if (at < i->wake)
        i->wake = at;
    if (at < in->wake)
        in->wake = at;
}

void
incident_mark(struct incidents *in, struct incident *i)
{
    i->dirty = in->any_dirty = true;
}

void
incidents_mark(struct incidents *in, unsigned check)
{
    if (!in->watched[check].dirty)
        in->dirty[in->dirty_count++] = check;
    in->watched[check].dirty = true;
}

/* ---- Incidents and their members ---- */

static struct incident_bucket *
bucket_of(struct incidents *in, enum track_kind kind, const char *cause)
{
    return &in->causes[(checksum(slice_of(cause)) + kind) % CAUSE_BUCKETS];
}

static struct incident *
find_incident(struct incidents *in, enum track_kind kind, const char *cause)
{
    struct incident *i;

    LIST_FOREACH(i, bucket_of(in, kind, cause), same_hash)
        if (i->kind == kind && strcmp(i->cause, cause) == 0)
            return i;
    return NULL;
}

struct incident *
incident_new(struct incidents *in, enum track_kind kind, const char *cause, uint64_t id)
{
    struct incident *i = calloc(1, sizeof(*i));

    if (i == NULL)
        return NULL;
    *i = (struct incident){ .id = id, .kind = kind, .wake = UINT64_MAX };
    slice_copy(i->cause, sizeof(i->cause), slice_of(cause));
    TAILQ_INIT(&i->members);
    TAILQ_INSERT_TAIL(&in->open, i, link);
    LIST_INSERT_HEAD(bucket_of(in, kind, i->cause), i, same_hash);
    return i;
}

struct told *
incident_add_told(struct incident *i, unsigned contact)
{
    if (i->told_count == i->told_room) {
        unsigned     room = i->told_room == 0 ? 2 : i->told_room * 2;
        struct told *more = realloc(i->told, room * sizeof(*more));

        if (more == NULL)
            return NULL;
        i->told = more;
        i->told_room = room;
    }
    i->told[i->told_count] = (struct told){ .contact = contact };
    return &i->told[i->told_count++];
}

void
incident_add(struct incident *i, struct track *t, enum phase phase)
{
    TAILQ_INSERT_TAIL(&i->members, t, link);
    t->incident = i;
    t->phase = phase;
    i->count++;
    i->active += phase == ACTIVE;
    if (i->since_wall == 0 || (t->since_wall != 0 && t->since_wall < i->since_wall))
        i->since_wall = t->since_wall;
}

static void
leave(struct incidents *in, struct track *t)
{
    if (t->incident == NULL)
        return;
    TAILQ_REMOVE(&t->incident->members, t, link);
    t->incident->count--;
    t->incident->active -= t->phase == ACTIVE;
    incident_touch(in, t->incident);
    t->incident = NULL;
    t->phase = APART;
    t->told = t->prober = false;
}

/* What it failed by is forgotten, unless it is told of yet. */
static void
forget(struct track *t)
{
    if (t->incident != NULL || t->failures > 0)
        return;
    t->since_wall = t->first_begun = t->failed_begun = t->not_before = 0;
    free(t->facts);
    t->facts = NULL;
}

void
incident_leave(struct incidents *in, struct track *t)
{
    incidents_mark(in, incidents_index(in, t));
    leave(in, t);
    forget(t);
}

void
incident_close(struct incidents *in, struct incident *i)
{
    struct track *t;

    while ((t = TAILQ_FIRST(&i->members)) != NULL)
        incident_leave(in, t);
    incidents_forget(in, i);
    TAILQ_REMOVE(&in->open, i, link);
    LIST_REMOVE(i, same_hash);
    free(i->told);
    free(i->gone);
    free(i);
}

/* The incident of its cause, or a new one. Out of memory: it stays apart, and its next failure tries again. */
void
incident_join(struct incidents *in, struct track *t)
{
    enum track_kind  kind = incidents_kind(in, t);
    char             cause[sizeof(t->facts->cause)];
    struct incident *i;

    if (t->facts->cause[0] != '\0')
        slice_copy(cause, sizeof(cause), slice_of(t->facts->cause));
    else
        snprintf(cause, sizeof(cause), "check %s", in->checks->checks[incidents_index(in, t)].name);
    i = find_incident(in, kind, cause);
    if (i != NULL && i == t->incident) {
        i->active += t->phase != ACTIVE;
        t->phase = ACTIVE;
        TAILQ_REMOVE(&i->members, t, link);
        TAILQ_INSERT_TAIL(&i->members, t, link);
    } else {
        leave(in, t);
        if (i == NULL)
            i = incident_new(in, kind, cause, in->next_incident++);
        if (i == NULL)
            return;
        incident_add(i, t, ACTIVE);
    }
    t->shown_at = incidents_steady(in);
    incident_mark(in, i);
    incident_touch(in, i);
}
