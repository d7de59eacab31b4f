#include "checker/smtp_link.h"

#include "checker/authorities.h"
#include "checker/clock.h"
#include "checker/link_curl.h"
#include "lib/curl_loop.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#define OFFERED_BYTES 1024u

struct smtp_link {
    const struct sender_task *task;
    struct sender_result     *result;
    link_event_fn            *event;
    void                     *arg;

    struct event_base        *base;
    struct curl_loop         *loop;         /* of its own: among others libcurl takes a connection with an unread reply for dead */
    struct curl_transfer      transfer;
    struct curl_slist        *connect_to;
    char                      curl_error[CURL_ERROR_SIZE];
    struct event             *readable, *writable;
    char                      offered[OFFERED_BYTES];
    char                      reason[SENDER_REASON_BYTES];
};

void
smtp_link_close(struct smtp_link *l)
{
    if (l == NULL)
        return;
    if (l->readable != NULL)
        event_free(l->readable);
    if (l->writable != NULL)
        event_free(l->writable);
    if (l->loop != NULL)
        curl_loop_remove(l->loop, &l->transfer);
    if (l->transfer.easy != NULL)
        curl_easy_cleanup(l->transfer.easy);
    curl_loop_free(l->loop);
    curl_slist_free_all(l->connect_to);
    free(l);
}

struct slice
smtp_link_offered(const struct smtp_link *l)
{
    return slice_of(l->offered);
}

bool
smtp_link_is_private(const struct smtp_link *l)
{
    return l->result->tls_version[0] != '\0' || slice_starts(slice_of(l->task->address), "127.") || strcmp(l->task->address, "::1") == 0;
}

const char *
smtp_link_reason(const struct smtp_link *l)
{
    return l->reason;
}

/* ---- The octets --------------------------------------------------------------------------------------------------- */

int
smtp_link_send(struct smtp_link *l, const char *data, size_t len, size_t *sent)
{
    CURLcode rc = curl_easy_send(l->transfer.easy, data, len, sent);

    if (rc == CURLE_AGAIN)
        return event_add(l->writable, NULL) == 0 ? MT_EAGAIN : MT_EIO;
    return rc == CURLE_OK ? MT_OK : MT_EIO;
}

int
smtp_link_receive(struct smtp_link *l, char *room, size_t size, size_t *got)
{
    CURLcode rc = curl_easy_recv(l->transfer.easy, room, size, got);

    if (rc == CURLE_AGAIN)
        return MT_EAGAIN;
    return rc == CURLE_OK && *got > 0 ? MT_OK : MT_EIO;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct smtp_link *l = arg;

    (void)fd;
    (void)what;
    l->event(l->arg, LINK_READABLE);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct smtp_link *l = arg;

    (void)fd;
    (void)what;
    l->event(l->arg, LINK_WRITABLE);
}

/* ---- What libcurl tells while it connects -------------------------------------------------------------------------- */

/* The name of the cipher and so on; the certificate itself was taken when it was verified. */
static void
take_tls(struct smtp_link *l)
{
    struct sender_result *r = l->result;
    const SSL            *ssl = r->tls_version[0] != '\0' ? NULL : link_ssl(l->transfer.easy);

    if (ssl == NULL)
        return;
    slice_copy(r->tls_version, sizeof(r->tls_version), slice_of(SSL_get_version(ssl)));
    slice_copy(r->tls_cipher, sizeof(r->tls_cipher), slice_of(SSL_get_cipher_name(ssl)));
    if (!r->certificate.seen)
        certificate_read(&r->certificate, NULL, X509_V_OK, l->task->host);
    slice_copy(r->tls_verify, sizeof(r->tls_verify), slice_of(r->certificate.verify));
}

/* A moment since the connecting began, from one of libcurl's times; 0: it has not come. */
static uint64_t
moment_of(struct smtp_link *l, const struct step *connect, CURLINFO which)
{
    curl_off_t at_us = 0, looked_up_us = 0;

    curl_easy_getinfo(l->transfer.easy, which, &at_us);
    curl_easy_getinfo(l->transfer.easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up_us);
    return at_us <= 0 ? 0 : connect->at_us + (uint64_t)(at_us > looked_up_us ? at_us - looked_up_us : 0);
}

