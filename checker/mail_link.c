#include "checker/mail_link.h"

#include "checker/authorities.h"
#include "checker/certificate.h"
#include "checker/link_curl.h"
#include "lib/curl_loop.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OUT_LIMIT_BYTES  = 64 * 1024,
    READ_BYTES       = 16 * 1024,
    READ_TURN_BYTES  = 256 * 1024,      /* in one turn of the loop: others are served in between */
    REASON_CHARS     = 240,
    SERVER_LINE_BYTES = 512,
};

struct mail_link {
    struct mail_link_task task;
    mail_link_event_fn   *event_fn;
    void                 *arg;
    struct target         addresses[MAIL_LINK_ADDRESSES];
    unsigned              address_count, at;

    struct curl_loop     *loop;         /* of its own: among others libcurl takes a connection with unread octets for dead */
    struct curl_transfer  transfer;
    struct curl_slist    *connect_to;
    char                  curl_error[CURL_ERROR_SIZE];
    char                  last_line[SERVER_LINE_BYTES];     /* that the server said while libcurl had the word */
    bool                  said_tls;                         /* STARTTLS or STLS was the last command */

    struct event         *readable, *writable;
    struct event         *patience, *limit;
    struct event         *connected;    /* goes on when libcurl is done, from outside of it */
    CURLcode              result;       /* of libcurl */
    struct event         *told;         /* calls event_fn for MAIL_LINK_LOST */
    struct buf            in, out;
    size_t                out_sent, octets;
    bool                  lost;

    char                  host[ROUTE_HOST_BYTES + ROUTE_ADDRESS_BYTES + 16];
    char                  tls_version[16], tls_verify[128];
    char                  step[16], reason[MAIL_LINK_REASON_BYTES];
    bool                  no_trust;
    int                   socket_errno;     /* why this machine has no socket for us; 0: it has */
};

static void connect_next(struct mail_link *l);

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* ---- What is asked of it ------------------------------------------------------------------------------------------ */

struct buf *
mail_link_in(struct mail_link *l)
{
    return &l->in;
}

