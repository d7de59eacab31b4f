#include "tests/unit/unit.h"

#include "checker/schedule.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHECKS = 3000, MINUTE_MS = 60000 };
#define SECOND   UINT64_C(1000000)
#define WALL_0   (UINT64_C(1795246986) * SECOND)
#define MONO_0   (UINT64_C(5000) * SECOND)

/* A schedule whose runs take as long as is asked for, and its time. */
struct world {
    struct checks       checks;
    struct server_entry servers[2];
    struct check        list[CHECKS];
    char                names[CHECKS][24];
    struct schedule    *s;
    struct moment       now;
    uint64_t            next_us;            /* when the schedule wants its turn */
    unsigned            starts[CHECKS];
    uint64_t            last_us[CHECKS];    /* since MONO_0 */
    unsigned            order[CHECKS];      /* of the starts */
    unsigned            started;
    unsigned            kept;
};

static void
on_start(void *arg, unsigned check)
{
    struct world *w = arg;

    w->starts[check]++;
    w->last_us[check] = w->now.us - MONO_0;
    if (w->started < CHECKS)
        w->order[w->started] = check;
    w->started++;
}

static void
on_keep(void *arg, unsigned check)
{
    struct world *w = arg;

    (void)check;
    w->kept++;
}

static struct world *
world_new(unsigned count, uint32_t interval_ms)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->now = (struct moment){ .us = MONO_0, .wall_us = WALL_0 };
    w->checks = (struct checks){ .checks = w->list, .checks_count = count, .servers = w->servers, .servers_count = 2 };
    w->servers[0].server.name = "relay";
    w->servers[1].server.name = "other";
    for (unsigned i = 0; i < count; i++) {
        snprintf(w->names[i], sizeof(w->names[i]), "check-%u", i);
        w->list[i] = (struct check){ .name = w->names[i], .enabled = true, .interval_ms = interval_ms, .confirm = 3, .confirm_gap_ms = MINUTE_MS };
    }
    return w;
}

static void
turn(struct world *w)
{
    w->next_us = schedule_turn(w->s, w->now);
}

static void
world_open(struct world *w)
{
    const struct schedule_hooks hooks = { .start = on_start, .keep = on_keep, .arg = w };

    w->s = schedule_new(&w->checks, &hooks, w->now);
    assert_non_null(w->s);
}

static void
world_start(struct world *w)
{
    world_open(w);
    turn(w);
}

static void
world_free(struct world *w)
{
    schedule_free(w->s);
    free(w);
}

/* Both clocks go on. */
static void
advance(struct world *w, uint64_t us)
{
    w->now.us += us;
    w->now.wall_us += us;
}

/* Lets the time pass, turn by turn, until it is that long after MONO_0. Runs end at once. */
static void
run_until(struct world *w, uint64_t us)
{
    unsigned before;

    while (w->next_us <= MONO_0 + us) {
        if (w->next_us > w->now.us)
            advance(w, w->next_us - w->now.us);
        before = w->started;
        turn(w);
        for (unsigned i = before; i < w->started && i < CHECKS; i++)
            schedule_done(w->s, w->order[i], false, w->now);
        if (w->started >= CHECKS)
            w->started = 0;
    }
    advance(w, MONO_0 + us - w->now.us);
}

static struct schedule_stats
stats_of(const struct world *w)
{
    struct schedule_stats stats;

    schedule_stats(w->s, &stats);
    return stats;
}

static void
each_check_runs_once_an_interval_evenly_spread(void **state)
{
    struct world *w = world_new(CHECKS / 2, 5 * MINUTE_MS);
    unsigned      buckets[30] = { 0 };

    (void)state;
    world_start(w);
    run_until(w, 300 * SECOND - 1);
    for (unsigned i = 0; i < w->checks.checks_count; i++) {
        if (w->starts[i] != 1)
            fail_msg("check %u ran %u times", i, w->starts[i]);
        buckets[w->last_us[i] / (10 * SECOND)]++;
    }
    for (unsigned i = 0; i < COUNT(buckets); i++)
        if (buckets[i] < 25 || buckets[i] > 75)
            fail_msg("%u runs in the ten seconds from %u on, want about 50", buckets[i], i * 10);
    run_until(w, 3000 * SECOND - 1);
    for (unsigned i = 0; i < w->checks.checks_count; i++)
        assert_int_equal(w->starts[i], 10);
    assert_int_equal(stats_of(w).late, 0);
    assert_int_equal(stats_of(w).skipped, 0);
    world_free(w);
}

