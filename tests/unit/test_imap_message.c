#include "imapd/imap_message.h"

#include "finder/finder.h"
#include "tests/unit/unit.h"

#define OUTER "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n"
#define INNER "Subject: inner\r\nContent-Type: text/plain\r\n\r\n"
#define TEXT  "hello\r\n"
#define TWO   "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define PART  "Content-Type: text/html\r\n\r\n"

enum { NAMES = 3 };

/* Sections by their paths, as in a FETCH. */
static const struct {
    const char       *label, *mail;
    uint32_t          path[NAMES];
    unsigned          len;
    enum imap_section section;
    const char       *want;         /* NULL: there is none */
} rows[] = {
    { "all",                          OUTER INNER TEXT, { 0 },       0, IMAP_SECTION_WHOLE,  OUTER INNER TEXT },
    { "HEADER",                       OUTER INNER TEXT, { 0 },       0, IMAP_SECTION_HEADER, OUTER },
    { "TEXT",                         OUTER INNER TEXT, { 0 },       0, IMAP_SECTION_TEXT,   INNER TEXT },
    { "1 of a message in a message",  OUTER INNER TEXT, { 1 },       1, IMAP_SECTION_WHOLE,  INNER TEXT },
    { "1.HEADER",                     OUTER INNER TEXT, { 1 },       1, IMAP_SECTION_HEADER, INNER },
    { "1.TEXT",                       OUTER INNER TEXT, { 1 },       1, IMAP_SECTION_TEXT,   TEXT },
    { "1.MIME",                       OUTER INNER TEXT, { 1 },       1, IMAP_SECTION_MIME,   OUTER },
    { "1.1",                          OUTER INNER TEXT, { 1, 1 },    2, IMAP_SECTION_WHOLE,  TEXT },
    { "1 of a text",                  INNER TEXT,       { 1 },       1, IMAP_SECTION_WHOLE,  TEXT },
    { "1.MIME of a text",             INNER TEXT,       { 1 },       1, IMAP_SECTION_MIME,   INNER },
    { "1.HEADER of a text",           INNER TEXT,       { 1 },       1, IMAP_SECTION_HEADER, NULL },
    { "2 of a text",                  INNER TEXT,       { 2 },       1, IMAP_SECTION_WHOLE,  NULL },
    { "2 of two",                     TWO "--b\r\n" PART "x\r\n--b\r\n" OUTER INNER "y\r\n--b--\r\n", { 2 }, 1, IMAP_SECTION_WHOLE, INNER "y" },
    { "2.MIME",                       TWO "--b\r\n" PART "x\r\n--b\r\n" OUTER INNER "y\r\n--b--\r\n", { 2 }, 1, IMAP_SECTION_MIME, OUTER },
    { "2.HEADER",                     TWO "--b\r\n" PART "x\r\n--b\r\n" OUTER INNER "y\r\n--b--\r\n", { 2 }, 1, IMAP_SECTION_HEADER, INNER },
    { "2.1",                          TWO "--b\r\n" PART "x\r\n--b\r\n" OUTER INNER "y\r\n--b--\r\n", { 2, 1 }, 2, IMAP_SECTION_WHOLE, "y" },
};

static struct finder *
open_mail(struct slice mail, struct imap_message *m)
{
    struct finder *finder = finder_new();
    struct parsed  parsed;

    assert_non_null(finder);
    finder_feed(finder, mail);
    finder_finish(finder, &parsed);
    *m = (struct imap_message){ .memory = mail };
    m->record.body_bytes = mail.len;
    m->record.parsed.parts = parsed.parts;
    assert_int_equal(imap_message_parts(m), 0);
    return finder;
}

static void
sections_are_where_they_belong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_message m;
        struct imap_range64 range;
        struct finder      *finder = open_mail(slice_of(rows[i].mail), &m);
        bool                found = imap_message_range(&m, rows[i].path, rows[i].len, rows[i].section, &range);

        if (found != (rows[i].want != NULL))
            fail_msg("%s: found %d", rows[i].label, found);
        if (found)
            assert_slice(rows[i].label, slice_sub(m.memory, (size_t)range.from, (size_t)(range.to - range.from)), rows[i].want);
        imap_message_close(&m);
        finder_free(finder);
    }
}

/* The deepest part that a structure shows has a path that a section can state. */
static void
what_is_shown_can_be_asked_for(void **state)
{
    struct imap_message m;
    struct finder      *finder;
    struct buf          mail;
    uint32_t            path[IMAP_PATH_MAX + 1];
    unsigned            len = 0;

    (void)state;
    buf_init(&mail, 100000);
    for (unsigned i = 0; i < 2 * MIME_DEPTH_MAX; i++)
        buf_append_string(&mail, OUTER);
    buf_append_string(&mail, INNER TEXT);
    for (unsigned i = 0; i < COUNT(path); i++)
        path[i] = 1;
    finder = open_mail(buf_slice(&mail), &m);
    while (len < COUNT(path) && imap_message_find(&m, path, len + 1) != PARSED_NO_PARENT)
        len++;
    assert_in_range(len, MIME_DEPTH_MAX / 2, IMAP_PATH_MAX);
    imap_message_close(&m);
    finder_free(finder);
    buf_fini(&mail);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_where_they_belong),
        cmocka_unit_test(what_is_shown_can_be_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
