#include "imapd/imapd.h"

#include "imapd/imap.h"
#include "imapd/pop3.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN  = 16,
    AGAIN_MS        = 100,      /* until the next accept behind a lack of descriptors */
    LOGIN_PAUSE_MS  = 1000,     /* between two tries of one address behind a wrong one */
};

static bool
is_tls(enum listener kind)
{
    return kind == LISTEN_IMAPS || kind == LISTEN_POP3S;
}

static const struct protocol *
protocol_of(enum listener kind)
{
    return kind == LISTEN_POP3 || kind == LISTEN_POP3S ? &pop3_protocol : &imap_protocol;
}

static void
end_if_idle(struct imapd *imapd)
{
    if ((imapd->role->draining || imapd->role->retired) && imapd->connection_count == 0)
        role_done(imapd->role);
}

void
imapd_connection_gone(struct imapd *imapd)
{
    end_if_idle(imapd);
}

/* ---- Accepting ------------------------------------------------------------------------------------------------------------ */

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
take_client(struct imapd *imapd, int fd, const struct sockaddr_storage *from, enum listener kind)
{
    char client[INET6_ADDRSTRLEN];
    int  on = 1;

    stream_client_text(from, client, sizeof(client));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));      /* not for Unix sockets, and they need none */
    if (imapd->connection_count >= imapd->config->access.sessions_max) {
        log_info("event=session-refused client=%s reason=\"access.sessions_max %u is reached\"", client,
                 imapd->config->access.sessions_max);
        close(fd);
        return;
    }
    connection_open(imapd, fd, client, protocol_of(kind), is_tls(kind));
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
        struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
        socklen_t               len = sizeof(from);
        int                     fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            set_accepting(imapd, false);
            event_add(imapd->accept_again, &again);
        }
        if (fd < 0)
            return;
        take_client(imapd, fd, &from, kind);
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
open_database(struct imapd *imapd)
{
    const struct config *config = imapd->config;
    char                *dir = config_state_path(config, DB_DIR);
    struct db_options    options = {
           .dir = dir,
           .map_bytes = config->store.map_bytes,
           .readers_max = config->store.readers_max,
           .read_only = true,
    };
    int rc = dir == NULL ? MT_ENOMEM : db_open(&options, &imapd->db);

    if (rc == MT_ENOTFOUND)
        log_error("event=imapd-start-failed dir=%s reason=\"there is no database; store makes it\"", dir);
    free(dir);
    return rc;
}

/* Without a certificate there is no STLS, and only clients on this machine can log in. */
static int
open_tls(struct imapd *imapd)
{
    const struct role_context *r = imapd->role;
    int                        rc = MT_OK;

    if (r->listener_count == 0 || r->config->tls.certificate == NULL || r->config->tls.certificate[0] == '\0')
        return MT_OK;
    rc = tls_server_open(r->config->tls.certificate, r->config->tls.key, &imapd->tls);
    if (rc == MT_OK)
        metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, (uint64_t)tls_expires_unix(imapd->tls));
    return rc;
}

static int
imapd_open(struct role_context *r)
{
    struct imapd *imapd = calloc(1, sizeof(*imapd));
    int           rc;

    if (imapd == NULL)
        return MT_ENOMEM;
    r->own = imapd;
    imapd->role = r;
    imapd->config = r->config;
    TAILQ_INIT(&imapd->connections);
    if (sodium_init() < 0)
        return MT_EIO;
    randombytes_buf(imapd->decoy_key, sizeof(imapd->decoy_key));
    if ((rc = open_tls(imapd)) != MT_OK)
        return rc;
    return open_database(imapd);
}

static void
set_limits(struct imapd *imapd)
{
    uint32_t *limits = imapd->deadlines.limit_ms;

    limits[DEADLINE_LOGIN] = imapd->config->access.login_timeout_ms;
    limits[DEADLINE_IDLE] = imapd->config->access.idle_timeout_ms;
    limits[DEADLINE_STALLED] = imapd->config->access.stalled_timeout_ms;
    limits[DEADLINE_MESSAGE] = imapd->config->access.stalled_timeout_ms;
    limits[DEADLINE_TLS] = imapd->config->access.login_timeout_ms;
    limits[DEADLINE_CLOSING] = CONNECTION_CLOSING_MS;
    limits[DEADLINE_PAUSE] = LOGIN_PAUSE_MS;
}

static void
on_too_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    role_done(((struct imapd *)arg)->role);
}