bool
mail_link_is_private(const struct mail_link *l)
{
    const char *address = l->addresses[l->at].address;

    return l->tls_version[0] != '\0' || strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

const char *
mail_link_host(const struct mail_link *l)
{
    return l->host;
}

const char *
mail_link_tls_version(const struct mail_link *l)
{
    return l->tls_version;
}

const char *
mail_link_tls_verify(const struct mail_link *l)
{
    return l->tls_verify;
}

const char *
mail_link_step(const struct mail_link *l)
{
    return l->step;
}

const char *
mail_link_reason(const struct mail_link *l)
{
    return l->reason;
}

bool
mail_link_no_trust(const struct mail_link *l)
{
    return l->no_trust;
}

bool
mail_link_own_trouble(const struct mail_link *l)
{
    return l->socket_errno != 0;
}

/* ---- How it ends -------------------------------------------------------------------------------------------------- */

/* Lets go of the connection; the addresses stay. */
static void
drop(struct mail_link *l)
{
    if (l->readable != NULL)
        event_free(l->readable);
    if (l->writable != NULL)
        event_free(l->writable);
    l->readable = l->writable = NULL;
    if (l->loop != NULL)
        curl_loop_remove(l->loop, &l->transfer);
    if (l->transfer.easy != NULL)
        curl_easy_cleanup(l->transfer.easy);
    l->transfer.easy = NULL;
    curl_loop_free(l->loop);
    l->loop = NULL;
    curl_slist_free_all(l->connect_to);
    l->connect_to = NULL;
}

void
mail_link_close(struct mail_link *l)
{
    struct event *events[4];

    if (l == NULL)
        return;
    drop(l);
    events[0] = l->patience;
    events[1] = l->limit;
    events[2] = l->told;
    events[3] = l->connected;
    for (size_t i = 0; i < COUNT(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    buf_fini(&l->in);
    buf_wipe(&l->out);
    free(l);
}

static void
lose(struct mail_link *l, const char *step, const char *reason)
{
    struct buf safe;

    if (l->lost)
        return;
    l->lost = true;
    buf_init(&safe, MAIL_LINK_REASON_BYTES * 4);
    display_text(&safe, slice_of(reason), REASON_CHARS);
    slice_copy(l->reason, sizeof(l->reason), buf_slice(&safe));
    buf_fini(&safe);
    slice_copy(l->step, sizeof(l->step), slice_of(step));
    if (l->readable != NULL)
        event_del(l->readable);
    if (l->writable != NULL)
        event_del(l->writable);
    event_del(l->patience);
    event_del(l->limit);
    event_active(l->told, EV_TIMEOUT, 0);
}

static void
on_told(evutil_socket_t fd, short what, void *arg)
{
    struct mail_link *l = arg;

    (void)fd;
    (void)what;
    l->event_fn(l->arg, MAIL_LINK_LOST);
}

/* ---- Octets in and out -------------------------------------------------------------------------------------------- */

static void
write_out(struct mail_link *l)
{
    while (!l->lost && l->out_sent < l->out.len) {
        size_t   sent = 0;
        CURLcode rc = curl_easy_send(l->transfer.easy, l->out.data + l->out_sent, l->out.len - l->out_sent, &sent);

        if (rc == CURLE_AGAIN) {
            event_add(l->writable, NULL);
            return;
        }
        if (rc != CURLE_OK) {
            lose(l, "", "the connection broke while sending");
            return;
        }
        l->out_sent += sent;
    }
    if (l->out_sent == l->out.len) {
        buf_clear(&l->out);
        l->out_sent = 0;
    }
}

void
mail_link_send(struct mail_link *l, struct slice octets)
{
    if (l->lost)
        return;
    if (buf_append_slice(&l->out, octets) != MT_OK) {
        lose(l, "", "the server does not read what is said to it");
        return;
    }
    arm(l->patience, l->task.timeout_ms);
    write_out(l);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    write_out(arg);
}

/* One read. False: there is no more for now, or it is lost. */
static bool
read_some(struct mail_link *l, size_t *got)
{
    char    *room = buf_reserve(&l->in, READ_BYTES);
    CURLcode rc;

    if (room == NULL || l->octets > MAIL_LINK_ALL_BYTES) {
        lose(l, "", room == NULL ? "the server's answer is too large" : "the server says too much");
        return false;
    }
    rc = curl_easy_recv(l->transfer.easy, room, READ_BYTES, got);
    if (rc == CURLE_AGAIN)
        return false;
    if (rc != CURLE_OK || *got == 0) {
        lose(l, "", "the server closed the connection");
        return false;
    }
    buf_added(&l->in, *got);
    l->octets += *got;
    return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct mail_link *l = arg;
    size_t            all = 0, got = 0;

    (void)fd;
    (void)what;
    /* Until there is no more: TLS may hold octets that no event tells of. The first read finds the buffer full if the caller took nothing. */
    while (all < READ_TURN_BYTES && (all == 0 || l->in.len <= MAIL_LINK_IN_BYTES - READ_BYTES) && read_some(l, &got))
        all += got;
    if (all == 0)
        return;
    if (!l->lost && (all >= READ_TURN_BYTES || l->in.len > MAIL_LINK_IN_BYTES - READ_BYTES))
        event_active(l->readable, EV_READ, 0);
    l->event_fn(l->arg, MAIL_LINK_OCTETS);      /* may close it */
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct mail_link *l = arg;
    char              text[80], limit[DURATION_TEXT_BYTES];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "no reply within %s", duration_limit_text(l->task.timeout_ms, limit));
    lose(l, "", text);
}

/* ---- Connecting, by libcurl --------------------------------------------------------------------------------------- */

static void
take_tls(struct mail_link *l)
{
    const SSL         *ssl = link_ssl(l->transfer.easy);
    struct certificate certificate;

    if (ssl == NULL)
        return;
    slice_copy(l->tls_version, sizeof(l->tls_version), slice_of(SSL_get_version(ssl)));
    certificate_read(&certificate, SSL_get0_peer_certificate(ssl), SSL_get_verify_result(ssl), l->task.server->host);
    slice_copy(l->tls_verify, sizeof(l->tls_verify), slice_of(certificate.verify));
}

/* libcurl shows the lines of the dialogue as they come and go: the last of the server is what a failure is told with. */
static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    struct mail_link *l = arg;
    struct slice      line = slice_trim(slice_make(data, size));

    (void)easy;
    if (type == CURLINFO_HEADER_IN && line.len > 0)
        slice_copy(l->last_line, sizeof(l->last_line), line);
    if (type == CURLINFO_HEADER_OUT)
        l->said_tls = slice_ends_nocase(line, "STARTTLS") || slice_ends_nocase(line, "STLS");
    return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct mail_link *l = arg;

    (void)purpose;
    return link_socket(address, &l->socket_errno);
}

static bool
is_about_tls(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
           result == CURLE_USE_SSL_FAILED || result == CURLE_SSL_CONNECT_ERROR || result == CURLE_SSL_CERTPROBLEM ||
           result == CURLE_SSL_CIPHER || result == CURLE_SSL_ENGINE_INITFAILED;
}

/* How far libcurl came. */
static const char *
failed_step(const struct mail_link *l, CURLcode result)
{
    curl_off_t connected = 0, encrypted = 0;

    curl_easy_getinfo(l->transfer.easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(l->transfer.easy, CURLINFO_APPCONNECT_TIME_T, &encrypted);
    if (is_about_tls(result))
        return "tls";
    if (connected == 0)
        return "connect";
    if (encrypted == 0 && (l->said_tls || l->task.server->implicit_tls))
        return "tls";
    return "banner";
}

static void
fail_connect(struct mail_link *l, CURLcode result)
{
    const char *step = failed_step(l, result);
    char        text[MAIL_LINK_REASON_BYTES], limit[DURATION_TEXT_BYTES];
    bool        tls_refused = result == CURLE_USE_SSL_FAILED && l->said_tls;    /* which another time it may not be */
    long        err = 0;

    curl_easy_getinfo(l->transfer.easy, CURLINFO_OS_ERRNO, &err);
    l->no_trust = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE || (result == CURLE_USE_SSL_FAILED && !tls_refused);
    if (l->socket_errno != 0)
        snprintf(text, sizeof(text), "%s", strerror(l->socket_errno));
    else if (result == CURLE_OPERATION_TIMEDOUT)
        snprintf(text, sizeof(text), "no %s within %s", strcmp(step, "connect") == 0 ? "connection" : "reply", duration_limit_text(l->task.timeout_ms, limit));
    else if (result == CURLE_COULDNT_CONNECT && err != 0)
        snprintf(text, sizeof(text), "%s", strerror((int)err));
    else if (tls_refused)
        snprintf(text, sizeof(text), "%s refused, the server said: %.250s", l->task.pop3 ? "STLS" : "STARTTLS", l->last_line);
    else if (result == CURLE_USE_SSL_FAILED)
        snprintf(text, sizeof(text), "the server does not offer %s", l->task.pop3 ? "STLS" : "STARTTLS");
    else if (is_about_tls(result))
        snprintf(text, sizeof(text), "%s", l->curl_error[0] != '\0' ? l->curl_error : curl_easy_strerror(result));
    else if (l->last_line[0] != '\0')
        snprintf(text, sizeof(text), "the server said: %.250s", l->last_line);
    else if (result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING)
        snprintf(text, sizeof(text), "the server closed the connection");
    else
        snprintf(text, sizeof(text), "%s", l->curl_error[0] != '\0' ? l->curl_error : curl_easy_strerror(result));
    /* Another address may do better, unless this one answered. */
    if (strcmp(step, "connect") == 0 && l->at + 1 < l->address_count) {
        l->at++;
        connect_next(l);
        return;
    }
    lose(l, step, text);
}

/* Nothing of libcurl may be freed from inside its loop. */
static void
on_curl_done(void *arg, CURLcode result)
{
    struct mail_link *l = arg;

    l->result = result;
    event_active(l->connected, EV_TIMEOUT, 0);
}

static void
on_connected(evutil_socket_t none, short what, void *arg)
{
    struct mail_link *l = arg;
    curl_socket_t     fd = CURL_SOCKET_BAD;

    (void)none;
    (void)what;
    if (l->lost)
        return;
    if (l->result != CURLE_OK) {
        fail_connect(l, l->result);
        return;
    }
    take_tls(l);
    curl_easy_getinfo(l->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD) {
        l->readable = event_new(l->task.base, fd, EV_READ | EV_PERSIST, on_readable, l);
        l->writable = event_new(l->task.base, fd, EV_WRITE, on_writable, l);
    }
    if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) != 0)
        lose(l, "connect", "out of memory");
    else
        l->event_fn(l->arg, MAIL_LINK_OPEN);
}

