#include "checker/alerts.h"

#include "checker/clock.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { RECORD_VERSION = 1, KEY_BYTES = 8 };

/*
 * put ──▶ waiting ──due──▶ under way ──taken──▶ gone
 *            ▲                 │
 *            └──── later ◀─────┴── refused, given up, way gone ──▶ dead
 */
struct entry {
    TAILQ_ENTRY(entry)  link;
    struct alerts      *all;
    uint64_t            number;         /* its key; grows */
    json_t             *record;         /* way, recipient, attempts, first_us, due_us (0: dead), reason, notice */
    struct notice_read  read;           /* of record */
    const struct alert_way *way;        /* NULL: dead */
    struct alert_post  *post;           /* under way */
};

TAILQ_HEAD(entries, entry);

struct alerts {
    struct alert_tools   tools;
    struct state_file   *state;
    const struct checks *checks;
    struct entries       waiting;       /* also those under way; oldest first */
    struct entries       dead;          /* oldest first */
    struct entry        *under_way[ALERTS_UNDER_WAY_MAX];       /* stats.under_way of them */
    uint64_t             last_number;
    struct event        *turn;          /* the next attempt is due */
    struct alerts_stats  stats;
};

static void look(struct alerts *a);

/* ---- Records ------------------------------------------------------------------------------------------------------ */

static const char *
text_of(const struct entry *e, const char *name)
{
    return json_string_value(json_object_get(e->record, name));
}

static uint64_t
number_of(const struct entry *e, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(e->record, name));

    return n < 0 ? 0 : (uint64_t)n;
}

static void
set_number(struct entry *e, const char *name, uint64_t value)
{
    json_object_set_new(e->record, name, json_integer((json_int_t)value));
}

static struct slice
key_of(uint64_t number, char key[KEY_BYTES])
{
    for (int i = 0; i < KEY_BYTES; i++)
        key[i] = (char)(number >> (8 * (KEY_BYTES - 1 - i)));
    return slice_make(key, KEY_BYTES);
}

static int
keep(struct entry *e)
{
    char  *text = json_dumps(e->record, JSON_COMPACT), key[KEY_BYTES];
    struct buf value;
    int    rc;

    if (text == NULL)
        return MT_ENOMEM;
    buf_init(&value, STATE_VALUE_MAX);
    buf_append_byte(&value, RECORD_VERSION);
    buf_append_string(&value, text);
    rc = value.fault != MT_OK ? value.fault : state_file_put(e->all->state, STATE_TABLE_ALERT, key_of(e->number, key), buf_slice(&value));
    buf_fini(&value);
    free(text);
    return rc;
}

static void
entry_free(struct entry *e)
{
    alert_post_free(e->post);
    json_decref(e->record);
    free(e);
}

/* Takes it out of its list and of the state. */
static void
forget(struct entry *e, struct entries *list)
{
    char key[KEY_BYTES];

    TAILQ_REMOVE(list, e, link);
    state_file_delete(e->all->state, STATE_TABLE_ALERT, key_of(e->number, key));
    entry_free(e);
}

static const struct alert_way *
find_way(const struct checks *checks, const char *name)
{
    for (unsigned i = 0; name != NULL && i < checks->ways_count; i++)
        if (strcmp(checks->ways[i].name, name) == 0)
            return &checks->ways[i];
    return NULL;
}

/* ---- Attempts ----------------------------------------------------------------------------------------------------- */

static void
trim_dead(struct alerts *a)
{
    while (a->stats.dead > ALERTS_DEAD_MAX) {
        forget(TAILQ_FIRST(&a->dead), &a->dead);
        a->stats.dead--;
    }
}

static void
bury(struct entry *e, const char *why)
{
    struct alerts *a = e->all;

    log_error("event=alert-dead way=%s notice=%llu incident=%llu kind=%s attempts=%llu reason=\"%s\"", text_of(e, "way"),
              (unsigned long long)e->read.notice.id, (unsigned long long)e->read.notice.incident, notice_kind_name(e->read.notice.kind),
              (unsigned long long)number_of(e, "attempts"), LOG_TEXT(slice_of(why)));
    set_number(e, "due_us", 0);
    keep(e);
    TAILQ_REMOVE(&a->waiting, e, link);
    TAILQ_INSERT_TAIL(&a->dead, e, link);
    a->stats.waiting--;
    a->stats.dead++;
    a->stats.dead_total++;
    trim_dead(a);
}

static uint64_t
gap_us(uint64_t attempts)
{
    uint64_t ms = ALERT_GAP_FIRST_MS;

    while (attempts > 1 && ms < ALERT_GAP_MAX_MS) {
        ms *= 2;
        attempts--;
    }
    return (ms < ALERT_GAP_MAX_MS ? ms : ALERT_GAP_MAX_MS) * 1000;
}

