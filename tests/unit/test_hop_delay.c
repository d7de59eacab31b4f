#include "tests/unit/unit.h"

#include "lib/hop_delay.h"

#include <stdio.h>

/*
 * Times in seconds, newest first, each row one mail; 0 is unreadable. want: for each hop the delay in seconds, '?' where none is known,
 * "?<=n" where it is only bounded, "d<=n" where both, '!' behind it where the hop is skewed.
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
        cmocka_unit_test(no_delay_is_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
