#include "tests/unit/unit.h"

#include "checker/range.h"

static void
ranges_alert_as_plugins_expect(void **state)
{
    static const struct { const char *text; double value; bool alerts; } cases[] = {
        { "10",      10,    false }, { "10",     10.001, true  }, { "10",     -0.001, true  }, { "10",    0,   false },
        { "10:",     9.9,   true  }, { "10:",    10,     false }, { "10:",    1e9,    false },
        { "~:10",    -1e9,  false }, { "~:10",   10.1,   true  },
        { "10:20",   9,     true  }, { "10:20",  15,     false }, { "10:20",  21,     true  },
        { "@10:20",  9,     false }, { "@10:20", 10,     true  }, { "@10:20", 20,     true  },
        { "0.5",     0.4,   false }, { "-5:5",   -6,     true  }, { "",       1e9,    false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct range r;
        int          rc = range_parse(slice_of(cases[i].text), &r);

        assert_rc(cases[i].text, rc, MT_OK);
        if (range_alerts(&r, cases[i].value) != cases[i].alerts)
            fail_msg("%s: %f", cases[i].text, cases[i].value);
        assert_string_equal(r.text, cases[i].text);
    }
}

static void
what_is_no_range_is_refused(void **state)
{
    static const struct { const char *text; int rc; } cases[] = {
        { "x", MT_ESYNTAX },    { "10s", MT_ESYNTAX }, { "1e3", MT_ESYNTAX }, { "nan", MT_ESYNTAX }, { "inf", MT_ESYNTAX },
        { "0x10", MT_ESYNTAX }, { ".", MT_ESYNTAX },   { "-", MT_ESYNTAX },   { "1:2:3", MT_ESYNTAX }, { "@", MT_ESYNTAX },
        { " 1", MT_ESYNTAX },   { ":7", MT_ESYNTAX }, { "20:10", MT_EINVALID }, { "-5", MT_EINVALID },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct range r;

        assert_rc(cases[i].text, range_parse(slice_of(cases[i].text), &r), cases[i].rc);
    }
}

static void
critical_comes_before_warning(void **state)
{
    struct range warning, critical, none;

    (void)state;
    assert_rc("w", range_parse(slice_of("95"), &warning), MT_OK);
    assert_rc("c", range_parse(slice_of("300"), &critical), MT_OK);
    assert_rc("none", range_parse(slice_of(""), &none), MT_OK);
    assert_int_equal(range_state(&warning, &critical, 95), STATE_OK);
    assert_int_equal(range_state(&warning, &critical, 95.1), STATE_WARNING);
    assert_int_equal(range_state(&warning, &critical, 301), STATE_CRITICAL);
    assert_int_equal(range_state(&warning, &none, 301), STATE_WARNING);
    assert_int_equal(range_state(&none, &none, 301), STATE_OK);
    assert_string_equal(state_name(STATE_UNKNOWN), "UNKNOWN");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_alert_as_plugins_expect),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(critical_comes_before_warning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
