/* What store gets of a session, what its answers mean, and how sessions end. */
#include "tests/unit/smtp_service.h"

/* ---- What store gets ----------------------------------------------------------------------------------------------- */

static void
store_gets_envelope_trace_and_the_exact_octets(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);
    char            want[200];

    client_say(c, HELLO "MAIL FROM:<u+caf_=x=y@client.test> BODY=8BITMIME\r\n" "RCPT TO:<Acme+one@Mailtest1.test>\r\n"
                  "DATA\r\nSubject: x\r\n\r\n..dot\r\n\xc3\xa4\nend\r\n.\r\n");
    assert_int_equal(v->got.count, 1);
    assert_string_equal(v->got.reverse_path, "u+caf_=x=y@client.test");
    assert_string_equal(v->got.recipients, "acme=Acme+one@Mailtest1.test ");
    assert_slice("body", slice_make(v->got.body, v->got.body_len), "Subject: x\r\n\r\n.dot\r\n\xc3\xa4\r\nend\r\n");
    assert_int_equal(v->got.flags, DELIVERY_8BITMIME | DELIVERY_BARE_LF | DELIVERY_8BIT_DATA);
    assert_string_equal(v->got.protocol, "ESMTP");
    assert_string_equal(v->got.helo, "client.test");
    snprintf(want, sizeof(want), "Received: from client.test ([127.0.0.1])\r\n\tby mx.mailtest1.test (Mailtest) with ESMTP id %s\r\n"
                                 "\tfor <Acme+one@Mailtest1.test>;\r\n\t", v->got.id);
    assert_memory_equal(v->got.trace, want, strlen(want));
    snprintf(want, sizeof(want), "250 2.0.0 accepted as %s\r\n", v->got.id);
    assert_string_equal(c->in + c->len - strlen(want), want);
    client_free(c);
}

static void
a_mailbox_named_twice_gets_one_copy_and_others_are_not_told(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    client_say(c, HELLO "MAIL FROM:<>\r\nRCPT TO:<acme+one@mailtest1.test>\r\nRCPT TO:<acme+two@mailtest1.test>\r\n"
                  "RCPT TO:<second@other.test>\r\nDATA\r\n.\r\n");
    assert_string_equal(codes(c->in), "250 250 250 250 250 354 250 ");
    assert_string_equal(v->got.recipients, "acme=acme+one@mailtest1.test second=second@other.test ");
    assert_string_equal(v->got.reverse_path, "");
    assert_null(strstr(v->got.trace, " for "));
    client_free(c);
}

static void
large_messages_travel_as_a_sealed_memfd(void **state)
{
    static char     mail[100 * 1024];
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);
    char            bdat[32];

    for (size_t i = 0; i < sizeof(mail); i++)
        mail[i] = (char)(i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : 'a' + i % 25);
    client_say(c, BEGIN);
    client_send(c, slice_make(mail, sizeof(mail)));
    assert_string_equal(codes(client_say(c, "\r\n.\r\n")), "250 ");
    assert_true(v->got.by_memfd);
    assert_int_equal(v->got.body_len, sizeof(mail) + 2);
    assert_memory_equal(v->got.body, mail, sizeof(mail));

    client_say(c, MAIL RCPT);
    c->len = 0;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(bdat, sizeof(bdat), "BDAT %zu%s\r\n", sizeof(mail) / 2, i == 1 ? " LAST" : "");
        client_send(c, slice_of(bdat));
        client_send(c, slice_make(mail + i * sizeof(mail) / 2, sizeof(mail) / 2));
    }
    client_receive(c);
    assert_string_equal(codes(c->in), "250 250 ");
    assert_int_equal(v->got.body_len, sizeof(mail));
    assert_memory_equal(v->got.body, mail, sizeof(mail));
    assert_int_equal(v->got.flags & DELIVERY_CHUNKED, DELIVERY_CHUNKED);
    client_free(c);
}

static void
ids_of_transactions_differ(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);
    char            first[32];

    client_say(c, BEGIN "a\r\n.\r\n");
    slice_copy(first, sizeof(first), slice_of(v->got.id));
    client_say(c, MAIL RCPT "DATA\r\n.\r\n");
    assert_int_equal(v->got.count, 2);
    assert_string_not_equal(first, v->got.id);
    client_free(c);
}

/* ---- What store says ----------------------------------------------------------------------------------------------- */

