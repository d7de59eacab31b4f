#include "checker/round_trip_parts.h"

#include "checker/arrival.h"
#include "checker/clock.h"
#include "checker/compose.h"
#include "checker/mail_judge.h"
#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SENDING_GRACE_MS = 10000,       /* for the server's reply to the end of the data, when the mail has arrived before it */
    DELETE_LIMIT_MS  = 10000,
    LOOK_GRACE_MS    = 15000,       /* beside the time-out of a step: for the last look into an account */
    LETTER_LIMIT     = 16 * 1024,
    LOCAL_PART_MAX   = 64,          /* RFC 5321 section 4.5.3.1.1 */
    FIRST_INSTANT_US = 1,           /* "at 0" would mean never */
};
#define DETAIL "+check"

static void settle(struct round_trip *t);

uint64_t
trip_now_us(const struct round_trip *t)
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
    uint64_t end_us = conclusion_window_end_us(t->story, t->plan), now = trip_now_us(t);

    return now >= end_us ? 0 : (uint32_t)((end_us - now + 999) / 1000);
}

static void
tell_changed(struct round_trip *t)
{
    if (t->tools.changed != NULL && t->phase == TRIP_UNDER_WAY)
        t->tools.changed(t->arg);
}

/* Whether the customer's account is where the mail is looked for. */
static bool
is_by_account(const struct plan *p)
{
    return p->receive == RECEIVE_IMAP || p->receive == RECEIVE_POP3;
}