/*
 * The authorities are given here and not to libcurl: it would load none where a valid certificate is not demanded, but we want to know whether it
 * is one; and it would read all of the system's for each connection.
 */
static CURLcode
on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    const struct mail_link *l = arg;
    const struct server    *s = l->task.server;

    (void)easy;
    return authorities_load(ssl_ctx, s->ca_file) || s->tls != TLS_VERIFY ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static int
set_url(struct mail_link *l)
{
    const struct server *s = l->task.server;
    const struct target *t = &l->addresses[l->at];
    const char          *scheme = l->task.pop3 ? (s->implicit_tls ? "pop3s" : "pop3") : s->implicit_tls ? "imaps" : "imap";

    if (strcmp(s->host, t->address) == 0)
        snprintf(l->host, sizeof(l->host), "%.255s:%u", s->host, s->port);
    else
        snprintf(l->host, sizeof(l->host), "%.255s[%.45s]:%u", s->host, t->address, s->port);
    return link_set_url(l->transfer.easy, scheme, s->host, t->address, s->port, "", &l->connect_to);
}

static int
set_options(struct mail_link *l)
{
    CURL *easy = l->transfer.easy;

    link_set_options(easy, "imap,imaps,pop3,pop3s", l->curl_error, on_debug, on_open_socket, l);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)l->task.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)l->task.timeout_ms);
    link_set_tls(easy, l->task.server->tls, on_ssl_ctx, l);
    return set_url(l);
}

