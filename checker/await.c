#include "checker/await.h"

#include "checker/clock.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WAIT_STEP_MS     = 300000,      /* of one request that waits; the service may cut it further */
    ASK_GAP_FIRST_MS = 1000,        /* after a request that failed; doubles */
    ASK_GAP_MAX_MS   = 15000,
    LAST_LOOK_MS     = 10000,       /* how long the look after the end of the window may take */
    LAST_WAIT_MS     = 5000,        /* of it for the service, to decide whether its own receiver was there (VERDICT_GRACE_S) */
    SECOND_COPY_MS   = 500,         /* after an arrival, for another copy of the mail, in a request that waits; */
    LISTENED_COPY_MS = 2000,        /* where many listen to one stream, which tells of the first copy alone */
};

/*
 *   LISTENING --event--> COPIES --on_timer--> LOOKING --on_answer--> OVER      (with hosted)
 *       |                                        ^
 *       +--window ends--> LAST_LOOK --event------+
 *
 *   ASKING --on_answer--> SECOND --on_answer--> OVER                           (without)
 *     ^  +--window ends--> LAST_LOOK --on_answer--> OVER
 *   RESTING (the request failed)
 */
enum lane { LISTENING, COPIES, LOOKING, ASKING, RESTING, SECOND, LAST_LOOK, OVER };

struct await {
    struct await_task    task;
    await_changed_fn    *changed;
    void                *arg;
    struct await_result  result;
    enum lane            lane;
    struct hosted_wait  *wait;
    struct api_call     *call;
    bool                 after_window;      /* the last look is under way */
    bool                 again;             /* something was heard while a request was under way */
    uint32_t             gap_ms;
    struct event        *timer;             /* ends RESTING, COPIES and the wait in LAST_LOOK */
    struct event        *window;
    struct event        *limit;             /* of the last look */
};

static void ask(struct await *a);

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

static uint32_t
left_ms(const struct await *a)
{
    uint64_t now = monotonic_us();

    return now >= a->task.end_us ? 0 : (uint32_t)((a->task.end_us - now + 999) / 1000);
}

const struct await_result *
await_result(const struct await *a)
{
    return &a->result;
}

/* ---- Answers -------------------------------------------------------------------------------------------------------- */

static bool
text_is(const json_t *object, const char *member, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL && strcmp(text, wanted) == 0;
}

static void
note_fault(struct await *a, const struct api_reply *reply)
{
    slice_copy(a->result.fault, sizeof(a->result.fault), slice_of(reply->reason));
    a->result.hopeless = api_is_hopeless(reply);
}

static void
finish(struct await *a)
{
    a->lane = OVER;
    a->result.over = true;
    event_del(a->timer);
    event_del(a->window);
    event_del(a->limit);
    hosted_wait_end(a->wait);
    a->wait = NULL;
}

/* A token document: what it says of the mail. */
static void
take_document(struct await *a, json_t *document, uint64_t heard_us)
{
    struct await_result *r = &a->result;
    size_t               i;
    json_t              *arrival;

    r->fault[0] = '\0';
    json_decref(r->answer);
    r->answer = json_incref(document);
    json_array_foreach (json_object_get(document, "arrivals"), i, arrival) {
        if (text_is(arrival, "kind", "arrived") && !r->arrived) {
            r->arrived = true;
            r->heard_us = r->heard_us == 0 ? heard_us : r->heard_us;
        }
        r->autoreply = r->autoreply || text_is(arrival, "kind", "autoreply");
    }
    r->autoreply = r->autoreply || text_is(document, "verdict", "autoreply");
    r->bounced = !r->arrived && text_is(document, "verdict", "bounced");
}

/* After a request that failed: once more, as long as there is time for it. */
static void
rest(struct await *a)
{
    if (a->after_window) {
        finish(a);
        return;
    }
    a->lane = RESTING;
    arm(a->timer, a->gap_ms);
    a->gap_ms = a->gap_ms * 2 < ASK_GAP_MAX_MS ? a->gap_ms * 2 : ASK_GAP_MAX_MS;
}

