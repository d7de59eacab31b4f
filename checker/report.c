#include "checker/report.h"

#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <stdio.h>

#define TEXT_CHARS       400u
#define EVENT_CHARS      80u

/* ---- The plugin's line ------------------------------------------------------------------------------------------- */

/* Text for the first line: a "|" would begin the performance data. */
static void
put_text(struct buf *out, const char *text)
{
    size_t from = out->len;

    display_text(out, slice_of(text), TEXT_CHARS);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '|')
            out->data[i] = '/';
}

static void
put_metric(struct buf *out, const char *name, uint64_t us)
{
    buf_printf(out, " '%s'=%llu.%06llus;;;0", name, (unsigned long long)us / 1000000, (unsigned long long)us % 1000000);
}

static void
put_total(struct buf *out, const struct plan *plan, const struct story *story)
{
    uint64_t us = story->arrived ? story_total_us(story) : story->sent_us - story->send_at_us;

    buf_printf(out, " 'total'=%llu.%06llus;%s;%s;0;%u", (unsigned long long)us / 1000000, (unsigned long long)us % 1000000,
               plan->warning.text, plan->critical.text, plan->window_ms / 1000);
}

/* The time of each step that was reached, those of the second EHLO added to the first's. */
static void
put_step_metrics(struct buf *out, const struct attempt *a)
{
    for (int kind = STEP_CONNECT; kind < STEP_OTHER; kind++) {
        uint64_t sum = 0;
        bool     reached = false;
        char     name[32];

        for (unsigned i = 0; i < a->result.steps.count; i++)
            if (a->result.steps.list[i].kind == (enum step_kind)kind) {
                sum += a->result.steps.list[i].took_us;
                reached = true;
            }
        if (!reached)
            continue;
        snprintf(name, sizeof(name), "smtp_%s", step_name((enum step_kind)kind));
        put_metric(out, name, sum);
    }
}

static void
put_metrics(struct buf *out, const struct plan *plan, const struct story *story)
{
    const struct attempt *a = story_attempt(story);

    if (story->send_at_us == 0)
        return;
    buf_append_string(out, " |");
    if (story->arrived || story->verdict == TRIP_TAKEN)
        put_total(out, plan, story);
    if (story->sent)
        put_metric(out, "send", story->sent_us - story->send_at_us);
    if (story->sent && story->arrived)
        put_metric(out, "transit", story_transit_us(story));
    if (story->looked_up)
        put_metric(out, "lookup", story->lookup_took_us);
    if (a != NULL)
        put_step_metrics(out, a);
}

void
report_line(struct buf *out, const struct plan *plan, const struct story *story)
{
    const struct attempt *a = story_attempt(story);
    char                  via[400] = "", server[TARGET_TEXT_BYTES];

    if ((story->arrived || story->verdict == TRIP_TAKEN) && a != NULL && a->target.address[0] != '\0')
        snprintf(via, sizeof(via), ", via %s:%u", story_target_text(&a->target, server), a->target.port);
    else if (story->arrived && plan->send == SEND_SENDMAIL)
        snprintf(via, sizeof(via), ", via %.200s", plan->sendmail);
    buf_printf(out, "MAILTEST %s - ", state_name(story->state));
    if (plan->scenario != 0)
        buf_printf(out, "scenario %u: ", plan->scenario);
    put_text(out, story->reason);
    put_text(out, via);
    if (story->delete_fault[0] != '\0') {
        buf_append_string(out, "; the message could not be deleted: ");
        put_text(out, story->delete_fault);
    }
    put_metrics(out, plan, story);
    buf_append_byte(out, '\n');
}

void
report_unknown(struct buf *out, const char *text)
{
    buf_printf(out, "MAILTEST %s - ", state_name(STATE_UNKNOWN));
    put_text(out, text);
    buf_append_byte(out, '\n');
}

/* ---- The timeline ------------------------------------------------------------------------------------------------ */

/* Good news is cut to one line; what went wrong is shown whole. */
static void
put_event(struct buf *out, uint64_t at_us, const char *name, const char *text, uint64_t took_us, bool good)
{
    char   took[DURATION_TEXT_BYTES];
    size_t width;

    buf_printf(out, "%10.3f  %-9s ", (double)at_us / 1e6, name);
    width = display_text(out, slice_of(text), good ? EVENT_CHARS - 1 : TEXT_CHARS);
    buf_printf(out, "%*s  %s\n", (int)(width < EVENT_CHARS ? EVENT_CHARS - width : 0), "", duration_text(took_us, took));
}

static const char *
text_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void
put_words(struct buf *out, const json_t *array)
{
    size_t  i;
    json_t *word;

    json_array_foreach (array, i, word)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(word) != NULL ? json_string_value(word) : "");
}

static void
put_arrival(struct buf *out, const struct story *story)
{
    const json_t *arrival = json_array_get(json_object_get(story->answer, "arrivals"), 0);
    struct buf    text;

    buf_init(&text, 4096);
    if (story->folder[0] != '\0')
        buf_printf(&text, "in folder %s", story->folder);
    if (text_member(json_object_get(arrival, "client"), "address")[0] != '\0')
        buf_printf(&text, "from %s", text_member(json_object_get(arrival, "client"), "address"));
    if (json_array_size(json_object_get(story->answer, "found_in")) > 0)
        buf_printf(&text, "%stoken found in ", text.len > 0 ? ", " : "");
    put_words(&text, json_object_get(story->answer, "found_in"));
    if (story->copies > 1)
        buf_printf(&text, "%s%u copies", text.len > 0 ? ", " : "", story->copies);
    buf_append(&text, "", 1);
    put_event(out, story->arrived_us, "arrived", text.data, story_transit_us(story), false);
    buf_fini(&text);
}

