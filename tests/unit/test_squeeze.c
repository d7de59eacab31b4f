#include "tests/unit/decoded.h"

#include "finder/squeeze.h"

#include <stdio.h>

static const struct {
    const char  *label;
    struct slice in;
    const char  *want;
} cases[] = {
    { "plain",                          LITERAL("mt1abc"),                                  "mt1abc" },
    { "empty",                          LITERAL(""),                                        "" },
    { "spaces and tabs",                LITERAL("a b\tc  d"),                               "abcd" },
    { "CRLF",                           LITERAL("mt1\r\nabc"),                              "mt1abc" },
    { "LF alone",                       LITERAL("mt1\nabc"),                                "mt1abc" },
    { "CR alone",                       LITERAL("mt1\rabc"),                                "mt1abc" },
    { "empty lines",                    LITERAL("mt1\r\n\r\nabc"),                          "mt1abc" },
    { "format=flowed",                  LITERAL("mt1 \r\nabc"),                             "mt1abc" },
    { "form feed, vertical tab",        LITERAL("mt1\f\vabc"),                              "mt1abc" },
    { "control characters",             LITERAL("mt1\x01\x08\x7f" "abc"),                   "mt1abc" },
    { "quoted",                         LITERAL("> mt1\r\n> abc"),                          "mt1abc" },
    { "quoted deeper",                  LITERAL(">> mt1\r\n>> abc\r\n> > def"),             "mt1abcdef" },
    { "quoted by a bar",                LITERAL("| mt1\n | abc"),                           "mt1abc" },
    { "quoted by others",               LITERAL("* mt1\n: abc\n# d\n}e"),                   "mt1abcde" },
    { "quote mark within a line",       LITERAL("a>b|c:d"),                                 "a>b|c:d" },
    { "quote mark behind an escape",    LITERAL("a\n\033[1m>b"),                            "ab" },
    { "soft line break left over",      LITERAL("mt1=\r\nabc"),                             "mt1abc" },
    { "and padded",                     LITERAL("mt1= \t\r\nabc"),                          "mt1abc" },
    { "and quoted",                     LITERAL("> mt1=\r\n> abc"),                         "mt1abc" },
    { "equals within a line",           LITERAL("a=b==c"),                                  "a=b==c" },
    { "equals before a space",          LITERAL("a= b"),                                    "a=b" },
    { "two before a line end",          LITERAL("a==\nb"),                                  "a=b" },
    { "equals at the end",              LITERAL("a="),                                      "a=" },
    { "zero width space",               LITERAL("mt1\xe2\x80\x8b" "abc"),                   "mt1abc" },
    { "zero width joiners",             LITERAL("m\xe2\x80\x8ct\xe2\x80\x8d" "1"),          "mt1" },
    { "marks of direction",             LITERAL("m\xe2\x80\x8et\xe2\x80\xaa" "1\xe2\x80\xae"), "mt1" },
    { "separators of lines",            LITERAL("m\xe2\x80\xa8t\xe2\x80\xa9" "1"),          "mt1" },
    { "word joiner, invisible plus",    LITERAL("m\xe2\x81\xa0t\xe2\x81\xa4" "1"),          "mt1" },
    { "byte order mark",                LITERAL("\xef\xbb\xbfmt\xef\xbb\xbf" "1"),          "mt1" },
    { "soft hyphen",                    LITERAL("mt\xc2\xad" "1"),                          "mt1" },
    { "no-break space",                 LITERAL("mt\xc2\xa0" "1"),                          "mt1" },
    { "combining grapheme joiner",      LITERAL("mt\xcd\x8f" "1"),                          "mt1" },
    { "Arabic letter mark",             LITERAL("mt\xd8\x9c" "1"),                          "mt1" },
    { "Mongolian vowel separator",      LITERAL("mt\xe1\xa0\x8e" "1"),                      "mt1" },
    { "variation selectors",            LITERAL("m\xef\xb8\x80t\xef\xb8\x8f" "1\xf3\xa0\x84\x80"), "mt1" },
    { "thin and wide spaces",           LITERAL("m\xe2\x80\x89t\xe3\x80\x80" "1\xe2\x81\x9f"), "mt1" },
    { "replacement character",          LITERAL("mt\xef\xbf\xbd" "1"),                      "mt1" },
    { "other characters stay",          LITERAL("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "cut character",                  LITERAL("a\xe2\x80" "b\xe2"),                       "a\xe2\x80" "b\xe2" },
    { "lone no-break space",            LITERAL("mt\xa0" "1"),                              "mt1" },
    { "lone soft hyphen",               LITERAL("mt\xad\xad" "1"),                          "mt1" },
    { "behind a letter of ISO-8859-1",  LITERAL("\xe9m\xadt1"),                             "\xe9mt1" },
    { "full-width, UTF-8",              LITERAL("\xef\xbd\x8d\xef\xbd\x94\xef\xbc\x91\xef\xbc\xa1"), "mt1A" },
    { "full-width, EUC",                LITERAL("\xa3\xed\xa3\xf4\xa3\xb1\xa3\xc1"),        "mt1A" },
    { "full-width, EUC, wrapped",       LITERAL("\xa3\xed\r\n\xa3\xf4 \xa3\xb1"),           "mt1" },
    { "pound sign is no full-width",    LITERAL("\xa3mt1"),                                 "\xa3mt1" },
    { "pound sign before capitals",     LITERAL("\xa3" "ABC"),                              "\xa3" "ABC" },
    { "full-width, Big5",               LITERAL("\xa2\xf5\xa2\xfc\xa2\xb0\xa2\xcf\xa3\x40\xa3\x43"), "mt1Awz" },
    { "full-width, Big5, at an odd offset", LITERAL("a\xa2\xfe\xa2\xfe\xa3\x40"), "avvw" },
    { "full-width, Shift_JIS",          LITERAL("\x82\x8d\x82\x94\x82\x50\x82\x60\x82\x79"), "mt1AZ" },
    { "Shift_JIS, capital first",       LITERAL("\x82\x6c\x82\x73\x82\x50"),                "MT1" },
    { "low quotation mark",             LITERAL("\x82mt1abc\x91"),                          "\x82mt1abc\x91" },
    { "low quotation mark, then full",  LITERAL("\x82P\x82"),                               "1\x82" },
    { "low quotation mark at the end",  LITERAL("a\x82P"),                                  "a\x82P" },
    { "GB18030, four octets",           LITERAL("mt1\x81\x36\xa4\x37" "ab\x81\x30\x85\x32" "c"), "mt1abc" },
    { "GB18030, cut",                   LITERAL("a\x81\x36" "b\x81\x36\xa4" "c"),           "a\x81\x36" "b\x81\x36\xa4" "c" },
    { "ISO-2022 to ASCII",              LITERAL("mt1\033(Babc\033(Jd"),                     "mt1abcd" },
    { "ISO-2022-JP, full-width",        LITERAL("\033$B#m#t#1\033(Babc"),                   "mt1abc" },
    { "ISO-2022-JP-1",                  LITERAL("\033$(D#m#t#1\033(Babc"),                  "mt1abc" },
    { "ISO-2022-KR",                    LITERAL("\033$)Cmt\016\0171"),                      "mt1" },
    { "double octets end with the line", LITERAL("\033$B#a\na#b"),                          "aa#b" },
    { "colours of a terminal",          LITERAL("\033[1;31mmt1\033[0mabc\033[m"),           "mt1abc" },
    { "escape before a token",          LITERAL("\033mt1"),                                 "mt1" },
    { "UTF-16LE",                       LITERAL("m\0t\0001\0a\0"),                          "mt1a" },
    { "UTF-16BE",                       LITERAL("\0m\0t\0001\0a"),                          "mt1a" },
    { "UTF-16LE, byte order mark",      LITERAL("\xff\xfem\0t\0001\0"),                     "mt1" },
    { "UTF-16BE, byte order mark",      LITERAL("\xfe\xff\0m\0t\0001"),                     "mt1" },
    { "UTF-16LE, full-width alone",     LITERAL("\xff\xfe\x4d\xff\x60\x20\x54\xff\x4b\x6d\x11\xff"), "mtKm1" },
    { "UTF-16BE, full-width alone",     LITERAL("\xfe\xff\xff\x4d\x20\x60\xff\x54\x6d\x4b\xff\x11"), "mtmK1" },
    { "octets of a mark alone",         LITERAL("\xff" "mt1\xfe\xfe" "ab\xff"),  "mt1ab" },
    { "UTF-32LE",                       LITERAL("\xff\xfe\0\0m\0\0\0t\0\0\0001\0\0\0"),     "mt1" },
    { "UTF-32BE",                       LITERAL("\0\0\xfe\xff\0\0\0m\0\0\0t\0\0\0001"),     "mt1" },
    { "UTF-16LE, invisible",            LITERAL("m\0\x0b\x20t\0\x60\x20\x31\0\xad\0a\0\x63\x20" "b\0\x28\x20" "c\0\xff\xfe" "d\0"),
      "mt1abcd" },
    { "UTF-16BE, invisible",            LITERAL("\0m\x20\x0b\0t\x20\x60\0\x31\0\xad\0a\x20\x63\0b\x20\x28\0c\xfe\xff\0d"),
      "mt1abcd" },
    { "UTF-32LE, invisible",            LITERAL("m\0\0\0\x60\x20\0\0t\0\0\0\x31\0\0\0"),    "mt1" },
    { "UTF-32BE, invisible",            LITERAL("\0\0\0m\0\0\x20\x60\0\0\0t\0\0\0\x31"),    "mt1" },
    { "UTF-16LE, full-width",           LITERAL("m\0t\0\x11\xff\x41\xff"),                  "mt1a" },
    { "UTF-16BE, full-width",           LITERAL("\0m\0t\xff\x11\xff\x41"),                  "mt1a" },
    { "UTF-16LE, quoted and wrapped",   LITERAL(">\0 \0m\0t\0=\0\r\0\n\0>\0001\0"),         "mt1" },
    { "UTF-16LE, other characters",     LITERAL("m\0\x3c\x04t\0"),                          "m<t" },
    { "NUL at an end, then text",       LITERAL("a\0mt1abc"),                               "amt1abc" },
    { "NUL at an even offset",          LITERAL("ab\0mt1abc"),                              "abmt1abc" },
    { "NULs at odd places",             LITERAL("m\0\0t\0\0\0001\0abc"),                    "mt1abc" },
};

/* The same, of which only letters and digits are to stay. */
static const struct {
    const char  *label;
    struct slice in;
    const char  *want;
} bare_cases[] = {
    { "punctuation",            LITERAL("mt1-abc_d.e=f\\g'h"),                  "mt1abcdefgh" },
    { "hyphenated",             LITERAL("mt1abc-\r\ndef"),                      "mt1abcdef" },
    { "marked up",              LITERAL("mt1**abc**`def`"),                     "mt1abcdef" },
    { "question mark",          LITERAL("mt1?abc"),                             "mt1abc" },
    { "encoded twice",          LITERAL("mt1\xc3\x82\xc2\xad" "abc"),           "mt1abc" },
    { "octets over 127",        LITERAL("m\x80t\xc3\xa4" "1\xff" "a\xe2\x82"),  "mt1a" },
    { "full-width",             LITERAL("\xef\xbd\x8d\xa3\xf4\x82\x94\x82\x50\x82"), "mtt1" },
    { "UTF-16",                 LITERAL("m\0t\0-\0001\0"),                      "mt1" },
    { "escapes",                LITERAL("m\033$B#t\033(B1\033[1m2"),            "mt12" },
    { "four octets",            LITERAL("m\x81\x36\xa4\x37" "1"),               "m1" },
};

static void
check(const char *label, bool bare, struct slice in, struct slice want)
{
    for (size_t i = 0; i < COUNT(piece_sizes); i++) {
        static struct decoded got;
        struct squeeze        s;
        char                  name[128];

        snprintf(name, sizeof(name), "%s, pieces of %zu", label, piece_sizes[i]);
        got.len = 0;
        (bare ? squeeze_init_bare : squeeze_init)(&s, decoded_add, &got);
        /* Twice: finishing must leave it as new. */
        for (int round = 0; round < 2; round++) {
            got.len = 0;
            squeeze_feed(&s, slice_of(NULL));
            for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_sizes[i]).len)
                squeeze_feed(&s, piece_at(in, at, piece_sizes[i]));
            squeeze_finish(&s);
        }
        if (!slice_equal(decoded_slice(&got), want))
            fail_msg("%s: got \"%.*s\", want \"%.*s\"", name, (int)got.len, got.data, (int)want.len, want.data);
    }
}

