#include "tests/unit/unit.h"

#include "finder/field_search.h"
#include "finder/search.h"

#define TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"
#define FIRST "mt1d5avj000041061050r"
#define REST  "3k1qahdnkeg4mywkzf11b7"
#define WORDS "=?utf-8?Q?mt1d5avj000041061050r?= =?utf-8?B?M2sxcWFoZG5rZWc0bXl3a3pmMTFiNw==?="

static void
on_found(void *arg, const struct token *t, uint32_t places)
{
    char text[TOKEN_CHARS + 1];

    token_encode(t, text);
    if (strcmp(text, TOKEN) == 0)
        *(uint32_t *)arg |= places;
}

static const struct {
    const char      *label, *text;
    enum search_kind kind;
    uint32_t         places;
} cases[] = {
    { "plain", "x" TOKEN, SEARCH_PLAIN, PLACE_OTHER },
    { "plain sees nothing else", FIRST "\n" REST, SEARCH_PLAIN, 0 },
    { "octets", FIRST "\n" REST, SEARCH_OCTETS, PLACE_OTHER },
    { "text", "> " FIRST "\r\n> " REST, SEARCH_TEXT, PLACE_OTHER },
    { "text, encoded-words", "Subject: " WORDS, SEARCH_TEXT, PLACE_OTHER },
    { "text, encoded-words later", "a = b? ==?utf-8?Q?x?= " WORDS, SEARCH_TEXT, PLACE_OTHER },
    { "link in a text", "see http://x.example/" TOKEN " there", SEARCH_TEXT, PLACE_OTHER | PLACE_LINK },
    { "link in brackets", "<https://x.example/?t=%6Dt1d5avj000041061050r" REST ">", SEARCH_TEXT, PLACE_OTHER | PLACE_LINK },
    { "behind a link", "http://x.example/ " TOKEN, SEARCH_TEXT, PLACE_OTHER },
    { "no link", "a: " TOKEN " b:/" TOKEN, SEARCH_TEXT, PLACE_OTHER },
    { "HTML", "<p>" FIRST "<b>" REST "</b>", SEARCH_HTML, PLACE_OTHER },
    { "HTML, link", "<a href='http://x.example/" TOKEN "'>", SEARCH_HTML, PLACE_OTHER | PLACE_LINK },
    { "HTML, other attribute", "<p title='" FIRST "&shy;" REST "'>", SEARCH_HTML, PLACE_OTHER },
    { "HTML, not over attributes", "<p title='" FIRST "' id='" REST "'>", SEARCH_HTML, 0 },
    { "HTML, comment", "<!-- " TOKEN " -->", SEARCH_HTML, PLACE_OTHER },
    { "RTF", "{\\rtf1 " FIRST "{\\b " REST "}}", SEARCH_RTF, PLACE_OTHER },
    { "HTML in RTF", "{\\rtf1\\fromhtml1 {\\*\\htmltag64 <p>}" FIRST "{\\*\\htmltag84 <b>}" REST "}", SEARCH_RTF, PLACE_OTHER },
};

static void
a_text_is_searched_by_its_kind(void **state)
{
    uint32_t       found;
    struct search *s = search_new(on_found, &found);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = slice_of(cases[i].text);

        for (size_t piece = 1; piece <= text.len; piece++) {
            found = 0;
            search_begin(s, cases[i].kind, PLACE_OTHER);
            for (size_t at = 0; at < text.len; at += piece)
                search_feed(s, slice_sub(text, at, piece));
            assert_true(search_end(s));
            if (found != cases[i].places)
                fail_msg("%s in pieces of %zu: found in %x, want %x", cases[i].label, piece, found, cases[i].places);
        }
    }
    search_free(s);
    search_free(NULL);
}

