/* What a client hears: commands, limits, LMTP. */
#include "tests/unit/smtp_service.h"

/* Each row: what a client sends in one session behind the greeting, and all the codes that come back. */
static const struct { const char *label, *say, *want; } dialogues[] = {
    { "one mail, pipelined", BEGIN "Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n", "250 250 250 354 250 221 " },
    { "two mails", BEGIN "\r\n.\r\n" MAIL RCPT "DATA\r\n\r\n.\r\nQUIT\r\n", "250 250 250 354 250 250 250 354 250 221 " },
    { "HELO", "HELO client.test\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n", "250 250 250 354 250 " },
    { "verbs in any case", "ehlo x\r\nmail from:<>\r\nRcpt to:<acme@mailtest1.test>\r\nquit\r\n", "250 250 250 221 " },
    { "MAIL before EHLO", MAIL, "503 " },
    { "RCPT before MAIL", HELLO RCPT, "250 503 " },
    { "DATA before MAIL", HELLO "DATA\r\n", "250 503 " },
    { "DATA without a valid recipient", HELLO MAIL "RCPT TO:<nobody@mailtest1.test>\r\nDATA\r\n", "250 250 550 503 " },
    { "MAIL within a mail", HELLO MAIL MAIL, "250 250 503 " },
    { "MAIL again behind RSET", HELLO MAIL RCPT "RSET\r\n" MAIL, "250 250 250 250 250 " },
    { "MAIL again behind EHLO", HELLO MAIL RCPT HELLO MAIL, "250 250 250 250 250 " },
    { "RSET before EHLO changes nothing", "RSET\r\n" MAIL, "250 503 " },
    { "EHLO without a name", "EHLO\r\nEHLO a b\r\n", "501 501 " },
    { "LHLO by SMTP", "LHLO x\r\n", "500 " },
    { "NOOP, HELP, VRFY", "NOOP\r\nNOOP x y\r\nHELP\r\nHELP MAIL\r\nVRFY acme\r\nVRFY\r\n", "250 250 214 214 252 501 " },
    { "arguments where none belong", HELLO "RSET x\r\n" MAIL RCPT "DATA x\r\nSTARTTLS x\r\n", "250 501 250 250 501 503 " },
    { "not offered", "AUTH PLAIN eA==\r\nETRN x\r\nEXPN x\r\nTURN\r\n", "502 502 502 502 " },
    { "unknown and empty", "WIZ\r\n\r\n \r\n", "500 500 500 " },
    { "a browser", "GET / HTTP/1.1\r\nHost: x\r\n\r\n" HELLO, "421 " },
    { "LF alone ends no command", "EHLO x\nQUIT\r\n", "500 421 " },
    { "CR alone ends no command", "EHLO x\rQUIT\r\nNOOP\r\n", "500 250 " },
    { "control character in a command", "NOOP \x01\r\nNOOP\r\n", "500 250 " },
    { "sender's parameters", HELLO "MAIL FROM:<a@b> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n", "250 250 " },
    { "too large by SIZE", HELLO "MAIL FROM:<a@b> SIZE=99999999999\r\n", "250 552 " },
    { "unknown parameter", HELLO "MAIL FROM:<a@b> RET=HDRS\r\n" MAIL "RCPT TO:<acme@mailtest1.test> NOTIFY=NEVER\r\n", "250 555 250 555 " },
    { "recipients", HELLO MAIL "RCPT TO:<nobody@mailtest1.test>\r\nRCPT TO:<closed@mailtest1.test>\r\nRCPT TO:<full@mailtest1.test>\r\n"
      "RCPT TO:<a@else.test>\r\nRCPT TO:<ACME+x@Other.TEST>\r\nRCPT TO:<Postmaster>\r\n", "250 250 550 550 452 550 250 250 " },
    { "UTF-8 needs SMTPUTF8", HELLO "MAIL FROM:<\xc3\xa4@b>\r\nMAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\n"
      "RCPT TO:<acme+\xc3\xa4@mailtest1.test>\r\n", "250 553 250 250 " },
    { "BDAT in one", HELLO MAIL RCPT "BDAT 8 LAST\r\na\r\nb\r\n\r\nQUIT\r\n", "250 250 250 250 221 " },
    { "BDAT in three", HELLO MAIL RCPT "BDAT 3\r\na\r\nBDAT 3\r\nb\r\nBDAT 0 LAST\r\n", "250 250 250 250 250 250 " },
    { "BDAT LAST of nothing", HELLO MAIL RCPT "BDAT 0 LAST\r\n", "250 250 250 250 " },
    { "two mails by BDAT", HELLO MAIL RCPT "BDAT 3 LAST\r\na\r\n" MAIL RCPT "BDAT 3 LAST\r\nb\r\n", "250 250 250 250 250 250 250 " },
    { "BDAT's octets are no commands", HELLO "BDAT 6\r\nQUIT\r\nNOOP\r\n", "250 503 250 " },
    { "BDAT without a valid recipient", HELLO MAIL "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 250 503 250 " },
    { "DATA behind BDAT", HELLO MAIL RCPT "BDAT 3\r\na\r\nDATA\r\nRSET\r\n", "250 250 250 250 503 250 " },
    { "RCPT behind BDAT", HELLO MAIL RCPT "BDAT 3\r\na\r\n" RCPT, "250 250 250 250 503 " },
    { "RSET between chunks", HELLO MAIL RCPT "BDAT 3\r\na\r\nRSET\r\nBDAT 3 LAST\r\nb\r\n" MAIL, "250 250 250 250 250 503 250 " },
    { "BDAT that waits for its octets", HELLO MAIL RCPT "BDAT 99999999 LAST\r\nabc", "250 250 250 " },
    { "BDAT size that nobody can skip", HELLO MAIL RCPT "BDAT 9223372036854775808\r\nQUIT\r\n", "250 250 250 501 421 " },
    { "BDAT without a size", HELLO MAIL RCPT "BDAT\r\nQUIT\r\n", "250 250 250 501 421 " },
    { "dots", BEGIN "..\r\n.a\r\n.\r\nNOOP\r\n", "250 250 250 354 250 250 " },
    { "LF . LF does not end the data", BEGIN "x\n.\nQUIT\r\n.\r\nNOOP\r\n", "250 250 250 354 250 250 " },
    { "LF . CRLF does not end the data", BEGIN "x\n.\r\nQUIT\r\n.\r\nNOOP\r\n", "250 250 250 354 250 250 " },
    { "empty message", BEGIN ".\r\nNOOP\r\n", "250 250 250 354 250 250 " },
    { "octets behind QUIT", "QUIT\r\nNOOP\r\n", "221 " },
};

