#include "checker/smtp_probe_json.h"

#include "checker/clock.h"
#include "checker/json_put.h"
#include "checker/sender_json.h"
#include "checker/story.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

static json_t *
day_or_null(int64_t unix_s)
{
    char   text[RFC3339_TEXT_BYTES];
    size_t len;

    if (unix_s <= 0)
        return json_null();
    len = rfc3339_text((uint64_t)unix_s, text);
    return json_stringn(text, len);
}

static json_t *
steps_json(const struct steps *steps)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < steps->count; i++) {
        const struct step *s = &steps->list[i];

        json_array_append_new(list, step_json(s->kind, s->at_us - steps->list[0].at_us, s->took_us, s->done, s->code, slice_of(s->reply)));
    }
    return list;
}

static json_t *
certificate_json(const struct certificate *c)
{
    json_t *j;

    if (!c->seen)
        return json_null();
    j = json_object();
    PUT(j, "subject", json_text_or_null(c->subject));
    PUT(j, "issuer", json_text_or_null(c->issuer));
    PUT(j, "names", json_text_or_null(c->names));
    PUT(j, "names_host", json_boolean(c->names_host));
    PUT(j, "from", day_or_null(c->from_unix));
    PUT(j, "until", day_or_null(c->until_unix));
    PUT(j, "days_left", c->until_unix == 0 ? json_null() : json_integer(certificate_days_left(c, (int64_t)(wall_us() / 1000000))));
    PUT(j, "verify", json_text_or_null(c->verify));
    return j;
}

json_t *
smtp_probe_host(const struct outcome *found, const struct target *target, const struct sender_result *result)
{
    json_t *j = json_object();

    PUT(j, "host", json_text_or_null(target->host));
    PUT(j, "address", json_text_or_null(target->address));
    PUT(j, "port", json_integer(target->port));
    PUT(j, "preference", json_integer(target->preference));
    PUT(j, "state", json_string(state_name(found->state)));
    PUT(j, "total_s", found->times_count == 0 ? json_null() : json_seconds(found->times[found->times_count - 1].us));
    PUT(j, "step", json_text_or_null(found->step));
    PUT(j, "code", json_code_or_null(found->code));
    PUT(j, "reply", json_text_or_null(found->reply));
    PUT(j, "reason", json_text_or_null(found->reason));
    PUT(j, "deferred", json_boolean(found->deferred));
    PUT(j, "auth", json_text_or_null(result->auth));
    PUT(j, "tls", tls_json(result));
    PUT(j, "certificate", certificate_json(&result->certificate));
    PUT(j, "steps", steps_json(&result->steps));
    return j;
}

/* The dialogue that the outcome tells of. */
static const json_t *
decisive(const struct outcome *o, const json_t *hosts)
{
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        const char   *reason = json_string_value(json_object_get(host, "reason"));

        if (reason != NULL && strcmp(reason, o->reason) == 0)
            return host;
    }
    return json_array_get(hosts, 0);
}

json_t *
smtp_probe_document(const struct check *check, const struct outcome *o, const struct route *route, uint64_t lookup_us, json_t *hosts)
{
    static const char *const shown[] = { "host", "address", "port", "total_s", "auth", "tls", "certificate", "steps" };
    const json_t            *host = decisive(o, hosts);
    json_t                  *j = json_object();
    struct buf               text;

    if (j == NULL)
        return NULL;
    buf_init(&text, ROUTE_TEXT_BYTES);
    story_put_route(&text, route);
    buf_append_byte(&text, '\0');
    PUT(j, "check", json_text_or_null(check->name));
    PUT(j, "kind", json_string("smtp"));
    PUT(j, "state", json_string(state_name(o->state)));
    PUT(j, "verdict", json_text_or_null(o->verdict));
    PUT(j, "reason", json_text_or_null(o->reason));
    PUT(j, "deferred", json_boolean(o->deferred));
    PUT(j, "lookup_s", json_seconds(lookup_us));
    PUT(j, "route", json_text_or_null(text.fault == MT_OK ? text.data : NULL));
    for (size_t i = 0; i < COUNT(shown); i++)
        PUT(j, shown[i], host == NULL ? json_null() : json_deep_copy(json_object_get(host, shown[i])));
    PUT(j, "hosts", json_incref(hosts));
    buf_fini(&text);
    return j;
}
