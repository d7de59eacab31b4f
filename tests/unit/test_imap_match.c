#include "imapd/imap_match.h"
#include "lib/casemap.h"
#include "tests/unit/unit.h"

static bool
has(const char *needle, struct slice text, size_t piece)
{
    static struct imap_match m;
    struct buf               mapped;
    bool                     found;

    buf_init(&mapped, IMAP_MATCH_BYTES);
    casemap_put(&mapped, slice_of(needle));
    imap_match_init(&m, mapped.len == 0 ? slice_make("", 0) : buf_slice(&mapped));
    for (size_t at = 0; at < text.len; at += piece)
        imap_match_feed(&m, slice_sub(text, at, piece));
    found = imap_match_found(&m);
    buf_fini(&mapped);
    return found;
}

static void
strings_are_found_without_case_however_the_text_is_cut(void **state)
{
    static const struct {
        const char *needle, *text;
        bool        want;
    } rows[] = {
        { "", "", true }, { "", "x", true }, { "x", "", false }, { "abc", "xABcx", true }, { "abc", "ab", false }, { "abc", "abxabc", true }, { "aab", "aaab", true },
        { "straße", "STRAßE", true }, { "КЁЛЬН", "в кёльне", true }, { "ä", "Ä", true }, { "ä", "a", false }, { "k", "\xe2\x84\xaa", false }, { "s", "ſ", false },
        { "a", "ä", false }, { "äb", "ÄB", true }, { "äb", "\xc3", false }, { "\xff\xfe", "x\xff\xfe", true }, { "a\xc3", "xA\xc3", true }, { "日本", "x日本x", true },
        { "本日", "日本日本", true }, { "本本", "日本日本", false }, { "ɐ", "Ɐ", true }, { "Ɐ", "xɐ", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece < 8; piece++)
            if (has(rows[i].needle, slice_of(rows[i].text), piece) != rows[i].want)
                fail_msg("%s in %s, %zu at a time: not %s", rows[i].needle, rows[i].text, piece, rows[i].want ? "found" : "missing");
}

static void
what_lies_across_windows_is_found(void **state)
{
    static char text[3 * IMAP_MATCH_WINDOW];

    (void)state;
    for (size_t at = IMAP_MATCH_WINDOW - 8; at < IMAP_MATCH_WINDOW + 8; at++) {
        memset(text, '.', sizeof(text));
        memcpy(text + at, "Needle", 6);
        assert_true(has("nEEDLE", slice_make(text, sizeof(text)), sizeof(text)));
        memcpy(text + at, "\xc3\x84" "edle", 6);
        assert_true(has("äedle", slice_make(text, sizeof(text)), 1000));
        assert_false(has("äedlex", slice_make(text, sizeof(text)), 1000));
    }
}

static void
breaks_part_texts(void **state)
{
    struct imap_match m;

    (void)state;
    imap_match_init(&m, slice_of("AB"));
    imap_match_feed(&m, slice_of("a"));
    imap_match_break(&m);
    imap_match_feed(&m, slice_of("b"));
    assert_false(imap_match_found(&m));
    imap_match_feed(&m, slice_of("ab"));
    imap_match_break(&m);
    assert_true(imap_match_found(&m));
    imap_match_reset(&m);
    assert_false(imap_match_found(&m));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_found_without_case_however_the_text_is_cut),
        cmocka_unit_test(what_lies_across_windows_is_found),
        cmocka_unit_test(breaks_part_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
