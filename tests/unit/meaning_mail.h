#ifndef TESTS_UNIT_MEANING_MAIL_H
#define TESTS_UNIT_MEANING_MAIL_H
/*
 * meaning_mail - what the tests of meaning/ share: a mail with what is expected of it, driven through the real walk
 * (lib/mime.h) in pieces of several sizes, with line ends CRLF. Mails are written after what the systems send; names and addresses are
 * made up.
 */

#include "tests/unit/unit.h"

#include "lib/mime.h"
#include "meaning/meaning.h"

#define TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

struct meaning_row {
    const char *label;
    const char *reverse_path;   /* NULL: not told */
    const char *mail;           /* lines end in LF here */
    uint32_t    places;         /* of the token; with PLACE_ATTACHED, also in an attached message's header */
    uint32_t    traits;
    const char *facts;          /* "kind: text" a line, each of which must be there; "!kind": none of that kind may be */
};

static void
row_part_begin(void *arg, const struct mime_part *p)
{
    (void)arg, (void)p;
}

static void
row_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    meaning_field(arg, p, f);
}

static void
row_header_end(void *arg, const struct mime_part *p)
{
    meaning_header_end(arg, p);
}

static void
row_body(void *arg, const struct mime_part *p, struct slice octets)
{
    meaning_body(arg, p, octets);
}

static void
row_part_end(void *arg, const struct mime_part *p)
{
    meaning_part_end(arg, p);
}

static const struct mime_events row_events = {
    .part_begin = row_part_begin, .field = row_field, .header_end = row_header_end, .body = row_body, .part_end = row_part_end,
};

static void
row_to_crlf(const char *mail, struct buf *out)
{
    buf_init(out, 1u << 20);
    for (; *mail != '\0'; mail++) {
        if (*mail == '\n')
            buf_append_byte(out, '\r');
        buf_append_byte(out, *mail);
    }
    assert_int_equal(out->fault, MT_OK);
}

static bool
row_has_fact(struct slice facts, struct slice kind, const struct slice *text)
{
    struct reader r;
    struct fact   fact;
    bool          found = false;

    reader_init(&r, facts);
    while (fact_next(&r, &fact))
        found = found || (slice_equal(slice_of(fact_name(fact.kind)), kind) && (text == NULL || slice_equal(fact.text, *text)));
    assert_true(read_end(&r));
    return found;
}

static void
row_print(struct slice facts)
{
    struct reader r;
    struct fact   fact;

    reader_init(&r, facts);
    while (fact_next(&r, &fact))
        print_message("    %s: %.*s\n", fact_name(fact.kind), (int)fact.text.len, fact.text.data);
}

static void
row_check_facts(const struct meaning_row *row, struct slice facts)
{
    struct slice rest = slice_of(row->facts == NULL ? "" : row->facts);

    while (rest.len > 0) {
        struct slice line = slice_sub(rest, 0, slice_find(rest, '\n'));
        size_t       colon = slice_find(line, ':');
        struct slice text = slice_trim(slice_sub(line, colon + 1, line.len));
        bool         absent = slice_starts(line, "!");
        struct slice kind = slice_sub(line, absent, colon - absent);

        if (row_has_fact(facts, kind, absent ? NULL : &text) == absent) {
            row_print(facts);
            fail_msg("%s: want \"%.*s\"", row->label, (int)line.len, line.data);
        }
        rest = slice_sub(rest, line.len + 1, rest.len);
    }
}

static void
row_check(struct meaning *m, const struct meaning_row *row, struct slice mail, size_t piece)
{
    struct mime_walk *walk = mime_walk_new(&row_events, m);
    struct slice      facts;
    uint32_t          traits;

    assert_non_null(walk);
    if (row->reverse_path != NULL)
        meaning_reverse_path(m, slice_of(row->reverse_path));
    for (size_t at = 0; at < mail.len; at += piece)
        mime_walk_feed(walk, slice_sub(mail, at, piece));
    mime_walk_finish(walk);
    if ((row->places & PLACE_ATTACHED) != 0)
        meaning_candidate(m, PLACE_ATTACHED | PLACE_MESSAGE_ID | PLACE_SUBJECT | PLACE_OWN_HEADER | PLACE_TEXT);
    meaning_candidate(m, row->places & ~(uint32_t)PLACE_ATTACHED);
    traits = meaning_finish(m, &facts);
    if (traits != row->traits) {
        row_print(facts);
        fail_msg("%s: in pieces of %zu: traits %x, want %x", row->label, piece, traits, row->traits);
    }
    assert_true(facts.len <= FACTS_BYTES);
    row_check_facts(row, facts);
    meaning_reset(m);
    mime_walk_free(walk);
}

static void
rows_check(const struct meaning_row *rows, size_t count)
{
    static const size_t pieces[] = { 1, 7, 64, 1u << 20 };
    struct meaning     *m = meaning_new();

    assert_non_null(m);
    for (size_t i = 0; i < count; i++) {
        struct buf mail;

        row_to_crlf(rows[i].mail, &mail);
        for (size_t k = 0; k < COUNT(pieces); k++)
            row_check(m, &rows[i], buf_slice(&mail), pieces[k]);
        buf_fini(&mail);
    }
    meaning_free(m);
}

#endif
