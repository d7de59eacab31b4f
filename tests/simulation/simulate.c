/*
 * simulate - a day of the checker in seconds: schedule and incidents, with their records in a real state file, are driven through script.h's day by a
 * clock that only exists here. Shows that the load is even, and that exactly those are told who have to be, when they have to be.
 *
 *     simulate [CHECKS]        2000, or a multiple of it
 *
 * Within that day the program is restarted twice, stands still once for ten minutes, and the wall clock jumps by an hour.
 */

#include "tests/unit/unit.h"

#include "checker/quiet.h"
#include "checker/schedule.h"
#include "checker/state.h"
#include "tests/simulation/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECOND    UINT64_C(1000000)
#define WALL_0    (UINT64_C(1795392000) * SECOND)       /* Monday 2026-11-23 00:00 UTC */
#define MONO_0    (UINT64_C(5000) * SECOND)
#define BUCKET_S  10u
#define BUCKETS   (DAY_S / BUCKET_S)
#define EVEN      1.5           /* the most starts in one bucket, in averages */
#define EVEN_FEW  1.75          /* the same with few checks, where chance shows more */
#define MANY      10000u
#define FAULTS_SHOWN 20u

/* A run under way; the simulation's heap has those first that end first. */
struct run {
    uint64_t ends_us;
    uint32_t begun_s, check;
    uint64_t begun_us;
};

struct simulation {
    struct script     *script;
    struct schedule   *schedule;
    struct incidents  *incidents;
    struct state_file *state;
    char               dir[64];
    struct moment      now;
    struct run        *runs;
    unsigned           run_count;
    uint64_t           schedule_wake, incidents_wake;
    unsigned           buckets[BUCKETS];
    uint64_t           runs_in_all;
    struct told_list   told;
    struct schedule_stats stats;        /* of the schedules before restarts, added up */
};

static unsigned checks_wanted = 2000;

static uint32_t
second_of(const struct simulation *m)
{
    return (uint32_t)((m->now.us - MONO_0) / SECOND);
}

/* ---- Runs under way ---- */

static void
swap_runs(struct run *a, struct run *b)
{
    struct run c = *a;

    *a = *b;
    *b = c;
}

static void
push_run(struct simulation *m, struct run run)
{
    unsigned at = m->run_count++;

    m->runs[at] = run;
    for (; at > 0 && m->runs[at].ends_us < m->runs[(at - 1) / 2].ends_us; at = (at - 1) / 2)
        swap_runs(&m->runs[at], &m->runs[(at - 1) / 2]);
}

static struct run
pop_run(struct simulation *m)
{
    struct run first = m->runs[0];
    unsigned   at = 0;

    m->runs[0] = m->runs[--m->run_count];
    for (;;) {
        unsigned child = at * 2 + 1;

        if (child + 1 < m->run_count && m->runs[child + 1].ends_us < m->runs[child].ends_us)
            child++;
        if (child >= m->run_count || m->runs[child].ends_us >= m->runs[at].ends_us)
            return first;
        swap_runs(&m->runs[at], &m->runs[child]);
        at = child;
    }
}

/* ---- Hooks ---- */

static void
on_start(void *arg, unsigned check)
{
    struct simulation *m = arg;
    struct run         run = { .begun_s = second_of(m), .check = check, .begun_us = m->now.us };
    struct outcome     o;
    uint64_t           took_us;

    script_run(m->script, check, run.begun_s, &o, &took_us);
    run.ends_us = m->now.us + took_us;
    push_run(m, run);
    m->runs_in_all++;
    if (run.begun_s < DAY_S)
        m->buckets[run.begun_s / BUCKET_S]++;
}

static void
on_keep_check(void *arg, unsigned check)
{
    struct simulation *m = arg;
    struct buf         record;

    buf_init(&record, SCHEDULE_RECORD_BYTES);
    schedule_record(m->schedule, check, m->now, &record);
    assert_rc("put", state_file_put(m->state, STATE_TABLE_CHECK, slice_of(m->script->list[check].name), buf_slice(&record)), MT_OK);
    buf_fini(&record);
}

static void
on_keep_incident(void *arg, struct slice key, struct slice value)
{
    struct simulation *m = arg;

    if (value.data == NULL)
        assert_rc("delete", state_file_delete(m->state, STATE_TABLE_INCIDENT, key), MT_OK);
    else
        assert_rc("put", state_file_put(m->state, STATE_TABLE_INCIDENT, key, value), MT_OK);
}

static void
on_hasten(void *arg, unsigned check)
{
    struct simulation *m = arg;

    schedule_hasten(m->schedule, check, m->now);
}

