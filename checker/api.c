#include "checker/api.h"

#include "checker/clock.h"
#include "lib/display.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define ANSWER_LIMIT_BYTES (4u * 1024 * 1024)
#define UNIX_PREFIX        "unix:"
#define TIME_FIELD         "Mailtest-Time:"

enum {
    HANDLES_KEPT     = 32,      /* idle ones */
    PROBLEM_MAX      = 4096,    /* octets of a stream's answer that is an error */
    KEEP_ALIVE_S     = 30,      /* of TCP, for a stream whose other end is gone */
};

/* How a call counts. */
enum call_kind {
    CALL_SHORT,         /* answered at once: API_CALLS_MAX of them are under way */
    CALL_WAITING,       /* held by the service for a while */
    CALL_STREAM,
};

struct api_call {
    TAILQ_ENTRY(api_call) link;         /* of those that wait their turn */
    struct api           *api;
    enum call_kind        kind;
    bool                  queued;
    struct curl_transfer  transfer;
    api_done_fn          *done;
    void                 *arg;
    api_octets_fn        *octets;       /* CALL_STREAM */
    struct curl_slist    *headers;      /* of its own; NULL: those of all */
    struct buf            answer;
    char                  curl_error[CURL_ERROR_SIZE];
    uint64_t              asked_us;
    uint64_t              service_us;   /* the service's time at its answer; 0: not told */
};

struct api {
    struct curl_loop   *loop;
    struct api_settings settings;
    struct curl_slist  *headers;
    struct offset       clock;
    unsigned            under_way;      /* of CALL_SHORT */
    CURL               *idle[HANDLES_KEPT];
    unsigned            idle_count;
    TAILQ_HEAD(call_queue, api_call) queue;
};

bool
api_url_is_fit(const char *url)
{
    struct slice s = slice_of(url);

    return (slice_starts_nocase(s, "http://") && s.len > 7) || (slice_starts_nocase(s, "https://") && s.len > 8) ||
           (slice_starts(s, UNIX_PREFIX "/") && s.len > 6);
}

struct api *
api_new(struct curl_loop *loop, const struct api_settings *settings)
{
    struct api        *a = calloc(1, sizeof(*a));
    struct curl_slist *more;
    size_t             size = strlen(settings->key) + 32;
    char              *line = malloc(size);

    if (a == NULL || line == NULL) {
        free(a);
        free(line);
        return NULL;
    }
    *a = (struct api){ .loop = loop, .settings = *settings };
    TAILQ_INIT(&a->queue);
    a->settings.key = NULL;
    snprintf(line, size, "Authorization: Bearer %s", settings->key);
    a->headers = curl_slist_append(NULL, line);
    sodium_memzero(line, size);
    free(line);
    more = a->headers == NULL ? NULL : curl_slist_append(a->headers, "Content-Type: application/json");
    if (more == NULL) {
        api_free(a);
        return NULL;
    }
    return a;
}

void
api_free(struct api *a)
{
    if (a == NULL)
        return;
    if (a->headers != NULL)
        sodium_memzero(a->headers->data, strlen(a->headers->data));
    curl_slist_free_all(a->headers);
    while (a->idle_count > 0)
        curl_easy_cleanup(a->idle[--a->idle_count]);
    free(a);
}

const struct offset *
api_clock(const struct api *a)
{
    return &a->clock;
}

bool
api_is_hopeless(const struct api_reply *reply)
{
    return reply->status == 400 || reply->status == 401 || reply->status == 403 || reply->status == 404 || reply->status == 405;
}

/* ---- One call ---------------------------------------------------------------------------------------------------- */

static void start_next(struct api *a);

static CURL *
handle_take(struct api *a)
{
    return a->idle_count > 0 ? a->idle[--a->idle_count] : curl_easy_init();
}

/* Back to the idle ones, without its settings. */
static void
handle_give(struct api *a, CURL *easy)
{
    if (easy == NULL)
        return;
    if (a->idle_count == HANDLES_KEPT) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    a->idle[a->idle_count++] = easy;
}

static void
call_free(struct api_call *c)
{
    struct api *a = c->api;

    if (c->queued)
        TAILQ_REMOVE(&a->queue, c, link);
    else if (c->kind == CALL_SHORT)
        a->under_way--;
    curl_loop_remove(a->loop, &c->transfer);
    handle_give(a, c->transfer.easy);
    for (struct curl_slist *line = c->headers; line != NULL; line = line->next)
        sodium_memzero(line->data, strlen(line->data));     /* the key is among them */
    curl_slist_free_all(c->headers);
    buf_fini(&c->answer);
    free(c);
}

void
api_cancel(struct api_call *c)
{
    struct api *a;

    if (c == NULL)
        return;
    a = c->api;
    call_free(c);
    start_next(a);
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
    struct api_call *c = arg;
    long             status = 0;

    if (c->octets != NULL)
        curl_easy_getinfo(c->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        c->octets(c->arg, slice_make(data, size * count));
        return size * count;
    }
    return buf_append(&c->answer, data, size * count) == MT_OK ? size * count : 0;
}

