/* What a server said is not shown where it repeats the secret, as it is or in base64. */
#include "tests/unit/unit.h"

#include "checker/secret_echo.h"
#include "lib/error.h"

#define LONG "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"       /* SECRET_ECHO_LONGEST octets */

static void
a_secret_is_found_in_each_form(void **state)
{
    static const struct { const char *secret, *text; bool is_in; } cases[] = {
        { "hunter2", "535 hunter2 is wrong", true },
        { "hunter2", "535 HUNTER2 is wrong", true },
        { "hunter2", "hunter2", true },
        { "hunter2", "535 hunter 2 is wrong", false },
        { "hunter2", "334 aHVudGVyMg==", true },                        /* alone, as AUTH LOGIN says it */
        { "hunter2", "you said AHVzZXIAaHVudGVyMg==", true },           /* NUL user NUL hunter2: AUTH PLAIN */
        { "hunter2", "you said AHVzZXIxAGh1bnRlcjI=", true },           /* with user1 and user12 it stands elsewhere in its group */
        { "hunter2", "you said AHVzZXIxMgBodW50ZXIy", true },
        { "hunter2", "you said AHVzZXIAaHVudGVzMg==", false },
        { "", "anything", false },
        { "abc", "abc", false },
        { "hunter2", "", false },
        { LONG "and more", "the token " LONG " is cut", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (secret_echo_is_in(cases[i].secret, slice_of(cases[i].text)) != cases[i].is_in)
            fail_msg("\"%s\" in \"%s\"", cases[i].secret, cases[i].text);
    assert_false(secret_echo_is_in(NULL, slice_of("anything")));
    assert_false(secret_echo_is_in("hunter2", slice_make(NULL, 0)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_secret_is_found_in_each_form) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