static const struct { int rc; const char *reply; } answers[] = {
    { MT_OK,        "250 2.0.0" },
    { MT_EQUOTA,    "452 4.2.2" },
    { MT_EFULL,     "452 4.3.1" },
    { MT_ENOTFOUND, "550 5.1.1" },
    { MT_EDISABLED, "550 5.2.1" },
    { MT_EIO,       "451 4.3.0" },
    { MT_ENOMEM,    "451 4.3.0" },
    { MT_EDAMAGED,  "451 4.3.0" },
    { MT_ESHUTDOWN, "451 4.3.0" },
};

static void
the_reply_is_what_store_decided(void **state)
{
    struct service *v = *state;

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);

        v->answer = answers[i].rc;
        client_say(c, BEGIN);
        client_say(c, "x\r\n.\r\n");
        if (strncmp(c->in, answers[i].reply, 9) != 0)
            fail_msg("%s: got %s", mt_strerror(answers[i].rc), c->in);
        assert_string_equal(codes(client_say(c, MAIL "QUIT\r\n")), "250 221 ");
        client_free(c);
    }
}

static void
nothing_is_said_before_store_has_answered(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    v->hold = true;
    client_say(c, BEGIN);
    assert_string_equal(client_say(c, "x\r\n.\r\nNOOP\r\n" MAIL RCPT "DATA\r\ny\r\n.\r\nQUIT\r\n"), "");
    assert_int_equal(v->held_count, 1);
    store_answer_held(v, MT_OK);
    assert_string_equal(codes(client_say(c, "")), "250 250 250 250 354 ");
    assert_int_equal(v->held_count, 1);
    store_answer_held(v, MT_EFULL);
    assert_string_equal(codes(client_say(c, "")), "452 221 ");
    client_free(c);
}

static void
a_client_may_go_while_store_commits(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    v->hold = true;
    client_say(c, BEGIN "x\r\n.\r\n");
    client_free(c);
    assert_int_equal(v->held_count, 1);
    assert_int_equal(service_sessions(v), 1);
    store_answer_held(v, MT_OK);
    service_run(v);
    assert_int_equal(service_sessions(v), 0);
}

/* What store had when it was lost may be kept or not: it is asked when it is back, and what it does not know is not answered. */
static void
a_message_that_store_was_lost_with_is_asked_for(void **state)
{
    static const struct {
        int         rc;
        const char *reply;
        bool        ends;
    } cases[] = {
        { MT_OK,        "250 2.0.0", false },
        { MT_ENOTFOUND, "451 4.3.0", false },
        { MT_EFULL,     "",          true  },
        { MT_EIO,       "",          true  },
    };
    struct service *v = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);

        v->hold = true;
        v->answer_asked = cases[i].rc;
        v->asked = 0;
        client_say(c, BEGIN);
        assert_string_equal(client_say(c, "x\r\n.\r\n"), "");
        v->held_count = 0;
        store_die(v);
        assert_string_equal(client_say(c, ""), "");
        service_connect_store(v, 1024 * 1024);
        store_tells_all(v);
        assert_memory_equal(client_say(c, ""), cases[i].reply, strlen(cases[i].reply));
        assert_int_equal(v->asked, 1);
        assert_int_equal(c->ended, cases[i].ends);
        client_free(c);
    }
}

static void
losing_store_gives_451_until_it_is_back(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    client_say(c, HELLO);
    store_die(v);
    service_run(v);
    assert_memory_equal(client_say(c, MAIL), "451 4.3.0", 9);
    service_connect_store(v, 1024 * 1024);
    /* Known ones are still known, unknown ones may be new. */
    assert_string_equal(codes(client_say(c, MAIL RCPT "RCPT TO:<new@mailtest1.test>\r\n")), "250 250 451 ");
    store_tells_mailbox(v, "new", true, false);
    assert_int_equal(channel_send(v->store, MSG_MAILBOXES_SENT, 0, slice_make("", 0), -1), MT_OK);
    service_run(v);
    assert_string_equal(codes(client_say(c, "RCPT TO:<new@mailtest1.test>\r\n" RCPT "DATA\r\n.\r\n")), "250 550 354 250 ");
    client_free(c);
}

static void
a_full_store_takes_no_mail(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    assert_int_equal(channel_send(v->store, MSG_FULL, 0, slice_make("\1", 1), -1), MT_OK);
    service_run(v);
    assert_memory_equal(client_say(c, HELLO), "250-", 4);
    assert_memory_equal(client_say(c, MAIL), "452 4.3.1", 9);
    assert_int_equal(channel_send(v->store, MSG_FULL, 0, slice_make("\0", 1), -1), MT_OK);
    service_run(v);
    assert_memory_equal(client_say(c, MAIL), "250 2.1.0", 9);
    client_free(c);
}

