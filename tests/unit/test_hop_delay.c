#include "tests/unit/unit.h"

#include "lib/hop_delay.h"

#include <stdio.h>

/*
 * Times in seconds, newest first, each row one mail; 0 is unreadable. want: for each hop the delay in seconds, '?' where none is
 * known, "?<=n" where it is only bounded, "d<=n" where both, '!' behind it where the hop is skewed.
 */
static const struct { const char *label; double times[6]; double sent; const char *want; } rows[] = {
    { "one hop, sending time known",              { 1002.5 },                         1000, "2.5" },
    { "a second hides more than the whole took",  { 1002.536, 1002, 1002 },           1002.5, "?<=0.036 ?<=0.036 ?<=0.036" },
    { "the next second of a short way",           { 1003.036, 1003, 1002 },           1002.9, "?<=0.036 ?<=0.136 ?<=0.1" },
    { "stamps tell whole seconds",                { 1010.25, 1004, 1001 },            1000.5, "6<=6.25 3<=4 1<=1.5" },
    { "a difference of a second may be none",     { 1003.25, 1003, 1002 },            0,    "?<=0.25 ?<=1.25 ?" },
    { "one hop, sending time not known",          { 1002.5 },                         0,    "?" },
    { "three hops in order",                      { 1010, 1004, 1001 },               1000, "6<=6 3<=4 1<=2" },
    { "the oldest has no bound",                  { 1010, 1004, 1001 },               0,    "6<=6 3<=4 ?" },
    { "within the tolerance is no delay",         { 1010, 1011, 1009 },               1000, "?<=1 ?<=1 9<=10" },
    { "a clock in the future",                    { 1010, 5000, 1004 },               1000, "?<=6 ?<=6! 4<=5" },
    { "a clock in the past of the sending",       { 1010, 500, 1004 },                1000, "?<=6 ?<=6! 4<=5" },
    { "23 hours ahead",                           { 100000, 182800, 99998, 99997 },   99990, "?<=2 ?<=2! ?<=2 7<=8" },
    { "slow by less than the whole, out of order", { 1020, 1003, 1016, 1014, 1012 },   1000, "?<=4 ?<=4! 2<=3 2<=3 12<=13" },
    { "two agree against one",                    { 1020, 1015, 1005, 1014 },         1000, "5<=5 ?<=2 ?<=2! 14<=15" },
    { "unreadable in the middle",                 { 1010, 0, 1004 },                  1000, "?<=6 ?<=6 4<=5" },
    { "unreadable at the end",                    { 1010, 1009, 0 },                  1000, "?<=1 ?<=10 ?<=10" },
    { "nothing but ours fits",                    { 1010, 3000, 4000 },               1000, "?<=10 ?<=10! ?<=10!" },
    { "minted by a clock ahead of ours",          { 1010, 1004 },                     2000, "6<=6 ?" },
    { "a queue of two days is no skew",           { 1000000, 827200, 827199 },        827198, "172800<=172800 ?<=2 1<=2" },
};

static void
describe(const struct hop_delay *d, char *out, size_t size)
{
    const char *mark = d->skewed ? "!" : "";

    if (d->known && d->bounded)
        snprintf(out, size, "%g<=%g%s", (double)d->delay_us / 1e6, (double)d->at_most_us / 1e6, mark);
    else if (d->known)
        snprintf(out, size, "%g%s", (double)d->delay_us / 1e6, mark);
    else if (d->bounded)
        snprintf(out, size, "?<=%g%s", (double)d->at_most_us / 1e6, mark);
    else
        snprintf(out, size, "?%s", mark);
}

static void
delays_come_from_clocks_that_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hop_delay delays[6];
        int64_t          times_us[6];
        char             got[200] = "", one[40];
        unsigned         count = 0;

        /* An unreadable one counts while a readable one is behind it, and at the end of the row that says so. */
        for (unsigned t = 0; t < 6; t++) {
            times_us[t] = (int64_t)(rows[i].times[t] * 1e6);
            if (times_us[t] != 0)
                count = t + 1;
        }
        if (strstr(rows[i].label, "at the end") != NULL)
            count++;
        hop_delays(times_us, count, (int64_t)(rows[i].sent * 1e6), delays);
        for (unsigned h = 0; h < count; h++) {
            describe(&delays[h], one, sizeof(one));
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", h == 0 ? "" : " ", one);
        }
        assert_slice(rows[i].label, slice_of(got), rows[i].want);
    }
}

