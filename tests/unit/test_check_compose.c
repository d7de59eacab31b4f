#include "tests/unit/unit.h"

#include "checker/compose.h"
#include "finder/finder.h"

#include <sodium.h>

#define TOKEN "mt10123456789abcdefghjkmnpqrstvwxyz01234567"

static const struct letter letter = {
    .token = TOKEN,
    .mailbox = "acme",
    .from = "acme+check@mailtest1.test",
    .to = "user@customer.test",
    .now_unix = 1795231800,     /* 2026-11-21 03:30:00 UTC, a Saturday */
    .auto_submitted = true,
};

static bool
contains(struct slice text, const char *line)
{
    return slice_find_nocase(text, slice_of(line)) < text.len;
}

static void
the_letter_is_a_whole_message_with_the_token_in_four_places(void **state)
{
    struct buf    out;
    struct slice  text;
    struct letter other = letter;

    (void)state;
    buf_init(&out, 16384);
    compose_letter(&out, &letter);
    assert_int_equal(out.fault, MT_OK);
    text = buf_slice(&out);
    assert_true(slice_starts(text, "Date: Sat, 21 Nov 2026 03:30:00 +0000\r\n"));
    assert_true(contains(text, "\r\nFrom: Mailtest <acme+check@mailtest1.test>\r\n"));
    assert_true(contains(text, "\r\nTo: <user@customer.test>\r\n"));
    assert_true(contains(text, "\r\nSubject: Mailtest " TOKEN "\r\n"));
    assert_true(contains(text, "\r\nMessage-ID: <" TOKEN "@mailtest1.test>\r\n"));
    assert_true(contains(text, "\r\nX-Mailtest-Token: " TOKEN "\r\n"));
    assert_true(contains(text, "\r\nToken: " TOKEN "\r\n"));
    assert_true(contains(text, "\r\nAuto-Submitted: auto-generated\r\n"));
    other.auto_submitted = false;
    buf_clear(&out);
    compose_letter(&out, &other);
    assert_false(contains(buf_slice(&out), "Auto-Submitted"));
    buf_fini(&out);
}

static void
lines_end_in_crlf_and_are_short(void **state)
{
    struct buf out;
    size_t     begin = 0;

    (void)state;
    buf_init(&out, 16384);
    compose_letter(&out, &letter);
    for (size_t i = 0; i < out.len; i++) {
        assert_true((unsigned char)out.data[i] < 0x80);
        if (out.data[i] == '\n') {
            assert_true(i > 0 && out.data[i - 1] == '\r');
            assert_true(i - begin <= 80);
            begin = i + 1;
        } else {
            assert_true(out.data[i] != '\r' || out.data[i + 1] == '\n');
        }
    }
    assert_int_equal(begin, out.len);
    buf_fini(&out);
}

/* What the receiver looks for is what the checker writes. */
static void
the_finder_finds_the_token_in_all_places(void **state)
{
    struct finder *f = finder_new();
    struct parsed  parsed;
    struct buf     out;

    (void)state;
    assert_non_null(f);
    buf_init(&out, 16384);
    compose_letter(&out, &letter);
    finder_feed(f, buf_slice(&out));
    finder_finish(f, &parsed);
    assert_int_equal(parsed.candidate_count, 1);
    assert_int_equal(parsed.candidates[0].found_in, PLACE_SUBJECT | PLACE_MESSAGE_ID | PLACE_OWN_HEADER | PLACE_TEXT);
    assert_int_equal(parsed.traits, 0);
    buf_fini(&out);
    finder_free(f);
}

static void
addresses_that_could_break_a_line_are_refused(void **state)
{
    static const struct { const char *text; bool fit; } cases[] = {
        { "user@customer.test",     true  },
        { "u+x.y_z=a@b",            true  },
        { "u@[192.0.2.1]",          true  },
        { "u@[IPv6:2001:db8::1]",   true  },
        { "u@xn--bcher-kva.test",   true  },
        { "@b",                     false },
        { "u@",                     false },
        { "ub",                     false },
        { "",                       false },
        { "a@b@c",                  false },
        { "a b@c",                  false },
        { "\"a b\"@c",              false },
        { "a@c\r\nX: y",            false },
        { "a>@c",                   false },
        { "a@b c",                  false },
        { "a@b;c",                  false },
        { "a@b\xc3\xbc.test",       false },
        { "\xc3\xbc@b.test",        false },
        { "a@b:25",                 false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (compose_address_is_fit(slice_of(cases[i].text)) != cases[i].fit)
            fail_msg("%s", cases[i].text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_letter_is_a_whole_message_with_the_token_in_four_places),
        cmocka_unit_test(lines_end_in_crlf_and_are_short),
        cmocka_unit_test(the_finder_finds_the_token_in_all_places),
        cmocka_unit_test(addresses_that_could_break_a_line_are_refused),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
