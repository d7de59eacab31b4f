#include "checker/metrics_port.h"

#include "checker/settings.h"
#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>

enum {
    TIMEOUT_S       = 30,
    HEADERS_MAX     = 8192,
    BODY_MAX        = 1024,
    CONNECTIONS_MAX = 64,       /* the one that came first gives way: runs want the descriptors */
    ACCEPT_REST_S   = 1,        /* where there was no descriptor for another */
    STATUS_OK       = 200,
    STATUS_UNREADY  = 503,
};

struct metrics_port {
    struct evhttp            *http;
    struct evconnlistener    *listener;         /* part of it */
    struct event             *turn;             /* each ACCEPT_REST_S */
    struct metrics_port_hooks hooks;
    struct bufferevent       *fresh;            /* of a connection that evhttp is making */
    struct event             *adopting;
    struct evhttp_connection *connections[CONNECTIONS_MAX];     /* in the order in which they came */
    unsigned                  count;
};

/* ---- Connections ------------------------------------------------------------------------------------------------- */

static void
on_closed(struct evhttp_connection *connection, void *arg)
{
    struct metrics_port *p = arg;

    for (unsigned i = 0; i < p->count; i++)
        if (p->connections[i] == connection) {
            p->count--;
            memmove(&p->connections[i], &p->connections[i + 1], (p->count - i) * sizeof(p->connections[0]));
            return;
        }
}

/* evhttp has set the connection that it made as the argument of the bufferevent's callbacks; or has given it up. */
static void
adopt(struct metrics_port *p)
{
    struct bufferevent *fresh = p->fresh;
    void               *connection = NULL;

    if (fresh == NULL)
        return;
    p->fresh = NULL;
    bufferevent_getcb(fresh, NULL, NULL, NULL, &connection);
    bufferevent_decref(fresh);
    if (connection == NULL)
        return;
    if (p->count == CONNECTIONS_MAX)
        evhttp_connection_free(p->connections[0]);      /* on_closed takes it out */
    p->connections[p->count++] = connection;
    evhttp_connection_set_closecb(connection, on_closed, p);
}

static void
on_adopt(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    adopt(arg);
}

/* evhttp has accepted a connection and makes it of what is returned here, right after this. */
static struct bufferevent *
make_bufferevent(struct event_base *base, void *arg)
{
    struct metrics_port *p = arg;

    adopt(p);
    p->fresh = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (p->fresh != NULL)
        bufferevent_incref(p->fresh);
    event_active(p->adopting, EV_TIMEOUT, 0);
    return p->fresh;
}

/* Out of descriptors, most likely: trying again before on_turn would spin. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    log_warning("event=metrics-accept-failed reason=\"%s\"", strerror(errno));
    evconnlistener_disable(listener);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct metrics_port *p = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(p->listener);
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

static void
reply_text(struct evhttp_request *request, int status, const char *reason, const char *type, struct slice text)
{
    struct evbuffer *body = evbuffer_new();

    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Cache-Control", "no-store");
    if (body != NULL && text.len > 0)
        evbuffer_add(body, text.data, text.len);
    evhttp_send_reply(request, status, reason, body);
    if (body != NULL)
        evbuffer_free(body);
}

static void
on_metrics(struct evhttp_request *request, void *arg)
{
    struct metrics_port *p = arg;
    struct buf           text;

    buf_init(&text, METRICS_TEXT_MAX);
    p->hooks.write(p->hooks.arg, &text);
    if (text.fault == MT_OK)
        reply_text(request, STATUS_OK, "OK", "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
    else
        reply_text(request, STATUS_UNREADY, "Service Unavailable", "text/plain; charset=utf-8", slice_of("too many checks, or no memory\n"));
    buf_fini(&text);
}

static void
on_healthz(struct evhttp_request *request, void *arg)
{
    (void)arg;
    reply_text(request, STATUS_OK, "OK", "text/plain; charset=utf-8", slice_of("ok\n"));
}

static void
on_readyz(struct evhttp_request *request, void *arg)
{
    struct metrics_port *p = arg;
    const char          *reason = "";
    struct buf           text;
    bool                 ready = p->hooks.ready(p->hooks.arg, &reason);

    buf_init(&text, 1024);
    buf_printf(&text, "%.900s\n", ready ? "ready" : reason);
    reply_text(request, ready ? STATUS_OK : STATUS_UNREADY, ready ? "OK" : "Service Unavailable", "text/plain; charset=utf-8", buf_slice(&text));
    buf_fini(&text);
}

static void
on_other(struct evhttp_request *request, void *arg)
{
    (void)arg;
    reply_text(request, HTTP_NOTFOUND, "Not Found", "text/plain; charset=utf-8", slice_of("there are /metrics, /healthz and /readyz\n"));
}

/* ---- The port ----------------------------------------------------------------------------------------------------- */

static bool
bind_port(struct metrics_port *p, const char *listen)
{
    char                        host[ROUTE_HOST_BYTES];
    uint16_t                    port = 0;
    struct evhttp_bound_socket *bound;

    if (settings_parse_server(slice_of(listen), host, &port) != MT_OK || (bound = evhttp_bind_socket_with_handle(p->http, host, port)) == NULL)
        return false;
    p->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(p->listener, on_accept_error);
    return event_add(p->turn, &(struct timeval){ .tv_sec = ACCEPT_REST_S }) == 0;
}

int
metrics_port_open(struct event_base *base, const char *listen, const struct metrics_port_hooks *hooks, struct metrics_port **out)
{
    struct metrics_port *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return MT_ENOMEM;
    p->hooks = *hooks;
    p->http = evhttp_new(base);
    p->turn = event_new(base, -1, EV_PERSIST, on_turn, p);
    p->adopting = event_new(base, -1, 0, on_adopt, p);
    if (p->http == NULL || p->turn == NULL || p->adopting == NULL) {
        metrics_port_close(p);
        return MT_ENOMEM;
    }
    evhttp_set_timeout(p->http, TIMEOUT_S);
    evhttp_set_max_headers_size(p->http, HEADERS_MAX);
    evhttp_set_max_body_size(p->http, BODY_MAX);
    evhttp_set_allowed_methods(p->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_bevcb(p->http, make_bufferevent, p);
    evhttp_set_gencb(p->http, on_other, p);
    if (evhttp_set_cb(p->http, "/metrics", on_metrics, p) != 0 || evhttp_set_cb(p->http, "/healthz", on_healthz, p) != 0 ||
        evhttp_set_cb(p->http, "/readyz", on_readyz, p) != 0) {
        metrics_port_close(p);
        return MT_ENOMEM;
    }
    if (!bind_port(p, listen)) {
        log_error("event=metrics-listen address=\"%s\" reason=\"%s\"", LOG_TEXT(slice_of(listen)), strerror(errno));
        metrics_port_close(p);
        return MT_EIO;
    }
    *out = p;
    return MT_OK;
}

void
metrics_port_close(struct metrics_port *p)
{
    if (p == NULL)
        return;
    if (p->http != NULL)
        evhttp_free(p->http);
    if (p->fresh != NULL)
        bufferevent_decref(p->fresh);
    if (p->turn != NULL)
        event_free(p->turn);
    if (p->adopting != NULL)
        event_free(p->adopting);
    free(p);
}
