/* run_turn - starts what is due and takes what runs came to. */
#include "checker/run_parts.h"

#include "checker/outcome_json.h"
#include "lib/error.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { REAL_DIGITS = 15 };

static const struct check *
check_at(const struct run *r, unsigned check)
{
    return &r->generation->checks->checks[check];
}

/* ---- One run: its key and record ------------------------------------------------------------------------------------- */

static struct slice
key_of(const struct running *g, char out[RUN_KEY_BYTES])
{
    return slice_make(out, (size_t)snprintf(out, RUN_KEY_BYTES, "%s%s/%s", RUN_KEY_PREFIX, g->check->name, g->id));
}

static void
forget_record(struct running *g)
{
    char key[RUN_KEY_BYTES];

    state_file_delete(g->run->state, STATE_TABLE_RUN, key_of(g, key));
}

static void
write_record(struct running *g)
{
    char       key[RUN_KEY_BYTES];
    struct buf saved;

    buf_init(&saved, RUNNER_SAVED_MAX);
    runner_save(g->runner, &saved);
    if (saved.fault == MT_OK && saved.len > 0)
        state_file_put(g->run->state, STATE_TABLE_RUN, key_of(g, key), buf_slice(&saved));
    buf_fini(&saved);
}

static void
running_free(struct running *g)
{
    TAILQ_REMOVE(&g->run->running, g, link);
    g->run->under_way--;
    runner_free(g->runner);
    generation_release(g->generation);
    free(g);
}

void
running_drop(struct running *g)
{
    forget_record(g);
    running_free(g);
}

void
run_put_away(struct run *r)
{
    while (!TAILQ_EMPTY(&r->running)) {
        write_record(TAILQ_FIRST(&r->running));
        running_free(TAILQ_FIRST(&r->running));
    }
}

/* ---- Results ------------------------------------------------------------------------------------------------------------ */

static void
hand_on(struct run *r, const json_t *result)
{
    char *text = json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));

    if (text == NULL)
        return;
    if (r->sender != NULL)
        result_sender_put(r->sender, slice_of(text));
    if (r->lines != NULL)
        result_lines_write(r->lines, slice_of(text));
    free(text);
}

/* Only what is news: thousands of checks behind one relay that is down fail each time. Every run is a result. */
static void
log_outcome(const struct check *c, const struct last_run *before, const struct outcome *o)
{
    if (before->known ? before->state == o->state : o->state == STATE_OK)
        return;
    log_info("event=check-changed check=\"%s\" state=%s before=%s verdict=%s step=%s took_ms=%llu reason=\"%s\"", c->name, state_name(o->state),
             before->known ? state_name(before->state) : "-", o->verdict, o->step[0] != '\0' ? o->step : "-", (unsigned long long)o->took_us / 1000,
             LOG_TEXT(slice_of(o->reason)));
}

/* Everybody hears of it; the changes are those since the last run. */
static void
tell_result(struct running *g, const struct runner_result *result)
{
    struct run          *r = g->run;
    struct last_run      before = r->last[g->index];
    json_t              *changes = last_run_take(&r->last[g->index], &result->outcome), *json;
    struct outcome_about about = {
        .id = g->id, .check = g->check->name, .kind = g->check->kind, .scenario = g->check->plan.scenario, .mailbox = g->check->plan.mailbox,
        .changes = changes,
    };

    json = outcome_json(&result->outcome, &about);
    if (json != NULL)
        hand_on(r, json);
    if (json != NULL && result->token[0] != '\0')
        late_wait(r->late, result->token, g->check->name, g->check->plan.keep, json);
    json_decref(json);
    json_decref(changes);
    run_keep_last(r, g->index);
    check_metrics_take(r->metrics, g->check->kind, &result->outcome);
    log_outcome(g->check, &before, &result->outcome);
}

