#include "tests/unit/store_events.h"

/* One store for each test, with a receiver that serves. */
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
    service_add_mailbox(&f->sv, "other");
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

/* ---- What comes when, and what it ends in ---- */

enum { WINDOW_S = 600 };

static const struct {
    const char  *label;
    uint32_t     traits[3];
    int64_t      at_s[3];           /* after minting, in order */
    unsigned     count;
    enum verdict verdict;
    bool         amended;
    const char  *events;
} stories[] = {
    { "nothing", { 0 }, { 0 }, 0, VERDICT_NOT_ARRIVED, false, "missed " },
    { "arrived", { 0 }, { 5 }, 1, VERDICT_ARRIVED, false, "arrived " },
    { "arrived in the last second", { 0 }, { WINDOW_S }, 1, VERDICT_ARRIVED, false, "arrived " },
    { "arrived twice", { 0, 0 }, { 5, 9 }, 2, VERDICT_ARRIVED, false, "arrived " },
    { "arrived, and again late", { 0, 0 }, { 5, 900 }, 2, VERDICT_ARRIVED, false, "arrived " },
    { "late", { 0 }, { 700 }, 1, VERDICT_LATE, true, "missed late " },
    { "late, and again", { 0, 0 }, { 700, 800 }, 2, VERDICT_LATE, true, "missed late " },
    { "bounced", { TRAIT_DELIVERY_REPORT }, { 5 }, 1, VERDICT_BOUNCED, false, "bounced missed " },
    { "bounced, then arrived", { TRAIT_DELIVERY_REPORT, 0 }, { 5, 60 }, 2, VERDICT_ARRIVED, false, "bounced arrived " },
    { "bounced, then late", { TRAIT_DELIVERY_REPORT, 0 }, { 5, 700 }, 2, VERDICT_LATE, true, "bounced missed late " },
    { "arrived, then bounced", { 0, TRAIT_DELIVERY_REPORT }, { 5, 60 }, 2, VERDICT_ARRIVED, false, "arrived bounced " },
    { "bounced too late", { TRAIT_DELIVERY_REPORT }, { 700 }, 1, VERDICT_NOT_ARRIVED, false, "missed bounced " },
    { "two automatic replies", { TRAIT_AUTO_REPLIED, TRAIT_AUTO_REPLIED }, { 5, 6 }, 2, VERDICT_AUTOREPLY, false, "autoreply missed " },
    { "automatic reply", { TRAIT_AUTO_REPLIED }, { 5 }, 1, VERDICT_AUTOREPLY, false, "autoreply missed " },
    { "automatic reply, then arrived", { TRAIT_AUTO_REPLIED, 0 }, { 5, 6 }, 2, VERDICT_ARRIVED, false, "autoreply arrived " },
    { "automatic reply and bounce", { TRAIT_AUTO_REPLIED, TRAIT_DELIVERY_REPORT }, { 5, 6 }, 2, VERDICT_BOUNCED, false, "autoreply bounced missed " },
    { "read receipt", { TRAIT_READ_RECEIPT }, { 5 }, 1, VERDICT_AUTOREPLY, false, "missed " },
    { "a person's reply", { TRAIT_REPLY }, { 5 }, 1, VERDICT_NOT_ARRIVED, false, "missed " },
    { "a delay is told", { TRAIT_DELAY_REPORT }, { 5 }, 1, VERDICT_NOT_ARRIVED, false, "missed " },
    { "a delay is told, then arrived", { TRAIT_DELAY_REPORT, 0 }, { 5, 300 }, 2, VERDICT_ARRIVED, false, "arrived " },
};

static void
each_expected_token_ends_in_one_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stories); i++) {
        struct token_record   r;
        struct store_service *sv;
        struct token          t;
        int64_t               passed_s = 0;
        void                 *own;

        setup(&own);
        sv = &((struct fixture *)own)->sv;
        t = mint_expected(sv, "acme", WINDOW_S);
        assert_int_equal(rows_in(sv, TABLE_DEADLINE), 1);
        for (unsigned k = 0; k < stories[i].count; k++) {
            pass_s(sv, stories[i].at_s[k] - passed_s);
            passed_s = stories[i].at_s[k];
            deliver_kind(sv, "acme", &t, stories[i].traits[k], slice_of(NULL));
            if (token_of(sv, &t).decided_us != 0)
                assert_int_equal(rows_in(sv, TABLE_DEADLINE), 0);
        }
        pass_s(sv, 1000 - passed_s);
        r = token_of(sv, &t);
        if (r.verdict != stories[i].verdict || r.decided_us == 0 || (r.amended_us != 0) != stories[i].amended || rows_in(sv, TABLE_DEADLINE) != 0 ||
            token_verdict(&r, store_now_us(&sv->store)) != stories[i].verdict)
            fail_msg("%s: %s, decided %llu, amended %llu", stories[i].label, verdict_name(r.verdict), (unsigned long long)r.decided_us,
                     (unsigned long long)r.amended_us);
        if (strcmp(events_names(sv), stories[i].events) != 0)
            fail_msg("%s: %s", stories[i].label, events_names(sv));
        pass_s(sv, 100000);
        assert_string_equal(events_names(sv), stories[i].events);
        teardown(&own);
    }
}

