#include "webhook/post.h"

#include "webhook/signature.h"

#include "lib/answer_event.h"
#include "lib/curl_loop.h"
#include "lib/curl_route.h"
#include "lib/dns.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/resolver.h"
#include "lib/utf8.h"
#include "lib/webhook.h"
#include "lib/webhook_url.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

enum { HEADER_BYTES = 160 };

/*
 * begun ──look-up──▶ connecting, sending, reading ──▶ told
 *   └───────────────────── limit, fault ──────────────▲
 */
struct post {
    TAILQ_ENTRY(post)     link;
    struct posts         *all;
    uint32_t              webhook_id;
    uint64_t              event_id;
    char                  url[WEBHOOK_URL_BYTES + 1];
    char                 *secret;       /* WEBHOOK_SECRET_CHARS octets and a NUL of sodium_malloc */
    struct webhook_url    target;
    struct buf            body;
    struct resolution    *resolution;   /* while it is looked up */
    struct curl_slist    *headers, *addresses;
    struct curl_transfer  transfer;
    struct event         *limit;        /* the end of its time */
    const char           *fault;        /* known before anything was tried: told in the next turn */
    size_t                answer_bytes;
    char                  curl_error[CURL_ERROR_SIZE];
};

struct posts {
    struct event_base             *base;
    const struct config           *config;
    X509_STORE                    *certificates;
    struct curl_loop              *loop;
    struct resolver               *resolver;
    post_done_fn                  *done;
    void                          *arg;
    unsigned                       count;
    TAILQ_HEAD(post_list, post)    list;
};

/* ---- Ending ------------------------------------------------------------------------------------------------------- */

static void
post_free(struct post *p)
{
    struct posts *all = p->all;

    TAILQ_REMOVE(&all->list, p, link);
    assert(TAILQ_FIRST(&all->list) != p);
    metric_set(METRIC_WEBHOOK_POSTS, --all->count);
    resolution_cancel(p->resolution);
    if (p->transfer.easy != NULL) {
        curl_loop_remove(all->loop, &p->transfer);
        curl_easy_cleanup(p->transfer.easy);
    }
    curl_slist_free_all(p->headers);
    curl_slist_free_all(p->addresses);
    if (p->limit != NULL)
        event_free(p->limit);
    buf_fini(&p->body);
    sodium_free(p->secret);     /* wipes it */
    free(p);
}

