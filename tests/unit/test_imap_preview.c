#include "imapd/imap_header.h"
#include "imapd/imap_preview.h"
#include "finder/finder.h"
#include "lib/utf8.h"
#include "tests/unit/imap_syntax.h"
#include "tests/unit/unit.h"

#include <sodium.h>

#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define HTML  "Content-Type: text/html; charset=utf-8\r\n\r\n"
#define TWO(type) "Content-Type: multipart/" type "; boundary=b\r\n\r\n--b\r\n"

static const struct {
    const char *label, *mail, *want;
} rows[] = {
    { "plain",               PLAIN "Hello,\r\n\r\n  the   world.\r\n",                          "\"Hello, the world.\"" },
    { "no type",             "Subject: x\r\n\r\nHello\r\n",                                    "\"Hello\"" },
    { "an empty body",       PLAIN,                                                            "\"\"" },
    { "white space alone",   PLAIN "\r\n \t\r\n",                                              "\"\"" },
    { "quoted lines",        PLAIN "> old\r\nNew.\r\n> older\r\n",                              "\"New.\"" },
    { "only quoted lines",   PLAIN "> old\r\n",                                                "\"> old\"" },
    { "a quote in it",       PLAIN "say \"x\" \\",                                             "\"say \\\"x\\\" \\\\\"" },
    { "UTF-8",               PLAIN "K\xc3\xb6ln",                                              "{5}\r\nK\xc3\xb6ln" },
    { "Latin-1",             "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nK\xf6ln",    "{5}\r\nK\xc3\xb6ln" },
    { "Windows-1251",        "Content-Type: text/plain; charset=windows-1251\r\n\r\n\xcf",     "{2}\r\n\xd0\x9f" },
    { "base64",              "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n",          "\"hello\"" },
    { "quoted-printable",    "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc", "\"a=bc\"" },
    { "HTML",                HTML "<html><head><title>T</title><style>p { }</style></head><p>One</p><p>Two <a href=\"http://x.test/\">link</a></p>",
                             "\"One Two link\"" },
    { "HTML's characters",   HTML "a&amp;b &lt;i&gt; &#65;&#x42; &nosuch; &",                  "\"a&b <i> AB &nosuch; &\"" },
    { "HTML's letters",      HTML "&Uuml;ber&nbsp;&mdash;&yuml;",                              "{11}\r\n\xc3\x9c" "ber \xe2\x80\x94\xc3\xbf" },
    { "what fills the place", HTML "Hi&zwnj;&nbsp;&zwnj;&nbsp;&#8203;<br>there",               "\"Hi there\"" },
    { "a comment",           HTML "<!-- no --> <script>no()</script>yes",                      "\"yes\"" },
    { "alternative",         TWO("alternative") HTML "<p>html</p>\r\n--b\r\n" PLAIN "plain\r\n--b--\r\n", "\"plain\"" },
    { "HTML and a file",     TWO("mixed") HTML "<p>html</p>\r\n--b\r\n" PLAIN "file\r\n--b--\r\n", "\"html\"" },
    { "no text",             TWO("mixed") "Content-Type: image/png\r\n\r\nx\r\n--b--\r\n",     "\"\"" },
    { "an attached message", TWO("mixed") "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner\r\n--b--\r\n", "\"inner\"" },
    { "control characters",  PLAIN "a\x01\x02" "b\x7f" "c",                                    "\"a b c\"" },
    { "no characters",       PLAIN "a\xff\xfe",                                                "{7}\r\na\xef\xbf\xbd\xef\xbf\xbd" },
};

/* As at the mail's arrival, without a database. */
static void
preview(struct slice mail, struct buf *out)
{
    struct finder      *finder = finder_new();
    struct imap_message m = { .memory = mail };
    struct parsed       parsed;

    assert_non_null(finder);
    finder_feed(finder, mail);
    finder_finish(finder, &parsed);
    m.record.body_bytes = mail.len;
    m.record.parsed.parts = parsed.parts;
    assert_int_equal(imap_put_preview(out, &m), 0);
    assert_true(syntax_is_value(buf_slice(out)));
    imap_message_close(&m);
    finder_free(finder);
}

static void
a_preview_is_what_the_message_says_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf got;

        buf_init(&got, 10000);
        preview(slice_of(rows[i].mail), &got);
        assert_slice(rows[i].label, buf_slice(&got), rows[i].want);
        buf_fini(&got);
    }
}

static void
a_preview_has_at_most_200_characters_and_ends_with_a_whole_one(void **state)
{
    struct buf   mail, got;
    struct slice rest;
    unsigned     characters = 0;

    (void)state;
    buf_init(&mail, 1000000);
    buf_init(&got, 10000);
    buf_append_string(&mail, PLAIN);
    for (unsigned i = 0; i < 100000; i++)
        buf_append_string(&mail, "\xe2\x82\xac");
    preview(buf_slice(&mail), &got);
    rest = slice_sub(buf_slice(&got), strlen("{600}\r\n"), got.len);
    for (; rest.len > 0; characters++) {
        assert_true(utf8_char_len(rest) == 3);
        rest = slice_sub(rest, 3, rest.len);
    }
    assert_int_equal(characters, IMAP_PREVIEW_CHARACTERS);
    buf_fini(&mail);
    buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preview_is_what_the_message_says_first),
        cmocka_unit_test(a_preview_has_at_most_200_characters_and_ends_with_a_whole_one),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
