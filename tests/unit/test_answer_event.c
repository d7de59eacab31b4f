#include "tests/unit/unit.h"

#include "lib/answer.h"
#include "lib/answer_event.h"

#include <jansson.h>

#define NOW_US UINT64_C(1795231800000000)               /* 2026-11-21T03:30:00Z */

static json_t *
parsed(const struct buf *b)
{
    json_error_t error;
    json_t      *d = json_loadb(b->data, b->len, 0, &error);

    if (d == NULL)
        fail_msg("%s in %.*s", error.text, (int)b->len, b->data);
    return d;
}

/* The value at a path "a.b" as compact text. */
static void
assert_member(const char *label, const json_t *d, const char *path, const char *want)
{
    char  name[64];
    char *got;

    for (;;) {
        size_t len = strcspn(path, ".");

        slice_copy(name, sizeof(name), slice_make(path, len));
        d = json_object_get(d, name);
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    got = d == NULL ? NULL : json_dumps(d, JSON_ENCODE_ANY | JSON_COMPACT);
    if (got == NULL || strcmp(got, want) != 0)
        fail_msg("%s: %s is %s, want %s", label, name, got == NULL ? "absent" : got, want);
    free(got);
}

/* ---- Events ------------------------------------------------------------------------------------------------------- */

static void
event_has_what_is_known_and_null_for_the_rest(void **state)
{
    struct event_record full = { .kind = EVENT_LATE, .at_us = NOW_US, .mailbox_id = 3, .mailbox = slice_of("acme"), .message_id = 9,
                                 .has_token = true, .verdict = VERDICT_LATE, .detail = slice_of("it came 12 s after the deadline") };
    struct event_record test = { .kind = EVENT_TEST, .at_us = NOW_US };
    struct event_record odd = { .kind = EVENT_MISSED, .at_us = NOW_US, .has_token = true, .verdict = 200 };
    struct emit         j;
    struct buf          b;
    json_t             *d;

    (void)state;
    buf_init(&b, ANSWER_EVENT_BYTES);
    emit_init(&j, &b);
    answer_event(&j, NULL, 17, &full);
    d = parsed(&b);
    assert_member("full", d, "id", "17");
    assert_member("full", d, "event", "\"late\"");
    assert_member("full", d, "at", "\"2026-11-21T03:30:00.000000Z\"");
    assert_member("full", d, "mailbox", "\"acme\"");
    assert_member("full", d, "message_id", "9");
    assert_member("full", d, "verdict", "\"late\"");
    assert_member("full", d, "detail", "\"it came 12 s after the deadline\"");
    assert_int_equal(json_string_length(json_object_get(d, "token")), TOKEN_CHARS);
    json_decref(d);

    buf_clear(&b);
    emit_init(&j, &b);
    answer_event(&j, NULL, 18, &test);
    d = parsed(&b);
    assert_member("test", d, "event", "\"test\"");
    assert_member("test", d, "mailbox", "null");
    assert_member("test", d, "token", "null");
    assert_member("test", d, "message_id", "null");
    assert_member("test", d, "verdict", "null");
    assert_member("test", d, "detail", "null");
    json_decref(d);

    buf_clear(&b);
    emit_init(&j, &b);
    answer_event(&j, NULL, 19, &odd);
    d = parsed(&b);
    assert_member("verdict of a newer version", d, "verdict", "null");
    json_decref(d);
    buf_fini(&b);
}

static void
longest_event_fits_its_bound(void **state)
{
    char                detail[EVENT_DETAIL_BYTES], name[MAILBOX_NAME_MAX];
    struct event_record e = { .kind = EVENT_CONFIRMATION, .at_us = NOW_US, .message_id = UINT64_MAX, .has_token = true,
                              .verdict = VERDICT_RECEIVER_DOWN, .mailbox = slice_make(name, sizeof(name)),
                              .detail = slice_make(detail, sizeof(detail)) };
    struct emit         j;
    struct buf          b;

    (void)state;
    memset(detail, 1, sizeof(detail));      /* six characters each */
    memset(name, 'a', sizeof(name));
    buf_init(&b, ANSWER_EVENT_BYTES);
    emit_init(&j, &b);
    answer_event(&j, NULL, UINT64_MAX, &e);
    assert_int_equal(b.fault, MT_OK);
    buf_fini(&b);
}

static const struct { const char *text; int rc; uint32_t kinds; } lists[] = {
    { "arrived", MT_OK, 1u << EVENT_ARRIVED },
    { "missed,arrived", MT_OK, 1u << EVENT_ARRIVED | 1u << EVENT_MISSED },
    { "arrived,arrived", MT_OK, 1u << EVENT_ARRIVED },
    { "test", MT_OK, 1u << EVENT_TEST },
    { "arrived,late,missed,bounced,autoreply,confirmation,silent,changed", MT_OK, EVENT_KINDS_ALL },
    { "", MT_ESYNTAX, 0 },
    { "arrived,", MT_ESYNTAX, 0 },
    { ",arrived", MT_ESYNTAX, 0 },
    { "Arrived", MT_ESYNTAX, 0 },
    { "arrived, late", MT_ESYNTAX, 0 },
};

static void
kinds_are_names_separated_by_commas(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        uint32_t kinds = 0;

        assert_rc(lists[i].text, event_kinds_parse(slice_of(lists[i].text), &kinds), lists[i].rc);
        if (kinds != lists[i].kinds)
            fail_msg("%s: %x", lists[i].text, kinds);
    }
}

