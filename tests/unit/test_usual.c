#include "tests/unit/store_events.h"

#include "store/usual.h"

struct fixture {
    struct store_service sv;
    struct channel      *receiver;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    service_init(&f->sv);
    assert_rc("start", service_start(&f->sv), MT_OK);
    service_add_mailbox(&f->sv, "acme");
    f->receiver = receiver_connect(&f->sv);
    receiver_tells(&f->sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", true);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    channel_free(f->receiver);
    service_stop(&f->sv);
    service_fini(&f->sv);
    free(f);
    return 0;
}

/* The pattern of acme; texts are valid until the next call. */
static struct pattern_record
pattern(struct store_service *sv)
{
    static char           bytes[4096];
    struct pattern_record p;
    struct slice          record;
    struct reader         r;

    assert_rc("pattern", service_call(sv, MSG_PATTERN, "s", "acme"), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &record, sizeof(bytes));
    assert_true(read_end(&r));
    if (record.len == 0)
        return (struct pattern_record){ 0 };
    memcpy(bytes, record.data, record.len);
    assert_rc("record", pattern_record_read(slice_make(bytes, record.len), &p), MT_OK);
    return p;
}

static uint64_t
deliver(struct store_service *sv, uint32_t found_in, uint32_t hops)
{
    struct token        t = service_mint(sv, "acme");
    struct service_mail m;
    uint64_t            id = 0;

    service_mail_init(&m, "acme", &t, slice_of("body\r\n"));
    m.d.received_us = store_now_us(&sv->store);
    m.candidates[0].found_in = found_in;
    m.d.parsed.received_count = hops;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &m, &id), MT_OK);
    service_connect(sv, ROLE_CTL);
    return id;
}

static void
what_differs_is_in_the_message_and_an_event(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct message_record m;
    struct events_seen    seen;
    struct db_view        v;
    uint64_t              id;

    assert_int_equal(pattern(sv).arrivals, 0);
    deliver(sv, PLACE_SUBJECT | PLACE_TEXT | PLACE_MESSAGE_ID | PLACE_OWN_HEADER, 2);
    id = deliver(sv, PLACE_TEXT | PLACE_MESSAGE_ID | PLACE_OWN_HEADER, 3);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("message", db_message(&v, id, &m), MT_OK);
    assert_slice("changes", m.changes, "It came by 3 hops; before it was 2.\nThe token is no longer in the Subject.\n");
    assert_int_equal(m.lost, PLACE_SUBJECT);
    db_view_end(&v);
    assert_string_equal(events_names(sv), "arrived arrived changed ");
    events_read(sv, &seen);
    assert_string_equal(seen.details[2], "It came by 3 hops; before it was 2. The token is no longer in the Subject.");
    assert_int_equal(seen.list[2].message_id, id);
    assert_int_equal(seen.list[2].verdict, VERDICT_ARRIVED);
    assert_int_equal(pattern(sv).arrivals, 2);
    assert_int_equal(pattern(sv).received_count, 3);
    assert_true(pattern(sv).tls);
}

static void
a_refusal_and_a_request_to_confirm_are_remembered(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = service_mint(sv, "acme");
    struct events_seen    seen;
    struct buf            facts;
    uint64_t              id;

    buf_init(&facts, FACTS_BYTES);
    fact_add(&facts, FACT_REPORT_STATUS, slice_of("5.7.520"));
    fact_add(&facts, FACT_REPORT_DIAGNOSTIC, slice_of("Access denied, your organization does not allow external forwarding."));
    fact_add(&facts, FACT_REPORT_HOST, slice_of("mx.customer.test"));
    deliver_kind(sv, "acme", &t, TRAIT_DELIVERY_REPORT, buf_slice(&facts));
    assert_slice("status", pattern(sv).refusal_status, "5.7.520");
    assert_int_equal(pattern_state(&(struct pattern_record){ .refusal_us = pattern(sv).refusal_us }, store_now_us(&sv->store)), SETUP_REFUSED);
    buf_clear(&facts);
    fact_add(&facts, FACT_CONFIRMATION_PROVIDER, slice_of("Gmail"));
    fact_add(&facts, FACT_CONFIRMATION_CODE, slice_of("123456789"));
    id = deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&facts));
    assert_int_equal(pattern(sv).confirmation_id, id);
    assert_slice("it stays", pattern(sv).refusal_status, "5.7.520");
    assert_string_equal(events_names(sv), "bounced confirmation ");
    events_read(sv, &seen);
    assert_string_equal(seen.details[0], "It bounced: 5.7.520 Access denied, your organization does not allow external forwarding., reported by mx.customer.test");
    assert_string_equal(seen.details[1], "Gmail asks to confirm the forwarding; its code is 123456789.");
    assert_false(seen.list[1].has_token);
    assert_int_equal(seen.list[1].message_id, id);
    id = deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&facts));      /* within a minute: no event of its own */
    assert_int_equal(pattern(sv).confirmation_id, id);
    sv->store.clock_ahead_us += 61 * INT64_C(1000000);
    deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&facts));
    assert_string_equal(events_names(sv), "bounced confirmation confirmation ");
    buf_fini(&facts);
}

