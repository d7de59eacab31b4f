#include "tests/unit/unit.h"

#include "finder/blocks.h"
#include "lib/buf.h"

/* "[kind name|octets]" for each content. */
static void
on_begin(void *arg, enum content_kind kind, struct slice name)
{
    buf_printf(arg, "[%d %.*s|", kind, (int)name.len, name.len > 0 ? name.data : "");
}

static void
on_octets(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

static void
on_end(void *arg)
{
    buf_append_byte(arg, ']');
}

static const struct container_events events = { on_begin, on_octets, on_end };

#define UUENCODED "begin 644 a.txt\r\n#86)C\r\n`\r\nend\r\n"
#define YENCODED  "=ybegin line=128 size=3 name=b.txt\r\n\x8b\x8c\x8d\r\n=yend size=3\r\n"
#define HEAD(b)   "Content-Type: multipart/mixed; boundary=\"" b "\"\r\n\r\n"

static const struct {
    const char *label, *text, *told;
} cases[] = {
    { "none", "Hello\r\n-- \r\nbegin with it\r\n=yes\r\n--\r\n\r\n", "" },
    { "uuencoded", "Hello\r\n" UUENCODED "x\r\n", "[0 a.txt|abc]" },
    { "yEnc", "Hello\r\n" YENCODED "x\r\n", "[0 b.txt|abc]" },
    { "one behind the other", UUENCODED "x\r\n" YENCODED UUENCODED, "[0 a.txt|abc][0 b.txt|abc][0 a.txt|abc]" },
    { "not within a line", "x " UUENCODED "x " YENCODED, "" },
    { "without an end", "begin 644 a.txt\r\n#86)C\r\n", "[0 a.txt|abc]" },
    { "multipart", "Hello\r\n--x\r\nContent-Type: text/plain\r\n\r\ny\r\n--x--\r\n",
      "[4 |" HEAD("x") "--x\r\nContent-Type: text/plain\r\n\r\ny\r\n--x--\r\n]" },
    { "multipart at once, blanks, other case, LF", "--x y  \r\ncontent-id: a\n", "[4 |" HEAD("x y") "--x y\r\ncontent-id: a\n]" },
    { "multipart behind a line that is none", "--a\r\n--b\r\nContent-X", "[4 |" HEAD("b") "--b\r\nContent-X]" },
    { "what follows a signature's begin", "-----BEGIN PGP MESSAGE-----\r\nVersion: 1\r\n", "" },
    { "no header behind it", "--x\r\nContents of this mail\r\n--x\r\nCont\r\n", "" },
    { "a file behind what was none", "--x\r\n" UUENCODED, "[0 a.txt|abc]" },
    { "a quote in a boundary", "--x\"y\r\nContent-Type: a/b\r\n", "" },
};

static void
blocks_are_found_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice  text = slice_of(cases[i].text);
        struct blocks b;
        struct buf    told;

        buf_init(&told, 1000);
        blocks_init(&b, &events, &told);
        for (size_t piece = 1; piece <= text.len; piece++) {
            for (size_t at = 0; at < text.len; at += piece)
                blocks_feed(&b, slice_sub(text, at, piece));
            blocks_finish(&b);
            assert_slice(cases[i].label, buf_slice(&told), cases[i].told);
            buf_clear(&told);
        }
        blocks_fini(&b);
        buf_fini(&told);
    }
}

static void
a_boundary_may_be_as_long_as_any(void **state)
{
    (void)state;
    for (size_t len = BOUNDARY_CHARS - 1; len <= BOUNDARY_CHARS + 1; len++) {
        struct blocks b;
        struct buf    text, told;

        buf_init(&text, 1000);
        buf_init(&told, 2000);
        blocks_init(&b, &events, &told);
        buf_printf(&text, "--%0*d\nContent-Type: a/b\n", (int)len, 0);
        blocks_feed(&b, buf_slice(&text));
        blocks_finish(&b);
        assert_int_equal(told.len > 0, len <= BOUNDARY_CHARS);
        blocks_fini(&b);
        buf_fini(&text);
        buf_fini(&told);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_however_the_text_is_cut),
        cmocka_unit_test(a_boundary_may_be_as_long_as_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