static void
what_was_missed_is_told_before_what_was_late_though_no_timer_was_there(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = mint_expected(sv, "acme", 10);
    struct token_record   r;
    struct events_seen    seen;

    sv->store.clock_ahead_us += 100 * INT64_C(1000000);
    deliver_kind(sv, "acme", &t, 0, slice_of(NULL));
    r = token_of(sv, &t);
    assert_int_equal(r.verdict, VERDICT_LATE);
    assert_true(r.decided_us != 0 && r.amended_us != 0);
    assert_string_equal(events_names(sv), "missed late ");
    events_read(sv, &seen);
    assert_int_equal(seen.list[0].verdict, VERDICT_NOT_ARRIVED);
    assert_int_equal(seen.list[1].verdict, VERDICT_LATE);
    assert_string_equal(seen.mailboxes[1], "acme");
    assert_true(seen.list[1].has_token && token_equal(&seen.list[1].token, &t));
    assert_true(seen.list[1].message_id != 0 && seen.ids[1] == seen.ids[0] + 1);
    assert_non_null(strstr(seen.details[1], "s after the deadline."));
}

static void
a_mail_in_time_whose_commit_took_long_has_arrived(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = mint_expected(sv, "acme", 10);
    struct service_mail   m;
    struct token_record   r;

    service_mail_init(&m, "acme", &t, slice_of("body\r\n"));
    m.d.received_us = store_now_us(&sv->store) + 9000000;
    pass_s(sv, 60);
    assert_int_equal(token_of(sv, &t).verdict, VERDICT_NOT_ARRIVED);
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &m, NULL), MT_OK);
    r = token_of(sv, &t);
    assert_int_equal(r.verdict, VERDICT_ARRIVED);
    assert_int_not_equal(r.amended_us, 0);
    assert_string_equal(events_names(sv), "missed arrived ");
}

static void
a_token_that_is_not_expected_is_told_once_and_never_decided(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = service_mint(sv, "acme");
    struct token_record   r;

    deliver_kind(sv, "acme", &t, TRAIT_DELAY_REPORT, slice_of(NULL));
    deliver_kind(sv, "acme", &t, 0, slice_of(NULL));
    deliver_kind(sv, "acme", &t, 0, slice_of(NULL));
    r = token_of(sv, &t);
    assert_int_equal(r.arrival_count, 3);
    assert_int_equal(r.decided_us, 0);
    assert_int_equal(token_verdict(&r, store_now_us(&sv->store)), VERDICT_ARRIVED);
    assert_string_equal(events_names(sv), "arrived ");
}

static void
the_first_of_each_kind_is_kept_behind_many(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = service_mint(sv, "acme");
    struct token_record   r;

    for (unsigned i = 0; i < TOKEN_ARRIVALS_MAX + 2; i++)
        deliver_kind(sv, "acme", &t, TRAIT_DELAY_REPORT, slice_of(NULL));
    deliver_kind(sv, "acme", &t, 0, slice_of(NULL));
    deliver_kind(sv, "acme", &t, 0, slice_of(NULL));
    for (unsigned i = 0; i < 3; i++)
        deliver_kind(sv, "acme", &t, TRAIT_DELIVERY_REPORT, slice_of(NULL));
    r = token_of(sv, &t);
    assert_int_equal(r.arrival_count, TOKEN_ARRIVALS_MAX + 7);
    assert_int_equal(r.kept, TOKEN_ARRIVALS_MAX);
    assert_int_equal(r.arrivals[TOKEN_ARRIVALS_MAX - 3].kind, KIND_NOTICE);
    assert_int_equal(r.arrivals[TOKEN_ARRIVALS_MAX - 2].kind, KIND_ARRIVED);
    assert_int_equal(r.arrivals[TOKEN_ARRIVALS_MAX - 1].kind, KIND_BOUNCED);
    assert_int_equal(token_verdict(&r, store_now_us(&sv->store)), VERDICT_ARRIVED);
    assert_string_equal(events_names(sv), "arrived bounced ");
}

