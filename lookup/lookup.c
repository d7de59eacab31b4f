#include "lookup/lookup.h"

#include "lookup/ask.h"
#include "lookup/call.h"
#include "lookup/stream.h"
#include "lookup/waiter.h"

#include "lib/change.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/tls_server.h"
#include "lib/wiped.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

uint64_t
lookup_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- Messages from store --------------------------------------------------------------------------------------------- */

static int
take_change(struct lookup *l, struct reader *r)
{
    struct change change;

    change_read(r, &change);
    if (!read_end(r))
        return MT_EPROTO;
    if (change.has_token && (change.kind == CHANGE_ARRIVED || change.kind == CHANGE_TOKEN))
        waiters_token_changed(l->waiters, &change.token, change.mailbox_id);
    if (change.kind == CHANGE_ARRIVED)
        streams_tell(l->streams, &source_arrivals, change.message_id);
    if (change.kind == CHANGE_EVENT)
        streams_tell(l->streams, &source_events, change.event_id);
    if (change.kind == CHANGE_API_KEY) {
        waiters_keys_changed(l->waiters);
        streams_keys_changed(l->streams);
    }
    return MT_OK;
}

static int
on_store_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct role_context *role = arg;
    struct lookup       *l = role->own;

    (void)fd;
    switch (head->type) {
    case MSG_ANSWER:
        return asks_answered(l->asks, head, r);
    case MSG_CHANGED:
        return take_change(l, r);
    default:
        return MT_EPROTO;
    }
}

/* Changes that happened while there was no channel were told to nobody. */
static void
on_store(struct role_context *role, bool connected)
{
    struct lookup *l = role->own;

    l->connected = connected;
    if (!connected) {
        asks_lost(l->asks);
        return;
    }
    waiters_recheck(l->waiters);
    streams_recheck(l->streams);
}

/* ---- The life of the role -------------------------------------------------------------------------------------------- */

static int
open_database(struct lookup *l)
{
    char             *dir = config_state_path(l->config, DB_DIR);
    struct db_options options = {
        .dir = dir,
        .map_bytes = l->config->store.map_bytes,
        .readers_max = l->config->store.readers_max,
        .read_only = true,
    };
    int rc = dir == NULL ? MT_ENOMEM : db_open(&options, &l->db);

    if (rc == MT_ENOTFOUND)
        log_error("event=lookup-start-failed dir=%s reason=\"there is no database; store makes it\"", dir);
    free(dir);
    return rc;
}

static bool
speaks_tls(const struct lookup *l, const struct role_listener *listener)
{
    return l->config->tls.http && strncmp(listener->address, "unix:", 5) != 0;
}

static int
open_tls(struct lookup *l)
{
    for (unsigned i = 0; i < l->role->listener_count; i++)
        if (speaks_tls(l, &l->role->listeners[i]))
            return tls_server_new(l->config, l->role->signer, &l->tls);
    return MT_OK;
}

static int
lookup_open(struct role_context *role)
{
    struct lookup *l = calloc(1, sizeof(*l));
    uint32_t       seed;
    int            rc;

    if (l == NULL)
        return MT_ENOMEM;
    role->own = l;
    l->role = role;
    l->config = role->config;
    l->started_us = lookup_now_us();
    buf_init(&l->scratch, ANSWER_MAX_BYTES);
    wiped_by_libevent();        /* clients send their keys through it */
    if (sodium_init() < 0)
        return MT_EIO;
    randombytes_buf(&seed, sizeof(seed));
    json_object_seed(seed | 1);     /* else jansson opens a file for it later */
    if ((rc = open_database(l)) != MT_OK || (rc = open_tls(l)) != MT_OK)
        return rc;
    return certificates_read(role->config, &l->certificates);
}

static int
lookup_start(struct role_context *role)
{
    struct lookup *l = role->own;
    int            rc;

    l->asks = asks_new(l);
    l->waiters = waiters_new(l);
    l->streams = streams_new(l);
    l->http = http_new(role->base, role->config, tls_server_context(l->tls), call_run, l);
    if (l->asks == NULL || l->waiters == NULL || l->streams == NULL || l->http == NULL)
        return MT_ENOMEM;
    if ((rc = http_limit_clients(l->http, role->shared, role->share)) != MT_OK)
        return rc;
    for (unsigned i = 0; i < role->listener_count; i++) {
        struct role_listener *listener = &role->listeners[i];

        if ((rc = http_listen(l->http, listener->fd, speaks_tls(l, listener))) != MT_OK) {
            log_error("event=lookup-start-failed address=%s reason=\"%s\"", listener->address, mt_strerror(rc));
            return rc;
        }
        listener->fd = -1;
        log_info("event=listening protocol=http address=%s tls=%s", listener->address, speaks_tls(l, listener) ? "yes" : "no");
    }
    if (l->tls != NULL)
        metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, (uint64_t)tls_server_expires_unix(l->tls));
    return MT_OK;
}

static void
on_grace_over(evutil_socket_t fd, short what, void *arg)
{
    struct lookup *l = arg;

    (void)fd, (void)what;
    role_done(l->role);
}

static void
on_empty(void *arg)
{
    struct lookup *l = arg;

    role_done(l->role);
}

/* Who waits goes on waiting, since changes are still told here; their connections end with their answers. */
static void
lookup_retire(struct role_context *role)
{
    struct lookup *l = role->own;

    http_drain(l->http, on_empty, l);
}

/* Who waits is answered with what is known now, and asks again elsewhere or after the restart. */
static void
lookup_drain(struct role_context *role, uint32_t grace_ms)
{
    struct lookup       *l = role->own;
    const struct timeval grace = { .tv_sec = (time_t)(grace_ms / 1000), .tv_usec = (suseconds_t)(grace_ms % 1000) * 1000 };

    if (l->grace == NULL)
        l->grace = event_new(role->base, -1, 0, on_grace_over, l);
    if (l->grace == NULL || event_add(l->grace, &grace) != 0)
        role_done(role);
    http_drain(l->http, on_empty, l);
    waiters_drain(l->waiters);
    streams_drain(l->streams);
}

static void
lookup_close(struct role_context *role)
{
    struct lookup *l = role->own;

    if (l == NULL)
        return;
    http_free(l->http);             /* first: tells the owners of what was held */
    asks_free(l->asks);
    waiters_free(l->waiters);
    streams_free(l->streams);
    if (l->grace != NULL)
        event_free(l->grace);
    tls_server_free(l->tls);
    certificates_fini(&l->certificates);
    db_close(l->db);
    buf_fini(&l->scratch);
    free(l);
    role->own = NULL;
}

const struct role_hooks lookup_hooks = {
    .open = lookup_open,
    .start = lookup_start,
    .on_store_message = on_store_message,
    .on_store = on_store,
    .drain = lookup_drain,
    .retire = lookup_retire,
    .close = lookup_close,
};
