/* Lists of UIDs: what users of one list see of each other, and what is kept. */

#include "imapd/imap_uids.h"
#include "tests/unit/unit.h"

enum { MAILBOX = 7, FOLDER = 1, VALIDITY = 99 };

static struct imap_uids *
list_of(uint32_t first, uint32_t count)
{
    struct imap_uids *l = imap_uids_new(0);
    uint32_t          known = 0;

    for (uint32_t i = 0; i < count; i++)
        assert_true(imap_uids_append(&l, &known, first + i));
    assert_int_equal(known, count);
    assert_int_equal(imap_uids_count(l), count);
    return l;
}

static void
assert_uids(struct imap_uids *l, uint32_t count, uint32_t first, uint32_t last)
{
    assert_true(count > 0);
    assert_int_equal(imap_uids_array(l)[0], first);
    assert_int_equal(imap_uids_array(l)[count - 1], last);
    for (uint32_t i = 1; i < count; i++)
        assert_true(imap_uids_array(l)[i] > imap_uids_array(l)[i - 1]);
}

static void
arrivals_are_appended_once(void **state)
{
    struct imap_uids *a = list_of(1, 10), *b = imap_uids_share(a);
    uint32_t          known_a = 10, known_b = 10;

    (void)state;
    assert_true(imap_uids_append(&a, &known_a, 20));
    assert_ptr_equal(a, b);
    assert_int_equal(imap_uids_count(b), 11);
    assert_true(imap_uids_append(&b, &known_b, 20));
    assert_ptr_equal(a, b);
    assert_int_equal(known_b, 11);
    assert_int_equal(imap_uids_count(b), 11);
    imap_uids_release(a);
    imap_uids_release(b);
}

/* Message 20 came and went before b was told of it. */
static void
who_was_told_otherwise_gets_an_own_list(void **state)
{
    struct imap_uids *a = list_of(1, 10), *b = imap_uids_share(a);
    uint32_t          known_a = 10, known_b = 10;

    (void)state;
    assert_true(imap_uids_append(&a, &known_a, 20));
    assert_true(imap_uids_append(&b, &known_b, 21));
    assert_ptr_not_equal(a, b);
    assert_uids(a, known_a, 1, 20);
    assert_uids(b, known_b, 1, 21);
    imap_uids_release(a);
    imap_uids_release(b);
}

static void
a_list_that_grows_leaves_the_other_users_theirs(void **state)
{
    struct imap_uids *a = list_of(1, 10), *b = imap_uids_share(a);
    uint32_t          known = 10;

    (void)state;
    for (uint32_t uid = 11; uid <= 10000; uid++)
        assert_true(imap_uids_append(&a, &known, uid));
    assert_uids(a, known, 1, 10000);
    assert_uids(b, 10, 1, 10);
    imap_uids_release(a);
    imap_uids_release(b);
}

static void
writing_wants_an_own_list(void **state)
{
    struct imap_uids *a = list_of(1, 100), *b = imap_uids_share(a);

    (void)state;
    assert_true(imap_uids_own(&b, 50));
    assert_ptr_not_equal(a, b);
    imap_uids_array(b)[0] = 0;
    assert_uids(a, 100, 1, 100);
    assert_int_equal(imap_uids_count(b), 50);
    imap_uids_release(b);
    b = a;
    assert_true(imap_uids_own(&b, 60));         /* nobody else has it any more */
    assert_ptr_equal(a, b);
    assert_int_equal(imap_uids_count(a), 60);
    imap_uids_release(a);
}

static void
a_list_is_kept_for_its_folder(void **state)
{
    struct imap_uids_kept kept = { 0 };
    struct imap_uids     *l = list_of(1, 100), *found;

    (void)state;
    imap_uids_keep(&kept, MAILBOX, FOLDER, VALIDITY, l);
    imap_uids_keep(&kept, MAILBOX, FOLDER, VALIDITY, l);
    imap_uids_release(l);
    assert_null(imap_uids_find(&kept, MAILBOX, FOLDER + 1, VALIDITY));
    assert_null(imap_uids_find(&kept, MAILBOX + 1, FOLDER, VALIDITY));
    assert_null(imap_uids_find(&kept, MAILBOX + IMAP_UIDS_FOLDERS, FOLDER, VALIDITY));      /* the same place */
    assert_null(imap_uids_find(&kept, MAILBOX, FOLDER, VALIDITY + 1));
    found = imap_uids_find(&kept, MAILBOX, FOLDER, VALIDITY);
    assert_ptr_equal(found, l);
    imap_uids_release(found);
    imap_uids_fini(&kept);
    assert_int_equal(kept.bytes, 0);
}

static void
what_went_leaves_the_kept_list_alone(void **state)
{
    struct imap_uids_kept kept = { 0 };
    struct imap_uids     *l = list_of(1, 100), *found;

    (void)state;
    imap_uids_keep(&kept, MAILBOX, FOLDER, VALIDITY, l);
    imap_uids_gone(&kept, MAILBOX, FOLDER, 50);
    imap_uids_gone(&kept, MAILBOX, FOLDER, 50);
    imap_uids_gone(&kept, MAILBOX, FOLDER, 1000);
    imap_uids_gone(&kept, MAILBOX + 1, FOLDER, 1);
    imap_uids_gone(&kept, MAILBOX, FOLDER, 100);
    found = imap_uids_find(&kept, MAILBOX, FOLDER, VALIDITY);
    assert_ptr_not_equal(found, l);             /* a session has that one, and knows nothing of it yet */
    assert_int_equal(imap_uids_count(l), 100);
    assert_int_equal(imap_uids_count(found), 98);
    assert_uids(found, 98, 1, 99);
    assert_int_equal(imap_uids_array(found)[49], 51);
    imap_uids_release(found);
    imap_uids_release(l);
    imap_uids_fini(&kept);
}

/* Each of them a fifth of what may be kept: the oldest go. */
static void
what_is_kept_has_a_bound(void **state)
{
    struct imap_uids_kept kept = { 0 };
    unsigned              left = 0;

    (void)state;
    for (uint32_t mailbox = 0; mailbox < 20; mailbox++) {
        struct imap_uids *l = imap_uids_new(IMAP_UIDS_KEPT_BYTES / 5 / sizeof(uint32_t));

        imap_uids_keep(&kept, mailbox, FOLDER, VALIDITY, l);
        imap_uids_release(l);
        assert_true(kept.bytes <= IMAP_UIDS_KEPT_BYTES);
    }
    for (uint32_t mailbox = 0; mailbox < 20; mailbox++) {
        struct imap_uids *found = imap_uids_find(&kept, mailbox, FOLDER, VALIDITY);

        left += found != NULL;
        imap_uids_release(found);
    }
    assert_int_equal(left, 4);
    imap_uids_fini(&kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrivals_are_appended_once),
        cmocka_unit_test(who_was_told_otherwise_gets_an_own_list),
        cmocka_unit_test(a_list_that_grows_leaves_the_other_users_theirs),
        cmocka_unit_test(writing_wants_an_own_list),
        cmocka_unit_test(a_list_is_kept_for_its_folder),
        cmocka_unit_test(what_went_leaves_the_kept_list_alone),
        cmocka_unit_test(what_is_kept_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