static void
each_dialogue_gets_its_replies(void **state)
{
    struct service *v = *state;

    for (size_t i = 0; i < COUNT(dialogues); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);
        const char    *got;

        assert_string_equal(codes(c->in), "220 ");
        got = codes(client_say(c, dialogues[i].say));
        if (strcmp(got, dialogues[i].want) != 0)
            fail_msg("%s: got %s, want %s", dialogues[i].label, got, dialogues[i].want);
        client_free(c);
    }
    assert_int_equal(service_sessions(v), 0);
}

static void
dialogues_may_come_octet_by_octet(void **state)
{
    struct service *v = *state;

    for (size_t i = 0; i < COUNT(dialogues); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);

        c->len = 0;
        for (const char *at = dialogues[i].say; *at != '\0'; at++) {
            client_send(c, slice_make(at, 1));
            service_run(v);
        }
        client_receive(c);
        if (strcmp(codes(c->in), dialogues[i].want) != 0)
            fail_msg("%s: got %s, want %s", dialogues[i].label, codes(c->in), dialogues[i].want);
        client_free(c);
    }
    assert_int_equal(service_sessions(v), 0);
}

/* ---- LMTP (RFC 2033) ----------------------------------------------------------------------------------------------- */

static void
lmtp_replies_for_each_recipient(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_LMTP);

    assert_string_equal(codes(client_say(c, HELLO "HELO x\r\nLHLO front\r\n")), "500 500 250 ");
    assert_string_equal(codes(client_say(c, MAIL RCPT "RCPT TO:<none@mailtest1.test>\r\nRCPT TO:<second@mailtest1.test>\r\n" RCPT)),
                        "250 250 550 250 250 ");
    assert_string_equal(codes(client_say(c, "DATA\r\nx\r\n.\r\n")), "354 250 250 250 ");
    assert_string_equal(v->got.recipients, "acme=acme@mailtest1.test second=second@mailtest1.test ");
    assert_string_equal(v->got.protocol, "LMTP");
    assert_int_equal(v->got.flags & DELIVERY_LMTP, DELIVERY_LMTP);
    assert_string_equal(codes(client_say(c, MAIL RCPT RCPT "BDAT 3 LAST\r\nx\r\n")), "250 250 250 250 250 ");
    assert_string_equal(codes(client_say(c, MAIL "DATA\r\nRSET\r\n")), "250 503 250 ");
    v->answer = MT_EQUOTA;
    assert_string_equal(codes(client_say(c, MAIL RCPT RCPT "DATA\r\n.\r\n")), "250 250 250 354 452 452 ");
    client_free(c);
}

/* ---- Limits -------------------------------------------------------------------------------------------------------- */

static void
tune_small(struct config *c)
{
    c->smtp.message_max_bytes = 100;
    c->smtp.recipients_max = 2;
    c->smtp.transactions_max = 3;
    c->smtp.errors_max = 4;
    c->smtp.sessions_max = 2;
    c->smtp.received_max = 2;
    c->smtp.header_line_max_bytes = 50;
}

