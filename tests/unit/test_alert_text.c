#include "tests/unit/unit.h"

#include "checker/alert_letter.h"
#include "checker/alert_text.h"
#include "checker/notice_json.h"

#include <stdlib.h>
#include <string.h>

#define AT_13_05_02 1795266302000000ull     /* 2026-11-21T13:05:02Z */
#define MINUTE_US   60000000ull

static const struct notice_check refused = {
    .name = "acme-forward", .state = STATE_CRITICAL, .since_us = AT_13_05_02, .verdict = "not-sent", .step = "rcpt",
    .host = "mx1.acme.example[192.0.2.1]:25", .code = 550, .reply = "550 5.1.1 unknown", .reason = "RCPT was refused",
};
static const struct notice_check lost = {
    .name = "bolt-forward", .state = STATE_CRITICAL, .since_us = AT_13_05_02, .verdict = "not-arrived", .step = "arrival", .host = "",
    .reply = "", .reason = "not arrived within 10 min, though mx took the mail",
};

static struct notice
notice_of(enum notice_kind kind, const struct notice_check *checks, unsigned told, unsigned count)
{
    return (struct notice){ .kind = kind, .incident = 7, .id = 42, .cause = "server mx1.acme.example:25 rcpt",
                            .state = kind == NOTICE_RECOVERY ? STATE_OK : STATE_CRITICAL, .now_us = AT_13_05_02 + 15 * MINUTE_US,
                            .since_us = AT_13_05_02, .checks = checks, .checks_told = told, .checks_count = count };
}

static void
the_first_line_tells_what_since_when_where_and_what_was_said(void **state)
{
    const struct notice_check both[] = { refused, lost }, gone = { .name = "acme-forward", .state = STATE_UNKNOWN, .since_us = AT_13_05_02, .verdict = "",
                              .step = "", .host = "", .reply = "", .reason = "it is checked no longer" }, evil = { .name = "a", .state = STATE_CRITICAL, .since_us = AT_13_05_02, .verdict = "",
                              .step = "", .host = "h", .code = 451, .reply = "come\r\nback\x1b[2J", .reason = "" };
    const struct {
        struct notice notice;
        const char   *line;
    } cases[] = {
        { notice_of(NOTICE_PROBLEM, &refused, 1, 1),
          "CRITICAL acme-forward: failed at rcpt since 2026-11-21T13:05:02Z: mx1.acme.example[192.0.2.1]:25 said 550 5.1.1 unknown" },
        { notice_of(NOTICE_PROBLEM, &lost, 1, 1),
          "CRITICAL bolt-forward: failed at arrival since 2026-11-21T13:05:02Z: not arrived within 10 min, though mx took the mail" },
        { notice_of(NOTICE_PROBLEM, both, 2, 12),
          "CRITICAL 12 checks (server mx1.acme.example:25 rcpt): failed at rcpt since 2026-11-21T13:05:02Z: mx1.acme.example[192.0.2.1]:25 said "
          "550 5.1.1 unknown" },
        { notice_of(NOTICE_REMINDER, &lost, 1, 1),
          "still (15 min 0 s) CRITICAL bolt-forward: failed at arrival since 2026-11-21T13:05:02Z: not arrived within 10 min, though mx took the mail" },
        { notice_of(NOTICE_ESCALATION, &lost, 1, 1),
          "ESCALATED (after 15 min 0 s) CRITICAL bolt-forward: failed at arrival since 2026-11-21T13:05:02Z: not arrived within 10 min, though mx "
          "took the mail" },
        { notice_of(NOTICE_RECOVERY, &refused, 1, 1), "OK acme-forward: works again since 2026-11-21T13:20:02Z, after 15 min 0 s" },
        { notice_of(NOTICE_RECOVERY, &gone, 1, 1), "OK acme-forward: not checked any more since 2026-11-21T13:20:02Z, after 15 min 0 s" },
        { notice_of(NOTICE_TEST, NULL, 0, 0), "TEST: alerts of Mailtest reach you by this way" },
        { notice_of(NOTICE_PROBLEM, &evil, 1, 1), "CRITICAL a: failed since 2026-11-21T13:05:02Z: h said 451 come  back [2J" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, ALERT_TEXT_MAX_BYTES);
        alert_first_line(&out, &cases[i].notice);
        assert_int_equal(out.len, strlen(cases[i].line));
        assert_memory_equal(out.data, cases[i].line, out.len);
        buf_fini(&out);
    }
}