/* Connecting, and TLS from the first octet on, have no lines of their own: libcurl knows how long they took. */
void
smtp_link_note_connected(struct smtp_link *l)
{
    struct steps      *steps = &l->result->steps;
    const struct step *connect = steps_find(steps, STEP_CONNECT);
    uint64_t           at_us;

    if (connect == NULL || steps_find(steps, STEP_BANNER) != NULL)
        return;
    at_us = moment_of(l, connect, l->task->implicit_tls ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T);
    if (at_us != 0)
        steps_connected(steps, at_us);
}

/* Of TLS from the first octet on libcurl shows the first message before it says that it has connected. */
static void
note_handshake(struct smtp_link *l, uint64_t now_us)
{
    struct steps *steps = &l->result->steps;

    if (l->task->implicit_tls && steps_find(steps, STEP_CONNECT) != NULL && steps_find(steps, STEP_TLS) == NULL)
        steps_begin(steps, STEP_TLS, now_us);
}

/* "250-AUTH PLAIN LOGIN", and the old form "250-AUTH=PLAIN LOGIN", which some servers say beside it. */
static void
take_capability(struct smtp_link *l, struct slice line)
{
    const struct steps *steps = &l->result->steps;
    struct slice        word = slice_trim(slice_sub(line, 4, line.len));

    if (!steps->open || steps->list[steps->count - 1].kind != STEP_EHLO || !slice_starts(line, "250"))
        return;
    if (slice_starts_nocase(word, "AUTH ") || slice_starts_nocase(word, "AUTH=")) {
        struct slice names = slice_sub(word, 5, OFFERED_BYTES);
        size_t       len = strlen(l->offered);

        snprintf(l->offered + len, sizeof(l->offered) - len, "%s%.*s", len > 0 ? " " : "", (int)names.len, names.data);
    }
}

/* libcurl shows the lines of the dialogue as they come and go. */
static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    struct smtp_link *l = arg;
    struct slice      line = slice_make(data, size);
    uint64_t          now = monotonic_us();

    (void)easy;
    if (type == CURLINFO_SSL_DATA_OUT)
        note_handshake(l, now);
    if (type != CURLINFO_HEADER_IN && type != CURLINFO_HEADER_OUT)
        return 0;
    smtp_link_note_connected(l);
    if (type == CURLINFO_HEADER_IN) {
        take_capability(l, line);
        steps_reply(&l->result->steps, now, line);
    } else {
        take_tls(l);
        if (slice_starts_nocase(line, "EHLO"))
            l->offered[0] = '\0';
        steps_command(&l->result->steps, now, line);
    }
    return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct smtp_link *l = arg;
    curl_socket_t     fd;
    int               own = 0;

    (void)purpose;
    steps_begin(&l->result->steps, STEP_CONNECT, monotonic_us());
    fd = link_socket(address, &own);
    if (own != 0) {
        l->result->own_trouble = true;
        snprintf(l->reason, sizeof(l->reason), "%s", strerror(own));
    }
    return fd;
}

/* Verifies as OpenSSL does by itself, and keeps what the certificate says: of one that is refused libcurl tells nothing later. */
static int
on_certificate(X509_STORE_CTX *chain, void *arg)
{
    struct smtp_link *l = arg;
    int               ok = X509_verify_cert(chain);
    long              verify = ok == 1 ? X509_V_OK : X509_STORE_CTX_get_error(chain);

    if (ok != 1 && verify == X509_V_OK)
        verify = X509_V_ERR_UNSPECIFIED;
    certificate_read(&l->result->certificate, X509_STORE_CTX_get0_cert(chain), verify, l->task->host);
    slice_copy(l->result->tls_verify, sizeof(l->result->tls_verify), slice_of(l->result->certificate.verify));
    return ok;
}

/*
 * The authorities are given here and not to libcurl: it would load none where a valid certificate is not demanded, but we want to know whether it
 * is one; and it would read all of the system's for each connection.
 */
static CURLcode
on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    struct smtp_link *l = arg;
    const char       *file = l->task->ca_file;

    (void)easy;
    SSL_CTX_set_cert_verify_callback(ssl_ctx, on_certificate, l);
    if (authorities_load(ssl_ctx, file) || l->task->tls != TLS_VERIFY)
        return CURLE_OK;
    snprintf(l->curl_error, sizeof(l->curl_error), "the authorities cannot be read: %.150s", file != NULL ? file : "the system's");
    return CURLE_SSL_CACERT_BADFILE;
}

/* ---- How the connecting ends --------------------------------------------------------------------------------------- */

