#include "tests/unit/unit.h"

#include "checker/imap_response.h"

#include <stdlib.h>

/* ---- Whole responses ---------------------------------------------------------------------------------------------- */

static const struct { const char *label, *in; int rc; size_t len; } wholes[] = {
    { "a line",                      "* OK fine\r\n* NO",                            MT_OK,     11 },
    { "a line with a bare LF",       "* OK fine\nx",                                 MT_OK,     10 },
    { "no line end yet",             "* OK fine\r",                                  MT_EAGAIN, 0  },
    { "nothing",                     "",                                             MT_EAGAIN, 0  },
    { "a literal",                   "* 1 FETCH (BODY[] {3}\r\nabc)\r\nx",           MT_OK,     29 },
    { "a literal with line ends",    "* 1 FETCH (BODY[] {4}\r\n\r\n\r\n)\r\n",       MT_OK,     30 },
    { "two literals",                "* L {1}\r\nx {2}\r\nyz\r\n",                   MT_OK,     20 },
    { "a literal that is cut",       "* 1 FETCH (BODY[] {3}\r\nab",                  MT_EAGAIN, 0  },
    { "a literal without its rest",  "* 1 FETCH (BODY[] {3}\r\nabc",                 MT_EAGAIN, 0  },
    { "non-synchronizing",           "* L {1+}\r\nx\r\n",                            MT_OK,     13 },
    { "an empty literal",            "* L {0}\r\n\r\n",                              MT_OK,     11 },
    { "braces without a number",     "* OK {x}\r\n",                                 MT_OK,     10 },
    { "a literal over the bound",    "* L {99999999}\r\n",                           MT_ESIZE,  0  },
    { "a literal of 33 bits",        "* L {8589934592}\r\n",                         MT_ESIZE,  0  },
};

static void
responses_end_behind_their_last_literal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wholes); i++) {
        size_t len = 0;

        assert_rc(wholes[i].label, imap_response_find(slice_of(wholes[i].in), &len), wholes[i].rc);
        if (len != wholes[i].len)
            fail_msg("%s: got %zu octets, want %zu", wholes[i].label, len, wholes[i].len);
    }
}

static void
a_line_has_a_bound_and_no_nul(void **state)
{
    size_t size = IMAP_LINE_BYTES + 16, len;
    char  *text = malloc(size);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', size);
    assert_rc("endless", imap_response_find(slice_make(text, size), &len), MT_ESIZE);
    assert_rc("not yet", imap_response_find(slice_make(text, IMAP_LINE_BYTES), &len), MT_EAGAIN);
    assert_rc("NUL", imap_response_find(slice_make("* OK \0\r\n", 8), &len), MT_ESYNTAX);
    free(text);
}