/* Of the fields the service's time alone is of use. */
static size_t
on_field(char *data, size_t size, size_t count, void *arg)
{
    struct api_call *c = arg;
    struct slice     line = slice_make(data, size * count);
    uint64_t         us;

    if (slice_starts_nocase(line, TIME_FIELD) &&
        rfc3339_parse(slice_trim(slice_sub(line, strlen(TIME_FIELD), line.len)), &us) == MT_OK)
        c->service_us = us;
    return size * count;
}

static void
put_reason(struct api_reply *reply, const char *text)
{
    struct buf safe;

    buf_init(&safe, API_REASON_BYTES * 4);
    display_text(&safe, slice_of(text), 240);
    slice_copy(reply->reason, sizeof(reply->reason), buf_slice(&safe));
    buf_fini(&safe);
}

/* What a problem document (RFC 9457) says, or the status alone. */
static void
explain_status(struct api_reply *reply, const json_t *body)
{
    const char *title = json_string_value(json_object_get(body, "title"));
    const char *detail = json_string_value(json_object_get(body, "detail"));
    char        text[API_REASON_BYTES];

    snprintf(text, sizeof(text), "HTTP %u%s%.100s%s%.160s", reply->status, title != NULL ? " " : "", title != NULL ? title : "",
             detail != NULL ? ": " : "", detail != NULL ? detail : "");
    put_reason(reply, text);
}

static void
explain_transfer(struct api_call *c, CURLcode result, struct api_reply *reply)
{
    if (c->answer.fault != MT_OK)
        put_reason(reply, "the answer is too long");
    else if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY)
        put_reason(reply, "what answers there does not speak HTTP: is this the address of a Mailtest?");
    else
        put_reason(reply, c->curl_error[0] != '\0' ? c->curl_error : curl_easy_strerror(result));
}

/* A whole answer. Returns its body, which the caller owns. */
static json_t *
read_answer(struct api_call *c, struct api_reply *reply)
{
    json_t *body = NULL;

    if (c->answer.len > 0)
        body = json_loadb(c->answer.data, c->answer.len, JSON_ALLOW_NUL, NULL);
    if (reply->status < 200 || reply->status >= 300)
        explain_status(reply, body);
    else if (c->kind == CALL_STREAM)
        put_reason(reply, "the service ended the stream of events");
    else if (!json_is_object(body))
        put_reason(reply, "the answer is no JSON object: is this the address of a Mailtest service?");
    else
        reply->body = body;
    return body;
}

static void
on_done(void *arg, CURLcode result)
{
    struct api_call *c = arg;
    struct api      *a = c->api;
    struct api_reply reply = { .asked_us = c->asked_us, .answered_us = monotonic_us() };
    json_t          *body = NULL;
    long             status = 0;

    curl_easy_getinfo(c->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->answer.fault != MT_OK || result != CURLE_OK) {
        explain_transfer(c, result, &reply);
    } else {
        reply.status = (unsigned)status;
        body = read_answer(c, &reply);
    }
    if (c->kind != CALL_STREAM)
        offset_take(&a->clock, c->service_us, reply.asked_us, reply.answered_us);
    c->done(c->arg, &reply);
    json_decref(body);
    call_free(c);
    start_next(a);
}

static bool
is_unix(const struct api *a)
{
    return slice_starts(slice_of(a->settings.url), UNIX_PREFIX);
}

/* Nothing limits it: who reads it looks after silence. */
static void
set_stream_options(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEP_ALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEP_ALIVE_S);
}

static void
set_options(struct api_call *c, const char *method, const char *url, uint32_t wait_ms)
{
    const struct api_settings *s = &c->api->settings;
    CURL                      *easy = c->transfer.easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");      /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers != NULL ? c->headers : c->api->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mailtest-check/" MAILTEST_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout_ms);
    if (c->kind == CALL_STREAM)
        set_stream_options(easy);
    else
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms + (long)wait_ms);
    if (is_unix(c->api))
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, s->url + strlen(UNIX_PREFIX));
    if (s->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file);
    if (s->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* Sets up all but its place in the queue. */
static struct api_call *
call_new(struct api *a, enum call_kind kind, api_done_fn *done, void *arg)
{
    struct api_call *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct api_call){ .api = a, .kind = kind, .done = done, .arg = arg };
    buf_init(&c->answer, kind == CALL_STREAM ? PROBLEM_MAX : ANSWER_LIMIT_BYTES);
    c->transfer = (struct curl_transfer){ .easy = handle_take(a), .done = on_done, .arg = c };
    if (c->transfer.easy == NULL) {
        free(c);
        return NULL;
    }
    c->queued = kind == CALL_SHORT;
    if (c->queued)
        TAILQ_INSERT_TAIL(&a->queue, c, link);
    return c;
}