static void
what_was_put_into_words_is_taken_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check(cases[i].label, false, cases[i].in, slice_of(cases[i].want));
}

static void
bare_keeps_letters_and_digits_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bare_cases); i++)
        check(bare_cases[i].label, true, bare_cases[i].in, slice_of(bare_cases[i].want));
}

/* Every invisible character between any two characters of a token, in every encoding of Unicode. */
static void
a_token_survives_each_invisible_character(void **state)
{
    static const uint32_t characters[] = {
        0x00A0, 0x00AD, 0x034F, 0x061C, 0x180B, 0x180E, 0x2000, 0x200A, 0x200B, 0x200F, 0x2028, 0x202F, 0x205F, 0x2060, 0x2064,
        0x206F, 0x3000, 0xFE00, 0xFE0F, 0xFEFF,
    };

    (void)state;
    for (size_t i = 0; i < COUNT(characters); i++) {
        uint8_t high = (uint8_t)(characters[i] >> 8), low = (uint8_t)characters[i];
        char    little[4 * sizeof(SOME_TOKEN)], big[4 * sizeof(SOME_TOKEN)], label[32];
        size_t  len = 0;

        for (const char *c = SOME_TOKEN; *c != '\0'; c++, len += 4) {
            memcpy(little + len, (char[]){ *c, 0, (char)low, (char)high }, 4);
            memcpy(big + len, (char[]){ 0, *c, (char)high, (char)low }, 4);
        }
        snprintf(label, sizeof(label), "U+%04X", characters[i]);
        check(label, false, slice_make(little, len), slice_of(SOME_TOKEN));
        check(label, false, slice_make(big, len), slice_of(SOME_TOKEN));
    }
}

