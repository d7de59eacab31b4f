#include "tests/unit/unit.h"

#include "finder/unquote.h"
#include "lib/buf.h"

static const struct {
    const char *label, *text, *want;
} cases[] = {
    { "plain",                "a b\nc\n",            "a b\nc\n"    },
    { "initials",             "AB> x\nAB> y",        "> x\n> y"    },
    { "initials of two",      "AB> CDe> x",          "> > x"       },
    { "behind a blank",       "\n ab> x",            "\n > x"      },
    { "too many letters",     "Hello> x",            "Hello> x"    },
    { "digits are none",      "a1> x",               "a1> x"       },
    { "not within a line",    "x AB> y",             "x AB> y"     },
    { "no mark behind them",  "AB\nCD x AB",         "AB\nCD x AB" },
    { "nothing but letters",  "AB",                  "AB"          },
    { "JSON",                 "x\\u0064y",           "xdy"         },
    { "JSON, soft hyphen",    "x\\u00ADy",           "x\xc2\xady"  },
    { "JavaScript",           "x\\x64y",             "xdy"         },
    { "other escapes",        "x\\n\\\\\\\"y",       "x\\n\\\\\\\"y" },
    { "too few digits",       "x\\u006 \\x6 \\u",    "x\\u006 \\x6 \\u" },
    { "one within the other", "x\\u00\\u0064",       "x\\u00d"     },
    { "at the line's start",  "\\u0064AB> ",         "dAB> "       },
};

static void
keep(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

static void
initials_and_escapes_are_taken_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice   text = slice_of(cases[i].text);
        struct unquote u;
        struct buf     out;

        buf_init(&out, 100);
        unquote_init(&u, keep, &out);
        for (size_t piece = 1; piece <= text.len; piece++) {
            for (size_t at = 0; at < text.len; at += piece)
                unquote_feed(&u, slice_sub(text, at, piece));
            unquote_finish(&u);
            assert_slice(cases[i].label, buf_slice(&out), cases[i].want);
            buf_clear(&out);
        }
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initials_and_escapes_are_taken_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
