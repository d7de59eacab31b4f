#include "tests/unit/unit.h"

#include "lib/answer.h"
#include "lib/error.h"
#include "lib/session_id.h"

#include <jansson.h>

#define MINTED_US   1795231800000000ull             /* 2026-11-21T03:30:00Z */
#define DEADLINE    1795232400ull                   /* ten minutes later */
#define RECEIVED_US (MINTED_US + 1834000)

/* ---- Verdicts ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char       *label;
    uint64_t          deadline_unix;
    enum message_kind kinds[3];
    int64_t           received_s[3];    /* after minting */
    unsigned          kept;
    int64_t           now_s;            /* after minting */
    enum verdict      want;
} verdicts[] = {
    { "expected, nothing yet",                DEADLINE, { 0 }, { 0 }, 0, 10, VERDICT_WAITING },
    { "the last second counts",               DEADLINE, { 0 }, { 0 }, 0, 600, VERDICT_WAITING },
    { "the deadline is over, store decides",  DEADLINE, { 0 }, { 0 }, 0, 603, VERDICT_WAITING },
    { "the deadline is over, store did not",  DEADLINE, { 0 }, { 0 }, 0, 604, VERDICT_NOT_ARRIVED },
    { "not expected, nothing ever",           0, { 0 }, { 0 }, 0, 1000000, VERDICT_WAITING },
    { "arrived in time",                      DEADLINE, { KIND_ARRIVED }, { 2 }, 1, 10000, VERDICT_ARRIVED },
    { "arrived in the last second",           DEADLINE, { KIND_ARRIVED }, { 600 }, 1, 10000, VERDICT_ARRIVED },
    { "arrived late",                         DEADLINE, { KIND_ARRIVED }, { 601 }, 1, 10000, VERDICT_LATE },
    { "arrived, not expected",                0, { KIND_ARRIVED }, { 100000 }, 1, 100001, VERDICT_ARRIVED },
    { "bounced",                              DEADLINE, { KIND_BOUNCED }, { 5 }, 1, 10, VERDICT_BOUNCED },
    { "bounced after an automatic reply",     DEADLINE, { KIND_AUTOREPLY, KIND_BOUNCED }, { 5, 6 }, 2, 10, VERDICT_BOUNCED },
    { "automatic reply only",                 DEADLINE, { KIND_AUTOREPLY }, { 5 }, 1, 10000, VERDICT_AUTOREPLY },
    { "automatic reply before the deadline",  DEADLINE, { KIND_AUTOREPLY }, { 5 }, 1, 10, VERDICT_WAITING },
    { "automatic reply, not expected",        0, { KIND_AUTOREPLY }, { 5 }, 1, 10, VERDICT_AUTOREPLY },
    { "read receipt only",                    DEADLINE, { KIND_RECEIPT }, { 5 }, 1, 10000, VERDICT_AUTOREPLY },
    { "a person's reply only",                DEADLINE, { KIND_REPLY }, { 5 }, 1, 10000, VERDICT_NOT_ARRIVED },
    { "a report of a delay decides nothing",  DEADLINE, { KIND_NOTICE }, { 5 }, 1, 10, VERDICT_WAITING },
    { "arrived after a bounce",               DEADLINE, { KIND_BOUNCED, KIND_ARRIVED }, { 5, 60 }, 2, 100, VERDICT_ARRIVED },
    { "the first arrival decides",            DEADLINE, { KIND_ARRIVED, KIND_ARRIVED }, { 5, 900 }, 2, 1000, VERDICT_ARRIVED },
};

