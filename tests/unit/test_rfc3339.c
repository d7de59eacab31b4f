#include "tests/unit/unit.h"

#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdio.h>
#include <time.h>

static const struct { const char *label, *in; uint64_t us; } good[] = {
    { "UTC",                    "2026-11-21T03:30:00Z",             1795231800000000 },
    { "small letters",          "2026-11-21t03:30:00z",             1795231800000000 },
    { "blank instead of T",     "2026-11-21 03:30:00Z",             1795231800000000 },
    { "microseconds",           "2026-11-21T03:30:00.123456Z",      1795231800123456 },
    { "one decimal",            "2026-11-21T03:30:00.5Z",           1795231800500000 },
    { "nine decimals",          "2026-11-21T03:30:00.123456789Z",   1795231800123456 },
    { "east",                   "2026-11-21T05:30:00+02:00",        1795231800000000 },
    { "west",                   "2026-11-20T22:00:00-05:30",        1795231800000000 },
    { "the epoch",              "1970-01-01T00:00:00Z",             0 },
    { "leap day",               "2024-02-29T00:00:00Z",             1709164800000000 },
    { "leap second",            "2016-12-31T23:59:60Z",             1483228800000000 },
};

static const char *const bad[] = {
    "", "now", "2026-11-21", "2026-11-21T03:30:00", "2026-11-21T03:30Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
    "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T03:60:00Z", "2026-11-21T03:30:61Z",
    "2026-11-21T03:30:00.Z", "2026-11-21T03:30:00+2:00", "2026-11-21T03:30:00+24:00", "2026-11-21T03:30:00Zx", "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+01:00", " 2026-11-21T03:30:00Z", "2026-11-21T03:30:00.123", "2026-11-21T03:30:0", "+026-11-21T03:30:00Z",
};

static void
date_times_are_read(void **state)
{
    uint64_t us;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_rc(good[i].label, rfc3339_parse(slice_of(good[i].in), &us), MT_OK);
        if (us != good[i].us)
            fail_msg("%s: got %llu", good[i].label, (unsigned long long)us);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_rc(bad[i], rfc3339_parse(slice_of(bad[i]), &us), MT_ESYNTAX);
}

/* Against the C library, over days far apart; what is written is read back. */
static void
times_are_written_as_the_library_does(void **state)
{
    (void)state;
    for (uint64_t s = 1; s < 253402300800; s += 86400ull * 37 + 4711) {
        char      got[RFC3339_TEXT_BYTES], want[64];
        time_t    t = (time_t)s;
        struct tm tm;
        uint64_t  back;

        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_int_equal(rfc3339_text(s, got), strlen(want));
        assert_string_equal(got, want);
        assert_int_equal(rfc3339_text_us(s * 1000000 + 42, got), 27);
        assert_rc(got, rfc3339_parse(slice_of(got), &back), MT_OK);
        assert_int_equal(back, s * 1000000 + 42);
    }
}

static void
what_is_behind_the_year_9999_is_cut(void **state)
{
    char text[RFC3339_TEXT_BYTES];

    (void)state;
    rfc3339_text(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_times_are_read),
        cmocka_unit_test(times_are_written_as_the_library_does),
        cmocka_unit_test(what_is_behind_the_year_9999_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
