#include "tests/unit/unit.h"

#include "checker/quiet.h"
#include "lib/rfc3339.h"

#include <stdlib.h>
#include <time.h>

enum { MON = 0, TUE = 1440, SAT = 5 * 1440, SUN = 6 * 1440 };

static uint64_t
at(const char *text)
{
    uint64_t us = 0;

    assert_rc(text, rfc3339_parse(slice_of(text), &us), MT_OK);
    return us;
}

static int
in_berlin(void **state)
{
    (void)state;
    assert_rc("zone", quiet_use_zone("Europe/Berlin"), MT_OK);
    return 0;
}

static void
the_minute_of_the_week_is_local(void **state)
{
    static const struct { const char *label, *at; uint32_t minute; } cases[] = {
        { "Monday midnight in winter", "2026-01-04T23:00:00Z", MON },
        { "a minute before", "2026-01-04T22:59:59Z", SUN + 23 * 60 + 59 },
        { "Tuesday in summer", "2026-07-07T10:30:00Z", TUE + 12 * 60 + 30 },
        { "before summer time begins", "2026-03-29T00:59:59Z", SUN + 119 },
        { "summer time begins", "2026-03-29T01:00:00Z", SUN + 180 },
        { "before it ends", "2026-10-25T00:59:59Z", SUN + 179 },
        { "it has ended", "2026-10-25T01:00:00Z", SUN + 120 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (quiet_minute(at(cases[i].at)) != cases[i].minute)
            fail_msg("%s: minute %u, want %u", cases[i].label, quiet_minute(at(cases[i].at)), cases[i].minute);
}

static const struct {
    const char  *label;
    struct quiet quiet[2];
    unsigned     count;
    const char  *at;
    bool         is;
} quiets[] = {
    { "none", { { 0, 0 } }, 0, "2026-01-05T12:00:00Z", false },
    { "within", { { MON + 600, MON + 840 } }, 1, "2026-01-05T12:00:30Z", true },
    { "its first second", { { MON + 780, MON + 840 } }, 1, "2026-01-05T12:00:00Z", true },
    { "before it", { { MON + 780, MON + 840 } }, 1, "2026-01-05T11:59:59Z", false },
    { "its last second", { { MON + 780, MON + 840 } }, 1, "2026-01-05T12:59:59Z", true },
    { "its end", { { MON + 780, MON + 840 } }, 1, "2026-01-05T13:00:00Z", false },
    { "over the end of the week, before", { { SUN + 1380, MON + 360 } }, 1, "2026-01-04T22:30:00Z", true },
    { "over the end of the week, behind", { { SUN + 1380, MON + 360 } }, 1, "2026-01-05T04:59:59Z", true },
    { "over the end of the week, its end", { { SUN + 1380, MON + 360 } }, 1, "2026-01-05T05:00:00Z", false },
    { "until midnight of Sunday", { { SAT, WEEK_MINUTES } }, 1, "2026-01-04T22:59:59Z", true },
    { "Monday behind it", { { SAT, WEEK_MINUTES } }, 1, "2026-01-04T23:00:00Z", false },
    { "the whole week", { { MON, MON } }, 1, "2026-01-07T23:00:00Z", true },
    { "the second of two", { { MON + 600, MON + 700 }, { TUE + 600, TUE + 840 } }, 2, "2026-01-06T09:30:00Z", true },
    { "between two", { { MON + 600, MON + 700 }, { TUE + 600, TUE + 840 } }, 2, "2026-01-05T12:00:00Z", false },
    { "summer time begins: still quiet at 5:59 of it", { { SUN + 60, SUN + 360 } }, 1, "2026-03-29T03:59:59Z", true },
    { "summer time begins: over at 6:00 of it", { { SUN + 60, SUN + 360 } }, 1, "2026-03-29T04:00:00Z", false },
    { "summer time ends: still quiet at 5:59 of winter", { { SUN + 60, SUN + 360 } }, 1, "2026-10-25T04:59:59Z", true },
    { "summer time ends: over at 6:00 of winter", { { SUN + 60, SUN + 360 } }, 1, "2026-10-25T05:00:00Z", false },
    { "its end is skipped", { { SUN + 60, SUN + 150 } }, 1, "2026-03-29T01:00:00Z", false },
    { "its beginning is skipped", { { SUN + 150, SUN + 210 } }, 1, "2026-03-29T01:00:00Z", true },
    { "the repeated hour, first time", { { SUN + 120, SUN + 180 } }, 1, "2026-10-25T00:30:00Z", true },
    { "the repeated hour, second time", { { SUN + 120, SUN + 180 } }, 1, "2026-10-25T01:30:00Z", true },
};

static void
a_quiet_time_follows_the_local_clock(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(quiets); i++)
        if (quiet_has(quiets[i].quiet, quiets[i].count, quiet_minute(at(quiets[i].at))) != quiets[i].is)
            fail_msg("%s: %s, want the contrary", quiets[i].label, quiets[i].is ? "not quiet" : "quiet");
}

static void
a_zone_that_is_not_there_is_refused(void **state)
{
    static const struct { const char *zone; int rc; } cases[] = {
        { NULL, MT_OK }, { "Europe/Berlin", MT_OK }, { "UTC", MT_OK }, { "Europe/Atlantis", MT_ENOTFOUND },
        { "", MT_ENOTFOUND }, { "../../../etc/passwd", MT_ENOTFOUND }, { "/etc/localtime", MT_ENOTFOUND },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_rc(cases[i].zone == NULL ? "none" : cases[i].zone, quiet_use_zone(cases[i].zone), cases[i].rc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_minute_of_the_week_is_local, in_berlin),
        cmocka_unit_test_setup(a_quiet_time_follows_the_local_clock, in_berlin),
        cmocka_unit_test(a_zone_that_is_not_there_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
