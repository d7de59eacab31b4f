#include "checker/result_sender.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/wire.h"

#include <stdlib.h>

enum { KEY_BYTES = 8, STATUS_LATER = 503, STATUS_TOO_LARGE = 413 };

struct result_sender {
    struct event_base         *base;
    struct api                *api;
    struct state_file         *state;
    struct event              *timer;
    struct api_call           *call;        /* NULL: no request is under way */
    uint64_t                   last;        /* number of the newest that was put in; they only grow */
    uint64_t                   sent[RESULTS_A_REQUEST];     /* numbers of those in the request, in their order */
    unsigned                   sent_count;
    unsigned                   batch_max;   /* fewer after a 413 */
    unsigned                   gap_ms;      /* 0: the last request was taken */
    bool                       telling;     /* that the service takes nothing was logged */
    struct result_sender_limits limits;
    struct result_sender_stats stats;
};

/* ---- The queue: numbers as eight octets, so that their order is that of the keys ------------------------------------ */

static struct slice
key_of(uint64_t number, unsigned char out[KEY_BYTES])
{
    for (int i = KEY_BYTES - 1; i >= 0; i--, number >>= 8)
        out[i] = (unsigned char)number;
    return slice_make(out, KEY_BYTES);
}

static uint64_t
number_of(struct slice key)
{
    uint64_t number = 0;

    for (size_t i = 0; i < key.len; i++)
        number = number << 8 | (unsigned char)key.data[i];
    return number;
}

static bool
count_one(void *arg, struct slice key, struct slice value)
{
    struct result_sender *s = arg;

    s->stats.waiting++;
    s->stats.waiting_bytes += value.len;
    s->last = number_of(key);
    return true;
}

/* The first that is there. */
struct oldest {
    uint64_t number;
    size_t   len;
    bool     found;
};

static bool
take_oldest(void *arg, struct slice key, struct slice value)
{
    *(struct oldest *)arg = (struct oldest){ .number = number_of(key), .len = value.len, .found = true };
    return false;
}

static void
forget(struct result_sender *s, uint64_t number, size_t len)
{
    unsigned char key[KEY_BYTES];

    if (len == 0)
        return;         /* dropped meanwhile */
    state_file_delete(s->state, STATE_TABLE_RESULT, key_of(number, key));
    s->stats.waiting -= s->stats.waiting > 0;
    s->stats.waiting_bytes -= len < s->stats.waiting_bytes ? len : s->stats.waiting_bytes;
}

static void
drop_oldest(struct result_sender *s)
{
    struct oldest oldest = { .found = false };

    if (state_file_each(s->state, STATE_TABLE_RESULT, slice_make(NULL, 0), take_oldest, &oldest) != MT_OK || !oldest.found) {
        s->stats.waiting = 0;
        s->stats.waiting_bytes = 0;
        return;
    }
    forget(s, oldest.number, oldest.len);
    if (s->stats.dropped_total++ % 1000 == 0)
        log_error("event=results-dropped reason=\"the service has taken none for too long\" waiting=%u dropped=%llu", s->stats.waiting,
                  (unsigned long long)s->stats.dropped_total);
}

/* ---- Requests ---------------------------------------------------------------------------------------------------------- */

static void
wait_for(struct result_sender *s, unsigned ms)
{
    struct timeval span = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

    if (s->call == NULL && (s->stats.waiting > 0) && !event_pending(s->timer, EV_TIMEOUT, NULL))
        event_add(s->timer, &span);
}

struct batch {
    struct result_sender *sender;
    struct buf            body;
};

static bool
add_to_batch(void *arg, struct slice key, struct slice value)
{
    struct batch         *b = arg;
    struct result_sender *s = b->sender;

    if (s->sent_count == s->batch_max || (s->sent_count > 0 && b->body.len + value.len > RESULTS_REQUEST_BYTES))
        return false;
    buf_append_string(&b->body, s->sent_count == 0 ? "{\"results\":[" : ",");
    buf_append_slice(&b->body, value);
    s->sent[s->sent_count++] = number_of(key);
    return b->body.fault == MT_OK;
}

/* The length of one that waits; 0: it is not there any more. */
static size_t
length_of(struct result_sender *s, uint64_t number)
{
    unsigned char key[KEY_BYTES];
    struct slice  value;

    return state_file_get(s->state, STATE_TABLE_RESULT, key_of(number, key), &value) == MT_OK ? value.len : 0;
}

/* The service answered for each; those that it has no room for at the moment stay. Returns how many went. */
static unsigned
take_answers(struct result_sender *s, const json_t *results)
{
    unsigned gone = 0;

    for (unsigned i = 0; i < s->sent_count; i++) {
        const json_t *answer = json_array_get(results, i);
        const char   *word = json_string_value(json_object_get(answer, "result")), *detail = json_string_value(json_object_get(answer, "detail"));
        const char   *check = json_string_value(json_object_get(answer, "check"));

        if (json_integer_value(json_object_get(answer, "status")) == STATUS_LATER)
            continue;
        if (word != NULL && strcmp(word, "refused") == 0) {
            s->stats.refused_total++;
            log_warning("event=result-refused check=\"%s\" reason=\"%s\"", LOG_TEXT(slice_of(check)), LOG_TEXT(slice_of(detail)));
        } else {
            s->stats.taken_total++;
        }
        forget(s, s->sent[i], length_of(s, s->sent[i]));
        gone++;
    }
    return gone;
}

