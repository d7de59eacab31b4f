/* The JSON half of report. */

#include "checker/report.h"

#include "checker/json_put.h"
#include "checker/sender_json.h"

/* The moment at_us of the story by our clock. */
static json_t *
moment(const struct story *story, uint64_t at_us)
{
    return json_time_us(story->started_wall_us + at_us);
}

static json_t *
steps_json(const struct story *story, const struct attempt *a)
{
    json_t    *steps = json_array();
    struct buf route;

    buf_init(&route, ROUTE_TEXT_BYTES);
    story_put_targets(&route, story);
    if (story->looked_up)
        json_array_append_new(steps, step_json(STEP_LOOKUP, story->lookup_at_us, story->lookup_took_us, true, 0, buf_slice(&route)));
    buf_fini(&route);
    for (unsigned i = 0; a != NULL && i < a->result.steps.count; i++) {
        const struct step *s = &a->result.steps.list[i];

        json_array_append_new(steps, step_json(s->kind, s->at_us, s->took_us, s->done, s->code, slice_of(s->reply)));
    }
    return steps;
}

static json_t *
server_json(const struct attempt *a)
{
    json_t *j;

    if (a == NULL)
        return json_null();
    j = json_object();
    PUT(j, "host", json_text_or_null(a->target.host));
    PUT(j, "address", json_text_or_null(a->target.address));
    PUT(j, "port", json_integer(a->target.port));
    return j;
}

static json_t *
attempts_json(const struct story *story)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < story->attempts_kept; i++) {
        const struct attempt *a = &story->attempts[i];
        json_t               *j = json_object();

        PUT(j, "at_s", json_seconds(a->at_us));
        PUT(j, "took_s", json_seconds(a->took_us));
        PUT(j, "server", server_json(a));
        PUT(j, "tls", tls_json(&a->result));
        PUT(j, "accepted", json_boolean(a->result.accepted));
        PUT(j, "reason", json_text_or_null(a->result.reason));
        json_array_append_new(list, j);
    }
    return list;
}

/* At which step a trip without an arrival ended. */
static const char *
failed_step(const struct story *story, const struct attempt *a)
{
    const struct step *step = a == NULL ? NULL : steps_failed(&a->result.steps);

    if (story->verdict == TRIP_OWN_TROUBLE && !story->interrupted_unsent)
        return "own";
    if (story->verdict == TRIP_NOT_FETCHED)
        return story->fetch_step;
    if (story->verdict != TRIP_NOT_SENT && !story->interrupted_unsent)
        return "arrival";
    return a == NULL ? "lookup" : step_name(step != NULL ? step->kind : STEP_OTHER);
}

static json_t *
failure_json(const struct story *story, const struct attempt *a)
{
    bool    by_server = (story->verdict == TRIP_NOT_SENT || story->interrupted_unsent) && a != NULL;
    bool    by_reply = by_server && a->result.code != 0, by_account = story->verdict == TRIP_NOT_FETCHED;
    json_t *j;

    if (story_has_arrived(story) || story->verdict == TRIP_TAKEN)
        return json_null();
    j = json_object();
    PUT(j, "step", json_string(failed_step(story, a)));
    PUT(j, "reply", by_reply ? json_text_or_null(a->result.reason) : json_null());
    PUT(j, "code", by_reply ? json_code_or_null(a->result.code) : json_null());
    PUT(j, "host", by_server ? json_text_or_null(a->target.host) : by_account ? json_text_or_null(story->fetch_host) : json_null());
    PUT(j, "reason", json_text_or_null(by_server ? a->result.reason : by_account ? story->fetch_reason : story->reason));
    return j;
}

static json_t *
clock_json(const struct story *story)
{
    json_t *j;

    if (!story->clock_known)
        return json_null();
    j = json_object();
    PUT(j, "ahead_at_least_s", json_real((double)story->clock_low_us / 1e6));
    PUT(j, "ahead_at_most_s", json_real((double)story->clock_high_us / 1e6));
    return j;
}

static void
put_plan(json_t *j, const struct plan *plan, const struct story *story)
{
    PUT(j, "scenario", plan->scenario == 0 ? json_null() : json_integer(plan->scenario));
    PUT(j, "verdict", json_string(verdict_kind_name(story->verdict)));
    PUT(j, "state", json_string(state_name(story->state)));
    PUT(j, "exit_code", json_integer(story->state));
    PUT(j, "summary", json_text_or_null(story->reason));
    PUT(j, "mailbox", json_text_or_null(plan->mailbox));
    PUT(j, "token", json_text_or_null(story->token));
    PUT(j, "to", json_text_or_null(plan->to));
    PUT(j, "from", json_text_or_null(story->from));
    PUT(j, "started_at", moment(story, 0));
    PUT(j, "window_s", json_seconds((uint64_t)plan->window_ms * 1000));
}

static void
put_arrival(json_t *j, const struct story *story)
{
    json_t *hops = json_object_get(story->answer, "hops");

    PUT(j, "arrived", json_boolean(story->arrived));
    PUT(j, "arrived_at", story->arrived ? moment(story, story->arrived_us) : json_null());
    PUT(j, "arrived_within_s", story->arrived ? json_seconds(story->arrived_us - story->arrived_after_us) : json_null());
    PUT(j, "clamped", json_boolean(story->clamped));
    PUT(j, "copies", json_integer(story->arrived ? story->copies : 0));
    PUT(j, "junk", json_boolean(story->junk));
    PUT(j, "folder", json_text_or_null(story->folder));
    PUT(j, "autoreply", json_boolean(story->autoreply));
    PUT(j, "transit_s", story->arrived && story->sent ? json_seconds(story_transit_us(story)) : json_null());
    PUT(j, "total_s", story->arrived ? json_seconds(story_total_us(story)) : json_null());
    PUT(j, "clock", clock_json(story));
    PUT(j, "arrival", story->answer != NULL ? json_incref(story->answer) : json_null());
    PUT(j, "hops", hops != NULL ? json_incref(hops) : json_array());
    PUT(j, "deleted", json_boolean(story->deleted));
}

json_t *
report_json(const struct plan *plan, const struct story *story)
{
    const struct attempt *a = story_attempt(story);
    json_t               *j = json_object();

    if (j == NULL)
        return NULL;
    put_plan(j, plan, story);
    PUT(j, "server", server_json(a));
    PUT(j, "tls", a == NULL ? json_null() : tls_json(&a->result));
    PUT(j, "steps", steps_json(story, a));
    PUT(j, "attempts_made", json_integer(story->attempts_made));
    PUT(j, "attempts", attempts_json(story));
    PUT(j, "deferred", json_boolean(story_was_deferred(story)));
    PUT(j, "resumed", json_boolean(story->resumed));
    PUT(j, "sent", json_boolean(story->sent));
    PUT(j, "sent_at", story->sent ? moment(story, story->sent_us) : json_null());
    PUT(j, "send_s", story->sent ? json_seconds(story->sent_us - story->send_at_us) : json_null());
    put_arrival(j, story);
    PUT(j, "failure", failure_json(story, a));
    return j;
}
