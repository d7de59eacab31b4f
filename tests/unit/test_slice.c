#include "tests/unit/unit.h"

static void
slice_sub_never_leaves_the_slice(void **state)
{
    struct slice s = slice_of("abcdef");

    (void)state;
    assert_slice("inside", slice_sub(s, 1, 2), "bc");
    assert_slice("length cut", slice_sub(s, 4, 99), "ef");
    assert_slice("offset cut", slice_sub(s, 99, 1), "");
    assert_slice("empty", slice_sub(slice_make(NULL, 0), 1, 1), "");
}

static void
comparisons_fold_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(slice_equal_nocase(slice_of("AbC-1"), slice_of("aBc-1")));
    assert_false(slice_equal_nocase(slice_of("abc"), slice_of("abcd")));
    assert_false(slice_equal_nocase(slice_of("\xc4"), slice_of("\xe4")));
    assert_false(slice_equal_nocase(slice_of("@"), slice_of("`")));
    assert_true(slice_starts_nocase(slice_of("Received: x"), "received:"));
    assert_false(slice_starts(slice_of("rec"), "received"));
    assert_true(slice_ends_nocase(slice_of("a@Host.EXAMPLE"), ".example"));
    assert_false(slice_ends_nocase(slice_of("e"), ".example"));
}

static void
finding_gives_the_offset_or_the_length(void **state)
{
    (void)state;
    assert_int_equal(slice_find(slice_of("a+b"), '+'), 1);
    assert_int_equal(slice_find(slice_of("ab"), '+'), 2);
    assert_int_equal(slice_find(slice_make(NULL, 0), '+'), 0);
    assert_int_equal(slice_find_nocase(slice_of("xxMT1"), slice_of("mt1")), 2);
    assert_int_equal(slice_find_nocase(slice_of("xx"), slice_of("mt1")), 2);
}

static void
trimming_takes_blanks_at_both_ends(void **state)
{
    (void)state;
    assert_slice("both", slice_trim(slice_of(" \t a b\r\n")), "a b");
    assert_slice("only blanks", slice_trim(slice_of(" \r\n\t")), "");
}

static void
copies_are_cut_and_terminated(void **state)
{
    char to[4];

    (void)state;
    assert_true(slice_copy(to, sizeof(to), slice_of("abc")));
    assert_string_equal(to, "abc");
    assert_false(slice_copy(to, sizeof(to), slice_of("abcd")));
    assert_string_equal(to, "abc");
    assert_true(slice_copy(to, sizeof(to), slice_make(NULL, 0)));
    assert_string_equal(to, "");
}

static void
numbers_are_decimal_and_bounded(void **state)
{
    static const struct { const char *label, *in; uint64_t max; int rc; uint64_t value; } cases[] = {
        { "zero",           "0",                    10,         MT_OK,      0 },
        { "at the limit",   "10",                   10,         MT_OK,      10 },
        { "over the limit", "11",                   10,         MT_ESYNTAX, 0 },
        { "largest",        "18446744073709551615", UINT64_MAX, MT_OK,      UINT64_MAX },
        { "one more",       "18446744073709551616", UINT64_MAX, MT_ESYNTAX, 0 },
        { "far too long",   "99999999999999999999999999", UINT64_MAX, MT_ESYNTAX, 0 },
        { "empty",          "",                     10,         MT_ESYNTAX, 0 },
        { "sign",           "-1",                   10,         MT_ESYNTAX, 0 },
        { "blank",          " 1",                   10,         MT_ESYNTAX, 0 },
        { "letters",        "1a",                   100,        MT_ESYNTAX, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 0;

        assert_rc(cases[i].label, slice_to_u64(slice_of(cases[i].in), cases[i].max, &value), cases[i].rc);
        assert_true(value == cases[i].value);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_sub_never_leaves_the_slice),
        cmocka_unit_test(comparisons_fold_ascii_letters_only),
        cmocka_unit_test(finding_gives_the_offset_or_the_length),
        cmocka_unit_test(trimming_takes_blanks_at_both_ends),
        cmocka_unit_test(copies_are_cut_and_terminated),
        cmocka_unit_test(numbers_are_decimal_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
