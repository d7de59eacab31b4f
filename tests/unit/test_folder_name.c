#include "tests/unit/unit.h"

#include "lib/error.h"
#include "lib/folder_name.h"

static void
which_names_are_fine(void **state)
{
    static const struct {
        const char *name;
        size_t      len;
        bool        fine;
    } cases[] = {
#define NAME(text, fine) { text, sizeof(text) - 1, fine }
        NAME("INBOX", true),       NAME("a/b/c", true),      NAME("Gel\xC3\xB6scht", true), NAME("a b", true),
        NAME("...", true),         NAME("a\xC2\xA0", true),  NAME("", false),               NAME("/", false),
        NAME("/a", false),         NAME("a/", false),        NAME("a//b", false),           NAME(".", false),
        NAME("..", false),         NAME("../a", false),      NAME("a/../b", false),         NAME("a/.", false),
        NAME("a*", false),         NAME("%", false),         NAME("a\0b", false),           NAME("a\nb", false),
        NAME("a\x7F", false),      NAME("a\xC2\x85", false), NAME("a\xFF", false),          NAME("\xC3", false),
        NAME("\xED\xA0\x80", false), NAME("a\xE2\x80\xA8", false), NAME("\xE2\x80\xA9", false),  NAME("\xE2\x80\xA7", true),
#undef NAME
    };
    char longest[FOLDER_NAME_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (folder_name_is_fine(slice_make(cases[i].name, cases[i].len)) != cases[i].fine)
            fail_msg("\"%s\"", cases[i].name);
    memset(longest, 'x', sizeof(longest));
    assert_true(folder_name_is_fine(slice_make(longest, FOLDER_NAME_BYTES)));
    assert_false(folder_name_is_fine(slice_make(longest, FOLDER_NAME_BYTES + 1)));
}

static void
inbox_is_written_in_capitals(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = { { "inbox", "INBOX" }, { "InBox/a", "INBOX/a" }, { "inboxes", "inboxes" }, { "a/inbox", "a/inbox" }, { "", "" } };
    char to[FOLDER_NAME_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(folder_name_copy(to, slice_of(cases[i].from)));
        assert_string_equal(to, cases[i].to);
    }
}

static void
what_is_around_and_below(void **state)
{
    struct slice parent = folder_name_parent(slice_of("a/b/c"));

    (void)state;
    assert_true(slice_equal(parent, slice_of("a/b")));
    assert_int_equal(folder_name_parent(slice_of("a")).len, 0);
    assert_int_equal(folder_name_parent(slice_of("")).len, 0);
    assert_true(folder_name_is_below(slice_of("a/b/c"), slice_of("a")));
    assert_false(folder_name_is_below(slice_of("ab/c"), slice_of("a")));
    assert_false(folder_name_is_below(slice_of("a"), slice_of("a")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_names_are_fine),
        cmocka_unit_test(inbox_is_written_in_capitals),
        cmocka_unit_test(what_is_around_and_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
