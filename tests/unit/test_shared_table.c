#include "lib/shared_table.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

static struct shared_table *
table(void)
{
    int                  fd = shared_table_create();
    struct shared_table *t = shared_table_map(fd);

    assert_non_null(t);
    close(fd);
    return t;
}

static uint64_t
who(const struct shared_table *t, const char *name)
{
    return shared_hash(t, SHARED_SESSIONS, slice_of(name), slice_make("", 0));
}

/* Each row takes one, in this order: one every 100 us, of which 3 may have been saved up. */
static void
what_is_given_out_in_a_time_is_bounded(void **state)
{
    static const struct {
        const char *name;
        uint64_t    now_us;
        bool        may;
    } rows[] = {
        { "a", 1000, true }, { "a", 1000, true }, { "a", 1000, true }, { "a", 1000, false }, { "b", 1000, true },
        { "a", 1099, false }, { "a", 1100, true }, { "a", 1100, false }, { "a", 1300, true }, { "a", 1300, true }, { "a", 1300, false },
        { "a", 9000, true }, { "a", 9000, true }, { "a", 9000, true }, { "a", 9000, false },
    };
    struct shared_table *t = table();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (shared_take(t, SHARED_SESSIONS, who(t, rows[i].name), rows[i].now_us, 100, 3) != rows[i].may)
            fail_msg("row %zu", i);
    shared_table_unmap(t);
}

/* 'a': one session more, 'r': one less, 'c': that process has ended. Then so many are counted of "x", by a process of each of two roles. */
static void
sessions_are_counted_over_all_processes_of_a_role(void **state)
{
    static const struct {
        char        what;
        uint32_t    share;
        const char *name;
        uint64_t    first, second;
    } rows[] = {
        { 'a', 0, "x", 1, 0 }, { 'a', 3, "x", 2, 0 }, { 'a', 3, "y", 2, 0 }, { 'a', 1, "x", 2, 1 }, { 'a', 0, "x", 3, 1 },
        { 'r', 3, "x", 2, 1 }, { 'r', 3, "x", 2, 1 }, { 'a', 6, "x", 3, 1 }, { 'c', 0, "", 1, 1 },  { 'r', 0, "x", 1, 1 },
        { 'c', 6, "", 0, 1 },  { 'a', SHARED_NO_SHARE, "x", 0, 1 }, { 'c', SHARED_NO_SHARE, "", 0, 1 },
    };
    struct shared_table *t = table();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].what == 'a')
            shared_sessions_add(t, rows[i].share, SHARED_ADDRESS, who(t, rows[i].name));
        else if (rows[i].what == 'r')
            shared_sessions_remove(t, rows[i].share, SHARED_ADDRESS, who(t, rows[i].name));
        else
            shared_sessions_clear(t, rows[i].share);
        if (shared_sessions_count(t, 0, SHARED_ADDRESS, who(t, "x")) != rows[i].first ||
            shared_sessions_count(t, 4, SHARED_ADDRESS, who(t, "x")) != rows[i].second)
            fail_msg("row %zu", i);
        assert_int_equal(shared_sessions_count(t, 0, SHARED_NETWORK, who(t, "x")), 0);
    }
    shared_table_unmap(t);
}

/* Who has many sessions stays counted, however many come with one each; and those who come are all taken. */
static void
a_full_table_forgets_those_with_the_fewest(void **state)
{
    enum { MANY = 5, OTHERS = 4 * SHARED_SESSION_PLACES };
    struct shared_table *t = table();
    char                 name[16];

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        shared_sessions_add(t, 0, SHARED_ADDRESS, who(t, "greedy"));
    for (unsigned i = 0; i < OTHERS; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        shared_sessions_add(t, 0, SHARED_ADDRESS, who(t, name));
        assert_int_equal(shared_sessions_count(t, 0, SHARED_ADDRESS, who(t, name)), 1);
    }
    assert_int_equal(shared_sessions_count(t, 0, SHARED_ADDRESS, who(t, "greedy")), MANY);
    for (unsigned i = 0; i < OTHERS; i++) {         /* most were forgotten: that takes nothing from others */
        snprintf(name, sizeof(name), "n%u", i);
        shared_sessions_remove(t, 0, SHARED_ADDRESS, who(t, name));
    }
    assert_int_equal(shared_sessions_count(t, 0, SHARED_ADDRESS, who(t, "greedy")), MANY);
    shared_table_unmap(t);
}

/* Whoever comes gets a place, and who has just spent all that he may stays known while others that are older are there. */
static void
a_full_table_locks_nobody_out(void **state)
{
    struct shared_table *t = table();
    char                 name[16];

    (void)state;
    for (unsigned i = 0; i < 4 * SHARED_PLACES; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_true(shared_take(t, SHARED_SESSIONS, who(t, name), 1000 + i, 1000000, 1));
        assert_false(shared_take(t, SHARED_SESSIONS, who(t, name), 1000 + i, 1000000, 1));
    }
    shared_table_unmap(t);
}

static void
kinds_and_parts_are_apart(void **state)
{
    struct shared_table *t = table(), *u = table();

    (void)state;
    assert_true(shared_hash(t, SHARED_SESSIONS, slice_of("ab"), slice_of("c")) != shared_hash(t, SHARED_SESSIONS, slice_of("a"), slice_of("bc")));
    assert_true(shared_hash(t, SHARED_SESSIONS, slice_of("a"), slice_of("")) != shared_hash(t, SHARED_LOGGED, slice_of("a"), slice_of("")));
    assert_true(who(t, "a") != who(u, "a"));        /* each service has a key of its own */
    shared_table_unmap(t);
    shared_table_unmap(u);
}

static void
only_a_table_is_mapped(void **state)
{
    (void)state;
    assert_null(shared_table_map(0));
    assert_null(shared_table_map(-1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_out_in_a_time_is_bounded),
        cmocka_unit_test(sessions_are_counted_over_all_processes_of_a_role),
        cmocka_unit_test(a_full_table_forgets_those_with_the_fewest),
        cmocka_unit_test(a_full_table_locks_nobody_out),
        cmocka_unit_test(kinds_and_parts_are_apart),
        cmocka_unit_test(only_a_table_is_mapped),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
