#include "checker/hosted.h"

#include "checker/clock.h"
#include "checker/sse.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/rfc3339.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define STREAM_PATH "/v1/events?kinds=arrived,late,missed,bounced,autoreply"

enum {
    GAP_FIRST_MS   = 500,       /* before the stream is opened again; doubles */
    GAP_MAX_MS     = 30000,
    SILENCE_MAX_S  = 50,        /* the service says something each 15 s */
    ASK_BATCH      = 100,       /* tokens in one request */
    ASK_GAP_MS     = 2000,      /* after one that failed; and from one time that all are asked for to the next */
    BUCKETS        = 1u << 14,
    HEARD_MAX_BYTES = 4 * 1024 * 1024,  /* in one turn */
    NAME_MAX_BYTES = TOKEN_CHARS > MAILBOX_NAME_MAX ? TOKEN_CHARS : MAILBOX_NAME_MAX,
};

/* Who waits is in a bucket by its name; and in a queue while it is to be asked for. */
struct hosted_wait {
    LIST_ENTRY(hosted_wait)  link;
    TAILQ_ENTRY(hosted_wait) ask_link;
    struct hosted           *hosted;
    hosted_event_fn         *fn;
    void                    *arg;
    bool                     of_mailbox;
    bool                     to_ask;        /* in the queue */
    bool                     asked;         /* in the request under way */
    bool                     told;          /* by the walk that goes on */
    char                     name[NAME_MAX_BYTES + 1];      /* of the token or the mailbox, in lower case */
};

LIST_HEAD(bucket, hosted_wait);

/*
 *   RESTING --on_rest--> CONNECTING --first octets--> LISTENING
 *      ^                     |                           |
 *      +----- on_end --------+---------------------------+
 */
struct hosted {
    struct event_base *base;
    struct api        *api;
    struct api_call   *stream;              /* NULL: resting */
    struct sse         reader;
    struct buf         heard;               /* octets that have come and are read in the next turn */
    bool               listening;
    bool               missed;              /* what came before this connection was not told: all are asked for once it stands */
    uint32_t           gap_ms;
    struct event      *rest;                /* ends the rest */
    struct event      *silence;
    struct event      *turn;                /* reads them: from inside of libcurl's callback nobody may ask for anything */

    unsigned char      key[crypto_shorthash_KEYBYTES];
    struct bucket     *buckets;
    unsigned           waiting;
    TAILQ_HEAD(ask_queue, hosted_wait) asking;       /* in this order */
    unsigned           batch;               /* tokens in one request, at most */
    struct api_call   *ask;
    struct event      *ask_soon;
    struct event      *catch_up;            /* asks for all */
    uint64_t           caught_up_us;        /* when it last did */

    struct hosted_state state;
};

static void connect_stream(struct hosted *h);

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* ---- Who waits ------------------------------------------------------------------------------------------------------ */

/* Tokens may come in any case. */
static void
lower_name(const char *name, char out[NAME_MAX_BYTES + 1])
{
    size_t i = 0;

    for (; i < NAME_MAX_BYTES && name[i] != '\0'; i++)
        out[i] = ascii_lower(name[i]);
    out[i] = '\0';
}

static struct bucket *
bucket_of(const struct hosted *h, const char *name)
{
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t      n;

    crypto_shorthash(hash, (const unsigned char *)name, strlen(name), h->key);
    memcpy(&n, hash, sizeof(n));
    return &h->buckets[n % BUCKETS];
}

static struct hosted_wait *
wait_new(struct hosted *h, const char *name, bool of_mailbox, hosted_event_fn *fn, void *arg)
{
    struct hosted_wait *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    *w = (struct hosted_wait){ .hosted = h, .fn = fn, .arg = arg, .of_mailbox = of_mailbox };
    lower_name(name, w->name);
    LIST_INSERT_HEAD(bucket_of(h, w->name), w, link);
    h->waiting++;
    return w;
}

struct hosted_wait *
hosted_wait_token(struct hosted *h, const char *token, hosted_event_fn *fn, void *arg)
{
    return wait_new(h, token, false, fn, arg);
}

struct hosted_wait *
hosted_wait_mailbox(struct hosted *h, const char *mailbox, hosted_event_fn *fn, void *arg)
{
    return wait_new(h, mailbox, true, fn, arg);
}

void
hosted_wait_end(struct hosted_wait *w)
{
    if (w == NULL)
        return;
    LIST_REMOVE(w, link);
    if (w->to_ask)
        TAILQ_REMOVE(&w->hosted->asking, w, ask_link);
    w->hosted->waiting--;
    free(w);
}

