#include "tests/unit/unit.h"

#include "lib/deadline.h"

/* Owners are letters; what expires is written down in order. */
static char     expired[64];
static unsigned expired_count;

static struct deadlines deadlines;
static struct deadline  limits[4];

static void
on_expired(void *owner, enum deadline_kind kind)
{
    (void)kind;
    expired[expired_count++] = *(const char *)owner;
    expired[expired_count] = '\0';
    /* The owner of 'b' takes 'c' along, as a session that ends may. */
    if (*(const char *)owner == 'b')
        deadline_stop(&deadlines, &limits[2]);
}

static struct event_base *
begin(uint32_t command_ms, uint32_t message_ms)
{
    static char        letters[] = "abcd";
    struct event_base *base = event_base_new();

    expired_count = 0;
    expired[0] = '\0';
    assert_int_equal(deadlines_init(&deadlines, base, on_expired), MT_OK);
    deadlines.limit_ms[DEADLINE_COMMAND] = command_ms;
    deadlines.limit_ms[DEADLINE_MESSAGE] = message_ms;
    for (unsigned i = 0; i < COUNT(limits); i++)
        deadline_init(&limits[i], &letters[i]);
    return base;
}

static void
end(struct event_base *base)
{
    deadlines_fini(&deadlines);
    event_base_free(base);
}

/* Until nothing is left to wait for. */
static void
run(struct event_base *base)
{
    event_base_loop(base, 0);
}

static void
limits_end_in_the_order_of_their_times(void **state)
{
    struct event_base *base = begin(1, 20);

    (void)state;
    deadline_start(&deadlines, &limits[3], DEADLINE_MESSAGE);
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    run(base);
    assert_string_equal(expired, "ad");
    assert_int_equal(limits[0].kind, DEADLINE_NONE);
    end(base);
}

static void
a_stopped_limit_does_not_end(void **state)
{
    struct event_base *base = begin(1, 5);

    (void)state;
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[3], DEADLINE_COMMAND);
    deadline_stop(&deadlines, &limits[0]);
    deadline_stop(&deadlines, &limits[0]);
    run(base);
    assert_string_equal(expired, "d");
    end(base);
}

static void
a_limit_started_anew_ends_later_and_may_change_its_kind(void **state)
{
    struct event_base *base = begin(2, 30);

    (void)state;
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[3], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[0], DEADLINE_MESSAGE);
    run(base);
    assert_string_equal(expired, "da");
    end(base);
}

static void
the_end_of_one_may_stop_another(void **state)
{
    struct event_base *base = begin(1, 5);

    (void)state;
    for (unsigned i = 0; i < COUNT(limits); i++)
        deadline_start(&deadlines, &limits[i], DEADLINE_COMMAND);
    run(base);
    assert_string_equal(expired, "abd");
    end(base);
}

/* Under pressure those that run already end sooner, too; behind it, no more do. */
static void
another_limit_holds_for_those_that_run(void **state)
{
    struct event_base *base = begin(1000000, 1);

    (void)state;
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[3], DEADLINE_COMMAND);
    deadlines_change(&deadlines, DEADLINE_COMMAND, 1);
    run(base);
    assert_string_equal(expired, "ad");
    deadline_start(&deadlines, &limits[1], DEADLINE_COMMAND);
    deadlines_change(&deadlines, DEADLINE_COMMAND, 1000000);
    deadline_start(&deadlines, &limits[3], DEADLINE_MESSAGE);
    while (expired_count < 3)
        event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(expired, "add");
    assert_int_equal(limits[1].kind, DEADLINE_COMMAND);
    end(base);
}

static void
those_that_run_are_counted(void **state)
{
    struct event_base *base = begin(1, 1000000);

    (void)state;
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[1], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[3], DEADLINE_MESSAGE);
    assert_int_equal(deadlines.count[DEADLINE_COMMAND], 2);
    deadline_start(&deadlines, &limits[1], DEADLINE_MESSAGE);
    assert_int_equal(deadlines.count[DEADLINE_COMMAND], 1);
    assert_int_equal(deadlines.count[DEADLINE_MESSAGE], 2);
    while (expired_count < 1)
        event_base_loop(base, EVLOOP_ONCE);
    deadline_stop(&deadlines, &limits[1]);
    deadline_stop(&deadlines, &limits[1]);
    assert_int_equal(deadlines.count[DEADLINE_COMMAND], 0);
    assert_int_equal(deadlines.count[DEADLINE_MESSAGE], 1);
    end(base);
}

static bool
is_c_or_d(const void *owner)
{
    return *(const char *)owner >= 'c';
}

static void
the_oldest_that_fits_is_found(void **state)
{
    struct event_base *base = begin(1000000, 1000000);

    (void)state;
    assert_null(deadlines_oldest(&deadlines, DEADLINE_COMMAND, 0, NULL));
    for (unsigned i = 0; i < COUNT(limits); i++)
        deadline_start(&deadlines, &limits[i], DEADLINE_COMMAND);
    deadline_start(&deadlines, &limits[0], DEADLINE_COMMAND);      /* it has made progress */
    assert_int_equal(*(char *)deadlines_oldest(&deadlines, DEADLINE_COMMAND, 0, NULL), 'b');
    assert_int_equal(*(char *)deadlines_oldest(&deadlines, DEADLINE_COMMAND, 0, is_c_or_d), 'c');
    assert_null(deadlines_oldest(&deadlines, DEADLINE_COMMAND, 900000, NULL));
    assert_null(deadlines_oldest(&deadlines, DEADLINE_MESSAGE, 0, NULL));
    end(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_end_in_the_order_of_their_times),
        cmocka_unit_test(a_stopped_limit_does_not_end),
        cmocka_unit_test(a_limit_started_anew_ends_later_and_may_change_its_kind),
        cmocka_unit_test(the_end_of_one_may_stop_another),
        cmocka_unit_test(another_limit_holds_for_those_that_run),
        cmocka_unit_test(those_that_run_are_counted),
        cmocka_unit_test(the_oldest_that_fits_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
