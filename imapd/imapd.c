/*
 * imapd - the process of IMAP and POP3. For now it says goodbye to every client in the client's own protocol, so that a mail program shows
 * a reason instead of a time-out. Sessions are bounded in number and in time.
 */
#include "lib/role.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SESSIONS_MAX    = 1000,
    ACCEPTS_A_TURN  = 64,
    FAREWELL_S      = 10,       /* for the handshake, the line and the client's close together */
    AGAIN_MS        = 100,      /* until the next accept behind a lack of descriptors */
};

/* RFC 9051 7.1.5 and RFC 5530; RFC 1939 with the code of RFC 3206. */
static const char imap_goodbye[] = "* BYE [UNAVAILABLE] IMAP is not offered here yet; messages can be read over HTTP\r\n";
static const char pop3_goodbye[] = "-ERR [SYS/TEMP] POP3 is not offered here yet; messages can be read over HTTP\r\n";

struct goodbye {
    struct goodbye     *next, **at;     /* in imapd's list */
    struct imapd       *imapd;
    struct bufferevent *bev;
    struct event       *time_over;
    bool                said;
};

struct imapd {
    struct role_context *role;
    SSL_CTX             *tls;           /* NULL: no listener wants it */
    struct event       **accepting;     /* one for each listener */
    struct event        *accept_again;
    struct goodbye      *sessions;
    unsigned             session_count;
};

static bool
is_tls(enum listener kind)
{
    return kind == LISTEN_IMAPS || kind == LISTEN_POP3S;
}

static bool
is_imap(enum listener kind)
{
    return kind == LISTEN_IMAP || kind == LISTEN_IMAPS;
}

/* ---- One session --------------------------------------------------------------------------------------------------------- */

/* A goodbye takes a moment, so that a drain needs no time limit of its own. */
static void
end_if_idle(struct imapd *imapd)
{
    if ((imapd->role->draining || imapd->role->retired) && imapd->session_count == 0)
        role_done(imapd->role);
}

static void
goodbye_free(struct goodbye *g)
{
    *g->at = g->next;
    if (g->next != NULL)
        g->next->at = g->at;
    g->imapd->session_count--;
    bufferevent_free(g->bev);
    event_free(g->time_over);
    end_if_idle(g->imapd);
    free(g);
}

/* What the client says meanwhile is thrown away; a close with unread input would cost it our line. */
static void
on_input(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);

    (void)arg;
    evbuffer_drain(in, evbuffer_get_length(in));
}

static void
on_said(struct bufferevent *bev, void *arg)
{
    struct goodbye *g = arg;
    SSL            *ssl = bufferevent_openssl_get_ssl(bev);

    if (g->said)
        return;
    g->said = true;
    if (ssl != NULL)
        SSL_shutdown(ssl);
    shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if ((what & BEV_EVENT_CONNECTED) == 0)
        goodbye_free(arg);
}

static void
on_time_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    goodbye_free(arg);
}

static void
goodbye_start(struct imapd *imapd, int fd, enum listener kind)
{
    const struct timeval limit = { .tv_sec = FAREWELL_S };
    struct event_base   *base = imapd->role->base;
    struct goodbye      *g = calloc(1, sizeof(*g));
    SSL                 *ssl = is_tls(kind) ? SSL_new(imapd->tls) : NULL;

    if (g == NULL || (is_tls(kind) && ssl == NULL) || (g->time_over = evtimer_new(base, on_time_over, g)) == NULL)
        goto fail;
    g->bev = ssl != NULL ? bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
                         : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (g->bev == NULL)
        goto fail;
    g->imapd = imapd;
    g->next = imapd->sessions;
    g->at = &imapd->sessions;
    if (g->next != NULL)
        g->next->at = &g->next;
    imapd->sessions = g;
    imapd->session_count++;
    metric_add(is_imap(kind) ? METRIC_IMAP_SESSIONS_TOTAL : METRIC_POP3_SESSIONS_TOTAL, 1);
    bufferevent_setcb(g->bev, on_input, on_said, on_event, g);
    event_add(g->time_over, &limit);
    bufferevent_enable(g->bev, EV_READ | EV_WRITE);
    bufferevent_write(g->bev, is_imap(kind) ? imap_goodbye : pop3_goodbye,
                      is_imap(kind) ? sizeof(imap_goodbye) - 1 : sizeof(pop3_goodbye) - 1);
    return;
fail:
    SSL_free(ssl);
    if (g != NULL && g->time_over != NULL)
        event_free(g->time_over);
    free(g);
    close(fd);
}

