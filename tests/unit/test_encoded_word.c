#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/encoded_word.h"

/* Decoded text with each change of charset marked: "{utf-8}text{}text". */
struct decoded {
    struct buf text;
    char       charset[ENCODED_WORD_CHARSET_CHARS + 1];
};

static void
on_octets(void *arg, const char *charset, struct slice octets)
{
    struct decoded *d = arg;

    if (strcmp(d->charset, charset) != 0) {
        buf_printf(&d->text, "{%s}", charset);
        slice_copy(d->charset, sizeof(d->charset), slice_of(charset));
    }
    buf_append_slice(&d->text, octets);
}

static const struct {
    const char *label, *in, *out;
} cases[] = {
    { "none",                     "plain = text ?= =?",                   "plain = text ?= =?"         },
    { "Q",                        "=?utf-8?Q?caf=C3=A9_au_lait?=",        "{utf-8}caf\xc3\xa9 au lait" },
    { "B",                        "=?UTF-8?B?Y2Fmw6k=?=",                 "{UTF-8}caf\xc3\xa9"         },
    { "B, lower case, no padding", "=?utf-8?b?Y2Fmw6k?=",                 "{utf-8}caf\xc3\xa9"         },
    { "text around",              "Re: =?us-ascii?Q?a?= b",               "Re: {us-ascii}a{} b"        },
    { "adjacent words",           "=?utf-8?Q?mt1?= =?utf-8?Q?abc?=",      "{utf-8}mt1abc"              },
    { "adjacent, folded",         "=?utf-8?Q?mt1?=\r\n =?utf-8?B?YWJj?=", "{utf-8}mt1abc"              },
    { "adjacent, no space",       "=?utf-8?Q?mt1?==?utf-8?Q?abc?=",       "{utf-8}mt1abc"              },
    { "two charsets",             "=?utf-8?Q?a?= =?koi8-r?Q?b?=",         "{utf-8}a{koi8-r}b"          },
    { "language",                 "=?us-ascii*en?Q?a?=",                  "{us-ascii}a"                },
    { "text between words",       "=?utf-8?Q?a?= x =?utf-8?Q?b?=",        "{utf-8}a{} x {utf-8}b"      },
    { "touching text",            "x=?utf-8?Q?a?=y",                      "x{utf-8}a{}y"               },
    { "? in Q",                   "=?utf-8?Q?a?b?" "?=",                     "{utf-8}a?b?"                },
    { "space in Q",               "=?utf-8?Q?a b?=",                      "{utf-8}a b"                 },
    { "bad digits in Q",          "=?utf-8?Q?1=zz=4?=",                   "{utf-8}1=zz=4"              },
    { "empty word",               "a =?utf-8?Q?" "?= b",                     "a  b"                       },
    { "no such encoding",         "=?utf-8?X?a?=",                        "=?utf-8?X?a?="              },
    { "charset with a space",     "=?ut f?Q?a?=",                         "=?ut f?Q?a?="               },
    { "charset too long",         "=?01234567890123456789012345678901234567890123456789?Q?a?=",
                                  "=?01234567890123456789012345678901234567890123456789?Q?a?=" },
    { "no word behind a word",    "=?utf-8?Q?a?=\r\n =?utf",              "{utf-8}a{} =?utf"           },
    { "ends in a charset",        "=?utf-8",                              "=?utf-8"                    },
    { "ends in a word",           "=?utf-8?Q?abc",                        "{utf-8}abc"                 },
    { "signs in a row",           "==?=?=?utf-8?Q?a?=",                   "==?=?{utf-8}a"              },
};

static void
words_decode_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice in = slice_of(cases[i].in);

        for (size_t piece = 1; piece <= in.len; piece++) {
            struct decoded      d = { .charset = "" };
            struct encoded_word e;

            buf_init(&d.text, 1000);
            encoded_word_init(&e, on_octets, &d);
            for (size_t at = 0; at < in.len; at += piece)
                encoded_word_feed(&e, slice_sub(in, at, piece));
            encoded_word_finish(&e);
            assert_slice(cases[i].label, buf_slice(&d.text), cases[i].out);
            buf_fini(&d.text);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(words_decode_however_the_text_is_cut) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
