#include "tests/unit/unit.h"

#include "checker/mail_judge.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW    1800000000
#define WINDOW 600u

/* A token that was issued so many seconds before NOW. */
static const char *
issued(int64_t age, char out[TOKEN_CHARS + 1])
{
    static const uint8_t key[TOKEN_KEY_BYTES], random[8] = { 1, 2, 3 };
    struct token         t;

    token_make(key, slice_of("a@b.test"), (uint32_t)(NOW - age), random, &t);
    token_encode(&t, out);
    return out;
}

#define HEAD "Received: from a by b with ESMTP id 1; Fri, 15 Jan 2027 08:00:00 +0000\r\nFrom: a@b.test\r\n"

static const struct {
    const char       *label, *mail;
    int64_t           age;          /* of the token in the mail; 0: it is this run's */
    bool              ours, leftover;
    enum message_kind kind;
} cases[] = {
    { "the mail", HEAD "Subject: Mailtest %s\r\nX-Mailtest-Check: acme\r\n\r\ntext\r\n", 0, true, false, KIND_ARRIVED },
    { "in the text alone", HEAD "Subject: hello\r\n\r\n%s\r\n", 0, true, false, KIND_ARRIVED },
    { "another run's", HEAD "Subject: Mailtest %s\r\nX-Mailtest-Check: acme\r\n\r\n", 60, false, false, 0 },
    { "just within the grace", HEAD "Subject: %s\r\nX-Mailtest-Check: acme\r\n\r\n", WINDOW + LEFTOVER_GRACE_S - 1, false, false, 0 },
    { "left over", HEAD "Subject: %s\r\nX-Mailtest-Check: acme\r\n\r\n", WINDOW + LEFTOVER_GRACE_S, false, true, 0 },
    { "left over, name folded in case", HEAD "Subject: %s\r\nx-mailtest-check:  acme \r\n\r\n", 9999, false, true, 0 },
    { "of another check", HEAD "Subject: %s\r\nX-Mailtest-Check: acme2\r\n\r\n", 9999, false, false, 0 },
    { "label within another field", HEAD "Subject: %s\r\nX-Note: X-Mailtest-Check: acme\r\n\r\n", 9999, false, false, 0 },
    { "label in the text alone", HEAD "Subject: %s\r\n\r\nX-Mailtest-Check: acme\r\n", 9999, false, false, 0 },
    { "without a label", HEAD "Subject: %s\r\n\r\n", 9999, false, false, 0 },
    { "without a token", HEAD "Subject: hello\r\nX-Mailtest-Check: acme\r\n\r\n", 9999, false, false, 0 },
    { "attached by a person", HEAD "Subject: see this\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\nSubject: %s\r\nX-Mailtest-Check: acme\r\n\r\n",
      9999, false, false, 0 },
    { "a person's reply", HEAD "Subject: Re: Mailtest\r\nIn-Reply-To: <%s@b.test>\r\nX-Mailtest-Check: acme\r\n\r\n> text\r\n", 9999, false, false, 0 },
    { "a report", "Return-Path: <>\r\n" HEAD "Subject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
      "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
      "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: %s\r\nX-Mailtest-Check: acme\r\n\r\n--b--\r\n", 0, true, false, KIND_BOUNCED },
    { "a report that is left over", "Return-Path: <>\r\n" HEAD "Subject: Undelivered\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
      "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
      "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: %s\r\nX-Mailtest-Check: acme\r\n\r\n--b--\r\n", 9999, false, true, 0 },
    { "an automatic reply", "Return-Path: <>\r\n" HEAD "Subject: Away: %s\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n", 0, true, false, KIND_AUTOREPLY },
};

static void
only_what_is_surely_of_this_check_is_left_over(void **state)
{
    char                   own[TOKEN_CHARS + 1], other[TOKEN_CHARS + 1], mail[4096];
    struct mail_judge_task task = { .token = issued(0, own), .label = "acme", .window_s = WINDOW };
    struct mail_judge     *j = mail_judge_new(&task);

    (void)state;
    assert_non_null(j);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mail_facts   facts = { .folder = "INBOX" };
        struct mail_verdict v;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(mail, sizeof(mail), cases[i].mail, cases[i].age == 0 ? own : issued(cases[i].age, other));
#pragma GCC diagnostic pop
        facts.octets = slice_of(mail);
        mail_judge_mail(j, &facts, NOW, &v);
        if (v.ours != cases[i].ours || v.leftover != cases[i].leftover || (v.ours && v.kind != cases[i].kind))
            fail_msg("%s: ours %d, left over %d, kind %s", cases[i].label, v.ours, v.leftover, message_kind_name(v.kind));
    }
    mail_judge_free(j);
}