/* One of those of this name that were not told yet: each may end itself, and others, when it is told. */
static struct hosted_wait *
next_untold(struct bucket *b, const char *name, bool of_mailbox)
{
    struct hosted_wait *w;

    LIST_FOREACH (w, b, link)
        if (!w->told && w->of_mailbox == of_mailbox && strcmp(w->name, name) == 0)
            return w;
    return NULL;
}

static void
tell(struct hosted *h, const char *name, bool of_mailbox, const struct hosted_event *event)
{
    char                lower[NAME_MAX_BYTES + 1];
    struct bucket      *b;
    struct hosted_wait *w;

    lower_name(name, lower);
    b = bucket_of(h, lower);
    LIST_FOREACH (w, b, link)
        w->told = false;
    while ((w = next_untold(b, lower, of_mailbox)) != NULL) {
        w->told = true;
        w->fn(w->arg, event);
    }
}

/* ---- Asking --------------------------------------------------------------------------------------------------------- */

static const char *
text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text == NULL ? "" : text;
}

/* How long ago a stamp of the service was, at least. */
static uint64_t
ago_us(const struct hosted *h, const char *stamp, uint64_t heard_us)
{
    uint64_t at_us;
    int64_t  earliest, latest;

    if (rfc3339_parse(slice_of(stamp), &at_us) != MT_OK || !offset_moment(api_clock(h->api), heard_us, at_us, &earliest, &latest) ||
        latest >= (int64_t)heard_us)
        return 0;
    return (uint64_t)((int64_t)heard_us - latest);
}

/* When the first mail came, as far as an answer tells. */
static const char *
received_at(const json_t *answer)
{
    size_t  i;
    json_t *arrival;

    json_array_foreach (json_object_get(answer, "arrivals"), i, arrival)
        if (strcmp(text_of(arrival, "kind"), "arrived") == 0)
            return text_of(arrival, "received_at");
    return "";
}

/* Once more for the same tokens, which are still in front. */
static void
ask_later(struct hosted *h)
{
    arm(h->ask_soon, ASK_GAP_MS);
}

/* An answer to one of many: tells what its events would have told. */
static void
tell_answer(struct hosted *h, const json_t *answer, uint64_t heard_us)
{
    const char         *verdict = text_of(answer, "verdict");
    struct hosted_event event = { .token = text_of(answer, "token"), .verdict = verdict, .heard_us = heard_us };

    if (event.token[0] == '\0' || verdict[0] == '\0' || strcmp(verdict, "waiting") == 0)
        return;
    event.ago_us = ago_us(h, received_at(answer), heard_us);
    event.name = strncmp(verdict, "not-arrived", strlen("not-arrived")) == 0 ? "missed" : verdict;
    tell(h, event.token, false, &event);
}

/* Those that were asked for leave the queue when they were answered; who came behind them waits for the next request. */
static void
settle_asked(struct hosted *h, bool answered)
{
    struct hosted_wait *w = TAILQ_FIRST(&h->asking), *next;

    for (; w != NULL && (w->asked || w->of_mailbox); w = next) {
        next = TAILQ_NEXT(w, ask_link);
        if (w->asked && answered) {
            TAILQ_REMOVE(&h->asking, w, ask_link);
            w->to_ask = false;
        }
        w->asked = false;
    }
}

static void
on_answers(void *arg, const struct api_reply *reply)
{
    struct hosted *h = arg;
    json_t        *answers = json_object_get(reply->body, "answers"), *answer;
    size_t         i;

    h->ask = NULL;
    settle_asked(h, reply->body != NULL);
    if (reply->body == NULL) {
        if (reply->status == 413 && h->batch > 1)
            h->batch /= 2;              /* more than http.lookup_max */
        ask_later(h);
        return;
    }
    json_array_foreach (answers, i, answer)
        tell_answer(h, answer, reply->answered_us);
    if (!TAILQ_EMPTY(&h->asking))
        arm(h->ask_soon, 0);
}

/* Those for a mailbox look for themselves. */
static void
tell_mailbox_waits(struct hosted *h)
{
    struct hosted_event event = { .name = "ask", .token = "", .verdict = "", .heard_us = monotonic_us() };
    struct hosted_wait *w;

    while ((w = TAILQ_FIRST(&h->asking)) != NULL && w->of_mailbox) {
        TAILQ_REMOVE(&h->asking, w, ask_link);
        w->to_ask = false;
        w->fn(w->arg, &event);
    }
}