static void
templates_are_filled_in(void **state)
{
    const struct notice_check both[] = { refused, lost };
    const struct notice       two = notice_of(NOTICE_PROBLEM, both, 2, 3);
    static const struct {
        const char *template, *text;
    } cases[] = {
        { "", "" },
        { "no fields } {", "no fields } {" },
        { "{{kind}}/{{ state }}", "problem/CRITICAL" },
        { "{{check}} {{step}} {{host}} {{code}} {{verdict}}", "acme-forward rcpt mx1.acme.example[192.0.2.1]:25 550 not-sent" },
        { "{{incident}} {{notice}} {{checks_count}}", "7 42 3" },
        { "{{since}} {{now}} {{lasted}}", "2026-11-21T13:05:02Z 2026-11-21T13:20:02Z 15 min 0 s" },
        { "{{list}}|", "CRITICAL acme-forward since 2026-11-21T13:05:02Z at rcpt: mx1.acme.example[192.0.2.1]:25 said 550 5.1.1 unknown\n"
                       "CRITICAL bolt-forward since 2026-11-21T13:05:02Z at arrival: not arrived within 10 min, though mx took the mail\n"
                       "and 1 more\n|" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, ALERT_TEXT_MAX_BYTES);
        assert_int_equal(alert_template_check(cases[i].template, NULL, 0), MT_OK);
        alert_template_write(&out, cases[i].template, &two);
        assert_int_equal(out.len, strlen(cases[i].text));
        if (out.len > 0)
            assert_memory_equal(out.data, cases[i].text, out.len);
        buf_fini(&out);
    }
}

static void
a_template_with_a_field_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *template, *begin;
    } cases[] = {
        { "{{stat}}", "{{stat}} is no field: there are kind, state, first_line" },
        { "x {{kind}} {{}}", "{{ }} is no field" },
        { "{{kind", "\"{{\" without \"}}\"" },
        { "{{kind}} {{", "\"{{\" without" },
    };
    char error[400];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(alert_template_check(cases[i].template, error, sizeof(error)), MT_ESYNTAX);
        assert_memory_equal(error, cases[i].begin, strlen(cases[i].begin));
    }
    assert_int_equal(alert_template_check(alert_subject_template, error, sizeof(error)), MT_OK);
    assert_int_equal(alert_template_check(alert_body_template, error, sizeof(error)), MT_OK);
}

static void
a_notice_comes_back_from_json_as_it_was(void **state)
{
    const struct notice_check both[] = { refused, lost };
    const struct notice       n = notice_of(NOTICE_ESCALATION, both, 2, 9);
    static struct notice_read back;
    json_t                   *json = notice_to_json(&n);

    (void)state;
    assert_non_null(json);
    assert_int_equal(notice_from_json(json, &back), MT_OK);
    assert_int_equal(back.notice.kind, n.kind);
    assert_int_equal(back.notice.incident, 7);
    assert_int_equal(back.notice.id, 42);
    assert_string_equal(back.notice.cause, n.cause);
    assert_int_equal(back.notice.since_us, n.since_us);
    assert_int_equal(back.notice.checks_told, 2);
    assert_int_equal(back.notice.checks_count, 9);
    assert_string_equal(back.notice.checks[0].reply, refused.reply);
    assert_int_equal(back.notice.checks[0].code, 550);
    assert_string_equal(back.notice.checks[1].host, "");
    assert_string_equal(back.notice.checks[1].reason, lost.reason);
    json_decref(json);
}