/* A certificate that is not valid, authorities that cannot be read, no STARTTLS: not a matter of minutes. */
static bool
is_no_trust(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
           result == CURLE_USE_SSL_FAILED;
}

static const char *
waited_for(const struct step *step)
{
    if (step == NULL)
        return "reply";
    return step->kind == STEP_CONNECT ? "connection" : step->kind == STEP_TLS ? "end of the TLS handshake" : "reply";
}

/* Why libcurl could not connect, in words. */
static void
explain_failure(struct smtp_link *l, CURLcode result)
{
    const struct step *failed = steps_failed(&l->result->steps);
    const size_t       size = sizeof(l->reason);
    char               limit[DURATION_TEXT_BYTES];
    long               err = 0;

    curl_easy_getinfo(l->transfer.easy, CURLINFO_OS_ERRNO, &err);
    l->result->hopeless = is_no_trust(result) && (failed == NULL || failed->code < 400);
    if (l->result->own_trouble)
        return;                     /* on_open_socket has said why */
    if (failed != NULL && failed->code >= 400) {
        l->result->code = failed->code;
        snprintf(l->reason, size, "%.300s", failed->reply);
    } else if (result == CURLE_OPERATION_TIMEDOUT) {
        snprintf(l->reason, size, "no %s within %s", waited_for(failed), duration_limit_text(l->task->timeout_ms, limit));
    } else if (result == CURLE_COULDNT_CONNECT && err != 0) {
        snprintf(l->reason, size, "%s", strerror((int)err));
    } else if (result == CURLE_USE_SSL_FAILED) {
        if (failed == NULL)
            steps_begin(&l->result->steps, STEP_STARTTLS, monotonic_us());      /* which could not be said */
        snprintf(l->reason, size, "the server does not offer STARTTLS");
    } else if (result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING) {
        snprintf(l->reason, size, "the server closed the connection");
    } else {
        snprintf(l->reason, size, "%s", l->curl_error[0] != '\0' ? l->curl_error : curl_easy_strerror(result));
    }
}

static void
on_connected(void *arg, CURLcode result)
{
    struct smtp_link *l = arg;
    curl_socket_t     fd = CURL_SOCKET_BAD;

    smtp_link_note_connected(l);
    if (result != CURLE_OK) {
        explain_failure(l, result);
        l->event(l->arg, LINK_LOST);
        return;
    }
    take_tls(l);
    curl_easy_getinfo(l->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD) {
        l->readable = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, l);
        l->writable = event_new(l->base, fd, EV_WRITE, on_writable, l);
    }
    if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) != 0) {
        snprintf(l->reason, sizeof(l->reason), "out of memory");
        l->event(l->arg, LINK_LOST);
        return;
    }
    l->event(l->arg, LINK_OPEN);
}

/* ---- How it is told to connect ------------------------------------------------------------------------------------- */

static int
set_url(struct smtp_link *l)
{
    const struct sender_task *t = l->task;
    char                     *helo = curl_easy_escape(l->transfer.easy, t->helo != NULL ? t->helo : "", 0);
    int                       rc;

    if (helo == NULL)
        return MT_ENOMEM;
    rc = link_set_url(l->transfer.easy, t->implicit_tls ? "smtps" : "smtp", t->host, t->address, t->port, helo, &l->connect_to);
    curl_free(helo);
    return rc;
}

static int
set_options(struct smtp_link *l)
{
    const struct sender_task *t = l->task;
    CURL                     *easy = l->transfer.easy;

    link_set_options(easy, "smtp,smtps", l->curl_error, on_debug, on_open_socket, l);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(t->timeout_ms < t->limit_ms ? t->timeout_ms : t->limit_ms));
    link_set_tls(easy, t->tls, on_ssl_ctx, l);
    return set_url(l);
}

struct smtp_link *
smtp_link_open(struct event_base *base, const struct sender_task *task, struct sender_result *result, link_event_fn *event, void *arg)
{
    struct smtp_link *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    *l = (struct smtp_link){ .task = task, .result = result, .event = event, .arg = arg, .base = base };
    l->loop = curl_loop_new(base);
    l->transfer = (struct curl_transfer){ .easy = curl_easy_init(), .done = on_connected, .arg = l, .stays = true };
    if (l->loop == NULL || l->transfer.easy == NULL || set_options(l) != MT_OK || curl_loop_add(l->loop, &l->transfer) != MT_OK) {
        smtp_link_close(l);
        return NULL;
    }
    return l;
}
