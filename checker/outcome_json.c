#include "checker/outcome_json.h"

#include "lib/display.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

const char *
check_kind_name(enum check_kind kind)
{
    static const char *const names[] = { [CHECK_ROUND_TRIP] = "round-trip", [CHECK_SMTP] = "smtp", [CHECK_BLACKLIST] = "blacklist" };

    return names[kind];
}

/* Texts were made fit to be shown, but may have been cut within a character. */
static json_t *
text_or_null(const char *text)
{
    struct slice s = slice_of(text);
    struct buf   valid;
    json_t      *string = NULL;

    if (s.len == 0)
        return json_null();
    buf_init(&valid, s.len * 3 + 1);
    display_utf8(&valid, s);
    if (valid.fault == MT_OK)
        string = json_stringn(valid.data, valid.len);
    buf_fini(&valid);
    return string;
}

static json_t *
seconds(uint64_t us)
{
    return json_real((double)us / 1e6);
}

static json_t *
times_json(const struct outcome *o)
{
    json_t *j = json_object();

    for (unsigned i = 0; i < o->times_count; i++)
        json_object_set_new(j, o->times[i].name, seconds(o->times[i].us));
    return j;
}

json_t *
outcome_json(const struct outcome *o, const struct outcome_about *about)
{
    json_t *j = json_object();
    char    started[RFC3339_TEXT_BYTES];
    int     rc = 0;

    if (j == NULL)
        return NULL;
    rfc3339_text_us(o->started_us, started);
    rc |= json_object_set_new(j, "id", json_string(about->id));
    rc |= json_object_set_new(j, "check", json_string(about->check));
    rc |= json_object_set_new(j, "kind", json_string(check_kind_name(about->kind)));
    rc |= json_object_set_new(j, "scenario", about->scenario == 0 ? json_null() : json_integer(about->scenario));
    rc |= json_object_set_new(j, "mailbox", text_or_null(about->mailbox));
    rc |= json_object_set_new(j, "started_at", json_string(started));
    rc |= json_object_set_new(j, "took_s", seconds(o->took_us));
    rc |= json_object_set_new(j, "state", json_string(state_name(o->state)));
    rc |= json_object_set_new(j, "verdict", text_or_null(o->verdict));
    rc |= json_object_set_new(j, "cause", text_or_null(o->cause));
    rc |= json_object_set_new(j, "step", text_or_null(o->step));
    rc |= json_object_set_new(j, "host", text_or_null(o->host));
    rc |= json_object_set_new(j, "code", o->code == 0 ? json_null() : json_integer(o->code));
    rc |= json_object_set_new(j, "reply", text_or_null(o->reply));
    rc |= json_object_set_new(j, "reason", text_or_null(o->reason));
    rc |= json_object_set_new(j, "deferred", json_boolean(o->deferred));
    rc |= json_object_set_new(j, "times", times_json(o));
    rc |= json_object_set_new(j, "changes", about->changes == NULL ? json_array() : json_incref(about->changes));
    rc |= json_object_set_new(j, "document", o->document == NULL ? json_object() : json_incref(o->document));
    if (rc != 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}
