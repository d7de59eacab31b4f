#include "tests/unit/unit.h"

#include "lib/boundary.h"

static void
open_all(struct boundary_stack *s)
{
    boundary_stack_init(s);
    assert_int_equal(boundary_open(s, 0, slice_of("outer")), MT_OK);
    assert_int_equal(boundary_open(s, 2, slice_of("outer-inner")), MT_OK);
    assert_int_equal(boundary_open(s, 3, slice_of("same")), MT_OK);
    assert_int_equal(boundary_open(s, 5, slice_of("same")), MT_OK);
}

static const struct {
    const char *label, *line;
    int         owner;      /* -1: none */
    bool        closes;
} cases[] = {
    { "exact",                  "--outer",            0,  false },
    { "closing",                "--outer--",          0,  true  },
    { "blanks behind",          "--outer  \r",        0,  false },
    { "text behind",            "--outer, and more",  0,  false },
    { "a longer one",           "--outer-inner",      2,  false },
    { "a longer one, closing",  "--outer-inner--",    2,  true  },
    { "not all of the longer",  "--outer-inne",       0,  false },
    { "the innermost of equals", "--same",            5,  false },
    { "one hyphen",             "-outer",             -1, false },
    { "three hyphens",          "---outer",           -1, false },
    { "shorter",                "--oute",             -1, false },
    { "hyphens alone",          "--",                 -1, false },
    { "other case",             "--OUTER",            -1, false },
    { "empty",                  "",                   -1, false },
};

static void
the_longest_then_the_innermost_is_found(void **state)
{
    struct boundary_stack s;

    (void)state;
    open_all(&s);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct delimiter d = { .closes = false };
        bool             found = boundary_find(&s, slice_of(cases[i].line), &d);

        if (found != (cases[i].owner >= 0) || (found && (d.owner != (uint32_t)cases[i].owner || d.closes != cases[i].closes)))
            fail_msg("%s: got %d of %u", cases[i].label, found, d.owner);
    }
    boundary_stack_fini(&s);
}

static void
closing_one_closes_all_within(void **state)
{
    struct boundary_stack s;
    struct delimiter      d;

    (void)state;
    open_all(&s);
    assert_false(boundary_close(&s, 6));
    assert_true(boundary_close(&s, 5));
    assert_true(boundary_find(&s, slice_of("--same"), &d));
    assert_int_equal(d.owner, 3);
    assert_true(boundary_close(&s, 2));
    assert_false(boundary_find(&s, slice_of("--same"), &d));
    assert_true(boundary_find(&s, slice_of("--outer-inner"), &d));
    assert_int_equal(d.owner, 0);
    assert_true(boundary_close(&s, 0));
    assert_false(boundary_find(&s, slice_of("--outer"), &d));
    boundary_stack_fini(&s);
}

static void
no_more_than_the_limit_are_open(void **state)
{
    struct boundary_stack s;
    char                  text[BOUNDARY_CHARS];

    (void)state;
    memset(text, 'x', sizeof(text));
    boundary_stack_init(&s);
    for (uint32_t i = 0; i < BOUNDARY_OPEN_MAX; i++)
        assert_int_equal(boundary_open(&s, i, slice_make(text, sizeof(text))), MT_OK);
    assert_int_equal(boundary_open(&s, BOUNDARY_OPEN_MAX, slice_of("a")), MT_ESIZE);
    boundary_stack_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_then_the_innermost_is_found),
        cmocka_unit_test(closing_one_closes_all_within),
        cmocka_unit_test(no_more_than_the_limit_are_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
