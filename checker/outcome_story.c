#include "checker/outcome_story.h"

#include "checker/compose.h"
#include "checker/report.h"
#include "lib/display.h"
#include "lib/error.h"

#include <stdio.h>

/* ---- What failed -------------------------------------------------------------------------------------------------- */

/* Whether sending is what it ended at. */
static bool
ended_at_sending(const struct story *s)
{
    return s->verdict == TRIP_NOT_SENT || s->interrupted_unsent;
}

static const char *
failed_step(const struct attempt *a)
{
    const struct step *step = a == NULL ? NULL : steps_failed(&a->result.steps);

    if (a == NULL)
        return step_name(STEP_LOOKUP);
    return step_name(step != NULL ? step->kind : STEP_OTHER);
}

/* Text of a server's, fit to be shown. */
static void
put_shown(char *to, size_t size, const char *text)
{
    struct buf safe;

    buf_init(&safe, size * 8);
    display_text(&safe, slice_of(text), size - 1);
    slice_copy(to, size, buf_slice(&safe));
    buf_fini(&safe);
}

/* "mx1.example[192.0.2.1]:25". */
static void
put_target(char *to, size_t size, const struct target *t)
{
    char text[TARGET_TEXT_BYTES];

    if (t->address[0] == '\0')
        snprintf(to, size, "%.200s", t->host);
    else
        snprintf(to, size, "%.240s:%u", story_target_text(t, text), t->port);
}

static void
put_failed_sending(struct outcome *o, const struct story *s)
{
    const struct attempt *a = story_attempt(s);

    snprintf(o->step, sizeof(o->step), "%s", failed_step(a));
    if (a == NULL)
        return;
    put_target(o->host, sizeof(o->host), &a->target);
    o->code = a->result.code;
    if (a->result.code != 0)
        put_shown(o->reply, sizeof(o->reply), a->result.reason);
}

static const char *
report_member(const json_t *report, const char *name)
{
    const char *text = json_string_value(json_object_get(report, name));

    return text == NULL ? "" : text;
}

/* Who refused, in whose words. */
static void
put_bounce(struct outcome *o, const struct story *s)
{
    const json_t *report = json_object_get(s->answer, "report");
    const char   *by = report_member(report, "refused_by"), *status = report_member(report, "status");
    char          words[400];

    put_shown(o->host, sizeof(o->host), by[0] != '\0' ? by : report_member(report, "host"));
    snprintf(words, sizeof(words), "%.40s%s%.300s", status, status[0] != '\0' ? " " : "", report_member(report, "diagnostic"));
    put_shown(o->reply, sizeof(o->reply), words);
}

static void
put_failure(struct outcome *o, const struct story *s)
{
    if (ended_at_sending(s)) {
        put_failed_sending(o, s);
    } else if (s->verdict == TRIP_NOT_FETCHED) {
        snprintf(o->step, sizeof(o->step), "%s", s->fetch_step);
        put_shown(o->host, sizeof(o->host), s->fetch_host);
        put_shown(o->reply, sizeof(o->reply), s->fetch_reason);
    } else if (s->state != STATE_OK && s->verdict != TRIP_OWN_TROUBLE) {
        snprintf(o->step, sizeof(o->step), "arrival");
        if (s->verdict == TRIP_BOUNCED)
            put_bounce(o, s);
    }
}

/* ---- The cause ---------------------------------------------------------------------------------------------------- */

static void
put_recipient_cause(struct outcome *o, const char *what, const struct plan *plan)
{
    struct slice domain = compose_domain(slice_of(plan->to));

    if (domain.len > 0)
        snprintf(o->cause, sizeof(o->cause), "%s %.*s", what, (int)(domain.len < 160 ? domain.len : 160), domain.data);
    else
        snprintf(o->cause, sizeof(o->cause), "%s %.160s", what, plan->mailbox != NULL ? plan->mailbox : "account");
}

static void
put_sending_cause(struct outcome *o, const struct plan *plan, const struct story *s)
{
    const struct attempt *a = story_attempt(s);
    struct slice          domain = compose_domain(slice_of(plan->to));

    if (plan->send == SEND_SENDMAIL)
        snprintf(o->cause, sizeof(o->cause), "sendmail %.160s", plan->sendmail);
    else if (slice_equal(slice_of(o->step), slice_of(step_name(STEP_RCPT))) && o->code != 0)
        snprintf(o->cause, sizeof(o->cause), "recipient %.180s", plan->to);
    else if (plan->server.host != NULL)
        snprintf(o->cause, sizeof(o->cause), "server %.160s:%u %s", plan->server.host, plan->server.port, o->step);
    else if (a != NULL)
        snprintf(o->cause, sizeof(o->cause), "server %.160s:%u %s", a->target.host, a->target.port, o->step);
    else
        snprintf(o->cause, sizeof(o->cause), "domain %.*s lookup", (int)(domain.len < 160 ? domain.len : 160), domain.data);
}

static void
put_own_cause(struct outcome *o, const struct plan *plan, const struct story *s)
{
    static const char *const causes[] = {
        [OWN_NONE] = "machine", [OWN_SERVICE] = "service", [OWN_RECEIVER] = "receiver", [OWN_RESOLVER] = "resolver", [OWN_LOGIN] = "login",
        [OWN_MACHINE] = "machine", [OWN_INTERRUPTED] = "interrupted",
    };
    const struct server *server = s->fetch_own ? &plan->account : &plan->server;

    if (s->own == OWN_LOGIN && server->host != NULL)
        snprintf(o->cause, sizeof(o->cause), "%s %.160s:%u", causes[s->own], server->host, server->port);
    else
        snprintf(o->cause, sizeof(o->cause), "%s", causes[s->own]);
}

