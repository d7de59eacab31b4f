#include "checker/outcome_json.h"

#include "checker/json_put.h"

const char *
check_kind_name(enum check_kind kind)
{
    static const char *const names[] = { [CHECK_ROUND_TRIP] = "round-trip", [CHECK_SMTP] = "smtp", [CHECK_BLACKLIST] = "blacklist" };

    return names[kind];
}

static json_t *
times_json(const struct outcome *o)
{
    json_t *j = json_object();

    for (unsigned i = 0; i < o->times_count; i++)
        json_object_set_new(j, o->times[i].name, json_seconds(o->times[i].us));
    return j;
}

json_t *
outcome_json(const struct outcome *o, const struct outcome_about *about)
{
    json_t *j = json_object();
    int     rc = 0;

    if (j == NULL)
        return NULL;
    rc |= json_object_set_new(j, "id", json_string(about->id));
    rc |= json_object_set_new(j, "check", json_string(about->check));
    rc |= json_object_set_new(j, "kind", json_string(check_kind_name(about->kind)));
    rc |= json_object_set_new(j, "scenario", about->scenario == 0 ? json_null() : json_integer(about->scenario));
    rc |= json_object_set_new(j, "mailbox", json_text_or_null(about->mailbox));
    rc |= json_object_set_new(j, "started_at", json_time_us(o->started_us));
    rc |= json_object_set_new(j, "took_s", json_seconds(o->took_us));
    rc |= json_object_set_new(j, "state", json_string(state_name(o->state)));
    rc |= json_object_set_new(j, "verdict", json_text_or_null(o->verdict));
    rc |= json_object_set_new(j, "cause", json_text_or_null(o->cause));
    rc |= json_object_set_new(j, "step", json_text_or_null(o->step));
    rc |= json_object_set_new(j, "host", json_text_or_null(o->host));
    rc |= json_object_set_new(j, "code", json_code_or_null(o->code));
    rc |= json_object_set_new(j, "reply", json_text_or_null(o->reply));
    rc |= json_object_set_new(j, "reason", json_text_or_null(o->reason));
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
