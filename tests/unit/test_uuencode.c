#include "tests/unit/contents.h"

#include "finder/uuencode.h"

static void
run(struct contents *c, struct slice text, size_t piece)
{
    struct uuencode u;

#define FEED(part) uuencode_feed(&u, (part))
    uuencode_init(&u, &contents_events, c);
    CONTENTS_FEED(text, piece, FEED);
    uuencode_finish(&u);
#undef FEED
}

#define TEN(text)     text text text text text text text text text text
#define FORTY(text)   TEN(text) TEN(text) TEN(text) TEN(text)

static const struct {
    const char *label, *in, *want;
} cases[] = {
    { "text alone", "Hello,\r\n\r\nlet us begin 644 things at the end\r\nend\r\n", "" },
    { "a block", "Hello,\r\n\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n\r\nRegards\r\n", "unknown(cat.txt)=Cat|" },
    { "lines end in LF", "begin 644 cat.txt\n#0V%T\n`\nend\n", "unknown(cat.txt)=Cat|" },
    { "two lines",
      "begin 755 t\r\nM=&]K96XZ(&UT,6%B8RP@86YD(&$@;&EN92!T:&%T(&ES(&QO;F=E<B!T:&%N\r\n"
      "5(&9O<G1Y+69I=F4@;V-T971S+@T*\r\n`\r\nend\r\n",
      "unknown(t)=token: mt1abc, and a line that is longer than forty-five octets.\\x0d\\x0a|" },
    { "blanks for zeros", "begin 644 a b\r\n%:&5L;&\\ \r\n \r\nend\r\n", "unknown(a b)=hello|" },
    { "blanks cut off", "begin 644 z\r\n%:&5L;&\\\r\n&\r\n\r\nend\r\n", "unknown(z)=hello\\x00\\x00\\x00\\x00\\x00\\x00|" },
    { "a last group that is cut short", "begin 644 z\r\n!80\r\nend\r\n", "unknown(z)=a|" },
    { "checksums at the lines' ends", "begin 644 z\r\n#0V%TX\r\nend\r\n", "unknown(z)=Cat|" },
    { "four digits of mode", "begin 0644 z\r\n#0V%T\r\nend\r\n", "unknown(z)=Cat|" },
    { "two blocks",
      "begin 644 a\r\n#0V%T\r\n`\r\nend\r\nbegin 600 b\r\n#0V%T\r\n`\r\nend\r\n", "unknown(a)=Cat|unknown(b)=Cat|" },
    { "a block within a block",
      "begin 644 a\r\n#0V%T\r\nbegin 600 b\r\n#0V%T\r\n`\r\nend\r\n", "unknown(a)=Cat|unknown(b)=Cat|" },
    { "without an end", "begin 644 a\r\n#0V%T\r\n#0V%T", "unknown(a)=CatCat|" },
    { "lines that are none",
      "begin 644 a\r\n#0V%T\r\n-- advertisement\r\n\r\n#0V%TTOO LONG\r\n#0V%T\r\nend\r\n", "unknown(a)=CatCat|" },
    { "a begin line in prose", "begin 644 things\r\nand then go on as before\r\nend\r\n", "" },
    { "no mode", "begin the work\r\n#0V%T\r\nend\r\n", "" },
    { "a mode with another digit", "begin 648 a\r\n#0V%T\r\nend\r\n", "" },
    { "two digits of mode", "begin 64 a\r\n#0V%T\r\nend\r\n", "" },
    { "five digits of mode", "begin 00644 a\r\n#0V%T\r\nend\r\n", "" },
    { "no name", "begin 644 \r\n#0V%T\r\nend\r\n", "" },
    { "base64", "begin-base64 644 cat.txt\r\nQ2F0\r\nIGFuZA==\r\n====\r\ntext\r\n", "unknown(cat.txt)=Cat and|" },
    { "base64 in one line", "begin-base64 644 a\n" FORTY(TEN("YWFh")) "\n====\n", "unknown(a)=" FORTY(TEN("aaa")) "|" },
    { "base64 without an end", "begin-base64 644 a\nYWFhYW", "unknown(a)=aaaa|" },
    { "a long line of text", FORTY(TEN("text")) "\nbegin 644 a\n#0V%T\n" FORTY(TEN("text")) "\nend\n", "unknown(a)=Cat|" },
    { "a begin line within a long line", FORTY("12345678") "begin 644 a\n#0V%T\nend\n", "" },
    { "a long name", "begin 644 " TEN(TEN("abc")) "\n#0V%T\nend\n",
      "unknown(" FORTY("abc") FORTY("abc") "abcabcabcabcabc)=Cat|" },
};

static void
blocks_are_found_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_contents(cases[i].label, run, slice_of(cases[i].in), cases[i].want);
}

/* Each of these lines says that it has 45 octets, and has none. */
static void
missing_blanks_are_bounded(void **state)
{
    enum { LINES = 10000 };
    struct buf text, got;

    (void)state;
    buf_init(&text, 3 * LINES);
    buf_append_string(&text, "begin 644 a\n");
    for (size_t i = 0; i < LINES; i++)
        buf_append_string(&text, "M\n");
    got = contents_of(run, buf_slice(&text), SIZE_MAX);
    assert_int_equal(got.len, strlen("unknown(a)=|") + UUENCODE_ZEROS_FIRST / 45 * 45 * strlen("\\x00"));
    buf_fini(&got);
    buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_however_the_text_is_cut),
        cmocka_unit_test(missing_blanks_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
