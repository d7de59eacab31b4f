/*
 * schedule - see schedule.h.
 *
 *     IDLE ──due (heap)──▶ at its server's maximum? ──yes──▶ SERVER_QUEUE ──a place is free──▶ READY (heap) ──room in all──▶ started, IDLE again
 *                                        └──no (a place of the server is taken) ─────────────────▲
 *
 * Beside that, a check counts its runs under way. Its next due time is put down when a run starts, and again when it ends.
 */

#include "checker/schedule.h"

#include "lib/error.h"
#include "lib/record.h"
#include "lib/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#define STALL_US       UINT64_C(5000000)        /* a turn that comes later than this after it was wanted: we stood still */
#define SHORT_US       UINT64_C(600000000)      /* up to this interval the next turn of the check makes up for one that was missed */
#define CATCH_UP_MIN   1.0                      /* starts a second with which missed ones are made up for, at least */
#define CATCH_UP_SHARE 0.4                      /* of the starts a second that all checks need */

enum { RECORD_VERSION_NOW = 1, NOWHERE = -1 };

enum where { IDLE, SERVER_QUEUE, READY };

struct turn {
    STAILQ_ENTRY(turn) link;            /* in its server's queue */
    uint64_t due_us;                    /* steady clock: IDLE when it is due, else when it was */
    uint64_t interval_us, phase_us;
    uint64_t started_us;                /* the last run; 0: none yet */
    uint32_t heap_at;                   /* in the heap of where it is */
    int32_t  server;                    /* index; NOWHERE: no limit */
    uint16_t under_way;
    uint8_t  where;                     /* enum where */
    bool     confirming, hastened;      /* what it is due for */
    bool     again;                     /* OVERLAP_WAIT: it is to start when the run under way ends */
    bool     restored;
};

STAILQ_HEAD(server_queue, turn);

struct server_slots {
    struct server_queue queue;
    unsigned            max, used;
};

/* The turns with the smallest due_us first; equal ones in the order of the checks. */
struct heap {
    struct turn **list;
    uint32_t      count;
};

struct schedule {
    const struct checks  *checks;
    struct schedule_hooks hooks;
    struct moment         first, now;
    struct turn          *turns;        /* one for each check */
    struct server_slots  *servers;
    struct heap           due, ready;
    uint64_t              wanted_us;    /* steady clock: when a turn was to come; UINT64_MAX: not before something ends */
    bool                  begun;
    double                per_second;   /* starts that all checks need */
    struct schedule_stats stats;
};

/* ---- Heap ---- */

static bool
comes_before(const struct turn *a, const struct turn *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a < b;
}

static void
heap_set(struct heap *h, uint32_t at, struct turn *p)
{
    h->list[at] = p;
    p->heap_at = at;
}