static void
a_token_has_one_verdict(void **state)
{
    (void)state;
    assert_string_equal(verdict_name(token_verdict(NULL, MINTED_US)), "waiting");
    for (size_t i = 0; i < COUNT(verdicts); i++) {
        struct token_record t = { .deadline_unix = verdicts[i].deadline_unix, .kept = verdicts[i].kept, .arrival_count = verdicts[i].kept };
        enum verdict        got;

        for (unsigned k = 0; k < t.kept; k++)
            t.arrivals[k] = (struct arrival){ .kind = verdicts[i].kinds[k],
                                              .received_us = MINTED_US + (uint64_t)verdicts[i].received_s[k] * 1000000 + 999999 };
        got = token_verdict(&t, MINTED_US + (uint64_t)verdicts[i].now_s * 1000000 + 999999);
        if (got != verdicts[i].want)
            fail_msg("%s: %s", verdicts[i].label, verdict_name(got));
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

/* A message that went through two foreign hops; the older one's clock is an hour ahead. */
struct fixture {
    struct message_record message;
    struct token_record   record;
    struct token          token;
    struct buf            hops, parts, out;
};

static int
make_fixture(void **state)
{
    static struct fixture f;
    static const char     head[] = "Return-Path: <a@customer.test>\r\nDelivered-To: acme@mailtest1.test\r\n"
                                   "Received: from mx.customer.test ([192.0.2.1])\r\n\t(using TLSv1.3 with cipher X)\r\n"
                                   "\tby mx.mailtest1.test (Mailtest) with ESMTPS id 4f21;\r\n\tSat, 21 Nov 2026 03:30:01 +0000\r\n";
    struct hop  newer = { .from = slice_of("out.customer.test"), .by = slice_of("mx.customer.test"), .with = slice_of("ESMTP"),
                          .time_unix = (int64_t)(MINTED_US / 1000000) + 1 };
    struct hop  older = { .by = slice_of("out.customer.test \xff"), .time_unix = (int64_t)(MINTED_US / 1000000) + 3600 };
    struct part part = { .parent = PARSED_NO_PARENT, .body_at = 100, .end_at = 1100, .lines = 7, .encoding = ENCODING_BASE64, .type = slice_of("text/plain") };

    memset(&f, 0, sizeof(f));
    buf_init(&f.hops, 10000);
    buf_init(&f.parts, 10000);
    buf_init(&f.out, 100000);
    hop_write(&f.hops, &newer);
    hop_write(&f.hops, &older);
    part_write(&f.parts, &part);
    memset(f.token.raw, 0x42, sizeof(f.token.raw));
    f.message = (struct message_record){
        .mailbox_id = 3, .folder_id = FOLDER_INBOX, .uid = 9, .body_bytes = 2000, .received_us = RECEIVED_US, .committed_us = RECEIVED_US + 400,
        .kind = KIND_ARRIVED,
        .session = { .client_address = slice_of("192.0.2.1"), .client_name = slice_of("mx.customer.test"), .helo = slice_of("mx.customer.test"),
                     .protocol = slice_of("ESMTPS"), .tls_version = slice_of("TLSv1.3"), .tls_cipher = slice_of("TLS_AES_256_GCM_SHA384"),
                     .id = slice_of("4f21"), .flags = DELIVERY_BARE_LF | DELIVERY_CHUNKED },
        .reverse_path = slice_of("a@customer.test"), .recipient = slice_of("acme@mailtest1.test"), .head = slice_of(head),
        .parsed = { .subject = slice_of("probe \"1\""), .from = slice_of("A <a@customer.test>"), .message_id = slice_of("<x@y>"),
                    .date_unix = (int64_t)(MINTED_US / 1000000), .traits = TRAIT_BROKEN_MIME, .received_count = 2,
                    .hops = buf_slice(&f.hops), .parts = buf_slice(&f.parts), .candidate_count = 1 },
    };
    f.message.tokens[0] = (struct candidate){ .token = f.token, .found_in = PLACE_SUBJECT | PLACE_TEXT };
    f.message.parsed.candidates = f.message.tokens;
    f.record = (struct token_record){ .mailbox_id = 3, .minted_us = MINTED_US, .deadline_unix = DEADLINE, .arrival_count = 2, .kept = 2 };
    f.record.arrivals[0] = (struct arrival){ .message_id = 17, .received_us = RECEIVED_US, .committed_us = RECEIVED_US + 400, .size_bytes = 2200,
                                             .kind = KIND_ARRIVED, .found_in = PLACE_SUBJECT | PLACE_TEXT, .client = "192.0.2.1" };
    f.record.arrivals[1] = f.record.arrivals[0];
    f.record.arrivals[1].message_id = 18;
    *state = &f;
    return 0;
}

static int
free_fixture(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->hops);
    buf_fini(&f->parts);
    buf_fini(&f->out);
    return 0;
}

static json_t *
parse(struct fixture *f)
{
    json_error_t error;
    json_t      *j = json_loadb(f->out.data, f->out.len, JSON_REJECT_DUPLICATES, &error);

    assert_rc("made", f->out.fault, MT_OK);
    if (j == NULL)
        fail_msg("%s at %d in %.*s", error.text, error.position, (int)f->out.len, f->out.data);
    return j;
}

static json_t *
token_json(struct fixture *f, const struct token_answer *a)
{
    struct emit j;

    emit_init(&j, &f->out);
    answer_token(&j, NULL, a);
    return parse(f);
}

static const char *
text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value == NULL ? "(none)" : value;
}