/* A handle of its own for each address: a failed one keeps traces of its failure. */
static void
connect_next(struct mail_link *l)
{
    drop(l);
    l->curl_error[0] = l->last_line[0] = '\0';
    l->said_tls = false;
    l->loop = curl_loop_new(l->task.base);
    l->transfer = (struct curl_transfer){ .easy = curl_easy_init(), .done = on_curl_done, .arg = l, .stays = true };
    if (l->loop == NULL || l->transfer.easy == NULL || set_options(l) != MT_OK || curl_loop_add(l->loop, &l->transfer) != MT_OK)
        lose(l, "connect", "out of memory");
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct mail_link *l = arg;
    char              text[80];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "the look into the account took longer than %u s", l->task.limit_ms / 1000);
    lose(l, l->readable == NULL ? "connect" : "", text);
}

struct mail_link *
mail_link_open(const struct mail_link_task *task, mail_link_event_fn *event, void *arg)
{
    struct mail_link *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->task = *task;
    l->event_fn = event;
    l->arg = arg;
    l->address_count = task->route->count < MAIL_LINK_ADDRESSES ? task->route->count : MAIL_LINK_ADDRESSES;
    memcpy(l->addresses, task->route->targets, l->address_count * sizeof(l->addresses[0]));
    l->task.route = NULL;
    buf_init(&l->in, MAIL_LINK_IN_BYTES);
    buf_init(&l->out, OUT_LIMIT_BYTES);
    l->out.secret = true;       /* passwords pass through it */
    l->patience = evtimer_new(task->base, on_patience, l);
    l->limit = evtimer_new(task->base, on_limit, l);
    l->told = event_new(task->base, -1, 0, on_told, l);
    l->connected = event_new(task->base, -1, 0, on_connected, l);
    if (l->address_count == 0 || l->connected == NULL || l->patience == NULL || l->limit == NULL || l->told == NULL) {
        mail_link_close(l);
        return NULL;
    }
    arm(l->limit, task->limit_ms);
    connect_next(l);
    return l;
}