/* Moves the one at an index to where it belongs. */
static void
heap_sift(struct heap *h, uint32_t at)
{
    struct turn *p = h->list[at];

    while (at > 0 && comes_before(p, h->list[(at - 1) / 2])) {
        heap_set(h, at, h->list[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child + 1 < h->count && comes_before(h->list[child + 1], h->list[child]))
            child++;
        if (child >= h->count || !comes_before(h->list[child], p))
            break;
        heap_set(h, at, h->list[child]);
        at = child;
    }
    heap_set(h, at, p);
}

static void
heap_add(struct heap *h, struct turn *p)
{
    h->list[h->count] = p;
    h->count++;
    p->heap_at = h->count - 1;
    heap_sift(h, h->count - 1);
}

static void
heap_remove(struct heap *h, struct turn *p)
{
    uint32_t at = p->heap_at;

    h->count--;
    if (at == h->count)
        return;
    heap_set(h, at, h->list[h->count]);
    heap_sift(h, at);
}

static int
compare_due(const void *a, const void *b)
{
    const struct turn *const *left = a, *const *right = b;

    return comes_before(*left, *right) ? -1 : 1;
}

/* After many changes: what is sorted is a heap. */
static void
heap_rebuild(struct heap *h)
{
    if (h->count > 0)
        qsort(h->list, h->count, sizeof(struct turn *), compare_due);
    for (uint32_t i = 0; i < h->count; i++)
        h->list[i]->heap_at = i;
}

/* ---- When ---- */

static const struct check *
check_of(const struct schedule *s, const struct turn *p)
{
    return &s->checks->checks[p - s->turns];
}

static uint64_t
steady_us(const struct schedule *s)
{
    return moment_steady_us(s->first, s->now);
}

/* The first of its moments that is not before from. */
static uint64_t
on_grid(const struct turn *p, uint64_t from)
{
    uint64_t into = (from + p->interval_us - p->phase_us) % p->interval_us;

    return into == 0 ? from : from + (p->interval_us - into);
}

/* The regular one: never sooner than half an interval after the last start, however it came about. */
static uint64_t
regular_due(const struct schedule *s, const struct turn *p)
{
    uint64_t now = steady_us(s), from = now + 1;

    if (p->started_us != 0 && p->started_us + p->interval_us / 2 > from)
        from = p->started_us + p->interval_us / 2;
    return on_grid(p, from);
}

static void
set_due(struct schedule *s, struct turn *p, uint64_t due_us, bool confirming, bool hastened)
{
    p->confirming = confirming;
    p->hastened = hastened;
    p->due_us = due_us;
    heap_sift(&s->due, p->heap_at);
}

static void
keep(struct schedule *s, const struct turn *p)
{
    if (s->hooks.keep != NULL)
        s->hooks.keep(s->hooks.arg, (unsigned)(p - s->turns));
}

/* ---- What was missed ---- */

/*
 * All that should have run by now, at a start or when we stood still. Those that come soon anyway wait for that; the others, longest overdue first,
 * come one after the other at a part of the usual rate. Each once.
 */
static void
spread_missed(struct schedule *s)
{
    uint64_t       now = steady_us(s), count = 0;
    double         rate = s->per_second * CATCH_UP_SHARE;
    struct turn **missed = malloc((s->due.count + 1u) * sizeof(struct turn *));

    for (uint32_t i = 0; i < s->due.count; i++) {
        struct turn *p = s->due.list[i];

        if (p->due_us > now)
            continue;
        s->stats.missed += p->started_us != 0;
        /* Without memory for the list all wait for their next turn. */
        if (missed != NULL && (p->interval_us > SHORT_US || p->confirming))
            missed[count++] = p;
    }
    if (count > 0)
        qsort(missed, count, sizeof(struct turn *), compare_due);
    for (uint32_t i = 0; i < s->due.count; i++)
        if (s->due.list[i]->due_us <= now)
            s->due.list[i]->due_us = on_grid(s->due.list[i], now + 1);
    if (rate < CATCH_UP_MIN)
        rate = CATCH_UP_MIN;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t due = now + (uint64_t)((double)i * 1e6 / rate);

        if (due < missed[i]->due_us)
            missed[i]->due_us = due;
    }
    free(missed);
    heap_rebuild(&s->due);
}

/* ---- Starting ---- */

static void
make_ready(struct schedule *s, struct turn *p)
{
    p->where = READY;
    heap_add(&s->ready, p);
}

/* It is due, and no longer in the heap of those that are not. */
static void
ask_for_start(struct schedule *s, struct turn *p)
{
    struct server_slots *server = p->server == NOWHERE ? NULL : &s->servers[p->server];

    s->stats.waiting++;
    if (server == NULL || server->used < server->max) {
        if (server != NULL)
            server->used++;
        make_ready(s, p);
        return;
    }
    p->where = SERVER_QUEUE;
    STAILQ_INSERT_TAIL(&server->queue, p, link);
}

static unsigned
runs_max(const struct check *c)
{
    return c->overlap == OVERLAP_ALLOW ? OVERLAP_RUNS_MAX : 1;
}

/* The check at the top is due. */
static void
take_due(struct schedule *s, struct turn *p)
{
    if (p->under_way >= runs_max(check_of(s, p))) {
        if (check_of(s, p)->overlap == OVERLAP_WAIT && !p->again)
            p->again = true;
        else
            s->stats.skipped++;
        set_due(s, p, on_grid(p, steady_us(s) + 1), false, false);
        return;
    }
    heap_remove(&s->due, p);
    ask_for_start(s, p);
}

static void
start(struct schedule *s, struct turn *p)
{
    uint64_t now = steady_us(s), late_us = now - p->due_us;

    heap_remove(&s->ready, p);
    s->stats.waiting--;
    s->stats.started++;
    s->stats.under_way++;
    s->stats.confirming += p->confirming;
    s->stats.hastened += p->hastened;
    if (late_us > p->interval_us) {
        s->stats.late++;
        s->stats.skipped += late_us / p->interval_us;
    }
    p->under_way++;
    p->where = IDLE;
    p->started_us = now;
    p->confirming = p->hastened = false;
    p->due_us = regular_due(s, p);
    heap_add(&s->due, p);
    keep(s, p);
    s->hooks.start(s->hooks.arg, (unsigned)(p - s->turns));
}

