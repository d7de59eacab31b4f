#include "tests/unit/contents.h"

#include "finder/compressed_rtf.h"

/* All octets of a string literal but the NUL at its end. */
#define OCTETS(literal) { literal, sizeof(literal) - 1 }

#define LZFU "\0\0\0\0\0\0\0\0LZFu\0\0\0\0"
#define MELA "\0\0\0\0\0\0\0\0MELA\0\0\0\0"

static const struct {
    const char  *label;
    struct slice in;
    const char  *out;
} cases[] = {
    { "nothing", OCTETS(""), "rtf()=|" },
    { "header alone", OCTETS(LZFU), "rtf()=|" },
    { "another type", OCTETS("\0\0\0\0\0\0\0\0LZFxabcdabcdabcd"), "rtf()=|" },
    { "not compressed", OCTETS(MELA "{\\rtf1 token}"), "rtf()={\\rtf1 token}|" },
    /* As MS-OXRTFCP section 3.1.1 has it. */
    { "hello world",
      OCTETS("\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35\x42"
             "\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0"),
      "rtf()={\\rtf1\\ansi\\ansicpg1252\\pard hello world}\\x0d\\x0a|" },
    { "literals", OCTETS(LZFU "\x00" "abcdefgh" "\x00" "ij"), "rtf()=abcdefghij|" },
    /* 207 = 0x0cf is where the first octet goes: a reference to it that overlaps what it writes. */
    { "a run", OCTETS(LZFU "\x02" "a" "\x0c\xff"), "rtf()=aaaaaaaaaaaaaaaaaa|" },
    { "over the dictionary's end", OCTETS(LZFU "\x01" "\xff\xf1"), "rtf()=\\x00{\\|" },
    { "behind the end", OCTETS(LZFU "\x02" "a" "\x0d\x00" "bcd"), "rtf()=a|" },
    { "half a reference", OCTETS(LZFU "\x02" "a" "\x0c"), "rtf()=a|" },
};

static void
on_rtf(void *arg, struct slice octets)
{
    contents_octets(arg, octets);
}

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct compressed_rtf rtf;

#define FEED(part) compressed_rtf_feed(&rtf, (part))
    contents_begin(c, CONTENT_RTF, slice_of(""));
    compressed_rtf_init(&rtf, on_rtf, c);
    CONTENTS_FEED(file, piece, FEED);
    contents_end(c);
#undef FEED
}

static void
decompresses_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_contents(cases[i].label, run, cases[i].in, cases[i].out);
}

static void
dictionary_wraps_around(void **state)
{
    enum { LITERALS = 5000 };
    char       in[16 + LITERALS / 8 * 9 + 3], want[LITERALS + 20];
    size_t     len = 16, told = 0;
    struct buf got;

    (void)state;
    memcpy(in, LZFU, 16);
    for (size_t i = 0; i < LITERALS; i++) {
        if (i % 8 == 0)
            in[len++] = '\0';
        in[len++] = want[told++] = (char)('a' + i % 23);
    }
    /* The last octets, from four before where the next one goes. */
    in[len++] = '\x01';
    in[len++] = (char)(((207 + LITERALS - 4) % 4096) >> 4);
    in[len++] = (char)((207 + LITERALS - 4) % 4096 << 4 | 2);
    memcpy(want + told, want + told - 4, 4);
    want[told + 4] = '\0';
    got = contents_of(run, slice_make(in, len), 100);
    assert_slice("wrapped", slice_sub(buf_slice(&got), strlen("rtf()="), told + 4), want);
    buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decompresses_however_it_is_cut),
        cmocka_unit_test(dictionary_wraps_around),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
