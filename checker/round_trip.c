#include "checker/round_trip.h"

#include "checker/clock.h"
#include "checker/compose.h"
#include "checker/dispatch.h"
#include "lib/display.h"
#include "lib/duration.h"
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
    SENDING_GRACE_MS = 10000,       /* for the server's reply to the end of the data, when the mail has arrived before it */
    DELETE_LIMIT_MS  = 10000,
    LETTER_LIMIT     = 16 * 1024,
    LOCAL_PART_MAX   = 64,          /* RFC 5321 section 4.5.3.1.1 */
};
#define DETAIL "+check"

/*
 * Two lanes run side by side once the token is minted: the dispatch sends, and this here asks. settle() alone looks at both and
 * decides.
 *
 *   ASKING --on_answer--> ANSWERED (arrived, bounced)
 *     ^  |  (the window has ended)
 *     |  +--> LAST_LOOK --on_answer--> ANSWERED
 *   RESTING (the request failed)
 */
enum ask_lane { ASK_IDLE, ASKING, RESTING, LAST_LOOK, ANSWERED };

struct round_trip {
    struct round_trip_tools tools;
    const struct plan      *plan;
    round_trip_done_fn     *done;
    void                   *arg;
    struct story           *story;
    uint64_t                start_us;       /* monotonic */
    struct buf              letter;

    struct dispatch        *dispatch;       /* NULL before the mint and after the end */
    enum ask_lane           ask;
    struct api_call        *call;           /* mint, wait or delete */
    uint32_t                ask_gap_ms;
    char                    ask_fault[API_REASON_BYTES];    /* why the service could not be asked, the last time */

    struct event           *rest;           /* ends RESTING */
    struct event           *window;         /* the end of it */
    struct event           *grace;
    struct event           *limit;          /* of the last look and of the delete */
    struct event           *finished;
};

static void settle(struct round_trip *t);
static void ask(struct round_trip *t);

static uint64_t
now_us(const struct round_trip *t)
{
    return monotonic_us() - t->start_us;
}

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* What is left of the window. */
static uint32_t
left_ms(const struct round_trip *t)
{
    uint64_t end_us = t->story->minted_us + (uint64_t)t->plan->window_ms * 1000, now = now_us(t);

    return now >= end_us ? 0 : (uint32_t)((end_us - now + 999) / 1000);
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void
stop_everything(struct round_trip *t)
{
    dispatch_free(t->dispatch);
    t->dispatch = NULL;
    api_cancel(t->call);
    t->call = NULL;
    event_del(t->rest);
    event_del(t->window);
    event_del(t->grace);
    event_del(t->limit);
}

static void
finish(struct round_trip *t)
{
    stop_everything(t);
    t->ask = ASK_IDLE;
    event_active(t->finished, EV_TIMEOUT, 0);
}

static void __attribute__((format(printf, 4, 5)))
conclude(struct round_trip *t, enum verdict_kind verdict, enum state state, const char *format, ...)
{
    va_list args;

    if (t->story->verdict != TRIP_RUNNING)
        return;
    t->story->verdict = verdict;
    t->story->state = state;
    va_start(args, format);
    vsnprintf(t->story->reason, sizeof(t->story->reason), format, args);
    va_end(args);
}

static void
fail_own(struct round_trip *t, const char *what, const char *reason)
{
    conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "%s: %s", what, reason);
    finish(t);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    t->done(t->arg, t->story);
}

/* Before a server took the mail, what failed so far is what one wants to know. */
static void
interrupt_sending(struct round_trip *t, const char *reason)
{
    const char *doing = dispatch_doing(t->dispatch);
    char        tries[32] = "";

    dispatch_abandon(t->dispatch, "no answer yet");
    if (t->story->attempts_made > 1)
        snprintf(tries, sizeof(tries), " (%u attempts)", t->story->attempts_made);
    t->story->interrupted_unsent = true;
    conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "%s while %s: %s%s; nothing was deleted", reason, doing,
             dispatch_fault(t->dispatch), tries);
}