static void
on_done(void *arg, const struct runner_result *result)
{
    struct running *g = arg;
    struct run     *r = g->run;
    struct moment   now = moment_now();
    bool            confirm;

    tell_result(g, result);
    confirm = incidents_take(r->incidents, g->index, &result->outcome, now);
    schedule_done(r->schedule, g->index, confirm, now);
    running_drop(g);
    run_turn_soon(r);
}

static void
on_changed(void *arg)
{
    write_record(arg);
}

void
run_on_late(void *arg, const char *check, const json_t *result, const struct outcome *outcome)
{
    struct run *r = arg;
    int         index = checks_find(r->generation->checks, check);

    hand_on(r, result);
    log_info("event=late check=\"%s\" reason=\"%s\"", check, LOG_TEXT(slice_of(outcome->reason)));
    if (index == -1)
        return;
    check_metrics_take(r->metrics, check_at(r, (unsigned)index)->kind, outcome);
    incidents_late(r->incidents, (unsigned)index, outcome, moment_now());
    run_turn_soon(r);
}

/* ---- Starting ----------------------------------------------------------------------------------------------------------- */

/* saved, id: of a run that is taken up again; empty and NULL: a new one. MT_ENOMEM. */
static int
start_run(struct run *r, unsigned check, struct slice saved, const char *id)
{
    struct running    *g = calloc(1, sizeof(*g));
    unsigned char      random[RUN_ID_CHARS / 2];
    const int          client_of = check_at(r, check)->client_of;
    struct runner_task task = {
        .tools = &r->runner_tools, .checks = r->generation->checks, .check = check_at(r, check), .saved = saved, .done = on_done,
        .client = client_of >= 0 ? r->last[client_of].client : NULL, .changed = on_changed, .arg = g,
    };

    if (g == NULL)
        return MT_ENOMEM;
    *g = (struct running){ .run = r, .generation = r->generation, .check = task.check, .index = check };
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(g->id, sizeof(g->id), random, sizeof(random));
    if (id != NULL)
        slice_copy(g->id, sizeof(g->id), slice_of(id));
    g->runner = runner_start(&task);
    if (g->runner == NULL) {
        free(g);
        return MT_ENOMEM;
    }
    g->generation->users++;
    r->under_way++;
    TAILQ_INSERT_TAIL(&r->running, g, link);
    return MT_OK;
}

static void
on_start(void *arg, unsigned check)
{
    struct run *r = arg;

    if (start_run(r, check, slice_make(NULL, 0), NULL) == MT_OK)
        return;
    log_error("event=run-start check=\"%s\" reason=\"%s\"", check_at(r, check)->name, mt_strerror(MT_ENOMEM));
    schedule_done(r->schedule, check, true, moment_now());
}

static void
on_keep_schedule(void *arg, unsigned check)
{
    run_keep_schedule(arg, check);
}

const struct schedule_hooks run_schedule_hooks = { .start = on_start, .keep = on_keep_schedule };

/* ---- Taking up ------------------------------------------------------------------------------------------------------------ */

struct saved_run {
    STAILQ_ENTRY(saved_run) link;
    char       name[CHECK_NAME_MAX + 1];
    char       id[RUN_ID_CHARS + 1];
    struct buf record;
};
STAILQ_HEAD(saved_list, saved_run);

static bool
collect_run(void *arg, struct slice key, struct slice value)
{
    struct saved_list *list = arg;
    struct slice       rest = slice_sub(key, strlen(RUN_KEY_PREFIX), key.len);
    struct saved_run  *s;

    if (!slice_starts(key, RUN_KEY_PREFIX))
        return false;
    if (rest.len <= RUN_ID_CHARS + 1 || rest.len > CHECK_NAME_MAX + 1 + RUN_ID_CHARS || (s = calloc(1, sizeof(*s))) == NULL)
        return true;
    slice_copy(s->name, sizeof(s->name), slice_sub(rest, 0, rest.len - RUN_ID_CHARS - 1));
    slice_copy(s->id, sizeof(s->id), slice_sub(rest, rest.len - RUN_ID_CHARS, rest.len));
    buf_init(&s->record, STATE_VALUE_MAX);
    buf_append_slice(&s->record, value);
    STAILQ_INSERT_TAIL(list, s, link);
    return true;
}

