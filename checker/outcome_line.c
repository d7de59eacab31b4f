#include "checker/outcome_line.h"

#include "lib/display.h"
#include "lib/error.h"

/* Figures that are no step of SMTP. */
static const char *const own_names[] = { "total", "send", "transit", "mint", "lookup", "test", "lists" };

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
    struct buf safe;

    buf_init(&safe, 8192);
    display_text(&safe, slice_of(reason), REASON_CHARS);
    for (size_t i = 0; i < safe.len; i++)
        buf_append_byte(out, safe.data[i] == '|' ? '/' : safe.data[i]);
    buf_fini(&safe);
}

static void
put_time(struct buf *out, const struct check *c, const struct outcome_time *t)
{
    bool is_total = strcmp(t->name, "total") == 0;

    buf_printf(out, " '%s%s'=%.6fs;%s;%s;0", c->kind != CHECK_ROUND_TRIP || is_own(t->name) ? "" : "smtp_", t->name, (double)t->us / 1e6,
               is_total ? c->plan.warning.text : "", is_total ? c->plan.critical.text : "");
    if (is_total && c->kind == CHECK_ROUND_TRIP)
        buf_printf(out, ";%u", c->plan.window_ms / 1000);
}

void
outcome_line(struct buf *out, const struct check *check, const struct outcome *outcome)
{
    buf_printf(out, "MAILTEST %s - %s: ", state_name(outcome->state), check->name);
    put_reason(out, outcome->reason[0] != '\0' ? outcome->reason : outcome->verdict);
    for (unsigned i = 0; i < outcome->times_count; i++) {
        if (i == 0)
            buf_append_string(out, " |");
        put_time(out, check, &outcome->times[i]);
    }
    buf_append_byte(out, '\n');
}
