/* Which UIDs of a set are gone, and how much of what a client knows is so still. */

#include "imapd/imap_vanished.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static void
make_view(const char *uids, uint32_t uidnext, struct imap_view *v)
{
    struct imap_set set = { 0 };

    *v = (struct imap_view){ .uidnext = uidnext };
    if (uids[0] != '\0')
        assert_int_equal(imap_set_parse(slice_of(uids), 0, &set), MT_OK);
    for (uint32_t i = 0; i < set.count; i++)
        for (uint32_t uid = set.ranges[i].first; uid <= set.ranges[i].last; uid++) {
            v->uids = realloc(v->uids, (v->count + 1) * sizeof(*v->uids));
            assert_non_null(v->uids);
            v->uids[v->count++] = uid;
        }
    imap_set_fini(&set);
}

static void
vanished_is_what_the_folder_does_not_have_below_uidnext(void **state)
{
    static const struct {
        const char *there;
        uint32_t    uidnext;
        const char *set;
        uint32_t    next;
        const char *want;
    } rows[] = {
        { "",             1,          "1:100",      0,  ""             },
        { "",             6,          "1:100",      0,  "1:5"          },
        { "1:5",          6,          "1:100",      0,  ""             },
        { "1:4",          6,          "1:100",      0,  "5"            },
        { "2,4,6",        8,          "1:7",        0,  "1,3,5,7"      },
        { "2,4,6",        8,          "2:3,6:7",    0,  "3,7"          },
        { "2,4,6",        8,          "2,4,6",      0,  ""             },
        { "2,4,6",        8,          "1:7",        4,  "5,7"          },
        { "2,4,6",        8,          "1:7",        7,  "7"            },
        { "2,4,6",        8,          "1:7",        9,  ""             },
        { "2,4,6",        8,          "100:200",    0,  ""             },
        { "50:60",        100,        "1:20,70:80", 0,  "1:20,70:80"   },
        { "50:60",        100,        "40:55",      0,  "40:49"        },
        { "50:60",        100,        "55:70",      0,  "61:70"        },
        { "1",            UINT32_MAX, "1:4294967295", 0, "2:4294967294" },
        { "4294967294",   UINT32_MAX, "1:4294967295", 0, "1:4294967293" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_vanished v = { .next = rows[i].next };
        struct imap_view     view;
        struct imap_range    range;
        struct buf           got;

        make_view(rows[i].there, rows[i].uidnext, &view);
        assert_int_equal(imap_set_parse(slice_of(rows[i].set), 0, &v.set), MT_OK);
        buf_init(&got, 1000);
        while (imap_vanished_next(&v, &view, &range)) {
            if (got.len > 0)
                buf_append_byte(&got, ',');
            imap_put_range(&got, &range);
        }
        assert_slice(rows[i].set, buf_slice(&got), rows[i].want);
        assert_false(imap_vanished_next(&v, &view, &range));
        buf_fini(&got);
        imap_vanished_fini(&v);
        free(view.uids);
    }
}

static void
the_last_message_that_the_client_knows_rightly_is_found(void **state)
{
    static const struct {
        const char *there, *numbers, *uids;
        uint32_t    want;
    } rows[] = {
        { "",              "1",       "1",           0   },
        { "1:10",          "1",       "1",           1   },
        { "1:10",          "10",      "10",          10  },
        { "1:10",          "11",      "11",          0   },
        { "1:10",          "4294967295", "4294967295", 0 },
        { "1:10",          "1:10",    "1:10",        10  },
        { "1:4,6:10",      "1:10",    "1:10",        4   },
        { "2:10",          "1:10",    "1:10",        0   },
        { "1:4,6:10",      "1:9",     "1:4,6:10",    10  },
        { "1:4,6:10,12",   "1,4,10",  "1,4,12",      12  },
        { "1:4,6:10,12",   "1,4,9,10", "1,4,9,12",   4   },
        { "5,10,15,20,25", "1:5",     "5,10,15,20,25", 25 },
        { "5,10,20,25",    "1:5",     "5,10,15,20,25", 10 },
        { "5,10,15,20,25", "2,4",     "10,20",       20  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_set  numbers, uids;
        struct imap_view view;
        uint32_t         got;

        make_view(rows[i].there, 1000, &view);
        assert_int_equal(imap_set_parse(slice_of(rows[i].numbers), 0, &numbers), MT_OK);
        assert_int_equal(imap_set_parse(slice_of(rows[i].uids), 0, &uids), MT_OK);
        got = imap_vanished_known(&view, &numbers, &uids);
        if (got != rows[i].want)
            fail_msg("%s of %s: got %u, want %u", rows[i].uids, rows[i].there, got, rows[i].want);
        imap_set_fini(&numbers);
        imap_set_fini(&uids);
        free(view.uids);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vanished_is_what_the_folder_does_not_have_below_uidnext),
        cmocka_unit_test(the_last_message_that_the_client_knows_rightly_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
