#include "imapd/imap_reader.h"
#include "tests/unit/unit.h"

/* Reads by form: "t" tag, "a" atom, "s" astring, "S" string, "n" nstring, "l" list mailbox, "#" number, "$" set, "f" flag, " " a space, "." the end. */
static void
read_form(struct imap_reader *r, const char *form, struct buf *out)
{
    for (; *form != '\0'; form++) {
        struct slice got;
        bool         nil = false;

        switch (*form) {
        case 't': got = imap_tag(r); break;
        case 'a': got = imap_atom(r); break;
        case 's': got = imap_astring(r); break;
        case 'S': got = imap_string(r); break;
        case 'n': got = imap_nstring(r, &nil); break;
        case 'l': got = imap_list_mailbox(r); break;
        case '$': got = imap_set_text(r); break;
        case 'f': got = imap_flag(r); break;
        case '#': buf_printf(out, "%u|", imap_number(r)); continue;
        case ' ': imap_space(r); continue;
        default:  imap_end(r); continue;
        }
        buf_append_slice(out, got);
        buf_append_string(out, nil ? "NIL|" : "|");
    }
}

static void
words_are_read(void **state)
{
    static const struct {
        const char *in, *form, *want, *fault;
    } rows[] = {
        { "a1 NOOP",              "t a.",   "a1|NOOP|",     NULL },
        { "+ NOOP",               "t",      "|",            "a tag" },
        { "a LOGIN \"x\\\"y\\\\\" z", "t a s s.", "a|LOGIN|x\"y\\|z|", NULL },
        { "\"\" x",               "s a.",   "|x|",          NULL },
        { "\"x",                  "s.",     "x|",           "the end of a quoted string" },
        { "\"x\\",                "s.",     "x|",           "the end of a quoted string" },
        { "\"a\\b\"",             "s.",     "a|",           "the end of a quoted string" },
        { "a]b",                  "f.",     "a|",           "the end of the command" },
        { "a\\b",                 "f.",     "a|",           "the end of the command" },
        { "\\",                   "f.",     "|",            "a flag" },
        { "\\*",                  "f.",     "|",            "a flag" },
        { "$Junk",                "f.",     "$Junk|",       NULL },
        { "\"x\ry\"",             "s.",     "x|",           "the end of a quoted string" },
        { "{3}\r\na\"b c",        "s a.",   "a\"b|c|",      NULL },
        { "{3+}\r\nabc",          "s.",     "abc|",         NULL },
        { "~{3}\nabc",            "S.",     "abc|",         NULL },
        { "{4}\r\nabc",           "s.",     "|",            "a literal" },
        { "{18446744073709551616}\r\nabc", "s.", "|",       "a number" },
        { "a]b",                  "s.",     "a]b|",         NULL },
        { "a]b",                  "a.",     "a|",           "the end of the command" },
        { "a%b*",                 "l.",     "a%b*|",        NULL },
        { "a%b",                  "s.",     "a|",           "a name in quotes, since it has a wildcard," },
        { "a",                    "a a.",   "a||",          "an argument" },
        { "Wicht\xc3\xbcg",       "f.",     "Wicht|",       "the end of the command" },
        { "NIL",                  "n.",     "NIL|",         NULL },
        { "nil",                  "n.",     "NIL|",         NULL },
        { "x",                    "n.",     "|",            "a string" },
        { "4294967295",           "#.",     "4294967295|",  NULL },
        { "4294967296",           "#.",     "0|",           "a number of 32 bits" },
        { "99999999999999999999", "#.",     "0|",           "a number" },
        { "x",                    "#.",     "0|",           "a number" },
        { "1:*,7 \\Seen",         "$ f.",   "1:*,7|\\Seen|", NULL },
        { "a  b",                 "a a.",   "a||",          "a word" },
        { "a\tb",                 "a a.",   "a||",          "a space" },
        { "",                     "a.",     "|",            "a word" },
        { "K\xc3\xb6ln",          "s.",     "K\xc3\xb6ln|", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_reader r;
        struct buf         out;

        buf_init(&out, 1000);
        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        read_form(&r, rows[i].form, &out);
        assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        if (rows[i].fault == NULL ? r.fault != NULL : r.fault == NULL || strcmp(r.fault, rows[i].fault) != 0)
            fail_msg("%s: fault \"%s\"", rows[i].in, r.fault == NULL ? "" : r.fault);
        imap_reader_fini(&r);
        buf_fini(&out);
    }
}

static void
an_octet_zero_ends_a_word_and_is_refused_in_quotes(void **state)
{
    struct imap_reader r;

    (void)state;
    assert_true(imap_reader_init(&r, slice_make("a\0b", 3)));
    assert_slice("atom", imap_atom(&r), "a");
    assert_false(imap_end(&r));
    imap_reader_fini(&r);
    assert_true(imap_reader_init(&r, slice_make("\"a\0b\"", 5)));
    imap_astring(&r);
    assert_false(imap_ok(&r));
    imap_reader_fini(&r);
}

static void
quoted_strings_are_utf8_once_that_is_enabled(void **state)
{
    static const struct {
        const char *in;
        bool        utf8, fine;
    } rows[] = {
        { "\"K\xc3\xb6ln\"", true, true }, { "\"K\xc3\xb6ln\"", false, true }, { "\"K\xf6ln\"", true, false }, { "\"K\xf6ln\"", false, true },
        { "\"\xed\xa0\x80\"", true, false }, { "\"\xc3\\\xb6\"", true, false }, { "{1}\r\n\xf6", true, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_reader r;

        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        r.utf8 = rows[i].utf8;
        imap_astring(&r);
        if (imap_end(&r) != rows[i].fine)
            fail_msg("%s", rows[i].in);
        imap_reader_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(an_octet_zero_ends_a_word_and_is_refused_in_quotes),
        cmocka_unit_test(quoted_strings_are_utf8_once_that_is_enabled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
