/* Clients that send too much, read too little or go away; and those that speak TLS. */
#include "tests/unit/smtp_service.h"

/* ---- Bad clients --------------------------------------------------------------------------------------------------- */

static size_t
held_bytes(const struct service *v)
{
    const struct session *s = TAILQ_FIRST(&((struct smtpd *)v->role.own)->sessions);

    return s == NULL ? 0 : s->in.cap + s->out.cap + (s->tx == NULL ? 0 : s->tx->body.pending.cap);
}

static void
endless_input_is_held_in_bounded_memory(void **state)
{
    static char     chunk[64 * 1024];
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    memset(chunk, 'x', sizeof(chunk));
    c->len = 0;
    for (unsigned i = 0; i < 16; i++) {
        client_send(c, slice_make(chunk, sizeof(chunk)));
        assert_true(held_bytes(v) <= 200 * 1024);
    }
    client_receive(c);
    assert_string_equal(codes(c->in), "500 421 ");
    client_free(c);

    c = client_new(v, LISTEN_SMTP);
    client_say(c, BEGIN);
    for (unsigned i = 0; i < 16 * 40; i++)     /* 40 MiB: over message_max_bytes and over the limit of a line */
        client_send(c, slice_make(chunk, sizeof(chunk)));
    assert_true(held_bytes(v) <= 200 * 1024);
    assert_int_equal(((struct smtpd *)v->role.own)->flight.bytes, 0);
    assert_memory_equal(client_say(c, "\r\n.\r\n"), "500 5.6.0", 9);
    client_free(c);
}

static void
a_client_that_never_reads_is_not_read_from(void **state)
{
    static char     noops[60000];
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);
    size_t          sent = 0, replies = 0;
    ssize_t         n;

    for (size_t i = 0; i < sizeof(noops); i++)
        noops[i] = "NOOP\r\n"[i % 6];
    while ((n = send(c->fd, noops + sent % 6, sizeof(noops) - 6, MSG_DONTWAIT)) > 0) {
        sent += (size_t)n;
        service_run(v);
        assert_true(held_bytes(v) <= 256 * 1024);
        assert_true(sent < 64 * 1024 * 1024);       /* it stops before that */
    }
    /* Now it reads: each command has its reply. */
    do {
        client_say(c, "");
        replies += c->len;
    } while (c->len > 0);
    assert_int_equal(replies, sent / 6 * strlen("250 2.0.0 OK\r\n"));
    client_free(c);
}

/* Closing with octets unread would reset the connection, and the reply could be lost. */
static void
the_last_reply_is_read_also_by_who_still_sends(void **state)
{
    static char     request[3 * READ_BYTES];
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    memset(request, 'x', sizeof(request));
    memcpy(request, "GET / HTTP/1.1\r\n", 16);
    c->len = 0;
    client_send(c, slice_make(request, sizeof(request)));
    client_receive(c);
    assert_string_equal(codes(c->in), "421 ");
    assert_true(c->ended);      /* and not reset */
    client_free(c);
    assert_int_equal(service_sessions(v), 0);
}

static void
a_client_that_goes_leaves_nothing_behind(void **state)
{
    static const char *const until[] = { "", "EHL", HELLO MAIL, BEGIN "half a mess", HELLO MAIL RCPT "BDAT 100\r\nab", "STARTTLS\r\n" };
    struct service          *v = *state;

    for (size_t i = 0; i < COUNT(until); i++) {
        struct client *c = client_new(v, LISTEN_SMTP);

        client_say(c, until[i]);
        client_free(c);
        assert_int_equal(service_sessions(v), 0);
    }
    assert_int_equal(((struct smtpd *)v->role.own)->flight.bytes, 0);
    assert_int_equal(v->got.count, 0);
}

/* ---- Memory of all sessions ----------------------------------------------------------------------------------------- */

static void
tune_little_memory(struct config *c)
{
    c->smtp.in_flight_max_bytes = 100 * 1000;
}

