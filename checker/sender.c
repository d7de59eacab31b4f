#include "checker/sender.h"

#include "checker/clock.h"
#include "lib/buf.h"
#include "lib/curl_loop.h"
#include "lib/display.h"
#include "lib/error.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define OUT_LIMIT_BYTES   (1024u * 1024)
#define IN_LIMIT_BYTES    (64u * 1024)      /* of one line of a reply */
#define END_TIMEOUT_MS    600000u           /* RFC 5321 section 4.5.3.2.6 */
#define QUIT_TIMEOUT_MS   3000u
#define REASON_CHARS      200u

/*
 *   CONNECTING --on_connected--> MAIL --> RCPT --> DATA --> END --> QUIT --> OVER      (each by take_reply)
 *
 * fail() leads to QUIT where there is still somebody to say it to, else to OVER.
 */
enum phase { CONNECTING, MAIL, RCPT, DATA, END, QUIT, OVER };

struct sender {
    struct sender_task   task;
    struct sender_result result;
    enum phase           phase;
    sender_done_fn      *done;
    void                *arg;

    struct event_base   *base;
    struct curl_loop    *loop;          /* of its own: among others libcurl takes a connection with an unread reply for dead */
    struct curl_transfer transfer;
    struct curl_slist   *connect_to;
    char                 curl_error[CURL_ERROR_SIZE];

    struct event        *readable, *writable;
    struct event        *patience;      /* for the reply that is waited for */
    struct event        *limit;         /* for the whole attempt */
    struct event        *finished;
    struct buf           in, out;
    size_t               out_sent;
};

