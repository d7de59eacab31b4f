#include "tests/unit/unit.h"

#include "smtpd/line.h"

#include <stdio.h>
#include <stdlib.h>

/* What line_take said, step by step: a line in brackets, or a letter for an error: S syntax, Z size, F full. */
static void
read_all(const char *in, size_t len, size_t piece, char *out, size_t out_size)
{
    struct line l = { .scanned = 0 };
    char       *held = malloc(len + 1);
    size_t      held_len = 0, at = 0, n = 0;

    assert_non_null(held);
    out[0] = '\0';
    while (at < len) {
        size_t       more = len - at < piece ? len - at : piece;
        struct slice rest, line;
        int          rc;

        memcpy(held + held_len, in + at, more);
        at += more;
        rest = slice_make(held, held_len + more);
        while ((rc = line_take(&l, &rest, &line)) != MT_EAGAIN) {
            if (rc == MT_OK)
                n += (size_t)snprintf(out + n, out_size - n, "[%.*s]", (int)(line.len < 20 ? line.len : 20), line.data);
            else
                n += (size_t)snprintf(out + n, out_size - n, "%c", rc == MT_ESYNTAX ? 'S' : rc == MT_ESIZE ? 'Z' : 'F');
            if (rc == MT_ESYNTAX || rc == MT_EFULL) {
                free(held);
                return;
            }
        }
        memmove(held, rest.data, rest.len);
        held_len = rest.len;
    }
    free(held);
}

static const struct { const char *label, *in, *want; } cases[] = {
    { "one",                  "NOOP\r\n",                 "[NOOP]" },
    { "two",                  "NOOP\r\nQUIT\r\n",         "[NOOP][QUIT]" },
    { "empty",                "\r\n\r\n",                 "[][]" },
    { "not complete",         "NOOP\r\nQU",               "[NOOP]" },
    { "CR at the end",        "NOOP\r",                   "" },
    { "CR inside",            "NO\rOP\r\n",               "[NO\rOP]" },
    { "two CRs",              "NOOP\r\r\n",               "[NOOP\r]" },
    { "LF alone",             "NOOP\nQUIT\r\n",           "S" },
    { "LF first",             "\nQUIT\r\n",               "S" },
    { "LF behind a line",     "NOOP\r\n\n",               "[NOOP]S" },
    { "LF CR",                "NOOP\n\r",                 "S" },
};

static void
lines_end_in_crlf_wherever_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i].in); piece++) {
            char out[200];

            read_all(cases[i].in, strlen(cases[i].in), piece, out, sizeof(out));
            if (strcmp(out, cases[i].want) != 0)
                fail_msg("%s, in pieces of %zu: got %s, want %s", cases[i].label, piece, out, cases[i].want);
        }
    }
}

/* len octets of 'a', then end, then another line. */
static void
check_length(const char *label, size_t len, const char *end, const char *want)
{
    static char in[200000];
    char        out[200];
    size_t      total = len;

    memset(in, 'a', len);
    total += (size_t)snprintf(in + len, sizeof(in) - len, "%sNOOP\r\n", end);
    for (size_t piece = 1; piece < 100000; piece = piece * 3 + 1) {
        if (piece < 100 && len > 10000)     /* octet by octet is tried with the shorter ones */
            continue;
        read_all(in, total, piece, out, sizeof(out));
        if (strcmp(out, want) != 0)
            fail_msg("%s, in pieces of %zu: got %s, want %s", label, piece, out, want);
    }
}

static void
long_lines_are_thrown_away_and_endless_ones_end_it(void **state)
{
    (void)state;
    check_length("at the limit", LINE_BYTES_MAX, "\r\n", "[aaaaaaaaaaaaaaaaaaaa][NOOP]");
    check_length("over the limit", LINE_BYTES_MAX + 1, "\r\n", "Z[NOOP]");
    check_length("far over the limit", 60000, "\r\n", "Z[NOOP]");
    check_length("overlong, ended by LF", 60000, "\n", "S");
    check_length("overlong, CR apart from LF", 60000, "\rx\n", "S");
}

/* However much comes: nothing is held, and it ends. */
static void
a_line_without_end_is_given_up(void **state)
{
    static char  chunk[8192];
    struct line  l = { .scanned = 0 };
    struct slice line;
    size_t       total = 0;
    int          rc;

    (void)state;
    memset(chunk, 'x', sizeof(chunk));
    do {
        struct slice in = slice_make(chunk, sizeof(chunk));

        rc = line_take(&l, &in, &line);
        assert_int_equal(in.len, 0);
        total += sizeof(chunk);
    } while (rc == MT_EAGAIN);
    assert_rc("endless", rc, MT_EFULL);
    assert_true(total <= LINE_SKIP_BYTES_MAX + 2 * sizeof(chunk));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_crlf_wherever_they_are_cut),
        cmocka_unit_test(long_lines_are_thrown_away_and_endless_ones_end_it),
        cmocka_unit_test(a_line_without_end_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
