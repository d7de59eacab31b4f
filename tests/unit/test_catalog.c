#include "tests/unit/unit.h"

#include "store/catalog.h"

#include <stdio.h>

enum { MANY = 1000 };

static struct mailbox_record
record_of(uint32_t id, char name[16])
{
    snprintf(name, 16, "m%u", id);
    return (struct mailbox_record){ .id = id, .name = slice_of(name), .domain = slice_of("mailtest1.test"), .enabled = true, .bytes = id };
}

static void
each_is_found_by_name_and_by_id(void **state)
{
    struct catalog *c = catalog_new();
    char            name[16];

    (void)state;
    /* Not in the order of their ids. */
    for (uint32_t i = 0; i < MANY; i++) {
        struct mailbox_record r = record_of(i * 7 % MANY + 1, name);

        assert_non_null(catalog_update(c, &r));
    }
    assert_int_equal(catalog_count(c), MANY);
    for (uint32_t id = 1; id <= MANY; id++) {
        record_of(id, name);
        assert_ptr_equal(catalog_find(c, slice_of(name)), catalog_by_id(c, id));
        assert_int_equal(catalog_by_id(c, id)->id, id);
        assert_string_equal(catalog_by_id(c, id)->name, name);
    }
    assert_null(catalog_find(c, slice_of("nobody")));
    assert_null(catalog_by_id(c, MANY + 1));
    assert_string_equal(catalog_find(c, slice_of("m7"))->address, "m7@mailtest1.test");
    catalog_free(c);
}

static void
a_removed_one_hides_no_other(void **state)
{
    struct catalog *c = catalog_new();
    char            name[16];

    (void)state;
    for (uint32_t id = 1; id <= MANY; id++) {
        struct mailbox_record r = record_of(id, name);

        assert_non_null(catalog_update(c, &r));
    }
    for (uint32_t id = 1; id <= MANY; id += 2)
        catalog_remove(c, id);
    catalog_remove(c, 1);
    assert_int_equal(catalog_count(c), MANY / 2);
    for (uint32_t id = 1; id <= MANY; id++) {
        record_of(id, name);
        assert_int_equal(catalog_find(c, slice_of(name)) != NULL, id % 2 == 0);
        assert_int_equal(catalog_by_id(c, id) != NULL, id % 2 == 0);
    }
    catalog_free(c);
}

static void
they_can_be_walked_while_they_change(void **state)
{
    struct catalog         *c = catalog_new();
    struct catalog_mailbox *m;
    char                    name[16];
    uint32_t                last = 0, count = 0;

    (void)state;
    assert_null(catalog_next(c, 0));
    for (uint32_t id = 10; id <= 100; id += 10) {
        struct mailbox_record r = record_of(id, name);

        assert_non_null(catalog_update(c, &r));
    }
    while ((m = catalog_next(c, last)) != NULL) {
        assert_true(m->id > last);
        last = m->id;
        count++;
        catalog_remove(c, last);
    }
    assert_int_equal(count, 10);
    assert_null(catalog_next(c, UINT32_MAX));
    catalog_free(c);
}

static void
the_state_says_whether_it_is_over_its_quota(void **state)
{
    struct catalog        *c = catalog_new();
    struct mailbox_state   s;
    char                   name[16];
    struct mailbox_record  r = record_of(5, name);

    (void)state;
    catalog_state(catalog_update(c, &r), 6, &s);
    assert_true(s.enabled && !s.over_quota);
    r.bytes = 6;
    r.enabled = false;
    catalog_state(catalog_update(c, &r), 6, &s);
    assert_true(!s.enabled && s.over_quota);
    assert_string_equal(s.name, "m5");
    catalog_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found_by_name_and_by_id),
        cmocka_unit_test(a_removed_one_hides_no_other),
        cmocka_unit_test(they_can_be_walked_while_they_change),
        cmocka_unit_test(the_state_says_whether_it_is_over_its_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