/* A request of our own has an answer that decides nothing yet. */
static void
go_on(struct await *a, const struct api_reply *reply)
{
    if (a->again) {
        a->again = false;
        ask(a);
    } else if (a->task.hosted != NULL) {
        a->lane = LISTENING;
    } else if (reply->answered_us - reply->asked_us < (uint64_t)ASK_GAP_FIRST_MS * 1000) {
        a->lane = RESTING;          /* it did not wait: no reason to ask in a tight loop */
        arm(a->timer, a->gap_ms);
    } else {
        ask(a);
    }
}

static void
on_answer(void *arg, const struct api_reply *reply)
{
    struct await *a = arg;
    enum lane     lane = a->lane;

    a->call = NULL;
    if (reply->body == NULL) {
        note_fault(a, reply);
        if (a->result.hopeless || (lane == SECOND && a->result.arrived))
            finish(a);
        else
            rest(a);
        a->changed(a->arg);
        return;
    }
    a->gap_ms = ASK_GAP_FIRST_MS;
    take_document(a, reply->body, reply->answered_us);
    if (lane == ASKING && a->result.arrived && !a->after_window && json_integer_value(json_object_get(reply->body, "arrival_count")) == 1) {
        a->lane = SECOND;
        ask(a);
    } else if (a->result.arrived || a->result.bounced || a->after_window) {
        finish(a);
    } else {
        go_on(a, reply);
    }
    a->changed(a->arg);
}

/* ---- A mailbox where any genuine token will do ------------------------------------------------------------------------ */

/* The service's stamp as a moment of ours; 0: not known. */
static uint64_t
moment_of(struct await *a, const json_t *event)
{
    const char *text = json_string_value(json_object_get(event, "at"));
    uint64_t    at_us, now = monotonic_us();
    int64_t     earliest, latest;

    if (text == NULL || rfc3339_parse(slice_of(text), &at_us) != MT_OK || !offset_moment(api_clock(a->task.api), now, at_us, &earliest, &latest))
        return 0;
    return latest < 0 ? 0 : (uint64_t)latest;
}

static bool
take_token(struct await *a, const char *token)
{
    struct token parsed;

    if (token == NULL || token_decode(slice_of(token), &parsed) != MT_OK)
        return false;
    token_encode(&parsed, a->result.token);
    return true;
}

static void
on_events(void *arg, const struct api_reply *reply)
{
    struct await *a = arg;
    json_t       *event = json_array_get(json_object_get(reply->body, "events"), 0);

    a->call = NULL;
    if (reply->body == NULL) {
        note_fault(a, reply);
        if (a->result.hopeless)
            finish(a);
        else
            rest(a);
    } else if (event != NULL && moment_of(a, event) >= a->task.begun_us && take_token(a, json_string_value(json_object_get(event, "token")))) {
        a->result.heard_us = reply->answered_us;
        ask(a);
        return;
    } else if (a->after_window) {
        a->result.fault[0] = '\0';
        finish(a);
    } else {
        a->lane = LISTENING;
    }
    a->changed(a->arg);
}

/* ---- Asking --------------------------------------------------------------------------------------------------------- */

static uint32_t
wait_ms(const struct await *a)
{
    uint32_t left = left_ms(a);

    if (a->lane == SECOND)
        return SECOND_COPY_MS;
    if (a->task.hosted != NULL)
        return 0;
    if (a->after_window)
        return LAST_WAIT_MS;
    return left < WAIT_STEP_MS ? left : WAIT_STEP_MS;
}

static void
ask(struct await *a)
{
    uint32_t known = (uint32_t)json_integer_value(json_object_get(a->result.answer, "arrival_count"));

    if (a->lane != SECOND)
        a->lane = a->after_window ? LAST_LOOK : a->task.hosted != NULL ? LOOKING : ASKING;
    event_del(a->timer);
    if (a->result.token[0] == '\0')
        a->call = api_newest_events(a->task.api, a->task.mailbox, "arrived,late", 0, 1, on_events, a);
    else
        a->call = api_show(a->task.api, a->task.mailbox, a->result.token, wait_ms(a), known, on_answer, a);
    if (a->call == NULL) {
        slice_copy(a->result.fault, sizeof(a->result.fault), slice_of(mt_strerror(MT_ENOMEM)));
        rest(a);
    }
}