/* ---- What stays ---- */

static void
a_deleted_mail_leaves_its_verdict_hops_and_lost_places(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = mint_expected(sv, "acme", 600);
    struct service_mail   m;
    struct token_record   r;
    struct buf            hops;
    struct reader         reader;
    struct hop            hop = { .from = slice_of("a.customer.test (192.0.2.9)"), .by = slice_of("mx.customer.test"), .with = slice_of("ESMTPS"),
                                  .id = slice_of("queue-id"), .for_ = slice_of("user@customer.test"), .time_unix = 1795233000 };
    uint64_t              id = 0;

    buf_init(&hops, 10000);
    for (unsigned i = 0; i < 30; i++)
        hop_write(&hops, &hop);
    service_mail_init(&m, "acme", &t, slice_of("body\r\n"));
    m.d.received_us = store_now_us(&sv->store);
    m.d.parsed.hops = buf_slice(&hops);
    m.candidates[0].found_in = PLACE_SUBJECT | PLACE_HTML;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &m, &id), MT_OK);
    service_connect(sv, ROLE_CTL);
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", id), MT_OK);
    pass_s(sv, 10000);
    r = token_of(sv, &t);
    assert_int_equal(r.verdict, VERDICT_ARRIVED);
    assert_int_equal(r.arrivals[0].lost, PLACE_MESSAGE_ID | PLACE_OWN_HEADER);
    reader_init(&reader, r.hops);
    assert_true(hop_next(&reader, &hop));
    assert_slice("ours first", hop.by, "mailtest1.test");
    assert_slice("ours", hop.with, "ESMTPS");
    assert_true(hop_next(&reader, &hop));
    assert_slice("theirs", hop.from, "a.customer.test (192.0.2.9)");
    assert_int_equal(hop.id.len + hop.for_.len, 0);
    while (hop_next(&reader, &hop))
        ;
    assert_true(read_end(&reader));
    assert_true(r.hops.len > TOKEN_HOPS_BYTES * 3 / 4);
    buf_fini(&hops);
}

static void
after_a_restart_what_is_overdue_is_decided_in_order(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    struct token          second = mint_expected(sv, "acme", 20), third = mint_expected(sv, "other", 30), first = mint_expected(sv, "acme", 10);
    struct events_seen    seen;

    channel_free(f->receiver);
    f->receiver = NULL;
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
    pass_s(sv, 100);
    events_read(sv, &seen);
    assert_int_equal(seen.count, 3);
    assert_true(token_equal(&seen.list[0].token, &first));
    assert_true(token_equal(&seen.list[1].token, &second));
    assert_true(token_equal(&seen.list[2].token, &third));
    assert_string_equal(seen.mailboxes[2], "other");
}

static void
many_are_decided_in_small_steps(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    uint64_t              commits;

    for (unsigned i = 0; i < 250; i++)
        mint_expected(sv, "acme", 10 + i % 7);
    assert_int_equal(rows_in(sv, TABLE_DEADLINE), 250);
    commits = batch_stats(sv->store.batch)->commits;
    pass_s(sv, 100);
    assert_int_equal(rows_in(sv, TABLE_DEADLINE), 0);
    assert_int_equal(rows_in(sv, TABLE_EVENT), 250);
    assert_in_range(batch_stats(sv->store.batch)->commits - commits, 3, 6);
}

static void
a_forgotten_token_is_not_missed(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = mint_expected(sv, "acme", 10);
    char                  text[TOKEN_CHARS + 1];

    token_encode(&t, text);
    assert_rc("forget", service_call(sv, MSG_TOKEN_FORGET, "ss", "acme", text), MT_OK);
    assert_int_equal(rows_in(sv, TABLE_DEADLINE), 0);
    pass_s(sv, 100);
    assert_string_equal(events_names(sv), "");
}