/* ---- Messages ------------------------------------------------------------------------------------------------------ */

static void
add(struct buf *facts, enum fact_kind kind, const char *text)
{
    assert_true(fact_add(facts, kind, slice_of(text)));
}

static json_t *
facts_of(const struct message_record *m)
{
    struct emit j;
    struct buf  b;
    json_t     *d;

    buf_init(&b, 100000);
    emit_init(&j, &b);
    emit_object(&j, NULL);
    answer_facts(&j, m);
    emit_object_end(&j);
    d = parsed(&b);
    buf_fini(&b);
    return d;
}

static void
bounce_shows_its_report(void **state)
{
    struct message_record m = { .kind = KIND_BOUNCED };
    struct buf            facts;
    json_t               *d;

    (void)state;
    buf_init(&facts, FACTS_BYTES);
    add(&facts, FACT_REPORT_ACTION, "failed");
    add(&facts, FACT_REPORT_STATUS, "5.7.520");
    add(&facts, FACT_REPORT_DIAGNOSTIC, "550 5.7.520 Access denied, your organization does not allow external forwarding");
    add(&facts, FACT_REPORT_HOST, "mx.customer.test");
    add(&facts, FACT_REPORT_FORM, "rfc3464");
    m.parsed.facts = buf_slice(&facts);
    d = facts_of(&m);
    assert_member("bounce", d, "why", "\"it carries the token, and is a delivery status report of a failure, read as rfc3464\"");
    assert_member("bounce", d, "report.action", "\"failed\"");
    assert_member("bounce", d, "report.status", "\"5.7.520\"");
    assert_member("bounce", d, "report.host", "\"mx.customer.test\"");
    assert_member("bounce", d, "report.refused_by", "null");
    assert_true(json_is_string(json_object_get(json_object_get(d, "report"), "meaning")));
    assert_member("bounce", d, "confirmation", "null");
    json_decref(d);
    buf_fini(&facts);
}

