#include "tests/unit/unit.h"

#include "checker/watch_queue.h"

#include <stdlib.h>

enum { MANY = 1000 };

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ++*(unsigned *)arg;
}

static void
one_account_has_one_turn_at_a_time_in_the_order_of_asking(void **state)
{
    struct event_base  *base = event_base_new();
    struct watch_queue *q = watch_queue_new();
    struct watch_turn   turns[4] = { { .account = NULL } };
    unsigned            woken = 0;

    (void)state;
    for (unsigned i = 0; i < COUNT(turns); i++) {
        turns[i].wake = event_new(base, -1, 0, on_wake, &woken);
        /* The last one goes in front of those that wait, not of the one whose turn it is. */
        assert_rc("ask", watch_turn_ask(q, &turns[i], slice_of("imap\n143\nhost\nuser"), i == 3), MT_OK);
    }
    assert_true(turns[0].granted && !turns[1].granted && !turns[2].granted && !turns[3].granted);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(woken, 1);
    watch_turn_end(q, &turns[0]);
    assert_true(turns[3].granted && !turns[1].granted);
    watch_turn_end(q, &turns[1]);       /* gives up waiting */
    watch_turn_end(q, &turns[3]);
    assert_true(turns[2].granted);
    watch_turn_end(q, &turns[2]);
    watch_turn_end(q, &turns[2]);       /* nothing any more */
    assert_int_equal(watch_queue_running(q) + watch_queue_waiting(q), 0);
    for (unsigned i = 0; i < COUNT(turns); i++)
        event_free(turns[i].wake);
    watch_queue_free(q);
    event_base_free(base);
}

static void
no_more_than_the_limit_look_at_once_and_all_have_their_turn(void **state)
{
    struct event_base  *base = event_base_new();
    struct watch_queue *q = watch_queue_new();
    struct watch_turn  *turns = calloc(MANY, sizeof(*turns));
    unsigned            woken = 0, done = 0;

    (void)state;
    assert_non_null(turns);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t account = i / 3;       /* three checks an account */

        turns[i].wake = event_new(base, -1, 0, on_wake, &woken);
        assert_rc("ask", watch_turn_ask(q, &turns[i], slice_make(&account, sizeof(account)), false), MT_OK);
    }
    assert_int_equal(watch_queue_running(q), WATCH_LOOKS_MAX);
    assert_int_equal(watch_queue_waiting(q), MANY - WATCH_LOOKS_MAX);
    while (watch_queue_running(q) > 0)
        for (unsigned i = 0; i < MANY; i++)
            if (turns[i].granted) {
                assert_true(watch_queue_running(q) <= WATCH_LOOKS_MAX);
                watch_turn_end(q, &turns[i]);
                done++;
            }
    assert_int_equal(done, MANY);
    for (unsigned i = 0; i < MANY; i++)
        event_free(turns[i].wake);
    free(turns);
    watch_queue_free(q);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_account_has_one_turn_at_a_time_in_the_order_of_asking),
        cmocka_unit_test(no_more_than_the_limit_look_at_once_and_all_have_their_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