/* As above. want: for each hop the skew in seconds, 'z' behind it where the zone looks wrong, '-' where it is not skewed. */
static const struct { const char *label; double times[6]; double sent; const char *want; } skews[] = {
    { "good clocks",                             { 1010.25, 1004, 1001 },                  1000,  "- - -" },
    { "unreadable is not skewed",                { 1010, 0, 1004 },                        1000,  "- - -" },
    { "ahead of what follows",                   { 1010, 5000, 1004 },                     1000,  "- 3990 -" },
    { "behind what came before",                 { 1010, 500, 1004 },                      1000,  "- -504 -" },
    { "behind the sending",                      { 1010, 500 },                            1000,  "- -500" },
    { "an hour ahead, seven seconds on its way", { 100010, 103607, 100004 },               100000, "- 3600z -" },
    { "an hour ahead, the sending not known",    { 100010, 103607 },                       0,     "- 3600z" },
    { "an hour behind",                          { 100010, 96407, 100004 },                100000, "- -3600z -" },
    { "five and a half hours",                   { 100010, 119807, 100004 },               100000, "- 19800z -" },
    { "five and three quarters",                 { 100010, 120707, 100004 },               100000, "- 20700z -" },
    { "fourteen hours",                          { 100010, 150407, 100004 },               100000, "- 50400z -" },
    { "a day is no zone",                        { 100010, 186407, 100004 },               100000, "- 86397 -" },
    { "ten minutes are no zone",                 { 100010, 100607, 100004 },               100000, "- 597 -" },
    { "two of the same wrong clock",             { 100010, 103608, 103606, 100004 },       100000, "- 3600z 3600z -" },
    { "a long way, at its end",                  { 110000, 113599, 100001 },               100000, "- 3600z -" },
    { "a long way, in its middle",               { 110000, 108600, 100001, 105000 },       100000, "- - -4999 -" },
};

static void
a_clock_that_disagrees_is_estimated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(skews); i++) {
        struct hop_delay delays[6];
        int64_t          times_us[6];
        char             got[200] = "";
        unsigned         count = 0;

        for (unsigned t = 0; t < 6; t++) {
            times_us[t] = (int64_t)(skews[i].times[t] * 1e6);
            if (times_us[t] != 0)
                count = t + 1;
        }
        hop_delays(times_us, count, (int64_t)(skews[i].sent * 1e6), delays);
        for (unsigned h = 0; h < count; h++) {
            size_t len = strlen(got);

            if (delays[h].skewed)
                snprintf(got + len, sizeof(got) - len, "%s%g%s", h == 0 ? "" : " ", (double)delays[h].skew_us / 1e6,
                         delays[h].wrong_zone ? "z" : "");
            else
                snprintf(got + len, sizeof(got) - len, "%s-", h == 0 ? "" : " ");
        }
        assert_slice(skews[i].label, slice_of(got), skews[i].want);
    }
}

/* want: before and behind hop at, as in rows. */
static const struct { const char *label; double times[6]; double sent; unsigned at; const char *want; } splits[] = {
    { "in seconds",                    { 1010.25, 1004, 1001 },       1000, 1, "4<=5 6<=6.25" },
    { "the same at the oldest",        { 1010.25, 1004, 1001 },       1000, 2, "1<=2 9<=9.25" },
    { "all within one second",         { 1000.8, 1000 },              1000.1, 1, "?<=0.7 ?<=0.7" },
    { "the sending not known",         { 1010.25, 1004, 1001 },       0,    1, "? 6<=6.25" },
    { "at a skewed one",               { 1010, 5000, 1004 },          1000, 1, "?<=10 ?<=6" },
    { "at a skewed one, none behind",  { 1010, 5000 },                1000, 1, "?<=10 ?<=10" },
    { "at a skewed one, nothing known", { 1010, 5000 },               0,    1, "? ?" },
    { "at an unreadable one",          { 1010, 1008, 0, 1004 },       1000, 2, "?<=9 ?<=6" },
};

static void
the_way_is_cut_in_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(splits); i++) {
        struct hop_delay before, behind;
        int64_t          times_us[6];
        char             got[200], one[40];
        unsigned         count = 0;

        for (unsigned t = 0; t < 6; t++) {
            times_us[t] = (int64_t)(splits[i].times[t] * 1e6);
            if (times_us[t] != 0)
                count = t + 1;
        }
        hop_split(times_us, count, (int64_t)(splits[i].sent * 1e6), splits[i].at, &before, &behind);
        describe(&before, one, sizeof(one));
        snprintf(got, sizeof(got), "%s ", one);
        describe(&behind, one, sizeof(one));
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s", one);
        assert_slice(splits[i].label, slice_of(got), splits[i].want);
    }
}

/* Whatever the clocks say, our own hop is trusted and nothing is negative. */
static void
no_delay_is_negative(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct hop_delay delays[HOP_DELAY_MAX];
        int64_t          times_us[HOP_DELAY_MAX], sent_us = round % 2 == 0 ? 0 : 20000000;
        unsigned         count = 1 + round % HOP_DELAY_MAX;

        for (unsigned i = 0; i < count; i++) {
            seed = seed * 1664525 + 1013904223;
            times_us[i] = i == 0 ? 50000000 : (int64_t)(seed >> 6);
        }
        hop_delays(times_us, count, sent_us, delays);
        assert_false(delays[0].skewed);
        for (unsigned i = 0; i < count; i++) {
            assert_true(!delays[i].known || delays[i].delay_us >= 0);
            assert_true(!delays[i].bounded || delays[i].at_most_us >= 0);
            assert_false(delays[i].known && delays[i].skewed);
            assert_true(delays[i].skewed == (delays[i].skew_us != 0) && (delays[i].skewed || !delays[i].wrong_zone));
            assert_true(!delays[i].known || !delays[i].bounded || delays[i].delay_us <= delays[i].at_most_us);
            assert_true(sent_us == 0 || (delays[i].delay_us <= times_us[0] - sent_us && delays[i].at_most_us <= times_us[0] - sent_us));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_come_from_clocks_that_agree),
        cmocka_unit_test(a_clock_that_disagrees_is_estimated),
        cmocka_unit_test(the_way_is_cut_in_two),
        cmocka_unit_test(no_delay_is_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