void
round_trip_interrupt(struct round_trip *t, const char *reason)
{
    if (t->story->verdict == TRIP_RUNNING && t->dispatch != NULL && !t->story->sent && !t->story->arrived)
        interrupt_sending(t, reason);
    else
        conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "%s while %s; nothing was deleted", reason,
                 t->dispatch != NULL ? dispatch_doing(t->dispatch) : "minting a token");
    finish(t);
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static bool
verdict_is(const json_t *answer, const char *verdict)
{
    const char *found = json_string_value(json_object_get(answer, "verdict"));

    return found != NULL && strcmp(found, verdict) == 0;
}

static bool
time_member(const json_t *object, const char *name, uint64_t *us)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL && rfc3339_parse(slice_of(text), us) == MT_OK;
}

/* The first arrival that is the mail itself. */
static const json_t *
first_arrival(const json_t *answer)
{
    size_t  i;
    json_t *arrival;

    json_array_foreach (json_object_get(answer, "arrivals"), i, arrival) {
        const char *kind = json_string_value(json_object_get(arrival, "kind"));

        if (kind != NULL && strcmp(kind, "arrived") == 0)
            return arrival;
    }
    return NULL;
}

/*
 * The service's clock said minted_at at some moment between our asking for the token and its answer: so it is ahead of ours by no less
 * than low and no more than high. With that its stamp of the arrival becomes a moment of our clock.
 */
static void
take_times(struct round_trip *t, uint64_t answered_us)
{
    struct story *s = t->story;
    uint64_t      minted_wall_us, received_wall_us, mint_from_us, mint_to_us;
    int64_t       latest_us;

    s->answered_us = s->arrived_us = answered_us;
    if (!time_member(s->answer, "minted_at", &minted_wall_us) ||
        !time_member(first_arrival(s->answer), "received_at", &received_wall_us))
        return;
    mint_to_us = s->started_wall_us + s->minted_us;
    mint_from_us = mint_to_us - s->mint_took_us;
    s->clock_known = true;
    s->clock_low_us = (int64_t)minted_wall_us - (int64_t)mint_to_us;
    s->clock_high_us = (int64_t)minted_wall_us - (int64_t)mint_from_us;
    latest_us = (int64_t)received_wall_us - s->clock_low_us - (int64_t)s->started_wall_us;
    if (latest_us >= 0 && (uint64_t)latest_us < answered_us)
        s->arrived_us = (uint64_t)latest_us;
}

/* What the service can never answer otherwise: no use to ask again. */
static bool
is_hopeless(unsigned status)
{
    return status == 400 || status == 401 || status == 403 || status == 404 || status == 405;
}

static void
rest(struct round_trip *t, const char *fault)
{
    slice_copy(t->ask_fault, sizeof(t->ask_fault), slice_of(fault));
    if (t->ask == LAST_LOOK) {
        t->ask = ANSWERED;
        return;
    }
    t->ask = RESTING;
    arm(t->rest, t->ask_gap_ms);
    t->ask_gap_ms = t->ask_gap_ms * 2 < ASK_GAP_MAX_MS ? t->ask_gap_ms * 2 : ASK_GAP_MAX_MS;
}

static void
on_answer(void *arg, const struct api_reply *reply)
{
    struct round_trip *t = arg;

    t->call = NULL;
    if (reply->body == NULL) {
        if (is_hopeless(reply->status))
            fail_own(t, "asking the service for the token", reply->reason);
        else
            rest(t, reply->reason);
        settle(t);
        return;
    }
    t->ask_gap_ms = ASK_GAP_FIRST_MS;
    t->ask_fault[0] = '\0';
    json_decref(t->story->answer);
    t->story->answer = json_incref(reply->body);
    if (verdict_is(reply->body, "arrived") || verdict_is(reply->body, "late")) {
        t->story->arrived = true;
        take_times(t, reply->answered_us - t->start_us);
        t->ask = ANSWERED;
    } else if (t->ask == LAST_LOOK || verdict_is(reply->body, "bounced")) {
        t->ask = ANSWERED;
    } else if (reply->answered_us - reply->asked_us < (uint64_t)ASK_GAP_FIRST_MS * 1000) {
        rest(t, "");        /* it did not wait: no reason to ask in a tight loop */
    } else {
        ask(t);
    }
    settle(t);
}

