#include "checker/watch.h"

#include "checker/clock.h"
#include "checker/fetch.h"
#include "checker/watch_queue.h"
#include "lib/buf.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    POLL_GAP_MIN_MS = 100,          /* whatever the plan says */
    SINCE_GRACE_S   = 3600,         /* clocks differ */
    KEY_BYTES_MAX   = 1024,
    ARRIVALS_MAX    = TOKEN_ARRIVALS_MAX,
};

/*
 *   RESTING -> QUEUED (others look into the account) -> RESOLVING -> ASKING (for the secret) -> LOOKING -> RESTING, or IDLE when the mail itself is found
 *
 * end_look() is where each look ends, whatever came of it.
 */
enum phase { RESTING, QUEUED, RESOLVING, ASKING, LOOKING, IDLE };

struct watch {
    struct watch_tools         tools;
    const struct plan         *plan;
    watch_changed_fn          *changed;
    void                      *arg;
    struct auth                auth;            /* the plan's, with a mechanism in any case */
    const char                *token;
    struct fetch_memory        memory;
    struct watch_result        result;
    bool                       report_came, reply_came;
    int64_t                    since_unix;

    enum phase                 phase;
    bool                       last_wanted, last_under_way;
    unsigned                   refusals;        /* of the secret, one after the other */
    uint32_t                   gap_ms;
    uint64_t                   look_us;         /* when the look began, monotonic */
    uint64_t                   unseen_us;       /* when the last look began that went well and did not see it */
    struct watch_turn          turn;
    struct event              *timer;           /* ends RESTING */
    /* During a look: */
    struct mail_judge         *judge;
    struct resolution         *resolution;
    struct route              *route;
    struct credential_request *request;
    struct fetch              *fetch;
};

static void begin_look(struct watch *w);

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* ---- The end of a look -------------------------------------------------------------------------------------------- */

static void
rest(struct watch *w)
{
    w->phase = RESTING;
    arm(w->timer, w->gap_ms);
    w->gap_ms = w->gap_ms + w->gap_ms / 2 < POLL_GAP_MAX_MS ? w->gap_ms + w->gap_ms / 2 : POLL_GAP_MAX_MS;
}

/* What is large is there during a look alone: most watches wait. */
static void
free_look(struct watch *w)
{
    mail_judge_free(w->judge);
    w->judge = NULL;
    free(w->route);
    w->route = NULL;
}

/* What was found and what failed stand in the result. changed may free the watch. */
static void
end_look(struct watch *w)
{
    free_look(w);
    w->result.looks++;
    w->result.last = w->last_under_way;
    watch_turn_end(w->tools.queue, &w->turn);
    if (w->last_under_way)
        w->phase = IDLE;
    else if (w->last_wanted)
        begin_look(w);
    else if (w->result.copies > 0 || w->result.hopeless)
        w->phase = IDLE;
    else
        rest(w);
    w->changed(w->arg, &w->result);
}

static void
fail_look(struct watch *w, const char *step, const char *reason, bool hopeless)
{
    slice_copy(w->result.step, sizeof(w->result.step), slice_of(step));
    slice_copy(w->result.reason, sizeof(w->result.reason), slice_of(reason));
    w->result.hopeless = hopeless;
    end_look(w);
}

/* ---- What was found ----------------------------------------------------------------------------------------------- */

/* Members that a token's document has from its first mail, or where there is none from its first report or reply. */
static void
take_first(json_t *answer)
{
    static const char *const members[] = { "found_in", "lost", "slowest_hop", "hops" };
    json_t                  *arrivals = json_object_get(answer, "arrivals"), *first = json_array_get(arrivals, 0), *arrival;
    size_t                   i;

    json_array_foreach (arrivals, i, arrival)
        if (strcmp(json_string_value(json_object_get(arrival, "kind")), "arrived") == 0) {
            first = arrival;
            break;
        }
    for (i = 0; i < COUNT(members); i++)
        json_object_set(answer, members[i], json_object_get(first, members[i]));
}