static void
without_a_label_a_day_must_have_passed(void **state)
{
    char                   own[TOKEN_CHARS + 1], other[TOKEN_CHARS + 1], mail[512];
    struct mail_judge_task task = { .token = issued(0, own), .window_s = WINDOW };
    struct mail_judge     *j = mail_judge_new(&task);
    struct mail_facts      facts = { .folder = "INBOX" };
    struct mail_verdict    v;

    (void)state;
    assert_non_null(j);
    for (int64_t age = WINDOW + LEFTOVER_UNLABELED_S - 1; age <= WINDOW + LEFTOVER_UNLABELED_S; age++) {
        snprintf(mail, sizeof(mail), "Subject: %s\r\nX-Mailtest-Check: once\r\n\r\n", issued(age, other));
        facts.octets = slice_of(mail);
        mail_judge_mail(j, &facts, NOW, &v);
        assert_int_equal(v.leftover, age == WINDOW + LEFTOVER_UNLABELED_S);
    }
    mail_judge_free(j);
}

static void
any_text_can_be_looked_for(void **state)
{
    struct mail_judge_task task = { .token = "Backup finished", .label = "acme", .window_s = WINDOW };
    struct mail_judge     *j = mail_judge_new(&task);
    struct mail_facts      facts = { .folder = "INBOX" };
    struct mail_verdict    v;

    (void)state;
    assert_non_null(j);
    facts.octets = slice_of("Subject: =?utf-8?q?backup_FINISHED?= today\r\n\r\n");
    mail_judge_mail(j, &facts, NOW, &v);
    assert_true(v.ours);
    facts.octets = slice_of("Subject: x\r\n\r\nthe backup finished.\r\n");
    mail_judge_mail(j, &facts, NOW, &v);
    assert_true(v.ours);
    facts.octets = slice_of("Subject: backup\r\n\r\nfinished\r\n");
    mail_judge_mail(j, &facts, NOW, &v);
    assert_false(v.ours);
    mail_judge_free(j);
}

static void
what_is_told_has_hops_times_and_the_report(void **state)
{
    char                   own[TOKEN_CHARS + 1], mail[2048];
    struct mail_judge_task task = { .token = issued(20, own), .label = "acme", .window_s = WINDOW };
    struct mail_judge     *j = mail_judge_new(&task);
    struct mail_facts      facts = { .size_bytes = 4711, .folder = "Junk" };
    struct mail_verdict    v;
    json_t                *told, *hops;

    (void)state;
    assert_non_null(j);
    snprintf(mail, sizeof(mail),
             "Received: from b.test by c.test with ESMTPS id 2; Fri, 15 Jan 2027 07:59:58 +0000\r\n"
             "Received: from a.test by b.test with ESMTP id 1; Fri, 15 Jan 2027 07:59:50 +0000\r\nSubject: %s\r\n\r\n", own);
    facts.octets = slice_of(mail);
    mail_judge_mail(j, &facts, NOW, &v);
    assert_true(v.ours);
    told = mail_judge_arrival(j);
    assert_non_null(told);
    hops = json_object_get(told, "hops");
    assert_int_equal(json_array_size(hops), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(hops, 0), "by")), "c.test");
    assert_true(json_number_value(json_object_get(json_array_get(hops, 0), "delay_s")) == 8.0);
    assert_string_equal(json_string_value(json_object_get(told, "received_at")), "2027-01-15T07:59:58Z");
    assert_int_equal(json_integer_value(json_object_get(told, "size")), 4711);
    assert_string_equal(json_string_value(json_object_get(told, "folder")), "Junk");
    json_decref(told);
    told = mail_judge_report(j);
    assert_true(json_is_null(told));
    json_decref(told);
    mail_judge_free(j);
}

static int
set_up(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_surely_of_this_check_is_left_over),
        cmocka_unit_test(without_a_label_a_day_must_have_passed),
        cmocka_unit_test(any_text_can_be_looked_for),
        cmocka_unit_test(what_is_told_has_hops_times_and_the_report),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
