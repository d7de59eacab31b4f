#include "tests/unit/unit.h"

#include "lib/data.h"

#include <stdio.h>
#include <stdlib.h>

#define LF  DELIVERY_BARE_LF
#define CR  DELIVERY_BARE_CR
#define B8  DELIVERY_8BIT_DATA
#define NUL DELIVERY_NUL

#define END "\r\n.\r\n"

/* left: what of the input comes behind the end of the data; NULL: the data has not ended. */
static const struct { const char *label, *in, *want, *left; uint32_t flags; uint64_t line_bytes_max; } cases[] = {
    { "plain",                       "a\r\nbc" END,              "a\r\nbc\r\n",            "",          0,  2 },
    { "empty",                       ".\r\n",                    "",                       "",          0,  0 },
    { "what follows stays",          "a" END "QUIT\r\n",         "a\r\n",                  "QUIT\r\n",  0,  1 },
    { "empty lines",                 "\r\n\r\n.\r\n",            "\r\n\r\n",               "",          0,  0 },
    { "stuffed dot",                 "..\r\n..a\r\n.b" END,      ".\r\n.a\r\nb\r\n",       "",          0,  2 },
    { "two stuffed dots",            "...\r\n.\r\n",             "..\r\n",                 "",          0,  2 },
    { "dots within a line",          "a.\r\nb.c" END,            "a.\r\nb.c\r\n",          "",          0,  3 },
    { "no end: half of it",          "a\r\n.",                   "a\r\n",                  NULL,        0,  1 },
    { "no end: CR",                  "a\r\n.\r",                 "a\r\n",                  NULL,        0,  1 },
    /* Smuggling: each of these ends the data for one server or another, and must not here. */
    { "LF . LF",                     "a\n.\nb" END,              "a\r\n.\r\nb\r\n",        "",          LF, 1 },
    { "LF . CRLF",                   "a\n.\r\nb" END,            "a\r\n.\r\nb\r\n",        "",          LF, 1 },
    { "CRLF . LF",                   "a\r\n.\nb" END,            "a\r\n\r\nb\r\n",         "",          LF, 1 },
    { "CR . CR",                     "a\r.\rb" END,              "a\r.\rb\r\n",            "",          CR, 5 },
    { "CR . CRLF",                   "a\r.\r\nb" END,            "a\r.\r\nb\r\n",          "",          CR, 3 },
    { "CRLF . CR",                   "a\r\n.\rb" END,            "a\r\n\rb\r\n",           "",          CR, 2 },
    { "CRLF . CR CR LF",             "a\r\n.\r\r\nb" END,        "a\r\n\r\r\nb\r\n",       "",          CR, 1 },
    { "LF . CR LF . LF",             "a\n.\r\n.\nb" END,         "a\r\n.\r\n\r\nb\r\n",    "",          LF, 1 },
    { "LF CR . CRLF",                "a\n\r.\r\nb" END,          "a\r\n\r.\r\nb\r\n",      "",          LF | CR, 2 },
    { "CR LF CR . CR LF",            "a\r\n\r.\r\nb" END,        "a\r\n\r.\r\nb\r\n",      "",          CR, 2 },
    { "CRLF NUL . CRLF",             "a\r\n\x01.\r\nb" END,      "a\r\n\x01.\r\nb\r\n",    "",          0,  2 },
    { "CRLF . blank CRLF",           "a\r\n. \r\nb" END,         "a\r\n \r\nb\r\n",        "",          0,  1 },
    { "CRLF .. CRLF",                "a\r\n..\r\nb" END,         "a\r\n.\r\nb\r\n",        "",          0,  1 },
    { "LF .. CRLF",                  "a\n..\r\nb" END,           "a\r\n..\r\nb\r\n",       "",          LF, 2 },
    { "LF first",                    "\n.\r\nb" END,             "\r\n.\r\nb\r\n",         "",          LF, 1 },
    { "CR first",                    "\r.\r\nb" END,             "\r.\r\nb\r\n",           "",          CR, 2 },
    { "all LF",                      "a\nb\n" END,               "a\r\nb\r\n\r\n",         "",          LF, 1 },
    { "CR CR LF",                    "a\r\r\nb" END,             "a\r\r\nb\r\n",           "",          CR, 2 },
    { "LF CR",                       "a\n\rb" END,               "a\r\n\rb\r\n",           "",          LF | CR, 2 },
    { "8 bits",                      "\xc3\xa4" END,             "\xc3\xa4\r\n",           "",          B8, 2 },
    { "8 bits among many",           "0123456789abc\xff" "def" END, "0123456789abc\xff" "def\r\n", "", B8, 17 },
};

struct collected {
    char   data[4096];
    size_t len;
};

static void
collect(void *arg, struct slice bytes)
{
    struct collected *c = arg;

    assert_true(bytes.len > 0 && bytes.len <= sizeof(c->data) - c->len);
    memcpy(c->data + c->len, bytes.data, bytes.len);
    c->len += bytes.len;
}

/* Feeds from a block of exactly that size, so that a sanitizer sees any octet that is read behind it. */
static size_t
feed_copy(struct data_reader *r, struct slice in, struct collected *out)
{
    char  *copy = malloc(in.len + 1);
    size_t used;

    assert_non_null(copy);
    memcpy(copy + 1, in.data, in.len);
    used = data_reader_feed(r, slice_make(copy + 1, in.len), collect, out);
    free(copy);
    return used;
}