static void post_end(struct post *p, uint16_t status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What peers and libraries say may be anything: it is made fit to be shown. An empty text: it was taken. */
static void
post_end(struct post *p, uint16_t status, const char *format, ...)
{
    struct posts *all = p->all;
    uint32_t      webhook_id = p->webhook_id;
    uint64_t      event_id = p->event_id;
    struct buf    text, error;
    va_list       args;

    buf_init(&text, CURL_ERROR_SIZE + WEBHOOK_URL_BYTES);
    buf_init(&error, WEBHOOK_ERROR_BYTES);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    utf8_clean(&error, buf_slice(&text));
    post_free(p);
    metric_add(METRIC_WEBHOOK_POSTS_TOTAL, 1);
    if (error.len > 0)
        metric_add(METRIC_WEBHOOK_FAILURES_TOTAL, 1);
    log_info("event=webhook-posted webhook=%u id=%llu status=%u%s%s%s", webhook_id, (unsigned long long)event_id, status,
             error.len > 0 ? " reason=\"" : "", error.len > 0 ? LOG_TEXT(buf_slice(&error)) : "", error.len > 0 ? "\"" : "");
    all->done(all->arg, webhook_id, event_id, status, buf_slice(&error));
    buf_fini(&text);
    buf_fini(&error);
}

/* The final status that the server gave; 0: none yet. */
static uint16_t
status_of(const struct post *p)
{
    long status = 0;

    curl_easy_getinfo(p->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status <= 999 ? (uint16_t)status : 0;
}

static void
end_by_status(struct post *p, uint16_t status)
{
    char *location = NULL;

    curl_easy_getinfo(p->transfer.easy, CURLINFO_REDIRECT_URL, &location);
    if (status < 300)
        post_end(p, status, "%s", "");
    else if (status < 400 && location != NULL)
        post_end(p, status, "the server answered %u and points to %s: no redirect is followed", status, location);
    else
        post_end(p, status, "the server answered %u", status);
}

/* The status is the answer: what comes behind it, or does not, changes nothing. */
static void
on_transferred(void *arg, CURLcode result)
{
    struct post *p = arg;
    uint16_t     status = status_of(p);

    if (status != 0)
        end_by_status(p, status);
    else if (result == CURLE_OPERATION_TIMEDOUT)
        post_end(p, 0, "no answer within %u ms", p->all->config->webhook.timeout_ms);
    else
        post_end(p, 0, "%s", p->curl_error[0] != '\0' ? p->curl_error : curl_easy_strerror(result));
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct post *p = arg;
    uint16_t     status = p->transfer.easy == NULL ? 0 : status_of(p);

    (void)fd, (void)what;
    if (p->fault != NULL)
        post_end(p, 0, "%s", p->fault);
    else if (status != 0)
        end_by_status(p, status);
    else
        post_end(p, 0, "%s within %u ms", p->resolution != NULL ? "its host was not found by DNS" : "no answer",
                 p->all->config->webhook.timeout_ms);
}

/* ---- Posting ------------------------------------------------------------------------------------------------------ */

static size_t
on_answer(char *data, size_t size, size_t count, void *arg)
{
    struct post *p = arg;

    (void)data;
    p->answer_bytes += size * count;
    return p->answer_bytes > POST_ANSWER_MAX_BYTES ? 0 : size * count;
}

/* libcurl would read a file, or read the same text anew for each connection. */
static CURLcode
on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    struct post *p = arg;

    (void)easy;
    return SSL_CTX_set1_verify_cert_store(ssl_ctx, p->all->certificates) == 1 ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* The time stamp is that of this attempt, the id that of the event. */
static bool
make_headers(struct post *p)
{
    uint64_t now = (uint64_t)time(NULL);
    char     id[HEADER_BYTES], timestamp[HEADER_BYTES], signature[HEADER_BYTES], mac[SIGNATURE_HEX_CHARS + 1];

    signature_make(slice_of(p->secret), now, buf_slice(&p->body), mac);
    snprintf(id, sizeof(id), "Mailtest-Event-Id: %llu", (unsigned long long)p->event_id);
    snprintf(timestamp, sizeof(timestamp), "Mailtest-Timestamp: %llu", (unsigned long long)now);
    snprintf(signature, sizeof(signature), "Mailtest-Signature: v1=%s", mac);
    return curl_list_add(&p->headers, "Content-Type: application/json") && curl_list_add(&p->headers, id) &&
           curl_list_add(&p->headers, timestamp) && curl_list_add(&p->headers, signature) &&
           curl_list_add(&p->headers, "Expect:");    /* no waiting for a 100 */
}

static bool
may_be_posted_to(void *arg, const char *address)
{
    const struct post *p = arg;

    return p->all->config->webhook.allow_private || address_is_public(address);
}

static void
set_options(struct post *p, CURL *easy)
{
    long timeout_ms = (long)p->all->config->webhook.timeout_ms;

    curl_easy_setopt(easy, CURLOPT_URL, p->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");              /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Mailtest/" MAILTEST_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, p->addresses);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->body.data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)p->body.len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->curl_error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, p);
}

