#include "checker/probe_line.h"

#include "lib/display.h"

enum { REASON_CHARS = 500 };

/* Text for the first line: a "|" would begin the performance data. */
static void
put_text(struct buf *out, const char *text)
{
    size_t from = out->len;

    display_text(out, slice_of(text), REASON_CHARS);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '|')
            out->data[i] = '/';
}

static void
put_time(struct buf *out, const struct outcome_time *t, const char *warning, const char *critical)
{
    unsigned long long us = t->us;

    buf_printf(out, " '%s'=%llu.%06llus;%s;%s;0", t->name, us / 1000000, us % 1000000, warning, critical);
}

/* The total, on which the thresholds are, comes first. */
static void
put_times(struct buf *out, const struct outcome *o, const struct range *warning, const struct range *critical)
{
    for (unsigned i = 0; i < o->times_count; i++)
        if (slice_equal(slice_of(o->times[i].name), slice_of("total")))
            put_time(out, &o->times[i], warning != NULL ? warning->text : "", critical != NULL ? critical->text : "");
    for (unsigned i = 0; i < o->times_count; i++)
        if (!slice_equal(slice_of(o->times[i].name), slice_of("total")))
            put_time(out, &o->times[i], "", "");
}

void
probe_line(struct buf *out, const char *what, const struct outcome *o, const struct range *warning, const struct range *critical)
{
    const json_t *days = json_object_get(json_object_get(o->document, "certificate"), "days_left");

    buf_printf(out, "%s %s - ", what, state_name(o->state));
    put_text(out, o->reason);
    if (o->times_count > 0 || json_is_integer(days))
        buf_append_string(out, " |");
    put_times(out, o, warning, critical);
    if (json_is_integer(days))
        buf_printf(out, " 'certificate_days'=%lld", (long long)json_integer_value(days));
    buf_append_byte(out, '\n');
}
