#include "tests/unit/unit.h"

#include "meaning/html_text.h"
#include "meaning/meaning.h"
#include "meaning/own_text.h"
#include "meaning/report_fields.h"
#include "meaning/subject.h"
#include "meaning/words.h"

static void
addresses_are_found_in_fields_and_text(void **state)
{
    static const struct {
        const char *text, *field, *first;
    } rows[] = {
        { "Anna <anna@x.test>",          "anna@x.test",  "anna@x.test"   },
        { "anna@x.test (Anna)",          "anna@x.test",  "anna@x.test"   },
        { "\"a <b\" <c@x.test>",         "c@x.test",     "c@x.test"      },
        { "see a+b=c@x.test. Bye",       "a+b=c@x.test", "a+b=c@x.test"  },
        { "@ x@ @y @@ d@z.test",         "d@z.test",     "d@z.test"      },
        { "j\xc3\xbcrgen@x.test",        "j\xc3\xbcrgen@x.test", "j\xc3\xbcrgen@x.test" },
        { "<>",                          "",             ""              },
        { "nothing",                     "",             ""              },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_slice(rows[i].text, words_address_of(slice_of(rows[i].text)), rows[i].field);
        assert_slice(rows[i].text, words_address(slice_of(rows[i].text), NULL), rows[i].first);
    }
}

static void
codes_are_words_of_their_own(void **state)
{
    static const struct {
        const char *text, *status, *reply;
    } rows[] = {
        { "550 5.1.1 x",            "5.1.1",   "550" },
        { "550-5.7.26 x",           "5.7.26",  "550" },
        { "#5.7.520#",              "5.7.520", ""    },
        { "192.5.1.1 said 421",     "",        "421" },
        { "5.1.1.1 and 5.1.1234",   "",        ""    },
        { "version 5.1.1a, 15.1.1", "",        ""    },
        { "3.1.1 650 599 5500",     "",        ""    },
        { "(4.4.7)",                "4.4.7",   ""    },
        { "2.0.0",                  "2.0.0",   ""    },
        { "5.1.",                   "",        ""    },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_slice(rows[i].text, words_status(slice_of(rows[i].text)), rows[i].status);
        assert_slice(rows[i].text, words_reply_code(slice_of(rows[i].text)), rows[i].reply);
    }
}

static void
domains_are_compared_by_whole_labels(void **state)
{
    (void)state;
    assert_true(words_domain_is(slice_of("a@X.test"), "x.test"));
    assert_true(words_domain_is(slice_of("a@b.x.test"), "x.test"));
    assert_false(words_domain_is(slice_of("a@bx.test"), "x.test"));
    assert_false(words_domain_is(slice_of("a@x.test.evil.test"), "x.test"));
    assert_false(words_domain_is(slice_of("x.test"), "x.test"));
    assert_false(words_domain_is(slice_of(""), "x.test"));
}