/* What this look found goes to what the ones before it found. */
static void
take_arrivals(struct watch *w, const struct fetch_result *r)
{
    json_t *answer = w->result.answer, *kept, *arrival;
    size_t  i;

    if (json_array_size(r->arrivals) == 0)
        return;
    if (answer == NULL) {
        answer = w->result.answer = json_pack("{s:s, s:[], s:n}", "token", w->token, "arrivals", "report");
        if (answer == NULL)
            return;
    }
    kept = json_object_get(answer, "arrivals");
    json_array_foreach (r->arrivals, i, arrival)
        if (json_array_size(kept) < ARRIVALS_MAX)
            json_array_append(kept, arrival);
    json_object_set_new(answer, "arrival_count", json_integer((json_int_t)json_array_size(kept)));
    if (r->report != NULL && json_is_null(json_object_get(answer, "report")))
        json_object_set(answer, "report", r->report);
    take_first(answer);
}

static void
take_found(struct watch *w, const struct fetch_result *r)
{
    struct watch_result *out = &w->result;

    /* The first that is found, and the mail itself where a report or a reply came before it. */
    if (r->folder[0] != '\0' && (!out->found || (out->copies == 0 && r->copies > 0))) {
        out->found = true;
        out->found_us = monotonic_us();
        out->seen_before_us = w->unseen_us;
        out->junk = r->junk;
        slice_copy(out->folder, sizeof(out->folder), slice_of(r->folder));
    } else if (r->copies > 0) {
        out->junk = out->junk && r->junk;
    }
    out->copies += r->copies;
    w->report_came = w->report_came || r->bounced;
    w->reply_came = w->reply_came || r->autoreply;
    out->bounced = w->report_came && out->copies == 0;
    out->autoreply = w->reply_came && out->copies == 0 && !out->bounced;
    out->deleted += r->deleted;
    out->leftovers_deleted += r->leftovers_deleted;
    take_arrivals(w, r);
    if (r->looked && r->copies == 0)
        w->unseen_us = w->look_us;
}

/* A token that the server refuses may have run out: one more is asked for before that counts. */
static bool
is_hopeless(struct watch *w, const struct fetch_result *r)
{
    w->refusals = r->refused ? w->refusals + 1 : 0;
    if (r->refused && credential_is_token(&w->auth)) {
        credential_refused(w->tools.credentials, &w->auth);
        return w->refusals > 1;
    }
    return r->hopeless;
}

static void
on_fetched(void *arg, const struct fetch_result *r)
{
    struct watch *w = arg;

    w->fetch = NULL;
    w->result.own = r->own_trouble;
    take_found(w, r);
    slice_copy(w->result.host, sizeof(w->result.host), slice_of(r->host));
    slice_copy(w->result.tls_version, sizeof(w->result.tls_version), slice_of(r->tls_version));
    slice_copy(w->result.tls_verify, sizeof(w->result.tls_verify), slice_of(r->tls_verify));
    /* A look that went through and found nothing is no failure: that a left-over cannot be deleted, or the Junk folder not be opened, is a note. */
    fail_look(w, r->looked && r->folder[0] == '\0' ? "" : r->step, r->reason, is_hopeless(w, r));
}

/* ---- A look ------------------------------------------------------------------------------------------------------- */

static void
on_secret(void *arg, const char *secret, const char *reason)
{
    struct watch     *w = arg;
    struct fetch_task task = {
        .base = w->tools.base,
        .plan = w->plan,
        .auth = &w->auth,
        .route = w->route,
        .secret = secret,
        .token = w->token,
        .since_unix = w->since_unix,
        .judge = w->judge,
        .memory = &w->memory,
    };

    w->request = NULL;
    w->result.own = secret == NULL;
    if (secret == NULL) {
        fail_look(w, "login", reason, !credential_is_token(&w->auth));
        return;
    }
    w->phase = LOOKING;
    w->fetch = fetch_start(&task, on_fetched, w);
    if (w->fetch == NULL)
        fail_look(w, "connect", mt_strerror(MT_ENOMEM), false);
}

