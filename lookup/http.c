#include "lookup/connection.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/tls_protocol.h"
#include "lookup/framing.h"

#include <assert.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum {
    TICK_S      = 1,
    FULL_LOOK_US = 20 * 1000,
    HELD_BYTES  = 4096,         /* what a client may send on while its request is held */
    SLACK_BYTES = 64 * 1024,    /* what evhttp reads beyond our own limits, so that we can say what was too large */
};

uint64_t
http_now_us(const struct http *h)
{
    struct timeval now;

    event_base_gettimeofday_cached(h->base, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

unsigned
http_connections(const struct http *h)
{
    return h->count;
}

/* ---- The life of a connection ------------------------------------------------------------------------------------ */

static void
enter_state(struct connection *c, enum connection_state state)
{
    c->state = state;
    c->since_us = http_now_us(c->http);
}

/*
 * Behind all that is ready now: an event of a higher priority would have the loop ask the kernel again for what is ready, which takes as long as there
 * are connections that are, for each one that ends.
 */
static void
schedule_sweep(struct http *h)
{
    event_active(h->sweep, EV_TIMEOUT, 0);
}

void
connection_doom(struct connection *c)
{
    c->doomed = true;
    c->http->doomed = true;
    schedule_sweep(c->http);
}

/* A request has begun to come in, and ends to. */
static void
begin_receiving(struct connection *c)
{
    clients_handshake_done(c);
    c->begun = true;
    TAILQ_INSERT_TAIL(&c->http->receiving, c, begins);
}

static void
end_receiving(struct connection *c)
{
    if (c->begun)
        TAILQ_REMOVE(&c->http->receiving, c, begins);
    c->begun = false;
}

/* Something was added to or taken from what the client sent. What evhttp moves on to its request counts until that is complete. */
static void
on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *c = arg;

    (void)buffer;
    if (info->n_added == 0)
        return;
    c->buffered += info->n_added;
    c->http->buffered += info->n_added;
    if (!c->begun && c->state <= CONNECTION_READING) {
        begin_receiving(c);
        c->since_us = http_now_us(c->http);
    }
    if (c->http->buffered > HTTP_BUFFERED_MAX_BYTES && !c->doomed)
        clients_receive_less(c);
}

/* A whole request, since evhttp takes a body out of the input only when all of it is there. */
static size_t
input_max_bytes(const struct http *h)
{
    return (size_t)h->config->http.body_max_bytes + h->config->http.header_max_bytes + 2 * SLACK_BYTES;
}

/*
 * evhttp has accepted a connection and wants a bufferevent for it, but lets nobody know the connection before its first request is
 * complete. It makes the connection right after this and sets it as the argument of the bufferevent's callbacks, where adopt() finds
 * it at the end of this turn, before anything can have been read. Without memory for a struct this small there is nothing left to
 * serve with.
 */
static struct bufferevent *
make_bufferevent(struct http *h, bool tls)
{
    struct connection *c = calloc(1, sizeof(*c));
    SSL               *ssl = NULL;

    if (c == NULL || (tls && (ssl = SSL_new(h->tls_context)) == NULL))
        abort();
    if (tls)
        tls_protocol_set(ssl, "http/1.1");
    c->bev = tls ? bufferevent_openssl_socket_new(h->base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
                 : bufferevent_socket_new(h->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL)
        abort();
    if (tls)
        bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    c->http = h;
    c->tls = tls;
    enter_state(c, CONNECTION_FRESH);
    bufferevent_incref(c->bev);     /* until adopted: evhttp may fail and free it */
    bufferevent_setwatermark(c->bev, EV_READ, 0, input_max_bytes(h));
    evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
    TAILQ_INSERT_TAIL(&h->fresh, c, fresh);
    h->count++;
    event_active(h->adopt, EV_TIMEOUT, 0);
    return c->bev;
}

static struct bufferevent *
make_plain(struct event_base *base, void *arg)
{
    (void)base;
    return make_bufferevent(arg, false);
}

static struct bufferevent *
make_secure(struct event_base *base, void *arg)
{
    (void)base;
    return make_bufferevent(arg, true);
}

static void
index_connection(struct http *h, struct connection *c, int fd)
{
    if ((size_t)fd >= h->by_fd_size) {
        size_t              size = (size_t)fd * 2 + 64;
        struct connection **more = realloc(h->by_fd, size * sizeof(struct connection *));

        if (more == NULL)
            abort();
        memset(more + h->by_fd_size, 0, (size - h->by_fd_size) * sizeof(struct connection *));
        h->by_fd = more;
        h->by_fd_size = size;
    }
    h->by_fd[fd] = c;
}

/* evhttp ends the connection, for whatever reason. A request that it took the connection from is ours to free. */
static void
connection_closed(struct evhttp_connection *evcon, void *arg)
{
    struct connection *c = arg;
    struct http       *h = c->http;
    struct exchange   *x = &c->exchange;
    exchange_gone_fn  *gone = x->gone;

    assert(c->evcon == evcon);
    h->by_fd[bufferevent_getfd(c->bev)] = NULL;
    clients_gone(c);
    clients_handshake_done(c);
    end_receiving(c);
    h->buffered -= c->buffered;
    h->count--;
    TAILQ_REMOVE(&h->connections, c, link);
    TAILQ_INSERT_TAIL(&h->dead, c, link);
    enter_state(c, CONNECTION_CLOSED);
    c->evcon = NULL;
    c->bev = NULL;
    x->gone = NULL;
    if (gone != NULL)
        gone(x->owner);
    if (x->req != NULL && evhttp_request_get_connection(x->req) == NULL)
        evhttp_request_free(x->req);
    x->req = NULL;
    schedule_sweep(h);
}

static void
adopt(struct http *h, struct connection *c)
{
    int   on = 1, fd;
    void *arg = NULL;

    TAILQ_REMOVE(&h->fresh, c, fresh);
    bufferevent_getcb(c->bev, NULL, NULL, NULL, &arg);
    assert(TAILQ_FIRST(&h->fresh) != c);
    if (arg == NULL) {              /* evhttp gave it up */
        bufferevent_decref(c->bev);
        h->buffered -= c->buffered;
        h->count--;
        free(c);
        return;
    }
    c->evcon = arg;
    assert(evhttp_connection_get_bufferevent(c->evcon) == c->bev);
    evhttp_connection_set_closecb(c->evcon, connection_closed, c);
    fd = bufferevent_getfd(c->bev);
    bufferevent_decref(c->bev);
    index_connection(h, c, fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));      /* fails on a Unix socket, which needs none */
    TAILQ_INSERT_TAIL(&h->connections, c, link);
    c->state = CONNECTION_READING;
    if (c->tls)
        clients_handshake(c);
    clients_arrived(c);
}

static void
end_connection(struct connection *c)
{
    evhttp_connection_free(c->evcon);       /* calls connection_closed */
}

static void
pause_or_resume(struct http *h)
{
    const struct timeval again = { .tv_usec = FULL_LOOK_US };
    bool                 full = h->count >= h->limit;

    if (full && !h->draining)       /* some may give way a little later */
        event_add(h->adopt, &again);
    if (full == h->paused || h->draining)
        return;
    h->paused = full;
    if (full)
        log_warning("event=http-connections-full limit=%u", h->limit);
    for (unsigned i = 0; i < h->listener_count; i++)
        (full ? evconnlistener_disable : evconnlistener_enable)(h->listeners[i].accept);
}

/* Runs for each of the connections that want it, also when that ends them. */
static void
for_each(struct http *h, void (*run)(struct connection *c))
{
    for (struct connection *c = TAILQ_FIRST(&h->connections), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        run(c);
    }
}

static void
end_doomed(struct connection *c)
{
    if (c->doomed)
        end_connection(c);
}

static void
free_dead(struct http *h)
{
    struct connection *c;

    while ((c = TAILQ_FIRST(&h->dead)) != NULL) {
        TAILQ_REMOVE(&h->dead, c, link);
        assert(TAILQ_FIRST(&h->dead) != c);
        free(c);
    }
}

static void
on_adopt(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;

    (void)fd, (void)what;
    while (!TAILQ_EMPTY(&h->fresh))
        adopt(h, TAILQ_FIRST(&h->fresh));
    if (h->count >= h->limit)
        clients_make_room(h);
    pause_or_resume(h);
    if (h->count == 0)
        schedule_sweep(h);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;

    (void)fd, (void)what;
    if (h->doomed) {
        h->doomed = false;
        for_each(h, end_doomed);
    }
    free_dead(h);
    pause_or_resume(h);
    if (h->count == 0 && h->on_empty != NULL) {
        http_empty_fn *on_empty = h->on_empty;

        h->on_empty = NULL;
        on_empty(h->on_empty_arg);
    }
}

/* A time limit holds for a request as a whole, for the pause between two, and for each step in sending. Who is held waits for us. */
static void
check_time(struct connection *c)
{
    uint64_t now_us = http_now_us(c->http), limit_us = clients_time_us(c);
    size_t   unsent;

    if (c->state == CONNECTION_REPLYING) {
        unsent = evbuffer_get_length(bufferevent_get_output(c->bev));
        if (unsent == 0 || unsent != c->unsent)
            c->since_us = now_us;
        c->unsent = unsent;
    } else if (c->state != CONNECTION_READING) {
        return;
    }
    if (now_us - c->since_us <= limit_us)
        return;
    log_debug("event=http-timeout state=%s", c->state == CONNECTION_REPLYING ? "sending" : c->begun ? "receiving" : "idle");
    end_connection(c);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;

    (void)fd, (void)what;
    for_each(h, check_time);
    for (unsigned i = 0; i < h->listener_count && !h->paused && !h->draining; i++)
        evconnlistener_enable(h->listeners[i].accept);  /* one may have stopped in on_accept_error */
}

/* ---- Requests ------------------------------------------------------------------------------------------------------ */

/* The reply was handed to the kernel; the next request may come, or be there already. */
static void
on_sent(struct evhttp_request *req, void *arg)
{
    struct connection *c = arg;

    (void)req;
    c->exchange.req = NULL;
    c->unsent = 0;
    if (c->narrow)
        bufferevent_setwatermark(c->bev, EV_READ, 0, input_max_bytes(c->http));
    c->narrow = false;
    enter_state(c, CONNECTION_READING);
    if (c->buffered > 0)
        begin_receiving(c);
    if (c->http->draining)          /* its header was sent before that was known */
        connection_doom(c);
}

/* Picks out the fields that matter; returns the octets of all. */
static size_t
take_headers(struct evhttp_request *req, struct http_request *out)
{
    struct evkeyval *field;
    size_t           total = 0;

    for (field = TAILQ_FIRST(evhttp_request_get_input_headers(req)); field != NULL; field = TAILQ_NEXT(field, next)) {
        struct slice name = slice_of(field->key), value = slice_of(field->value);

        total += name.len + value.len + 4;
        if (slice_equal_nocase(name, slice_make("Authorization", 13)))
            out->authorization = value;
        else if (slice_equal_nocase(name, slice_make("Accept", 6)))
            out->accept = value;
        else if (slice_equal_nocase(name, slice_make("Last-Event-ID", 13)))
            out->last_event_id = value;
    }
    return total;
}

static void
take_target(struct evhttp_request *req, struct http_request *out)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);

    out->path = slice_of(evhttp_uri_get_path(uri));
    out->query = slice_of(evhttp_uri_get_query(uri));
}