static void
a_bounce_says_its_code_once(void **state)
{
    static const struct {
        const char *status, *diagnostic, *want;
    } rows[] = {
        { "5.7.520", "550 5.7.520 Access denied.", "It bounced: 550 5.7.520 Access denied." },
        { "5.7.520", "Access denied.", "It bounced: 5.7.520 Access denied." },
        { "5.7.520", "", "It bounced: 5.7.520" },
        { "", "No such user.", "It bounced: No such user." },
        { "", "", "It bounced" },
    };
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct events_seen    seen;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct token t = service_mint(sv, "acme");
        struct buf   facts;

        buf_init(&facts, FACTS_BYTES);
        fact_add(&facts, FACT_REPORT_FORM, slice_of("rfc3464"));
        fact_add(&facts, FACT_REPORT_STATUS, slice_of(rows[i].status));
        fact_add(&facts, FACT_REPORT_DIAGNOSTIC, slice_of(rows[i].diagnostic));
        deliver_kind(sv, "acme", &t, TRAIT_DELIVERY_REPORT, buf_slice(&facts));
        buf_fini(&facts);
    }
    events_read(sv, &seen);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(seen.details[i], rows[i].want);
}

static void
a_pretended_request_neither_replaces_a_real_one_nor_hides_it(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct events_seen    seen;
    struct buf            real, pretended;
    uint64_t              id, strange;

    buf_init(&real, FACTS_BYTES);
    buf_init(&pretended, FACTS_BYTES);
    fact_add(&real, FACT_CONFIRMATION_PROVIDER, slice_of("Gmail"));
    fact_add(&real, FACT_CONFIRMATION_CODE, slice_of("123456789"));
    fact_add(&pretended, FACT_CONFIRMATION_PROVIDER, slice_of(FACT_NOT_RECOGNISED "it comes from noreply@evil.test"));
    fact_add(&pretended, FACT_CONFIRMATION_CODE, slice_of("EVIL99"));
    strange = deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&pretended));
    assert_int_equal(pattern(sv).pretence_id, strange);
    assert_int_equal(pattern(sv).confirmation_id, 0);
    id = deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&real));      /* within a minute of the other: told all the same */
    strange = deliver_kind(sv, "acme", NULL, TRAIT_CONFIRMATION, buf_slice(&pretended));
    assert_int_equal(pattern(sv).confirmation_id, id);
    assert_int_equal(pattern(sv).pretence_id, strange);
    assert_string_equal(events_names(sv), "confirmation confirmation ");
    events_read(sv, &seen);
    assert_string_equal(seen.details[0], "A mail pretends to be a provider's request to confirm the forwarding: it comes from noreply@evil.test. "
                        "Do not act on it.");
    assert_string_equal(seen.details[1], "Gmail asks to confirm the forwarding; its code is 123456789.");
    buf_fini(&real);
    buf_fini(&pretended);
}

static void
mail_that_is_none_leaves_the_pattern_alone(void **state)
{
    static const uint32_t traits[] = { TRAIT_AUTO_REPLIED, TRAIT_READ_RECEIPT, TRAIT_REPLY, TRAIT_DELAY_REPORT };
    struct store_service *sv = &((struct fixture *)*state)->sv;

    for (size_t i = 0; i < COUNT(traits); i++) {
        struct token t = service_mint(sv, "acme");

        deliver_kind(sv, "acme", &t, traits[i], slice_of(NULL));
    }
    deliver_kind(sv, "acme", NULL, 0, slice_of(NULL));
    assert_int_equal(rows_in(sv, TABLE_PATTERN), 0);
    assert_string_equal(events_names(sv), "autoreply ");
}

static void
copies_of_a_mail_are_not_compared(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = service_mint(sv, "acme");

    for (unsigned i = 0; i < 4; i++) {
        struct service_mail m;

        service_mail_init(&m, "acme", &t, slice_of("body\r\n"));
        m.d.received_us = store_now_us(&sv->store);
        m.d.parsed.received_count = i;
        service_connect(sv, ROLE_SMTPD);
        assert_rc("deliver", service_hand_over(sv, &m, NULL), MT_OK);
        service_connect(sv, ROLE_CTL);
    }
    assert_int_equal(pattern(sv).arrivals, 1);
    assert_string_equal(events_names(sv), "arrived ");
}

