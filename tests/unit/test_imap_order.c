#include "imapd/imap_order.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static void
finish(struct imap_order *o)
{
    int rc;

    while (imap_order_step(o, &rc))
        ;
    assert_int_equal(rc, MT_OK);
}

/* Numbers whose keys repeat: in order by key, and where that is equal by number. */
static void
all_counts_come_into_order_and_equal_ones_stay(void **state)
{
    static const uint32_t counts[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 50000 };

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct imap_order o;
        unsigned          random = 7;

        imap_order_init(&o);
        for (uint32_t n = 0; n < counts[i]; n++) {
            struct buf key;

            random = random * 1103515245 + 12345;
            buf_init(&key, 100);
            imap_order_put_number(&key, (int64_t)(random >> 16 & 63) - 32, false);
            assert_int_equal(imap_order_add(&o, n, buf_slice(&key)), MT_OK);
            buf_fini(&key);
        }
        finish(&o);
        assert_int_equal(o.count, counts[i]);
        for (uint32_t n = 1; n < counts[i]; n++) {
            int d = memcmp(o.keys.data + o.rows[n - 1].at, o.keys.data + o.rows[n].at, 8);

            assert_true(d < 0 || (d == 0 && o.rows[n - 1].number < o.rows[n].number));
        }
        imap_order_fini(&o);
    }
}

static void
keys_compare_as_what_they_are_made_of(void **state)
{
    static const struct {
        const char *first, *second;     /* texts, or numbers behind "#" */
        bool        reverse;
    } rows[] = {
        { "", "a", false }, { "a", "aa", false }, { "a", "b", false }, { "Z", "\xc3\x84", false }, { "a", "", true }, { "aa", "a", true }, { "b", "a", true },
        { "#-5", "#-4", false }, { "#-1", "#0", false }, { "#0", "#1", false }, { "#255", "#256", false }, { "#1", "#0", true }, { "#0", "#-1", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_order o;

        imap_order_init(&o);
        for (uint32_t n = 0; n < 2; n++) {
            const char *text = n == 0 ? rows[i].second : rows[i].first;
            struct buf  key;

            buf_init(&key, 100);
            if (text[0] == '#')
                imap_order_put_number(&key, strtoul(text + 1, NULL, 10), rows[i].reverse);
            else
                imap_order_put_text(&key, slice_of(text), rows[i].reverse);
            imap_order_put_number(&key, 1, false);
            imap_order_add(&o, n, buf_slice(&key));
            buf_fini(&key);
        }
        finish(&o);
        if (o.rows[0].number != 1)
            fail_msg("\"%s\" is not in front of \"%s\"%s", rows[i].first, rows[i].second, rows[i].reverse ? ", in reverse" : "");
        imap_order_fini(&o);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_counts_come_into_order_and_equal_ones_stay),
        cmocka_unit_test(keys_compare_as_what_they_are_made_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