static void
an_arrived_token_shows_its_arrivals(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .mailbox = slice_of("acme"), .token = f->token, .record = &f->record, .messages = { &f->message }, .now_us = RECEIVED_US };
    json_t             *j = token_json(f, &a), *arrival, *hops, *found_in = json_object_get(j, "found_in");

    assert_string_equal(text(j, "verdict"), "arrived");
    assert_string_equal(text(j, "mailbox"), "acme");
    assert_true(json_is_true(json_object_get(j, "expected")) && json_is_true(json_object_get(j, "registered")));
    assert_int_equal(json_integer_value(json_object_get(j, "deadline")), DEADLINE);
    assert_string_equal(text(j, "deadline_at"), "2026-11-21T03:40:00Z");
    assert_int_equal(json_integer_value(json_object_get(j, "arrival_count")), 2);
    assert_int_equal(json_array_size(json_object_get(j, "arrivals")), 2);
    assert_int_equal(json_array_size(found_in), 2);
    assert_string_equal(json_string_value(json_array_get(found_in, 0)), "subject");

    arrival = json_array_get(json_object_get(j, "arrivals"), 0);
    assert_int_equal(json_integer_value(json_object_get(arrival, "message_id")), 17);
    assert_string_equal(text(arrival, "received_at"), "2026-11-21T03:30:01.834000Z");
    assert_int_equal(json_integer_value(json_object_get(arrival, "committed_us")), RECEIVED_US + 400);
    assert_true(json_real_value(json_object_get(arrival, "latency_s")) == 1.834);
    assert_int_equal(json_integer_value(json_object_get(arrival, "size")), 2200);
    assert_string_equal(text(json_object_get(arrival, "client"), "helo"), "mx.customer.test");
    assert_string_equal(text(json_object_get(arrival, "tls"), "version"), "TLSv1.3");
    assert_string_equal(text(json_object_get(arrival, "envelope"), "to"), "acme@mailtest1.test");

    hops = json_object_get(j, "hops");
    assert_true(json_equal(hops, json_object_get(arrival, "hops")));
    assert_true(json_equal(found_in, json_object_get(arrival, "found_in")));
    assert_int_equal(json_array_size(hops), 3);
    assert_string_equal(text(json_array_get(hops, 0), "from"), "mx.customer.test ([192.0.2.1])");
    assert_string_equal(text(json_array_get(hops, 0), "by"), "mx.mailtest1.test");
    assert_string_equal(text(json_array_get(hops, 0), "id"), "4f21");
    assert_true(json_is_null(json_object_get(json_array_get(hops, 0), "delay_s")));       /* the other stamp is a whole second */
    assert_true(json_real_value(json_object_get(json_array_get(hops, 0), "delay_at_most_s")) == 0.834);
    assert_true(json_is_true(json_object_get(json_array_get(hops, 2), "skewed")));
    assert_true(json_is_null(json_object_get(json_array_get(hops, 2), "delay_s")));
    assert_true(json_real_value(json_object_get(json_array_get(hops, 2), "skew_s")) == 3600 ||
                json_integer_value(json_object_get(json_array_get(hops, 2), "skew_s")) == 3600);
    assert_true(json_is_true(json_object_get(json_array_get(hops, 2), "wrong_zone")));
    assert_true(json_is_null(json_object_get(json_array_get(hops, 1), "skew_s")));
    json_decref(j);
}