static void
sender_free(struct sender *s)
{
    struct event *events[] = { s->readable, s->writable, s->patience, s->limit, s->finished };

    for (size_t i = 0; i < COUNT(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (s->loop != NULL)
        curl_loop_remove(s->loop, &s->transfer);
    if (s->transfer.easy != NULL)
        curl_easy_cleanup(s->transfer.easy);
    curl_loop_free(s->loop);
    curl_slist_free_all(s->connect_to);
    buf_fini(&s->in);
    buf_fini(&s->out);
    free(s);
}

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* ---- How it ends ------------------------------------------------------------------------------------------------ */

static void
finish(struct sender *s)
{
    if (s->phase == OVER)
        return;
    s->phase = OVER;
    steps_stop(&s->result.steps, monotonic_us());
    event_active(s->finished, EV_TIMEOUT, 0);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;

    (void)fd;
    (void)what;
    s->done(s->arg, &s->result);
    sender_free(s);
}

static void
set_reason(struct sender *s, const char *text)
{
    struct buf safe;

    if (s->result.accepted || s->result.reason[0] != '\0')
        return;
    buf_init(&safe, SENDER_REASON_BYTES * 4);
    display_text(&safe, slice_of(text), REASON_CHARS);
    slice_copy(s->result.reason, sizeof(s->result.reason), buf_slice(&safe));
    buf_fini(&safe);
}

/* The connection is of no use any more. */
static void
lose(struct sender *s, const char *reason)
{
    if (s->phase != QUIT)
        set_reason(s, reason);
    finish(s);
}

/* ---- Sending and receiving on the connection that libcurl made --------------------------------------------------- */

static void
write_out(struct sender *s)
{
    while (s->out_sent < s->out.len) {
        size_t   sent = 0;
        CURLcode rc = curl_easy_send(s->transfer.easy, s->out.data + s->out_sent, s->out.len - s->out_sent, &sent);

        if (rc == CURLE_AGAIN) {
            event_add(s->writable, NULL);
            return;
        }
        if (rc != CURLE_OK) {
            lose(s, "the connection broke while sending");
            return;
        }
        s->out_sent += sent;
    }
    if (s->phase == END && s->out.len > 0)
        s->result.data_sent = true;
}

/* Says one command, with a path where one belongs to it, and waits for its reply. */
static void
say(struct sender *s, enum phase phase, uint32_t timeout_ms, const char *verb, const char *path)
{
    s->phase = phase;
    s->out_sent = 0;
    buf_clear(&s->out);
    buf_append_string(&s->out, verb);
    if (path != NULL)
        buf_printf(&s->out, "<%s>", path);
    steps_command(&s->result.steps, monotonic_us(), buf_slice(&s->out));
    buf_append_string(&s->out, "\r\n");
    arm(s->patience, timeout_ms);
    write_out(s);
}

/* The message with its dots doubled (RFC 5321 section 4.5.2), and the end of the data. */
static void
say_message(struct sender *s)
{
    struct slice rest = s->task.message;

    s->phase = END;
    s->out_sent = 0;
    buf_clear(&s->out);
    while (rest.len > 0) {
        size_t       end = slice_find(rest, '\n');
        struct slice line = slice_sub(rest, 0, end + 1);

        if (slice_starts(line, "."))
            buf_append_byte(&s->out, '.');
        buf_append_slice(&s->out, line);
        rest = slice_sub(rest, line.len, rest.len);
    }
    buf_append_string(&s->out, ".\r\n");
    arm(s->patience, END_TIMEOUT_MS);
    if (s->out.fault != MT_OK)
        lose(s, "the test mail is too large");
    else
        write_out(s);
}

static void
quit(struct sender *s)
{
    say(s, QUIT, QUIT_TIMEOUT_MS, "QUIT", NULL);
}

/* The whole reply of the step under way has come. */
static void
take_reply(struct sender *s, unsigned code, const char *text)
{
    bool positive = code >= 200 && code < 300;

    if (s->phase == QUIT) {
        finish(s);
    } else if (s->phase == MAIL && positive) {
        say(s, RCPT, s->task.timeout_ms, "RCPT TO:", s->task.to);
    } else if (s->phase == RCPT && positive) {
        say(s, DATA, s->task.timeout_ms, "DATA", NULL);
    } else if (s->phase == DATA && code == 354) {
        say_message(s);
    } else if (s->phase == END && positive) {
        s->result.accepted = true;
        quit(s);
    } else {
        s->result.code = code;
        set_reason(s, text);
        quit(s);
    }
}

/* One line; the last of a reply has a blank, or nothing, behind its code. */
static void
take_line(struct sender *s, struct slice line)
{
    unsigned           before = s->result.steps.count;
    bool               was_open = s->result.steps.open;
    const struct step *step;

    if (!was_open) {
        lose(s, "the server spoke out of turn");
        return;
    }
    steps_reply(&s->result.steps, monotonic_us(), line);
    step = &s->result.steps.list[before - 1];
    if (!step->done)
        return;                                 /* there are more lines */
    if (step->code == 0)
        lose(s, "the server's reply is no SMTP reply");
    else
        take_reply(s, step->code, step->reply);
}

static void
take_lines(struct sender *s)
{
    while (s->phase != OVER) {
        struct slice in = buf_slice(&s->in);
        size_t       end = slice_find(in, '\n');
        char         line[STEP_REPLY_BYTES];

        if (end == in.len)
            return;
        slice_copy(line, sizeof(line), slice_trim(slice_sub(in, 0, end)));
        buf_consume(&s->in, end + 1);
        take_line(s, slice_of(line));
    }
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;

    (void)fd;
    (void)what;
    /* Until there is no more: TLS may hold octets that no event tells of. */
    while (s->phase != OVER) {
        char    *room = buf_reserve(&s->in, 4096);
        size_t   got = 0;
        CURLcode rc;

        if (room == NULL) {
            lose(s, "the server's reply has an endless line");
            return;
        }
        rc = curl_easy_recv(s->transfer.easy, room, 4096, &got);
        if (rc == CURLE_AGAIN)
            return;
        if (rc != CURLE_OK || got == 0) {
            lose(s, "the server closed the connection");
            return;
        }
        buf_added(&s->in, got);
        take_lines(s);
    }
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    write_out(arg);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;
    char           text[80];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "no reply within %u s", (s->phase == END ? END_TIMEOUT_MS : s->task.timeout_ms) / 1000);
    lose(s, text);
}

static void note_connected(struct sender *s);

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    note_connected(arg);    /* a server that has not greeted yet was connected to without any line */
    lose(arg, "the window ended before the server had replied");
}

/* ---- Connecting, by libcurl -------------------------------------------------------------------------------------- */

/* Why the certificate is not valid for the host's name, or "ok". */
static const char *
verify_text(const SSL *ssl, const char *host)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    long  verify = SSL_get_verify_result(ssl);

    if (cert == NULL)
        return "no certificate";
    if (verify != X509_V_OK)
        return X509_verify_cert_error_string(verify);
    if (X509_check_host(cert, host, 0, 0, NULL) != 1 && X509_check_ip_asc(cert, host, 0) != 1)
        return "not for this host's name";
    return "ok";
}

