#include "tests/unit/unit.h"

#include "lib/display.h"

static void
nothing_that_moves_the_terminal_gets_through(void **state)
{
    static const struct { const char *label, *in, *out; size_t width; } cases[] = {
        { "plain",               "a b~",                 "a b~",                          4  },
        { "escape sequence",     "\x1b[2J",              "\\x1b[2J",                      7  },
        { "C1 as UTF-8",         "\xc2\x9b" "2J",        "\\xc2\\x9b" "2J",               10 },
        { "C1 as an octet",      "\x9b" "2J",            "\\x9b" "2J",                    6  },
        { "carriage return",     "good\rbad",            "good\\x0dbad",                  11 },
        { "line feed",           "a\nb",                 "a\\x0ab",                       6  },
        { "DEL",                 "\x7f",                 "\\x7f",                         4  },
        { "tab",                 "a\tb",                 "a b",                           3  },
        { "umlaut",              "\xc3\xa4",             "\xc3\xa4",                      1  },
        { "four octets",         "\xf0\x9f\x93\xa7",     "\xf0\x9f\x93\xa7",              1  },
        { "right-to-left override", "\xe2\x80\xae",      "\\xe2\\x80\\xae",               12 },
        { "isolate",             "\xe2\x81\xa6",         "\\xe2\\x81\\xa6",               12 },
        { "zero width",          "\xe2\x80\x8b",         "\\xe2\\x80\\x8b",               12 },
        { "tag",                 "\xf3\xa0\x81\x81",     "\\xf3\\xa0\\x81\\x81",          16 },
        { "overlong",            "\xc0\xaf",             "\\xc0\\xaf",                    8  },
        { "surrogate",           "\xed\xa0\x80",         "\\xed\\xa0\\x80",               12 },
        { "cut character",       "\xe2\x80",             "\\xe2\\x80",                    8  },
        { "backslash",           "a\\b",                 "a\\b",                          3  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;
        size_t     width;

        buf_init(&out, 1000);
        width = display_text(&out, slice_of(cases[i].in), 100);
        assert_slice(cases[i].label, buf_slice(&out), cases[i].out);
        if (width != cases[i].width)
            fail_msg("%s: width %zu", cases[i].label, width);
        buf_fini(&out);
    }
}

static void
long_text_is_cut_at_a_character(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(display_text(&out, slice_of("\xc3\xa4\xc3\xa4\xc3\xa4"), 2), 3);
    assert_slice("cut", buf_slice(&out), "\xc3\xa4\xc3\xa4…");
    buf_clear(&out);
    assert_int_equal(display_text(&out, slice_of("ab"), 2), 2);
    assert_slice("fits", buf_slice(&out), "ab");
    buf_fini(&out);
}

static void
what_is_not_utf8_is_replaced_for_json(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    display_utf8(&out, slice_of("a\xff\xc3\xa4\xe2\x80"));
    assert_slice("replaced", buf_slice(&out), "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_moves_the_terminal_gets_through),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(what_is_not_utf8_is_replaced_for_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
