#include "tests/unit/unit.h"

#include "lookup/wait.h"

#include <sodium.h>
#include <stdlib.h>

static struct token
token_of(unsigned n)
{
    struct token t = { { 0 } };

    t.raw[0] = (uint8_t)n;
    t.raw[1] = (uint8_t)(n >> 8);
    t.raw[24] = (uint8_t)(n >> 16);
    return t;
}

/* Marks the entry that it is called for. */
static void
mark(void *arg, struct wait_entry *e)
{
    (void)arg;
    e->index++;
}

static void
only_those_who_wait_for_the_token_hear_of_it(void **state)
{
    struct waits     *w = waits_new(4);
    struct token      a = token_of(1), b = token_of(2);
    struct wait_entry first = { .token = a, .mailbox_id = 7 }, second = { .token = a, .mailbox_id = 8 }, any = { .token = a },
                      other = { .token = b, .mailbox_id = 7 };

    (void)state;
    waits_add(w, &first);
    waits_add(w, &second);
    waits_add(w, &any);
    waits_add(w, &other);
    assert_int_equal(waits_count(w), 4);
    waits_find(w, &a, 7, mark, NULL);
    assert_int_equal(first.index, 1);
    assert_int_equal(second.index, 0);
    assert_int_equal(any.index, 1);
    assert_int_equal(other.index, 0);
    waits_remove(w, &first);
    waits_remove(w, &first);        /* twice does no harm */
    waits_find(w, &a, 7, mark, NULL);
    assert_int_equal(first.index, 1);
    assert_int_equal(any.index, 2);
    assert_true(waits_has(w, &a));
    waits_remove(w, &second);
    waits_remove(w, &any);
    assert_false(waits_has(w, &a));
    assert_true(waits_has(w, &b));
    waits_remove(w, &other);
    assert_int_equal(waits_count(w), 0);
    waits_free(w);
}

static void
one_that_was_never_in_can_be_removed(void **state)
{
    struct waits     *w = waits_new(1);
    struct wait_entry e = { .token = token_of(1) };

    (void)state;
    waits_remove(w, &e);
    assert_int_equal(waits_count(w), 0);
    waits_free(w);
}

/* More entries than the table was made for: slower, not wrong. */
static void
many_are_found_and_removed_in_any_order(void **state)
{
    enum { MANY = 5000 };
    struct waits      *w = waits_new(10);
    struct wait_entry *all = calloc(MANY, sizeof(*all));

    (void)state;
    assert_non_null(all);
    for (unsigned i = 0; i < MANY; i++) {
        all[i].token = token_of(i / 2);         /* two for each token */
        waits_add(w, &all[i]);
    }
    for (unsigned i = 0; i < MANY / 2; i++) {
        struct token t = token_of(i);

        waits_find(w, &t, 0, mark, NULL);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct wait_entry *e = &all[(i * 2654435761u) % MANY];

        assert_int_equal(all[i].index, 1);
        waits_remove(w, e);
    }
    for (unsigned i = 0; i < MANY; i++)
        waits_remove(w, &all[i]);
    assert_int_equal(waits_count(w), 0);
    free(all);
    waits_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_those_who_wait_for_the_token_hear_of_it),
        cmocka_unit_test(one_that_was_never_in_can_be_removed),
        cmocka_unit_test(many_are_found_and_removed_in_any_order),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