/* Its digits must not be taken for halves of other characters. */
static void
a_token_survives_utf32(void **state)
{
    char   little[4 * sizeof(SOME_TOKEN)], big[4 * sizeof(SOME_TOKEN)];
    size_t len = 0;

    (void)state;
    for (const char *c = SOME_TOKEN; *c != '\0'; c++, len += 4) {
        memcpy(little + len, (char[]){ *c, 0, 0, 0 }, 4);
        memcpy(big + len, (char[]){ 0, 0, 0, *c }, 4);
    }
    check("UTF-32LE", false, slice_make(little, len), slice_of(SOME_TOKEN));
    check("UTF-32BE", false, slice_make(big, len), slice_of(SOME_TOKEN));
}

/* Longer than what is gathered before it is passed on. */
static void
long_text_comes_out_whole(void **state)
{
    static char in[32 * 1024], want[32 * 1024];
    size_t      len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (char)(i % 77 == 76 ? '\n' : i % 7 == 6 ? ' ' : 'a' + i % 26);
        if (in[i] != '\n' && in[i] != ' ')
            want[len++] = in[i];
    }
    check("long", false, slice_make(in, sizeof(in)), slice_make(want, len));
    check("long", true, slice_make(in, sizeof(in)), slice_make(want, len));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_into_words_is_taken_out),
        cmocka_unit_test(bare_keeps_letters_and_digits_alone),
        cmocka_unit_test(a_token_survives_each_invisible_character),
        cmocka_unit_test(a_token_survives_utf32),
        cmocka_unit_test(long_text_comes_out_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
