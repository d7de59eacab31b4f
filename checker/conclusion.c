#include "checker/conclusion.h"

#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <stdio.h>

static void __attribute__((format(printf, 4, 5)))
conclude(struct story *s, enum verdict_kind verdict, enum state state, const char *format, ...)
{
    va_list args;

    if (s->verdict != TRIP_RUNNING)
        return;
    s->verdict = verdict;
    s->state = state;
    va_start(args, format);
    vsnprintf(s->reason, sizeof(s->reason), format, args);
    va_end(args);
}

void
conclude_own_trouble(struct story *s, enum own_trouble own, const char *format, ...)
{
    va_list args;

    if (s->verdict != TRIP_RUNNING)
        return;
    s->verdict = TRIP_OWN_TROUBLE;
    s->own = own;
    s->state = STATE_UNKNOWN;
    va_start(args, format);
    vsnprintf(s->reason, sizeof(s->reason), format, args);
    va_end(args);
}

uint64_t
conclusion_window_end_us(const struct story *s, const struct plan *plan)
{
    return s->minted_us + (uint64_t)plan->window_ms * 1000;
}

static bool
verdict_is(const json_t *answer, const char *verdict)
{
    const char *found = json_string_value(json_object_get(answer, "verdict"));

    return found != NULL && strcmp(found, verdict) == 0;
}

/* ---- Arrived -------------------------------------------------------------------------------------------------------- */

static enum state
worse(enum state a, enum state b)
{
    return a > b ? a : b;
}

/* The limit that was crossed, as the plan has it; "". */
static void
limit_text(char *to, size_t size, const struct plan *p, enum state state)
{
    if (state == STATE_OK)
        to[0] = '\0';
    else
        snprintf(to, size, " (%s: %s)", state == STATE_CRITICAL ? "critical" : "warning",
                 state == STATE_CRITICAL ? p->critical.text : p->warning.text);
}

/*
 * Of an account it is known between which two looks the mail came. So that the gap between them alarms nobody, the earlier one decides.
 */
static double
earliest_total_s(const struct story *s)
{
    return s->arrived_after_us > s->send_at_us ? (double)(s->arrived_after_us - s->send_at_us) / 1e6 : 0;
}

static bool
is_late(const struct story *s, const struct plan *p)
{
    if (p->receive == RECEIVE_HOSTED)
        return s->arrived_us > conclusion_window_end_us(s, p);
    return s->arrived_after_us > conclusion_window_end_us(s, p);
}

void
conclude_arrived(struct story *s, const struct plan *p)
{
    double     total_s = (double)story_total_us(s) / 1e6;
    enum state slow = range_state(&p->warning, &p->critical, p->receive == RECEIVE_HOSTED ? total_s : earliest_total_s(s));
    enum state state = slow;
    char       limit[100], folder[100] = "", copies[100] = "";

    if (is_late(s, p)) {
        conclude(s, TRIP_LATE, STATE_CRITICAL, "arrived after %.3f s, too late for the window of %u s", total_s, p->window_ms / 1000);
        return;
    }
    limit_text(limit, sizeof(limit), p, slow);
    if (s->junk) {
        snprintf(folder, sizeof(folder), ", but in the folder for junk, %.64s", s->folder);
        state = worse(state, STATE_WARNING);
    }
    if (s->copies > 1) {
        snprintf(copies, sizeof(copies), "; it came %u times%s", s->copies, s->doubled_here ? ", but may have been sent twice" : "");
        state = s->doubled_here ? state : worse(state, STATE_WARNING);
    }
    conclude(s, s->junk ? TRIP_JUNK : TRIP_ARRIVED, state, "arrived after %.3f s%s%s%s", total_s, limit, folder, copies);
}

void
conclude_taken(struct story *s, const struct plan *p)
{
    double     total_s = s->sent_us > s->send_at_us ? (double)(s->sent_us - s->send_at_us) / 1e6 : 0;
    enum state state = range_state(&p->warning, &p->critical, total_s);
    char       limit[100];

    limit_text(limit, sizeof(limit), p, state);
    conclude(s, TRIP_TAKEN, state, "taken after %.3f s%s", total_s, limit);
}

/* ---- Not arrived ---------------------------------------------------------------------------------------------------- */

/* A member of a report; empty where it is null, or there is no report. */
static const char *
report_text(const json_t *report, const char *member)
{
    const char *text = json_string_value(json_object_get(report, member));

    return text == NULL ? "" : text;
}