/* ---- Listening -------------------------------------------------------------------------------------------------------------- */

static void
set_accepting(struct imapd *imapd, bool on)
{
    for (unsigned i = 0; imapd->accepting != NULL && i < imapd->role->listener_count; i++) {
        if (on)
            event_add(imapd->accepting[i], NULL);
        else
            event_del(imapd->accepting[i]);
    }
}

static void
on_connection(evutil_socket_t listener, short what, void *arg)
{
    const struct timeval again = { .tv_usec = AGAIN_MS * 1000 };
    struct imapd        *imapd = arg;
    enum listener        kind = LISTEN_IMAP;

    (void)what;
    for (unsigned i = 0; i < imapd->role->listener_count; i++)
        if (imapd->role->listeners[i].fd == listener)
            kind = imapd->role->listeners[i].kind;
    for (unsigned n = 0; n < ACCEPTS_A_TURN; n++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            set_accepting(imapd, false);
            event_add(imapd->accept_again, &again);
        }
        if (fd < 0)
            return;
        if (imapd->session_count >= SESSIONS_MAX)
            close(fd);
        else
            goodbye_start(imapd, fd, kind);
    }
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    set_accepting(arg, true);
}

/* ---- The role ---------------------------------------------------------------------------------------------------------------- */

static int
imapd_open(struct role_context *r)
{
    struct imapd *imapd = calloc(1, sizeof(*imapd));
    bool          wants_tls = false;
    int           rc = MT_OK;

    if (imapd == NULL)
        return MT_ENOMEM;
    r->own = imapd;
    imapd->role = r;
    for (unsigned i = 0; i < r->listener_count; i++)
        wants_tls = wants_tls || is_tls(r->listeners[i].kind);
    if (wants_tls && (rc = tls_server_open(r->config->tls.certificate, r->config->tls.key, &imapd->tls)) == MT_OK)
        metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, (uint64_t)tls_expires_unix(imapd->tls));
    return rc;
}

static int
imapd_start(struct role_context *r)
{
    struct imapd *imapd = r->own;

    imapd->accepting = calloc(r->listener_count, sizeof(struct event *));
    imapd->accept_again = evtimer_new(r->base, on_accept_again, imapd);
    if (imapd->accepting == NULL || imapd->accept_again == NULL)
        return MT_ENOMEM;
    for (unsigned i = 0; i < r->listener_count; i++) {
        imapd->accepting[i] = event_new(r->base, r->listeners[i].fd, EV_READ | EV_PERSIST, on_connection, imapd);
        if (imapd->accepting[i] == NULL || event_add(imapd->accepting[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

/* It asks store for nothing, so store has nothing to say. */
static int
imapd_store_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    (void)arg;
    (void)head;
    (void)in;
    (void)fd;
    return MT_EPROTO;
}

static void
imapd_retire(struct role_context *r)
{
    struct imapd *imapd = r->own;

    set_accepting(imapd, false);
    event_del(imapd->accept_again);
    end_if_idle(imapd);
}

static void
imapd_drain(struct role_context *r, uint32_t grace_ms)
{
    imapd_retire(r);
    if (grace_ms < FAREWELL_S * 1000)
        role_done(r);
}

static void
imapd_close(struct role_context *r)
{
    struct imapd *imapd = r->own;

    if (imapd == NULL)
        return;
    for (struct goodbye *g = imapd->sessions, *next; g != NULL; g = next) {
        next = g->next;
        goodbye_free(g);
    }
    for (unsigned i = 0; imapd->accepting != NULL && i < r->listener_count; i++)
        if (imapd->accepting[i] != NULL)
            event_free(imapd->accepting[i]);
    free(imapd->accepting);
    if (imapd->accept_again != NULL)
        event_free(imapd->accept_again);
    SSL_CTX_free(imapd->tls);
    free(imapd);
    r->own = NULL;
}

const struct role_hooks imapd_hooks = {
    .open             = imapd_open,
    .start            = imapd_start,
    .on_store_message = imapd_store_message,
    .drain            = imapd_drain,
    .retire           = imapd_retire,
    .close            = imapd_close,
};