/* Of a mailbox all tokens are told; the first that came counts. */
static bool
is_of_another(const struct await *a, const struct hosted_event *event)
{
    return a->result.token[0] != '\0' && event->token[0] != '\0' &&
           !slice_equal_nocase(slice_of(event->token), slice_of(a->result.token));
}

/* Something was heard of the token. */
static void
on_event(void *arg, const struct hosted_event *event)
{
    struct await *a = arg;
    bool          came = strcmp(event->name, "arrived") == 0 || strcmp(event->name, "late") == 0;

    if (a->lane == COPIES || a->lane == OVER || is_of_another(a, event))
        return;
    if (a->result.token[0] == '\0' && came)
        came = take_token(a, event->token);
    if (a->call != NULL) {
        a->again = true;        /* what is asked for now may have been answered before this happened */
    } else if (came) {
        a->result.heard_us = event->heard_us;
        a->lane = COPIES;
        arm(a->timer, LISTENED_COPY_MS);
    } else if (strcmp(event->name, "autoreply") == 0) {
        a->result.autoreply = true;
    } else if (a->result.token[0] != '\0' || strcmp(event->name, "ask") == 0) {
        ask(a);         /* bounced or missed: the whole answer tells more */
    }
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ask(arg);
}

/* The window is over: what is not there now is not there. One last look tells. */
static void
on_window(evutil_socket_t fd, short what, void *arg)
{
    struct await *a = arg;

    (void)fd, (void)what;
    if (a->lane == OVER)
        return;
    a->after_window = true;
    arm(a->limit, LAST_LOOK_MS);
    if (a->lane == COPIES || a->lane == SECOND)
        return;
    if (a->lane == LISTENING && a->result.token[0] != '\0') {
        arm(a->timer, LAST_WAIT_MS);    /* "missed" will come before that */
        return;
    }
    api_cancel(a->call);
    a->call = NULL;
    ask(a);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct await *a = arg;

    (void)fd, (void)what;
    api_cancel(a->call);
    a->call = NULL;
    snprintf(a->result.fault, sizeof(a->result.fault), "no answer within %d s", LAST_LOOK_MS / 1000);
    finish(a);
    a->changed(a->arg);
}

/* ---- Beginning and end ------------------------------------------------------------------------------------------------ */

static int
begin(struct await *a)
{
    const struct await_task *t = &a->task;

    arm(a->window, left_ms(a));
    if (t->hosted == NULL) {
        a->lane = RESTING;
        arm(a->timer, 0);
        return t->token == NULL ? MT_EINVALID : MT_OK;
    }
    a->lane = LISTENING;
    a->wait = t->token != NULL ? hosted_wait_token(t->hosted, t->token, on_event, a) : hosted_wait_mailbox(t->hosted, t->mailbox, on_event, a);
    if (a->wait == NULL)
        return MT_ENOMEM;
    if (t->ask_first)
        hosted_wait_ask(a->wait);
    return MT_OK;
}

struct await *
await_start(const struct await_task *task, await_changed_fn *changed, void *arg)
{
    struct await *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    *a = (struct await){ .task = *task, .changed = changed, .arg = arg, .gap_ms = ASK_GAP_FIRST_MS };
    if (task->token != NULL)
        slice_copy(a->result.token, sizeof(a->result.token), slice_of(task->token));
    a->timer = evtimer_new(task->base, on_timer, a);
    a->window = evtimer_new(task->base, on_window, a);
    a->limit = evtimer_new(task->base, on_limit, a);
    if (a->timer == NULL || a->window == NULL || a->limit == NULL || begin(a) != MT_OK) {
        await_free(a);
        return NULL;
    }
    return a;
}

void
await_free(struct await *a)
{
    struct event **events[3];

    if (a == NULL)
        return;
    events[0] = &a->timer, events[1] = &a->window, events[2] = &a->limit;
    hosted_wait_end(a->wait);
    api_cancel(a->call);
    for (size_t i = 0; i < COUNT(events); i++)
        if (*events[i] != NULL)
            event_free(*events[i]);
    json_decref(a->result.answer);
    free(a);
}
