#include "tests/unit/unit.h"

#include "checker/arrival.h"
#include "checker/clock.h"
#include "checker/offset.h"
#include "lib/rfc3339.h"

#define S 1000000LL
#define BASE (1795231800 * S)       /* what the service's clock is ahead of the monotonic one */

/* A service whose clock is off by skew_us, asked at a moment, with a way there and back. */
static void
ask(struct offset *o, int64_t skew_us, int64_t at_us, int64_t there_us, int64_t back_us)
{
    offset_take(o, (uint64_t)(BASE + skew_us + at_us + there_us), (uint64_t)at_us, (uint64_t)(at_us + there_us + back_us));
}

static void
bounds_hold_the_difference_and_narrow(void **state)
{
    static const int64_t skews[] = { 0, 1, -3600 * S, 5 * S, -90 * 86400 * S, 400000 };

    (void)state;
    for (size_t i = 0; i < COUNT(skews); i++) {
        struct offset o;
        int64_t       low, high, width = INT64_MAX;

        o = (struct offset){ .known = false };
        assert_false(offset_bounds(&o, 0, &low, &high));
        for (int64_t n = 1; n <= 50; n++) {
            ask(&o, skews[i], n * S, 1000 + n * 7919 % 5000, 1000 + n * 104729 % 5000);
            assert_true(offset_bounds(&o, (uint64_t)(n * S + 20000), &low, &high));
            assert_true(low <= BASE + skews[i] && BASE + skews[i] <= high);
            assert_true(high - low <= 12000);
            width = high - low < width ? high - low : width;
        }
        assert_true(width < 4000);      /* better than any single answer */
        assert_int_equal(o.jumps, 0);
    }
}

static void
bounds_widen_with_time_as_clocks_drift(void **state)
{
    struct offset o;
    int64_t       low, high, low2, high2;

    (void)state;
    o = (struct offset){ .known = false };
    ask(&o, 0, S, 100, 100);
    assert_true(offset_bounds(&o, 2 * S, &low, &high));
    assert_true(offset_bounds(&o, (uint64_t)(3602 * S), &low2, &high2));
    assert_true(low - low2 >= 3600 * 100 && low - low2 <= 3600 * 100 + 2);
    assert_true(high2 - high >= 3600 * 100 && high2 - high <= 3600 * 100 + 2);
    /* A clock that drifts as much as is allowed for is no jump. */
    for (int64_t n = 1; n < 100; n++)
        ask(&o, n * 60 * 90, (3602 + n * 60) * S, 100, 100);
    assert_int_equal(o.jumps, 0);
}

static void
a_clock_that_is_set_is_believed_anew(void **state)
{
    static const int64_t jumps[] = { 3600 * S, -3600 * S, 1 * S, -50000 };

    (void)state;
    for (size_t i = 0; i < COUNT(jumps); i++) {
        struct offset o;
        int64_t       low, high;

        o = (struct offset){ .known = false };
        ask(&o, 0, S, 1000, 1000);
        ask(&o, jumps[i], 2 * S, 1000, 1000);
        assert_int_equal(o.jumps, 1);
        assert_true(offset_bounds(&o, 2 * S + 2000, &low, &high));
        assert_true(low <= BASE + jumps[i] && BASE + jumps[i] <= high && high - low <= 2000);
    }
}

static void
an_answer_that_was_held_back_bounds_from_one_side_alone(void **state)
{
    struct offset o;
    int64_t       low, high;

    (void)state;
    o = (struct offset){ .known = false };
    ask(&o, 0, S, 300 * S, 1000);
    assert_true(offset_bounds(&o, (uint64_t)(301 * S + 1000), &low, &high));
    assert_true(BASE - low <= 1000 && high - BASE >= 299 * S);
    ask(&o, 0, 302 * S, 500, 500);
    assert_true(offset_bounds(&o, (uint64_t)(302 * S + 1000), &low, &high));
    assert_true(high - low <= 1000);
    assert_int_equal(o.jumps, 0);
}