static void
on_ask_soon(evutil_socket_t fd, short what, void *arg)
{
    struct hosted      *h = arg;
    struct hosted_wait *w;
    json_t             *tokens;
    char               *body;

    (void)fd, (void)what;
    if (h->ask != NULL)
        return;
    tell_mailbox_waits(h);
    tokens = json_array();
    TAILQ_FOREACH (w, &h->asking, ask_link) {
        if (json_array_size(tokens) == h->batch)
            break;
        w->asked = json_array_append_new(tokens, json_string(w->name)) == 0;
    }
    if (json_array_size(tokens) == 0) {
        json_decref(tokens);
        return;
    }
    tokens = json_pack("{s:o}", "tokens", tokens);
    body = json_dumps(tokens, JSON_COMPACT);
    json_decref(tokens);
    h->ask = body == NULL ? NULL : api_request(h->api, "POST", "/v1/lookup", slice_of(body), on_answers, h);
    free(body);
    if (h->ask == NULL)
        ask_later(h);
}

void
hosted_wait_ask(struct hosted_wait *w)
{
    struct hosted *h = w->hosted;

    if (w->to_ask)
        return;
    w->to_ask = true;
    if (w->of_mailbox)
        TAILQ_INSERT_HEAD(&h->asking, w, ask_link);     /* tell_mailbox_waits takes them from the front */
    else
        TAILQ_INSERT_TAIL(&h->asking, w, ask_link);
    if (!event_pending(h->ask_soon, EV_TIMEOUT, NULL))
        arm(h->ask_soon, 0);
}

static void
ask_for_all(struct hosted *h)
{
    struct hosted_wait *w;

    for (size_t i = 0; i < BUCKETS; i++)
        LIST_FOREACH (w, &h->buckets[i], link)
            hosted_wait_ask(w);
}

static void
on_catch_up(evutil_socket_t fd, short what, void *arg)
{
    struct hosted *h = arg;

    (void)fd, (void)what;
    h->caught_up_us = monotonic_us();
    log_warning("event=stream-reset waiting=%u", h->waiting);
    ask_for_all(h);
}

/* At once, but for a service that says so again and again: all that wait is much to go through. */
static void
catch_up(struct hosted *h)
{
    uint64_t now = monotonic_us(), earliest = h->caught_up_us + (uint64_t)ASK_GAP_MS * 1000;

    if (!event_pending(h->catch_up, EV_TIMEOUT, NULL))
        arm(h->catch_up, h->caught_up_us == 0 || now >= earliest ? 0 : (uint32_t)((earliest - now) / 1000));
}

/* ---- The stream ----------------------------------------------------------------------------------------------------- */

static void
on_event(void *arg, const struct sse_event *e)
{
    struct hosted      *h = arg;
    struct hosted_event event = { .name = e->name, .heard_us = monotonic_us() };
    json_t             *data;

    h->state.events++;
    if (strcmp(e->name, "reset") == 0) {
        h->state.resets++;
        catch_up(h);
        return;
    }
    data = json_loadb(e->data.data, e->data.len, JSON_ALLOW_NUL, NULL);
    event.token = text_of(data, "token");
    event.verdict = text_of(data, "verdict");
    event.ago_us = ago_us(h, text_of(data, "at"), event.heard_us);
    if (event.token[0] != '\0') {
        tell(h, event.token, false, &event);
        tell(h, text_of(data, "mailbox"), true, &event);
    }
    json_decref(data);
}

static void
on_octets(void *arg, struct slice octets)
{
    struct hosted *h = arg;

    buf_append_slice(&h->heard, octets);
    event_active(h->turn, EV_TIMEOUT, 0);
}

static void
on_open(struct hosted *h)
{
    h->listening = true;
    h->gap_ms = GAP_FIRST_MS;
    h->state.reason[0] = '\0';
    log_info("event=stream-open after=\"%s\"", LOG_TEXT(slice_of(h->reader.id)));
    if (h->missed)
        ask_for_all(h);
    h->missed = false;
}