static void
on_request(struct evhttp_request *req, void *arg)
{
    struct http              *h = arg;
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    int                       fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));
    struct connection        *c = (size_t)fd < h->by_fd_size ? h->by_fd[fd] : NULL;
    struct evbuffer          *body = evhttp_request_get_input_buffer(req);
    struct http_request       request = { .method = METHOD_OTHER };
    size_t                    header_bytes;
    struct framing            framing;

    assert(c != NULL && c->evcon == evcon && c->exchange.req == NULL);
    h->buffered -= c->buffered;
    c->buffered = evbuffer_get_length(bufferevent_get_input(c->bev));   /* of the next request, if the client did not wait */
    h->buffered += c->buffered;
    if ((evhttp_request_get_command(req) & (METHOD_GET | METHOD_POST | METHOD_HEAD | METHOD_DELETE)) != 0)
        request.method = (enum http_method)evhttp_request_get_command(req);
    take_target(req, &request);
    header_bytes = take_headers(req, &request);
    request.body = slice_make(evbuffer_pullup(body, -1), evbuffer_get_length(body));
    framing = framing_check(req, evhttp_request_get_input_headers(req), request.body.len);
    c->exchange = (struct exchange){
        .connection = c,
        .req = req,
        .method = request.method,
        .path = request.path,
        .begun_us = http_now_us(h),
        .is_last = framing.is_last,
    };
    end_receiving(c);
    enter_state(c, CONNECTION_REPLYING);
    evhttp_request_set_on_complete_cb(req, on_sent, c);
    metric_add(METRIC_LOOKUP_REQUESTS_TOTAL, 1);

    if (clients_refuse(c))
        return;
    if (framing.fault != NULL)
        reply_problem(&c->exchange, 400, "it cannot be told where the request ends, or for whom it is: %s", framing.fault);
    else if (request.path.len + request.query.len > HTTP_TARGET_MAX_BYTES)
        reply_problem(&c->exchange, 414, "the request's target is longer than %u octets", HTTP_TARGET_MAX_BYTES);
    else if (header_bytes > h->config->http.header_max_bytes)
        reply_problem(&c->exchange, 431, "the header is longer than %u octets (http.header_max_bytes)",
                      h->config->http.header_max_bytes);
    else if (request.body.len > h->config->http.body_max_bytes)
        reply_problem(&c->exchange, 413, "the body is longer than %u octets (http.body_max_bytes)", h->config->http.body_max_bytes);
    else
        h->handler(h->handler_arg, &c->exchange, &request);
}