static void
take_tls(struct sender *s)
{
    const struct curl_tlssessioninfo *info = NULL;
    struct sender_result             *r = &s->result;
    const SSL                        *ssl;

    if (r->tls_version[0] != '\0' || curl_easy_getinfo(s->transfer.easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL ||
        info->backend != CURLSSLBACKEND_OPENSSL || info->internals == NULL)
        return;
    ssl = info->internals;
    slice_copy(r->tls_version, sizeof(r->tls_version), slice_of(SSL_get_version(ssl)));
    slice_copy(r->tls_cipher, sizeof(r->tls_cipher), slice_of(SSL_get_cipher_name(ssl)));
    slice_copy(r->tls_verify, sizeof(r->tls_verify), slice_of(verify_text(ssl, s->task.host)));
}

/* The step of connecting has no line of its own: libcurl knows how long it took. */
static void
note_connected(struct sender *s)
{
    const struct step *connect = steps_find(&s->result.steps, STEP_CONNECT);
    curl_off_t         connected_us = 0, looked_up_us = 0;

    if (connect == NULL || steps_find(&s->result.steps, STEP_BANNER) != NULL)
        return;
    curl_easy_getinfo(s->transfer.easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(s->transfer.easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up_us);
    if (connected_us > 0)
        steps_connected(&s->result.steps, connect->at_us + (uint64_t)(connected_us > looked_up_us ? connected_us - looked_up_us : 0));
}

/* libcurl shows the lines of the dialogue as they come and go. */
static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    struct sender *s = arg;
    uint64_t       now = monotonic_us();

    (void)easy;
    if (type != CURLINFO_HEADER_IN && type != CURLINFO_HEADER_OUT)
        return 0;
    note_connected(s);
    if (type == CURLINFO_HEADER_IN) {
        steps_reply(&s->result.steps, now, slice_make(data, size));
    } else {
        take_tls(s);
        steps_command(&s->result.steps, now, slice_make(data, size));
    }
    return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sender *s = arg;

    (void)purpose;
    steps_begin(&s->result.steps, STEP_CONNECT, monotonic_us());
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A certificate that is not valid, authorities that cannot be read, no STARTTLS: not a matter of minutes. */
static bool
is_no_trust(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
           result == CURLE_USE_SSL_FAILED;
}

/* Why libcurl could not connect, in words. */
static void
fail_connect(struct sender *s, CURLcode result)
{
    const struct step *failed = steps_failed(&s->result.steps);
    char               text[SENDER_REASON_BYTES];
    long               err = 0;

    curl_easy_getinfo(s->transfer.easy, CURLINFO_OS_ERRNO, &err);
    s->result.no_trust = is_no_trust(result) && (failed == NULL || failed->code < 400);
    if (failed != NULL && failed->code >= 400) {
        s->result.code = failed->code;
        snprintf(text, sizeof(text), "%.200s", failed->reply);
    } else if (result == CURLE_OPERATION_TIMEDOUT) {
        snprintf(text, sizeof(text), "no %s within %u s", failed != NULL && failed->kind == STEP_CONNECT ? "connection" : "reply",
                 s->task.timeout_ms / 1000);
    } else if (result == CURLE_COULDNT_CONNECT && err != 0) {
        snprintf(text, sizeof(text), "%s", strerror((int)err));
    } else if (result == CURLE_USE_SSL_FAILED) {
        snprintf(text, sizeof(text), "the server does not offer STARTTLS");
    } else if (result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING) {
        snprintf(text, sizeof(text), "the server closed the connection");
    } else {
        snprintf(text, sizeof(text), "%s", s->curl_error[0] != '\0' ? s->curl_error : curl_easy_strerror(result));
    }
    lose(s, text);
}

static void
on_connected(void *arg, CURLcode result)
{
    struct sender *s = arg;
    curl_socket_t  fd = CURL_SOCKET_BAD;

    note_connected(s);
    if (result != CURLE_OK) {
        fail_connect(s, result);
        return;
    }
    take_tls(s);
    curl_easy_getinfo(s->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD) {
        s->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, s);
        s->writable = event_new(s->base, fd, EV_WRITE, on_writable, s);
    }
    if (s->readable == NULL || s->writable == NULL || event_add(s->readable, NULL) != 0)
        lose(s, "out of memory");
    else
        say(s, MAIL, s->task.timeout_ms, "MAIL FROM:", s->task.from);
}

static int
set_url(struct sender *s)
{
    bool  v6 = strchr(s->task.host, ':') != NULL, v6_address = strchr(s->task.address, ':') != NULL;
    char *helo = curl_easy_escape(s->transfer.easy, s->task.helo, 0);
    char  url[1024], connect_to[128];

    if (helo == NULL)
        return MT_ENOMEM;
    snprintf(url, sizeof(url), "smtp://%s%.255s%s:%u/%.512s", v6 ? "[" : "", s->task.host, v6 ? "]" : "", s->task.port, helo);
    snprintf(connect_to, sizeof(connect_to), "::%s%.64s%s:%u", v6_address ? "[" : "", s->task.address, v6_address ? "]" : "",
             s->task.port);
    curl_free(helo);
    s->connect_to = curl_slist_append(NULL, connect_to);
    curl_easy_setopt(s->transfer.easy, CURLOPT_URL, url);
    curl_easy_setopt(s->transfer.easy, CURLOPT_CONNECT_TO, s->connect_to);
    return s->connect_to == NULL ? MT_ENOMEM : MT_OK;
}

/*
 * Where libcurl is told not to demand a valid certificate, it does not load the authorities either; but we want to know whether it is
 * valid.
 */
static CURLcode
on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    const struct sender *s = arg;

    (void)easy;
    if (s->task.ca_file != NULL)
        SSL_CTX_load_verify_file(ssl_ctx, s->task.ca_file);
    else
        SSL_CTX_set_default_verify_paths(ssl_ctx);
    return CURLE_OK;
}

