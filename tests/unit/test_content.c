#include "tests/unit/unit.h"

#include "finder/content.h"

#define BYTES(string) { string, sizeof(string) - 1 }
#define BASE64_LINE   "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==\r\n"

static const struct {
    const char       *label;
    enum content_kind kind;
    const char       *type, *name;
    struct slice      begin;
    enum content_form form;
    uint32_t          place;
    bool              attached;
} cases[] = {
    { "text", CONTENT_UNKNOWN, "text/plain", "", BYTES("Hello"), FORM_TEXT, PLACE_TEXT, false },
    { "empty", CONTENT_UNKNOWN, "text/plain", "", BYTES(""), FORM_TEXT, PLACE_TEXT, false },
    { "calendar", CONTENT_UNKNOWN, "text/calendar", "", BYTES("BEGIN:VCALENDAR\r\n"), FORM_TEXT, PLACE_TEXT, false },
    { "HTML", CONTENT_UNKNOWN, "text/html", "", BYTES("Hello"), FORM_HTML, PLACE_HTML, false },
    { "enriched", CONTENT_UNKNOWN, "text/enriched", "", BYTES("<bold>"), FORM_HTML, PLACE_TEXT, false },
    { "HTML labelled plain", CONTENT_UNKNOWN, "text/plain", "", BYTES("\r\n <HTML><body>"), FORM_HTML, PLACE_HTML, false },
    { "HTML in UTF-16", CONTENT_UNKNOWN, "text/plain", "", BYTES("\xff\xfe<\0h\0t\0m\0l\0>\0"), FORM_HTML, PLACE_HTML, false },
    { "HTML behind a byte order mark", CONTENT_UNKNOWN, "", "", BYTES("\xef\xbb\xbf<!DOCTYPE html>"), FORM_HTML, PLACE_OTHER, false },
    { "a lone bracket is no HTML", CONTENT_UNKNOWN, "text/plain", "", BYTES("1 < 2 <x@y> <"), FORM_TEXT, PLACE_TEXT, false },
    { "RTF", CONTENT_UNKNOWN, "text/rtf", "", BYTES("{\\rtf1"), FORM_RTF, PLACE_TEXT, false },
    { "RTF by its begin", CONTENT_UNKNOWN, "application/msword", "a.doc", BYTES("{\\rtf1"), FORM_RTF, PLACE_OTHER, false },
    { "attached message", CONTENT_UNKNOWN, "message/rfc822", "", BYTES("Subject: x\r\n"), FORM_MESSAGE, PLACE_OTHER, true },
    { "attached message in base64", CONTENT_UNKNOWN, "message/rfc822", "", BYTES(BASE64_LINE BASE64_LINE), FORM_BASE64, PLACE_OTHER, true },
    { "returned header", CONTENT_UNKNOWN, "text/rfc822-headers", "", BYTES("X: y\r\n"), FORM_MESSAGE, PLACE_TEXT, true },
    { "message by its name", CONTENT_UNKNOWN, "application/octet-stream", "Mail.EML", BYTES("x y"), FORM_MESSAGE, PLACE_OTHER, true },
    { "message by its begin", CONTENT_UNKNOWN, "application/octet-stream", "", BYTES("From: a@b\r\n"), FORM_MESSAGE, PLACE_OTHER, true },
    { "message behind a From line", CONTENT_UNKNOWN, "", "", BYTES("From a@b Tue\nDate: x\n"), FORM_MESSAGE, PLACE_OTHER, true },
    { "message in a text", CONTENT_UNKNOWN, "text/plain", "", BYTES("Received: from a\r\n"), FORM_MESSAGE, PLACE_TEXT, true },
    { "what people quote is a text", CONTENT_UNKNOWN, "text/plain", "", BYTES("From: a\r\nSubject: b\r\n"), FORM_TEXT, PLACE_TEXT, false },
    { "delivery status", CONTENT_UNKNOWN, "message/delivery-status", "", BYTES("Reporting-MTA: dns;x\r\n"), FORM_TEXT, PLACE_REPORT, false },
    { "gzip whatever its label", CONTENT_UNKNOWN, "text/plain", "a.txt", BYTES("\x1f\x8b\x08\0"), FORM_GZIP, PLACE_TEXT, false },
    { "zip", CONTENT_UNKNOWN, "application/zip", "", BYTES("PK\3\4"), FORM_ZIP, PLACE_OTHER, false },
    { "zip behind something else", CONTENT_UNKNOWN, "application/zip", "", BYTES("MZ\1\2\3"), FORM_ZIP, PLACE_OTHER, false },
    { "zip behind something else, by its name", CONTENT_UNKNOWN, "", "a.ZIP", BYTES("MZ\1\2\3"), FORM_ZIP, PLACE_OTHER, false },
    { "TNEF", CONTENT_UNKNOWN, "application/octet-stream", "winmail.dat", BYTES("\x78\x9f\x3e\x22"), FORM_TNEF, PLACE_OTHER, false },
    { "TNEF within TNEF", CONTENT_TNEF, "", "", BYTES("\0"), FORM_TNEF, PLACE_OTHER, false },
    { "compound file", CONTENT_UNKNOWN, "", "a.msg", BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), FORM_COMPOUND_FILE, PLACE_OTHER, true },
    { "PKCS #7 by its type", CONTENT_UNKNOWN, "application/pkcs7-mime", "", BYTES("0\x80"), FORM_PKCS7, PLACE_OTHER, false },
    { "PKCS #7 by its name", CONTENT_UNKNOWN, "application/octet-stream", "smime.P7M", BYTES("0\x80"), FORM_PKCS7, PLACE_OTHER, false },
    { "no PKCS #7", CONTENT_UNKNOWN, "application/octet-stream", "", BYTES("0\x80"), FORM_OCTETS, PLACE_OTHER, false },
    { "base64 without a label", CONTENT_UNKNOWN, "text/plain", "", BYTES(BASE64_LINE BASE64_LINE), FORM_BASE64, PLACE_TEXT, false },
    { "base64, cut", CONTENT_UNKNOWN, "text/plain", "", BYTES(BASE64_LINE "QUJD"), FORM_BASE64, PLACE_TEXT, false },
    { "one word is no base64", CONTENT_UNKNOWN, "text/plain", "", BYTES("QUJDREVG\r\n"), FORM_TEXT, PLACE_TEXT, false },
    { "base64 with a text behind it", CONTENT_UNKNOWN, "text/plain", "", BYTES("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk\r\nQU\r\nHello there\r\n"),
      FORM_TEXT, PLACE_TEXT, false },
    { "picture", CONTENT_UNKNOWN, "image/jpeg", "", BYTES("abc"), FORM_BINARY, PLACE_OTHER, false },
    { "PDF", CONTENT_UNKNOWN, "application/octet-stream", "", BYTES("%PDF-1.7"), FORM_BINARY, PLACE_OTHER, false },
    { "binary", CONTENT_UNKNOWN, "application/octet-stream", "", BYTES("\1\2\3\4\5\6\7\x0e\x0f\x10"), FORM_BINARY, PLACE_OTHER, false },
    { "text without a label", CONTENT_UNKNOWN, "application/octet-stream", "", BYTES("Hello\r\n"), FORM_OCTETS, PLACE_OTHER, false },
    { "text by its name", CONTENT_UNKNOWN, "application/octet-stream", "a.TXT", BYTES("Hello\r\n"), FORM_TEXT, PLACE_OTHER, false },
    { "web page by its name", CONTENT_UNKNOWN, "application/octet-stream", "a.htm", BYTES("Hello\r\n"), FORM_HTML, PLACE_OTHER, false },
    { "text of a container", CONTENT_TEXT, "", "", BYTES("Hello"), FORM_TEXT, PLACE_TEXT, false },
    { "HTML of a container", CONTENT_HTML, "", "", BYTES("Hello"), FORM_HTML, PLACE_HTML, false },
    { "RTF of a container", CONTENT_RTF, "", "", BYTES("Hello"), FORM_RTF, PLACE_TEXT, false },
    { "field of a container", CONTENT_FIELD, "", "", BYTES("PK\3\4"), FORM_FIELD, PLACE_HEADER, false },
    { "message of a container", CONTENT_MESSAGE, "", "", BYTES(BASE64_LINE), FORM_MESSAGE, PLACE_OTHER, true },
};

static void
a_content_is_what_it_says_and_looks_like(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct content    c;
        enum content_form form;

        content_set(&c, cases[i].kind, cases[i].type, slice_of(cases[i].name));
        form = content_form(&c, cases[i].begin);
        if (form != cases[i].form)
            fail_msg("%s: form %d, want %d", cases[i].label, form, cases[i].form);
        if (content_place(&c, form) != cases[i].place)
            fail_msg("%s: place %x, want %x", cases[i].label, content_place(&c, form), cases[i].place);
        if (content_is_attached(&c, form) != cases[i].attached)
            fail_msg("%s: attached is wrong", cases[i].label);
    }
}

static void
of_a_long_name_its_end_is_kept(void **state)
{
    struct content c;

    (void)state;
    content_set(&c, CONTENT_UNKNOWN, "application/octet-stream", slice_of("a name that is longer than what is kept of names.html "));
    assert_string_equal(c.name, &"er than what is kept of names.html"[4]);
    assert_int_equal(content_form(&c, slice_of("x")), FORM_HTML);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_content_is_what_it_says_and_looks_like),
        cmocka_unit_test(of_a_long_name_its_end_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
