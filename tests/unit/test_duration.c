#include "tests/unit/unit.h"

#include "lib/duration.h"

static void
spans_are_read_in_every_unit(void **state)
{
    static const struct { const char *text; int rc; uint64_t ms; } cases[] = {
        { "90",     MT_OK,      90000      },
        { "90s",    MT_OK,      90000      },
        { "10m",    MT_OK,      600000     },
        { "10min",  MT_OK,      600000     },
        { "250ms",  MT_OK,      250        },
        { "1.5h",   MT_OK,      5400000    },
        { "0.5",    MT_OK,      500        },
        { "2d",     MT_OK,      172800000  },
        { "0",      MT_OK,      0          },
        { "1.0019s", MT_OK,     1001       },
        { "",       MT_ESYNTAX, 0          },
        { "m",      MT_ESYNTAX, 0          },
        { "-1s",    MT_ESYNTAX, 0          },
        { "1.",     MT_ESYNTAX, 0          },
        { ".5s",    MT_ESYNTAX, 0          },
        { "1 s",    MT_ESYNTAX, 0          },
        { "1M",     MT_ESYNTAX, 0          },
        { "1sx",    MT_ESYNTAX, 0          },
        { "99999999999999999999s", MT_ESYNTAX, 0 },
        { "8d",     MT_ESIZE,   0          },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t ms = 0;

        assert_rc(cases[i].text, duration_parse(slice_of(cases[i].text), 7ull * 86400 * 1000, &ms), cases[i].rc);
        if (ms != cases[i].ms)
            fail_msg("%s: got %llu", cases[i].text, (unsigned long long)ms);
    }
}

static void
spans_are_told_in_the_unit_that_fits(void **state)
{
    static const struct { uint64_t us; const char *text; } cases[] = {
        { 0,             "0.0 ms"      },
        { 3249,          "3.2 ms"      },
        { 999999,        "999.9 ms"    },
        { 1834000,       "1.834 s"     },
        { 59999999,      "59.999 s"    },
        { 570000000,     "9 min 30 s"  },
        { 7500000000,    "2 h 5 min"   },
        { 273600000000,  "3 d 4 h"     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[DURATION_TEXT_BYTES];

        assert_string_equal(duration_text(cases[i].us, text), cases[i].text);
    }
}

static void
limits_are_told_as_they_were_set(void **state)
{
    char text[DURATION_TEXT_BYTES];

    (void)state;
    assert_string_equal(duration_limit_text(60000, text), "60 s");
    assert_string_equal(duration_limit_text(300, text), "300 ms");
    assert_string_equal(duration_limit_text(1500, text), "1500 ms");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_read_in_every_unit),
        cmocka_unit_test(spans_are_told_in_the_unit_that_fits),
        cmocka_unit_test(limits_are_told_as_they_were_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