static void
the_place_in_the_interval_is_the_same_after_a_restart(void **state)
{
    struct world *w = world_new(20, 5 * MINUTE_MS), *again = world_new(20, 5 * MINUTE_MS);

    (void)state;
    world_start(w);
    run_until(w, 600 * SECOND - 1);
    again->now = w->now;
    world_start(again);
    run_until(again, 900 * SECOND - 1);
    run_until(w, 900 * SECOND - 1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(w->last_us[i], again->last_us[i]);
    world_free(w);
    world_free(again);
}

/* A record goes to another schedule, the time going on in between. */
static void
restart(struct world *w, uint64_t down_us)
{
    struct buf records[8];

    assert_true(w->checks.checks_count <= COUNT(records));
    for (unsigned i = 0; i < w->checks.checks_count; i++) {
        buf_init(&records[i], SCHEDULE_RECORD_BYTES);
        schedule_record(w->s, i, w->now, &records[i]);
        assert_int_equal(records[i].fault, 0);
    }
    schedule_free(w->s);
    advance(w, down_us);
    world_open(w);
    for (unsigned i = 0; i < w->checks.checks_count; i++) {
        assert_rc("restore", schedule_restore(w->s, i, buf_slice(&records[i])), MT_OK);
        buf_fini(&records[i]);
    }
    memset(w->starts, 0, sizeof(w->starts));
    turn(w);
}

static void
what_was_missed_runs_once(void **state)
{
    static const struct { const char *label; uint32_t interval_ms; uint64_t down_us, within_us; unsigned runs; } cases[] = {
        { "a short interval: at its next turn", 5 * MINUTE_MS, 3600 * SECOND, 300 * SECOND - 1, 1 },
        { "a long one that was missed: now", 3600 * 1000, 10 * 3600 * SECOND, 2 * SECOND, 1 },
        { "a long one that was not: when it is due", 24 * 3600 * 1000, SECOND, 60 * SECOND, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world *w = world_new(1, cases[i].interval_ms);

        world_start(w);
        run_until(w, 2 * (uint64_t)cases[i].interval_ms * 1000);
        restart(w, cases[i].down_us);
        run_until(w, w->now.us - MONO_0 + cases[i].within_us);
        if (w->starts[0] != cases[i].runs)
            fail_msg("%s: %u runs, want %u", cases[i].label, w->starts[0], cases[i].runs);
        world_free(w);
    }
}

static void
a_new_check_of_a_long_interval_need_not_wait_for_it(void **state)
{
    struct world *w = world_new(5, 24 * 3600 * 1000);

    (void)state;
    world_open(w);
    w->next_us = w->now.us;
    run_until(w, 10 * SECOND);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(w->starts[i], 1);
    run_until(w, 11 * 3600 * SECOND);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(w->starts[i], 1);
    run_until(w, 48 * 3600 * SECOND);
    for (unsigned i = 0; i < 5; i++)
        assert_in_range(w->starts[i], 2, 3);
    world_free(w);
}

static void
a_program_that_stood_still_makes_no_burst(void **state)
{
    struct world *w = world_new(CHECKS / 2, 5 * MINUTE_MS);
    unsigned      before;

    (void)state;
    world_start(w);
    run_until(w, 600 * SECOND);
    before = w->started;
    advance(w, 1000 * SECOND);
    turn(w);
    assert_int_equal(w->started, before);
    assert_int_equal(stats_of(w).missed, CHECKS / 2);
    memset(w->starts, 0, sizeof(w->starts));
    run_until(w, 1900 * SECOND);
    for (unsigned i = 0; i < w->checks.checks_count; i++)
        assert_int_equal(w->starts[i], 1);
    world_free(w);
}

static void
a_jump_of_the_wall_clock_moves_nothing(void **state)
{
    static const int64_t jumps[] = { 3600, -3600, 86400 * 365, -86400 };

    (void)state;
    for (size_t i = 0; i < COUNT(jumps); i++) {
        struct world *w = world_new(10, 5 * MINUTE_MS), *quiet = world_new(10, 5 * MINUTE_MS);

        world_start(w);
        world_start(quiet);
        run_until(w, 200 * SECOND);
        w->now.wall_us += (uint64_t)(jumps[i] * (int64_t)SECOND);
        run_until(w, 2000 * SECOND);
        run_until(quiet, 2000 * SECOND);
        for (unsigned c = 0; c < 10; c++) {
            assert_int_equal(w->starts[c], quiet->starts[c]);
            assert_int_equal(w->last_us[c], quiet->last_us[c]);
            /* What is kept is by the wall clock of now. */
            assert_int_equal(schedule_next_us(w->s, c, w->now), schedule_next_us(quiet->s, c, quiet->now) + (uint64_t)(jumps[i] * (int64_t)SECOND));
        }
        world_free(w);
        world_free(quiet);
    }
}

static void
a_failed_run_is_confirmed_soon(void **state)
{
    static const struct { const char *label; uint32_t gap_ms; bool confirm; uint64_t within_us; unsigned runs, confirming; } cases[] = {
        { "not failed", MINUTE_MS, false, 299 * SECOND, 1, 0 },
        { "failed", MINUTE_MS, true, 61 * SECOND, 2, 1 },
        { "failed, but not yet", MINUTE_MS, true, 59 * SECOND, 1, 0 },
        { "a gap that is longer than the interval: as usual", 30 * MINUTE_MS, true, 301 * SECOND, 2, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world *w = world_new(1, 5 * MINUTE_MS);

        w->list[0].confirm_gap_ms = cases[i].gap_ms;
        world_start(w);
        while (w->starts[0] == 0) {
            advance(w, w->next_us - w->now.us);
            turn(w);
        }
        schedule_done(w->s, 0, cases[i].confirm, w->now);
        turn(w);
        run_until(w, w->now.us - MONO_0 + cases[i].within_us);
        if (w->starts[0] != cases[i].runs)
            fail_msg("%s: %u runs, want %u", cases[i].label, w->starts[0], cases[i].runs);
        assert_int_equal(stats_of(w).confirming, cases[i].confirming);
        world_free(w);
    }
}

/* After confirming, the next regular run is at its place again, and half an interval away at least. */
static void
behind_a_confirmation_comes_the_usual_place(void **state)
{
    struct world *w = world_new(1, 5 * MINUTE_MS);
    uint64_t      place, confirmed;

    (void)state;
    world_start(w);
    advance(w, w->next_us - w->now.us);
    turn(w);
    place = w->last_us[0];
    advance(w, 200 * SECOND);
    schedule_done(w->s, 0, true, w->now);
    turn(w);
    advance(w, w->next_us - w->now.us);
    turn(w);
    confirmed = w->last_us[0];
    assert_int_equal(confirmed, place + 260 * SECOND);
    schedule_done(w->s, 0, false, w->now);
    turn(w);
    assert_int_equal(w->next_us - MONO_0, place + 600 * SECOND);
    world_free(w);
}

static void
a_confirmation_survives_a_restart(void **state)
{
    struct world *w = world_new(1, 5 * MINUTE_MS);

    (void)state;
    world_start(w);
    advance(w, w->next_us - w->now.us);
    turn(w);
    schedule_done(w->s, 0, true, w->now);
    assert_int_equal(w->kept, 2);
    restart(w, 10 * SECOND);
    assert_int_equal(w->next_us, w->now.us + 50 * SECOND);
    /* One whose time came while we were away comes at once. */
    advance(w, 50 * SECOND);
    turn(w);
    schedule_done(w->s, 0, true, w->now);
    restart(w, 100 * SECOND);
    assert_int_equal(w->starts[0], 1);
    world_free(w);
}

static void
overlapping_runs_follow_the_rule(void **state)
{
    static const struct { const char *label; enum overlap overlap; uint64_t done_at_s; unsigned starts_before, starts_at, skipped; } cases[] = {
        /* One run from 0 (its place) to done_at_s; its interval is 300 s. */
        { "skip", OVERLAP_SKIP, 700, 1, 1, 2 },
        { "wait: once, when it ends", OVERLAP_WAIT, 700, 1, 2, 1 },
        { "allow: beside it", OVERLAP_ALLOW, 700, 3, 3, 0 },
        { "allow: to a limit", OVERLAP_ALLOW, 300 * 20 + 10, OVERLAP_RUNS_MAX, OVERLAP_RUNS_MAX, 20 + 1 - OVERLAP_RUNS_MAX },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world *w = world_new(1, 5 * MINUTE_MS);
        uint64_t      end;

        w->list[0].overlap = cases[i].overlap;
        world_start(w);
        advance(w, w->next_us - w->now.us);
        turn(w);
        end = w->now.us + cases[i].done_at_s * SECOND;
        while (w->next_us < end) {
            advance(w, w->next_us - w->now.us);
            turn(w);
        }
        advance(w, end - w->now.us);
        if (w->starts[0] != cases[i].starts_before || stats_of(w).skipped != cases[i].skipped)
            fail_msg("%s: %u starts, %u skipped", cases[i].label, w->starts[0], (unsigned)stats_of(w).skipped);
        schedule_done(w->s, 0, false, w->now);
        turn(w);
        if (w->starts[0] != cases[i].starts_at)
            fail_msg("%s: %u starts when it ended", cases[i].label, w->starts[0]);
        world_free(w);
    }
}

static void
a_maximum_is_kept_and_the_oldest_goes_first(void **state)
{
    struct world *w = world_new(40, 5 * MINUTE_MS);
    uint64_t      place[40];

    (void)state;
    w->checks.under_way_max = 4;
    world_open(w);
    for (unsigned i = 0; i < 40; i++)
        place[i] = schedule_next_us(w->s, i, w->now);
    turn(w);
    /* All become due, none ends. */
    while (w->next_us < MONO_0 + 299 * SECOND) {
        advance(w, w->next_us - w->now.us);
        turn(w);
        assert_true(stats_of(w).under_way <= 4);
    }
    assert_int_equal(w->started, 4);
    assert_true(stats_of(w).waiting >= 35);
    assert_true(stats_of(w).longest_wait_us > 200 * SECOND);
    for (unsigned i = 0; i < 36; i++) {
        schedule_done(w->s, w->order[i], false, w->now);
        turn(w);
        assert_int_equal(stats_of(w).under_way, 4);
    }
    for (unsigned i = 1; i < 40; i++)
        assert_true(place[w->order[i - 1]] <= place[w->order[i]]);
    world_free(w);
}

static void
one_full_server_does_not_hold_up_others(void **state)
{
    struct world *w = world_new(40, 5 * MINUTE_MS);
    unsigned      relay = 0, others = 0;

    (void)state;
    w->servers[0].under_way_max = 2;
    for (unsigned i = 0; i < 40; i++)
        w->list[i].plan.server.name = i < 20 ? "relay" : i < 30 ? "other" : NULL;
    world_start(w);
    while (w->next_us < MONO_0 + 299 * SECOND) {
        advance(w, w->next_us - w->now.us);
        turn(w);
    }
    for (unsigned i = 0; i < 40; i++)
        *(i < 20 ? &relay : &others) += w->starts[i] > 0;
    assert_int_equal(relay, 2);
    assert_true(others >= 19);
    for (unsigned i = 0; i < w->started; i++) {
        schedule_done(w->s, w->order[i], false, w->now);
        turn(w);
    }
    for (unsigned i = 0; i < 20; i++)
        if (schedule_next_us(w->s, i, w->now) <= w->now.wall_us)
            fail_msg("check %u waits still", i);
    assert_int_equal(stats_of(w).waiting, 0);
    world_free(w);
}

static void
a_start_that_waited_for_longer_than_its_interval_is_late(void **state)
{
    struct world *w = world_new(2, 5 * MINUTE_MS);

    (void)state;
    w->checks.under_way_max = 1;
    world_start(w);
    while (w->next_us < MONO_0 + 700 * SECOND) {
        advance(w, w->next_us - w->now.us);
        turn(w);
    }
    advance(w, MONO_0 + 700 * SECOND - w->now.us);
    assert_int_equal(stats_of(w).late, 0);
    schedule_done(w->s, w->order[0], false, w->now);
    turn(w);
    assert_int_equal(w->started, 2);
    assert_int_equal(stats_of(w).late, 1);
    world_free(w);
}

static void
somebody_may_want_it_soon(void **state)
{
    static const struct { const char *label; bool enabled, running; uint64_t after_us; bool starts; } cases[] = {
        { "idle", true, false, 100 * SECOND, true },
        { "it ran just before: not yet", true, false, 30 * SECOND, false },
        { "it runs", true, true, 100 * SECOND, false },
        { "disabled", false, false, 100 * SECOND, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world *w = world_new(1, 60 * MINUTE_MS);
        unsigned      before;

        w->list[0].enabled = cases[i].enabled;
        world_start(w);
        assert_int_equal(w->started, cases[i].enabled);
        if (cases[i].enabled && !cases[i].running)
            schedule_done(w->s, 0, false, w->now);
        before = w->started;
        advance(w, cases[i].after_us);
        turn(w);
        schedule_hasten(w->s, 0, w->now);
        turn(w);
        if ((w->started > before) != cases[i].starts)
            fail_msg("%s: %u starts", cases[i].label, w->started - before);
        if (i == 1)
            assert_int_equal(w->next_us, w->now.us + 30 * SECOND);
        world_free(w);
    }
}

static void
a_run_that_was_taken_up_again_counts(void **state)
{
    struct world *w = world_new(2, 5 * MINUTE_MS);

    (void)state;
    w->checks.under_way_max = 1;
    world_open(w);
    schedule_adopt(w->s, 0);
    turn(w);
    while (w->next_us < MONO_0 + 299 * SECOND) {
        advance(w, w->next_us - w->now.us);
        turn(w);
    }
    assert_int_equal(w->started, 0);
    schedule_done(w->s, 0, false, w->now);
    turn(w);
    assert_int_equal(w->starts[1], 1);
    world_free(w);
}

/* Another interval: the next run is at the new place, half of the new interval away from the last at least. */
static void
a_changed_interval_makes_no_burst(void **state)
{
    static const uint32_t intervals[] = { MINUTE_MS, 15 * MINUTE_MS, 7 * MINUTE_MS };

    (void)state;
    for (size_t i = 0; i < COUNT(intervals); i++) {
        struct world *w = world_new(8, 5 * MINUTE_MS);
        uint64_t      half_us = (uint64_t)intervals[i] * 500, last[8];

        world_start(w);
        run_until(w, 400 * SECOND);
        memcpy(last, w->last_us, sizeof(last));
        for (unsigned c = 0; c < 8; c++)
            w->list[c].interval_ms = intervals[i];
        restart(w, SECOND);
        for (unsigned c = 0; c < 8; c++) {
            uint64_t next_us = schedule_next_us(w->s, c, w->now) - WALL_0;

            assert_true(next_us >= last[c] + half_us && next_us <= w->now.us - MONO_0 + 3 * half_us);
        }
        world_free(w);
    }
}

static void
a_bad_record_is_left_out(void **state)
{
    struct world *w = world_new(1, 5 * MINUTE_MS);
    struct buf    record;

    (void)state;
    world_open(w);
    buf_init(&record, SCHEDULE_RECORD_BYTES);
    schedule_record(w->s, 0, w->now, &record);
    assert_rc("whole", schedule_restore(w->s, 0, buf_slice(&record)), MT_OK);
    for (size_t len = 0; len < record.len; len++)
        assert_rc("cut", schedule_restore(w->s, 0, slice_sub(buf_slice(&record), 0, len)), MT_EDAMAGED);
    record.data[0]++;
    assert_rc("newer", schedule_restore(w->s, 0, buf_slice(&record)), MT_EVERSION);
    buf_fini(&record);
    turn(w);
    world_free(w);
}

static void
without_checks_nothing_is_wanted(void **state)
{
    struct world *w = world_new(0, 1);

    (void)state;
    world_start(w);
    assert_true(w->next_us == UINT64_MAX);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_runs_once_an_interval_evenly_spread),
        cmocka_unit_test(the_place_in_the_interval_is_the_same_after_a_restart),
        cmocka_unit_test(what_was_missed_runs_once),
        cmocka_unit_test(a_new_check_of_a_long_interval_need_not_wait_for_it),
        cmocka_unit_test(a_program_that_stood_still_makes_no_burst),
        cmocka_unit_test(a_jump_of_the_wall_clock_moves_nothing),
        cmocka_unit_test(a_failed_run_is_confirmed_soon),
        cmocka_unit_test(behind_a_confirmation_comes_the_usual_place),
        cmocka_unit_test(a_confirmation_survives_a_restart),
        cmocka_unit_test(overlapping_runs_follow_the_rule),
        cmocka_unit_test(a_maximum_is_kept_and_the_oldest_goes_first),
        cmocka_unit_test(one_full_server_does_not_hold_up_others),
        cmocka_unit_test(a_start_that_waited_for_longer_than_its_interval_is_late),
        cmocka_unit_test(somebody_may_want_it_soon),
        cmocka_unit_test(a_run_that_was_taken_up_again_counts),
        cmocka_unit_test(a_changed_interval_makes_no_burst),
        cmocka_unit_test(a_bad_record_is_left_out),
        cmocka_unit_test(without_checks_nothing_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