static void
put_cause(struct outcome *o, const struct plan *plan, const struct story *s)
{
    if (s->state == STATE_OK)
        return;
    switch (s->verdict) {
    case TRIP_OWN_TROUBLE:
        put_own_cause(o, plan, s);
        break;
    case TRIP_NOT_SENT:
        put_sending_cause(o, plan, s);
        break;
    case TRIP_NOT_FETCHED:
        snprintf(o->cause, sizeof(o->cause), "account %.160s:%u %s", plan->account.host, plan->account.port, o->step);
        break;
    case TRIP_BOUNCED:
        put_recipient_cause(o, "bounce", plan);
        break;
    case TRIP_JUNK:
        put_recipient_cause(o, "junk", plan);
        break;
    case TRIP_LATE:
        put_recipient_cause(o, "delay", plan);
        break;
    case TRIP_ARRIVED:
        put_recipient_cause(o, s->copies > 1 && s->state == STATE_WARNING ? "copies" : "delay", plan);
        break;
    case TRIP_TAKEN:
        put_recipient_cause(o, "delay", plan);
        break;
    default:
        put_recipient_cause(o, "arrival", plan);
    }
}

/* ---- The times ---------------------------------------------------------------------------------------------------- */

/* Each step that was reached, those of the second EHLO added to the first's. */
static void
put_step_times(struct outcome *o, const struct attempt *a)
{
    for (int kind = STEP_CONNECT; kind < STEP_OTHER; kind++) {
        uint64_t sum = 0;
        bool     reached = false;

        for (unsigned i = 0; i < a->result.steps.count; i++)
            if (a->result.steps.list[i].kind == (enum step_kind)kind) {
                sum += a->result.steps.list[i].took_us;
                reached = true;
            }
        if (reached)
            outcome_add_time(o, step_name((enum step_kind)kind), sum);
    }
}

/* Whose time the way was, by the service's reading of the hops (docs/hops.md). */
static void
put_shares(struct outcome *o, const json_t *answer)
{
    static const struct { const char *member, *name; } shares[] = {
        { "customer_s", "customer" }, { "forwarding_s", "forwarding" }, { "receiver_s", "receiver" },
    };
    const json_t *times = json_object_get(answer, "time_shares");

    for (size_t i = 0; i < COUNT(shares); i++) {
        const json_t *value = json_object_get(times, shares[i].member);

        if (json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) < 1e9)
            outcome_add_time(o, shares[i].name, (uint64_t)(json_number_value(value) * 1e6));
    }
}

static void
put_times(struct outcome *o, const struct plan *plan, const struct story *s)
{
    const struct attempt *a = story_attempt(s);

    if (s->mint_took_us > 0)
        outcome_add_time(o, "mint", s->mint_took_us);
    if (s->looked_up)
        outcome_add_time(o, step_name(STEP_LOOKUP), s->lookup_took_us);
    if (a != NULL)
        put_step_times(o, a);
    if (s->sent)
        outcome_add_time(o, "send", s->sent_us > s->send_at_us ? s->sent_us - s->send_at_us : 0);
    if (s->arrived && s->sent)
        outcome_add_time(o, "transit", story_transit_us(s));
    put_shares(o, s->answer);
    if (s->arrived)
        outcome_add_time(o, "total", story_total_us(s));
    else if (s->sent && plan->receive == RECEIVE_NONE)
        outcome_add_time(o, "total", s->sent_us > s->send_at_us ? s->sent_us - s->send_at_us : 0);
}

/* ---- All of it ---------------------------------------------------------------------------------------------------- */

static uint64_t
end_us(const struct story *s)
{
    const struct attempt *a = s->attempts_kept == 0 ? NULL : &s->attempts[s->attempts_kept - 1];
    uint64_t              end = s->minted_us > s->answered_us ? s->minted_us : s->answered_us;

    if (s->sent_us > end)
        end = s->sent_us;
    return a != NULL && a->at_us + a->took_us > end ? a->at_us + a->took_us : end;
}

void
outcome_from_story(struct outcome *o, const struct plan *plan, const struct story *s)
{
    const json_t *client = json_object_get(json_array_get(json_object_get(s->answer, "arrivals"), 0), "client");
    const char   *address = json_string_value(json_object_get(client, "address"));

    o->started_us = s->started_wall_us;
    o->took_us = s->ended_us > 0 ? s->ended_us : end_us(s);
    o->state = s->state;
    o->own_trouble = s->verdict == TRIP_OWN_TROUBLE;
    snprintf(o->verdict, sizeof(o->verdict), "%s", verdict_kind_name(s->verdict));
    put_failure(o, s);
    put_cause(o, plan, s);
    o->deferred = story_was_deferred(s) && (s->verdict == TRIP_NOT_SENT ? o->code / 100 == 4 : s->arrived || s->verdict == TRIP_TAKEN);
    put_shown(o->reason, sizeof(o->reason), s->reason);
    put_times(o, plan, s);
    if (s->arrived && address != NULL)
        slice_copy(o->client, sizeof(o->client), slice_of(address));
    o->document = report_json(plan, s);
}
