#include "tests/unit/decoded.h"

#include "finder/rtf.h"

#include <stdio.h>

struct heard {
    struct decoded text, html, aside;
};

static void
on_text(void *arg, struct slice octets)
{
    struct heard *h = arg;

    decoded_add(&h->text, octets);
}

static void
on_html(void *arg, struct slice octets)
{
    struct heard *h = arg;

    decoded_add(&h->html, octets);
}

static void
on_aside(void *arg, struct slice octets)
{
    struct heard *h = arg;

    decoded_add(&h->aside, octets);
}

static const struct rtf_events events = { .text = on_text, .html = on_html, .aside = on_aside };

static void
take_apart(struct slice in, size_t piece_size, struct heard *got)
{
    struct rtf r;

    rtf_init(&r, &events, got);
    for (int round = 0; round < 2; round++) {
        got->text.len = got->html.len = got->aside.len = 0;
        rtf_feed(&r, slice_of(NULL));
        for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_size).len)
            rtf_feed(&r, piece_at(in, at, piece_size));
        rtf_finish(&r);
    }
}

static const struct {
    const char  *label;
    struct slice in;
    const char  *text, *html, *aside;
} cases[] = {
    { "document",               LITERAL("{\\rtf1\\ansi\\deff0 mt1abc}"),                "mt1abc", "", "" },
    { "empty",                  LITERAL(""),                                            "", "", "" },
    { "line ends in the file",  LITERAL("{\\rtf1 mt1\r\nabc\rd\ne}"),                   "mt1abcde", "", "" },
    { "formatting in a word",   LITERAL("{\\rtf1 mt1{\\b abc}\\i d\\i0\\cf2{\\ul\\fs20 e}}"), "mt1abcde", "", "" },
    { "number, then a digit",   LITERAL("mt1\\b0 abc\\fs24 1\\li-720 2"),               "mt1abc12", "", "" },
    { "space behind a word",    LITERAL("a\\b  b\\b{}c"),                               "a bc", "", "" },
    { "line ends",              LITERAL("a\\par b\\line c\\\r\nd\\tab e\\cell f"),      "a\nb\nc\nd\te\tf", "", "" },
    { "spaces",                 LITERAL("a\\~b\\emspace c\\-d\\_e"),                    "a b cd-e", "", "" },
    { "special characters",     LITERAL("\\{\\\\\\}"),                                  "{\\}", "", "" },
    { "hexadecimal",            LITERAL("\\'6d\\'54\\'31\\'AD\\'e4"),                   "mT1\xad\xe4", "", "" },
    { "broken hexadecimal",     LITERAL("\\'6mt1\\'mt1\\'"),                            "6mt1mt1", "", "" },
    { "Unicode",                LITERAL("\\u109?\\u116?\\u49?\\u8364?"),                "mt1\xe2\x82\xac", "", "" },
    { "negative Unicode",       LITERAL("a\\u-257?b\\u-243 ?c"),                        "a\xef\xbb\xbf" "b\xef\xbc\x8d" "c", "", "" },
    { "replaced by hexadecimal", LITERAL("m\\u173\\'adt\\u8203 \\'3f1"),                "m\xc2\xadt\xe2\x80\x8b" "1", "", "" },
    { "no replacement",         LITERAL("\\uc0 m\\u173 t\\u8203{}1"),                   "m\xc2\xadt\xe2\x80\x8b" "1", "", "" },
    { "two for one",            LITERAL("\\uc2 a\\u8364 xyb\\uc1\\u8364 xb"),           "a\xe2\x82\xac" "b\xe2\x82\xac" "b", "", "" },
    { "replaced by a symbol",   LITERAL("a\\u160\\~b\\u45\\_c\\u173\\-d\\u9\\tab e"),   "a\xc2\xa0" "b-c\xc2\xad" "d\te", "", "" },
    { "restored by the group",  LITERAL("{\\uc0 a\\u98 c{\\uc1\\u100 ?e}\\u102 g}\\u104 ?"), "abcdefgh", "", "" },
    { "group ends replacement", LITERAL("\\uc9{a\\u98 xx}c"),                           "abc", "", "" },
    { "Unicode in a row",       LITERAL("\\u109\\u116\\u49?"),                          "mt1", "", "" },
    { "control words without a number", LITERAL("a\\u b\\uc c\\bin d\\u"),              "abcd", "", "" },
    { "not destinations",       LITERAL("{\\fonttbl{\\f0 Arial;}}a"),                   "Arial;a", "", "" },
    { "ignorable destination",  LITERAL("mt1{\\*\\bkmkstart x{y}z}abc{\\*\\bkmkend x}d"), "mt1abcd", "", "xyz x " },
    { "within another",         LITERAL("a{\\*\\x b{\\*\\y c}d\\'65}f"),                "af", "", "bcde " },
    { "star without a group",   LITERAL("a\\*\\x b"),                                   "ab", "", "" },
    { "star before a group",    LITERAL("{\\*{\\x a}}b{\\*}\\x c"),                     "abc", "", "" },
    { "link",
      LITERAL("{\\field{\\*\\fldinst{HYPERLINK \"https://t.example/?id=mt1%61\"}}{\\fldrslt{\\ul mt1abc}}}"),
      "mt1abc", "", "HYPERLINK \"https://t.example/?id=mt1%61\" " },
    { "link without a star",    LITERAL("a{\\fldinst HYPERLINK x\\\\y}b"),              "ab", "", "HYPERLINK x\\y " },
    { "binary",                 LITERAL("a\\bin5 {}\\\0mb\\bin0 c"),                    "abc", "", "" },
    { "groups that do not match", LITERAL("}}a{b{{c}}}}d"),                             "abcd", "", "" },
    { "octets over 127",        LITERAL("\xe9\xa3\xed"),                                "\xe9\xa3\xed", "", "" },
    { "NUL",                    LITERAL("a\0b}\0"),                                     "ab", "", "" },
    { "long word",              LITERAL("a\\abcdefghijklmnopqrstuvwxyzabcdefghijk12 b"), "ab", "", "" },
    { "long number",            LITERAL("a\\fs99999999999999999999 b\\u99999999999 ?c"), "abc", "", "" },
    { "dash behind a word",     LITERAL("a\\emdash-b\\b-1 c"),                          "a-bc", "", "" },
    { "word at the end",        LITERAL("a\\par"),                                      "a\n", "", "" },
    { "formula and index",      LITERAL("a\\|b\\:c\\;d"),                               "abc;d", "", "" },
    { "HTML",
      LITERAL("{\\rtf1\\ansi\\fromhtml1 \\deff0{\\*\\htmltag64}\r\n{\\*\\htmltag84 <a href=\"https://t.example/mt1\">}"
              "\\htmlrtf {\\field{\\*\\fldinst{HYPERLINK \"https://t.example/mt1\"}}{\\fldrslt\\cf1 \\htmlrtf0 mt1"
              "{\\*\\htmltag84 <wbr>}abc\\htmlrtf }\\htmlrtf0 {\\*\\htmltag92 </a>}\\htmlrtf\\par\\htmlrtf0}"),
      "mt1abc\n", "<a href=\"https://t.example/mt1\">mt1<wbr>abc</a>", "HYPERLINK \"https://t.example/mt1\" " },
    { "entities in HTML",
      LITERAL("{\\rtf1\\fromhtml1 m{\\*\\htmltag84 &#116;}\\htmlrtf t\\htmlrtf0 1{\\*\\htmltag84 &shy;}\\htmlrtf \\-\\htmlrtf0 a}"),
      "mt1a", "m&#116;1&shy;a", "" },
    { "escapes in HTML",        LITERAL("{\\rtf1\\fromhtml1{\\*\\htmltag19 <a b=\"\\'6d\\u116?\\{\\}\">\\par\\tab}}"),
      "", "<a b=\"mt{}\">\n\t", "" },
    { "HTML that is not announced", LITERAL("{\\rtf1 a{\\*\\htmltag64 <p>}b}"),         "ab", "<p>b", "" },
    { "rewritten tag",          LITERAL("{\\rtf1\\fromhtml1 a{\\*\\mhtmltag84 <a href=x>}b}"), "ab", "ab", "<a href=x> " },
    { "RTF alone ends with its group", LITERAL("{\\rtf1\\fromhtml1 a{\\htmlrtf b}c\\htmlrtf1 d}e"), "abcde", "ace", "" },
    { "from text",              LITERAL("{\\rtf1\\fromtext\\fromhtml0 a}"),             "a", "", "" },
};