/* ---- Silence ---- */

static void
some_usual_arrivals(struct store_service *sv)
{
    for (unsigned i = 0; i < 6; i++) {
        deliver(sv, PLACE_SUBJECT, 2);
        sv->store.clock_ahead_us += 300 * INT64_C(1000000);
    }
}

/* As the timer does, round after round. */
static void
look(struct store_service *sv, int64_t later_s)
{
    sv->store.clock_ahead_us += later_s * 1000000;
    for (unsigned i = 0; i < 3; i++) {
        usual_look(sv->store.usual);
        service_settle(sv);
    }
}

static unsigned
told(struct store_service *sv, enum event_kind kind)
{
    struct events_seen seen;
    unsigned           count = 0;

    events_read(sv, &seen);
    for (unsigned i = 0; i < seen.count; i++)
        count += seen.list[i].kind == kind;
    return count;
}

static void
silence_is_told_once_until_something_comes(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    uint64_t              commits;

    some_usual_arrivals(sv);
    look(sv, 800);
    assert_int_equal(told(sv, EVENT_SILENT), 0);
    look(sv, 200);
    assert_int_equal(told(sv, EVENT_SILENT), 1);
    assert_true(pattern(sv).silent);
    commits = batch_stats(sv->store.batch)->commits;
    look(sv, 1);
    assert_int_equal(batch_stats(sv->store.batch)->commits, commits);
    look(sv, 100000);
    assert_int_equal(told(sv, EVENT_SILENT), 1);
    deliver(sv, PLACE_SUBJECT, 2);
    assert_false(pattern(sv).silent);
    look(sv, 100000);
    assert_int_equal(told(sv, EVENT_SILENT), 2);
}

static void
a_receiver_that_was_down_hears_no_silence(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    some_usual_arrivals(sv);
    receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", false);
    look(sv, 5000);
    assert_int_equal(told(sv, EVENT_SILENT), 0);
    receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", true);
    look(sv, 1000);
    assert_int_equal(told(sv, EVENT_SILENT), 0);
    look(sv, 300);
    assert_int_equal(told(sv, EVENT_SILENT), 1);
}

static void
a_disabled_mailbox_is_not_silent(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;

    some_usual_arrivals(sv);
    assert_rc("disable", service_call(sv, MSG_MAILBOX_ENABLE, "sb", "acme", 0), MT_OK);
    look(sv, 5000);
    assert_int_equal(told(sv, EVENT_SILENT), 0);
    assert_rc("enable", service_call(sv, MSG_MAILBOX_ENABLE, "sb", "acme", 1), MT_OK);
    look(sv, 1);
    assert_int_equal(told(sv, EVENT_SILENT), 1);
}

static void
all_mailboxes_get_their_turn(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct buf            b;
    struct tx            *tx;
    bool                  failed;

    /* More than are looked at in one step; only two of them exist. */
    buf_init(&b, RECORD_BYTES_MAX);
    service_add_mailbox(sv, "zebra");
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    for (uint32_t id = 1; id <= 1000; id++) {
        unsigned char key[DB_KEY_MAX];

        buf_clear(&b);
        pattern_record_write(&b, &(struct pattern_record){ .arrivals = 9, .last_us = 1, .usual_gap_us = 1000000 });
        tx_put(tx, TABLE_PATTERN, db_key_u32(key, id), buf_slice(&b), 0);
    }
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    sv->store.clock_ahead_us += 100000 * INT64_C(1000000);
    for (unsigned i = 0; i < 5; i++) {
        usual_look(sv->store.usual);
        service_settle(sv);
    }
    assert_int_equal(told(sv, EVENT_SILENT), catalog_count(sv->store.catalog));
    buf_fini(&b);
}

int
main(void)
{
#define USUAL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        USUAL_TEST(what_differs_is_in_the_message_and_an_event),
        USUAL_TEST(a_refusal_and_a_request_to_confirm_are_remembered),
        USUAL_TEST(a_bounce_says_its_code_once),
        USUAL_TEST(a_pretended_request_neither_replaces_a_real_one_nor_hides_it),
        USUAL_TEST(mail_that_is_none_leaves_the_pattern_alone),
        USUAL_TEST(copies_of_a_mail_are_not_compared),
        USUAL_TEST(silence_is_told_once_until_something_comes),
        USUAL_TEST(a_receiver_that_was_down_hears_no_silence),
        USUAL_TEST(a_disabled_mailbox_is_not_silent),
        USUAL_TEST(all_mailboxes_get_their_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
