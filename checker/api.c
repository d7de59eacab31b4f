#include "checker/api.h"

#include "checker/clock.h"
#include "lib/buf.h"
#include "lib/display.h"
#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_LIMIT_BYTES (4u * 1024 * 1024)
#define UNIX_PREFIX        "unix:"

struct api {
    struct curl_loop   *loop;
    struct api_settings settings;
    struct curl_slist  *headers;
};

struct api_call {
    struct api          *api;
    struct curl_transfer transfer;
    api_done_fn         *done;
    void                *arg;
    struct buf           answer;
    char                 curl_error[CURL_ERROR_SIZE];
    uint64_t             asked_us;
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
    free(a);
}

/* ---- One call ---------------------------------------------------------------------------------------------------- */

static void
call_free(struct api_call *c)
{
    curl_loop_remove(c->api->loop, &c->transfer);
    if (c->transfer.easy != NULL)
        curl_easy_cleanup(c->transfer.easy);
    buf_fini(&c->answer);
    free(c);
}

void
api_cancel(struct api_call *c)
{
    if (c != NULL)
        call_free(c);
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
    struct api_call *c = arg;

    return buf_append(&c->answer, data, size * count) == MT_OK ? size * count : 0;
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
on_done(void *arg, CURLcode result)
{
    struct api_call *c = arg;
    struct api_reply reply = { .asked_us = c->asked_us, .answered_us = monotonic_us() };
    json_t          *body = NULL;
    long             status = 0;

    curl_easy_getinfo(c->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->answer.fault != MT_OK) {
        put_reason(&reply, "the answer is too long");
    } else if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY) {
        put_reason(&reply, "what answers there does not speak HTTP: is this the address of a Mailtest?");
    } else if (result != CURLE_OK) {
        put_reason(&reply, c->curl_error[0] != '\0' ? c->curl_error : curl_easy_strerror(result));
    } else {
        reply.status = (unsigned)status;
        if (c->answer.len > 0)
            body = json_loadb(c->answer.data, c->answer.len, JSON_ALLOW_NUL, NULL);
        if (status < 200 || status >= 300)
            explain_status(&reply, body);
        else if (!json_is_object(body))
            put_reason(&reply, "the answer is no JSON object: is this the address of a Mailtest service?");
        else
            reply.body = body;
    }
    c->done(c->arg, &reply);
    json_decref(body);
    call_free(c);
}

static bool
is_unix(const struct api *a)
{
    return slice_starts(slice_of(a->settings.url), UNIX_PREFIX);
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
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->api->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mailtest-check/" MAILTEST_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout_ms);
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

/* body: of a POST, copied; NULL: none. */
static struct api_call *
call_start(struct api *a, const char *method, const char *path, const char *body, uint32_t wait_ms, api_done_fn *done, void *arg)
{
    struct api_call *c = calloc(1, sizeof(*c));
    struct slice     base = is_unix(a) ? slice_of("http://localhost") : slice_of(a->settings.url);
    char            *url;

    if (c == NULL)
        return NULL;
    *c = (struct api_call){ .api = a, .done = done, .arg = arg, .asked_us = monotonic_us() };
    buf_init(&c->answer, ANSWER_LIMIT_BYTES);
    c->transfer = (struct curl_transfer){ .easy = curl_easy_init(), .done = on_done, .arg = c };
    while (slice_ends_nocase(base, "/"))
        base.len--;
    if (c->transfer.easy == NULL || asprintf(&url, "%.*s%s", (int)base.len, base.data, path) == -1) {
        call_free(c);
        return NULL;
    }
    set_options(c, method, url, wait_ms);
    free(url);
    if (body != NULL)
        curl_easy_setopt(c->transfer.easy, CURLOPT_COPYPOSTFIELDS, body);
    if (curl_loop_add(a->loop, &c->transfer) != MT_OK) {
        call_free(c);
        return NULL;
    }
    return c;
}

struct api_call *
api_mint(struct api *a, const char *mailbox, uint32_t window_s, api_done_fn *done, void *arg)
{
    char path[256], body[64];

    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens", mailbox);
    snprintf(body, sizeof(body), "{\"window\":%u}", window_s);
    return call_start(a, "POST", path, body, 0, done, arg);
}

struct api_call *
api_show(struct api *a, const char *mailbox, const char *token, uint32_t wait_ms, uint32_t known, api_done_fn *done,
         void *arg)
{
    char path[256], query[64] = "";

    if (wait_ms > 0)
        snprintf(query, sizeof(query), known > 0 ? "?wait=%ums&after=%u" : "?wait=%ums", wait_ms, known);
    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens/%.64s%s", mailbox, token, query);
    return call_start(a, "GET", path, NULL, wait_ms, done, arg);
}

struct api_call *
api_forget(struct api *a, const char *mailbox, const char *token, api_done_fn *done, void *arg)
{
    char path[256];

    snprintf(path, sizeof(path), "/v1/mailboxes/%.100s/tokens/%.64s", mailbox, token);
    return call_start(a, "DELETE", path, NULL, 0, done, arg);
}