static void
the_time_is_shared_out(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .mailbox = slice_of("acme"), .token = f->token, .record = &f->record, .messages = { &f->message }, .now_us = RECEIVED_US };
    char                id[SESSION_ID_CHARS + 1];
    json_t             *j, *arrival, *shares, *slowest;

    session_id_make(id, RECEIVED_US + 8000000 - 250000, 1);
    f->message.session.id = slice_of(id);
    f->message.received_us += 8000000;
    f->message.committed_us += 8000000;
    j = token_json(f, &a);
    arrival = json_array_get(json_object_get(j, "arrivals"), 0);
    shares = json_object_get(arrival, "time_shares");
    assert_true(json_equal(shares, json_object_get(j, "time_shares")));
    assert_int_equal(json_integer_value(json_object_get(shares, "forwarder")), 1);
    assert_string_equal(text(shares, "forwarder_known_by"), "position");
    assert_int_equal(json_integer_value(json_object_get(shares, "customer_s")), 1);
    assert_int_equal(json_integer_value(json_object_get(shares, "customer_at_most_s")), 2);
    assert_int_equal(json_integer_value(json_object_get(shares, "forwarding_s")), 8);
    assert_true(json_real_value(json_object_get(shares, "receiver_s")) == 0.2504);
    assert_true(json_real_value(json_object_get(shares, "total_s")) == 9.8344);
    assert_true(json_real_value(json_object_get(shares, "unknown_s")) == 0.584);
    slowest = json_object_get(arrival, "slowest_hop");
    assert_true(json_equal(slowest, json_object_get(j, "slowest_hop")));
    assert_int_equal(json_integer_value(json_object_get(slowest, "index")), 0);
    assert_string_equal(text(slowest, "by"), "mx.mailtest1.test");
    assert_int_equal(json_integer_value(json_object_get(slowest, "delay_s")), 8);
    assert_true(json_is_true(json_object_get(slowest, "certain")));
    json_decref(j);
}

/* A report's way is not that of a test mail. */
static void
a_report_has_no_shares(void **state)
{
    struct fixture *f = *state;
    struct emit     w;
    json_t         *j;

    f->message.kind = KIND_BOUNCED;
    emit_init(&w, &f->out);
    answer_message(&w, NULL, 17, slice_of("acme"), slice_of("INBOX"), &f->message, MINTED_US);
    j = parse(f);
    assert_true(json_is_null(json_object_get(j, "time_shares")));
    json_decref(j);
}

/* What store keeps: all hops, ours first, without ids and recipients. */
static void
kept_hops_are_those_of_the_first_mail(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .mailbox = slice_of("acme"), .token = f->token, .record = &f->record, .now_us = RECEIVED_US };
    struct buf          kept;
    json_t             *j, *hops;

    buf_init(&kept, TOKEN_HOPS_BYTES);
    hop_write(&kept, &(struct hop){ .by = slice_of("mx.mailtest1.test"), .time_unix = (int64_t)(RECEIVED_US / 1000000) });
    buf_append_slice(&kept, f->message.parsed.hops);
    f->record.hops = buf_slice(&kept);
    f->record.arrivals[0].kind = KIND_BOUNCED;
    j = token_json(f, &a);
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(j, "arrivals"), 0), "hops")), 0);
    hops = json_object_get(json_array_get(json_object_get(j, "arrivals"), 1), "hops");
    assert_int_equal(json_array_size(hops), 3);
    assert_string_equal(text(json_array_get(hops, 0), "by"), "mx.mailtest1.test");
    assert_true(json_real_value(json_object_get(json_array_get(hops, 0), "delay_at_most_s")) == 0.834);  /* our own time is exact */
    assert_true(json_equal(hops, json_object_get(j, "hops")));
    assert_true(json_is_null(json_object_get(j, "time_shares")));
    json_decref(j);
    buf_fini(&kept);
}

