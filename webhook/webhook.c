/*
 * webhook - the role that posts events to where webhooks point. It connects out and reads nothing: no database, and no file once it has
 * started. Which events are posted where, when again, and when no more is store's to decide (store/): this process is told of one post at a
 * time (MSG_POST), and tells how it ended (MSG_POST_DONE).
 */
#include "webhook/post.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/record.h"
#include "lib/role.h"
#include "lib/webhook.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdlib.h>

struct webhook {
    struct role_context *role;
    struct posts        *posts;
    X509_STORE          *certificates;
    struct event        *grace;         /* while draining: its end */
};

/* ---- Messages of store ---------------------------------------------------------------------------------------------- */

/* How many posts this process takes at a time. That of another generation, which came after it, takes its place. */
static void
tell_ready(const struct webhook *w)
{
    struct buf *fields = channel_begin(w->role->store, MSG_POST_READY, 0);

    if (fields == NULL)
        return;
    write_u32(fields, w->role->config->webhook.posts_max);
    channel_end(w->role->store, -1);
}

static void
tell_done(const struct webhook *w, uint32_t webhook_id, uint64_t event_id, uint16_t http_status, struct slice error)
{
    struct buf *fields = w->role->store == NULL ? NULL : channel_begin(w->role->store, MSG_POST_DONE, 0);

    if (fields == NULL)
        return;
    write_u32(fields, webhook_id);
    write_u64(fields, event_id);
    write_u16(fields, http_status);
    write_bytes(fields, error);
    channel_end(w->role->store, -1);
}

static void
on_post_done(void *arg, uint32_t webhook_id, uint64_t event_id, uint16_t http_status, struct slice error)
{
    struct webhook *w = arg;

    tell_done(w, webhook_id, event_id, http_status, error);
    if (w->role->draining && posts_count(w->posts) == 0)
        role_done(w->role);
}

static int
take_post(struct webhook *w, struct reader *r)
{
    struct post_order order = { .webhook_id = 0 };
    struct slice      event;
    uint32_t          attempt;
    int               rc;

    read_u32(r, &order.webhook_id);
    read_u64(r, &order.event_id);
    read_u32(r, &attempt);
    read_bytes(r, &order.url, WEBHOOK_URL_BYTES);
    read_bytes(r, &order.secret, WEBHOOK_SECRET_CHARS);
    read_bytes(r, &event, RECORD_BYTES_MAX);
    if (!read_end(r) || event_record_read(event, &order.event) != MT_OK || posts_count(w->posts) >= w->role->config->webhook.posts_max)
        return MT_EPROTO;
    if (w->role->draining)
        return MT_OK;           /* store hands it to the next process, once this one is gone */
    log_debug("event=webhook-post webhook=%u id=%llu attempt=%u", order.webhook_id, (unsigned long long)order.event_id, attempt);
    if ((rc = posts_begin(w->posts, &order)) != MT_OK)
        tell_done(w, order.webhook_id, order.event_id, 0, slice_of(mt_strerror(rc)));
    return MT_OK;
}

static int
on_store_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct role_context *role = arg;

    (void)fd;
    return head->type == MSG_POST ? take_post(role->own, r) : MT_EPROTO;
}

/* Nobody would hear how a post ended: store begins it again. The event's id tells the receiver that it is the same. */
static void
on_store(struct role_context *role, bool connected)
{
    struct webhook *w = role->own;

    if (!connected)
        posts_cancel(w->posts);
    else if (!role->draining)
        tell_ready(w);
}

/* ---- The life of the role --------------------------------------------------------------------------------------------- */

/* Who may certify a server is read once, while files may be read. Without it, posts to https:// fail and say so. */
static int
read_certificates(struct webhook *w)
{
    const char *file = w->role->config->webhook.ca_file;

    if ((w->certificates = X509_STORE_new()) == NULL)
        return MT_ENOMEM;
    if (X509_STORE_load_file(w->certificates, file) != 1)
        log_warning("event=webhook-no-certificates file=%s reason=\"it cannot be read: posts to https:// will fail\" setting=webhook.ca_file",
                    LOG_TEXT(slice_of(file)));
    return MT_OK;
}

/* libcurl, OpenSSL and c-ares read their configuration here. */
static int
webhook_open(struct role_context *role)
{
    struct webhook *w = calloc(1, sizeof(*w));
    int             rc;

    if (w == NULL)
        return MT_ENOMEM;
    role->own = w;
    w->role = role;
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_error("event=webhook-start-failed reason=\"a library could not be set up\"");
        return MT_EIO;
    }
    if ((rc = read_certificates(w)) != MT_OK)
        return rc;
    w->posts = posts_new(role->base, role->config, w->certificates, on_post_done, w);
    return w->posts == NULL ? MT_ENOMEM : MT_OK;
}

static void
on_grace_over(evutil_socket_t fd, short what, void *arg)
{
    struct webhook *w = arg;

    (void)fd, (void)what;
    role_done(w->role);
}

static void
webhook_drain(struct role_context *role, uint32_t grace_ms)
{
    struct webhook      *w = role->own;
    const struct timeval grace = { .tv_sec = (time_t)(grace_ms / 1000), .tv_usec = (suseconds_t)(grace_ms % 1000) * 1000 };

    if (w->grace == NULL)
        w->grace = evtimer_new(role->base, on_grace_over, w);
    if (posts_count(w->posts) == 0 || w->grace == NULL || evtimer_add(w->grace, &grace) != 0)
        role_done(role);
}

static void
webhook_close(struct role_context *role)
{
    struct webhook *w = role->own;

    if (w == NULL)
        return;
    posts_free(w->posts);
    X509_STORE_free(w->certificates);
    if (w->grace != NULL)
        event_free(w->grace);
    curl_global_cleanup();
    free(w);
    role->own = NULL;
}

const struct role_hooks webhook_hooks = {
    .open = webhook_open,
    .on_store_message = on_store_message,
    .on_store = on_store,
    .drain = webhook_drain,
    .close = webhook_close,
};