static void
memory_for_messages_is_bounded_and_all_of_them_get_through(void **state)
{
    enum { CLIENTS = 6, PIECES = 30 };
    static char     piece[5000];
    struct service *v = service_new(tune_little_memory);
    struct client  *clients[CLIENTS];
    size_t          sent[CLIENTS] = { 0 };
    bool            all = false;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    memcpy(piece + sizeof(piece) - 2, "\r\n", 2);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_new(v, LISTEN_SMTP);
        client_say(clients[i], BEGIN);
    }
    /* Each sends 150 kB, a little at a time: together nine times the bound. */
    for (unsigned turn = 0; !all && turn < 1000; turn++) {
        all = true;
        for (unsigned i = 0; i < CLIENTS; i++) {
            size_t at = sent[i] % sizeof(piece);
            ssize_t n = sent[i] == PIECES * sizeof(piece) ? 0 : send(clients[i]->fd, piece + at, sizeof(piece) - at, MSG_DONTWAIT);

            sent[i] += n > 0 ? (size_t)n : 0;
            if (sent[i] == PIECES * sizeof(piece) && n > 0)
                assert_int_equal(send(clients[i]->fd, ".\r\n", 3, 0), 3);
            all = all && sent[i] == PIECES * sizeof(piece);
        }
        service_run(v);
        assert_true(((struct smtpd *)v->role.own)->flight.bytes <= 100 * 1000 + PIECES * sizeof(piece) + CLIENTS * READ_BYTES);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_string_equal(codes(client_say(clients[i], "")), "250 ");
        client_free(clients[i]);
    }
    assert_int_equal(v->got.count, CLIENTS);
    assert_int_equal(((struct smtpd *)v->role.own)->flight.bytes, 0);
    service_free(v);
}

/* ---- TLS ------------------------------------------------------------------------------------------------------------ */

struct tls_client {
    struct client *plain;
    SSL_CTX       *ctx;
    SSL           *ssl;
};

static struct tls_client
tls_begin(struct client *c)
{
    struct tls_client t = { .plain = c, .ctx = SSL_CTX_new(TLS_client_method()) };

    t.ssl = SSL_new(t.ctx);
    evutil_make_socket_nonblocking(c->fd);
    SSL_set_fd(t.ssl, c->fd);
    SSL_set_connect_state(t.ssl);
    for (unsigned i = 0; i < 100 && SSL_do_handshake(t.ssl) != 1; i++)
        service_run(c->service);
    assert_true(SSL_is_init_finished(t.ssl));
    service_run(c->service);
    return t;
}

static const char *
tls_say(struct tls_client *t, const char *text)
{
    struct client *c = t->plain;
    int            n;

    c->len = 0;
    if (*text != '\0')
        assert_int_equal(SSL_write(t->ssl, text, (int)strlen(text)), (int)strlen(text));
    for (unsigned i = 0; i < 10; i++) {
        service_run(c->service);
        while ((n = SSL_read(t->ssl, c->in + c->len, (int)(sizeof(c->in) - 1 - c->len))) > 0)
            c->len += (size_t)n;
    }
    c->in[c->len] = '\0';
    return c->in;
}

static void
tls_end(struct tls_client *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    client_free(t->plain);
}

static void
mail_comes_by_tls_in_the_same_way(void **state)
{
    struct service   *v = *state;
    struct client    *c = client_new(v, LISTEN_SMTP);
    struct tls_client t;

    assert_non_null(strstr(client_say(c, HELLO), "250-STARTTLS\r\n"));
    assert_string_equal(codes(client_say(c, "STARTTLS\r\n")), "220 ");
    t = tls_begin(c);
    assert_string_equal(codes(tls_say(&t, MAIL)), "503 ");     /* what was said in plain is forgotten */
    assert_null(strstr(tls_say(&t, HELLO), "STARTTLS"));
    assert_string_equal(codes(tls_say(&t, "STARTTLS\r\n")), "503 ");
    assert_string_equal(codes(tls_say(&t, MAIL RCPT "DATA\r\n")), "250 250 354 ");
    assert_string_equal(codes(tls_say(&t, "x\r\n.\r\nQUIT\r\n")), "250 221 ");
    assert_string_equal(v->got.protocol, "ESMTPS");
    assert_non_null(strstr(v->got.trace, "\r\n\t(using TLSv1.3 with cipher TLS_"));
    assert_int_equal(SSL_get_shutdown(t.ssl), SSL_RECEIVED_SHUTDOWN);
    tls_end(&t);
}

static void
what_is_pipelined_behind_starttls_is_thrown_away(void **state)
{
    struct service   *v = *state;
    struct client    *c = client_new(v, LISTEN_SMTP);
    struct tls_client t;

    assert_string_equal(codes(client_say(c, HELLO "STARTTLS\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n")), "250 220 ");
    t = tls_begin(c);
    assert_string_equal(tls_say(&t, ""), "");
    assert_string_equal(codes(tls_say(&t, MAIL)), "503 ");
    assert_string_equal(codes(tls_say(&t, HELLO MAIL)), "250 250 ");
    assert_int_equal(v->got.count, 0);
    tls_end(&t);
}