static void
an_arrival_outlives_its_message(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .mailbox = slice_of("acme"), .token = f->token, .record = &f->record, .now_us = RECEIVED_US };
    json_t             *j, *arrival;

    f->record.minted_us = 0;
    j = token_json(f, &a);
    arrival = json_array_get(json_object_get(j, "arrivals"), 0);
    assert_string_equal(text(j, "verdict"), "arrived");
    assert_true(json_is_false(json_object_get(arrival, "message_kept")));
    assert_true(json_is_null(json_object_get(arrival, "latency_s")));      /* minted elsewhere: no clock of ours */
    assert_true(json_is_null(json_object_get(arrival, "tls")) && json_is_null(json_object_get(arrival, "envelope")));
    assert_string_equal(text(json_object_get(arrival, "client"), "address"), "192.0.2.1");
    assert_int_equal(json_array_size(json_object_get(j, "hops")), 0);
    assert_int_equal(json_array_size(json_object_get(j, "found_in")), 2);
    json_decref(j);
}

static void
a_decided_token_says_when_and_by_which_report(void **state)
{
    struct fixture             *f = *state;
    struct message_record       report = { .kind = KIND_BOUNCED };
    struct token_record         t = { .minted_us = MINTED_US, .deadline_unix = DEADLINE, .verdict = VERDICT_LATE, .decided_us = RECEIVED_US,
                                      .amended_us = RECEIVED_US + 1, .refused_us = 45678901, .kept = 1, .arrival_count = 1,
                                      .arrivals = { { .message_id = 1, .kind = KIND_BOUNCED, .received_us = RECEIVED_US, .lost = PLACE_SUBJECT } } };
    struct token_answer         a = { .token = f->token, .record = &t, .messages = { &report }, .now_us = RECEIVED_US };
    struct buf                  facts;
    json_t                     *j;

    buf_init(&facts, FACTS_BYTES);
    assert_true(fact_add(&facts, FACT_REPORT_ACTION, slice_of("failed")) && fact_add(&facts, FACT_REPORT_STATUS, slice_of("5.1.1")));
    report.parsed.facts = buf_slice(&facts);
    j = token_json(f, &a);
    assert_string_equal(text(j, "decided_at"), "2026-11-21T03:30:01.834000Z");
    assert_string_equal(text(j, "amended_at"), "2026-11-21T03:30:01.834001Z");
    assert_int_equal(json_integer_value(json_object_get(j, "receiver_down_ms")), 45678);
    assert_string_equal(text(json_object_get(j, "report"), "status"), "5.1.1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "lost"), 0)), "subject");
    json_decref(j);
    a.messages[0] = NULL;           /* the report has gone */
    buf_clear(&f->out);
    j = token_json(f, &a);
    assert_true(json_is_null(json_object_get(j, "report")));
    json_decref(j);
    buf_fini(&facts);
}

static void
an_unknown_token_waits(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .token = f->token, .now_us = RECEIVED_US };
    json_t             *j = token_json(f, &a);

    assert_string_equal(text(j, "verdict"), "waiting");
    assert_true(json_is_false(json_object_get(j, "registered")) && json_is_false(json_object_get(j, "expected")));
    assert_true(json_is_null(json_object_get(j, "deadline")) && json_is_null(json_object_get(j, "minted_at")));
    assert_int_equal(json_array_size(json_object_get(j, "arrivals")), 0);
    assert_int_equal(json_array_size(json_object_get(j, "hops")), 0);
    assert_int_equal(json_array_size(json_object_get(j, "found_in")), 0);
    json_decref(j);
}