static void
mailboxes_change_while_sessions_run(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    client_say(c, HELLO MAIL);
    store_tells_mailbox(v, "acme", false, false);
    service_run(v);
    assert_memory_equal(client_say(c, RCPT), "550 5.2.1", 9);
    assert_int_equal(channel_send(v->store, MSG_MAILBOX_GONE, 0, slice_make("\0\0\0\4acme", 8), -1), MT_OK);
    service_run(v);
    assert_memory_equal(client_say(c, RCPT), "550 5.1.1", 9);
    store_tells_mailbox(v, "acme", true, true);
    service_run(v);
    assert_memory_equal(client_say(c, RCPT), "452 4.2.2", 9);
    client_free(c);
}

/* What store could never say ends the channel; smtpd lives on. */
static void
a_channel_that_breaks_the_protocol_is_closed(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    assert_int_equal(channel_answer(v->store, 77, MT_EIO), MT_OK);
    service_run(v);
    assert_null(v->role.store);
    assert_string_equal(codes(client_say(c, HELLO MAIL)), "250 451 ");
    client_free(c);
}

static void
deliveries_wait_for_room_in_the_channel(void **state)
{
    enum { CLIENTS = 8 };
    static char     mail[50000];
    struct service *v = *state;
    struct client  *clients[CLIENTS];

    memset(mail, 'x', sizeof(mail));
    for (size_t i = 0; i + 1 < sizeof(mail); i += 100)
        memcpy(mail + i, "\r\n", 2);
    store_die(v);
    service_run(v);
    service_connect_store(v, 120000);   /* two deliveries fill it */
    store_tells_all(v);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_new(v, LISTEN_SMTP);
        client_say(clients[i], BEGIN);
        client_send(clients[i], slice_make(mail, sizeof(mail)));
    }
    for (unsigned i = 0; i < CLIENTS; i++)      /* all in one turn */
        assert_int_equal(send(clients[i]->fd, "\r\n.\r\n", 5, 0), 5);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_string_equal(codes(client_say(clients[i], "")), "250 ");
        client_free(clients[i]);
    }
    assert_int_equal(v->got.count, CLIENTS);
}

/* ---- Time limits ---------------------------------------------------------------------------------------------------- */

static void
tune_hasty(struct config *c)
{
    c->smtp.command_timeout_ms = 40;
    c->smtp.message_timeout_ms = 80;
    c->smtp.tls_timeout_ms = 40;
}

/* Runs the loop, which sleeps until the next limit, until the server has closed. */
static void
wait_for_end(struct client *c)
{
    for (unsigned i = 0; i < 1000 && !c->ended; i++) {
        event_base_loop(c->service->role.base, EVLOOP_ONCE);
        client_receive(c);
    }
    assert_true(c->ended);
}

static void
commands_messages_and_handshakes_have_time_limits(void **state)
{
    static const struct { const char *label, *say, *want; } cases[] = {
        { "nothing is said",     "",                                     "421 4.4.2 time limit for a command" },
        { "half a command",      "EHLO cl",                              "421 4.4.2 time limit for a command" },
        { "between commands",    HELLO MAIL,                             "421 4.4.2 time limit for a command" },
        { "message",             BEGIN "half a mess",                    "421 4.4.2 time limit for a message" },
        { "chunk",               HELLO MAIL RCPT "BDAT 10\r\nab",        "421 4.4.2 time limit for a message" },
        { "between chunks",      HELLO MAIL RCPT "BDAT 2\r\nab",         "421 4.4.2 time limit for a message" },
        { "handshake",           "STARTTLS\r\n",                         "" },
    };
    struct service *v = service_new(tune_hasty);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);

        client_say(c, cases[i].say);
        c->len = 0;
        wait_for_end(c);
        if (strncmp(c->in, cases[i].want, strlen(cases[i].want)) != 0 || (*cases[i].want == '\0' && c->len > 0))
            fail_msg("%s: got %s", cases[i].label, c->in);
        client_free(c);
    }
    service_free(v);
}

/* By DATA and by BDAT; another message, which begins later, runs into the limit meanwhile. */
static void
no_limit_cuts_between_the_end_of_data_and_its_reply(void **state)
{
    struct service *v = service_new(tune_hasty);
    struct client  *data = client_new(v, LISTEN_SMTP), *bdat = client_new(v, LISTEN_SMTP), *late;

    (void)state;
    v->hold = true;
    client_say(data, BEGIN "x\r\n.\r\n");
    client_say(bdat, HELLO MAIL RCPT "BDAT 3 LAST\r\nx\r\n");
    assert_int_equal(v->held_count, 2);
    late = client_new(v, LISTEN_SMTP);
    client_say(late, BEGIN "half");
    wait_for_end(late);
    data->len = bdat->len = 0;
    store_answer_held(v, MT_OK);
    client_receive(data);
    client_receive(bdat);
    assert_string_equal(codes(data->in), "250 ");
    assert_string_equal(codes(bdat->in), "250 ");
    client_free(data);
    client_free(bdat);
    client_free(late);
    service_free(v);
}

