#include "checker/metrics_port.h"

#include "checker/settings.h"
#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>

enum { TIMEOUT_S = 30, HEADERS_MAX = 8192, BODY_MAX = 1024, STATUS_OK = 200, STATUS_UNREADY = 503 };

struct metrics_port {
    struct evhttp            *http;
    struct metrics_port_hooks hooks;
};

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

int
metrics_port_open(struct event_base *base, const char *listen, const struct metrics_port_hooks *hooks, struct metrics_port **out)
{
    struct metrics_port *p = calloc(1, sizeof(*p));
    char                 host[ROUTE_HOST_BYTES];
    uint16_t             port = 0;

    if (p == NULL || (p->http = evhttp_new(base)) == NULL) {
        free(p);
        return MT_ENOMEM;
    }
    p->hooks = *hooks;
    evhttp_set_timeout(p->http, TIMEOUT_S);
    evhttp_set_max_headers_size(p->http, HEADERS_MAX);
    evhttp_set_max_body_size(p->http, BODY_MAX);
    evhttp_set_allowed_methods(p->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(p->http, on_other, p);
    if (evhttp_set_cb(p->http, "/metrics", on_metrics, p) != 0 || evhttp_set_cb(p->http, "/healthz", on_healthz, p) != 0 ||
        evhttp_set_cb(p->http, "/readyz", on_readyz, p) != 0) {
        metrics_port_close(p);
        return MT_ENOMEM;
    }
    if (settings_parse_server(slice_of(listen), host, &port) != MT_OK || evhttp_bind_socket(p->http, host, port) != 0) {
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
    evhttp_free(p->http);
    free(p);
}