/* What the status report says: its code, its words, and what they mean where that is known. */
void
conclude_bounced(struct story *s, const struct plan *p)
{
    const json_t *report = json_object_get(s->answer, "report");
    const char   *status = report_text(report, "status"), *words = report_text(report, "diagnostic"), *meaning = report_text(report, "meaning");
    char          said[400];

    snprintf(said, sizeof(said), "%s%.20s%s%.150s%s%.180s%s", status[0] != '\0' || words[0] != '\0' ? ": " : "", status,
             status[0] != '\0' && words[0] != '\0' ? ", " : "", words, meaning[0] != '\0' ? " (" : "", meaning,
             meaning[0] != '\0' ? ")" : "");
    if (s->sent && p->mailbox != NULL)
        conclude(s, TRIP_BOUNCED, STATE_CRITICAL, "the mail was taken, but came back as undeliverable%s; the report is in mailbox %s", said,
                 p->mailbox);
    else
        conclude(s, TRIP_BOUNCED, STATE_CRITICAL, "the mail %scame back as undeliverable%s", s->sent ? "was taken, but " : "", said);
}

void
conclude_not_sent(struct story *s, const struct conclusion_sending *sending)
{
    unsigned n = s->attempts_made;
    char     tries[64] = "";

    if (n > 1)
        snprintf(tries, sizeof(tries), " (%u attempts in %.0f s)", n, (double)(sending->now_us - s->send_at_us) / 1e6);
    conclude(s, TRIP_NOT_SENT, STATE_CRITICAL, "%s%s", sending->fault, tries);
}

static enum own_trouble
whose_fetch(const struct story *s)
{
    if (strcmp(s->fetch_step, "login") == 0)
        return OWN_LOGIN;
    return strcmp(s->fetch_step, "connect") == 0 ? OWN_MACHINE : OWN_RESOLVER;
}

void
conclude_not_fetched(struct story *s, const struct plan *p)
{
    if (s->fetch_own)
        conclude_own_trouble(s, whose_fetch(s), "%s of the account at %s:%u failed here: %s", s->fetch_step,
                             p->account.host, p->account.port, s->fetch_reason);
    conclude(s, TRIP_NOT_FETCHED, STATE_CRITICAL, "%s of %s failed: %s", s->fetch_step, s->fetch_host, s->fetch_reason);
}

static void
conclude_receiver_down(struct story *s, const char *window)
{
    uint64_t down_us = (uint64_t)json_integer_value(json_object_get(s->answer, "receiver_down_ms")) * 1000;
    char     down[DURATION_TEXT_BYTES];

    conclude_own_trouble(s, OWN_RECEIVER, "not arrived within %s, but the service's own receiver was down or refusing for %s of it: "
                         "this tells nothing of the customer's mail", window, duration_text(down_us, down));
}

static void
conclude_lost(struct story *s, const struct plan *p, const char *window)
{
    const struct attempt *a = story_attempt(s);
    const char           *reply = s->autoreply ? "; there was only an automatic reply" : "";
    enum verdict_kind     verdict = s->autoreply ? TRIP_AUTOREPLY : TRIP_NOT_ARRIVED;
    char                  server[TARGET_TEXT_BYTES];

    if (p->send == SEND_NONE)
        conclude(s, verdict, STATE_CRITICAL, "nothing arrived within %s%s", window, reply);
    else if (p->send == SEND_SENDMAIL)
        conclude(s, verdict, STATE_CRITICAL, "not arrived within %s, though %s took the mail%s", window, p->sendmail, reply);
    else if (a == NULL)
        conclude(s, verdict, STATE_CRITICAL, "not arrived within %s, though a server took the mail%s", window, reply);
    else
        conclude(s, verdict, STATE_CRITICAL, "not arrived within %s, though %s:%u took the mail after %.3f s%s", window,
                 story_target_text(&a->target, server), a->target.port,
                 (double)(s->sent_us > s->send_at_us ? s->sent_us - s->send_at_us : 0) / 1e6, reply);
}

void
conclude_window_ended(struct story *s, const struct plan *p, const struct conclusion_sending *sending, const char *ask_fault)
{
    bool on_its_way = s->sent || p->send == SEND_NONE;
    char window[DURATION_TEXT_BYTES];

    duration_text((uint64_t)p->window_ms * 1000, window);
    if (ask_fault[0] != '\0' && p->receive == RECEIVE_HOSTED)
        conclude_own_trouble(s, OWN_SERVICE, "the service could not be asked whether the mail arrived: %s", ask_fault);
    else if (on_its_way && s->fetch_step[0] != '\0')
        conclude_not_fetched(s, p);
    else if (on_its_way && p->receive == RECEIVE_HOSTED && verdict_is(s->answer, "not-arrived-receiver-down"))
        conclude_receiver_down(s, window);
    else if (on_its_way)
        conclude_lost(s, p, window);
    else
        conclude(s, TRIP_NOT_SENT, STATE_CRITICAL, "%s%s", sending->fault, sending->maybe_taken ? ", and not arrived" : "");
}
