/*
 * clients - whose each connection is, what one client may have of them, and who gives way when all places are taken: part of http.
 */
#include "lookup/connection.h"

#include "lib/error.h"
#include "lib/metrics.h"
#include "lib/proxy_header.h"
#include "lib/stream.h"

enum {
    IDLE_US     = 1000 * 1000,      /* who has done something since then keeps its place */
    REFUSED_US  = 2 * 1000 * 1000,  /* for a client that is over its limit to send the request that is answered with that */
};

/* own: the address is a load balancer's that names nobody, so nothing is held against it. */
static void
admit(struct connection *c, const char *client, bool own)
{
    struct http *h = c->http;

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

/* Longest without a step: one that sends no request, or a slow one. Who waits for an answer, or reads one, keeps its place. */
bool
clients_make_room(struct http *h)
{
    struct connection *c, *oldest = NULL;
    uint64_t           now_us = http_now_us(h);

    TAILQ_FOREACH(c, &h->connections, link)
        if (c->state == CONNECTION_READING && !c->limit.trusted && (oldest == NULL || c->since_us < oldest->since_us))
            oldest = c;
    if (oldest == NULL || now_us - oldest->since_us < IDLE_US)
        return false;
    metric_add(METRIC_LIMIT_SHED_TOTAL, 1);
    connection_doom(oldest);
    return true;
}

int
http_limit_clients(struct http *h, struct shared_table *table, uint32_t share)
{
    const struct limit_rules rules = { .protocol = "http", .sessions_per_address = h->config->http.connections_per_address };

    h->clients = limits_new(h->config, table, share, &rules);
    h->proxies = proxies_new(h->base, h->config, on_proxy_header, h);
    return h->clients == NULL || h->proxies == NULL ? MT_ENOMEM : MT_OK;
}