static void
note_failure(struct entry *e, enum alert_result result, const char *reason)
{
    uint64_t now = wall_us(), attempts = number_of(e, "attempts") + 1, first = number_of(e, "first_us");

    e->all->stats.failures_total++;
    set_number(e, "attempts", attempts);
    json_object_set_new(e->record, "reason", json_string(reason));
    log_warning("event=alert-failed way=%s notice=%llu incident=%llu attempts=%llu reason=\"%s\"", text_of(e, "way"),
                (unsigned long long)e->read.notice.id, (unsigned long long)e->read.notice.incident, (unsigned long long)attempts,
                LOG_TEXT(slice_of(reason)));
    if (result == ALERT_REFUSED || now >= first + (uint64_t)e->way->give_up_ms * 1000) {
        bury(e, reason);
        return;
    }
    set_number(e, "due_us", now + gap_us(attempts));
    keep(e);
}

static void
on_done(void *arg, enum alert_result result, const char *reason)
{
    struct entry  *e = arg;
    struct alerts *a = e->all;

    for (unsigned i = 0; i < a->stats.under_way; i++)
        if (a->under_way[i] == e)
            a->under_way[i] = a->under_way[--a->stats.under_way];
    if (result == ALERT_TAKEN) {
        log_info("event=alert-told way=%s notice=%llu incident=%llu kind=%s", text_of(e, "way"), (unsigned long long)e->read.notice.id,
                 (unsigned long long)e->read.notice.incident, notice_kind_name(e->read.notice.kind));
        a->stats.taken_total++;
        a->stats.waiting--;
        forget(e, &a->waiting);
    } else {
        note_failure(e, result, reason);
        alert_post_free(e->post);
        e->post = NULL;
    }
    look(a);
}

static unsigned
under_way_by(const struct alerts *a, const struct alert_way *way)
{
    unsigned count = 0;

    for (unsigned i = 0; i < a->stats.under_way; i++)
        count += a->under_way[i]->way == way;
    return count;
}

/* Whether something older of the same incident still waits for the same way and recipient. */
static bool
is_behind_another(const struct entry *e)
{
    const char *recipient = text_of(e, "recipient"), *other;

    for (const struct entry *o = TAILQ_FIRST(&e->all->waiting); o != e; o = TAILQ_NEXT(o, link)) {
        if (o->way != e->way || o->read.notice.incident != e->read.notice.incident)
            continue;
        other = text_of(o, "recipient");
        if (recipient == NULL || other == NULL || strcmp(recipient, other) == 0)
            return true;
    }
    return false;
}

static void
attempt(struct entry *e)
{
    struct alert_task task = {
        .way = e->way, .recipient = text_of(e, "recipient"), .json = json_object_get(e->record, "notice"), .notice = &e->read.notice,
    };

    e->post = alert_post_start(&e->all->tools, &task, on_done, e);
    if (e->post == NULL) {
        note_failure(e, ALERT_LATER, mt_strerror(MT_ENOMEM));
        return;
    }
    e->all->under_way[e->all->stats.under_way++] = e;
}

/* Starts what is due, and sets the timer for what is next. */
static void
look(struct alerts *a)
{
    uint64_t       now = wall_us(), next = UINT64_MAX;
    struct entry  *e, *after;
    struct timeval wait;

    for (e = TAILQ_FIRST(&a->waiting); e != NULL; e = after) {
        uint64_t due = number_of(e, "due_us");

        after = TAILQ_NEXT(e, link);
        if (e->post != NULL || a->stats.under_way == ALERTS_UNDER_WAY_MAX)
            continue;
        if (e->way == NULL)
            bury(e, "the way is not in the configuration any more");
        else if (due > now + (uint64_t)ALERT_GAP_MAX_MS * 1000)
            set_number(e, "due_us", now);       /* the clock was set back */
        else if (due > now)
            next = due < next ? due : next;
        else if (under_way_by(a, e->way) < ALERTS_UNDER_WAY_WAY && !is_behind_another(e))
            attempt(e);
    }
    event_del(a->turn);
    if (next == UINT64_MAX)
        return;
    wait = (struct timeval){ .tv_sec = (time_t)((next - now) / 1000000 + 1) };
    event_add(a->turn, &wait);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    look(arg);
}

/* ---- Putting in --------------------------------------------------------------------------------------------------- */

/* Takes over record. NULL: out of memory, or it is none. */
static struct entry *
entry_new(struct alerts *a, uint64_t number, json_t *record)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (e == NULL || notice_from_json(json_object_get(record, "notice"), &e->read) != MT_OK) {
        json_decref(record);
        free(e);
        return NULL;
    }
    e->all = a;
    e->number = number;
    e->record = record;
    e->way = find_way(a->checks, text_of(e, "way"));
    return e;
}