/* ---- What they are ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *label, *in;
    int         rc;
    enum imap_kind kind;
    enum imap_condition condition;
    uint32_t    number;
    const char *tag, *name, *code, *text;
} responses[] = {
    { "tagged",      "m1 OK done\r\n",                    MT_OK, IMAP_TAGGED,   IMAP_OK,   0, "m1", "OK",     "",           "done" },
    { "with a code", "m2 NO [AUTHENTICATIONFAILED] no\r\n", MT_OK, IMAP_TAGGED, IMAP_NO,   0, "m2", "NO",     "AUTHENTICATIONFAILED", "no" },
    { "number",      "* 5 EXISTS\r\n",                    MT_OK, IMAP_UNTAGGED, IMAP_NONE, 5, "*",  "EXISTS", "",           ""     },
    { "code number", "* OK [UIDNEXT 7] next\r\n",         MT_OK, IMAP_UNTAGGED, IMAP_OK,   0, "*",  "OK",     "UIDNEXT 7",  "next" },
    { "BYE",         "* BYE\r\n",                         MT_OK, IMAP_UNTAGGED, IMAP_BYE,  0, "*",  "BYE",    "",           ""     },
    { "search",      "* SEARCH 1 2\r\n",                  MT_OK, IMAP_UNTAGGED, IMAP_NONE, 0, "*",  "SEARCH", "",           "1 2"  },
    { "continue",    "+ abc=\r\n",                        MT_OK, IMAP_CONTINUE, IMAP_NONE, 0, "",   "",       "",           "abc=" },
    { "bare plus",   "+\r\n",                             MT_OK, IMAP_CONTINUE, IMAP_NONE, 0, "",   "",       "",           ""     },
    { "open code",   "m1 OK [ALERT never closed\r\n",     MT_OK, IMAP_TAGGED,   IMAP_OK,   0, "m1", "OK",     "",           "[ALERT never closed" },
    { "a tagged word", "m1 SEARCH\r\n",                   MT_ESYNTAX, 0, 0, 0, "", "", "", "" },
    { "empty",       "\r\n",                              MT_ESYNTAX, 0, 0, 0, "", "", "", "" },
    { "a tag alone", "m1\r\n",                            MT_ESYNTAX, 0, 0, 0, "", "", "", "" },
};

static void
a_response_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(responses); i++) {
        struct imap_response r = { .number = 0 };

        assert_rc(responses[i].label, imap_response_parse(slice_of(responses[i].in), &r), responses[i].rc);
        if (responses[i].rc != MT_OK)
            continue;
        assert_int_equal(r.kind, responses[i].kind);
        assert_int_equal(r.condition, responses[i].condition);
        assert_int_equal(r.number, responses[i].number);
        assert_slice(responses[i].label, r.tag, responses[i].tag);
        assert_slice(responses[i].label, r.name, responses[i].name);
        assert_slice(responses[i].label, r.code, responses[i].code);
        assert_slice(responses[i].label, r.text, responses[i].text);
    }
}

static void
codes_and_words_are_found_without_case(void **state)
{
    uint32_t n = 0;

    (void)state;
    assert_true(imap_code_is(slice_of("read-only"), "READ-ONLY"));
    assert_false(imap_code_is(slice_of("READ-ONLYX"), "READ-ONLY"));
    assert_true(imap_code_number(slice_of("UIDNEXT 4294967295"), "UIDNEXT", &n));
    assert_int_equal(n, UINT32_MAX);
    assert_false(imap_code_number(slice_of("UIDNEXT 4294967296"), "UIDNEXT", &n));
    assert_false(imap_code_number(slice_of("UIDNEXT"), "UIDNEXT", &n));
    assert_true(imap_has_word(slice_of("IMAP4rev1 uidplus"), "UIDPLUS"));
    assert_false(imap_has_word(slice_of("IMAP4rev1 UIDPLUSX"), "UIDPLUS"));
}

static void
numbers_of_a_search_end_at_what_is_none(void **state)
{
    struct slice rest = slice_of("3 17  4294967295 x 5");
    uint32_t     n, sum = 0, count = 0;

    (void)state;
    while (imap_number_next(&rest, &n)) {
        sum ^= n;
        count++;
    }
    assert_int_equal(count, 3);
    assert_int_equal(sum, 3u ^ 17u ^ UINT32_MAX);
}

/* ---- FETCH and LIST ----------------------------------------------------------------------------------------------- */

