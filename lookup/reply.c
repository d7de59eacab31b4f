/* reply - the sending half of http.h. */
#include "lookup/connection.h"

#include "lib/error.h"
#include "lib/emit.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/rfc3339.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum { DETAIL_BYTES = 512, PROBLEM_BYTES = 4096 };

static const struct {
    unsigned    status;
    const char *phrase;
} phrases[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 204, "No Content" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 409, "Conflict" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
};

static const char *
phrase_of(unsigned status)
{
    for (size_t i = 0; i < COUNT(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    assert(!"a status that has no phrase");
    return "";
}

/* Taken anew for each answer: who asks bounds the difference of our clocks by it. */
static void
put_time(struct exchange *x)
{
    char            text[RFC3339_TEXT_BYTES];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    rfc3339_text_us((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, text);
    reply_header(x, "Mailtest-Time", text);
}

/* Made once a second. */
static const char *
date_text(struct http *h)
{
    int64_t   now = (int64_t)(http_now_us(h) / 1000000);
    time_t    t = (time_t)now;
    struct tm tm;

    if (now != h->date_unix && gmtime_r(&t, &tm) != NULL) {
        evutil_date_rfc1123(h->date, sizeof(h->date), &tm);
        h->date_unix = now;
    }
    return h->date;
}

void
reply_header(struct exchange *x, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(x->req), name, value);
}

static void
log_reply(const struct exchange *x, struct http *h)
{
    static const char *const names[] = { "GET", "POST", "HEAD", "other", "DELETE" };
    unsigned                 bit = (unsigned)__builtin_ctz(x->method);

    if (log_enabled(LOG_LEVEL_DEBUG))
        log_debug("event=http method=%s path=\"%s\" status=%u took_us=%llu", names[bit < COUNT(names) ? bit : 3], LOG_TEXT(x->path),
                  x->status, (unsigned long long)(http_now_us(h) - x->begun_us));
}

/* Sends status and header; length -1: unknown. */
static void
send_header(struct exchange *x, unsigned status, const char *content_type, int64_t length)
{
    struct connection *c = x->connection;
    char               text[24];

    assert(x->req != NULL && x->status == 0);
    x->status = status;
    if (status >= 400)
        metric_add(METRIC_LOOKUP_ERRORS_TOTAL, 1);
    if (content_type != NULL)
        reply_header(x, "Content-Type", content_type);
    if (length >= 0) {
        snprintf(text, sizeof(text), "%lld", (long long)length);
        reply_header(x, "Content-Length", text);
    }
    reply_header(x, "Date", date_text(c->http));
    if (slice_starts(x->path, "/v1/"))
        put_time(x);
    reply_header(x, "Cache-Control", "no-store");
    reply_header(x, "X-Content-Type-Options", "nosniff");
    if (x->is_last || c->http->draining || (length < 0 && x->req->major == 1 && x->req->minor == 0))
        reply_header(x, "Connection", "close");
    connection_replying(c);
    evhttp_send_reply_start(x->req, (int)status, phrase_of(status));
    log_reply(x, c->http);
}

/*
 * Hands what is there to the kernel now. Without this it would go out in the next turn of the loop, which costs a look-up three
 * more system calls. What the kernel does not take, and any error, is left to that next turn.
 */
static void
send_now(struct connection *c)
{
    struct evbuffer *output = bufferevent_get_output(c->bev);

    if (c->tls)
        return;
    evbuffer_unfreeze(output, 1);       /* a bufferevent keeps the front of its output to itself */
    evbuffer_write(output, bufferevent_getfd(c->bev));
    evbuffer_freeze(output, 1);
}

void
reply_send(struct exchange *x, unsigned status, const char *content_type, struct slice body)
{
    struct connection *c = x->connection;

    x->gone = NULL;
    send_header(x, status, content_type, status == 204 ? -1 : (int64_t)body.len);
    if (x->method != METHOD_HEAD && body.len > 0)
        bufferevent_write(c->bev, body.data, body.len);
    send_now(c);
    evhttp_send_reply_end(x->req);      /* at once, when all was sent */
}

void
reply_empty(struct exchange *x)
{
    reply_send(x, 204, NULL, slice_make(NULL, 0));
}

static void __attribute__((format(printf, 3, 0)))
send_problem(struct exchange *x, unsigned status, const char *format, va_list args)
{
    char        detail[DETAIL_BYTES];
    struct buf  body;
    struct emit j;

    vsnprintf(detail, sizeof(detail), format, args);
    buf_init(&body, PROBLEM_BYTES);
    emit_init(&j, &body);
    emit_object(&j, NULL);
    emit_string(&j, "type", "about:blank");
    emit_string(&j, "title", phrase_of(status));
    emit_u64(&j, "status", status);
    emit_string(&j, "detail", detail);
    emit_object_end(&j);
    reply_send(x, status, "application/problem+json", buf_slice(&body));
    buf_fini(&body);
}

void
reply_problem(struct exchange *x, unsigned status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    send_problem(x, status, format, args);
    va_end(args);
}

void
reply_busy(struct exchange *x, unsigned retry_s, const char *format, ...)
{
    va_list args;
    char    text[12];

    snprintf(text, sizeof(text), "%u", retry_s);
    reply_header(x, "Retry-After", text);
    va_start(args, format);
    send_problem(x, 503, format, args);
    va_end(args);
}

/* ---- In pieces ------------------------------------------------------------------------------------------------------ */

static void
on_drained(struct evhttp_connection *evcon, void *arg)
{
    struct connection *c = arg;

    (void)evcon;
    if (c->exchange.drained != NULL)
        c->exchange.drained(c->exchange.owner);
}

void
reply_begin(struct exchange *x, unsigned status, const char *content_type, int64_t length, exchange_drained_fn *drained)
{
    assert(x->gone != NULL);
    x->drained = drained;
    send_header(x, status, content_type, length);
}

void
reply_piece(struct exchange *x, struct slice piece)
{
    struct connection *c = x->connection;
    struct evbuffer   *data = evbuffer_new();

    if (data == NULL || evbuffer_add(data, piece.data, piece.len) != 0)
        connection_doom(c);
    else
        evhttp_send_reply_chunk_with_cb(x->req, data, on_drained, c);
    if (data != NULL)
        evbuffer_free(data);
}

size_t
reply_pending(const struct exchange *x)
{
    return evbuffer_get_length(bufferevent_get_output(x->connection->bev));
}

void
reply_end(struct exchange *x)
{
    x->gone = NULL;
    x->drained = NULL;
    evhttp_send_reply_end(x->req);
}

void
reply_abort(struct exchange *x)
{
    x->gone = NULL;
    x->drained = NULL;
    connection_doom(x->connection);
}