static bool
has_room(const struct schedule *s)
{
    return s->checks->under_way_max == 0 || s->stats.under_way < s->checks->under_way_max;
}

/* The first turn: those that never ran, or should have while we were not there. */
static void
begin(struct schedule *s)
{
    s->begun = true;
    for (uint32_t i = 0; i < s->due.count; i++) {
        struct turn *p = s->due.list[i];

        if (!p->restored)
            p->due_us = p->interval_us > SHORT_US ? steady_us(s) : on_grid(p, steady_us(s));
    }
    spread_missed(s);
}

uint64_t
schedule_turn(struct schedule *s, struct moment now)
{
    uint64_t now_us;

    s->now = now;
    now_us = steady_us(s);
    if (!s->begun)
        begin(s);
    else if (s->wanted_us != UINT64_MAX && now_us > s->wanted_us + STALL_US)
        spread_missed(s);
    while (s->due.count > 0 && s->due.list[0]->due_us <= now_us)
        take_due(s, s->due.list[0]);
    while (s->ready.count > 0 && has_room(s))
        start(s, s->ready.list[0]);
    s->wanted_us = s->due.count > 0 ? s->due.list[0]->due_us : UINT64_MAX;
    return moment_of_steady_us(s->first, s->wanted_us);
}

/* ---- What others tell ---- */

static void
free_server(struct schedule *s, struct turn *p)
{
    struct server_slots *server = p->server == NOWHERE ? NULL : &s->servers[p->server];
    struct turn        *next;

    if (server == NULL)
        return;
    assert(server->used > 0);
    server->used--;
    next = STAILQ_FIRST(&server->queue);
    if (next != NULL && server->used < server->max) {
        STAILQ_REMOVE_HEAD(&server->queue, link);
        server->used++;
        make_ready(s, next);
    }
}

void
schedule_done(struct schedule *s, unsigned check, bool confirm, struct moment now)
{
    struct turn *p = &s->turns[check];
    uint64_t      due;

    assert(check < s->checks->checks_count && p->under_way > 0);
    s->now = now;
    p->under_way--;
    s->stats.under_way--;
    free_server(s, p);
    if (p->where != IDLE || !check_of(s, p)->enabled)
        return;
    due = confirm ? steady_us(s) + (uint64_t)check_of(s, p)->confirm_gap_ms * 1000 : steady_us(s);
    if ((confirm && due < p->due_us) || (p->again && !confirm))
        set_due(s, p, due, confirm, false);
    p->again = false;
    if (confirm)
        keep(s, p);
}

void
schedule_hasten(struct schedule *s, unsigned check, struct moment now)
{
    struct turn *p = &s->turns[check];
    uint64_t     soonest;

    assert(check < s->checks->checks_count);
    s->now = now;
    soonest = p->started_us == 0 ? 0 : p->started_us + (uint64_t)check_of(s, p)->confirm_gap_ms * 1000;
    if (soonest < steady_us(s))
        soonest = steady_us(s);
    if (check_of(s, p)->enabled && p->where == IDLE && p->under_way == 0 && soonest < p->due_us)
        set_due(s, p, soonest, p->confirming, true);
}

uint64_t
schedule_next_us(const struct schedule *s, unsigned check, struct moment now)
{
    return check_of(s, &s->turns[check])->enabled ? moment_to_wall_us(s->first, now, s->turns[check].due_us) : 0;
}

void
schedule_stats(const struct schedule *s, struct schedule_stats *out)
{
    uint64_t oldest = UINT64_MAX, now = steady_us(s);

    *out = s->stats;
    if (s->ready.count > 0)
        oldest = s->ready.list[0]->due_us;
    for (unsigned i = 0; i < s->checks->servers_count; i++) {
        const struct turn *p = STAILQ_FIRST(&s->servers[i].queue);

        if (p != NULL && p->due_us < oldest)
            oldest = p->due_us;
    }
    out->longest_wait_us = oldest < now ? now - oldest : 0;
}

/* ---- Records ---- */

