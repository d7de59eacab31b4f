#include "checker/outcome_line.h"

#include "lib/display.h"
#include "lib/error.h"

/* Figures of a round trip that are no step of SMTP. */
static const char *const own_names[] = {
    "total", "send", "transit", "mint", "lookup", "customer", "forwarding", "receiver",
};

enum { REASON_CHARS = 500 };

static bool
is_own(const char *name)
{
    for (size_t i = 0; i < COUNT(own_names); i++)
        if (strcmp(name, own_names[i]) == 0)
            return true;
    return false;
}

/* A bar would begin the figures, a line feed end the line. */
static void
put_reason(struct buf *out, const char *reason)
{
    size_t from = out->len;

    display_text(out, slice_of(reason), REASON_CHARS);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '|')
            out->data[i] = '/';
}

static void
put_time(struct buf *out, const struct check *c, const struct outcome_time *t)
{
    const char        *prefix = c->kind == CHECK_ROUND_TRIP && !is_own(t->name) ? "smtp_" : "";
    unsigned long long us = t->us;

    buf_printf(out, " '%s%s'=%llu.%06llus", prefix, t->name, us / 1000000, us % 1000000);
    if (strcmp(t->name, "total") != 0)
        buf_append_string(out, ";;;0");
    else
        buf_printf(out, ";%s;%s;0", c->plan.warning.text, c->plan.critical.text);
    if (strcmp(t->name, "total") == 0 && c->kind == CHECK_ROUND_TRIP)
        buf_printf(out, ";%u", c->plan.window_ms / 1000);
}

/* The total, on which the thresholds are, comes first. */
static void
put_times(struct buf *out, const struct check *c, const struct outcome *o)
{
    for (unsigned i = 0; i < o->times_count; i++)
        if (strcmp(o->times[i].name, "total") == 0)
            put_time(out, c, &o->times[i]);
    for (unsigned i = 0; i < o->times_count; i++)
        if (strcmp(o->times[i].name, "total") != 0)
            put_time(out, c, &o->times[i]);
}

void
outcome_line(struct buf *out, const char *title, const char *name, const struct check *check, const struct outcome *outcome)
{
    const json_t *days = json_object_get(json_object_get(outcome->document, "certificate"), "days_left");

    buf_printf(out, "%s %s - %s%s", title, state_name(outcome->state), name != NULL ? name : "", name != NULL ? ": " : "");
    put_reason(out, outcome->reason[0] != '\0' ? outcome->reason : outcome->verdict);
    if (outcome->times_count > 0 || json_is_integer(days))
        buf_append_string(out, " |");
    put_times(out, check, outcome);
    if (json_is_integer(days))
        buf_printf(out, " 'certificate_days'=%lld", (long long)json_integer_value(days));
    buf_append_byte(out, '\n');
}