static void
arrival_shows_its_way_its_claims_and_what_was_lost(void **state)
{
    struct message_record m = { .kind = KIND_ARRIVED, .lost = PLACE_SUBJECT | PLACE_HTML,
                                .changes = slice_of("One hop more: gw.customer.test\nThe subject was lost\n") };
    struct buf            facts;
    json_t               *d;

    (void)state;
    buf_init(&facts, FACTS_BYTES);
    add(&facts, FACT_FORWARD_WAY, "redirect");
    add(&facts, FACT_FORWARD_EVIDENCE, "Resent-From: user@customer.test");
    add(&facts, FACT_FORWARD_EVIDENCE, "X-Forwarded-To: acme@mailtest1.test");
    add(&facts, FACT_AUTHENTICATION, "mx.example; spf=pass");
    add(&facts, FACT_ARC, "i=1; mx.example; cv=none");
    add(&facts, FACT_SPF, "mx.example; pass");
    m.parsed.facts = buf_slice(&facts);
    d = facts_of(&m);
    assert_member("arrival", d, "forward",
                  "{\"way\":\"redirect\",\"evidence\":[\"Resent-From: user@customer.test\",\"X-Forwarded-To: acme@mailtest1.test\"]}");
    assert_member("arrival", d, "claims", "{\"authentication\":[\"mx.example; spf=pass\"],\"arc\":[\"i=1; mx.example; cv=none\"],"
                  "\"spf\":[\"mx.example; pass\"]}");
    assert_member("arrival", d, "lost", "[\"subject\",\"html\"]");
    assert_member("arrival", d, "changes", "[\"One hop more: gw.customer.test\",\"The subject was lost\"]");
    assert_member("arrival", d, "report", "null");
    json_decref(d);
    buf_fini(&facts);
}

static const struct { enum message_kind kind; enum fact_kind fact; const char *text, *why; } reasons[] = {
    { KIND_UNMATCHED, 0, NULL, "\"it carries no genuine token of this mailbox\"" },
    { KIND_AUTOREPLY, FACT_AUTOREPLY_WHY, "Auto-Submitted: auto-replied",
      "\"it carries the token, and is an automatic reply: Auto-Submitted: auto-replied\"" },
    { KIND_AUTOREPLY, 0, NULL, "\"it carries the token, and is an automatic reply\"" },
    { KIND_RECEIPT, FACT_RECEIPT_WHY, "displayed", "\"it carries the token, and is a read receipt: displayed\"" },
    { KIND_REPLY, FACT_REPLY_WHY, "Re:", "\"it carries the token, and is a person's reply: Re:\"" },
    { KIND_NOTICE, FACT_REPORT_ACTION, "delayed", "\"it carries the token, and is a delivery status report that decides nothing: delayed\"" },
    { KIND_CONFIRMATION, FACT_CONFIRMATION_PROVIDER, "Gmail", "\"it asks to confirm a forwarding to this mailbox, sent by Gmail\"" },
    { KIND_CONFIRMATION, FACT_CONFIRMATION_PROVIDER, "not recognised: it comes from a@evil.test",
      "\"it pretends to be a provider's request to confirm a forwarding to this mailbox: it comes from a@evil.test\"" },
};

static void
every_kind_has_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reasons); i++) {
        struct message_record m = { .kind = reasons[i].kind };
        struct buf            facts;
        json_t               *d;

        buf_init(&facts, FACTS_BYTES);
        if (reasons[i].text != NULL)
            add(&facts, reasons[i].fact, reasons[i].text);
        m.parsed.facts = buf_slice(&facts);
        d = facts_of(&m);
        assert_member(message_kind_name(m.kind), d, "why", reasons[i].why);
        json_decref(d);
        buf_fini(&facts);
    }
}

