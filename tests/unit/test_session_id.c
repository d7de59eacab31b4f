#include "tests/unit/unit.h"

#include "lib/session_id.h"

#define AT_US ((uint64_t)1704189605 * 1000000 + 123456)

static void
ids_differ_by_microsecond_and_by_process(void **state)
{
    char a[SESSION_ID_CHARS + 1], b[SESSION_ID_CHARS + 1];

    (void)state;
    session_id_make(a, AT_US, 0);
    assert_int_equal(strlen(a), SESSION_ID_CHARS);
    session_id_make(b, AT_US + 1, 0);
    assert_true(strcmp(a, b) < 0);      /* and sort by time */
    session_id_make(b, AT_US, 1);
    assert_string_not_equal(a, b);
}

static void
an_id_tells_its_time(void **state)
{
    static const char *const foreign[] = { "", "4f21", "0123456789ab0", "06hyk3mzz!zz", "06HYK3MZZZZZ", "06hyk3mzzlzz" };
    char                     id[SESSION_ID_CHARS + 1];

    (void)state;
    session_id_make(id, AT_US, 255);
    assert_int_equal(session_id_time_us(slice_of(id)), AT_US);
    for (size_t i = 0; i < COUNT(foreign); i++)
        if (session_id_time_us(slice_of(foreign[i])) != 0)
            fail_msg("%s", foreign[i]);
    assert_int_equal(session_id_time_us(slice_make("\0\0\0\0\0\0\0\0\0\0\0\0", SESSION_ID_CHARS)), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_differ_by_microsecond_and_by_process),
        cmocka_unit_test(an_id_tells_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
