#include "tests/unit/unit.h"

#include "checker/sse.h"

#include <stdio.h>
#include <stdlib.h>

/* What was heard, as "name/id/data;". */
static void
note(void *arg, const struct sse_event *e)
{
    struct buf *heard = arg;

    buf_printf(heard, "%s/%s/%.*s;", e->name, e->id, (int)e->data.len, e->data.data);
}

static const struct { const char *label, *in, *want; } cases[] = {
    { "one",                    "data: x\n\n",                              "message//x;"        },
    { "named, with an id",      "id: 7\nevent: arrived\ndata: {}\n\n",      "arrived/7/{};"      },
    { "CRLF",                   "id: 7\r\nevent: a\r\ndata: {}\r\n\r\n",    "a/7/{};"            },
    { "CR alone",               "id: 7\revent: a\rdata: {}\r\rdata:y\r\r",  "a/7/{};message/7/y;" },
    { "lines of data",          "data: a\ndata: b\ndata\n\n",               "message//a\nb\n;"   },
    { "comments",               ":\n\n: hello\ndata: a\n:\n\n",             "message//a;"        },
    { "no data, no event",      "event: a\nid: 3\n\ndata: b\n\n",           "message/3/b;"       },
    { "the id stays",           "id: 3\ndata: a\n\ndata: b\n\n",            "message/3/a;message/3/b;" },
    { "an empty id forgets",    "id: 3\ndata: a\n\nid\ndata: b\n\n",        "message/3/a;message//b;" },
    { "one blank belongs to it", "data:  a\ndata:b\n\n",                    "message// a\nb;"    },
    { "unknown fields",         "retry: 10\nfoo: bar\nfoo\ndata: a\n\n",    "message//a;"        },
    { "a byte order mark",      "\xef\xbb\xbf" "data: a\n\n",               "message//a;"        },
    { "a mark within",          "data: a\n\xef\xbb\xbf" "data: b\n\n",      "message//a;"        },
    { "half an event",          "data: a\n",                                ""                   },
};

static void
events_are_read_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= 7; piece++) {
            struct slice in = slice_of(cases[i].in);
            struct sse   s;
            struct buf   heard;

            buf_init(&heard, 4096);
            sse_init(&s);
            for (; in.len > 0; in = slice_sub(in, piece, in.len))
                assert_rc(cases[i].label, sse_feed(&s, slice_sub(in, 0, piece), note, &heard), MT_OK);
            assert_slice(cases[i].label, buf_slice(&heard), cases[i].want);
            sse_fini(&s);
            buf_fini(&heard);
        }
}

static void
a_new_connection_forgets_the_half_event_and_keeps_the_id(void **state)
{
    struct sse s;
    struct buf heard;

    (void)state;
    buf_init(&heard, 4096);
    sse_init(&s);
    assert_int_equal(sse_feed(&s, slice_of("retry: 2000\nid: 9\ndata: a\n\nevent: b\ndata: lost\nda"), note, &heard), MT_OK);
    assert_int_equal(s.retry_ms, 2000);
    sse_begin(&s);
    assert_string_equal(s.id, "9");
    assert_int_equal(sse_feed(&s, slice_of("data: c\n\n"), note, &heard), MT_OK);
    assert_slice("heard", buf_slice(&heard), "message/9/a;message/9/c;");
    sse_fini(&s);
    buf_fini(&heard);
}

static void
what_is_too_long_ends_the_reading(void **state)
{
    struct sse  s;
    struct buf  heard;
    char       *text = malloc(SSE_LINE_MAX + 2);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', SSE_LINE_MAX + 2);
    buf_init(&heard, 4096);
    sse_init(&s);
    assert_int_equal(sse_feed(&s, slice_make(text, SSE_LINE_MAX + 1), note, &heard), MT_ESIZE);
    assert_int_equal(sse_feed(&s, slice_of("\n\ndata: a\n\n"), note, &heard), MT_ESIZE);
    sse_begin(&s);
    memcpy(text, "data: ", 6);
    text[1000] = '\n';
    for (int rc = MT_OK, n = 0; rc == MT_OK; n++) {
        assert_true(n < 1000);
        rc = sse_feed(&s, slice_make(text, 1001), note, &heard);
    }
    assert_int_equal(heard.len, 0);
    sse_begin(&s);
    assert_int_equal(sse_feed(&s, slice_of("data: a\n\n"), note, &heard), MT_OK);
    assert_slice("heard", buf_slice(&heard), "message//a;");
    sse_fini(&s);
    buf_fini(&heard);
    free(text);
}

static void
ids_and_names_that_do_not_fit_are_not_taken(void **state)
{
    static const char long_id[] = "id: 0123456789012345678901234567890123456789012345678901234567890123\ndata: a\n\n";
    struct sse        s;
    struct buf        heard;

    (void)state;
    buf_init(&heard, 4096);
    sse_init(&s);
    assert_int_equal(sse_feed(&s, slice_of(long_id), note, &heard), MT_OK);
    assert_int_equal(sse_feed(&s, slice_make("id: 1\0002\ndata: b\n\n", 18), note, &heard), MT_OK);
    assert_slice("heard", buf_slice(&heard), "message//a;message//b;");
    sse_fini(&s);
    buf_fini(&heard);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read_however_they_are_cut),
        cmocka_unit_test(a_new_connection_forgets_the_half_event_and_keeps_the_id),
        cmocka_unit_test(what_is_too_long_ends_the_reading),
        cmocka_unit_test(ids_and_names_that_do_not_fit_are_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