static void
a_message_shows_its_facts(void **state)
{
    struct fixture *f = *state;
    struct emit     w;
    json_t         *j, *part;

    emit_init(&w, &f->out);
    answer_message(&w, NULL, 17, slice_of("acme"), slice_of("INBOX"), &f->message, MINTED_US);
    j = parse(f);
    assert_int_equal(json_integer_value(json_object_get(j, "id")), 17);
    assert_int_equal(json_integer_value(json_object_get(j, "size")), message_size(&f->message));
    assert_string_equal(text(j, "folder"), "INBOX");
    assert_string_equal(text(j, "kind"), "arrived");
    assert_string_equal(text(j, "subject"), "probe \"1\"");
    assert_string_equal(text(j, "date"), "2026-11-21T03:30:00Z");
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "traits"), 0)), "broken-mime");
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "facts"), 1)), "chunked");
    assert_int_equal(json_array_size(json_object_get(j, "tokens")), 1);
    assert_int_equal(json_array_size(json_object_get(j, "hops")), 3);
    part = json_array_get(json_object_get(j, "parts"), 0);
    assert_string_equal(text(part, "type"), "text/plain");
    assert_string_equal(text(part, "encoding"), "base64");
    assert_int_equal(json_integer_value(json_object_get(part, "size")), 1000);
    json_decref(j);
}

static void
token_and_message_tell_the_same_delays(void **state)
{
    struct fixture     *f = *state;
    struct token_answer a = { .mailbox = slice_of("acme"), .token = f->token, .record = &f->record, .messages = { &f->message }, .now_us = RECEIVED_US };
    json_t             *token = token_json(f, &a), *message;
    struct emit         w;

    buf_clear(&f->out);
    emit_init(&w, &f->out);
    answer_message(&w, NULL, 17, slice_of("acme"), slice_of("INBOX"), &f->message, f->record.minted_us);
    message = parse(f);
    assert_true(json_equal(json_object_get(token, "hops"), json_object_get(message, "hops")));
    json_decref(token);
    json_decref(message);
}

static void
a_summary_is_part_of_the_whole(void **state)
{
    struct fixture *f = *state;
    struct emit     w;
    json_t         *summary, *whole, *value;
    const char     *name;

    emit_init(&w, &f->out);
    answer_message_summary(&w, NULL, 17, slice_of("acme"), slice_of("INBOX"), &f->message);
    summary = parse(f);
    buf_clear(&f->out);
    emit_init(&w, &f->out);
    answer_message(&w, NULL, 17, slice_of("acme"), slice_of("INBOX"), &f->message, MINTED_US);
    whole = parse(f);
    assert_true(json_object_size(whole) > json_object_size(summary));
    json_object_foreach(summary, name, value)
        if (!json_equal(value, json_object_get(whole, name)))
            fail_msg("%s differs", name);
    json_decref(summary);
    json_decref(whole);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

static void
what_store_decided_holds(void **state)
{
    struct token_record t = { .deadline_unix = DEADLINE, .decided_us = 1, .verdict = VERDICT_RECEIVER_DOWN };

    (void)state;
    assert_string_equal(verdict_name(token_verdict(&t, MINTED_US)), "not-arrived-receiver-down");
    t.arrivals[0] = (struct arrival){ .kind = KIND_ARRIVED, .received_us = MINTED_US };
    t.kept = t.arrival_count = 1;
    assert_int_equal(token_verdict(&t, MINTED_US), VERDICT_RECEIVER_DOWN);
    t.verdict = VERDICT_COUNT;      /* of a version that knows more: what the arrivals say */
    assert_int_equal(token_verdict(&t, MINTED_US), VERDICT_ARRIVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_one_verdict),
        cmocka_unit_test(what_store_decided_holds),
        WITH_FIXTURE(an_arrived_token_shows_its_arrivals),
        WITH_FIXTURE(the_time_is_shared_out),
        WITH_FIXTURE(a_report_has_no_shares),
        WITH_FIXTURE(kept_hops_are_those_of_the_first_mail),
        WITH_FIXTURE(an_arrival_outlives_its_message),
        WITH_FIXTURE(a_decided_token_says_when_and_by_which_report),
        WITH_FIXTURE(an_unknown_token_waits),
        WITH_FIXTURE(a_message_shows_its_facts),
        WITH_FIXTURE(token_and_message_tell_the_same_delays),
        WITH_FIXTURE(a_summary_is_part_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