static void
a_deleted_mailbox_takes_its_deadlines_and_pattern_along(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    struct token          t = mint_expected(sv, "acme", 10), arrived = mint_expected(sv, "acme", 10);

    mint_expected(sv, "other", 10);
    deliver_kind(sv, "acme", &arrived, 0, slice_of(NULL));
    assert_int_equal(rows_in(sv, TABLE_PATTERN), 1);
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    assert_int_equal(rows_in(sv, TABLE_DEADLINE), 1);
    assert_int_equal(rows_in(sv, TABLE_PATTERN), 0);
    pass_s(sv, 100);
    assert_string_equal(events_names(sv), "arrived missed ");
    assert_int_equal(token_of(sv, &t).decided_us, 0);
    channel_free(((struct fixture *)*state)->receiver);
    ((struct fixture *)*state)->receiver = NULL;
    verify_all(sv);
}

/* ---- When this receiver is the cause ---- */

static void
what_could_not_be_taken_is_laid_on_this_receiver(void **state)
{
    static const struct {
        const char  *label;
        uint64_t     window_s;
        int64_t      up_s, down_s;      /* from minting: serving so long, then not so long */
        enum verdict verdict;
    } cases[] = {
        { "always up", 600, 100, 0, VERDICT_NOT_ARRIVED },
        { "a short pause", 600, 100, 20, VERDICT_NOT_ARRIVED },
        { "half a minute", 600, 100, 30, VERDICT_RECEIVER_DOWN },
        { "a tenth of a short window", 60, 10, 7, VERDICT_RECEIVER_DOWN },
        { "down all the time", 600, 0, 600, VERDICT_RECEIVER_DOWN },
        { "down after the deadline", 60, 62, 100, VERDICT_NOT_ARRIVED },
    };
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token        t = mint_expected(sv, "acme", cases[i].window_s);
        struct token_record r;

        sv->store.clock_ahead_us += cases[i].up_s * 1000000;
        if (cases[i].down_s > 0) {
            receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", false);
            sv->store.clock_ahead_us += cases[i].down_s * 1000000;
            receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", true);
        }
        pass_s(sv, 1000);
        r = token_of(sv, &t);
        if (r.verdict != cases[i].verdict)
            fail_msg("%s: %s, refused for %llu us", cases[i].label, verdict_name(r.verdict), (unsigned long long)r.refused_us);
    }
}

static void
time_in_which_store_did_not_run_counts(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    struct token          t = mint_expected(sv, "acme", 600);
    struct token_record   r;
    struct events_seen    seen;

    channel_free(f->receiver);
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
    sv->store.clock_ahead_us = 100 * INT64_C(1000000);
    f->receiver = receiver_connect(sv);
    receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", true);
    pass_s(sv, 1000);
    r = token_of(sv, &t);
    assert_int_equal(r.verdict, VERDICT_RECEIVER_DOWN);
    assert_in_range(r.refused_us, 99000000, 101000000);
    events_read(sv, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.list[0].verdict, VERDICT_RECEIVER_DOWN);
    assert_non_null(strstr(seen.details[0], "this receiver took no mail for "));
}

static void
what_bounced_bounced_also_while_this_receiver_was_down(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    struct token          t = mint_expected(sv, "acme", 600);

    deliver_kind(sv, "acme", &t, TRAIT_DELIVERY_REPORT, slice_of(NULL));
    receiver_tells(sv, f->receiver, LISTEN_SMTP, "127.0.0.1:2525", false);
    pass_s(sv, 1000);
    assert_int_equal(token_of(sv, &t).verdict, VERDICT_BOUNCED);
    assert_true(token_of(sv, &t).refused_us > 0);
}

int
main(void)
{
#define VERDICT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_expected_token_ends_in_one_verdict),
        VERDICT_TEST(what_was_missed_is_told_before_what_was_late_though_no_timer_was_there),
        VERDICT_TEST(a_mail_in_time_whose_commit_took_long_has_arrived),
        VERDICT_TEST(a_token_that_is_not_expected_is_told_once_and_never_decided),
        VERDICT_TEST(the_first_of_each_kind_is_kept_behind_many),
        VERDICT_TEST(a_deleted_mail_leaves_its_verdict_hops_and_lost_places),
        VERDICT_TEST(after_a_restart_what_is_overdue_is_decided_in_order),
        VERDICT_TEST(many_are_decided_in_small_steps),
        VERDICT_TEST(a_forgotten_token_is_not_missed),
        VERDICT_TEST(a_deleted_mailbox_takes_its_deadlines_and_pattern_along),
        VERDICT_TEST(what_could_not_be_taken_is_laid_on_this_receiver),
        VERDICT_TEST(time_in_which_store_did_not_run_counts),
        VERDICT_TEST(what_bounced_bounced_also_while_this_receiver_was_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