static void
on_tell(void *arg, unsigned contact, const unsigned *ways, unsigned ways_count, const struct notice *n)
{
    struct simulation *m = arg;
    struct told_row    row = { .kind = n->kind, .state = n->state, .contact = contact, .from_s = second_of(m) };

    (void)ways;
    assert_true(ways_count > 0);
    slice_copy(row.cause, sizeof(row.cause), slice_of(n->cause));
    told_add(&m->told, &row);
}

/* ---- The program: started, stopped, run ---- */

static bool
restore_check(void *arg, struct slice key, struct slice value)
{
    struct simulation *m = arg;
    char               name[CHECK_NAME_MAX + 1];
    unsigned long      check;

    assert_true(slice_copy(name, sizeof(name), key));
    check = strtoul(strrchr(name, '-') + 1, NULL, 10);
    assert_true(check < m->script->checks.checks_count);
    assert_rc(name, schedule_restore(m->schedule, (unsigned)check, value), MT_OK);
    return true;
}

static bool
restore_incident(void *arg, struct slice key, struct slice value)
{
    struct simulation *m = arg;

    assert_rc("incident", incidents_restore(m->incidents, key, value), MT_OK);
    return true;
}

static void
start_program(struct simulation *m)
{
    const struct schedule_hooks  schedule_hooks = { .start = on_start, .keep = on_keep_check, .arg = m };
    const struct incidents_hooks incidents_hooks = { .tell = on_tell, .hasten = on_hasten, .keep = on_keep_incident, .arg = m };

    assert_rc("state", state_file_open(NULL, m->dir, &m->state), MT_OK);
    m->schedule = schedule_new(&m->script->checks, &schedule_hooks, m->now);
    m->incidents = incidents_new(&m->script->checks, &incidents_hooks, m->now);
    assert_true(m->schedule != NULL && m->incidents != NULL);
    assert_rc("checks", state_file_each(m->state, STATE_TABLE_CHECK, slice_of(""), restore_check, m), MT_OK);
    assert_rc("incidents", state_file_each(m->state, STATE_TABLE_INCIDENT, slice_of(""), restore_incident, m), MT_OK);
    incidents_restored(m->incidents, m->now);
    for (unsigned i = 0; i < m->run_count; i++)
        schedule_adopt(m->schedule, m->runs[i].check);
}

static void
stop_program(struct simulation *m)
{
    struct schedule_stats stats;

    schedule_stats(m->schedule, &stats);
    m->stats.late += stats.late;
    m->stats.skipped += stats.skipped;
    m->stats.missed += stats.missed;
    m->stats.confirming += stats.confirming;
    m->stats.hastened += stats.hastened;
    schedule_free(m->schedule);
    incidents_free(m->incidents);
    state_file_close(m->state);
}

static void
end_run(struct simulation *m)
{
    struct run     run = pop_run(m);
    struct outcome o;
    uint64_t       took_us;
    bool           soon;

    script_run(m->script, run.check, run.begun_s, &o, &took_us);
    o.took_us = m->now.us - run.begun_us;
    o.started_us = m->now.wall_us - o.took_us;
    soon = incidents_take(m->incidents, run.check, &o, m->now);
    schedule_done(m->schedule, run.check, soon, m->now);
}

static void
take_turns(struct simulation *m)
{
    while (m->run_count > 0 && m->runs[0].ends_us <= m->now.us)
        end_run(m);
    m->incidents_wake = incidents_turn(m->incidents, m->now);
    m->schedule_wake = schedule_turn(m->schedule, m->now);
}

static void
pass(struct simulation *m, uint64_t us)
{
    m->now.us += us;
    m->now.wall_us += us;
}

/* Lives from event to event. */
static void
live_until(struct simulation *m, uint32_t second)
{
    uint64_t end = MONO_0 + second * SECOND;

    for (;;) {
        uint64_t next = end;

        take_turns(m);
        if (m->schedule_wake < next)
            next = m->schedule_wake;
        if (m->incidents_wake < next)
            next = m->incidents_wake;
        if (m->run_count > 0 && m->runs[0].ends_us < next)
            next = m->runs[0].ends_us;
        if (next > m->now.us)
            pass(m, next - m->now.us);
        if (m->now.us >= end)
            break;
    }
}

static void
restart_program(struct simulation *m, uint32_t down_s)
{
    stop_program(m);
    pass(m, down_s * SECOND);
    start_program(m);
}

