#include "imapd/imapd.h"

#include "imapd/imap.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/sandbox.h"
#include "lib/tls_server.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

static void
end_if_idle(struct imapd *imapd)
{
    if ((imapd->role->draining || imapd->role->retired) && imapd->connection_count == 0)
        role_done(imapd->role);
}

void
imapd_connection_gone(struct imapd *imapd)
{
    accept_changed(imapd);
    end_if_idle(imapd);
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
    rc = tls_server_new(r->config, r->signer, &imapd->tls);
    if (rc == MT_OK)
        metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, (uint64_t)tls_server_expires_unix(imapd->tls));
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
    if ((rc = open_tls(imapd)) != MT_OK || (rc = charset_modules_open(&imapd->charsets)) != MT_OK)
        return rc;
    return open_database(imapd);
}

static void
set_limits(struct imapd *imapd)
{
    uint32_t *limits = imapd->deadlines.limit_ms;

    limits[DEADLINE_IDLE] = imapd->config->access.idle_timeout_ms;
    limits[DEADLINE_STALLED] = imapd->config->access.stalled_timeout_ms;
    limits[DEADLINE_MESSAGE] = imapd->config->access.stalled_timeout_ms;
    limits[DEADLINE_CLOSING] = CONNECTION_CLOSING_MS;
    accept_changed(imapd);
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
    if (r->shared == NULL)
        return MT_EPROTO;
    if ((rc = password_checks_open(r->base, imapd->config->access.password_checks_max, &imapd->checks)) != MT_OK ||
        (rc = sandbox_end_threads()) != MT_OK)
        return rc;
    imapd->too_late = evtimer_new(r->base, on_too_late, imapd);
    return imapd->too_late == NULL ? MT_ENOMEM : accept_start(imapd);
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

uint32_t
imapd_claimed(const struct imapd *imapd, const struct imap_view *v, uint32_t enough)
{
    const struct imap_view *w;
    uint32_t                claimed = 0;

    LIST_FOREACH(w, &imapd->watches[bucket_of(v->mailbox_id, v->folder_id)], link) {
        if (w != v && w->claims && w->mailbox_id == v->mailbox_id && w->folder_id == v->folder_id && w->recent_next > claimed)
            claimed = w->recent_next;
        if (claimed >= enough)
            break;
    }
    return claimed;
}

/* Who is logged in to that mailbox (0: to any), or as that agent ("": as whoever), stays only where that would be right now. */
static void
revoke_logins(struct imapd *imapd, uint32_t mailbox_id, const char *agent)
{
    for (struct connection *c = TAILQ_FIRST(&imapd->connections), *next; c != NULL; c = next) {
        const struct session *s = &c->session;

        next = TAILQ_NEXT(c, link);
        if (s->logged_in && !c->revoked && (mailbox_id == 0 || s->mailbox_id == mailbox_id) && (agent[0] == '\0' || strcmp(s->agent, agent) == 0) &&
            !session_holds(c))
            connection_revoke(c);
    }
}

static int
take_change(struct imapd *imapd, struct reader *r)
{
    struct change     change;
    struct imap_view *v, *next;

    change_read(r, &change);
    if (!read_end(r))
        return MT_EPROTO;
    if (change.kind == CHANGE_MAILBOX)
        revoke_logins(imapd, change.mailbox_id, "");
    else if (change.kind == CHANGE_AGENT)
        revoke_logins(imapd, 0, change.mailbox);
    if (change.folder_id == 0)
        return MT_OK;
    if (change.kind == CHANGE_DELETED)
        imap_uids_gone(&imapd->uids, change.mailbox_id, change.folder_id, change.uid);
    for (v = LIST_FIRST(&imapd->watches[bucket_of(change.mailbox_id, change.folder_id)]); v != NULL; v = next) {
        next = LIST_NEXT(v, link);
        if (v->mailbox_id != change.mailbox_id || v->folder_id != change.folder_id)
            continue;
        imap_view_change(v, &change);
        imap_changed(v->connection);
    }
    return MT_OK;
}

/* Changes that happened while there was no channel, or before store took the subscription, were told to nobody. */
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

static int
on_store_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_context *r = arg;
    struct imapd        *imapd = r->own;

    (void)fd;
    if (head->type == MSG_CHANGED)
        return take_change(imapd, in);
    if (head->type == MSG_ANSWER && head->req == imapd->subscribe_req) {
        compare_all(imapd);
        return MT_OK;
    }
    return head->type == MSG_ANSWER ? store_asks_answered(imapd, head, in) : MT_EPROTO;
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
    revoke_logins(imapd, 0, "");
}

static void
imapd_retire(struct role_context *r)
{
    struct imapd *imapd = r->own;

    accept_stop(imapd);
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
    imap_uids_fini(&imapd->uids);
    password_checks_close(imapd->checks);
    store_asks_fini(imapd);
    accept_free(imapd);
    if (imapd->too_late != NULL)
        event_free(imapd->too_late);
    deadlines_fini(&imapd->deadlines);
    tls_server_free(imapd->tls);
    charset_modules_close(imapd->charsets);
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