static int
imapd_start(struct role_context *r)
{
    struct imapd *imapd = r->own;
    int           rc = deadlines_init(&imapd->deadlines, r->base, connection_expired);

    if (rc != MT_OK)
        return rc;
    set_limits(imapd);
    throttle_init(&imapd->throttle, LOGIN_PAUSE_MS);
    imapd->accepting = calloc(r->listener_count + 1, sizeof(struct event *));
    imapd->accept_again = evtimer_new(r->base, on_accept_again, imapd);
    imapd->too_late = evtimer_new(r->base, on_too_late, imapd);
    if (imapd->accepting == NULL || imapd->accept_again == NULL || imapd->too_late == NULL)
        return MT_ENOMEM;
    for (unsigned i = 0; i < r->listener_count; i++) {
        imapd->accepting[i] = event_new(r->base, r->listeners[i].fd, EV_READ | EV_PERSIST, on_connection, imapd);
        if (imapd->accepting[i] == NULL || event_priority_set(imapd->accepting[i], 0) != 0 || event_add(imapd->accepting[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

/* ---- Changes ------------------------------------------------------------------------------------------------------------------ */

static unsigned
bucket_of(uint32_t mailbox_id, uint32_t folder_id)
{
    return (mailbox_id * 31 + folder_id) % IMAPD_WATCH_BUCKETS;
}

/* Only once somebody looks at a folder: what nobody waits for costs store nothing. */
static void
subscribe(struct imapd *imapd)
{
    if (imapd->role->store == NULL || imapd->subscribe_req != 0)
        return;
    imapd->subscribe_req = ++imapd->asks.last_req;
    channel_send(imapd->role->store, MSG_SUBSCRIBE, imapd->subscribe_req, slice_make("", 0), -1);
}

/* What happened between the snapshot and the subscription is found by comparing. */
void
imapd_watch(struct imapd *imapd, struct imap_view *v)
{
    v->compare = v->compare || imapd->subscribe_req == 0;
    subscribe(imapd);
    LIST_INSERT_HEAD(&imapd->watches[bucket_of(v->mailbox_id, v->folder_id)], v, link);
    v->watched = true;
}

static int
take_change(struct imapd *imapd, struct reader *r)
{
    struct change     change;
    struct imap_view *v, *next;

    change_read(r, &change);
    if (!read_end(r))
        return MT_EPROTO;
    if (change.folder_id == 0)
        return MT_OK;
    for (v = LIST_FIRST(&imapd->watches[bucket_of(change.mailbox_id, change.folder_id)]); v != NULL; v = next) {
        next = LIST_NEXT(v, link);
        if (v->mailbox_id != change.mailbox_id || v->folder_id != change.folder_id)
            continue;
        imap_view_change(v, &change);
        imap_changed(v->connection);
    }
    return MT_OK;
}

static int
on_store_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_context *r = arg;
    struct imapd        *imapd = r->own;

    (void)fd;
    if (head->type == MSG_CHANGED)
        return take_change(imapd, in);
    if (head->type == MSG_ANSWER && head->req == imapd->subscribe_req)
        return MT_OK;
    return head->type == MSG_ANSWER ? store_asks_answered(imapd, head, in) : MT_EPROTO;
}

/* Changes that happened while there was no channel were told to nobody. */
static void
compare_all(struct imapd *imapd)
{
    for (unsigned i = 0; i < IMAPD_WATCH_BUCKETS; i++)
        for (struct imap_view *v = LIST_FIRST(&imapd->watches[i]), *next; v != NULL; v = next) {
            next = LIST_NEXT(v, link);
            v->compare = true;
            imap_changed(v->connection);
        }
}

static void
on_store(struct role_context *r, bool connected)
{
    struct imapd *imapd = r->own;
    bool          subscribed = imapd->subscribe_req != 0;

    imapd->subscribe_req = 0;
    if (!connected) {
        store_asks_lost(imapd);
        imapd->subscribe_req = subscribed;      /* so that it is asked for again */
        return;
    }
    if (subscribed)
        subscribe(imapd);
    compare_all(imapd);
}

static void
imapd_retire(struct role_context *r)
{
    struct imapd *imapd = r->own;

    set_accepting(imapd, false);
    event_del(imapd->accept_again);
    end_if_idle(imapd);
}

/* Who waits for an answer gets it first; whoever is idle hears of the end at once. */
static void
imapd_drain(struct role_context *r, uint32_t grace_ms)
{
    const struct timeval grace = { .tv_sec = grace_ms / 1000, .tv_usec = grace_ms % 1000 * 1000 };
    struct imapd        *imapd = r->own;

    evtimer_add(imapd->too_late, &grace);
    imapd_retire(r);
    for (struct connection *c = TAILQ_FIRST(&imapd->connections), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        connection_stop(c);
    }
}

static void
imapd_close(struct role_context *r)
{
    struct imapd *imapd = r->own;

    if (imapd == NULL)
        return;
    r->draining = r->retired = false;       /* nothing is to be told any more */
    while (!TAILQ_EMPTY(&imapd->connections))
        connection_free(TAILQ_FIRST(&imapd->connections));
    store_asks_fini(imapd);
    for (unsigned i = 0; imapd->accepting != NULL && i < r->listener_count; i++)
        if (imapd->accepting[i] != NULL)
            event_free(imapd->accepting[i]);
    free(imapd->accepting);
    if (imapd->accept_again != NULL)
        event_free(imapd->accept_again);
    if (imapd->too_late != NULL)
        event_free(imapd->too_late);
    deadlines_fini(&imapd->deadlines);
    SSL_CTX_free(imapd->tls);
    db_close(imapd->db);
    sodium_memzero(imapd, sizeof(*imapd));
    free(imapd);
    r->own = NULL;
}

const struct role_hooks imapd_hooks = {
    .open             = imapd_open,
    .start            = imapd_start,
    .on_store_message = on_store_message,
    .on_store         = on_store,
    .drain            = imapd_drain,
    .retire           = imapd_retire,
    .close            = imapd_close,
};