static void
ask(struct round_trip *t)
{
    uint32_t left = left_ms(t), wait_ms = left < WAIT_STEP_MS ? left : WAIT_STEP_MS, known;

    if (t->ask != LAST_LOOK)
        t->ask = ASKING;
    known = t->story->answer == NULL ? 0 : (uint32_t)json_integer_value(json_object_get(t->story->answer, "arrival_count"));
    t->call = api_show(t->tools.api, t->plan->mailbox, t->story->token, t->ask == LAST_LOOK ? LAST_WAIT_MS : wait_ms, known, on_answer, t);
    if (t->call == NULL)
        fail_own(t, "asking the service", mt_strerror(MT_ENOMEM));
}

static void
on_rest(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ask(arg);
    settle(arg);
}

/* The window is over: what is not there now is not there. One last look tells. */
static void
on_window(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    if (t->ask != ASKING && t->ask != RESTING)
        return;
    api_cancel(t->call);
    t->call = NULL;
    event_del(t->rest);
    t->ask = LAST_LOOK;
    arm(t->limit, LAST_LOOK_MS);
    ask(t);
}

static void
on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    dispatch_abandon(t->dispatch, "no reply yet when the mail had arrived");
    settle(t);
}

/* ---- Cleaning up ------------------------------------------------------------------------------------------------- */

static void
on_forgotten(void *arg, const struct api_reply *reply)
{
    struct round_trip *t = arg;

    t->call = NULL;
    if (reply->body != NULL) {
        t->story->deleted = true;
        t->story->messages_deleted = (unsigned)json_integer_value(json_object_get(reply->body, "messages_deleted"));
    } else {
        slice_copy(t->story->delete_fault, sizeof(t->story->delete_fault), slice_of(reply->reason));
    }
    finish(t);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    api_cancel(t->call);
    t->call = NULL;
    if (t->story->verdict != TRIP_RUNNING) {
        snprintf(t->story->delete_fault, sizeof(t->story->delete_fault), "no answer within %d s", DELETE_LIMIT_MS / 1000);
        finish(t);
        return;
    }
    snprintf(t->ask_fault, sizeof(t->ask_fault), "no answer within %d s", LAST_LOOK_MS / 1000);
    t->ask = ANSWERED;
    settle(t);
}

static void
clean_up(struct round_trip *t)
{
    stop_everything(t);
    if (t->plan->keep) {
        finish(t);
        return;
    }
    arm(t->limit, DELETE_LIMIT_MS);
    t->call = api_forget(t->tools.api, t->plan->mailbox, t->story->token, on_forgotten, t);
    if (t->call == NULL)
        finish(t);
}

/* ---- The decision ------------------------------------------------------------------------------------------------ */

static void
conclude_arrived(struct round_trip *t)
{
    const struct plan *p = t->plan;
    double             total_s = (double)story_total_us(t->story) / 1e6;
    enum state         state = range_state(&p->warning, &p->critical, total_s);

    if (t->story->arrived_us > t->story->minted_us + (uint64_t)p->window_ms * 1000)
        conclude(t, TRIP_ARRIVED, STATE_CRITICAL, "arrived after %.3f s, too late for the window of %u s", total_s, p->window_ms / 1000);
    else if (state == STATE_OK)
        conclude(t, TRIP_ARRIVED, state, "arrived after %.3f s", total_s);
    else
        conclude(t, TRIP_ARRIVED, state, "arrived after %.3f s (%s: %s)", total_s, state == STATE_CRITICAL ? "critical" : "warning",
                 state == STATE_CRITICAL ? p->critical.text : p->warning.text);
    clean_up(t);
}

/* A member of a report; empty where it is null, or there is no report. */
static const char *
report_text(const json_t *report, const char *member)
{
    const char *text = json_string_value(json_object_get(report, member));

    return text == NULL ? "" : text;
}

/* What the status report says: its code, its words, and what they mean where that is known. */
static void
conclude_bounced(struct round_trip *t)
{
    const json_t *report = json_object_get(t->story->answer, "report");
    const char   *status = report_text(report, "status"), *words = report_text(report, "diagnostic"), *meaning = report_text(report, "meaning");
    char          said[400];

    snprintf(said, sizeof(said), "%s%.20s%s%.150s%s%.180s%s", status[0] != '\0' || words[0] != '\0' ? ": " : "", status,
             status[0] != '\0' && words[0] != '\0' ? ", " : "", words, meaning[0] != '\0' ? " (" : "", meaning,
             meaning[0] != '\0' ? ")" : "");
    if (t->story->sent)
        conclude(t, TRIP_BOUNCED, STATE_CRITICAL, "the mail was taken, but came back as undeliverable%s; the report is in mailbox %s", said,
                 t->plan->mailbox);
    else
        conclude(t, TRIP_BOUNCED, STATE_CRITICAL, "the mail came back as undeliverable%s", said);
    finish(t);
}