static void
take_up_one(struct run *r, const struct saved_run *s)
{
    char         key[RUN_KEY_BYTES];
    int          index = checks_find(r->generation->checks, s->name);
    const struct check *c = index == -1 ? NULL : check_at(r, (unsigned)index);

    if (c != NULL && c->enabled && c->kind == CHECK_ROUND_TRIP && s->record.fault == MT_OK &&
        start_run(r, (unsigned)index, buf_slice(&s->record), s->id) == MT_OK) {
        schedule_adopt(r->schedule, (unsigned)index);
        return;
    }
    state_file_delete(r->state, STATE_TABLE_RUN, slice_make(key, (size_t)snprintf(key, sizeof(key), "%s%s/%s", RUN_KEY_PREFIX, s->name, s->id)));
}

int
run_take_up(struct run *r)
{
    struct saved_list list = STAILQ_HEAD_INITIALIZER(list);
    int               rc = state_file_each(r->state, STATE_TABLE_RUN, slice_of(RUN_KEY_PREFIX), collect_run, &list);

    while (!STAILQ_EMPTY(&list)) {
        struct saved_run *s = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, link);
        if (rc == MT_OK)
            take_up_one(r, s);
        buf_fini(&s->record);
        free(s);
    }
    if (r->under_way > 0)
        log_info("event=runs-taken-up count=%u", r->under_way);
    return rc;
}

/* ---- The turn ----------------------------------------------------------------------------------------------------------- */

static void
on_tell(void *arg, unsigned contact, const unsigned *ways, unsigned ways_count, const struct notice *notice)
{
    struct run *r = arg;

    log_info("event=told contact=\"%s\" notice=%s incident=%llu state=%s checks=%u cause=\"%s\"", r->generation->checks->contacts[contact].name,
             notice_kind_name(notice->kind), (unsigned long long)notice->incident, state_name(notice->state), notice->checks_count,
             LOG_TEXT(slice_of(notice->cause)));
    alerts_put(r->alerts, notice, ways, ways_count);
}

static void
on_hasten(void *arg, unsigned check)
{
    struct run *r = arg;

    schedule_hasten(r->schedule, check, moment_now());
    run_turn_soon(r);
}

static void
on_keep_incident(void *arg, struct slice key, struct slice value)
{
    struct run *r = arg;

    if (value.data == NULL)
        state_file_delete(r->state, STATE_TABLE_INCIDENT, key);
    else
        state_file_put(r->state, STATE_TABLE_INCIDENT, key, value);
}

const struct incidents_hooks run_incidents_hooks = { .tell = on_tell, .hasten = on_hasten, .keep = on_keep_incident };

/* Not as a timeout: that would be taken back when the turn that goes on now sets its next time. */
void
run_turn_soon(struct run *r)
{
    event_active(r->turn, EV_READ, 0);
}

void
run_on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct run    *r = arg;
    struct moment  now = moment_now();
    uint64_t       of_schedule, of_incidents, next_us;
    struct timeval span;

    (void)fd;
    (void)what;
    event_del(r->turn);
    of_schedule = schedule_turn(r->schedule, now);
    of_incidents = incidents_turn(r->incidents, now);
    next_us = of_schedule < of_incidents ? of_schedule : of_incidents;
    if (next_us == UINT64_MAX)
        return;
    next_us = next_us > now.us ? next_us - now.us : 0;
    span = (struct timeval){ .tv_sec = (time_t)(next_us / 1000000), .tv_usec = (suseconds_t)(next_us % 1000000) };
    event_add(r->turn, &span);
}
