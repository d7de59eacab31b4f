#include "tests/unit/decoded.h"

#include "finder/utf7.h"

static const struct {
    const char *label, *in, *want;
} cases[] = {
    { "plain",                      SOME_TOKEN, SOME_TOKEN },
    { "empty",                      "", "" },
    { "RFC 2152, not equal",        "A+ImIDkQ.", "A\xe2\x89\xa2\xce\x91." },
    { "RFC 2152, smiling face",     "Hi Mom -+Jjo--!", "Hi Mom -\xe2\x98\xba-!" },
    { "RFC 2152, Nihongo",          "+ZeVnLIqe-", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
    { "RFC 2152, pound sign",       "Item 3 is +AKM-1.", "Item 3 is \xc2\xa3" "1." },
    { "plus",                       "2+-2", "2+2" },
    { "plus without base64",        "a+ b+", "a+ b+" },
    { "ASCII in base64",            "+AG0AdAAx-abc", "mt1abc" },
    { "ended by another octet",     "+AG0AdAAx abc", "mt1 abc" },
    { "soft hyphen in a token",     "mt1+AK0-abc", "mt1\xc2\xad" "abc" },
    { "section behind section",     "+AG0-+AHQ-+ADE-", "mt1" },
    { "plus is a digit in base64",  "+AG0A+w-", "m\xc3\xbb" },
    { "a surrogate pair",           "+2D3eAA-", "\xed\xa0\xbd\xed\xb8\x80" },
    { "unfinished",                 "+AG0AdA-x+AG0AdA", "mtxmt" },
    { "cut in a character",         "+AG0Ad-x+AG0A", "mxm" },
    { "base64url is not base64",    "+_a+AG0_", "+_am_" },
};

static void
sections_become_utf8(void **state)
{
    static struct decoded got;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < COUNT(piece_sizes); k++) {
            struct slice in = slice_of(cases[i].in);
            struct utf7  u;

            utf7_init(&u, decoded_add, &got);
            for (int round = 0; round < 2; round++) {
                got.len = 0;
                utf7_feed(&u, slice_of(NULL));
                for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_sizes[k]).len)
                    utf7_feed(&u, piece_at(in, at, piece_sizes[k]));
                utf7_finish(&u);
                assert_slice(cases[i].label, decoded_slice(&got), cases[i].want);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_become_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
