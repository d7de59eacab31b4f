#include "tests/unit/unit.h"

#include "checker/pop3_response.h"

#include <stdlib.h>

static void
lines_are_found_within_their_bound(void **state)
{
    struct slice line;
    size_t       len = 0;
    char        *text = malloc(POP3_LINE_BYTES);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', POP3_LINE_BYTES);
    assert_rc("whole", pop3_line_find(slice_of("+OK\r\n+"), &line, &len), MT_OK);
    assert_slice("whole", line, "+OK");
    assert_int_equal(len, 5);
    assert_rc("bare LF", pop3_line_find(slice_of("+OK\n"), &line, &len), MT_OK);
    assert_rc("not yet", pop3_line_find(slice_of("+OK\r"), &line, &len), MT_EAGAIN);
    assert_rc("endless", pop3_line_find(slice_make(text, POP3_LINE_BYTES), &line, &len), MT_ESIZE);
    free(text);
}

static const struct { const char *label, *in; int rc; bool ok; const char *code, *text; bool for_now; } statuses[] = {
    { "ok",               "+OK 2 320",                       MT_OK,      true,  "",          "2 320",          false },
    { "bare",             "+OK",                             MT_OK,      true,  "",          "",               false },
    { "locked, by code",  "-ERR [IN-USE] no",                MT_OK,      false, "IN-USE",    "no",             true  },
    { "wait, by code",    "-ERR [LOGIN-DELAY] slow down",    MT_OK,      false, "LOGIN-DELAY", "slow down",    true  },
    { "wrong, by code",   "-ERR [AUTH] wrong, try later",    MT_OK,      false, "AUTH",      "wrong, try later", false },
    { "locked, in words", "-ERR maildrop already LOCKED",    MT_OK,      false, "",          "maildrop already LOCKED", true },
    { "wrong, in words",  "-ERR invalid password",           MT_OK,      false, "",          "invalid password", false },
    { "small letters",    "-err no",                         MT_OK,      false, "",          "no",             false },
    { "a longer word",    "+OKAY",                           MT_ESYNTAX, false, "",          "",               false },
    { "something else",   "220 SMTP",                        MT_ESYNTAX, false, "",          "",               false },
};

static void
a_status_line_has_a_code_and_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct pop3_status s = { .ok = false };

        assert_rc(statuses[i].label, pop3_status_parse(slice_of(statuses[i].in), &s), statuses[i].rc);
        if (statuses[i].rc != MT_OK)
            continue;
        assert_int_equal(s.ok, statuses[i].ok);
        assert_slice(statuses[i].label, s.code, statuses[i].code);
        assert_slice(statuses[i].label, s.text, statuses[i].text);
        if (!s.ok && pop3_is_for_now(&s) != statuses[i].for_now)
            fail_msg("%s: for now is %d", statuses[i].label, !statuses[i].for_now);
    }
}

static void
dots_are_undone_and_one_alone_ends(void **state)
{
    struct slice content;

    (void)state;
    assert_true(pop3_content(slice_of("text"), &content));
    assert_slice("text", content, "text");
    assert_true(pop3_content(slice_of("..text"), &content));
    assert_slice("doubled", content, ".text");
    assert_true(pop3_content(slice_of(""), &content));
    assert_false(pop3_content(slice_of("."), &content));
}

static void
uids_and_counts(void **state)
{
    struct slice uid;
    uint32_t     n;
    char         longest[POP3_UID_BYTES + 3];

    (void)state;
    assert_true(pop3_uid_parse(slice_of("17 whqtswO00WBw418f9t5JxYwZ"), &n, &uid));
    assert_int_equal(n, 17);
    assert_slice("uid", uid, "whqtswO00WBw418f9t5JxYwZ");
    assert_false(pop3_uid_parse(slice_of("17"), &n, &uid));
    assert_false(pop3_uid_parse(slice_of("0 x"), &n, &uid));
    assert_false(pop3_uid_parse(slice_of("x y"), &n, &uid));
    assert_false(pop3_uid_parse(slice_of("4294967296 y"), &n, &uid));
    memset(longest, 'u', sizeof(longest));
    memcpy(longest, "1 ", 2);
    assert_false(pop3_uid_parse(slice_make(longest, sizeof(longest)), &n, &uid));
    assert_true(pop3_stat_parse(slice_of("3 999 more"), &n));
    assert_int_equal(n, 3);
    assert_false(pop3_stat_parse(slice_of(""), &n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_found_within_their_bound),
        cmocka_unit_test(a_status_line_has_a_code_and_a_text),
        cmocka_unit_test(dots_are_undone_and_one_alone_ends),
        cmocka_unit_test(uids_and_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