static const struct { const char *label, *in; int rc; uint32_t uid; uint64_t size; const char *date, *body; bool deleted; } fetches[] = {
    { "all", "(UID 7 INTERNALDATE \"17-Jul-2026 02:44:25 -0700\" RFC822.SIZE 99 BODY[]<0> {3}\r\na)b FLAGS (\\Seen \\Deleted))\r\n", MT_OK, 7, 99,
      "17-Jul-2026 02:44:25 -0700", "a)b", true },
    { "quoted body",   "(UID 7 BODY[] \"a b\")",                             MT_OK,      7, 0, "", "a b", false },
    { "NIL",           "(UID 7 BODY[] NIL)",                                 MT_OK,      7, 0, "", "",    false },
    { "header fields", "(BODY[HEADER.FIELDS (Subject To)] {2}\r\nxy UID 3)", MT_OK,      3, 0, "", "xy",  false },
    { "unknown items", "(X-A (1 (2 \"3)\") 4) X-B 5 UID 8)",                 MT_OK,      8, 0, "", "",    false },
    { "first body",    "(BODY[] \"one\" BODY[] \"two\")",                    MT_OK,      0, 0, "", "one", false },
    { "not closed",    "(UID 7",                                             MT_ESYNTAX, 0, 0, "", "",    false },
    { "no list",       "UID 7",                                              MT_ESYNTAX, 0, 0, "", "",    false },
    { "no number",     "(UID x)",                                            MT_ESYNTAX, 0, 0, "", "",    false },
    { "literal cut",   "(BODY[] {9}\r\nabc)",                                MT_ESYNTAX, 0, 0, "", "",    false },
    { "open bracket",  "(BODY[ UID 7)",                                      MT_ESYNTAX, 0, 0, "", "",    false },
    { "open quotes",   "(BODY[] \"abc)",                                     MT_ESYNTAX, 0, 0, "", "",    false },
    { "too many ends", "(X-A ))",                                            MT_ESYNTAX, 0, 0, "", "",    false },
};

static void
what_fetch_tells_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fetches); i++) {
        struct imap_fetched f = { .uid = 0 };

        assert_rc(fetches[i].label, imap_fetched_read(slice_of(fetches[i].in), &f), fetches[i].rc);
        assert_slice(fetches[i].label, f.internal_date, fetches[i].date);
        assert_slice(fetches[i].label, f.body, fetches[i].body);
        assert_int_equal(f.uid, fetches[i].uid);
        assert_int_equal(f.size_bytes, fetches[i].size);
        assert_int_equal(f.deleted, fetches[i].deleted);
    }
}

static const struct { const char *label, *in; int rc; bool junk, selectable; char delimiter; const char *name; } lists[] = {
    { "marked",      "(\\HasNoChildren \\Junk) \"/\" \"Verdacht\"", MT_OK, true,  true,  '/',  "Verdacht" },
    { "an atom",     "() \".\" INBOX.Spam",                         MT_OK, false, true,  '.',  "INBOX.Spam" },
    { "a literal",   "(\\Noselect) NIL {3}\r\na b",                 MT_OK, false, false, 0,    "a b" },
    { "backslashes", "() \"\\\\\" \"a\\\"b\"",                      MT_OK, false, true,  '\\', "a\"b" },
    { "no name",     "() \"/\"",                                    MT_ESYNTAX, 0, 0, 0, "" },
    { "line end",    "() \"/\" {3}\r\na\nb",                        MT_ESYNTAX, 0, 0, 0, "" },
    { "no flags",    "\"/\" x",                                     MT_ESYNTAX, 0, 0, 0, "" },
};

static void
what_list_tells_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct imap_listed l = { .junk = false };

        assert_rc(lists[i].label, imap_listed_read(slice_of(lists[i].in), &l), lists[i].rc);
        if (lists[i].rc != MT_OK)
            continue;
        assert_int_equal(l.junk, lists[i].junk);
        assert_int_equal(l.selectable, lists[i].selectable);
        assert_int_equal(l.delimiter, lists[i].delimiter);
        assert_string_equal(l.name, lists[i].name);
    }
}

static void
an_internal_date_is_read(void **state)
{
    int64_t at;

    (void)state;
    assert_rc("with a blank", imap_date_read(slice_of(" 7-Jul-2026 02:44:25 -0700"), &at), MT_OK);
    assert_int_equal(at, 1783417465);
    assert_rc("none", imap_date_read(slice_of(""), &at), MT_ESYNTAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_end_behind_their_last_literal),
        cmocka_unit_test(a_line_has_a_bound_and_no_nul),
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(codes_and_words_are_found_without_case),
        cmocka_unit_test(numbers_of_a_search_end_at_what_is_none),
        cmocka_unit_test(what_fetch_tells_is_read),
        cmocka_unit_test(what_list_tells_is_read),
        cmocka_unit_test(an_internal_date_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