/*
 * evhttp has stopped reading. Reading again, without a callback for what is read, is how it learns that the client has gone;
 * what else the client sends is bounded.
 */
void
exchange_hold(struct exchange *x, exchange_gone_fn *gone, void *owner)
{
    struct connection   *c = x->connection;
    bufferevent_data_cb  on_write;
    bufferevent_event_cb on_event;
    void                *arg;

    assert(c->state == CONNECTION_REPLYING && x->status == 0 && x->gone == NULL);
    x->gone = gone;
    x->owner = owner;
    enter_state(c, CONNECTION_HELD);
    bufferevent_getcb(c->bev, NULL, &on_write, &on_event, &arg);
    bufferevent_setcb(c->bev, NULL, on_write, on_event, arg);
    bufferevent_setwatermark(c->bev, EV_READ, 0, HELD_BYTES);
    c->narrow = true;
    bufferevent_enable(c->bev, EV_READ);
}

void
connection_replying(struct connection *c)
{
    enter_state(c, CONNECTION_REPLYING);
}

/* ---- The server ---------------------------------------------------------------------------------------------------- */

static struct evhttp *
make_evhttp(struct http *h, bool tls)
{
    struct evhttp *e = evhttp_new(h->base);

    if (e == NULL)
        return NULL;
    evhttp_set_max_headers_size(e, (ev_ssize_t)h->config->http.header_max_bytes + SLACK_BYTES);
    evhttp_set_max_body_size(e, (ev_ssize_t)h->config->http.body_max_bytes + SLACK_BYTES);
    evhttp_set_flags(e, EVHTTP_SERVER_LINGERING_CLOSE);     /* so that a client that sends too much reads why */
    evhttp_set_default_content_type(e, NULL);
    evhttp_set_allowed_methods(e, UINT16_MAX);              /* the routes know which; evhttp would answer in HTML */
    evhttp_set_bevcb(e, tls ? make_secure : make_plain, h);
    evhttp_set_gencb(e, on_request, h);
    return e;
}