static uint64_t
receiver_down_us(const json_t *answer)
{
    return (uint64_t)json_integer_value(json_object_get(answer, "receiver_down_ms")) * 1000;
}

static void
conclude_not_arrived(struct round_trip *t)
{
    char window[DURATION_TEXT_BYTES], down[DURATION_TEXT_BYTES], server[TARGET_TEXT_BYTES];
    bool autoreply = t->story->answer != NULL && verdict_is(t->story->answer, "autoreply");

    dispatch_abandon(t->dispatch, "the window ended before the server had replied");
    duration_text((uint64_t)t->plan->window_ms * 1000, window);
    if (t->ask_fault[0] != '\0')
        conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "the service could not be asked whether the mail arrived: %s", t->ask_fault);
    else if (t->story->sent && t->story->answer != NULL && verdict_is(t->story->answer, "not-arrived-receiver-down"))
        conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "not arrived within %s, but the service's own receiver was down or refusing for %s of it: "
                 "this tells nothing of the customer's mail", window, duration_text(receiver_down_us(t->story->answer), down));
    else if (t->story->sent)
        conclude(t, TRIP_NOT_ARRIVED, STATE_CRITICAL, "not arrived within %s, though %s:%u took the mail after %.3f s%s", window,
                 story_target_text(&story_attempt(t->story)->target, server), story_attempt(t->story)->target.port,
                 (double)(t->story->sent_us - t->story->send_at_us) / 1e6, autoreply ? "; there was only an automatic reply" : "");
    else
        conclude(t, TRIP_NOT_SENT, STATE_CRITICAL, "%s%s", dispatch_fault(t->dispatch),
                 dispatch_maybe_taken(t->dispatch) ? ", and not arrived" : "");
    finish(t);
}

static void
conclude_not_sent(struct round_trip *t)
{
    unsigned n = t->story->attempts_made;
    char     tries[64] = "";

    if (n > 1)
        snprintf(tries, sizeof(tries), " (%u attempts in %.0f s)", n, (double)(now_us(t) - t->story->send_at_us) / 1e6);
    conclude(t, TRIP_NOT_SENT, STATE_CRITICAL, "%s%s", dispatch_fault(t->dispatch), tries);
    finish(t);
}

/* Looks at both lanes and ends the round trip when its outcome is clear. */
static void
settle(struct round_trip *t)
{
    enum dispatch_state sending;

    if (t->story->verdict != TRIP_RUNNING || t->dispatch == NULL)
        return;
    sending = dispatch_state(t->dispatch);
    if (t->story->arrived) {
        event_del(t->window);
        if (!dispatch_is_sending(t->dispatch))
            conclude_arrived(t);
        else if (!event_pending(t->grace, EV_TIMEOUT, NULL))
            arm(t->grace, SENDING_GRACE_MS);    /* the time of the server's reply is worth a moment */
    } else if (t->ask == ANSWERED && t->story->answer != NULL && verdict_is(t->story->answer, "bounced")) {
        conclude_bounced(t);
    } else if (sending == DISPATCH_OWN_TROUBLE) {
        conclude(t, TRIP_OWN_TROUBLE, STATE_UNKNOWN, "%s", dispatch_fault(t->dispatch));
        finish(t);
    } else if (sending == DISPATCH_GIVEN_UP && !dispatch_maybe_taken(t->dispatch)) {
        conclude_not_sent(t);
    } else if (t->ask == ANSWERED) {
        conclude_not_arrived(t);
    }
}

static void
on_dispatch(void *arg)
{
    settle(arg);
}

/* ---- The beginning ----------------------------------------------------------------------------------------------- */

/*
 * Without --from, bounces go to the mailbox itself, where their token is found. The detail keeps the sender apart from the
 * address that is forwarded to, since some servers do not forward a mail to its own sender.
 */