static void
a_document_is_taken_apart(void **state)
{
    static struct heard got;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < COUNT(piece_sizes); k++) {
            char label[100];

            snprintf(label, sizeof(label), "%s, pieces of %zu", cases[i].label, piece_sizes[k]);
            take_apart(cases[i].in, piece_sizes[k], &got);
            assert_slice(label, decoded_slice(&got.text), cases[i].text);
            assert_slice(label, decoded_slice(&got.html), cases[i].html);
            if (strcmp(cases[i].label, "binary") != 0)
                assert_slice(label, decoded_slice(&got.aside), cases[i].aside);
            else
                assert_true(slice_equal(decoded_slice(&got.aside), slice_make("{}\\\0m ", 6)));
        }
    }
}

/* Deeper than what is kept for each group. */
static void
groups_nest_to_any_depth(void **state)
{
    static struct heard got;
    static char         in[40000];
    size_t              len = 0, depth = 10000;

    (void)state;
    memset(in, '{', depth);
    len = depth;
    len += (size_t)sprintf(in + len, "mt1{\\*\\x b}\\uc0 a");
    memset(in + len, '}', depth);
    len += depth;
    len += (size_t)sprintf(in + len, "\\u98 ?c");
    take_apart(slice_make(in, len), 0, &got);
    assert_slice("deep", decoded_slice(&got.text), "mt1abc");
    assert_slice("deep", decoded_slice(&got.aside), "b ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_taken_apart),
        cmocka_unit_test(groups_nest_to_any_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