/* One result alone that the service will never take: the others must not wait behind it. */
static void
give_up_one(struct result_sender *s, const char *reason)
{
    s->stats.refused_total++;
    log_warning("event=result-refused reason=\"%s\"", LOG_TEXT(slice_of(reason)));
    forget(s, s->sent[0], length_of(s, s->sent[0]));
}

static void
tell_failure(struct result_sender *s, const struct api_reply *reply)
{
    s->stats.failures_total++;
    if (!s->telling)
        log_warning("event=results-wait status=%u waiting=%u reason=\"%s\"", reply->status, s->stats.waiting, LOG_TEXT(slice_of(reply->reason)));
    s->telling = true;
    s->gap_ms = s->gap_ms == 0 ? RESULTS_GAP_FIRST_MS : s->gap_ms * 2 < RESULTS_GAP_MAX_MS ? s->gap_ms * 2 : RESULTS_GAP_MAX_MS;
}

static void
on_reply(void *arg, const struct api_reply *reply)
{
    struct result_sender *s = arg;
    const json_t         *results = json_object_get(reply->body, "results");

    s->call = NULL;
    if (reply->status == 200 && json_array_size(results) == s->sent_count && take_answers(s, results) > 0) {
        if (s->telling)
            log_info("event=results-taken waiting=%u", s->stats.waiting);
        s->telling = false;
        s->gap_ms = 0;
        s->batch_max = RESULTS_A_REQUEST;
    } else if ((reply->status == STATUS_TOO_LARGE || reply->status == 400 || reply->status == 422) && s->sent_count > 1) {
        s->batch_max = s->sent_count / 2;
    } else if (reply->status == STATUS_TOO_LARGE || reply->status == 400 || reply->status == 422) {
        give_up_one(s, reply->reason);
    } else {
        tell_failure(s, reply);
    }
    wait_for(s, s->gap_ms > 0 ? s->gap_ms : s->stats.waiting >= s->batch_max ? 0 : RESULTS_COMPANY_MS);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct result_sender *s = arg;
    struct batch          batch = { .sender = s };

    (void)fd;
    (void)what;
    if (s->call != NULL)
        return;
    s->sent_count = 0;
    buf_init(&batch.body, (size_t)STATE_VALUE_MAX + RESULTS_REQUEST_BYTES);
    if (state_file_each(s->state, STATE_TABLE_RESULT, slice_make(NULL, 0), add_to_batch, &batch) == MT_OK && s->sent_count > 0 &&
        buf_append_string(&batch.body, "]}") == MT_OK)
        s->call = api_request(s->api, "POST", "/v1/results", buf_slice(&batch.body), on_reply, s);
    buf_fini(&batch.body);
    if (s->call == NULL && s->sent_count > 0)
        wait_for(s, RESULTS_GAP_MAX_MS);    /* out of memory */
}

/* ---- The object ----------------------------------------------------------------------------------------------------------- */

int
result_sender_open(struct event_base *base, struct api *api, struct state_file *state, const struct result_sender_limits *limits,
                   struct result_sender **out)
{
    static const struct result_sender_limits usual = { .count = RESULTS_WAITING_MAX, .bytes = RESULTS_WAITING_BYTES_MAX };
    struct result_sender                    *s = calloc(1, sizeof(*s));
    int                                      rc;

    if (s == NULL)
        return MT_ENOMEM;
    s->base = base;
    s->api = api;
    s->state = state;
    s->limits = limits != NULL ? *limits : usual;
    s->batch_max = RESULTS_A_REQUEST;
    s->timer = evtimer_new(base, on_timer, s);
    rc = s->timer == NULL ? MT_ENOMEM : state_file_each(state, STATE_TABLE_RESULT, slice_make(NULL, 0), count_one, s);
    if (rc != MT_OK) {
        result_sender_close(s);
        return rc;
    }
    wait_for(s, 0);
    *out = s;
    return MT_OK;
}

void
result_sender_close(struct result_sender *s)
{
    if (s == NULL)
        return;
    api_cancel(s->call);
    if (s->timer != NULL)
        event_free(s->timer);
    free(s);
}

int
result_sender_put(struct result_sender *s, struct slice json)
{
    unsigned char key[KEY_BYTES];
    int           rc;

    while (s->stats.waiting > 0 && (s->stats.waiting >= s->limits.count || s->stats.waiting_bytes + json.len > s->limits.bytes))
        drop_oldest(s);
    rc = state_file_put(s->state, STATE_TABLE_RESULT, key_of(s->last + 1, key), json);
    if (rc != MT_OK) {
        if (s->stats.dropped_total++ % 1000 == 0)
            log_error("event=results-dropped reason=\"%s\" dropped=%llu", mt_strerror(rc), (unsigned long long)s->stats.dropped_total);
        return rc;
    }
    s->last++;
    s->stats.waiting++;
    s->stats.waiting_bytes += json.len;
    wait_for(s, s->gap_ms > 0 ? s->gap_ms : RESULTS_COMPANY_MS);
    return MT_OK;
}

void
result_sender_stats(const struct result_sender *s, struct result_sender_stats *out)
{
    *out = s->stats;
}
