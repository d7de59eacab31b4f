#include "tests/unit/contents.h"

#include "finder/mapi.h"

#define STRING(literal) { literal, sizeof(literal) - 1 }

/* By tag: an identifier and a type as MS-OXPROPS has them. */
static const struct {
    const char  *label;
    uint32_t     tag;
    struct slice value;
    const char  *want;
} cases[] = {
    { "subject, 8 bits",            0x0037001e, STRING("mt1\0"),                   "field()=mt1\\x00|"            },
    { "subject, UTF-16",            0x0037001f, STRING("m\0t\0\0\0"),              "field()=mt|"                  },
    { "subject, UTF-16, an octet over", 0x0037001f, STRING("m\0t"),                "field()=m|"                   },
    { "two octets of UTF-8",        0x0037001f, STRING("\x80\x00\xff\x07"),        "field()=\\xc2\\x80\\xdf\\xbf|" },
    { "three octets of UTF-8",      0x0037001f, STRING("\x00\x08\xff\xff"),        "field()=\\xe0\\xa0\\x80\\xef\\xbf\\xbf|" },
    { "four octets of UTF-8",       0x0037001f, STRING("\x00\xd8\x00\xdc\xff\xdb\xff\xdf"),
      "field()=\\xf0\\x90\\x80\\x80\\xf4\\x8f\\xbf\\xbf|" },
    { "half a character",           0x0037001f, STRING("\x3d\xd8" "a\0"),        "field()=\\xef\\xbf\\xbda|"  },
    { "half a character at the end", 0x0037001f, STRING("a\0\x3d\xd8"),          "field()=a\\xef\\xbf\\xbd|"  },
    { "Message-ID",                 0x1035001e, STRING("<a@b>"),                   "field()=<a@b>|"               },
    { "transport headers",          0x007d001e, STRING("A: b"),                    "message()=A: b|"              },
    { "body",                       0x1000001f, STRING("b\0"),                     "text()=b|"                    },
    { "HTML, 8 bits",               0x1013001e, STRING("<p>"),                     "html()=<p>|"                  },
    { "HTML, octets",               0x10130102, STRING("<p>"),                     "html()=<p>|"                  },
    { "RTF",                        0x10090102, STRING("\0\0\0\0\0\0\0\0MELA\0\0\0\0{}"), "rtf()={}|"             },
    { "RTF, nothing in it",         0x10090102, STRING(""),                        "rtf()=|"                      },
    { "attached file",              0x37010102, STRING("abc"),                     "unknown(file)=abc|"           },
    { "attached message",           0x3701000d, STRING("\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46" "abc"), "tnef()=abc|" },
    { "attached storage",           0x3701000d, STRING("\x0b\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46" "abc"),     "unknown()=abc|" },
    { "attached, too short",        0x3701000d, STRING("\x0b\0\0\0"),              ""                             },
    { "file name",                  0x3707001e, STRING("a.eml"),                   "field()=a.eml|"               },
    { "named, one of many strings", 0x8123101f, STRING("x\0"),                     "field()=x|"                   },
    { "an entry identifier",        0x0fff0102, STRING("abc"),                     ""                             },
    { "a number",                   0x00370003, STRING("abcd"),                    ""                             },
    { "another object",             0x000f000d, STRING("0123456789abcdefghij"),    ""                             },
};

static uint32_t tag;

static void
run(struct contents *c, struct slice value, size_t piece)
{
    struct mapi_value v;

#define FEED(part) mapi_value_feed(&v, (part))
    mapi_value_init(&v, &contents_events, c);
    mapi_value_begin(&v, tag, slice_of("file"));
    CONTENTS_FEED(value, piece, FEED);
    mapi_value_end(&v);
    mapi_value_end(&v);
#undef FEED
}

static void
values_are_told_by_their_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        tag = cases[i].tag;
        assert_contents(cases[i].label, run, cases[i].value, cases[i].want);
    }
}

static void
a_long_string_is_converted_throughout(void **state)
{
    enum { UNITS = 5000 };
    char       value[2 * UNITS], want[UNITS + 1];
    struct buf got;

    (void)state;
    for (size_t i = 0; i < UNITS; i++) {
        memcpy(value + 2 * i, "a", 2);
        want[i] = 'a';
    }
    want[UNITS] = '\0';
    tag = 0x1000001f;
    got = contents_of(run, slice_make(value, sizeof(value)), SIZE_MAX);
    assert_slice("all", slice_sub(buf_slice(&got), strlen("text()="), UNITS), want);
    assert_int_equal(got.len, strlen("text()=|") + UNITS);
    buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_told_by_their_tags),
        cmocka_unit_test(a_long_string_is_converted_throughout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