/* Where the service is to hear of the mail, and it is ours. */
static bool
is_minted(const struct plan *p)
{
    return p->mailbox != NULL && p->send != SEND_NONE && p->receive != RECEIVE_NONE;
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void
stop_everything(struct round_trip *t)
{
    dispatch_free(t->dispatch);
    t->dispatch = NULL;
    await_free(t->await);
    t->await = NULL;
    watch_free(t->watch);
    t->watch = NULL;
    api_cancel(t->call);
    t->call = NULL;
    event_del(t->window);
    event_del(t->grace);
    event_del(t->limit);
    event_del(t->begin);
}

static void
finish(struct round_trip *t)
{
    stop_everything(t);
    if (t->story->ended_us == 0)
        t->story->ended_us = trip_now_us(t);
    t->phase = TRIP_ENDED;
    event_active(t->finished, EV_TIMEOUT, 0);
}

static void
fail_own(struct round_trip *t, enum own_trouble own, const char *what, const char *reason)
{
    conclude_own_trouble(t->story, own, "%s: %s", what, reason);
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
    conclude_own_trouble(t->story, OWN_INTERRUPTED, "%s while %s: %s%s; nothing was deleted", reason, doing, dispatch_fault(t->dispatch), tries);
}

void
round_trip_interrupt(struct round_trip *t, const char *reason)
{
    const char *doing = t->phase == TRIP_BEGINNING ? "minting a token" : t->dispatch != NULL ? dispatch_doing(t->dispatch) : "waiting for the arrival";

    if (t->phase == TRIP_ENDED)
        return;
    if (t->story->verdict == TRIP_RUNNING && t->dispatch != NULL && !t->story->sent && !t->story->arrived)
        interrupt_sending(t, reason);
    else
        conclude_own_trouble(t->story, OWN_INTERRUPTED, "%s while %s; nothing was deleted", reason, doing);
    finish(t);
}

/* ---- Cleaning up ------------------------------------------------------------------------------------------------- */

static void
on_forgotten(void *arg, const struct api_reply *reply)
{
    struct round_trip *t = arg;

    t->call = NULL;
    if (reply->body != NULL) {
        t->story->deleted = true;
        t->story->messages_deleted += (unsigned)json_integer_value(json_object_get(reply->body, "messages_deleted"));
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
    if (t->phase == TRIP_CLEANING) {
        snprintf(t->story->delete_fault, sizeof(t->story->delete_fault), "no answer within %d s", DELETE_LIMIT_MS / 1000);
        finish(t);
        return;
    }
    t->account_over = true;         /* the last look takes too long */
    if (t->story->fetch_step[0] == '\0') {
        snprintf(t->story->fetch_step, sizeof(t->story->fetch_step), "fetch");
        snprintf(t->story->fetch_reason, sizeof(t->story->fetch_reason), "the last look did not come to its end in time");
    }
    settle(t);
}

static void
clean_up(struct round_trip *t)
{
    t->story->ended_us = trip_now_us(t);
    stop_everything(t);
    if (t->plan->keep || t->plan->mailbox == NULL || t->story->token[0] == '\0') {
        finish(t);
        return;
    }
    t->phase = TRIP_CLEANING;
    arm(t->limit, DELETE_LIMIT_MS);
    t->call = api_forget(t->tools.api, t->plan->mailbox, t->story->token, on_forgotten, t);
    if (t->call == NULL)
        finish(t);
}

/* ---- The decision ------------------------------------------------------------------------------------------------ */

struct conclusion_sending
trip_sending(const struct round_trip *t)
{
    struct conclusion_sending s = { .fault = t->saved_fault, .maybe_taken = t->saved_maybe_taken, .now_us = trip_now_us(t) };

    if (t->dispatch != NULL) {
        s.fault = dispatch_fault(t->dispatch)[0] != '\0' ? dispatch_fault(t->dispatch) : t->saved_fault;
        s.maybe_taken = s.maybe_taken || dispatch_maybe_taken(t->dispatch);
    }
    return s;
}

static enum dispatch_state
sending_state(const struct round_trip *t)
{
    if (t->dispatch != NULL)
        return dispatch_state(t->dispatch);
    return t->story->sent || t->plan->send == SEND_NONE ? DISPATCH_SENT : DISPATCH_UNDER_WAY;
}

static void
settle_arrived(struct round_trip *t)
{
    if (t->dispatch != NULL && dispatch_is_sending(t->dispatch)) {
        if (!event_pending(t->grace, EV_TIMEOUT, NULL))
            arm(t->grace, SENDING_GRACE_MS);    /* the time of the server's reply is worth a moment */
        return;
    }
    conclude_arrived(t->story, t->plan);
    clean_up(t);
}

/* Nothing more will be heard of the arrival. */
static void
settle_over(struct round_trip *t)
{
    const char               *ask_fault = t->await != NULL ? await_result(t->await)->fault : "";
    struct conclusion_sending sending;

    if (t->dispatch != NULL)
        dispatch_abandon(t->dispatch, "the window ended before the server had replied");
    sending = trip_sending(t);
    conclude_window_ended(t->story, t->plan, &sending, ask_fault);
    finish(t);
}

static bool
is_over(const struct round_trip *t)
{
    return t->plan->receive == RECEIVE_HOSTED ? t->await != NULL && await_result(t->await)->over : t->account_over;
}

/* Looks at all lanes and ends the round trip when its outcome is clear. */
static void
settle(struct round_trip *t)
{
    enum dispatch_state       sending;
    struct conclusion_sending s;

    if (t->story->verdict != TRIP_RUNNING || t->phase != TRIP_UNDER_WAY)
        return;
    sending = sending_state(t);
    s = trip_sending(t);
    if (t->story->arrived) {
        settle_arrived(t);
    } else if (t->bounced) {
        conclude_bounced(t->story, t->plan);
        finish(t);
    } else if (sending == DISPATCH_OWN_TROUBLE) {
        conclude_own_trouble(t->story, t->story->own, "%s", s.fault);
        finish(t);
    } else if (t->await != NULL && await_result(t->await)->hopeless && t->plan->receive == RECEIVE_HOSTED) {
        fail_own(t, OWN_SERVICE, "asking the service for the token", await_result(t->await)->fault);
    } else if (t->hopeless) {
        conclude_not_fetched(t->story, t->plan);
        finish(t);
    } else if (sending == DISPATCH_GIVEN_UP && (!s.maybe_taken || t->plan->receive == RECEIVE_NONE)) {
        conclude_not_sent(t->story, &s);
        finish(t);
    } else if (t->plan->receive == RECEIVE_NONE && sending == DISPATCH_SENT) {
        conclude_taken(t->story, t->plan);
        finish(t);
    } else if (is_over(t)) {
        settle_over(t);
    }
}

/* ---- What is heard ----------------------------------------------------------------------------------------------- */

static void
on_await(void *arg)
{
    struct round_trip         *t = arg;
    const struct await_result *r = await_result(t->await);

    t->story->autoreply = t->story->autoreply || r->autoreply;
    if (t->story->token[0] == '\0')
        memcpy(t->story->token, r->token, sizeof(r->token));
    t->bounced = t->bounced || (r->bounced && r->over);
    if (r->answer != NULL && (t->plan->receive == RECEIVE_HOSTED || r->bounced)) {
        json_decref(t->story->answer);
        t->story->answer = json_incref(r->answer);
    }
    if (t->plan->receive == RECEIVE_HOSTED && r->arrived && r->over)
        arrival_at_service(t->story, t->start_us, r->heard_us, api_clock(t->tools.api));
    settle(t);
}

static void
on_watch(void *arg, const struct watch_result *r)
{
    struct round_trip *t = arg;
    struct story      *s = t->story;

    slice_copy(s->fetch_step, sizeof(s->fetch_step), slice_of(r->step));
    slice_copy(s->fetch_host, sizeof(s->fetch_host), slice_of(r->host));
    slice_copy(s->fetch_reason, sizeof(s->fetch_reason), slice_of(r->reason));
    s->fetch_own = r->own;
    t->hopeless = r->hopeless;
    t->account_over = t->account_over || r->last;
    if (r->found && r->bounced)
        t->bounced = true;
    else if (r->found && r->autoreply)
        s->autoreply = true;
    else if (r->found)
        arrival_in_account(s, t->start_us, r);
    if (r->found && r->answer != NULL && !(t->bounced && s->answer != NULL)) {
        json_decref(s->answer);
        s->answer = json_incref(r->answer);
    }
    s->messages_deleted = r->deleted;
    s->deleted = r->deleted > 0;
    settle(t);
}

static void
start_watch(struct round_trip *t)
{
    const struct watch_tools tools = { .base = t->tools.base, .resolver = t->tools.resolver, .credentials = t->tools.credentials,
                                       .queue = t->tools.queue };

    if (t->watch != NULL || t->account_over || !is_by_account(t->plan))
        return;
    t->watch = watch_start(&tools, t->plan, t->plan->send == SEND_NONE ? t->plan->expect : t->story->token, on_watch, t);
    if (t->watch == NULL)
        fail_own(t, OWN_MACHINE, "looking into the account", mt_strerror(MT_ENOMEM));
}

/* Nothing is needed of it any more: thousands wait for their arrival at once. */
static void
end_sending(struct round_trip *t)
{
    t->story->doubled_here = t->story->doubled_here || t->saved_maybe_taken || dispatch_maybe_taken(t->dispatch);
    t->saved_maybe_taken = false;
    dispatch_free(t->dispatch);
    t->dispatch = NULL;
    buf_fini(&t->letter);
}

/* The account is looked into from when there may be something in it. */
static void
on_dispatch(void *arg)
{
    struct round_trip *t = arg;

    if (dispatch_state(t->dispatch) == DISPATCH_SENT || dispatch_maybe_taken(t->dispatch))
        start_watch(t);
    if (t->phase == TRIP_UNDER_WAY && dispatch_state(t->dispatch) == DISPATCH_SENT)
        end_sending(t);
    tell_changed(t);
    settle(t);
}

/* What is hosted has a window of its own (await), and so has sending. */
static void
on_window(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    if (t->watch != NULL) {
        watch_last_look(t->watch);
        arm(t->limit, t->plan->timeout_ms + LOOK_GRACE_MS);
        return;
    }
    t->account_over = true;
    settle(t);
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

/* ---- The beginning ----------------------------------------------------------------------------------------------- */

/*
 * Without --from, bounces go to the mailbox itself, where their token is found. The detail keeps the sender apart from the
 * address that is forwarded to, since some servers do not forward a mail to its own sender. Without a mailbox they go to the account that is
 * looked into.
 */
static int
choose_sender(struct round_trip *t)
{
    struct story *s = t->story;
    size_t        at = slice_find(slice_of(s->address), '@');

    if (t->plan->from != NULL)
        slice_copy(s->from, sizeof(s->from), slice_of(t->plan->from));
    else if (s->address[0] == '\0')
        slice_copy(s->from, sizeof(s->from), slice_of(t->plan->to));
    else
        snprintf(s->from, sizeof(s->from), "%.*s%s%.255s", (int)(at < LOCAL_PART_MAX ? at : LOCAL_PART_MAX), s->address,
                 at + strlen(DETAIL) <= LOCAL_PART_MAX ? DETAIL : "", s->address + at);
    return compose_address_is_fit(slice_of(s->from)) ? MT_OK : MT_ESYNTAX;
}

int
trip_compose(struct round_trip *t)
{
    const struct plan *p = t->plan;

    compose_letter(&t->letter, &(struct letter){ .token = t->story->token, .mailbox = p->mailbox, .label = p->label != NULL ? p->label : MAIL_LABEL_NONE,
                                                 .is_labelled = is_by_account(p), .from = t->story->from, .to = p->to,
                                                 .now_unix = wall_us() / 1000000, .auto_submitted = p->auto_submitted });
    return t->letter.fault;
}

int
trip_start_sending(struct round_trip *t)
{
    const struct dispatch_task task = {
        .base = t->tools.base, .resolver = t->tools.resolver, .credentials = t->tools.credentials, .plan = t->plan,
        .message = buf_slice(&t->letter), .start_us = t->start_us, .end_us = conclusion_window_end_us(t->story, t->plan),
    };

    t->dispatch = dispatch_start(&task, t->story, on_dispatch, t);
    return t->dispatch == NULL ? MT_ENOMEM : MT_OK;
}

int
trip_start_waiting(struct round_trip *t)
{
    const struct plan      *p = t->plan;
    const struct await_task task = {
        .base = t->tools.base, .api = t->tools.api, .hosted = t->tools.hosted, .mailbox = p->mailbox,
        .token = t->story->token[0] != '\0' ? t->story->token : NULL, .begun_us = t->start_us + t->story->minted_us,
        .end_us = t->start_us + conclusion_window_end_us(t->story, p), .ask_first = t->story->resumed || p->send == SEND_NONE,
    };

    t->phase = TRIP_UNDER_WAY;
    if (p->receive != RECEIVE_HOSTED)
        arm(t->window, p->receive == RECEIVE_NONE && t->story->sent ? 0 : left_ms(t));
    if (t->story->sent || p->send == SEND_NONE || t->saved_maybe_taken)
        start_watch(t);
    if (p->mailbox == NULL || p->receive == RECEIVE_NONE || t->phase != TRIP_UNDER_WAY)
        return MT_OK;
    t->await = await_start(&task, on_await, t);
    return t->await == NULL ? MT_ENOMEM : MT_OK;
}

static void
begin(struct round_trip *t)
{
    int rc;

    if (t->plan->send == SEND_NONE) {
        t->story->send_at_us = t->story->minted_us;
        rc = trip_start_waiting(t);
    } else if (choose_sender(t) != MT_OK) {
        fail_own(t, OWN_SERVICE, "minting a token", "the service's answer has no token and address that can be used");
        return;
    } else if ((rc = trip_compose(t)) == MT_OK) {
        rc = trip_start_sending(t);
        rc = rc == MT_OK ? trip_start_waiting(t) : rc;
    }
    if (rc != MT_OK)
        fail_own(t, OWN_MACHINE, "beginning", mt_strerror(rc));
    else
        tell_changed(t);
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
    return MT_OK;
}

static void
on_minted(void *arg, const struct api_reply *reply)
{
    struct round_trip *t = arg;

    t->call = NULL;
    if (reply->body == NULL)
        fail_own(t, OWN_SERVICE, "minting a token", reply->reason);
    else if (take_minted(t, reply) != MT_OK)
        fail_own(t, OWN_SERVICE, "minting a token", "the service's answer has no token and address that can be used");
    else
        begin(t);
}

/* The same form as the service's, so that a mail of either looks alike; nobody can verify it, and nobody needs to. */
static void
draw_token(char out[TOKEN_CHARS + 1])
{
    struct token token;
    uint64_t     now = wall_us() / 1000000;

    randombytes_buf(token.raw, sizeof(token.raw));
    for (unsigned i = 0; i < 4; i++)
        token.raw[i] = (uint8_t)(now >> (24 - 8 * i));
    token_encode(&token, out);
}

/* Where the service mints no token. */
static void
on_begin(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;
    struct token       parsed;

    (void)fd;
    (void)what;
    t->story->minted_us = trip_now_us(t) + FIRST_INSTANT_US;
    if (t->plan->send != SEND_NONE)
        draw_token(t->story->token);
    else if (t->plan->expect != NULL && token_decode(slice_of(t->plan->expect), &parsed) == MT_OK)
        token_encode(&parsed, t->story->token);
    else if (t->plan->expect != NULL && !is_by_account(t->plan)) {
        fail_own(t, OWN_MACHINE, "beginning", "in the service's mailbox a token alone can be expected, not any text");
        return;
    }
    begin(t);
}

struct round_trip *
trip_new(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done, void *arg)
{
    struct round_trip *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    *t = (struct round_trip){ .tools = *tools, .plan = plan, .done = done, .arg = arg };
    buf_init(&t->letter, LETTER_LIMIT);
    t->start_us = monotonic_us();
    t->story = story_new();
    t->window = evtimer_new(tools->base, on_window, t);
    t->grace = evtimer_new(tools->base, on_grace, t);
    t->limit = evtimer_new(tools->base, on_limit, t);
    t->begin = evtimer_new(tools->base, on_begin, t);
    t->finished = event_new(tools->base, -1, 0, on_finished, t);
    if (t->story == NULL || t->window == NULL || t->grace == NULL || t->limit == NULL || t->begin == NULL || t->finished == NULL) {
        round_trip_free(t);
        return NULL;
    }
    t->story->started_wall_us = wall_us();
    return t;
}

struct round_trip *
round_trip_start(const struct round_trip_tools *tools, const struct plan *plan, round_trip_done_fn *done, void *arg)
{
    struct round_trip *t = trip_new(tools, plan, done, arg);

    if (t == NULL)
        return NULL;
    if (!is_minted(plan)) {
        arm(t->begin, 0);
        return t;
    }
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
    struct event **events[5];

    if (t == NULL)
        return;
    events[0] = &t->window, events[1] = &t->grace, events[2] = &t->limit, events[3] = &t->begin, events[4] = &t->finished;
    dispatch_free(t->dispatch);
    await_free(t->await);
    watch_free(t->watch);
    api_cancel(t->call);
    for (size_t i = 0; i < COUNT(events); i++)
        if (*events[i] != NULL)
            event_free(*events[i]);
    buf_fini(&t->letter);
    story_free(t->story);
    free(t);
}