static int
choose_sender(struct round_trip *t)
{
    struct story *s = t->story;
    size_t        at = slice_find(slice_of(s->address), '@');

    if (t->plan->from != NULL)
        slice_copy(s->from, sizeof(s->from), slice_of(t->plan->from));
    else
        snprintf(s->from, sizeof(s->from), "%.*s%s%.255s", (int)(at < LOCAL_PART_MAX ? at : LOCAL_PART_MAX), s->address,
                 at + strlen(DETAIL) <= LOCAL_PART_MAX ? DETAIL : "", s->address + at);
    return compose_address_is_fit(slice_of(s->from)) ? MT_OK : MT_ESYNTAX;
}

static int
take_minted(struct round_trip *t, const struct api_reply *reply)
{
    struct story *s = t->story;
    const char   *token = json_string_value(json_object_get(reply->body, "token"));
    const char   *address = json_string_value(json_object_get(reply->body, "address"));
    struct token  parsed;

    if (token == NULL || address == NULL || token_decode(slice_of(token), &parsed) != MT_OK ||
        !slice_copy(s->address, sizeof(s->address), slice_of(address)))
        return MT_ESYNTAX;
    token_encode(&parsed, s->token);
    s->minted_us = reply->answered_us - t->start_us;
    s->mint_took_us = reply->answered_us - reply->asked_us;
    return choose_sender(t);
}

static void
on_minted(void *arg, const struct api_reply *reply)
{
    struct round_trip   *t = arg;
    struct story        *s = t->story;
    struct dispatch_task task;

    t->call = NULL;
    if (reply->body == NULL) {
        fail_own(t, "minting a token", reply->reason);
        return;
    }
    if (take_minted(t, reply) != MT_OK) {
        fail_own(t, "minting a token", "the service's answer has no token and address that can be used");
        return;
    }
    compose_letter(&t->letter, &(struct letter){ .token = s->token, .mailbox = t->plan->mailbox, .from = s->from, .to = t->plan->to,
                                                 .now_unix = wall_us() / 1000000, .auto_submitted = t->plan->auto_submitted });
    if (t->letter.fault != MT_OK) {
        fail_own(t, "composing the test mail", mt_strerror(t->letter.fault));
        return;
    }
    arm(t->window, t->plan->window_ms);
    task = (struct dispatch_task){
        .base = t->tools.base, .resolver = t->tools.resolver, .plan = t->plan, .message = buf_slice(&t->letter),
        .start_us = t->start_us, .end_us = s->minted_us + (uint64_t)t->plan->window_ms * 1000,
    };
    t->dispatch = dispatch_start(&task, s, on_dispatch, t);
    if (t->dispatch == NULL)
        fail_own(t, "sending", mt_strerror(MT_ENOMEM));
    else
        ask(t);
}

struct round_trip *
round_trip_start(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done, void *arg)
{
    struct round_trip *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    *t = (struct round_trip){ .tools = *tools, .plan = plan, .done = done, .arg = arg, .ask_gap_ms = ASK_GAP_FIRST_MS };
    buf_init(&t->letter, LETTER_LIMIT);
    t->start_us = monotonic_us();
    t->story = story_new();
    t->rest = evtimer_new(tools->base, on_rest, t);
    t->window = evtimer_new(tools->base, on_window, t);
    t->grace = evtimer_new(tools->base, on_grace, t);
    t->limit = evtimer_new(tools->base, on_limit, t);
    t->finished = event_new(tools->base, -1, 0, on_finished, t);
    if (t->story == NULL || t->rest == NULL || t->window == NULL || t->grace == NULL || t->limit == NULL || t->finished == NULL) {
        round_trip_free(t);
        return NULL;
    }
    t->story->started_wall_us = wall_us();
    t->call = api_mint(tools->api, plan->mailbox, (plan->window_ms + 999) / 1000, on_minted, t);
    if (t->call == NULL) {
        round_trip_free(t);
        return NULL;
    }
    return t;
}

void
round_trip_free(struct round_trip *t)
{
    struct event **events[] = { &t->rest, &t->window, &t->grace, &t->limit, &t->finished };

    if (t == NULL)
        return;
    dispatch_free(t->dispatch);
    api_cancel(t->call);
    for (size_t i = 0; i < COUNT(events); i++)
        if (*events[i] != NULL)
            event_free(*events[i]);
    buf_fini(&t->letter);
    story_free(t->story);
    free(t);
}
