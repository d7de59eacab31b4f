#include "tests/unit/contents.h"

#include "finder/yenc.h"

static void
run(struct contents *c, struct slice text, size_t piece)
{
    struct yenc y;

#define FEED(part) yenc_feed(&y, (part))
    yenc_init(&y, &contents_events, c);
    CONTENTS_FEED(text, piece, FEED);
    yenc_finish(&y);
#undef FEED
}

#define BEGIN "=ybegin line=128 size=5 name=a.txt\r\n"
#define HELLO "\x92\x8f\x96\x96\x99"       /* each octet of "hello" and 42 */
#define TEN(text) text text text text text text text text text text

static const struct {
    const char *label, *in, *want;
} cases[] = {
    { "text alone", "Hello = all\r\n=20yes\r\n=\r\n=yes\r\n=yend size=5\r\n", "" },
    { "a block", "Hello,\r\n" BEGIN HELLO "\r\n=yend size=5 crc32=3610a686\r\nRegards\r\n", "unknown(a.txt)=hello|" },
    { "lines end in LF", "=ybegin line=128 size=5 name=a.txt\n" HELLO "\n=yend size=5\n", "unknown(a.txt)=hello|" },
    { "a part",
      "=ybegin part=1 total=2 line=128 size=9 name= my file.txt \r\n"
      "=ypart begin=1 end=5\r\n" HELLO "\r\n=yend size=5 part=1\r\n",
      "unknown(my file.txt)=hello|" },
    { "critical octets", BEGIN "=@=J=M=}=n\r\n=yend size=5\r\n", "unknown(a.txt)=\\xd6\\xe0\\xe3\\x13\\x04|" },
    { "an escape at the start of a line", BEGIN "=n\x92\r\n=n=n\r\n=yend size=4\r\n", "unknown(a.txt)=\\x04h\\x04\\x04|" },
    { "an escape before the line's end", BEGIN "\x92=\r\n\x8f\r\n=yend size=2\r\n", "unknown(a.txt)=he|" },
    { "another keyword within", BEGIN "\x92\r\n=ynote x\r\n\x8f\r\n=yend size=2\r\n", "unknown(a.txt)=he|" },
    { "two blocks",
      BEGIN HELLO "\r\n=yend size=5\r\n" BEGIN HELLO "\r\n=yend size=5\r\n", "unknown(a.txt)=hello|unknown(a.txt)=hello|" },
    { "a block within a block",
      BEGIN HELLO "\r\n" BEGIN HELLO "\r\n=yend size=5\r\n", "unknown(a.txt)=hello|unknown(a.txt)=hello|" },
    { "without an end", BEGIN HELLO "\r\n" HELLO, "unknown(a.txt)=hellohello|" },
    { "an end that breaks off", BEGIN HELLO "\r\n=yen", "unknown(a.txt)=hello|" },
    { "nothing within", BEGIN "=yend size=0\r\n", "unknown(a.txt)=|" },
    { "without a line length", "=ybegin size=5 name=a\r\n" HELLO "\r\n=yend size=5\r\n", "" },
    { "without a size", "=ybegin line=128 name=a\r\n" HELLO "\r\n=yend size=5\r\n", "" },
    { "without a name", "=ybegin line=128 size=5\r\n" HELLO "\r\n=yend size=5\r\n", "" },
    { "a keyword in the middle of a line", "see =ybegin line=128 size=5 name=a\r\n" HELLO "\r\n=yend size=5\r\n", "" },
    { "a long name", "=ybegin line=128 size=5 name=" TEN(TEN("abcdef")) "\r\n" HELLO "\r\n=yend size=5\r\n",
      "unknown(" TEN("abcdef") TEN("abcdef") TEN("abcdef") TEN("abcdef") "abcdefabcdefabc)=hello|" },
};

static void
blocks_are_found_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_contents(cases[i].label, run, slice_of(cases[i].in), cases[i].want);
}

/* Every octet there is, each of them escaped or not. */
static void
every_octet_is_decoded(void **state)
{
    char       text[2 * 600];
    struct buf got, want;
    size_t     len = strlen(BEGIN);

    (void)state;
    memcpy(text, BEGIN, len);
    for (unsigned octet = 0; octet < 256; octet++) {
        unsigned char encoded = (unsigned char)(octet + 42);

        if (encoded == 0 || encoded == '\n' || encoded == '\r' || encoded == '=') {
            text[len++] = '=';
            encoded = (unsigned char)(encoded + 64);
        }
        text[len++] = (char)encoded;
        if (octet % 128 == 127) {
            text[len++] = '\r';
            text[len++] = '\n';
        }
    }
    buf_init(&want, 2000);
    for (unsigned octet = 0; octet < 256; octet++)
        buf_printf(&want, octet >= ' ' && octet <= '~' ? "%c" : "\\x%02x", octet);
    got = contents_of(run, slice_make(text, len), 50);
    assert_true(slice_equal(slice_sub(buf_slice(&got), strlen("unknown(a.txt)="), want.len), buf_slice(&want)));
    buf_fini(&got);
    buf_fini(&want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_however_the_text_is_cut),
        cmocka_unit_test(every_octet_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
