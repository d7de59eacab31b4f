#include "imapd/imap_set.h"
#include "tests/unit/unit.h"

#include "lib/buf.h"

static void
show(const struct imap_set *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->count; i++)
        buf_printf(out, s->ranges[i].first == s->ranges[i].last ? "%s%u" : "%s%u:%u", i == 0 ? "" : ",", s->ranges[i].first, s->ranges[i].last);
}

static void
sets_are_read(void **state)
{
    static const struct {
        const char *text;
        uint32_t    largest;
        int         rc;
        const char *want;
    } rows[] = {
        { "1",              9, MT_OK,      "1"       }, { "1:3",        9, MT_OK,      "1:3"       },
        { "3:1",            9, MT_OK,      "1:3"     }, { "*",          9, MT_OK,      "9"         },
        { "*:4",            9, MT_OK,      "4:9"     }, { "4:*",        9, MT_OK,      "4:9"       },
        { "999:*",          9, MT_OK,      "9:999"   }, { "*:*",        9, MT_OK,      "9"         },
        { "1,2,3",          9, MT_OK,      "1:3"     }, { "3,1,5,1:1",  9, MT_OK,      "1,3,5"     },
        { "1:4,3:8",        9, MT_OK,      "1:8"     }, { "1:8,3:4",    9, MT_OK,      "1:8"       },
        { "4294967295",     9, MT_OK,      "4294967295" }, { "1:4294967295,4294967295", 9, MT_OK, "1:4294967295" },
        { "4294967296",     9, MT_ESYNTAX, ""        }, { "0",          9, MT_ESYNTAX, ""          },
        { "",               9, MT_ESYNTAX, ""        }, { ",",          9, MT_ESYNTAX, ""          },
        { "1,",             9, MT_ESYNTAX, ""        }, { "1:",         9, MT_ESYNTAX, ""          },
        { ":1",             9, MT_ESYNTAX, ""        }, { "1:2:3",      9, MT_ESYNTAX, ""          },
        { "**",             9, MT_ESYNTAX, ""        }, { "1,$",        9, MT_ESYNTAX, ""          },
        { "*",              0, MT_OK,      ""        }, { "1:*",        0, MT_OK,      "1"         },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_set set;
        struct buf      out;

        buf_init(&out, 1000);
        assert_rc(rows[i].text, imap_set_parse(slice_of(rows[i].text), rows[i].largest, &set), rows[i].rc);
        show(&set, &out);
        assert_slice(rows[i].text, buf_slice(&out), rows[i].want);
        imap_set_fini(&set);
        buf_fini(&out);
    }
}

static void
giant_sets_have_a_bound(void **state)
{
    struct imap_set set;
    struct buf      text;

    (void)state;
    buf_init(&text, 10 * IMAP_SET_RANGES_MAX);
    for (unsigned i = 0; i < IMAP_SET_RANGES_MAX; i++)
        buf_printf(&text, i == 0 ? "%u" : ",%u", 2 * i + 1);
    assert_rc("the most", imap_set_parse(buf_slice(&text), 9, &set), MT_OK);
    assert_int_equal(set.count, IMAP_SET_RANGES_MAX);
    for (unsigned i = 1; i < 2 * IMAP_SET_RANGES_MAX; i++)
        assert_int_equal(imap_set_has(&set, i), i % 2);
    imap_set_fini(&set);
    buf_append_string(&text, ",1");
    assert_rc("one more", imap_set_parse(buf_slice(&text), 9, &set), MT_ESIZE);
    assert_null(set.ranges);
    buf_fini(&text);
}

static void
numbers_are_appended_and_copied(void **state)
{
    struct imap_set set = { 0 }, copy;
    struct buf      out;

    (void)state;
    buf_init(&out, 1000);
    assert_true(imap_set_copy(&copy, &set));
    assert_int_equal(copy.count, 0);
    for (uint32_t n = 1; n < 30; n += n % 3 == 0 ? 2 : 1)
        assert_true(imap_set_append(&set, n));
    assert_true(imap_set_copy(&copy, &set));
    imap_set_fini(&set);
    show(&copy, &out);
    assert_slice("copy", buf_slice(&out), "1:3,5:6,8:9,11:12,14:15,17:18,20:21,23:24,26:27,29");
    imap_set_fini(&copy);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_read),
        cmocka_unit_test(giant_sets_have_a_bound),
        cmocka_unit_test(numbers_are_appended_and_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