/* The next that waits its turn. Where libcurl has no memory for it, it waits on, for the next end or beginning of a call. */
static void
start_next(struct api *a)
{
    struct api_call *c = TAILQ_FIRST(&a->queue);

    if (c == NULL || a->under_way >= API_CALLS_MAX)
        return;
    c->asked_us = monotonic_us();
    if (curl_loop_add(a->loop, &c->transfer) != MT_OK)
        return;
    TAILQ_REMOVE(&a->queue, c, link);
    c->queued = false;
    a->under_way++;
}

/* Sends it off, or leaves it in the queue. NULL: out of memory; it was freed. */
static struct api_call *
call_start(struct api_call *c, const char *method, const char *path, struct slice body, uint32_t wait_ms)
{
    struct api  *a = c->api;
    struct slice base = is_unix(a) ? slice_of("http://localhost") : slice_of(a->settings.url);
    char        *url;

    while (slice_ends_nocase(base, "/"))
        base.len--;
    if (asprintf(&url, "%.*s%s", (int)base.len, base.data, path) == -1) {
        call_free(c);
        return NULL;
    }
    set_options(c, method, url, wait_ms);
    free(url);
    if (body.len > 0) {
        curl_easy_setopt(c->transfer.easy, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(c->transfer.easy, CURLOPT_COPYPOSTFIELDS, body.data);
    }
    if (c->kind == CALL_SHORT) {
        start_next(a);
        return c;
    }
    c->asked_us = monotonic_us();
    if (curl_loop_add(a->loop, &c->transfer) != MT_OK) {
        call_free(c);
        return NULL;
    }
    return c;
}

static struct api_call *
ask(struct api *a, const char *method, const char *path, struct slice body, uint32_t wait_ms, api_done_fn *done, void *arg)
{
    struct api_call *c = call_new(a, wait_ms > 0 ? CALL_WAITING : CALL_SHORT, done, arg);

    return c == NULL ? NULL : call_start(c, method, path, body, wait_ms);
}

struct api_call *
api_mint(struct api *a, const char *mailbox, uint32_t window_s, api_done_fn *done, void *arg)
{
    char path[256], body[64];

    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens", mailbox);
    snprintf(body, sizeof(body), "{\"window\":%u}", window_s);
    return ask(a, "POST", path, slice_of(body), 0, done, arg);
}

struct api_call *
api_show(struct api *a, const char *mailbox, const char *token, uint32_t wait_ms, uint32_t known, api_done_fn *done,
         void *arg)
{
    char path[256], query[64] = "";

    if (wait_ms > 0)
        snprintf(query, sizeof(query), known > 0 ? "?wait=%ums&after=%u" : "?wait=%ums", wait_ms, known);
    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens/%.64s%s", mailbox, token, query);
    return ask(a, "GET", path, slice_of(NULL), wait_ms, done, arg);
}

struct api_call *
api_forget(struct api *a, const char *mailbox, const char *token, api_done_fn *done, void *arg)
{
    char path[256];

    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens/%.64s", mailbox, token);
    return ask(a, "DELETE", path, slice_of(NULL), 0, done, arg);
}

struct api_call *
api_newest_events(struct api *a, const char *mailbox, const char *kinds, uint64_t after, unsigned limit, api_done_fn *done, void *arg)
{
    char path[400];

    snprintf(path, sizeof(path), "/v1/events?format=json&mailbox=%.100s&kinds=%.100s&after=%llu&limit=%u", mailbox, kinds,
             (unsigned long long)after, limit);
    return ask(a, "GET", path, slice_of(NULL), 0, done, arg);
}

struct api_call *
api_request(struct api *a, const char *method, const char *path, struct slice body, api_done_fn *done, void *arg)
{
    return ask(a, method, path, body, 0, done, arg);
}

/* The fields of all, and where the stream goes on. */
static struct curl_slist *
stream_headers(const struct api *a, const char *last_event_id)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept: text/event-stream"), *more;
    char               line[100];

    snprintf(line, sizeof(line), "Last-Event-ID: %.64s", last_event_id);
    more = list == NULL ? NULL : curl_slist_append(list, a->headers->data);
    if (more != NULL && last_event_id[0] != '\0')
        more = curl_slist_append(list, line);
    if (more == NULL)
        curl_slist_free_all(list);
    return more == NULL ? NULL : list;
}

struct api_call *
api_stream(struct api *a, const char *path, const char *last_event_id, api_octets_fn *octets, api_done_fn *done, void *arg)
{
    struct api_call *c = call_new(a, CALL_STREAM, done, arg);

    if (c == NULL)
        return NULL;
    c->octets = octets;
    c->headers = stream_headers(a, last_event_id);
    if (c->headers == NULL) {
        call_free(c);
        return NULL;
    }
    return call_start(c, "GET", path, slice_of(NULL), 0);
}