/* ---- Mailboxes ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char           *label;
    struct pattern_record pattern;
    bool                  has_pattern, has_confirmation;
    const char           *state, *hint;         /* hint: a part of it; NULL: there is none */
} setups[] = {
    { "nothing yet", { 0 }, false, false, "\"waiting\"", "Set the forwarding rule to acme@mailtest1.test" },
    { "asked to confirm", { .confirmation_id = 5, .confirmation_us = NOW_US }, true, true, "\"confirmation\"",
      "Gmail asks to confirm the forwarding: enter the code 123456, or open https://mail.google.example/c" },
    { "asked, and the mail has expired", { .confirmation_id = 5, .confirmation_us = NOW_US }, true, false, "\"confirmation\"",
      "its mail has expired here" },
    { "refused", { .refusal_us = NOW_US, .refusal_status = { "5.9.9", 5 }, .refusal_diagnostic = { "no reason at all", 16 } }, true, false,
      "\"refused\"", "The forward was refused with 5.9.9: " },
    { "pretended", { .pretence_id = 5, .pretence_us = NOW_US }, true, false, "\"waiting\"",
      "A mail pretends to be a provider's request to confirm the forwarding: its sender is not known any more. Do not act on it." },
    { "asked to confirm since it is healthy", { .arrivals = 9, .last_us = NOW_US - 1, .usual_gap_us = 300000000, .confirmation_id = 5,
      .confirmation_us = NOW_US }, true, true, "\"healthy\"", NULL },
    { "first", { .arrivals = 1, .last_us = NOW_US }, true, false, "\"first-probe\"", "The first test mail came through" },
    { "healthy", { .arrivals = 9, .last_us = NOW_US, .usual_gap_us = 300000000 }, true, false, "\"healthy\"", NULL },
    { "silent", { .arrivals = 9, .last_us = NOW_US - UINT64_C(7200000000), .usual_gap_us = 300000000, .silent = true }, true, false,
      "\"silent\"", "Nothing has come for 2 h 0 min; usually something comes every 5 min 0 s" },
};

static void
mailbox_says_how_far_its_forward_is(void **state)
{
    struct mailbox_record m = { .id = 1, .name = slice_of("acme"), .domain = slice_of("mailtest1.test"), .enabled = true };
    struct folder_record  inbox = { .messages = 2, .bytes = 20 }, unmatched = { .messages = 1, .bytes = 10 };
    struct message_record confirmation = { .kind = KIND_CONFIRMATION };
    struct buf            facts, b;

    (void)state;
    buf_init(&facts, FACTS_BYTES);
    add(&facts, FACT_CONFIRMATION_PROVIDER, "Gmail");
    add(&facts, FACT_CONFIRMATION_CODE, "123456");
    add(&facts, FACT_CONFIRMATION_LINK, "https://mail.google.example/c");
    confirmation.parsed.facts = buf_slice(&facts);
    for (size_t i = 0; i < COUNT(setups); i++) {
        struct mailbox_answer a = { .mailbox = &m, .inbox = &inbox, .unmatched = &unmatched, .now_us = NOW_US,
                                    .pattern = setups[i].has_pattern ? &setups[i].pattern : NULL,
                                    .confirmation = setups[i].has_confirmation ? &confirmation : NULL };
        struct emit           j;
        json_t               *d;
        const char           *hint;

        buf_init(&b, 100000);
        emit_init(&j, &b);
        answer_mailbox(&j, NULL, &a);
        d = parsed(&b);
        assert_member(setups[i].label, d, "address", "\"acme@mailtest1.test\"");
        assert_member(setups[i].label, d, "setup.state", setups[i].state);
        hint = json_string_value(json_object_get(json_object_get(d, "setup"), "hint"));
        if ((hint == NULL) != (setups[i].hint == NULL) || (hint != NULL && strstr(hint, setups[i].hint) == NULL))
            fail_msg("%s: %s", setups[i].label, hint);
        json_decref(d);
        buf_fini(&b);
    }
    buf_fini(&facts);
}

