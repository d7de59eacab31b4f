/*
 * clients - whose each connection is, what one client may have of them, and who gives way where all places are taken, or requests that come in or
 * handshakes take too much memory: part of http.
 */
#include "lookup/connection.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/stream.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>

enum {
    SHORT_US    = 50 * 1000,        /* where all places are taken, who came or has done something since then keeps its own */
    IDLE_US     = 1000 * 1000,      /* the same of a request that comes in, where all of these take too much memory */
    ROOM        = 64,               /* so many places are made at a time */
    REFUSED_US  = 2 * 1000 * 1000,  /* for a client that is over its limit to send the request that is answered with that */
    LOOK        = 64,               /* so many are looked at for one that is not trusted */
};

/* own: the address is a load balancer's that names nobody, so nothing is held against it. */
static void
admit(struct connection *c, const char *client, bool own)
{
    struct http *h = c->http;

    slice_copy(c->client, sizeof(c->client), slice_of(client));
    limits_client(h->clients, client, &c->limit);
    c->limit.trusted = c->limit.trusted || own;
    c->refused = limits_enter(h->clients, &c->limit);
    if (c->refused != LIMIT_NONE)
        limits_reached(h->clients, &c->limit, client, c->refused);
}

static void
on_proxy_header(void *arg, unsigned tag, int fd, const char *client, bool own)
{
    struct http       *h = arg;
    struct connection *c = h->by_fd[fd];

    (void)tag;
    c->proxy = NULL;
    if (client == NULL) {
        connection_doom(c);
        return;
    }
    admit(c, client, own);
    bufferevent_enable(c->bev, EV_READ);
}

void
clients_arrived(struct connection *c)
{
    struct http            *h = c->http;
    int                     fd = bufferevent_getfd(c->bev);
    struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
    socklen_t               len = sizeof(from);
    char                    client[PROXY_ADDRESS_CHARS];

    if (getpeername(fd, (struct sockaddr *)&from, &len) != 0) {
        connection_doom(c);     /* gone already */
        return;
    }
    stream_client_text(&from, client, sizeof(client));
    if (!h->config->proxy.http || !proxies_expect(h->proxies, client)) {
        admit(c, client, false);
        return;
    }
    bufferevent_disable(c->bev, EV_READ);
    c->proxy = proxies_wait(h->proxies, fd, client, 0);
    if (c->proxy == NULL)
        connection_doom(c);
}

void
clients_gone(struct connection *c)
{
    if (c->proxy != NULL)
        proxy_wait_cancel(c->proxy);
    c->proxy = NULL;
    if (c->http->clients != NULL)
        limits_leave(c->http->clients, &c->limit);
}

bool
clients_refuse(struct connection *c)
{
    if (c->refused == LIMIT_NONE)
        return false;
    c->exchange.is_last = true;
    reply_header(&c->exchange, "Retry-After", "10");
    reply_problem(&c->exchange, 429, "too many connections from your address (http.connections_per_address)");
    return true;
}

/* What it gave stays out of the log: it may be a secret of something else. */
void
exchange_key_refused(const struct exchange *x)
{
    const struct connection *c = x->connection;

    if (c->http->clients != NULL && limits_may_log(c->http->clients, &c->limit))
        log_info("event=key-refused client=%s", c->client);
}

uint64_t
clients_time_us(const struct connection *c)
{
    const struct config *config = c->http->config;
    uint64_t             ms = config->http.timeout_ms, pressed_ms = config->http.pressed_timeout_ms;

    if (c->refused != LIMIT_NONE)
        return REFUSED_US;
    if ((uint64_t)c->http->count * 100 >= (uint64_t)c->http->limit * config->limits.pressed_percent && pressed_ms < ms)
        ms = pressed_ms;
    return ms * 1000;
}

