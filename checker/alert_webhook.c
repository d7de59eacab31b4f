/* A way that posts the notice as JSON, signed as the service's own webhooks are (docs/webhooks.md). */

#include "checker/alert_way.h"

#include "checker/clock.h"
#include "lib/buf.h"
#include "lib/curl_route.h"
#include "lib/display.h"
#include "lib/error.h"
#include "lib/webhook_url.h"
#include "webhook/signature.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADER_BYTES = 160, ANSWER_MAX = 4096, STATUS_GONE = 410 };

struct post {
    const struct alert_attempt *attempt;
    struct webhook_url          url;
    struct auth                 auth;           /* names the file of the HMAC's key */
    struct credential_request  *secret;
    struct resolution          *resolution;
    struct curl_slist          *headers, *addresses;
    struct curl_transfer        transfer;
    struct event               *limit;
    size_t                      answer_bytes;
    char                        error[CURL_ERROR_SIZE];
};

/* ---- Its end ------------------------------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 3, 4)))
finish(struct post *p, enum alert_result result, const char *format, ...)
{
    const struct alert_attempt *a = p->attempt;
    char                        reason[ALERT_REASON_BYTES], raw[ALERT_REASON_BYTES];
    struct buf                  clean;
    va_list                     args;

    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    buf_init(&clean, ALERT_REASON_BYTES * 4);
    display_text(&clean, slice_of(raw), ALERT_REASON_BYTES / 2);
    slice_copy(reason, sizeof(reason), buf_slice(&clean));
    buf_fini(&clean);
    event_del(p->limit);
    a->done(a->arg, result, reason);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct post *p = arg;

    (void)fd, (void)what;
    finish(p, ALERT_LATER, "%s: no answer within %u ms", p->url.host, p->attempt->task.way->timeout_ms);
}

static void
on_transferred(void *arg, CURLcode result)
{
    struct post *p = arg;
    long         status = 0;

    curl_easy_getinfo(p->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299)
        finish(p, ALERT_TAKEN, "%ld", status);
    else if (status >= 300)
        finish(p, status == STATUS_GONE ? ALERT_REFUSED : ALERT_LATER, "%s answered %ld", p->url.host, status);
    else
        finish(p, ALERT_LATER, "%s: %s", p->url.host, p->error[0] != '\0' ? p->error : curl_easy_strerror(result));
}

/* ---- Posting ------------------------------------------------------------------------------------------------------ */

/* The status is all that counts; of the answer no more than a little is read. */
static size_t
on_answer(char *data, size_t size, size_t count, void *arg)
{
    struct post *p = arg;

    (void)data;
    p->answer_bytes += size * count;
    return p->answer_bytes > ANSWER_MAX ? 0 : size * count;
}

static bool
add_headers(struct post *p, const char *secret)
{
    uint64_t now = wall_us() / 1000000;
    char     line[HEADER_BYTES], mac[SIGNATURE_HEX_CHARS + 1];
    bool     good = curl_list_add(&p->headers, "Content-Type: application/json") && curl_list_add(&p->headers, "Expect:");

    snprintf(line, sizeof(line), "Mailtest-Notice-Id: %llu", (unsigned long long)p->attempt->task.notice->id);
    good = good && curl_list_add(&p->headers, line);
    snprintf(line, sizeof(line), "Mailtest-Timestamp: %llu", (unsigned long long)now);
    good = good && curl_list_add(&p->headers, line);
    if (secret == NULL)
        return good;
    signature_make(slice_of(secret), now, p->attempt->body, mac);
    snprintf(line, sizeof(line), "Mailtest-Signature: v1=%s", mac);
    return good && curl_list_add(&p->headers, line);
}

static void
set_options(struct post *p, CURL *easy)
{
    const struct alert_way *way = p->attempt->task.way;

    curl_easy_setopt(easy, CURLOPT_URL, way->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");              /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mailtest-check/" MAILTEST_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, p->addresses);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->attempt->body.data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)p->attempt->body.len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (way->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, way->ca_file);
}

static void
on_route(void *arg, const struct route *route)
{
    struct post *p = arg;

    p->resolution = NULL;
    if (route->fault != ROUTE_FOUND) {
        finish(p, ALERT_LATER, "%s: %s", p->url.host, route->reason);
        return;
    }
    p->transfer = (struct curl_transfer){ .easy = curl_easy_init(), .done = on_transferred, .arg = p };
    if (p->transfer.easy == NULL || !curl_route_add(&p->addresses, p->url.host, p->url.port, route, NULL, NULL)) {
        finish(p, ALERT_LATER, "%s", mt_strerror(MT_ENOMEM));
        return;
    }
    set_options(p, p->transfer.easy);
    if (curl_loop_add(p->attempt->tools->loop, &p->transfer) != MT_OK)
        finish(p, ALERT_LATER, "%s", mt_strerror(MT_ENOMEM));
}

static bool
look_up(struct post *p)
{
    struct slice host = slice_of(p->url.host);

    if (slice_starts(host, "["))
        host = slice_sub(host, 1, host.len - 2);
    p->resolution = resolver_find_host(p->attempt->tools->resolver, host, p->url.port, on_route, p);
    return p->resolution != NULL;
}

/* With the signature made the secret is not kept. */
static void
on_secret(void *arg, const char *secret, const char *reason)
{
    struct post *p = arg;

    p->secret = NULL;
    if (secret == NULL)
        finish(p, ALERT_LATER, "secret_file: %s", reason);
    else if (!add_headers(p, secret) || !look_up(p))
        finish(p, ALERT_LATER, "%s", mt_strerror(MT_ENOMEM));
}

static bool
begin(struct post *p)
{
    const struct alert_way *way = p->attempt->task.way;
    struct timeval          limit = { .tv_sec = way->timeout_ms / 1000, .tv_usec = way->timeout_ms % 1000 * 1000 };
    const char             *why;

    p->limit = evtimer_new(p->attempt->tools->base, on_limit, p);
    if (p->limit == NULL || webhook_url_parse(slice_of(way->url), &p->url, &why) != MT_OK || event_add(p->limit, &limit) != 0)
        return false;
    if (way->secret_file == NULL)
        return add_headers(p, NULL) && look_up(p);
    p->auth = (struct auth){ .mechanism = AUTH_PLAIN, .password_file = way->secret_file };
    p->secret = credential_get(p->attempt->tools->credentials, &p->auth, on_secret, p);
    return p->secret != NULL;
}

void *
alert_webhook_begin(const struct alert_attempt *attempt)
{
    struct post *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->attempt = attempt;
    if (!begin(p)) {
        alert_webhook_end(p);
        return NULL;
    }
    return p;
}

void
alert_webhook_end(void *object)
{
    struct post *p = object;

    credential_cancel(p->secret);
    resolution_cancel(p->resolution);
    if (p->transfer.easy != NULL) {
        curl_loop_remove(p->attempt->tools->loop, &p->transfer);
        curl_easy_cleanup(p->transfer.easy);
    }
    curl_slist_free_all(p->headers);
    curl_slist_free_all(p->addresses);
    if (p->limit != NULL)
        event_free(p->limit);
    free(p);
}