static void
live_a_day(struct simulation *m)
{
    start_program(m);
    live_until(m, 15000);
    restart_program(m, 30);         /* while a relay is down */
    live_until(m, 36900);
    restart_program(m, 30);         /* while the service is */
    live_until(m, STILL_FROM_S);
    pass(m, STILL_S * SECOND);
    live_until(m, 81000);
    m->now.wall_us += 3600 * SECOND;
    live_until(m, DAY_S);
    stop_program(m);
}

/* ---- What came of it ---- */

static int
set_up(void **state)
{
    struct simulation *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->script = script_new(checks_wanted);
    m->runs = calloc(checks_wanted + 1u, sizeof(*m->runs));
    assert_non_null(m->runs);
    m->now = (struct moment){ .us = MONO_0, .wall_us = WALL_0 };
    slice_copy(m->dir, sizeof(m->dir), slice_of("/tmp/mailtest-simulation.XXXXXX"));
    assert_non_null(mkdtemp(m->dir));
    live_a_day(m);
    *state = m;
    return 0;
}

static int
tear_down(void **state)
{
    static const char *const files[] = { "data.mdb", "lock.mdb", "lock" };
    struct simulation       *m = *state;
    char                     path[128];

    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", m->dir, files[i]);
        unlink(path);
    }
    rmdir(m->dir);
    script_free(m->script);
    free(m->told.rows);
    free(m->runs);
    free(m);
    return 0;
}

static void
the_load_is_even(void **state)
{
    struct simulation *m = *state;
    unsigned           from = INTERVAL_S / BUCKET_S, count = BUCKETS - from, most = 0, most_at = 0;
    double             sum = 0, mean;

    for (unsigned i = from; i < BUCKETS; i++) {
        sum += m->buckets[i];
        if (m->buckets[i] > most) {
            most = m->buckets[i];
            most_at = i * BUCKET_S;
        }
    }
    mean = sum / count;
    print_message("%u checks, %llu runs: %.1f a second on average, at most %.1f over ten seconds (at second %u); "
                  "late %llu, skipped %llu, missed %llu, confirming %llu, hastened %llu; processor time %.1f s\n",
                  m->script->checks.checks_count, (unsigned long long)m->runs_in_all, mean / BUCKET_S, (double)most / BUCKET_S, most_at,
                  (unsigned long long)m->stats.late, (unsigned long long)m->stats.skipped, (unsigned long long)m->stats.missed,
                  (unsigned long long)m->stats.confirming, (unsigned long long)m->stats.hastened, (double)clock() / CLOCKS_PER_SEC);
    assert_true(most <= mean * (checks_wanted >= MANY ? EVEN : EVEN_FEW));
    assert_int_equal(m->stats.late, 0);
}

static void
print_row(const char *what, const struct told_row *row)
{
    print_message("%s: %s of %s to contact %u, cause \"%s\", at %u\n", what, notice_kind_name(row->kind), state_name(row->state), row->contact,
                  row->cause, row->from_s);
}

/* 0: that is what was wanted, at a time when it was. */
static int
compare_told(const struct told_row *got, const struct told_row *want)
{
    bool same = got->kind == want->kind && got->state == want->state && got->contact == want->contact && strcmp(got->cause, want->cause) == 0;

    return same && got->from_s >= want->from_s && got->from_s <= want->to_s ? 0 : told_compare(got, want) < 0 ? -1 : 1;
}

static void
exactly_those_are_told_who_have_to_be(void **state)
{
    struct simulation *m = *state;
    struct told_list   wanted = { 0 };
    size_t             i = 0, w = 0;
    unsigned           faults = 0;

    script_expect(m->script, &wanted);
    told_sort(&wanted);
    told_sort(&m->told);
    while (i < m->told.count || w < wanted.count) {
        int order = i == m->told.count ? 1 : w == wanted.count ? -1 : compare_told(&m->told.rows[i], &wanted.rows[w]);

        if (order != 0 && faults++ < FAULTS_SHOWN)
            print_row(order < 0 ? "told too much" : "not told", order < 0 ? &m->told.rows[i] : &wanted.rows[w]);
        i += order <= 0;
        w += order >= 0;
    }
    print_message("%zu notices, %zu wanted\n", m->told.count, wanted.count);
    free(wanted.rows);
    assert_int_equal(faults, 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_load_is_even),
        cmocka_unit_test(exactly_those_are_told_who_have_to_be),
    };

    if (argc > 1)
        checks_wanted = (unsigned)strtoul(argv[1], NULL, 10);
    if (checks_wanted < 2000 || checks_wanted % 2000 != 0 || quiet_use_zone("UTC") != MT_OK) {
        fprintf(stderr, "usage: simulate [CHECKS]    a multiple of 2000\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
