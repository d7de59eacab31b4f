#include "checker/notice_json.h"

#include "checker/alert_text.h"
#include "checker/json_put.h"
#include "lib/error.h"

static void
put_time(json_t *j, const char *name, const char *name_us, uint64_t us)
{
    PUT(j, name, json_time_us(us));
    PUT(j, name_us, json_integer((json_int_t)us));
}

static json_t *
check_json(const struct notice_check *c)
{
    json_t *j = json_object();

    PUT(j, "name", json_string(c->name));
    PUT(j, "state", json_string(state_name(c->state)));
    put_time(j, "since", "since_us", c->since_us);
    PUT(j, "verdict", json_text_or_null(c->verdict));
    PUT(j, "step", json_text_or_null(c->step));
    PUT(j, "host", json_text_or_null(c->host));
    PUT(j, "code", json_code_or_null(c->code));
    PUT(j, "reply", json_text_or_null(c->reply));
    PUT(j, "reason", json_text_or_null(c->reason));
    return j;
}

json_t *
notice_to_json(const struct notice *n)
{
    json_t    *j = json_object(), *checks = json_array();
    struct buf line;

    buf_init(&line, ALERT_TEXT_MAX_BYTES);
    alert_first_line(&line, n);
    PUT(j, "id", json_integer((json_int_t)n->id));
    PUT(j, "incident", json_integer((json_int_t)n->incident));
    PUT(j, "kind", json_string(notice_kind_name(n->kind)));
    PUT(j, "state", json_string(state_name(n->state)));
    PUT(j, "cause", json_text_or_null(n->cause));
    PUT(j, "first_line", json_stringn(line.data, line.len));
    put_time(j, "now", "now_us", n->now_us);
    put_time(j, "since", "since_us", n->since_us);
    PUT(j, "checks_count", json_integer(n->checks_count));
    for (unsigned i = 0; i < n->checks_told; i++)
        json_array_append_new(checks, check_json(&n->checks[i]));
    PUT(j, "checks", checks);
    buf_fini(&line);
    return j;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static const char *
text_of(const json_t *j, const char *name)
{
    const char *text = json_string_value(json_object_get(j, name));

    return text == NULL ? "" : text;
}

static uint64_t
number_of(const json_t *j, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(j, name));

    return n < 0 ? 0 : (uint64_t)n;
}

static int
read_state(const json_t *j, enum state *out)
{
    for (enum state s = STATE_OK; s <= STATE_UNKNOWN; s++)
        if (strcmp(text_of(j, "state"), state_name(s)) == 0) {
            *out = s;
            return MT_OK;
        }
    return MT_ESYNTAX;
}

static int
read_kind(const json_t *j, enum notice_kind *out)
{
    for (enum notice_kind k = NOTICE_PROBLEM; k <= NOTICE_TEST; k++)
        if (strcmp(text_of(j, "kind"), notice_kind_name(k)) == 0) {
            *out = k;
            return MT_OK;
        }
    return MT_ESYNTAX;
}

static int
read_check(const json_t *j, struct notice_check *c)
{
    *c = (struct notice_check){
        .name = text_of(j, "name"), .since_us = number_of(j, "since_us"), .verdict = text_of(j, "verdict"), .step = text_of(j, "step"),
        .host = text_of(j, "host"), .reply = text_of(j, "reply"), .reason = text_of(j, "reason"), .code = (unsigned)number_of(j, "code"),
    };
    return read_state(j, &c->state);
}

int
notice_from_json(const json_t *json, struct notice_read *out)
{
    const json_t  *checks = json_object_get(json, "checks");
    struct notice *n = &out->notice;

    *n = (struct notice){
        .incident = number_of(json, "incident"), .id = number_of(json, "id"), .cause = text_of(json, "cause"),
        .now_us = number_of(json, "now_us"), .since_us = number_of(json, "since_us"), .checks = out->checks,
        .checks_count = (unsigned)number_of(json, "checks_count"),
    };
    if (read_kind(json, &n->kind) != MT_OK || read_state(json, &n->state) != MT_OK)
        return MT_ESYNTAX;
    for (size_t i = 0; i < json_array_size(checks) && i < NOTICE_CHECKS_MAX; i++) {
        if (read_check(json_array_get(checks, i), &out->checks[i]) != MT_OK)
            return MT_ESYNTAX;
        n->checks_told++;
    }
    return n->checks_told <= n->checks_count ? MT_OK : MT_ESYNTAX;
}
