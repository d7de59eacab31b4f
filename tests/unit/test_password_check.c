/* Checks beside the loop, with the thread and the real hash. */

#include "imapd/password_check.h"
#include "tests/unit/unit.h"

#include "lib/secret.h"

#include <sodium.h>

enum { CHECKS_MAX = 3 };

static struct {
    struct event_base      *base;
    struct password_checks *checks;
    struct credentials      credentials;
    unsigned                heard;
    char                    order[16];      /* '+' right, '-' wrong, as they were heard */
} world;

static int
begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.base = event_base_new();
    event_base_priority_init(world.base, 2);
    assert_int_equal(secret_hash_chosen(slice_of("correct horse battery"), &world.credentials), MT_OK);
    assert_int_equal(password_checks_open(world.base, CHECKS_MAX, &world.checks), MT_OK);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    password_checks_close(world.checks);
    event_base_free(world.base);
    return 0;
}

static void
on_checked(void *arg, bool right)
{
    assert_ptr_equal(arg, &world);
    world.order[world.heard++] = right ? '+' : '-';
}

static struct password_check *
ask(const char *secret)
{
    return password_check_begin(world.checks, slice_of(secret), &world.credentials, on_checked, &world);
}

static void
wait_for(unsigned count)
{
    while (world.heard < count)
        assert_int_not_equal(event_base_loop(world.base, EVLOOP_ONCE), -1);
}

static void
answers_come_in_order(void **state)
{
    (void)state;
    assert_non_null(ask("correct horse battery"));
    assert_int_equal(world.heard, 0);       /* never from inside the call */
    assert_non_null(ask("wrong"));
    assert_non_null(ask(""));
    wait_for(3);
    assert_string_equal(world.order, "+--");
    assert_non_null(ask("correct horse battery"));
    wait_for(4);
    assert_string_equal(world.order, "+--+");
}

static void
the_queue_has_a_bound(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHECKS_MAX; i++) {
        assert_false(password_checks_are_full(world.checks));
        assert_non_null(ask("wrong"));
    }
    assert_true(password_checks_are_full(world.checks));
    assert_null(ask("correct horse battery"));
    wait_for(1);
    assert_false(password_checks_are_full(world.checks));
    assert_non_null(ask("correct horse battery"));
    wait_for(CHECKS_MAX + 1);
    assert_string_equal(world.order, "---+");
}

/* The first is under way already, the second waits still. */
static void
who_has_gone_is_not_told(void **state)
{
    struct password_check *under_way, *waiting;

    (void)state;
    under_way = ask("wrong");
    waiting = ask("wrong");
    assert_non_null(ask("correct horse battery"));
    assert_true(password_checks_are_full(world.checks));
    password_check_cancel(world.checks, waiting);
    assert_false(password_checks_are_full(world.checks));
    password_check_cancel(world.checks, under_way);
    wait_for(1);
    assert_string_equal(world.order, "+");
}

static void
an_end_with_checks_under_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHECKS_MAX; i++)
        assert_non_null(ask("wrong"));
    password_checks_close(world.checks);
    world.checks = NULL;
    assert_int_equal(world.heard, 0);
}

static void
longer_than_any_secret(void **state)
{
    char longest[2 * SECRET_CHOSEN_BYTES];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_non_null(password_check_begin(world.checks, slice_make(longest, sizeof(longest)), &world.credentials, on_checked, &world));
    wait_for(1);
    assert_string_equal(world.order, "-");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_come_in_order, begin, end),
        cmocka_unit_test_setup_teardown(the_queue_has_a_bound, begin, end),
        cmocka_unit_test_setup_teardown(who_has_gone_is_not_told, begin, end),
        cmocka_unit_test_setup_teardown(an_end_with_checks_under_way, begin, end),
        cmocka_unit_test_setup_teardown(longer_than_any_secret, begin, end),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