static void
json_that_is_no_notice_is_refused(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"kind\":\"problem\"}", "{\"kind\":\"odd\",\"state\":\"OK\"}",
        "{\"kind\":\"problem\",\"state\":\"CRITICAL\",\"checks_count\":1,\"checks\":[{\"name\":\"x\"}]}",
        "{\"kind\":\"problem\",\"state\":\"CRITICAL\",\"checks_count\":0,\"checks\":[{\"name\":\"x\",\"state\":\"OK\"}]}",
    };
    static struct notice_read out;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);

        assert_non_null(json);
        assert_int_equal(notice_from_json(json, &out), MT_ESYNTAX);
        json_decref(json);
    }
}

/* The letter of a notice, NUL-terminated. */
static const char *
letter_of(const struct notice *n, const char *subject, const char *text)
{
    static char out[ALERT_LETTER_MAX_BYTES + 1];
    struct buf  letter;

    buf_init(&letter, ALERT_LETTER_MAX_BYTES);
    alert_letter_write(&letter, &(struct alert_letter){ .from = "alerts@provider.test", .to = "ops@provider.test", .subject = subject,
                                                        .text = text, .notice = n, .now_unix = AT_13_05_02 / 1000000 });
    assert_int_equal(letter.fault, MT_OK);
    assert_true(slice_copy(out, sizeof(out), buf_slice(&letter)));
    buf_fini(&letter);
    return out;
}

static void
a_letter_is_7_bit_with_short_lines_and_no_field_of_the_peers(void **state)
{
    const struct notice_check evil = { .name = "\xc3\xa4rger", .state = STATE_CRITICAL, .since_us = AT_13_05_02, .verdict = "", .step = "",
                                       .host = "", .reply = "", .reason = "x\r\nBcc: all@world.test\r\n\r\n." };
    const struct notice plain = notice_of(NOTICE_PROBLEM, &refused, 1, 1), odd = notice_of(NOTICE_PROBLEM, &evil, 1, 1);
    const char         *text = letter_of(&plain, "{{check}}", "{{check}}\nsecond");

    (void)state;
    assert_non_null(strstr(text, "Date: Sat, 21 Nov 2026 13:05:02 +0000\r\nFrom: Mailtest <alerts@provider.test>\r\nTo: <ops@provider.test>\r\n"));
    assert_non_null(strstr(text, "\r\nSubject: acme-forward\r\n"));
    assert_non_null(strstr(text, "\r\nMessage-ID: <alert.42."));
    assert_non_null(strstr(text, "\r\nReferences: <incident.7@provider.test>\r\n"));
    assert_non_null(strstr(text, "\r\nAuto-Submitted: auto-generated\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Transfer-Encoding: 7bit\r\n\r\nacme-forward\r\nsecond\r\n"));

    text = letter_of(&odd, "{{check}} {{reason}} {{reason}} {{reason}}", "{{check}} {{reason}}");
    assert_null(strstr(text, "Bcc"));
    assert_non_null(strstr(text, "\r\nSubject: =?UTF-8?B?w6RyZ2VyIHgg"));
    assert_non_null(strstr(text, "\r\nContent-Transfer-Encoding: base64\r\n\r\nw6RyZ2VyIHggIEJjYzog"));
    for (const char *line = text, *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2)
        assert_true(end - line <= 78);
    for (const char *p = text; *p != '\0'; p++)
        assert_true((unsigned char)*p < 0x7f);
}

static void
a_second_attempt_is_the_same_mail(void **state)
{
    const struct notice n = notice_of(NOTICE_PROBLEM, &refused, 1, 1);
    char               *first = strdup(letter_of(&n, "s", "t"));

    (void)state;
    assert_string_equal(letter_of(&n, "s", "t"), first);
    free(first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_tells_what_since_when_where_and_what_was_said),
        cmocka_unit_test(templates_are_filled_in),
        cmocka_unit_test(a_template_with_a_field_that_is_none_is_refused),
        cmocka_unit_test(a_notice_comes_back_from_json_as_it_was),
        cmocka_unit_test(json_that_is_no_notice_is_refused),
        cmocka_unit_test(a_letter_is_7_bit_with_short_lines_and_no_field_of_the_peers),
        cmocka_unit_test(a_second_attempt_is_the_same_mail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
