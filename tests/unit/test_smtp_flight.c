#include "tests/unit/unit.h"

#include "smtpd/flight.h"

/* A message that comes in; the test plays the session. */
struct message {
    struct flight_entry entry;
    unsigned            resumed, evicted;
};

static void
on_resume(void *owner)
{
    ((struct message *)owner)->resumed++;
}

static void
on_evict(void *owner)
{
    ((struct message *)owner)->evicted++;
}

struct fixture {
    struct event_base *base;
    struct deadlines   deadlines;
    struct flight      flight;
    struct message     m[4];
};

static void
on_expired(void *owner, enum deadline_kind kind)
{
    assert_int_equal(kind, DEADLINE_PASS);
    flight_pass_expired(owner);
}

/* The bound is 1000 octets; the pass ends at the loop's next turn. */
static int
setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){ .base = event_base_new() };
    assert_int_equal(deadlines_init(&f.deadlines, f.base, on_expired), MT_OK);
    assert_int_equal(flight_init(&f.flight, f.base, 1000, &f.deadlines, on_resume, on_evict), MT_OK);
    for (unsigned i = 0; i < COUNT(f.m); i++)
        flight_entry_init(&f.m[i].entry, &f.m[i]);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    flight_fini(&f->flight);
    deadlines_fini(&f->deadlines);
    event_base_free(f->base);
    return 0;
}

static bool
may_read(struct fixture *f, unsigned i)
{
    return flight_may_read(&f->flight, &f->m[i].entry);
}

static void
add(struct fixture *f, unsigned i, size_t bytes)
{
    flight_add(&f->flight, &f->m[i].entry, bytes);
}

static void
release(struct fixture *f, unsigned i)
{
    flight_release(&f->flight, &f->m[i].entry);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void
below_the_bound_all_may_read(void **state)
{
    struct fixture *f = *state;

    f->deadlines.limit_ms[DEADLINE_PASS] = 1000000;
    add(f, 0, 500);
    add(f, 1, 499);
    assert_true(may_read(f, 0) && may_read(f, 1) && may_read(f, 2));
    add(f, 1, 1);
    assert_int_equal(f->flight.bytes, 1000);
    release(f, 0);
    release(f, 1);
    assert_int_equal(f->flight.bytes, 0);
}

static void
at_the_bound_one_goes_on_and_the_others_wait_for_it(void **state)
{
    struct fixture *f = *state;

    f->deadlines.limit_ms[DEADLINE_PASS] = 1000000;
    add(f, 0, 600);
    add(f, 1, 400);
    assert_true(may_read(f, 1));        /* the first to ask has the pass */
    assert_false(may_read(f, 0));
    assert_false(may_read(f, 2));
    assert_false(may_read(f, 0));       /* asking again changes nothing */
    add(f, 1, 300);
    assert_true(may_read(f, 1));
    release(f, 1);                      /* 600 of 1000: all go on */
    assert_int_equal(f->m[0].resumed, 1);
    assert_int_equal(f->m[2].resumed, 1);
    assert_true(may_read(f, 0) && may_read(f, 2));
}

static void
the_pass_goes_to_the_one_that_frees_most(void **state)
{
    struct fixture *f = *state;

    f->deadlines.limit_ms[DEADLINE_PASS] = 1000000;
    add(f, 0, 700);
    add(f, 1, 10);
    add(f, 2, 2000);
    add(f, 3, 5000);
    assert_true(may_read(f, 0));
    assert_false(may_read(f, 1));
    assert_false(may_read(f, 2));
    assert_false(may_read(f, 3));
    release(f, 0);
    assert_int_equal(f->m[3].resumed, 1);
    assert_int_equal(f->m[2].resumed + f->m[1].resumed, 0);
    assert_true(may_read(f, 3));
    release(f, 3);
    assert_int_equal(f->m[2].resumed, 1);
    release(f, 2);
    assert_int_equal(f->m[1].resumed, 1);
}

static void
who_waits_and_goes_is_forgotten(void **state)
{
    struct fixture *f = *state;

    f->deadlines.limit_ms[DEADLINE_PASS] = 1000000;
    add(f, 0, 1000);
    assert_true(may_read(f, 0));
    assert_false(may_read(f, 1));
    assert_false(may_read(f, 2));
    release(f, 1);
    release(f, 0);
    assert_int_equal(f->m[1].resumed, 0);
    assert_int_equal(f->m[2].resumed, 1);
}

static void
a_holder_that_does_not_end_is_evicted_if_others_wait(void **state)
{
    struct fixture *f = *state;

    f->deadlines.limit_ms[DEADLINE_PASS] = 0;
    add(f, 0, 1000);
    assert_true(may_read(f, 0));
    event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(f->m[0].evicted, 0);       /* nobody waits */
    assert_false(may_read(f, 1));
    while (f->m[0].evicted == 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    release(f, 0);
    assert_int_equal(f->m[1].resumed, 1);
    assert_int_equal(f->m[1].evicted, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(below_the_bound_all_may_read),
        TEST(at_the_bound_one_goes_on_and_the_others_wait_for_it),
        TEST(the_pass_goes_to_the_one_that_frees_most),
        TEST(who_waits_and_goes_is_forgotten),
        TEST(a_holder_that_does_not_end_is_evicted_if_others_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