static void
on_route(void *arg, const struct route *route)
{
    struct watch *w = arg;

    w->resolution = NULL;
    if (route->fault != ROUTE_FOUND) {
        w->result.own = route->fault == ROUTE_NO_DNS;
        fail_look(w, "lookup", route->reason, false);
        return;
    }
    w->route = malloc(sizeof(*w->route));
    w->phase = ASKING;
    if (w->route != NULL) {
        *w->route = *route;
        w->request = credential_get(w->tools.credentials, &w->auth, on_secret, w);
    }
    if (w->request == NULL)
        fail_look(w, "login", mt_strerror(MT_ENOMEM), false);
}

/* The turn has come. */
static void
look(struct watch *w)
{
    const struct mail_judge_task judge = { .token = w->token, .label = w->plan->label, .window_s = w->plan->window_ms / 1000 };
    const struct server         *s = &w->plan->account;

    w->look_us = monotonic_us();
    w->last_under_way = w->last_wanted;
    w->last_wanted = false;
    snprintf(w->result.host, sizeof(w->result.host), "%.240s:%u", s->host, s->port);
    w->phase = RESOLVING;
    w->judge = mail_judge_new(&judge);
    if (w->judge != NULL)
        w->resolution = resolver_find_host(w->tools.resolver, slice_of(s->host), s->port, on_route, w);
    if (w->resolution == NULL)
        fail_look(w, "lookup", mt_strerror(MT_ENOMEM), false);
}

/* Time to look again, or the turn has come. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;

    (void)fd;
    (void)what;
    if (w->phase == QUEUED && w->turn.granted)
        look(w);
    else if (w->phase == RESTING)
        begin_look(w);
}

/* Asks for a turn. Nothing is looked at from inside this call. */
static void
begin_look(struct watch *w)
{
    const struct server *s = &w->plan->account;
    char                 key[KEY_BYTES_MAX];

    event_del(w->timer);
    w->phase = QUEUED;
    if (w->tools.queue == NULL) {
        w->turn.granted = true;
        event_active(w->timer, EV_TIMEOUT, 0);
        return;
    }
    snprintf(key, sizeof(key), "%s\n%u\n%.256s\n%.512s", w->plan->receive == RECEIVE_POP3 ? "pop3" : "imap", s->port, s->host,
             s->auth.user != NULL ? s->auth.user : "");
    w->turn.wake = w->timer;
    if (watch_turn_ask(w->tools.queue, &w->turn, slice_of(key), w->last_wanted) != MT_OK)
        rest(w);
}

/* ---- Life --------------------------------------------------------------------------------------------------------- */

void
watch_last_look(struct watch *w)
{
    w->last_wanted = true;
    if (w->phase == RESTING || w->phase == IDLE)
        begin_look(w);
}

void
watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    watch_turn_end(w->tools.queue, &w->turn);
    fetch_cancel(w->fetch);
    credential_cancel(w->request);
    resolution_cancel(w->resolution);
    free_look(w);
    if (w->timer != NULL)
        event_free(w->timer);
    json_decref(w->result.answer);
    free(w);
}

/* No mail of the token is older: its time of issue, or for another text the beginning of the watch. */
static int64_t
since(const char *token)
{
    int64_t      now = (int64_t)(wall_us() / 1000000), issued;
    struct token t;

    if (token_decode(slice_of(token), &t) != MT_OK)
        return now - SINCE_GRACE_S;
    issued = token_issued_unix(&t);
    return (issued < now ? issued : now) - SINCE_GRACE_S;
}

struct watch *
watch_start(const struct watch_tools *tools, const struct plan *plan, const char *token, watch_changed_fn *changed, void *arg)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->tools = *tools;
    w->plan = plan;
    w->token = token;
    w->changed = changed;
    w->arg = arg;
    w->auth = plan->account.auth;
    if (w->auth.mechanism == AUTH_NONE)
        w->auth.mechanism = AUTH_AUTO;      /* an account is somebody's */
    w->since_unix = since(token);
    w->gap_ms = plan->poll_gap_ms > POLL_GAP_MIN_MS ? plan->poll_gap_ms : POLL_GAP_MIN_MS;
    w->timer = evtimer_new(tools->base, on_timer, w);
    if (w->timer == NULL) {
        watch_free(w);
        return NULL;
    }
    begin_look(w);
    return w;
}
