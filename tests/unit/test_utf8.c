#include "tests/unit/unit.h"

#include "lib/utf8.h"

#define FFFD "\xef\xbf\xbd"

static const struct {
    const char *label, *in, *out;
    bool        valid;
} cases[] = {
    { "ASCII",                    "abc ~",                          "abc ~",                          true  },
    { "two, three, four octets",  "\xc3\xa9\xe2\x9c\x93\xf0\x9f\x93\xa7", "\xc3\xa9\xe2\x9c\x93\xf0\x9f\x93\xa7", true },
    { "line ends go",             "a\r\nb",                         "ab",                             true  },
    { "controls become spaces",   "a\tb\x7f" "c\xc2\x85" "d",       "a b c d",                        true  },
    { "lone octet",               "a\x80" "b",                      "a" FFFD "b",                     false },
    { "too long a form",          "\xc0\xaf\xe0\x80\xaf",           FFFD FFFD FFFD FFFD FFFD,         false },
    { "surrogate",                "\xed\xa0\x80",                   FFFD FFFD FFFD,                   false },
    { "over U+10FFFF",            "\xf4\x90\x80\x80",               FFFD FFFD FFFD FFFD,              false },
    { "cut in the middle",        "\xe2\x9c" "a",                   FFFD "a",                         false },
    { "cut by another character", "\xe2\x9c\xc3\xa9",               FFFD "\xc3\xa9",                  false },
    { "cut at the end",           "a\xf0\x9f\x93",                  "a" FFFD,                         false },
    { "no octet of UTF-8",        "\xff\xfe",                       FFFD FFFD,                        false },
};

static void
text_becomes_clean_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice in = slice_of(cases[i].in);

        assert_int_equal(utf8_is_valid(in), cases[i].valid);
        for (size_t piece = 1; piece <= in.len; piece++) {
            struct buf       out;
            struct utf8_text t;

            buf_init(&out, 100);
            utf8_text_init(&t, &out);
            for (size_t at = 0; at < in.len; at += piece)
                utf8_text_feed(&t, CHARSET_UTF8, slice_sub(in, at, piece));
            utf8_text_finish(&t);
            assert_slice(cases[i].label, buf_slice(&out), cases[i].out);
            buf_fini(&out);
        }
    }
}

static void
text_is_cut_at_a_character_and_ends_there(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 5);
    utf8_clean(&out, slice_of("abc\xe2\x9c\x93" "d"));
    assert_slice("no room for three octets", buf_slice(&out), "abc");
    buf_clear(&out);
    utf8_clean(&out, slice_of("abcdefg"));
    assert_slice("ASCII", buf_slice(&out), "abcde");
    assert_int_equal(out.fault, MT_OK);
    buf_fini(&out);
}

static void
charsets_are_converted(void **state)
{
    struct buf       out;
    struct utf8_text t;

    (void)state;
    assert_int_equal(utf8_charset_of("ISO-8859-1"), CHARSET_LATIN1);
    assert_int_equal(utf8_charset_of("US-ASCII"), CHARSET_UTF8);
    assert_int_equal(utf8_charset_of("koi8-r"), CHARSET_UNKNOWN);
    buf_init(&out, 100);
    utf8_text_init(&t, &out);
    utf8_text_feed(&t, CHARSET_LATIN1, slice_of("J\xf6rg\x85"));
    utf8_text_feed(&t, CHARSET_UNKNOWN, slice_of("a\xc1"));
    utf8_text_feed(&t, CHARSET_UTF8, slice_of("\xc3"));
    utf8_text_feed(&t, CHARSET_LATIN1, slice_of("\xa9"));
    utf8_text_finish(&t);
    assert_slice("mixed", buf_slice(&out), "J\xc3\xb6rg a" FFFD FFFD "\xc2\xa9");
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_clean_however_it_is_cut),
        cmocka_unit_test(text_is_cut_at_a_character_and_ends_there),
        cmocka_unit_test(charsets_are_converted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