static void
a_large_mail_comes_by_tls(void **state)
{
    static char       mail[200 * 1024];
    struct service   *v = *state;
    struct client    *c = client_new(v, LISTEN_SMTP);
    struct tls_client t;
    size_t            at = 0;

    for (size_t i = 0; i < sizeof(mail); i++)
        mail[i] = (char)(i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : 'a' + i % 25);
    client_say(c, HELLO "STARTTLS\r\n");
    t = tls_begin(c);
    SSL_set_mode(t.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    tls_say(&t, BEGIN);
    while (at < sizeof(mail)) {
        int n = SSL_write(t.ssl, mail + at, (int)(sizeof(mail) - at));

        at += n > 0 ? (size_t)n : 0;
        service_run(v);
    }
    assert_string_equal(codes(tls_say(&t, "\r\n.\r\n")), "250 ");
    assert_int_equal(v->got.body_len, sizeof(mail) + 2);
    assert_memory_equal(v->got.body, mail, sizeof(mail));
    tls_end(&t);
}

/* Several records that come with one read while store is waited for are not forgotten in the buffers of TLS. */
static void
records_that_came_while_waiting_are_read_afterwards(void **state)
{
    struct service   *v = *state;
    struct client    *c = client_new(v, LISTEN_SMTP);
    struct tls_client t;

    client_say(c, HELLO "STARTTLS\r\n");
    t = tls_begin(c);
    v->hold = true;
    tls_say(&t, BEGIN);
    SSL_write(t.ssl, "x\r\n.\r\n", 6);
    SSL_write(t.ssl, "NOOP\r\n", 6);
    SSL_write(t.ssl, "NOOP\r\n", 6);
    assert_string_equal(tls_say(&t, ""), "");
    store_answer_held(v, MT_OK);
    assert_string_equal(codes(tls_say(&t, "")), "250 250 250 ");
    tls_end(&t);
}

/* While memory is short, one read takes less than a record of TLS: the rest is left where the socket says nothing of it. */
static void
the_rest_of_a_record_is_read_without_word_from_the_socket(void **state)
{
    enum { NOOPS = 2000 };
    static char       noops[NOOPS * 6], lines[120 * 1000];
    struct service   *v = service_new(tune_little_memory);
    struct client    *hog = client_new(v, LISTEN_SMTP), *c = client_new(v, LISTEN_SMTP);
    struct tls_client t;

    (void)state;
    for (size_t i = 0; i < sizeof(noops); i++)
        noops[i] = "NOOP\r\n"[i % 6];
    memset(lines, 'x', sizeof(lines));
    client_say(hog, BEGIN);
    client_send(hog, slice_make(lines, sizeof(lines)));
    client_say(c, HELLO "STARTTLS\r\n");
    t = tls_begin(c);
    assert_int_equal(SSL_write(t.ssl, noops, sizeof(noops)), sizeof(noops));
    tls_say(&t, "");
    assert_int_equal(c->len, NOOPS * strlen("250 2.0.0 OK\r\n"));
    tls_end(&t);
    client_free(hog);
    service_free(v);
}

static void
a_failed_handshake_ends_the_session(void **state)
{
    struct service *v = *state;
    struct client  *c = client_new(v, LISTEN_SMTP);

    client_say(c, "STARTTLS\r\n");
    client_say(c, "MAIL FROM:<not@tls>\r\n");
    assert_true(c->ended);
    assert_int_equal(service_sessions(v), 0);
    client_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(endless_input_is_held_in_bounded_memory),
        TEST(a_client_that_never_reads_is_not_read_from),
        TEST(the_last_reply_is_read_also_by_who_still_sends),
        TEST(a_client_that_goes_leaves_nothing_behind),
        cmocka_unit_test(memory_for_messages_is_bounded_and_all_of_them_get_through),
        TEST(mail_comes_by_tls_in_the_same_way),
        TEST(what_is_pipelined_behind_starttls_is_thrown_away),
        TEST(a_large_mail_comes_by_tls),
        TEST(records_that_came_while_waiting_are_read_afterwards),
        cmocka_unit_test(the_rest_of_a_record_is_read_without_word_from_the_socket),
        TEST(a_failed_handshake_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