/* An octet now and then is no progress: the limit is that of the whole command. */
static void
a_trickle_does_not_prolong(void **state)
{
    struct service *v = service_new(tune_hasty);
    struct client  *c = client_new(v, LISTEN_SMTP);
    unsigned        octets = 0;

    (void)state;
    c->len = 0;
    while (!c->ended && octets < 10000000) {
        client_send(c, slice_of("x"));
        octets++;
        client_receive(c);
        if (c->len > 0)
            break;
        if (octets > 3000)
            event_base_loop(v->role.base, EVLOOP_ONCE);
    }
    assert_memory_equal(c->in, "421 4.4.2", 9);
    client_free(c);
    service_free(v);
}

/* ---- The end -------------------------------------------------------------------------------------------------------- */

static void
a_drain_ends_idle_sessions_and_lets_mails_end(void **state)
{
    struct service *v = *state;
    struct client  *idle = client_new(v, LISTEN_SMTP), *within = client_new(v, LISTEN_SMTP), *waiting = client_new(v, LISTEN_SMTP);

    v->hold = true;
    client_say(idle, HELLO);
    client_say(within, BEGIN "half ");
    client_say(waiting, BEGIN "x\r\n.\r\n");
    idle->len = 0;
    smtpd_hooks.drain(&v->role, 60000);
    client_receive(idle);
    assert_memory_equal(idle->in, "421 4.3.2", 9);
    assert_true(idle->ended);
    client_free(idle);
    assert_false(v->done);
    waiting->len = 0;
    store_answer_held(v, MT_OK);
    client_receive(waiting);
    assert_string_equal(codes(waiting->in), "250 421 ");
    client_free(waiting);
    client_say(within, "mail\r\n.\r\n");
    assert_false(v->done);
    store_answer_held(v, MT_OK);
    client_receive(within);
    assert_string_equal(codes(within->in), "250 421 ");
    client_free(within);
    assert_true(v->done);
}

static void
when_the_grace_is_over_only_waiting_sessions_remain(void **state)
{
    struct service *v = *state;
    struct client  *within = client_new(v, LISTEN_SMTP), *waiting = client_new(v, LISTEN_SMTP);

    v->hold = true;
    client_say(within, BEGIN "half ");
    client_say(waiting, BEGIN "x\r\n.\r\n");
    within->len = waiting->len = 0;
    smtpd_hooks.drain(&v->role, 1);
    wait_for_end(within);
    assert_memory_equal(within->in, "421 4.3.2", 9);
    assert_int_equal(service_sessions(v), 1);
    assert_false(v->done);
    store_answer_held(v, MT_OK);
    client_receive(waiting);
    assert_string_equal(codes(waiting->in), "250 421 ");
    assert_true(v->done);
    client_free(within);
    client_free(waiting);
}

static void
nobody_is_accepted_while_draining_and_an_idle_process_ends_at_once(void **state)
{
    struct service *v = *state;

    assert_int_equal(v->serving, 2);
    smtpd_hooks.drain(&v->role, 60000);
    assert_true(v->done);
    service_run(v);
    assert_int_equal(v->serving, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_gets_envelope_trace_and_the_exact_octets),
        TEST(a_mailbox_named_twice_gets_one_copy_and_others_are_not_told),
        TEST(large_messages_travel_as_a_sealed_memfd),
        TEST(ids_of_transactions_differ),
        TEST(the_reply_is_what_store_decided),
        TEST(nothing_is_said_before_store_has_answered),
        TEST(a_client_may_go_while_store_commits),
        TEST(a_message_that_store_was_lost_with_is_asked_for),
        TEST(losing_store_gives_451_until_it_is_back),
        TEST(a_full_store_takes_no_mail),
        TEST(mailboxes_change_while_sessions_run),
        TEST(a_channel_that_breaks_the_protocol_is_closed),
        TEST(deliveries_wait_for_room_in_the_channel),
        cmocka_unit_test(commands_messages_and_handshakes_have_time_limits),
        cmocka_unit_test(no_limit_cuts_between_the_end_of_data_and_its_reply),
        cmocka_unit_test(a_trickle_does_not_prolong),
        TEST(a_drain_ends_idle_sessions_and_lets_mails_end),
        TEST(when_the_grace_is_over_only_waiting_sessions_remain),
        TEST(nobody_is_accepted_while_draining_and_an_idle_process_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