void
schedule_record(const struct schedule *s, unsigned check, struct moment now, struct buf *out)
{
    const struct turn *p = &s->turns[check];

    write_u8(out, RECORD_VERSION_NOW);
    write_u64(out, moment_to_wall_us(s->first, now, p->started_us));
    write_u64(out, moment_to_wall_us(s->first, now, p->due_us));
    write_u8(out, p->confirming);
    write_u8(out, p->again);
}

int
schedule_restore(struct schedule *s, unsigned check, struct slice record)
{
    struct turn *p = &s->turns[check];
    uint64_t      started_us, due_us, now = steady_us(s);
    uint8_t       version;
    bool          confirming, again;
    struct reader r;

    assert(check < s->checks->checks_count && !s->begun);
    reader_init(&r, record);
    read_u8(&r, &version);
    if (read_ok(&r) && version != RECORD_VERSION_NOW)
        return MT_EVERSION;
    read_time_us(&r, &started_us);
    read_time_us(&r, &due_us);
    read_bool(&r, &confirming);
    read_bool(&r, &again);
    if (!read_end(&r))
        return MT_EDAMAGED;
    if (!check_of(s, p)->enabled)
        return MT_OK;
    /* A clock that was set back since: what lies ahead of it counts from now. */
    p->started_us = started_us > now ? now : started_us;
    p->restored = true;
    if (confirming && due_us > now && due_us - now <= (uint64_t)check_of(s, p)->confirm_gap_ms * 1000)
        set_due(s, p, due_us, true, false);
    else if (due_us <= now || confirming || again)
        set_due(s, p, due_us <= now ? due_us : now, confirming || again, false);
    else
        set_due(s, p, regular_due(s, p), false, false);
    return MT_OK;
}

void
schedule_adopt(struct schedule *s, unsigned check)
{
    struct turn *p = &s->turns[check];

    assert(check < s->checks->checks_count && !s->begun);
    p->under_way++;
    s->stats.under_way++;
    if (p->server != NOWHERE)
        s->servers[p->server].used++;
}

/* ---- Its life ---- */

/* The server that a check sends through, where that has a maximum. */
static int32_t
server_of(const struct checks *checks, const struct check *c)
{
    const char *name = c->kind == CHECK_BLACKLIST ? NULL : c->plan.server.name;

    for (unsigned i = 0; name != NULL && i < checks->servers_count; i++)
        if (checks->servers[i].under_way_max > 0 && checks->servers[i].server.name != NULL && strcmp(checks->servers[i].server.name, name) == 0)
            return (int32_t)i;
    return NOWHERE;
}

static void
add_check(struct schedule *s, unsigned check)
{
    const struct check *c = &s->checks->checks[check];
    struct turn       *p = &s->turns[check];

    p->interval_us = c->interval_ms > 0 ? (uint64_t)c->interval_ms * 1000 : 1000;
    p->phase_us = checksum(slice_of(c->name)) % p->interval_us;
    p->server = server_of(s->checks, c);
    if (!c->enabled)
        return;
    s->per_second += 1e6 / (double)p->interval_us;
    p->due_us = on_grid(p, steady_us(s));
    heap_add(&s->due, p);
}

struct schedule *
schedule_new(const struct checks *checks, const struct schedule_hooks *hooks, struct moment now)
{
    struct schedule *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    *s = (struct schedule){ .checks = checks, .hooks = *hooks, .first = now, .now = now, .wanted_us = UINT64_MAX };
    s->turns = calloc(checks->checks_count + 1u, sizeof(*s->turns));
    s->servers = calloc(checks->servers_count + 1u, sizeof(*s->servers));
    s->due.list = calloc(checks->checks_count + 1u, sizeof(struct turn *));
    s->ready.list = calloc(checks->checks_count + 1u, sizeof(struct turn *));
    if (s->turns == NULL || s->servers == NULL || s->due.list == NULL || s->ready.list == NULL) {
        schedule_free(s);
        return NULL;
    }
    for (unsigned i = 0; i < checks->servers_count; i++) {
        STAILQ_INIT(&s->servers[i].queue);
        s->servers[i].max = checks->servers[i].under_way_max;
    }
    for (unsigned i = 0; i < checks->checks_count; i++)
        add_check(s, i);
    return s;
}

void
schedule_free(struct schedule *s)
{
    if (s == NULL)
        return;
    free(s->turns);
    free(s->servers);
    free(s->due.list);
    free(s->ready.list);
    free(s);
}