/* The arrival in its place among the other events, once. */
static void
put_arrival_before(struct buf *out, const struct story *story, uint64_t at_us, bool *told)
{
    if (!story->arrived || *told || story->arrived_us > at_us)
        return;
    put_arrival(out, story);
    *told = true;
}

static void
put_attempt(struct buf *out, const struct story *story, const struct attempt *a, bool *told_arrival)
{
    char text[1024], server[TARGET_TEXT_BYTES];

    for (unsigned i = 0; i < a->result.steps.count; i++) {
        const struct step *step = &a->result.steps.list[i];

        put_arrival_before(out, story, step->at_us, told_arrival);
        if (step->kind == STEP_CONNECT)
            snprintf(text, sizeof(text), "%s:%u", story_target_text(&a->target, server), a->target.port);
        else if (step->kind == STEP_TLS && step->done)
            snprintf(text, sizeof(text), "%s %s, certificate: %s", a->result.tls_version, a->result.tls_cipher, a->result.tls_verify);
        else
            snprintf(text, sizeof(text), "%s%s", step->reply, step->done ? "" : step->reply[0] != '\0' ? " (not done)" : "(no reply)");
        put_event(out, step->at_us, step_name(step->kind), text, step->took_us, step->done && step->code < 400);
    }
    put_arrival_before(out, story, a->at_us + a->took_us, told_arrival);
    if (a->result.reason[0] != '\0')
        put_event(out, a->at_us + a->took_us, "failed", a->result.reason, a->took_us, false);
}

static void
put_route(struct buf *out, const struct story *story)
{
    struct buf text;

    if (!story->looked_up)
        return;
    buf_init(&text, ROUTE_TEXT_BYTES);
    story_put_targets(&text, story);
    buf_append(&text, "", 1);
    put_event(out, story->lookup_at_us, "lookup", text.data, story->lookup_took_us, false);
    buf_fini(&text);
}

static void
put_delay(struct buf *out, const json_t *hop)
{
    const json_t *delay = json_object_get(hop, "delay_s"), *most = json_object_get(hop, "delay_at_most_s");
    char          text[DURATION_TEXT_BYTES];

    if (json_is_number(delay) || json_is_number(most))
        buf_printf(out, ", %s%s", json_is_number(delay) ? "+" : "at most ",
                   duration_text((uint64_t)(json_number_value(json_is_number(delay) ? delay : most) * 1e6), text));
    if (json_is_true(json_object_get(hop, "skewed")))
        buf_append_string(out, ", its clock is wrong");
}

static void
put_hops(struct buf *out, const json_t *hops)
{
    if (json_array_size(hops) > 0)
        buf_append_string(out, "Hops, oldest first\n");
    for (size_t i = json_array_size(hops); i > 0; i--) {
        const json_t *hop = json_array_get(hops, i - 1);
        struct buf    text;

        buf_init(&text, 8192);
        buf_printf(&text, "%s  %s", text_member(hop, "time"), text_member(hop, "by"));
        if (text_member(hop, "from")[0] != '\0')
            buf_printf(&text, " from %s", text_member(hop, "from"));
        if (text_member(hop, "with")[0] != '\0')
            buf_printf(&text, " with %s", text_member(hop, "with"));
        if (text_member(hop, "tls")[0] != '\0')
            buf_printf(&text, " (%s)", text_member(hop, "tls"));
        put_delay(&text, hop);
        buf_append_string(out, "  ");
        display_text(out, buf_slice(&text), TEXT_CHARS);
        buf_append_byte(out, '\n');
        buf_fini(&text);
    }
}

/* The last look into the account, which failed. */
static void
put_fetch(struct buf *out, const struct story *story)
{
    buf_append_string(out, "The account: ");
    display_text(out, slice_of(story->fetch_step), TEXT_CHARS);
    buf_append_string(out, " of ");
    display_text(out, slice_of(story->fetch_host), TEXT_CHARS);
    buf_append_string(out, " failed: ");
    display_text(out, slice_of(story->fetch_reason), TEXT_CHARS);
    buf_append_byte(out, '\n');
}

static void
put_clock(struct buf *out, const struct story *story)
{
    if (story->clock_known)
        buf_printf(out, "The service's clock is ahead of ours by %.3f to %.3f s.\n", (double)story->clock_low_us / 1e6,
                   (double)story->clock_high_us / 1e6);
}

void
report_timeline(struct buf *out, const struct story *story)
{
    char text[800];
    bool told_arrival = false;

    if (story->token[0] == '\0' && story->send_at_us == 0)
        return;
    buf_append_string(out, "Timeline (seconds from the start; what happened; how long it took)\n");
    if (story->resumed)
        buf_append_string(out, "(the checker was restarted; what was before that is told in short)\n");
    if (story->address[0] != '\0') {
        snprintf(text, sizeof(text), "%s for %s", story->token, story->address);
        put_event(out, 0, "mint", text, story->mint_took_us, true);
    } else if (story->token[0] != '\0') {
        put_event(out, 0, "token", story->token, 0, true);
    }
    put_route(out, story);
    if (story->attempts_made > story->attempts_kept)
        buf_printf(out, "(%u attempts, not all shown)\n", story->attempts_made);
    for (unsigned i = 0; i < story->attempts_kept; i++)
        put_attempt(out, story, &story->attempts[i], &told_arrival);
    if (story->arrived && !told_arrival)
        put_arrival(out, story);
    if (story->fetch_step[0] != '\0' && !story->arrived)
        put_fetch(out, story);
    put_hops(out, json_object_get(story->answer, "hops"));
    put_clock(out, story);
    if (story->deleted)
        buf_printf(out, "Deleted: %u message%s.\n", story->messages_deleted, story->messages_deleted == 1 ? "" : "s");
}