static void
check(size_t i, const char *how, const struct data_reader *r, const struct collected *out, size_t used)
{
    struct slice in = slice_of(cases[i].in);
    struct slice got = slice_make(out->data, out->len);

    if (!slice_equal(got, slice_of(cases[i].want)))
        fail_msg("%s, %s: got \"%.*s\"", cases[i].label, how, (int)out->len, out->data);
    if (data_reader_ended(r) != (cases[i].left != NULL))
        fail_msg("%s, %s: the end is wrong", cases[i].label, how);
    if (cases[i].left != NULL && !slice_equal(slice_sub(in, used, in.len), slice_of(cases[i].left)))
        fail_msg("%s, %s: %zu octets were used", cases[i].label, how, used);
    if (r->flags != cases[i].flags || r->size_bytes != out->len || r->line_bytes_max != cases[i].line_bytes_max)
        fail_msg("%s, %s: flags %#x, size %llu, longest line %llu", cases[i].label, how, r->flags, (unsigned long long)r->size_bytes,
                 (unsigned long long)r->line_bytes_max);
}

static void
data_ends_at_crlf_dot_crlf_alone_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice in = slice_of(cases[i].in);

        for (size_t cut = 0; cut <= in.len; cut++) {
            struct collected   out = { .len = 0 };
            struct data_reader r;
            size_t             used;

            data_reader_init(&r, DATA_DOTTED);
            used = feed_copy(&r, slice_sub(in, 0, cut), &out);
            if (!data_reader_ended(&r))
                used = cut + feed_copy(&r, slice_sub(in, cut, in.len), &out);
            check(i, "cut in two", &r, &out, used);
        }
    }
}

static void
data_may_come_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice       in = slice_of(cases[i].in);
        struct collected   out = { .len = 0 };
        struct data_reader r;
        size_t             used = 0;

        data_reader_init(&r, DATA_DOTTED);
        while (used < in.len && !data_reader_ended(&r))
            used += feed_copy(&r, slice_sub(in, used, 1), &out);
        check(i, "octet by octet", &r, &out, used);
    }
}

static const struct { const char *label, *in, *want; uint32_t flags; } chunks[] = {
    { "dots mean nothing",   "a\r\n.\r\n..b\r\n", "a\r\n.\r\n..b\r\n", 0 },
    { "no line end",         "a",                 "a",                 0 },
    { "bare LF",             "a\nb\n",            "a\r\nb\r\n",        LF },
    { "bare CR at the end",  "a\r",               "a\r",               CR },
    { "CR CR LF",            "\r\r\n",            "\r\r\n",            CR },
};

static void
chunks_end_by_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(chunks); i++) {
        struct slice in = slice_of(chunks[i].in);

        for (size_t cut = 0; cut <= in.len; cut++) {
            struct collected   out = { .len = 0 };
            struct data_reader r;

            data_reader_init(&r, DATA_CHUNKED);
            assert_int_equal(feed_copy(&r, slice_sub(in, 0, cut), &out), cut);
            assert_int_equal(feed_copy(&r, slice_sub(in, cut, in.len), &out), in.len - cut);
            data_reader_finish(&r);
            assert_slice(chunks[i].label, slice_make(out.data, out.len), chunks[i].want);
            assert_int_equal(r.flags, chunks[i].flags);
        }
    }
}

static void
nul_octets_are_noted_and_kept(void **state)
{
    static const char  in[] = "a\0b\r\n.\r\n";
    struct collected   out = { .len = 0 };
    struct data_reader r;

    (void)state;
    data_reader_init(&r, DATA_DOTTED);
    assert_int_equal(feed_copy(&r, slice_make(in, sizeof(in) - 1), &out), sizeof(in) - 1);
    assert_memory_equal(out.data, "a\0b\r\n", 5);
    assert_int_equal(r.flags, NUL);
}

/* The reader goes on for good in constant memory; only its count of the line grows. */
static void
a_line_without_end_is_counted(void **state)
{
    static char        chunk[4096];
    struct data_reader r;

    (void)state;
    memset(chunk, 'x', sizeof(chunk));
    data_reader_init(&r, DATA_DOTTED);
    for (unsigned i = 0; i < 1000; i++) {
        struct collected out = { .len = 0 };

        data_reader_feed(&r, slice_make(chunk, sizeof(chunk)), collect, &out);
    }
    assert_int_equal(r.line_bytes_max, 1000 * sizeof(chunk));
}

static void
append_piece(void *arg, struct slice bytes)
{
    buf_append_slice(arg, bytes);
}

static void
a_binary_message_is_kept_as_it_is(void **state)
{
    static const char  octets[] = "a\nb\r\n.\r\n\0\rc\xff\n";
    struct data_reader r;
    struct buf         out;

    (void)state;
    buf_init(&out, sizeof(octets));
    data_reader_init(&r, DATA_BINARY);
    for (size_t i = 0; i < sizeof(octets) - 1; i++)
        assert_int_equal(data_reader_feed(&r, slice_make(octets + i, 1), append_piece, &out), 1);
    data_reader_finish(&r);
    assert_true(slice_equal(buf_slice(&out), slice_make(octets, sizeof(octets) - 1)));
    assert_int_equal(r.size_bytes, sizeof(octets) - 1);
    assert_int_equal(r.flags, DELIVERY_8BIT_DATA | DELIVERY_NUL);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_ends_at_crlf_dot_crlf_alone_wherever_it_is_cut),
        cmocka_unit_test(data_may_come_octet_by_octet),
        cmocka_unit_test(chunks_end_by_count),
        cmocka_unit_test(nul_octets_are_noted_and_kept),
        cmocka_unit_test(a_line_without_end_is_counted),
        cmocka_unit_test(a_binary_message_is_kept_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