static void
nonsense_is_ignored(void **state)
{
    struct offset o;

    (void)state;
    o = (struct offset){ .known = false };
    offset_take(&o, 0, 1, 2);
    offset_take(&o, 5, 2, 1);
    offset_take(&o, UINT64_MAX, 1, 2);
    offset_take(&o, 5, 1, UINT64_MAX);
    assert_false(o.known);
}

/* ---- What is made of it: the times of an arrival ---------------------------------------------------------------------- */

static json_t *
document(uint64_t received_us)
{
    char text[RFC3339_TEXT_BYTES];

    rfc3339_text_us(received_us, text);
    return json_pack("{s:[{s:s},{s:s, s:s},{s:s}]}", "arrivals", "kind", "bounced", "kind", "arrived", "received_at", text, "kind", "arrived");
}

static void
arrivals_are_never_before_sending_nor_after_we_knew(void **state)
{
    static const struct { const char *label; int64_t at_s; uint64_t want_s; bool clamped; } rows[] = {
        { "in between",        14,     14, false },
        { "before sending",    3,      10, true  },
        { "hours before",      -7200,  10, true  },
        { "after we knew",     25,     20, true  },
        { "days after",        86400,  20, true  },
    };
    const uint64_t start = monotonic_us();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct story *s = story_new();
        struct offset clock;
        int64_t       skew = 1795231800 * S - (int64_t)start;

        assert_non_null(s);
        clock = (struct offset){ .known = false };
        offset_take(&clock, (uint64_t)(skew + (int64_t)start), start, start + 1);
        s->send_at_us = 10 * S;
        s->answer = document((uint64_t)(skew + (int64_t)start + rows[i].at_s * S));
        arrival_at_service(s, start, start + 20 * S, &clock);
        if (s->clamped != rows[i].clamped || s->arrived_us / 1000000 != rows[i].want_s)
            fail_msg("%s: at %llu us, %s", rows[i].label, (unsigned long long)s->arrived_us, s->clamped ? "clamped" : "not clamped");
        assert_true(s->arrived && s->copies == 2 && s->arrived_after_us <= s->arrived_us && s->arrived_us <= s->answered_us);
        assert_true(s->clock_known && s->clock_low_us <= s->clock_high_us);
        story_free(s);
    }
}

static void
without_a_clock_the_answer_is_when_it_arrived(void **state)
{
    struct story *s = story_new();
    struct offset clock;

    (void)state;
    clock = (struct offset){ .known = false };
    s->send_at_us = 10 * S;
    s->answer = document(1795231800 * S);
    arrival_at_service(s, 1000, 1000 + 20 * S, &clock);
    assert_int_equal(s->arrived_us, 20 * S);
    assert_int_equal(s->arrived_after_us, 10 * S);
    assert_false(s->clock_known);
    story_free(s);
}

static void
in_an_account_it_came_between_two_looks(void **state)
{
    struct story              *s = story_new();
    const struct watch_result  r = { .found = true, .copies = 1, .junk = true, .folder = "Junk", .found_us = 1000 + 30 * S, .seen_before_us = 1000 + 22 * S };

    (void)state;
    s->send_at_us = 10 * S;
    arrival_in_account(s, 1000, &r);
    assert_int_equal(s->arrived_us, 30 * S);
    assert_int_equal(s->arrived_after_us, 22 * S);
    assert_true(s->junk);
    assert_string_equal(s->folder, "Junk");
    story_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_the_difference_and_narrow),
        cmocka_unit_test(bounds_widen_with_time_as_clocks_drift),
        cmocka_unit_test(a_clock_that_is_set_is_believed_anew),
        cmocka_unit_test(an_answer_that_was_held_back_bounds_from_one_side_alone),
        cmocka_unit_test(nonsense_is_ignored),
        cmocka_unit_test(arrivals_are_never_before_sending_nor_after_we_knew),
        cmocka_unit_test(without_a_clock_the_answer_is_when_it_arrived),
        cmocka_unit_test(in_an_account_it_came_between_two_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
