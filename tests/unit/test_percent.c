#include "tests/unit/decoded.h"

#include "finder/percent.h"

static const struct {
    const char *label;
    unsigned    marks;
    const char *in, *want;
} cases[] = {
    { "plain",                      PERCENT_MARK_ALL, SOME_TOKEN, SOME_TOKEN },
    { "empty",                      PERCENT_MARK_ALL, "", "" },
    { "once",                       PERCENT_MARK_ALL, "%6D%74%31", "mt1" },
    { "lower case",                 PERCENT_MARK_ALL, "%6d%3a%2F", "m:/" },
    { "twice",                      PERCENT_MARK_ALL, "%256D%2574", "mt" },
    { "thrice and more",            PERCENT_MARK_ALL, "%25256D%2525252574", "mt" },
    { "a percent sign",             PERCENT_MARK_ALL, "100%25 %2525", "100% %" },
    { "a percent sign and a digit", PERCENT_MARK_ALL, "%25mt1%25a.", "%mt1%a." },
    { "broken",                     PERCENT_MARK_ALL, "%mt1%6%zz%", "%mt1%6%zz%" },
    { "cut at the end",             PERCENT_MARK_ALL, "a%6", "a%6" },
    { "a mark after a mark",        PERCENT_MARK_ALL, "%%6D-=6D", "%m-m" },
    { "a mark after a digit",       PERCENT_MARK_ALL, "%6%6D", "%6m" },
    { "plus",                       PERCENT_MARK_ALL, "a+b", "a+b" },
    { "NUL and octets over 127",    PERCENT_MARK_ALL, "%c3%A4", "\xc3\xa4" },
    { "Safe Links",                 PERCENT_MARK_ALL,
      "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Ft.example%2F%3Fid%3D" SOME_TOKEN "&data=05%7C02%7C",
      "https://eur01.safelinks.protection.outlook.com/?url=https://t.example/?id=" SOME_TOKEN "&data\x05|02|" },
    { "urldefense v1",              PERCENT_MARK_ALL,
      "https://urldefense.proofpoint.com/v1/url?u=http://t.example/%3Fid%3D%6Dt1&k=x",
      "https://urldefense.proofpoint.com/v1/url?u=http://t.example/?id=mt1&k=x" },
    { "urldefense v2",              PERCENT_MARK_ALL,
      "https://urldefense.proofpoint.com/v2/url?u=http-3A__t.example_-3Fid-3Dmt1-26x-3D-256D&d=Dw&c=",
      "https://urldefense.proofpoint.com/v2/url?u=http:__t.example_?id=mt1&x=m&d=Dw&c=" },
    { "quoted-printable",           PERCENT_MARK_ALL, "=6Dt1=3D=3d6D", "mt1=m" },
    { "equals before a token",      PERCENT_MARK_ALL, "id=mt1&x=3Dmt1%3Dmt1", "id=mt1&x=mt1=mt1" },
    { "an equals sign that was encoded", PERCENT_MARK_ALL, "id%3Dab-3Dcd%253Def", "id=ab=cd=ef" },
    { "percent alone",              PERCENT_MARK_PERCENT, "a-6D=6D%2D6D%256D", "a-6D=6D-6Dm" },
    { "minus alone",                PERCENT_MARK_MINUS, "a-6D=6D%6D-256D", "am=6D%6Dm" },
};

static void
escapes_are_undone_however_often_applied(void **state)
{
    static struct decoded got;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < COUNT(piece_sizes); k++) {
            struct slice   in = slice_of(cases[i].in);
            struct percent p;

            percent_init(&p, cases[i].marks, decoded_add, &got);
            for (int round = 0; round < 2; round++) {
                got.len = 0;
                percent_feed(&p, slice_of(NULL));
                for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_sizes[k]).len)
                    percent_feed(&p, piece_at(in, at, piece_sizes[k]));
                percent_finish(&p);
                assert_slice(cases[i].label, decoded_slice(&got), cases[i].want);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone_however_often_applied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
