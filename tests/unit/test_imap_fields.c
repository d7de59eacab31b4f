#include "imapd/imap_fields.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define HEADER "From: a@b.test\r\nSubject: one\r\n two\r\n\tthree\r\nX-Y : z\r\nno field\r\n behind it\r\n: no name\r\nsubject:four\r\n\r\nSubject: body\r\n"

static const struct {
    const char *label, *header;
    const char *names[2];
    bool        except;
    uint64_t    skip, left;
    const char *want;
} rows[] = {
    { "one",                  HEADER,                   { "SUBJECT" },         false, 0, 999, "Subject: one\r\n two\r\n\tthree\r\nsubject:four\r\n\r\n" },
    { "two",                  HEADER,                   { "x-y", "from" },     false, 0, 999, "From: a@b.test\r\nX-Y : z\r\n\r\n" },
    { "all others",           HEADER,                   { "subject", "from" }, true,  0, 999, "X-Y : z\r\n\r\n" },
    { "none",                 HEADER,                   { "To" },              false, 0, 999, "\r\n" },
    { "a partial",            HEADER,                   { "From" },            false, 6, 3,   "a@b" },
    { "behind the end",       HEADER,                   { "From" },            false, 99, 3,  "" },
    { "an empty header",      "\r\n",                   { "From" },            true,  0, 999, "\r\n" },
    { "bare line feeds",      "A: 1\nB: 2\n\nA: 3\n",   { "A" },               false, 0, 999, "A: 1\n\r\n" },
    { "no empty line",        "A: 1\r\nB: 2",           { "B" },               false, 0, 999, "B: 2\r\n" },
    { "a carriage return",    "\rA: 1\r\n\r\n",         { "A" },               false, 0, 999, "\rA: 1\r\n\r\n" },
    { "a field that starts with a fold", " x\r\nA: 1\r\n", { "A" },            true,  0, 999, "\r\n" },
};

/* In pieces of so many octets; to NULL: counts. */
static uint64_t
run(size_t row, struct slice header, size_t piece, struct buf *to)
{
    struct imap_field_names names = { 0 };
    struct imap_fields      f;

    for (unsigned i = 0; i < 2 && rows[row].names[i] != NULL; i++)
        assert_true(imap_field_names_add(&names, slice_of(rows[row].names[i])));
    imap_fields_begin(&f, &names, rows[row].except, (struct imap_partial){ .skip = rows[row].skip, .left = rows[row].left });
    for (; header.len > 0; header = slice_sub(header, piece, header.len))
        assert_int_equal(imap_fields_feed(&f, slice_sub(header, 0, piece), to), 0);
    assert_int_equal(imap_fields_finish(&f, to), 0);
    return f.partial.octets;
}

static void
fields_are_chosen_whatever_the_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece <= 20; piece++) {
            struct buf got;

            buf_init(&got, 1000);
            run(i, slice_of(rows[i].header), piece, &got);
            assert_slice(rows[i].label, buf_slice(&got), rows[i].want);
            assert_int_equal(run(i, slice_of(rows[i].header), piece, NULL), got.len);
            buf_fini(&got);
        }
}

/* As many as there may be, in an order that is not theirs: each is found, and nothing else. */
static void
each_of_many_names_is_found(void **state)
{
    char                    texts[IMAP_FIELD_NAMES_MAX][8];
    struct imap_field_names names = { 0 };

    (void)state;
    for (unsigned i = 0; i < IMAP_FIELD_NAMES_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "x%u", i * 101 % IMAP_FIELD_NAMES_MAX);
        assert_true(imap_field_names_add(&names, slice_of(texts[i])));
    }
    assert_false(imap_field_names_add(&names, slice_of("one too many")));
    for (unsigned i = 0; i < 2 * IMAP_FIELD_NAMES_MAX; i++) {
        struct imap_fields f;
        char               header[32];

        snprintf(header, sizeof(header), "X%u: y\r\n\r\n", i);
        imap_fields_begin(&f, &names, false, (struct imap_partial){ .left = 999 });
        assert_int_equal(imap_fields_feed(&f, slice_of(header), NULL), 0);
        assert_int_equal(imap_fields_finish(&f, NULL), 0);
        assert_int_equal(f.partial.octets, i < IMAP_FIELD_NAMES_MAX ? strlen(header) : 2);
    }
    assert_slice("as they were asked for", names.names[1], "x101");
}

/* A name that is too long to be kept is none of those that were asked for, and its field is told as it stands. */
static void
a_very_long_name_is_none_of_those(void **state)
{
    struct buf header, got;

    (void)state;
    buf_init(&header, 10000);
    buf_init(&got, 10000);
    for (unsigned i = 0; i < 3 * IMAP_FIELD_NAME_BYTES; i++)
        buf_append_byte(&header, 'A');
    buf_append_string(&header, ": 1\r\n");
    run(0, buf_slice(&header), 7, &got);
    assert_slice("named", buf_slice(&got), "\r\n");
    buf_clear(&got);
    run(2, buf_slice(&header), 7, &got);
    buf_append_string(&header, "\r\n");
    assert_true(slice_equal(buf_slice(&got), buf_slice(&header)));
    buf_fini(&header);
    buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_chosen_whatever_the_pieces),
        cmocka_unit_test(each_of_many_names_is_found),
        cmocka_unit_test(a_very_long_name_is_none_of_those),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
