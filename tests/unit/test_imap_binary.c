#include "imapd/imap_binary.h"
#include "tests/unit/unit.h"

#define ALL UINT64_MAX
#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
    const char        *label;
    enum part_encoding encoding;
    const char        *stored;
    uint64_t           offset, octets;
    const char        *want;
    size_t             want_len;
    bool               has_nul;
} rows[] = {
    { "base64",                      ENCODING_BASE64,           "aGVs\r\nbG8=\r\n",     0, ALL, TEXT("hello"),            false },
    { "base64 without padding",      ENCODING_BASE64,           "aGVsbG8",              0, ALL, TEXT("hello"),            false },
    { "base64 with a NUL",           ENCODING_BASE64,           "YQBi",                 0, ALL, TEXT("a\0b"),             true  },
    { "its front",                   ENCODING_BASE64,           "YQBi",                 0, 1,   TEXT("a"),                false },
    { "its middle",                  ENCODING_BASE64,           "aGVsbG8=",             1, 3,   TEXT("ell"),              false },
    { "the last octet",              ENCODING_BASE64,           "aGVsbG8=",             4, 9,   TEXT("o"),                false },
    { "behind the end",              ENCODING_BASE64,           "aGVsbG8=",             5, 9,   TEXT(""),                 false },
    { "two octets held to the end",  ENCODING_BASE64,           "aGVsbA",               3, ALL, TEXT("l"),                false },
    { "base64 two bodies together",  ENCODING_BASE64,           "YQ==YQ==",             0, ALL, TEXT("aa"),               false },
    { "quoted-printable",            ENCODING_QUOTED_PRINTABLE, "a=3Db=\r\nc\r\n",      0, ALL, TEXT("a=bc\r\n"),         false },
    { "quoted-printable with a NUL", ENCODING_QUOTED_PRINTABLE, "=00",                  0, ALL, TEXT("\0"),               true  },
    { "a NUL in front",              ENCODING_QUOTED_PRINTABLE, "=00bcd",               0, ALL, TEXT("\0" "bcd"),         true  },
    { "an escape that is cut",       ENCODING_QUOTED_PRINTABLE, "ab=",                  0, ALL, TEXT("ab"),               false },
    { "7bit",                        ENCODING_7BIT,             "a=3D\r\n",             0, ALL, TEXT("a=3D\r\n"),         false },
    { "8bit, a part of it",          ENCODING_8BIT,             "k\xc3\xb6ln",          1, 2,   TEXT("\xc3\xb6"),         false },
    { "nothing",                     ENCODING_BASE64,           "",                     0, ALL, TEXT(""),                 false },
};

/* In pieces of so many octets; to NULL: counts. */
static void
run(struct imap_binary *b, size_t row, size_t piece, struct buf *to)
{
    struct slice rest = slice_of(rows[row].stored);

    imap_binary_begin(b, rows[row].encoding, (struct imap_partial){ .skip = rows[row].offset, .left = rows[row].octets });
    for (; rest.len > 0; rest = slice_sub(rest, piece, rest.len))
        assert_int_equal(imap_binary_feed(b, slice_sub(rest, 0, piece), to), 0);
    assert_int_equal(imap_binary_finish(b, to), 0);
}

static void
the_count_is_what_is_sent_whatever_the_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece <= 7; piece++) {
            struct imap_binary b;
            struct buf         got;

            buf_init(&got, 1000);
            run(&b, i, piece, NULL);
            if (b.partial.octets != rows[i].want_len || b.partial.has_nul != rows[i].has_nul)
                fail_msg("%s: counted %llu, NUL %d", rows[i].label, (unsigned long long)b.partial.octets, b.partial.has_nul);
            run(&b, i, piece, &got);
            if (!slice_equal(buf_slice(&got), slice_make(rows[i].want, rows[i].want_len)))
                fail_msg("%s: got \"%.*s\"", rows[i].label, (int)got.len, got.data);
            buf_fini(&got);
        }
}

static void
a_partial_that_is_full_needs_no_more(void **state)
{
    struct imap_binary b;

    (void)state;
    imap_binary_begin(&b, ENCODING_7BIT, (struct imap_partial){ .skip = 1, .left = 2 });
    imap_binary_feed(&b, slice_of("ab"), NULL);
    assert_int_equal(b.partial.left, 1);
    imap_binary_feed(&b, slice_of("cd"), NULL);
    assert_int_equal(b.partial.left, 0);
    assert_int_equal(b.partial.octets, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_is_what_is_sent_whatever_the_pieces),
        cmocka_unit_test(a_partial_that_is_full_needs_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
