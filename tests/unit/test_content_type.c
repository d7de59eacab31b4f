#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/content_type.h"

static const struct {
    const char *label, *value, *name;   /* NULL: none that can be read */
} names[] = {
    { "plain",               "text/plain",                              "text/plain"     },
    { "with a parameter",    " Text/HTML; charset=utf-8",               "text/html"      },
    { "folded",              "\r\n multipart/mixed;\r\n boundary=x",    "multipart/mixed" },
    { "comments",            "(a) text (b (c) \\) ) / (d)plain (e);x=y", "text/plain"    },
    { "no subtype",          "text",                                    NULL             },
    { "empty subtype",       "text/;charset=utf-8",                     NULL             },
    { "empty",               "",                                        NULL             },
    { "comment without end", "(text/plain",                             NULL             },
    { "too long",            "x/0123456789012345678901234567890123456789012345678901234567890123456789"
                             "012345678901234567890123456789012345678901234567890123456789", NULL },
};

static void
name_is_read_in_lower_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char out[CONTENT_TYPE_CHARS + 1];
        bool ok = content_type_name(slice_of(names[i].value), out);

        if (ok != (names[i].name != NULL) || (ok && strcmp(out, names[i].name) != 0))
            fail_msg("%s: got %s", names[i].label, ok ? out : "nothing");
    }
}

static const struct {
    const char *label, *value, *boundary;   /* NULL: none */
} parameters[] = {
    { "bare",                  "multipart/mixed; boundary=abc",                     "abc"          },
    { "quoted",                "multipart/mixed; boundary=\"a b;c\"",               "a b;c"        },
    { "escaped",               "multipart/mixed; boundary=\"a\\\"b\\\\\"",          "a\"b\\"       },
    { "name in upper case",    "multipart/mixed; BOUNDARY=abc",                     "abc"          },
    { "not the first",         "multipart/mixed; charset=\"x; boundary=no\"; boundary=abc; x=y", "abc" },
    { "the first of two",      "multipart/mixed; boundary=abc; boundary=def",       "abc"          },
    { "folded in the value",   "multipart/mixed;\r\n\tboundary=\"ab\r\n c\"",       "ab c"         },
    { "special, not quoted",   "multipart/mixed; boundary=----=_Part:1/(2)?",       "----=_Part:1/(2)?" },
    { "spaces around the =",   "multipart/mixed; boundary = abc",                   "abc"          },
    { "comment before value",  "multipart/mixed; boundary=(c)abc",                  "abc"          },
    { "no semicolon between",  "multipart/mixed; charset=utf-8 boundary=abc",       "abc"          },
    { "no quote at the end",   "multipart/mixed; boundary=\"abc",                   "abc"          },
    { "part of a longer name", "multipart/mixed; xboundary=abc",                    NULL           },
    { "empty",                 "multipart/mixed; boundary=\"\"",                    NULL           },
    { "nothing behind =",      "multipart/mixed; boundary=",                        NULL           },
    { "no value",              "multipart/mixed; boundary; x=y",                    NULL           },
    { "too long",              "multipart/mixed; boundary=012345678901234567890123456789012", NULL },
    { "none",                  "multipart/mixed",                                   NULL           },
    { "garbage",               ";;=;==;\";(;\\",                                    NULL           },
    { "continued",             "multipart/mixed; boundary*0=ab; boundary*1=\"c d\"",  "abc d"        },
    { "continued, out of order", "x/y; boundary*1=c; boundary*2=d; boundary*0=ab",    "abcd"         },
    { "a piece is missing",    "x/y; boundary*0=ab; boundary*2=c",                  "ab"           },
    { "the first is missing",  "x/y; boundary*1=ab",                                NULL           },
    { "encoded",               "x/y; boundary*=utf-8'en'a%62%2Z%6",                 "ab%2Z%6"      },
    { "encoded, no charset",   "x/y; boundary*=''a%62",                             "ab"           },
    { "encoded and continued", "x/y; BOUNDARY*0*=utf-8''a%62; boundary*1=%63'; boundary*2*='%64", "ab%63''d" },
    { "plain beats pieces",    "x/y; boundary*0=a; boundary=b",                     "b"            },
    { "of another name",       "x/y; bound*0=a",                                    NULL           },
    { "number too large",      "x/y; boundary*99999999999999999999=a",              NULL           },
};

static void
parameter_is_found_and_unquoted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(parameters); i++) {
        char out[33];
        bool ok = content_type_parameter(slice_of(parameters[i].value), "boundary", out, sizeof(out));

        if (ok != (parameters[i].boundary != NULL) || (ok && strcmp(out, parameters[i].boundary) != 0))
            fail_msg("%s: got %s", parameters[i].label, ok ? out : "nothing");
    }
}

static void
add_joined(void *arg, bool begins, struct slice octets)
{
    if (begins)
        buf_append_byte(arg, '|');
    buf_append_slice(arg, octets);
}

static void
each_parameter_in_pieces_is_told_once(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    content_type_joined(slice_of("a/b; name*0=x; c=d; filename*=''y%7A; name*1=z; name*0=again; e*3=lost"), add_joined, &b);
    assert_slice("joined", buf_slice(&b), "|xz|yz");
    buf_fini(&b);
}

static void
parameter_with_a_nul_is_none(void **state)
{
    static const char value[] = "multipart/mixed; boundary=\"a\0b\"";
    char              out[33];

    (void)state;
    assert_false(content_type_parameter(slice_make(value, sizeof(value) - 1), "boundary", out, sizeof(out)));
}

static void
encoding_is_known_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(content_encoding(slice_of(" Base64 ")), ENCODING_BASE64);
    assert_int_equal(content_encoding(slice_of("(c) quoted-printable;")), ENCODING_QUOTED_PRINTABLE);
    assert_int_equal(content_encoding(slice_of("\r\n 8BIT (c)")), ENCODING_8BIT);
    assert_int_equal(content_encoding(slice_of("binary")), ENCODING_BINARY);
    assert_int_equal(content_encoding(slice_of("7bit")), ENCODING_7BIT);
    assert_int_equal(content_encoding(slice_of("base64x")), ENCODING_UNKNOWN);
    assert_int_equal(content_encoding(slice_of("")), ENCODING_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_is_read_in_lower_case),
        cmocka_unit_test(parameter_is_found_and_unquoted),
        cmocka_unit_test(parameter_with_a_nul_is_none),
        cmocka_unit_test(each_parameter_in_pieces_is_told_once),
        cmocka_unit_test(encoding_is_known_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