/* Up to a quarter longer by chance, so that many checkers do not come back together. */
static void
rest(struct hosted *h, const char *reason)
{
    event_del(h->silence);
    event_del(h->turn);
    buf_clear(&h->heard);
    if (h->listening || h->state.reason[0] == '\0')
        log_warning("event=stream-ended reason=\"%s\"", LOG_TEXT(slice_of(reason)));
    h->listening = false;
    if (h->reader.id[0] == '\0')
        h->missed = true;
    slice_copy(h->state.reason, sizeof(h->state.reason), slice_of(reason));
    arm(h->rest, h->gap_ms + randombytes_uniform(h->gap_ms / 4 + 1));
    h->gap_ms = h->gap_ms * 2 < GAP_MAX_MS ? h->gap_ms * 2 : GAP_MAX_MS;
}

static void
give_up(struct hosted *h, const char *reason)
{
    if (h->stream == NULL)
        return;
    api_cancel(h->stream);
    h->stream = NULL;
    rest(h, reason);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct hosted *h = arg;
    struct timeval silence = { .tv_sec = SILENCE_MAX_S };
    struct buf     heard = h->heard;
    bool           good = heard.fault == MT_OK;

    (void)fd, (void)what;
    if (heard.len == 0 && good)
        return;
    buf_init(&h->heard, HEARD_MAX_BYTES);
    if (h->stream != NULL)
        event_add(h->silence, &silence);
    if (!h->listening)
        on_open(h);
    good = good && sse_feed(&h->reader, buf_slice(&heard), on_event, h) == MT_OK;
    buf_fini(&heard);
    if (!good)
        give_up(h, "an event is too long, or there is no memory");
}

static void
on_end(void *arg, const struct api_reply *reply)
{
    struct hosted *h = arg;

    h->stream = NULL;
    on_turn(-1, 0, h);          /* what came last */
    if (reply->status == 400 && h->reader.id[0] != '\0') {
        h->reader.id[0] = '\0';         /* an id that the service does not understand is of no use */
        h->missed = true;
    }
    if (reply->status >= 500 || reply->status == 429)
        ask_for_all(h);             /* it answers, but has no room for a stream: so nobody waits in vain */
    rest(h, reply->reason);
}

static void
on_silence(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    give_up(arg, "the service is silent");
}

static void
on_rest(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    connect_stream(arg);
}

static void
connect_stream(struct hosted *h)
{
    struct timeval silence = { .tv_sec = SILENCE_MAX_S };

    h->state.connections++;
    sse_begin(&h->reader);
    h->stream = api_stream(h->api, STREAM_PATH, h->reader.id, on_octets, on_end, h);
    if (h->stream == NULL)
        rest(h, mt_strerror(MT_ENOMEM));
    else
        event_add(h->silence, &silence);
}

/* ---- Beginning and end ------------------------------------------------------------------------------------------------ */

struct hosted *
hosted_new(struct event_base *base, struct api *api, const char *last_event_id)
{
    struct hosted *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return NULL;
    *h = (struct hosted){ .base = base, .api = api, .gap_ms = GAP_FIRST_MS, .batch = ASK_BATCH, .missed = last_event_id[0] == '\0' };
    TAILQ_INIT(&h->asking);
    sse_init(&h->reader);
    buf_init(&h->heard, HEARD_MAX_BYTES);
    slice_copy(h->reader.id, sizeof(h->reader.id), slice_of(last_event_id));
    crypto_shorthash_keygen(h->key);
    h->buckets = calloc(BUCKETS, sizeof(*h->buckets));
    h->rest = evtimer_new(base, on_rest, h);
    h->silence = evtimer_new(base, on_silence, h);
    h->turn = event_new(base, -1, 0, on_turn, h);
    h->ask_soon = evtimer_new(base, on_ask_soon, h);
    h->catch_up = evtimer_new(base, on_catch_up, h);
    if (h->buckets == NULL || h->rest == NULL || h->silence == NULL || h->turn == NULL || h->ask_soon == NULL || h->catch_up == NULL) {
        hosted_free(h);
        return NULL;
    }
    connect_stream(h);
    return h;
}

void
hosted_free(struct hosted *h)
{
    struct event *events[5];

    if (h == NULL)
        return;
    events[0] = h->rest, events[1] = h->silence, events[2] = h->turn, events[3] = h->ask_soon, events[4] = h->catch_up;
    api_cancel(h->stream);
    api_cancel(h->ask);
    for (size_t i = 0; i < COUNT(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    sse_fini(&h->reader);
    buf_fini(&h->heard);
    free(h->buckets);
    free(h);
}

void
hosted_state(const struct hosted *h, struct hosted_state *out)
{
    *out = h->state;
    out->connected = h->listening;
    out->waiting = h->waiting;
}

const char *
hosted_last_event_id(const struct hosted *h)
{
    return h->reader.id;
}