struct http *
http_new(struct event_base *base, const struct config *config, SSL_CTX *tls_context, http_handler_fn *handler, void *arg)
{
    struct http          *h = calloc(1, sizeof(*h));
    const struct timeval  second = { TICK_S, 0 };

    if (h == NULL)
        return NULL;
    *h = (struct http){ .base = base, .config = config, .tls_context = tls_context, .handler = handler, .handler_arg = arg };
    TAILQ_INIT(&h->connections);
    TAILQ_INIT(&h->fresh);
    TAILQ_INIT(&h->dead);
    TAILQ_INIT(&h->receiving);
    TAILQ_INIT(&h->handshakes);
    h->limit = config->http.waiting_max + config->http.streams_max + HTTP_CONNECTIONS_SPARE;
    h->adopt = event_new(base, -1, 0, on_adopt, h);
    h->sweep = event_new(base, -1, 0, on_sweep, h);
    h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
    h->plain = make_evhttp(h, false);
    h->secure = tls_context == NULL ? NULL : make_evhttp(h, true);
    if (h->adopt == NULL || h->sweep == NULL || h->tick == NULL || h->plain == NULL || (tls_context != NULL && h->secure == NULL) ||
        event_priority_set(h->adopt, 0) != 0 || event_add(h->tick, &second) != 0) {
        http_free(h);
        return NULL;
    }
    return h;
}