static void
set_tls(struct sender *s)
{
    static const long use[] = {
        [TLS_AUTO] = CURLUSESSL_TRY, [TLS_NONE] = CURLUSESSL_NONE, [TLS_REQUIRE] = CURLUSESSL_ALL, [TLS_VERIFY] = CURLUSESSL_ALL,
    };
    bool verify = s->task.tls == TLS_VERIFY;

    curl_easy_setopt(s->transfer.easy, CURLOPT_USE_SSL, use[s->task.tls]);
    curl_easy_setopt(s->transfer.easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(s->transfer.easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    curl_easy_setopt(s->transfer.easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);        /* each check sees the whole handshake */
    if (s->task.ca_file != NULL)
        curl_easy_setopt(s->transfer.easy, CURLOPT_CAINFO, s->task.ca_file);
    if (!verify) {
        curl_easy_setopt(s->transfer.easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
        curl_easy_setopt(s->transfer.easy, CURLOPT_SSL_CTX_DATA, s);
    }
}

static int
set_options(struct sender *s)
{
    CURL *easy = s->transfer.easy;

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");          /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->curl_error);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, s);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->task.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(s->task.timeout_ms < s->task.limit_ms ? s->task.timeout_ms : s->task.limit_ms));
    set_tls(s);
    return set_url(s);
}

struct sender *
sender_start(struct event_base *base, const struct sender_task *task, sender_done_fn *done, void *arg)
{
    struct sender *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    *s = (struct sender){ .task = *task, .phase = CONNECTING, .done = done, .arg = arg, .base = base };
    steps_init(&s->result.steps);
    buf_init(&s->in, IN_LIMIT_BYTES);
    buf_init(&s->out, OUT_LIMIT_BYTES);
    s->loop = curl_loop_new(base);
    s->transfer = (struct curl_transfer){ .easy = curl_easy_init(), .done = on_connected, .arg = s, .stays = true };
    s->patience = evtimer_new(base, on_patience, s);
    s->limit = evtimer_new(base, on_limit, s);
    s->finished = event_new(base, -1, 0, on_finished, s);
    if (s->loop == NULL || s->transfer.easy == NULL || s->patience == NULL || s->limit == NULL || s->finished == NULL ||
        set_options(s) != MT_OK || curl_loop_add(s->loop, &s->transfer) != MT_OK) {
        sender_free(s);
        return NULL;
    }
    arm(s->limit, task->limit_ms);
    return s;
}

void
sender_cancel(struct sender *s)
{
    if (s != NULL)
        sender_free(s);
}

void
sender_peek(struct sender *s, struct sender_result *out)
{
    note_connected(s);      /* a server that has not greeted yet was connected to without any line */
    *out = s->result;
    steps_stop(&out->steps, monotonic_us());
}