static const struct {
    const char *label, *name, *value;
    bool        found;
} fields[] = {
    { "plain",               "X-A",                 " " TOKEN,                                          true  },
    { "folded",              "X-A",                 FIRST "\r\n\t" REST,                                true  },
    { "a blank within",      "Subject",             FIRST " " REST,                                     true  },
    { "encoded-words",       "Subject",             WORDS,                                              true  },
    { "a group is cut",      "Subject",             "=?x?B?bXQxZDVhdmowMDAwNDEwNjEwNTByM2s?=\r\n =?x?B?xcWFoZG5rZWc0bXl3a3pmMTFiNw==?=", true },
    { "UTF-16 in a word",    "Subject",             "=?utf-16le?Q?m=00t=001=00d=005=00a=00v=00j=00?= =?us-ascii?Q?000041061050r" REST "?=", true },
    { "soft hyphen",         "Subject",             FIRST "\xc2\xad" REST,                              true  },
    { "continued parameter", "Content-Type",        "a/b; name*0=" FIRST "; charset=x; name*1=" REST,   true  },
    { "encoded parameter",   "Content-Disposition", "attachment; filename*=utf-8''%6D" "t1d5avj000041061050r" REST, true },
    { "such in another field", "X-A",               "a/b; name*0=" FIRST "; charset=x; name*1=" REST,   false },
    { "two parameters",      "Content-Type",        "a/b; name*0=" FIRST "; other*0=" REST,             false },
};

static void
a_field_is_searched_in_all_ways(void **state)
{
    uint32_t             found;
    struct field_search *s = field_search_new(on_found, &found);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct header_field f = { .name = slice_of(fields[i].name), .value = slice_of(fields[i].value), .first = true, .last = true };

        found = 0;
        field_search_feed(s, &f, PLACE_HEADER);
        if (found != (fields[i].found ? PLACE_HEADER : 0u))
            fail_msg("%s: found in %x", fields[i].label, found);
    }
    field_search_free(s);
    field_search_free(NULL);
}

static void
on_any(void *arg, const struct token *t, uint32_t places)
{
    struct token wanted;

    (void)places;
    assert_rc("token", token_decode(slice_of(TOKEN), &wanted), MT_OK);
    if (!token_equal(t, &wanted))
        ++*(unsigned *)arg;
}

/* What joining makes of a parameter's syntax is no candidate. */
static void
parameters_give_no_look_alikes(void **state)
{
    static const char *const values[] = {
        "attachment; filename*0*=utf-8''a%20mt1d5avj000; filename*1=041061050r3k1qahdnkeg4mywkzf11b7.pdf",
        "a/b; name*0=" FIRST ";\r\n\tname*1=" REST "; charset=us-ascii",
        "a/b; name*0=\"" FIRST "\"; name*1=\"" REST "\"",
        "a/b; name=\"" FIRST "\"; other-name=" REST,
    };
    unsigned             alikes = 0;
    struct field_search *s = field_search_new(on_any, &alikes);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < COUNT(values); i++) {
        struct header_field f = { .name = slice_of("Content-Type"), .value = slice_of(values[i]), .first = true, .last = true };

        field_search_feed(s, &f, PLACE_PARAMETER);
        if (alikes != 0)
            fail_msg("%s: %u look-alikes", values[i], alikes);
    }
    field_search_free(s);
}

static void
fields_are_apart_and_pieces_of_one_are_not(void **state)
{
    uint32_t             found = 0;
    struct field_search *s = field_search_new(on_found, &found);
    struct header_field  f = { .name = slice_of("X-A"), .value = slice_of(FIRST), .first = true, .last = true };

    (void)state;
    assert_non_null(s);
    field_search_feed(s, &f, PLACE_HEADER);
    f.value = slice_of(REST " and so on, and on, and on, and on, and on");
    field_search_feed(s, &f, PLACE_HEADER);
    assert_int_equal(found, 0);
    f = (struct header_field){ .name = slice_of("X-A"), .value = slice_of(FIRST), .first = true, .last = false };
    field_search_feed(s, &f, PLACE_HEADER);
    f = (struct header_field){ .name = slice_of("X-A"), .value = slice_of(REST), .first = false, .last = true };
    field_search_feed(s, &f, PLACE_SUBJECT);
    assert_int_equal(found, PLACE_SUBJECT);
    field_search_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_searched_by_its_kind),
        cmocka_unit_test(a_field_is_searched_in_all_ways),
        cmocka_unit_test(parameters_give_no_look_alikes),
        cmocka_unit_test(fields_are_apart_and_pieces_of_one_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