void
http_free(struct http *h)
{
    if (h == NULL)
        return;
    while (!TAILQ_EMPTY(&h->fresh))
        adopt(h, TAILQ_FIRST(&h->fresh));
    if (h->plain != NULL)
        evhttp_free(h->plain);
    if (h->secure != NULL)
        evhttp_free(h->secure);
    free_dead(h);
    proxies_free(h->proxies);
    limits_free(h->clients);
    if (h->adopt != NULL)
        event_free(h->adopt);
    if (h->sweep != NULL)
        event_free(h->sweep);
    if (h->tick != NULL)
        event_free(h->tick);
    free(h->by_fd);
    free(h);
}

/* Out of descriptors, most likely: trying again before the next tick would spin. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    log_warning("event=http-accept-failed reason=\"%s\"", strerror(errno));
    evconnlistener_disable(listener);
}

int
http_listen(struct http *h, int fd, bool tls)
{
    struct http_listener *listener = &h->listeners[h->listener_count];

    assert(!tls || h->secure != NULL);
    if (h->listener_count == HTTP_LISTENERS_MAX)
        return MT_EFULL;
    listener->evhttp = tls ? h->secure : h->plain;
    listener->bound = evutil_make_socket_nonblocking(fd) == 0 ? evhttp_accept_socket_with_handle(listener->evhttp, fd) : NULL;
    if (listener->bound == NULL)
        return MT_ENOMEM;
    listener->accept = evhttp_bound_socket_get_listener(listener->bound);
    evconnlistener_set_error_cb(listener->accept, on_accept_error);
    h->listener_count++;
    return MT_OK;
}

static void
end_idle(struct connection *c)
{
    if (c->state == CONNECTION_READING && !c->begun)
        end_connection(c);
}

void
http_drain(struct http *h, http_empty_fn *on_empty, void *arg)
{
    h->draining = true;
    h->on_empty = on_empty;
    h->on_empty_arg = arg;
    while (h->listener_count > 0) {
        struct http_listener *listener = &h->listeners[--h->listener_count];

        evhttp_del_accept_socket(listener->evhttp, listener->bound);
    }
    for_each(h, end_idle);
    schedule_sweep(h);
}
