#include "tests/unit/unit.h"

#include "smtpd/mailboxes.h"

#include <stdio.h>

enum { MANY = 3000 };

static struct mailbox_state
state_of(unsigned i)
{
    struct mailbox_state s = { .enabled = i % 3 != 0, .over_quota = i % 7 == 0 };

    snprintf(s.name, sizeof(s.name), "box-%u", i);
    return s;
}

static void
set(struct mailboxes *m, unsigned i)
{
    struct mailbox_state s = state_of(i);

    assert_int_equal(mailboxes_set(m, &s), MT_OK);
}

static bool
has(const struct mailboxes *m, unsigned i)
{
    struct mailbox_state        want = state_of(i);
    const struct mailbox_state *got = mailboxes_find(m, slice_of(want.name));

    if (got == NULL)
        return false;
    assert_string_equal(got->name, want.name);
    assert_true(got->enabled == want.enabled && got->over_quota == want.over_quota);
    return true;
}

static void
what_was_told_is_found(void **state)
{
    struct mailboxes *m = mailboxes_new();

    (void)state;
    assert_non_null(m);
    assert_false(has(m, 1));
    for (unsigned i = 0; i < MANY; i++)
        set(m, i);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(has(m, i));
    assert_false(has(m, MANY));
    assert_int_equal(mailboxes_count(m), MANY);
    mailboxes_free(m);
}

static void
a_change_replaces_what_was_known(void **state)
{
    struct mailboxes    *m = mailboxes_new();
    struct mailbox_state s = state_of(1);

    (void)state;
    set(m, 1);
    s.over_quota = true;
    assert_int_equal(mailboxes_set(m, &s), MT_OK);
    assert_true(mailboxes_find(m, slice_of(s.name))->over_quota);
    assert_int_equal(mailboxes_count(m), 1);
    mailboxes_free(m);
}

/* Removal closes gaps: whatever the order, the others stay where they are found. */
static void
removing_some_keeps_the_others(void **state)
{
    struct mailboxes *m = mailboxes_new();

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        set(m, i);
    for (unsigned i = 0; i < MANY; i++) {
        struct mailbox_state s = state_of(i * 7 % MANY);

        if (i % 5 != 0)
            mailboxes_remove(m, slice_of(s.name));
    }
    mailboxes_remove(m, slice_of("none"));
    for (unsigned i = 0; i < MANY; i++)
        if (has(m, i * 7 % MANY) != (i % 5 == 0))
            fail_msg("box %u", i);
    assert_int_equal(mailboxes_count(m), MANY / 5);
    mailboxes_free(m);
}

static void
a_new_telling_drops_what_it_does_not_name(void **state)
{
    struct mailboxes *m = mailboxes_new();

    (void)state;
    assert_false(mailboxes_are_complete(m));
    mailboxes_begin(m);
    for (unsigned i = 0; i < MANY; i++)
        set(m, i);
    assert_false(mailboxes_are_complete(m));
    mailboxes_complete(m);
    assert_true(mailboxes_are_complete(m));
    mailboxes_begin(m);
    assert_false(mailboxes_are_complete(m));
    for (unsigned i = 0; i < MANY; i += 3)
        set(m, i);
    assert_true(has(m, 1));     /* still known while the telling goes on */
    mailboxes_complete(m);
    for (unsigned i = 0; i < MANY; i++)
        if (has(m, i) != (i % 3 == 0))
            fail_msg("box %u", i);
    mailboxes_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_found),
        cmocka_unit_test(a_change_replaces_what_was_known),
        cmocka_unit_test(removing_some_keeps_the_others),
        cmocka_unit_test(a_new_telling_drops_what_it_does_not_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