/* Nothing came of it for a while, and nothing waits for us. */
static bool
is_silent(const struct connection *c)
{
    char octet;

    return recv(bufferevent_getfd(c->bev), &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool
may_give_way(const struct connection *c)
{
    return c->state == CONNECTION_READING && !c->limit.trusted && !c->doomed && http_now_us(c->http) - c->since_us >= SHORT_US && is_silent(c);
}

static void
give_way(struct connection *c)
{
    metric_add(METRIC_LIMIT_SHED_TOTAL, 1);
    connection_doom(c);
}

/* Slow requests first, then those who send none. Who waits for an answer, or reads one, keeps its place. */
void
clients_make_room(struct http *h)
{
    unsigned           wanted = h->count - h->limit + ROOM;
    struct connection *c;

    TAILQ_FOREACH(c, &h->receiving, begins)
        if (wanted > 0 && may_give_way(c)) {
            give_way(c);
            wanted--;
        }
    TAILQ_FOREACH(c, &h->connections, link)
        if (wanted > 0 && !c->begun && may_give_way(c)) {
            give_way(c);
            wanted--;
        }
}

/* Trusted clients and those whose request began just now keep their places; without another it is c that goes. */
static struct connection *
longest_receiving(struct connection *c)
{
    struct connection *other;
    uint64_t           now_us = http_now_us(c->http);
    unsigned           n = 0;

    TAILQ_FOREACH(other, &c->http->receiving, begins) {
        if (n++ == LOOK || now_us - other->since_us < IDLE_US)
            break;
        if (!other->limit.trusted && !other->doomed)
            return other;
    }
    return c;
}

void
clients_receive_less(struct connection *c)
{
    struct http       *h = c->http;
    struct connection *longest = longest_receiving(c);
    uint64_t           now_us = http_now_us(h);

    if (now_us - h->full_told_us >= (uint64_t)h->config->limits.log_interval_s * 1000000) {
        log_warning("event=http-buffers-full limit_bytes=%u", HTTP_BUFFERED_MAX_BYTES);
        h->full_told_us = now_us;
    }
    if (longest == c) {
        give_way(c);
        return;
    }
    metric_add(METRIC_LIMIT_SHED_TOTAL, 1);
    evhttp_connection_free(longest->evcon);     /* at once, for what it holds */
}

/* ---- Handshakes -------------------------------------------------------------------------------------------------------- */

void
clients_handshake_done(struct connection *c)
{
    if (!c->handshakes)
        return;
    TAILQ_REMOVE(&c->http->handshakes, c, begins);
    c->http->handshake_count--;
    c->handshakes = false;
}

/* The one that has waited for its client for longest; one that waits for us only where handshakes are twice too many. Forgets those that are done. */
static struct connection *
longest_handshake(struct http *h)
{
    struct connection *c, *next, *longest = NULL;

    for (c = TAILQ_FIRST(&h->handshakes); c != NULL; c = next) {
        next = TAILQ_NEXT(c, begins);
        if (SSL_is_init_finished(bufferevent_openssl_get_ssl(c->bev)))
            clients_handshake_done(c);
        else if (longest == NULL && !c->doomed && (h->handshake_count > 2 * h->config->tls.handshakes_max || is_silent(c)))
            longest = c;
    }
    return h->handshake_count >= h->config->tls.handshakes_max ? longest : NULL;
}

void
clients_handshake(struct connection *c)
{
    struct http       *h = c->http;
    struct connection *longest = h->handshake_count >= h->config->tls.handshakes_max ? longest_handshake(h) : NULL;

    tls_hello_guard(bufferevent_openssl_get_ssl(c->bev), &c->hello);
    TAILQ_INSERT_TAIL(&h->handshakes, c, begins);
    h->handshake_count++;
    c->handshakes = true;
    if (longest != NULL)
        give_way(longest);
}

int
http_limit_clients(struct http *h, struct shared_table *table, uint32_t share)
{
    const struct limit_rules rules = { .protocol = "http", .sessions_per_address = h->config->http.connections_per_address };

    h->clients = limits_new(h->config, table, share, &rules);
    h->proxies = proxies_new(h->base, h->config, on_proxy_header, h);
    return h->clients == NULL || h->proxies == NULL ? MT_ENOMEM : MT_OK;
}
