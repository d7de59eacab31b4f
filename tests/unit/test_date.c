#include "tests/unit/unit.h"

#include "lib/date.h"

/* Seconds checked with date -u -d. */
static const struct {
    const char *label, *text;
    int64_t     unix_s;     /* -1: none that can be read */
} cases[] = {
    { "ordinary",               "Tue, 2 Jan 2024 10:00:05 +0000",                1704189605 },
    { "zone with a comment",    "Mon, 1 Jan 2024 00:00:00 -0800 (PST)",          1704096000 },
    { "east",                   "Tue, 02 Jan 2024 15:30:05 +0530",               1704189605 },
    { "epoch",                  "Thu, 01 Jan 1970 00:00:00 +0000",               0          },
    { "leap day",               "29 Feb 2024 23:59:59 +0000",                    1709251199 },
    { "leap day of a century",  "29 Feb 2000 00:00:00 +0000",                    951782400  },
    { "no day of the week",     "2 Jan 2024 10:00:05 +0000",                     1704189605 },
    { "wrong day of the week",  "Fri, 2 Jan 2024 10:00:05 +0000",                1704189605 },
    { "no seconds",             "Tue, 2 Jan 2024 10:00 +0000",                   1704189600 },
    { "folded",                 "\r\n\tTue,\r\n 2 Jan 2024\r\n 10:00:05 +0000",  1704189605 },
    { "comments everywhere",    "(a)Tue(b),(c)2(d)Jan(e)2024(f)10(g):00(h):05(i)+0000(j (k) \\))", 1704189605 },
    { "RFC 5322 A.6.3",         "Fri, 21 Nov 97 09(comment):   55  :  06 -0600", 880127706  },
    { "year of two digits",     "2 Jan 24 10:00:05 +0000",                       1704189605 },
    { "year of three digits",   "2 Jan 124 10:00:05 +0000",                      1704189605 },
    { "obsolete zone",          "2 Jan 2024 05:00:05 EST",                       1704189605 },
    { "GMT",                    "2 Jan 2024 10:00:05 GMT",                       1704189605 },
    { "military zone",          "2 Jan 2024 10:00:05 A",                         1704189605 },
    { "no zone",                "2 Jan 2024 10:00:05",                           1704189605 },
    { "zone with a colon",      "2 Jan 2024 11:00:05 +01:00",                    1704189605 },
    { "asctime",                "Tue Jan  2 10:00:05 2024",                      1704189605 },
    { "asctime with zone",      "Tue Jan  2 11:00:05 2024 +0100",                1704189605 },
    { "long names",             "Tuesday, 2 January 2024 10:00:05 +0000",        1704189605 },
    { "hyphen zone",            "2 Jan 2024 10:00:05 -0000",                     1704189605 },
    { "zone that is a sign alone", "2 Jan 2024 10:00:05 +",                      -1 },
    { "AM",                     "Tue, 2 Jan 2024 10:00:05 AM +0000",             1704189605 },
    { "PM",                     "2 Jan 2024 06:00:05 PM +0800",                  1704189605 },
    { "noon",                   "2 Jan 2024 12:00:00 PM +0000",                  1704196800 },
    { "midnight",               "2 Jan 2024 12:00:00 AM +0000",                  1704153600 },
    { "PM without need",        "2 Jan 2024 18:00:05 PM +0800",                  1704189605 },
    { "zone in a comment alone", "2 Jan 2024 11:00:05 (CET)",                    1704189605 },
    { "comment that contradicts", "2 Jan 2024 11:00:05 +0100 (PST)",             1704189605 },
    { "comment that is no zone", "2 Jan 2024 10:00:05 (local)",                  1704189605 },
    { "zone of Europe",         "2 Jan 2024 11:00:05 CET",                       1704189605 },
    { "offset behind GMT",      "2 Jan 2024 11:00:05 GMT+0100",                  1704189605 },
    { "zone without a space",   "2 Jan 2024 11:00:05+0100",                      1704189605 },
    { "zone west without a space", "2 Jan 2024 05:00:05-0500",                   1704189605 },
    { "date(1)",                "Tue Jan  2 11:00:05 CET 2024",                  1704189605 },
    { "dashes",                 "Tuesday, 02-Jan-24 10:00:05 GMT",               1704189605 },
    { "dots in the time",       "2 Jan 2024 10.00.05 +0000",                     1704189605 },
    { "no space behind the comma", "Tue,2 Jan 2024 10:00:05 GMT",                1704189605 },
    { "military zone Z",        "2 Jan 2024 10:00:05 Z",                         1704189605 },
    { "words behind",           "2 Jan 2024 10:00:05 +0000 id 77",               1704189605 },
    { "13 PM",                  "2 Jan 2024 25:00:05 PM +0000",                  -1 },
    { "dashes without a year",  "2-Jan 10:00:05 GMT",                            -1 },
    { "decimals",               "2 Jan 2024 10:00:05.123 +0000",                 1704189605 },
    { "leap second",            "31 Dec 2016 23:59:60 +0000",                    1483228799 },
    { "day that does not exist", "Mon, 30 Feb 2024 10:00:05 +0000",              -1 },
    { "no leap year",           "29 Feb 1900 10:00:05 +0000",                    -1 },
    { "day 0",                  "0 Jan 2024 10:00:05 +0000",                     -1 },
    { "hour 24",                "2 Jan 2024 24:00:00 +0000",                     -1 },
    { "minute 60",              "2 Jan 2024 10:60:00 +0000",                     -1 },
    { "no month",               "2 Foo 2024 10:00:00 +0000",                     -1 },
    { "year of five digits",    "2 Jan 12024 10:00:00 +0000",                    -1 },
    { "zone cut short",         "2 Jan 2024 10:00:00 +01",                       -1 },
    { "zone is no name",        "2 Jan 2024 10:00:00 Z9",                        -1 },
    { "huge number",            "99999999999999999999 Jan 2024 10:00:00 +0000",  -1 },
    { "ISO 8601",               "2024-01-02T10:00:05Z",                          -1 },
    { "words",                  "a b c d e f g h i j k l",                       -1 },
    { "open comment",           "2 Jan 2024 (10:00:05 +0000",                    -1 },
    { "empty",                  "",                                              -1 },
    { "colons",                 ":::: :::: : :",                                 -1 },
};

static void
date_parse_reads_what_mail_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t at = -1;
        int     rc = date_parse(slice_of(cases[i].text), &at);

        if (at != cases[i].unix_s || (rc != MT_OK) != (cases[i].unix_s == -1))
            fail_msg("%s: got %lld (%s)", cases[i].label, (long long)at, mt_strerror(rc));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(date_parse_reads_what_mail_has) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