#define X49 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct { const char *label, *say, *want; } limits[] = {
    { "message at the limit", BEGIN X49 "\r\n" X49 "\r\n.\r\n", "250 250 250 354 552 " },
    { "message under it", BEGIN X49 "\r\n" "xxxx\r\n.\r\n", "250 250 250 354 250 " },
    { "over by SIZE", HELLO "MAIL FROM:<> SIZE=101\r\nMAIL FROM:<> SIZE=100\r\n", "250 552 250 " },
    { "over by BDAT", HELLO MAIL RCPT "BDAT 101 LAST\r\n" X49 X49 "xxxNOOP\r\n", "250 250 250 552 250 " },
    { "over by the sum of BDATs", HELLO MAIL RCPT "BDAT 51\r\n" X49 "\r\nBDAT 51\r\n" X49 "\r\nBDAT 2 LAST\r\n\r\n" MAIL,
      "250 250 250 250 552 503 250 " },
    { "the session goes on behind it", BEGIN X49 "\r\n" X49 "\r\n" X49 "\r\n.\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n",
      "250 250 250 354 552 250 250 354 250 " },
    { "line at the limit", BEGIN X49 "x\r\n.\r\n", "250 250 250 354 250 " },
    { "line over it", BEGIN X49 "xx\r\n.\r\nNOOP\r\n", "250 250 250 354 500 250 " },
    { "recipients", HELLO MAIL RCPT RCPT RCPT "DATA\r\nx\r\n.\r\n", "250 250 250 250 452 354 250 " },
    { "transactions", HELLO MAIL "RSET\r\n" MAIL "RSET\r\n" MAIL "RSET\r\n" MAIL "NOOP\r\n", "250 250 250 250 250 250 250 421 " },
    { "errors", "A\r\nB\r\nC\r\nD\r\nNOOP\r\n", "500 500 500 500 421 " },
    { "Received at the limit", BEGIN "Received: a\r\nReceived: b\r\n\r\nReceived: c\r\n.\r\n", "250 250 250 354 250 " },
    { "Received over it", BEGIN "Received: a\r\nReceived: b\r\nReceived: c\r\n\r\n.\r\n", "250 250 250 354 554 " },
    { "refused data counts as one error", BEGIN X49 "xx\r\n.\r\nA\r\nB\r\nNOOP\r\n", "250 250 250 354 500 500 500 250 " },
};

static int
setup_small(void **state)
{
    *state = service_new(tune_small);
    return 0;
}

static void
limits_are_refused_with_their_codes(void **state)
{
    struct service *v = *state;

    for (size_t i = 0; i < COUNT(limits); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);
        const char    *got = codes(client_say(c, limits[i].say));

        if (strcmp(got, limits[i].want) != 0)
            fail_msg("%s: got %s, want %s", limits[i].label, got, limits[i].want);
        client_free(c);
    }
}

static void
limits_are_announced(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    client_say(c, HELLO);
    assert_string_equal(c->in, "250-mx.mailtest1.test\r\n250-STARTTLS\r\n250-SIZE 100\r\n250-LIMITS MAILMAX=3 RCPTMAX=2\r\n"
                               "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n");
    client_free(c);
}

static void
a_session_too_many_is_turned_away(void **state)
{
    struct service *v = *state;
    struct client  *a = client_new(v, LISTEN_SMTP), *b = client_new(v, LISTEN_SMTP), *c = client_new(v, LISTEN_SMTP);

    assert_memory_equal(c->in, "421 4.3.2", 9);
    assert_true(c->ended);
    assert_string_equal(codes(client_say(a, "NOOP\r\n")), "250 ");
    client_free(b);
    client_free(c);
    c = client_new(v, LISTEN_SMTP);
    assert_string_equal(codes(c->in), "220 ");
    client_free(a);
    client_free(c);
}

static void
tune_strict(struct config *c)
{
    c->smtp.refuse_bare_newline = true;
}

static void
bare_newlines_are_refused_where_that_is_set(void **state)
{
    struct service *v = service_new(tune_strict);
    struct client  *c = client_new(v, LISTEN_SMTP);

    (void)state;
    client_say(c, BEGIN);
    assert_memory_equal(client_say(c, "a\nb\r\n.\r\n"), "550 5.6.11", 10);
    client_say(c, MAIL RCPT "DATA\r\n");
    assert_memory_equal(client_say(c, "a\rb\r\n.\r\n"), "550 5.6.11", 10);
    client_say(c, MAIL RCPT);
    assert_memory_equal(client_say(c, "BDAT 2 LAST\r\na\r"), "550 5.6.11", 10);
    assert_string_equal(codes(client_say(c, MAIL RCPT "DATA\r\na\r\n.\r\n")), "250 250 354 250 ");
    assert_int_equal(v->got.count, 1);
    client_free(c);
    service_free(v);
}

#define TEST_SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_dialogue_gets_its_replies),
        TEST(dialogues_may_come_octet_by_octet),
        TEST(lmtp_replies_for_each_recipient),
        TEST_SMALL(limits_are_refused_with_their_codes),
        TEST_SMALL(limits_are_announced),
        TEST_SMALL(a_session_too_many_is_turned_away),
        cmocka_unit_test(bare_newlines_are_refused_where_that_is_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