static int
put_one(struct alerts *a, json_t *notice, const struct alert_way *way, const char *recipient)
{
    uint64_t      now = wall_us();
    struct entry *e;
    int           rc;

    if (a->stats.waiting >= ALERTS_WAITING_MAX)
        return MT_EFULL;
    e = entry_new(a, a->last_number + 1, json_pack("{s:s, s:s?, s:i, s:I, s:I, s:s, s:O}", "way", way->name, "recipient", recipient,
                                                   "attempts", 0, "first_us", (json_int_t)now, "due_us", (json_int_t)now, "reason", "",
                                                   "notice", notice));
    if (e == NULL)
        return MT_ENOMEM;
    rc = keep(e);
    if (rc != MT_OK) {
        entry_free(e);
        return rc;
    }
    a->last_number++;
    TAILQ_INSERT_TAIL(&a->waiting, e, link);
    a->stats.waiting++;
    return MT_OK;
}

int
alerts_put(struct alerts *a, const struct notice *notice, const unsigned *ways, unsigned count)
{
    json_t *json = notice_to_json(notice);
    int     rc = json == NULL ? MT_ENOMEM : MT_OK;

    for (unsigned i = 0; i < count && json != NULL; i++) {
        const struct alert_way *way = &a->checks->ways[ways[i]];
        int                     one = MT_OK;

        if (way->kind != ALERT_MAIL)
            one = put_one(a, json, way, NULL);
        for (unsigned r = 0; way->kind == ALERT_MAIL && r < way->to_count; r++) {
            int each = put_one(a, json, way, way->to[r]);

            one = one == MT_OK ? each : one;
        }
        if (one != MT_OK)
            log_error("event=alert-not-queued way=%s notice=%llu incident=%llu waiting=%u reason=\"%s\"", way->name,
                      (unsigned long long)notice->id, (unsigned long long)notice->incident, a->stats.waiting, mt_strerror(one));
        rc = rc == MT_OK ? one : rc;
    }
    json_decref(json);
    look(a);
    return rc;
}

/* ---- Opening and closing ------------------------------------------------------------------------------------------ */

static bool
take_up(void *arg, struct slice key, struct slice value)
{
    struct alerts *a = arg;
    uint64_t       number = 0;
    json_t        *record;
    struct entry  *e;

    for (size_t i = 0; i < key.len; i++)
        number = number << 8 | (unsigned char)key.data[i];
    if (key.len != KEY_BYTES || value.len == 0 || value.data[0] != RECORD_VERSION)
        return true;
    a->last_number = number > a->last_number ? number : a->last_number;
    record = json_loadb(value.data + 1, value.len - 1, 0, NULL);
    e = record == NULL ? NULL : entry_new(a, number, record);
    if (e == NULL) {
        log_warning("event=alert-unreadable number=%llu", (unsigned long long)number);
        return true;
    }
    if (number_of(e, "due_us") == 0) {
        TAILQ_INSERT_TAIL(&a->dead, e, link);
        a->stats.dead++;
    } else {
        set_number(e, "due_us", 1);     /* at once: what stopped it may be gone with the last run */
        TAILQ_INSERT_TAIL(&a->waiting, e, link);
        a->stats.waiting++;
    }
    return true;
}

int
alerts_open(const struct alert_tools *tools, struct state_file *state, const struct checks *checks, struct alerts **out)
{
    struct alerts *a = calloc(1, sizeof(*a));
    int            rc;

    *out = NULL;
    if (a == NULL)
        return MT_ENOMEM;
    *a = (struct alerts){ .tools = *tools, .state = state, .checks = checks };
    TAILQ_INIT(&a->waiting);
    TAILQ_INIT(&a->dead);
    a->turn = evtimer_new(tools->base, on_turn, a);
    rc = a->turn == NULL ? MT_ENOMEM : state_file_each(state, STATE_TABLE_ALERT, slice_make(NULL, 0), take_up, a);
    if (rc != MT_OK) {
        alerts_close(a);
        return rc;
    }
    event_active(a->turn, EV_TIMEOUT, 0);
    *out = a;
    return MT_OK;
}

void
alerts_close(struct alerts *a)
{
    struct entries *lists[] = { a == NULL ? NULL : &a->waiting, a == NULL ? NULL : &a->dead };

    if (a == NULL)
        return;
    for (size_t i = 0; i < COUNT(lists); i++)
        for (struct entry *e = TAILQ_FIRST(lists[i]); e != NULL; e = TAILQ_FIRST(lists[i])) {
            TAILQ_REMOVE(lists[i], e, link);
            entry_free(e);
        }
    if (a->turn != NULL)
        event_free(a->turn);
    free(a);
}

void
alerts_configure(struct alerts *a, const struct checks *checks)
{
    struct entry *e;

    a->checks = checks;
    TAILQ_FOREACH(e, &a->waiting, link) {
        if (e->post != NULL) {
            alert_post_free(e->post);   /* it borrows the way that goes */
            e->post = NULL;
        }
        e->way = find_way(checks, text_of(e, "way"));
    }
    a->stats.under_way = 0;
    event_active(a->turn, EV_TIMEOUT, 0);
}

void
alerts_stats(const struct alerts *a, struct alerts_stats *out)
{
    *out = a->stats;
}