static void
on_resolved(void *arg, const struct route *route)
{
    struct post *p = arg;

    p->resolution = NULL;
    if (route->fault != ROUTE_FOUND) {
        post_end(p, 0, "%s", route->reason);
    } else if (!curl_route_add(&p->addresses, p->target.host, p->target.port, route, may_be_posted_to, p)) {
        post_end(p, 0, "%s has no public address, and webhook.allow_private is false", p->target.host);
    } else if (!make_headers(p) || (p->transfer.easy = curl_easy_init()) == NULL) {
        post_end(p, 0, "%s", mt_strerror(MT_ENOMEM));
    } else {
        set_options(p, p->transfer.easy);
        p->transfer.done = on_transferred;
        p->transfer.arg = p;
        if (curl_loop_add(p->all->loop, &p->transfer) != MT_OK)
            post_end(p, 0, "%s", mt_strerror(MT_ENOMEM));
    }
}

/* ---- Beginning ---------------------------------------------------------------------------------------------------- */

static struct post *
post_new(struct posts *all, const struct post_order *order)
{
    struct post *p = calloc(1, sizeof(*p));
    struct emit  j;

    if (p == NULL)
        return NULL;
    p->all = all;
    p->webhook_id = order->webhook_id;
    p->event_id = order->event_id;
    TAILQ_INSERT_TAIL(&all->list, p, link);
    metric_set(METRIC_WEBHOOK_POSTS, ++all->count);
    buf_init(&p->body, ANSWER_EVENT_BYTES);
    emit_init(&j, &p->body);
    answer_event(&j, NULL, order->event_id, &order->event);
    p->limit = evtimer_new(all->base, on_limit, p);
    p->secret = sodium_malloc(WEBHOOK_SECRET_CHARS + 1);
    if (p->limit == NULL || p->secret == NULL || p->body.fault != MT_OK || !slice_copy(p->url, sizeof(p->url), order->url) ||
        !slice_copy(p->secret, WEBHOOK_SECRET_CHARS + 1, order->secret)) {
        post_free(p);
        return NULL;
    }
    return p;
}

/* RFC 6761 section 6.3: no DNS is asked for localhost; libcurl knows its addresses, and one of them stands for both here. */
static struct slice
host_to_find(const struct post *p)
{
    struct slice host = slice_of(p->target.host);

    return slice_equal_nocase(host, slice_of("localhost")) ? slice_of("127.0.0.1") : host;
}

int
posts_begin(struct posts *all, const struct post_order *order)
{
    uint32_t       timeout_ms = all->config->webhook.timeout_ms;
    struct timeval after = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    struct post   *p = post_new(all, order);

    if (p == NULL)
        return MT_ENOMEM;
    if (webhook_url_parse(slice_of(p->url), &p->target, &p->fault) != MT_OK)
        after = (struct timeval){ 0 };
    else
        p->resolution = resolver_find_host(all->resolver, host_to_find(p), p->target.port, on_resolved, p);
    if ((p->fault == NULL && p->resolution == NULL) || evtimer_add(p->limit, &after) != 0) {
        post_free(p);
        return MT_ENOMEM;
    }
    return MT_OK;
}

void
posts_cancel(struct posts *all)
{
    while (!TAILQ_EMPTY(&all->list))
        post_free(TAILQ_FIRST(&all->list));
}

unsigned
posts_count(const struct posts *all)
{
    return all->count;
}

struct posts *
posts_new(struct event_base *base, const struct config *config, X509_STORE *certificates, post_done_fn *done, void *arg)
{
    struct posts *all = calloc(1, sizeof(*all));

    if (all == NULL)
        return NULL;
    *all = (struct posts){ .base = base, .config = config, .certificates = certificates, .done = done, .arg = arg };
    TAILQ_INIT(&all->list);
    all->loop = curl_loop_new(base);
    all->resolver = resolver_new(base, DNS_SYSTEM_SERVERS, FAMILY_ANY);
    if (all->loop == NULL || all->resolver == NULL) {
        posts_free(all);
        return NULL;
    }
    return all;
}

void
posts_free(struct posts *all)
{
    if (all == NULL)
        return;
    posts_cancel(all);
    curl_loop_free(all->loop);
    resolver_free(all->resolver);
    free(all);
}