static void
a_pretended_request_gives_no_code_and_no_link(void **state)
{
    static const struct pattern_record pretended = { .pretence_id = 7, .pretence_us = NOW_US };
    struct mailbox_record m = { .id = 1, .name = slice_of("acme"), .domain = slice_of("mailtest1.test"), .enabled = true };
    struct folder_record  folder = { 0 };
    struct message_record mail = { .kind = KIND_CONFIRMATION };
    struct mailbox_answer a = { .mailbox = &m, .inbox = &folder, .unmatched = &folder, .now_us = NOW_US, .pattern = &pretended,
                                .confirmation = &mail };
    struct buf            facts, b;
    struct emit           j;
    json_t               *d;

    (void)state;
    buf_init(&facts, FACTS_BYTES);
    buf_init(&b, 100000);
    add(&facts, FACT_CONFIRMATION_PROVIDER, FACT_NOT_RECOGNISED "it comes from noreply@evil.test");
    add(&facts, FACT_CONFIRMATION_CODE, "EVIL99");
    add(&facts, FACT_CONFIRMATION_LINK, "https://evil.test/confirm");
    mail.parsed.facts = buf_slice(&facts);
    emit_init(&j, &b);
    answer_mailbox(&j, NULL, &a);
    assert_null(memmem(b.data, b.len, "EVIL99", 6));
    assert_null(memmem(b.data, b.len, "https:", 6));
    d = parsed(&b);
    assert_member("state", d, "setup.state", "\"waiting\"");
    assert_member("id", d, "setup.confirmation.message_id", "7");
    assert_member("recognised", d, "setup.confirmation.recognised", "false");
    assert_member("hint", d, "setup.hint", "\"Nothing has come yet. Set the forwarding rule to acme@mailtest1.test and send a test mail. A mail pretends to be "
                  "a provider's request to confirm the forwarding: it comes from noreply@evil.test. Do not act on it.\"");
    json_decref(d);
    buf_fini(&b);
    buf_fini(&facts);
}

/* ---- Webhooks -------------------------------------------------------------------------------------------------------- */

static void
webhook_and_post_are_told_without_the_secret(void **state)
{
    struct webhook_record w = { .kinds = 1u << EVENT_MISSED | 1u << EVENT_BOUNCED | 1u << EVENT_TEST, .created_unix = NOW_US / 1000000,
                                .url = slice_of("https://hooks.example.net/"), .secret = "do-not-show-this" };
    struct webhook_answer a = { .id = 4, .webhook = &w, .waiting = 2, .dead = 1 };
    struct post_record    dead = { .first_us = NOW_US, .attempts = 3, .http_status = 410, .error = slice_of("the server answered 410") };
    struct emit           j;
    struct buf            b;
    json_t               *d;

    (void)state;
    buf_init(&b, 100000);
    emit_init(&j, &b);
    emit_object(&j, NULL);
    answer_webhook(&j, "webhook", &a);
    answer_post(&j, "post", 4, 17, &dead, NULL);
    emit_object_end(&j);
    assert_null(memmem(b.data, b.len, "do-not", 6));
    d = parsed(&b);
    assert_member("webhook", d, "webhook.events", "[\"missed\",\"bounced\"]");
    assert_member("webhook", d, "webhook.mailbox", "null");
    assert_member("webhook", d, "webhook.waiting", "2");
    assert_member("post", d, "post.dead", "true");
    assert_member("post", d, "post.status", "410");
    assert_member("post", d, "post.due_at", "null");
    assert_member("post", d, "post.event", "null");
    json_decref(d);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_has_what_is_known_and_null_for_the_rest),
        cmocka_unit_test(longest_event_fits_its_bound),
        cmocka_unit_test(kinds_are_names_separated_by_commas),
        cmocka_unit_test(bounce_shows_its_report),
        cmocka_unit_test(arrival_shows_its_way_its_claims_and_what_was_lost),
        cmocka_unit_test(every_kind_has_its_reason),
        cmocka_unit_test(mailbox_says_how_far_its_forward_is),
        cmocka_unit_test(a_pretended_request_gives_no_code_and_no_link),
        cmocka_unit_test(webhook_and_post_are_told_without_the_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