static void
subjects_are_read_in_many_languages(void **state)
{
    static const struct {
        const char         *subject, *prefix;
        enum subject_prefix kind;
    } rows[] = {
        { "Re: x",                        "Re:",          SUBJECT_REPLY   },
        { " [EXTERNAL] {Spam?} RE: x",    "RE:",          SUBJECT_REPLY   },
        { "Re[12]: x",                    "Re[12]:",      SUBJECT_REPLY   },
        { "RE(2): x",                     "RE(2):",       SUBJECT_REPLY   },
        { "Re^2: x",                      "Re^2:",        SUBJECT_REPLY   },
        { "RE\xc2\xa0: x",                "RE\xc2\xa0:",  SUBJECT_REPLY   },
        { "Antwort: x",                   "Antwort:",     SUBJECT_REPLY   },
        { "R\xc3\xa9" "f. : x",           "R\xc3\xa9" "f. :", SUBJECT_REPLY },
        { "\xe7\xad\x94\xe5\xa4\x8d\xef\xbc\x9ax", "\xe7\xad\x94\xe5\xa4\x8d\xef\xbc\x9a", SUBJECT_REPLY },
        { "Fwd: Re: x",                   "Fwd:",         SUBJECT_FORWARD },
        { "FW: x",                        "FW:",          SUBJECT_FORWARD },
        { "TR : x",                       "TR :",         SUBJECT_FORWARD },
        { "RV: x",                        "RV:",          SUBJECT_FORWARD },
        { "I: x",                         "I:",           SUBJECT_FORWARD },
        { "VS: x",                        "VS:",          SUBJECT_EITHER  },
        { "Report: x",                    "",             SUBJECT_PLAIN   },
        { "Re x",                         "",             SUBJECT_PLAIN   },
        { "Ist: x",                       "",             SUBJECT_PLAIN   },
        { "[x",                           "",             SUBJECT_PLAIN   },
        { "",                             "",             SUBJECT_PLAIN   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice        prefix;
        enum subject_prefix kind = subject_prefix_of(slice_of(rows[i].subject), &prefix);

        if (kind != rows[i].kind)
            fail_msg("%s: got %d", rows[i].subject, (int)kind);
        assert_slice(rows[i].subject, prefix, rows[i].prefix);
    }
}

static void
add_text(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

static void
html_becomes_lines_however_it_is_cut(void **state)
{
    static const struct {
        const char *html, *text;
    } rows[] = {
        { "a<b>b</b>c",                                     "abc"                        },
        { "<p>a</p><p>b<br>c",                              "\na\n\nb\nc"                },
        { "a<style>p{}</style>b<script>x<y</script>c",      "abc"                        },
        { "<a class=\"x\" href='https://a.example/?b=1&amp;c=2'>d</a>", " <https://a.example/?b=1&c=2> d" },
        { "<a href=https://a.example/>d</a>",               " <https://a.example/> d"    },
        { "<a href=\"mailto:x\">d</a><img href=\"https://x/\">", "d"                     },
        { "&lt;&amp;&#65;&#x42;&nbsp;&shy;&unknown;&",      "<&AB &unknown;"             },
        { "a<!-- <b>x</b> -- > y -->z",                     "az"                         },
        { "a<b title=\"x>y\">c",                            "ac"                         },
        { "a < b",                                          "a "                         },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice html = slice_of(rows[i].html);

        for (size_t piece = 1; piece <= html.len; piece++) {
            struct html_text h;
            struct buf       got;

            buf_init(&got, 1000);
            html_text_init(&h, add_text, &got);
            for (size_t at = 0; at < html.len; at += piece)
                html_text_feed(&h, slice_sub(html, at, piece));
            assert_slice(rows[i].html, buf_slice(&got), rows[i].text);
            buf_fini(&got);
        }
    }
}

static void
text_is_kept_up_to_its_bound_and_in_its_charset(void **state)
{
    struct own_text t;

    (void)state;
    own_text_init(&t);
    own_text_begin(&t, false, "iso-8859-1");
    own_text_feed(&t, false, slice_of("J\xfcrgen\r\nb"));
    own_text_end(&t);
    own_text_begin(&t, false, "utf-8");
    own_text_feed(&t, false, slice_of("\xc3"));
    own_text_feed(&t, false, slice_of("\xbc"));
    own_text_end(&t);
    assert_slice("lines", own_text_said(&t), "J\xc3\xbcrgen\nb\n\xc3\xbc");
    own_text_begin(&t, false, "");
    for (unsigned i = 0; i < MEANING_TEXT_BYTES; i++)
        own_text_feed(&t, false, slice_of("\xc3\xbc\n"));
    own_text_end(&t);
    assert_true(t.plain.len <= MEANING_TEXT_BYTES && t.plain.len > MEANING_TEXT_BYTES - 4);
    assert_true(utf8_is_valid(buf_slice(&t.plain)));
    own_text_clear(&t);
    assert_int_equal(own_text_said(&t).len, 0);
    own_text_fini(&t);
}

static void
report_fields_are_bounded_and_unfolded(void **state)
{
    struct report_fields r;

    (void)state;
    report_fields_init(&r);
    report_fields_feed(&r, slice_of("Reporting-MTA: dns; a.example\n\nAction: failed\nDiagnostic-Code: smtp; 550\n x;\n\ty\nX-Long: "));
    for (unsigned i = 0; i < 100000; i++)
        report_fields_feed(&r, slice_of("Status: 9.9.9 "));
    report_fields_feed(&r, slice_of("\nStatus: 5.1.1 (x)\nFinal-Recipient: rfc822;<a@b.example>\nRemote-MTA: dns;"));
    report_fields_end(&r);
    assert_true(r.has_best);
    assert_string_equal(r.host, "a.example");
    assert_string_equal(r.best.diagnostic, "550 x;\ty");
    assert_string_equal(r.best.status, "5.1.1");
    assert_string_equal(r.best.recipient, "a@b.example");
    assert_string_equal(r.best.refused_by, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_found_in_fields_and_text),
        cmocka_unit_test(codes_are_words_of_their_own),
        cmocka_unit_test(domains_are_compared_by_whole_labels),
        cmocka_unit_test(subjects_are_read_in_many_languages),
        cmocka_unit_test(html_becomes_lines_however_it_is_cut),
        cmocka_unit_test(text_is_kept_up_to_its_bound_and_in_its_charset),
        cmocka_unit_test(report_fields_are_bounded_and_unfolded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
