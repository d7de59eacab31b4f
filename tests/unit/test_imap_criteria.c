#include "imapd/imap_criteria.h"
#include "tests/unit/unit.h"

/* A letter for each key, operators as "&", "|" and "!". */
static void
show(const struct imap_criteria *k, struct buf *out)
{
    for (unsigned i = 0; i < k->count; i++)
        switch (k->keys[i].kind) {
        case KEY_AND:     buf_append_string(out, "&"); break;
        case KEY_OR:      buf_append_string(out, "|"); break;
        case KEY_NOT:     buf_append_string(out, "!"); break;
        case KEY_ALL:     buf_append_string(out, "A"); break;
        case KEY_NONE:    buf_append_string(out, "N"); break;
        case KEY_RECENT:  buf_append_string(out, "R"); break;
        case KEY_FLAG:    buf_printf(out, "F%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_BEFORE:
        case KEY_SENT_BEFORE: buf_printf(out, "<%lld", (long long)k->keys[i].day); break;
        case KEY_ON:
        case KEY_SENT_ON: buf_printf(out, "=%lld", (long long)k->keys[i].day); break;
        case KEY_SINCE:
        case KEY_SENT_SINCE: buf_printf(out, ">%lld", (long long)k->keys[i].day); break;
        case KEY_LARGER:  buf_printf(out, "L%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_SMALLER: buf_printf(out, "S%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_YOUNGER: buf_printf(out, "Y%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_OLDER:   buf_printf(out, "O%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_MODSEQ:  buf_printf(out, "M%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_EMAIL_ID:  buf_printf(out, "E%llu", (unsigned long long)k->keys[i].number); break;
        case KEY_THREAD_ID: buf_printf(out, "I%llx", (unsigned long long)k->keys[i].number); break;
        case KEY_NUMBERS: buf_printf(out, "#%u", k->keys[i].set.count); break;
        case KEY_UIDS:    buf_printf(out, "U%u", k->keys[i].set.count); break;
        case KEY_HEADER:  buf_printf(out, "H(%.*s:%.*s)", (int)k->keys[i].name.len, k->keys[i].name.data, (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_BODY:    buf_printf(out, "B(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_TEXT:    buf_printf(out, "T(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        case KEY_KEYWORD: buf_printf(out, "K(%.*s)", (int)k->keys[i].text.len, k->keys[i].text.data); break;
        default:          buf_printf(out, "%d=%llu", (int)k->keys[i].kind, (unsigned long long)k->keys[i].number); break;
        }
}

static bool
read_criteria(struct slice text, struct buf *out)
{
    struct imap_range       range = { 3, 5 };
    struct imap_set         saved = { &range, 1 };
    struct imap_criteria_context context = { 9, 100, &saved, NULL };
    struct imap_criteria    k;
    struct imap_reader      r;
    bool                    ok;

    assert_true(imap_reader_init(&r, text));
    assert_true(imap_criteria_read(&k, &r, &context));
    ok = imap_end(&r);
    if (ok)
        show(&k, out);
    imap_criteria_fini(&k);
    imap_reader_fini(&r);
    return ok;
}

static void
keys_are_read(void **state)
{
    static const struct {
        const char *in, *want;      /* NULL: refused */
    } rows[] = {
        { "ALL", "A" }, { "all old new recent", "AR!&RF1!&&R&" }, { "NOT ALL", "A!" }, { "NOT NOT ALL", "A!!" }, { "OR ALL RECENT", "AR|" },
        { "OR OR ALL RECENT $", "AR|U1|" }, { "OR ALL OR RECENT $", "ARU1||" }, { "NOT OR NOT ALL (RECENT $) 1", "A!RU1&|!#1&" }, { "(ALL)", "A" },
        { "((ALL) (RECENT))", "AR&" }, { "NOT (ALL RECENT)", "AR&!" }, { "1:3,7", "#2" }, { "*", "#1" }, { "UID 5:*", "U1" }, { "$ UID $", "U1U1&" },
        { "SUBJECT x FROM \"a b\"", "H(Subject:X)H(From:A B)&" }, { "TO a CC b BCC c", "H(To:A)H(Cc:B)&H(Bcc:C)&" }, { "HEADER X-Y \"\"", "H(X-Y:)" },
        { "BODY {3}\r\na b TEXT c", "B(A B)T(C)&" }, { "KEYWORD $Junk UNKEYWORD x", "K($Junk)K(x)!&" }, { "SUBJECT \xc3\xa4", "H(Subject:\xc3\x84)" },
        { "SEEN", "F1" }, { "UNSEEN", "F1!" }, { "DELETED", "F8" }, { "LARGER 5", "L5" }, { "SMALLER 18446744073709551615", NULL },
        { "BEFORE 1-Jan-1970", "<0" }, { "ON \"02-jan-1970\"", "=1" }, { "SINCE 29-Feb-2024", ">19782" }, { "SENTSINCE 1-Mar-2000", ">11017" },
        { "BEFORE 31-Dec-1969", "<-1" }, { "SINCE 1-Jan-1900", ">-25567" }, { "YOUNGER 5 OLDER 6", "Y5O6&" }, { "MODSEQ 7", "M7" },
        { "MODSEQ \"/flags/\\\\seen\" all 7", "M7" }, { "EMAILID M9", "E9" }, { "EMAILID x-9", "N" }, { "EMAILID M", "N" }, { "THREADID T0123456789abcdef", "I123456789abcdef" },
        { "THREADID T0", "N" }, { "SAVEDATESUPPORTED", "A" },
        /* The cheap ones first. */
        { "BODY a SUBJECT b LARGER 1 SEEN", "F1L1&H(Subject:B)&B(A)&" }, { "TEXT a (BODY b SEEN) 1", "#1T(A)&B(B)F1&&" },
        { "OR BODY a SEEN NOT TEXT b ALL", "AB(A)F1|&T(B)!&" }, { "NOT (BODY a SEEN)", "B(A)F1&!" },
        { "BEFORE 0-Jan-2000", NULL }, { "BEFORE 32-Jan-2000", NULL }, { "BEFORE 31-Feb-2000", NULL }, { "SINCE 29-Feb-2023", NULL }, { "ON 31-Nov-2023", NULL },
        { "BEFORE 1-Foo-2000", NULL }, { "BEFORE 1-Ja", NULL }, { "BEFORE 1-Jan-0", NULL }, { "BEFORE 1-Jan-10000", NULL },
        { "BEFORE \"1-Jan-2000", NULL }, { "", NULL }, { "()", NULL }, { "(ALL", NULL }, { "ALL)", NULL }, { "OR ALL", NULL }, { "NOT", NULL }, { "(OR ALL) NEW", NULL },
        { "(NOT) ALL", NULL }, { "ALL ", NULL }, { " ALL", NULL }, { "ALL  NEW", NULL }, { "FROB", NULL }, { "SUBJECT", NULL }, { "HEADER x", NULL }, { "UID", NULL },
        { "UID x", NULL }, { "0", NULL }, { "1,,2", NULL }, { "LARGER x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        bool       ok;

        buf_init(&out, 1000);
        ok = read_criteria(slice_of(rows[i].in), &out);
        if (ok != (rows[i].want != NULL))
            fail_msg("%s: %s", rows[i].in, ok ? "was read" : "was refused");
        if (ok)
            assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void
keys_and_nesting_have_bounds(void **state)
{
    static const struct {
        const char *before, *behind;
        unsigned    times;
        bool        fits;
    } rows[] = {
        { "(", ")", IMAP_KEYS_DEPTH_MAX - 1, true }, { "(", ")", IMAP_KEYS_DEPTH_MAX, false }, { "NOT ", "", IMAP_KEYS_DEPTH_MAX - 1, true },
        { "NOT ", "", IMAP_KEYS_DEPTH_MAX, false }, { "OR NEW ", "", IMAP_KEYS_DEPTH_MAX - 1, true }, { "OR NEW ", "", 50000, false },
        { "ALL ", "", 499, true }, { "ALL ", "", 500, false }, { "1 ", "", 5000, false }, { "$ ", "", 5000, false }, { "UID 1:3,7 ", "", 5000, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf text, out;

        buf_init(&text, 1000000);
        buf_init(&out, 10000);
        for (unsigned n = 0; n < rows[i].times; n++)
            buf_append_string(&text, rows[i].before);
        buf_append_string(&text, "ALL");
        for (unsigned n = 0; n < rows[i].times; n++)
            buf_append_string(&text, rows[i].behind);
        if (read_criteria(buf_slice(&text), &out) != rows[i].fits)
            fail_msg("%u of \"%s\"", rows[i].times, rows[i].before);
        buf_fini(&text);
        buf_fini(&out);
    }
}

static void
strings_are_converted_from_their_charset(void **state)
{
    static const struct {
        const char *charset, *in, *want;
    } rows[] = {
        { "iso-8859-1", "BODY \xe4", "B(\xc3\x84)" }, { "koi8-r", "SUBJECT \"\xc4\xc1\"", "H(Subject:\xd0\x94\xd0\x90)" },
        { "iso-2022-jp", "TEXT {8}\r\n\x1b$BF|\x1b(B", "T(\xe6\x97\xa5)" }, { "utf-8", "BODY \xc3\xa4", "B(\xc3\x84)" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_criteria_context context = { .charset = charset_find(slice_of(rows[i].charset)) };
        struct imap_criteria         k;
        struct imap_reader           r;
        struct buf                   out;

        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        assert_true(imap_criteria_read(&k, &r, &context) && imap_end(&r));
        buf_init(&out, 100);
        show(&k, &out);
        assert_slice(rows[i].charset, buf_slice(&out), rows[i].want);
        buf_fini(&out);
        imap_criteria_fini(&k);
        imap_reader_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read),
        cmocka_unit_test(keys_and_nesting_have_bounds),
        cmocka_unit_test(strings_are_converted_from_their_charset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
