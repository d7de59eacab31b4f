#include "tests/unit/unit.h"

#include "lib/transfer.h"

static const struct {
    const char *label, *in, *out;
    bool        broken;
} base64_cases[] = {
    { "empty",                "",                      "",             false },
    { "one octet",            "YQ==",                  "a",            false },
    { "two octets",           "YWI=",                  "ab",           false },
    { "three octets",         "YWJj",                  "abc",          false },
    { "high digits",          "+/+/",                  "\xfb\xff\xbf", false },
    { "lines",                "YWJj\r\nZGVm\r\n",      "abcdef",       false },
    { "a line ends in group", "YW\r\nJjZ\r\nGVm",      "abcdef",       false },
    { "no padding for two",   "YWI",                   "ab",           false },
    { "no padding for one",   "YQ",                    "a",            false },
    { "more behind padding",  "YQ==YmM=",              "abc",          false },
    { "blanks",               " Y W\tJ j ",            "abc",          false },
    { "padding alone",        "====",                  "",             false },
    { "one digit",            "Y",                     "",             false },
    { "other octets",         "YW*Jj\xff",             "abc",          true  },
};

static void
base64_decodes_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(base64_cases); i++) {
        struct slice in = slice_of(base64_cases[i].in);

        for (size_t piece = 1; piece <= in.len + 1; piece++) {
            struct base64 b;
            char          out[100];
            size_t        len = 0;

            base64_init(&b);
            for (size_t at = 0; at < in.len; at += piece)
                len += base64_decode(&b, slice_sub(in, at, piece), out + len);
            len += base64_finish(&b, out + len);
            assert_slice(base64_cases[i].label, slice_make(out, len), base64_cases[i].out);
            if (b.broken != base64_cases[i].broken)
                fail_msg("%s: broken is %d", base64_cases[i].label, b.broken);
        }
    }
}

static void
base64_knows_every_digit(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const char   *digit = c == 0 ? NULL : strchr(digits, (int)c);
        char          in[4] = { 'A', 'A', 'A', (char)c }, out[BASE64_ROOM(4)];
        struct base64 b;
        size_t        len;

        base64_init(&b);
        len = base64_decode(&b, slice_make(in, 4), out);
        if (digit != NULL && (len != 3 || out[2] != (char)(digit - digits)))
            fail_msg("digit %c", (int)c);
        if (digit == NULL && (c == '=' ? len != 2 : len != 0))
            fail_msg("octet %u gave %zu", c, len);
        assert_int_equal(b.broken, digit == NULL && c != '=' && (c == 0 || strchr(" \t\r\n", (int)c) == NULL));
    }
}

static const struct {
    const char *label, *in, *out;
    bool        broken;
} quoted_cases[] = {
    { "plain",                  "a line\r\nanother",    "a line\r\nanother", false },
    { "octets",                 "caf=C3=A9=3d",         "caf\xc3\xa9=",      false },
    { "lower case",             "=c3=a9",               "\xc3\xa9",          false },
    { "soft break",             "mt1=\r\nabc",          "mt1abc",            false },
    { "soft break, LF alone",   "mt1=\nabc",            "mt1abc",            false },
    { "soft break with blanks", "mt1= \t\r\nabc",       "mt1abc",            false },
    { "soft breaks in a row",   "a=\r\n=\r\n=\r\nb",    "ab",                false },
    { "soft break, then octet", "a=\r\n=3D",            "a=",                false },
    { "no digits",              "1=2x=zz",              "1=2x=zz",           true  },
    { "one digit",              "=4-",                  "=4-",               true  },
    { "two signs",              "==41",                 "=A",                true  },
    { "blank, but no line end", "a= b",                 "a= b",              true  },
    { "ends within",            "a=",                   "a",                 false },
};

static void
quoted_printable_decodes_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(quoted_cases); i++) {
        struct slice in = slice_of(quoted_cases[i].in);

        for (size_t piece = 1; piece <= in.len; piece++) {
            struct quoted_printable q;
            char                    out[100];
            size_t                  len = 0;

            quoted_printable_init(&q);
            for (size_t at = 0; at < in.len; at += piece) {
                size_t more = quoted_printable_decode(&q, slice_sub(in, at, piece), out + len);

                assert_true(more <= QUOTED_PRINTABLE_ROOM(piece));
                len += more;
            }
            assert_slice(quoted_cases[i].label, slice_make(out, len), quoted_cases[i].out);
            if (q.broken != quoted_cases[i].broken)
                fail_msg("%s: broken is %d", quoted_cases[i].label, q.broken);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_decodes_however_it_is_cut),
        cmocka_unit_test(base64_knows_every_digit),
        cmocka_unit_test(quoted_printable_decodes_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
