#include "imapd/imap_criteria.h"
#include "imapd/imap_match.h"
#include "tests/unit/unit.h"

/* A letter for each key, operators as "&", "|" and "!". */
static void
show(const struct imap_criteria *k, struct buf *out)
{
    for (unsigned i = 0; i < k->count; i++)
        switch (k->keys[i].kind) {
        case KEY_AND:     buf_append_string(out, "&"); break;
        case KEY_OR:      buf_append_string(out, "|"); break;
        case KEY_NOT:     buf_append_string(out, "!"); break;
        case KEY_ALL:     buf_append_string(out, "A"); break;
        case KEY_NONE:    buf_append_string(out, "N"); break;
        case KEY_NUMBERS: buf_printf(out, "#%u", k->keys[i].set.count); break;
        case KEY_UIDS:    buf_printf(out, "U%u", k->keys[i].set.count); break;
        case KEY_HEADER:  buf_printf(out, "H(%.*s:%.*s)", (int)k->keys[i].name.len, k->keys[i].name.data, (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_BODY:    buf_printf(out, "B(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_TEXT:    buf_printf(out, "T(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_KEYWORD: buf_printf(out, "K(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        default:          buf_printf(out, "%d=%llu", (int)k->keys[i].kind, (unsigned long long)k->keys[i].number); break;
        }
}

static bool
read_criteria(struct slice text, struct buf *out)
{
    struct imap_range       range = { 3, 5 };
    struct imap_set         saved = { &range, 1 };
    struct imap_set_context sets = { 9, 100, &saved };
    struct imap_criteria    k;
    struct imap_reader      r;
    bool                    ok;

    assert_true(imap_reader_init(&r, text));
    assert_true(imap_criteria_read(&k, &r, &sets));
    ok = imap_end(&r);
    if (ok)
        show(&k, out);
    imap_criteria_fini(&k);
    imap_reader_fini(&r);
    return ok;
}

static void
keys_are_read(void **state)
{
    static const struct {
        const char *in, *want;      /* NULL: refused */
    } rows[] = {
        { "ALL", "A" }, { "all old new recent", "AA&N&N&" }, { "NOT ALL", "A!" }, { "NOT NOT ALL", "A!!" }, { "OR ALL NEW", "AN|" },
        { "OR OR ALL NEW OLD", "AN|A|" }, { "OR ALL OR NEW OLD", "ANA||" }, { "NOT OR NOT ALL (NEW OLD) NEW", "A!NA&|!N&" }, { "(ALL)", "A" },
        { "((ALL) (NEW))", "AN&" }, { "NOT (ALL NEW)", "AN&!" }, { "1:3,7", "#2" }, { "*", "#1" }, { "UID 5:*", "U1" }, { "$ UID $", "U1U1&" },
        { "SUBJECT x FROM \"a b\"", "H(Subject:x)H(From:a b)&" }, { "TO a CC b BCC c", "H(To:a)H(Cc:b)&H(Bcc:c)&" }, { "HEADER X-Y \"\"", "H(X-Y:)" },
        { "BODY {3}\r\na b TEXT c", "B(a b)T(c)&" }, { "KEYWORD $Junk UNKEYWORD x", "K($Junk)K(x)!&" },
        { "SEEN", "7=1" }, { "UNSEEN", "7=1!" }, { "DELETED", "7=8" }, { "LARGER 5", "9=5" }, { "SMALLER 18446744073709551615", NULL },
        { "BEFORE 1-Jan-1970", "11=0" }, { "ON \"02-jan-1970\"", "12=1" }, { "SINCE 29-Feb-2024", "13=19782" }, { "SENTSINCE 1-Mar-2000", "16=11017" },
        { "YOUNGER 5 OLDER 6", "20=521=6&" }, { "MODSEQ 7", "22=7" }, { "MODSEQ \"/flags/\\\\seen\" all 7", "22=7" }, { "EMAILID M9", "23=9" },
        { "BEFORE 1-Jan-1969", NULL }, { "BEFORE 0-Jan-2000", NULL }, { "BEFORE 32-Jan-2000", NULL }, { "BEFORE 1-Foo-2000", NULL }, { "BEFORE 1-Ja", NULL },
        { "BEFORE \"1-Jan-2000", NULL }, { "", NULL }, { "()", NULL }, { "(ALL", NULL }, { "ALL)", NULL }, { "OR ALL", NULL }, { "NOT", NULL }, { "(OR ALL) NEW", NULL },
        { "(NOT) ALL", NULL }, { "ALL ", NULL }, { " ALL", NULL }, { "ALL  NEW", NULL }, { "FROB", NULL }, { "SUBJECT", NULL }, { "HEADER x", NULL }, { "UID", NULL },
        { "UID x", NULL }, { "0", NULL }, { "1,,2", NULL }, { "LARGER x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        bool       ok;

        buf_init(&out, 1000);
        ok = read_criteria(slice_of(rows[i].in), &out);
        if (ok != (rows[i].want != NULL))
            fail_msg("%s: %s", rows[i].in, ok ? "was read" : "was refused");
        if (ok)
            assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void
keys_and_nesting_have_bounds(void **state)
{
    static const struct {
        const char *before, *behind;
        unsigned    times;
        bool        fits;
    } rows[] = {
        { "(", ")", IMAP_KEYS_DEPTH_MAX - 1, true }, { "(", ")", IMAP_KEYS_DEPTH_MAX, false }, { "NOT ", "", IMAP_KEYS_DEPTH_MAX - 1, true },
        { "NOT ", "", IMAP_KEYS_DEPTH_MAX, false }, { "OR NEW ", "", IMAP_KEYS_DEPTH_MAX - 1, true }, { "OR NEW ", "", 50000, false },
        { "ALL ", "", 499, true }, { "ALL ", "", 500, false }, { "1 ", "", 5000, false }, { "$ ", "", 5000, false }, { "UID 1:3,7 ", "", 5000, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf text, out;

        buf_init(&text, 1000000);
        buf_init(&out, 10000);
        for (unsigned n = 0; n < rows[i].times; n++)
            buf_append_string(&text, rows[i].before);
        buf_append_string(&text, "ALL");
        for (unsigned n = 0; n < rows[i].times; n++)
            buf_append_string(&text, rows[i].behind);
        if (read_criteria(buf_slice(&text), &out) != rows[i].fits)
            fail_msg("%u of \"%s\"", rows[i].times, rows[i].before);
        buf_fini(&text);
        buf_fini(&out);
    }
}

static void
texts_are_matched_in_pieces(void **state)
{
    static const struct {
        const char *needle, *text;
        bool        found;
    } rows[] = {
        { "", "", true }, { "", "x", true }, { "a", "", false }, { "needle", "a NEEDle", true }, { "aab", "aaab", true }, { "abab", "abaabab", true },
        { "abcabd", "abcabcabd", true }, { "abc", "ab", false }, { "aaa", "aabaabaa", false }, { "k\xc3\xb6", "K\xc3\xb6ln", true },
    };
    static struct imap_match m;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece < 10; piece++) {
            struct slice text = slice_of(rows[i].text);

            imap_match_init(&m, slice_of(rows[i].needle));
            for (size_t at = 0; at < text.len; at += piece)
                imap_match_feed(&m, slice_sub(text, at, piece));
            if (m.found != rows[i].found)
                fail_msg("%s in %s by %zu", rows[i].needle, rows[i].text, piece);
        }
    imap_match_init(&m, slice_of("ab"));
    imap_match_feed(&m, slice_of("a"));
    imap_match_break(&m);
    imap_match_feed(&m, slice_of("b"));
    assert_false(m.found);
    imap_match_feed(&m, slice_of("ab"));
    assert_true(m.found);
    imap_match_reset(&m);
    assert_false(m.found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read),
        cmocka_unit_test(keys_and_nesting_have_bounds),
        cmocka_unit_test(texts_are_matched_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
