/* api_events - what happened: as streams of server-sent events, and as a list. */
#include "lookup/stream.h"

#include "lib/answer_event.h"
#include "lib/error.h"

#include <stdio.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 500, LOOK_MAX = 5000 };

/* Places in route_query_name of ROUTE_EVENTS; the streams take the first two. */
enum { QUERY_MAILBOX, QUERY_AFTER, QUERY_KINDS, QUERY_FORMAT, QUERY_LIMIT, QUERY_CURSOR };

void
api_arrivals(struct call *c)
{
    stream_open(c, &source_arrivals, UINT32_MAX);
}

/* ---- A list ---------------------------------------------------------------------------------------------------------- */

struct list {
    struct emit  j;
    uint32_t     mailbox_id;    /* 0: all */
    uint32_t     kinds;
    uint64_t     after, before;
    unsigned     left;
    unsigned     looked_at;
    uint64_t     last_id;
};

static bool
list_step(void *arg, const struct source_item *item)
{
    struct list *l = arg;

    if (item->id <= l->after) {
        l->last_id = 0;         /* nothing of what is asked for follows */
        return false;
    }
    l->last_id = item->id;
    if ((l->mailbox_id == 0 || l->mailbox_id == item->mailbox_id) && (l->kinds & item->kind) != 0) {
        answer_event(&l->j, NULL, item->id, &item->event);
        l->left--;
    }
    return l->left > 0 && ++l->looked_at < LOOK_MAX;
}

static bool
take_number(struct call *c, int query, uint64_t least, uint64_t most, uint64_t *out)
{
    const struct route_value *v = &c->match->query[query];

    if (!v->given || (slice_to_u64(slice_of(v->text), most, out) == MT_OK && *out >= least))
        return true;
    reply_problem(c->exchange, 400, "%s must be a number from %llu to %llu", route_query_name(ROUTE_EVENTS, (unsigned)query),
                  (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool
take_mailbox(struct call *c, uint32_t *out)
{
    struct mailbox_record mailbox;

    *out = c->caller.mailbox_id;
    if (!c->match->query[QUERY_MAILBOX].given)
        return true;
    if (!call_mailbox(c, c->match->query[QUERY_MAILBOX].text, &mailbox))
        return false;
    *out = mailbox.id;
    return true;
}

/* Newest first. A page may be shorter than its limit, even empty, where few of many events are wanted: next tells whether there is more. */
static void
list_events(struct call *c, uint32_t kinds)
{
    struct list l = { .kinds = kinds };
    uint64_t    limit = LIST_DEFAULT;
    bool        end;
    char        next[24];
    int         rc;

    if (!take_mailbox(c, &l.mailbox_id) || !take_number(c, QUERY_AFTER, 0, UINT64_MAX, &l.after) ||
        !take_number(c, QUERY_CURSOR, 1, UINT64_MAX, &l.before) || !take_number(c, QUERY_LIMIT, 1, LIST_MAX, &limit))
        return;
    l.left = (unsigned)limit;
    l.j = lookup_json(c->lookup);
    emit_object(&l.j, NULL);
    emit_array(&l.j, "events");
    rc = source_walk_back(&source_events, c->view, l.before, list_step, &l, &end);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the list");
        return;
    }
    emit_array_end(&l.j);
    snprintf(next, sizeof(next), "%llu", (unsigned long long)l.last_id);
    emit_slice_or_null(&l.j, "next", slice_of(end || l.last_id == 0 ? NULL : next));
    emit_object_end(&l.j);
    reply_json(c->lookup, c->exchange, 200);
}

/* ---- Either ---------------------------------------------------------------------------------------------------------- */

static bool
accepts_json(const struct http_request *request)
{
    static const char wanted[] = "application/json";

    return request->accept.len > 0 && memmem(request->accept.data, request->accept.len, wanted, sizeof(wanted) - 1) != NULL;
}

void
api_events(struct call *c)
{
    const struct route_value *format = &c->match->query[QUERY_FORMAT], *kinds = &c->match->query[QUERY_KINDS];
    uint32_t                  wanted = EVENT_KINDS_ALL;

    if (kinds->given && event_kinds_parse(slice_of(kinds->text), &wanted) != MT_OK) {
        reply_problem(c->exchange, 400, "kinds must be names of events separated by commas, such as arrived,missed");
    } else if (format->given && strcmp(format->text, "json") != 0 && strcmp(format->text, "stream") != 0) {
        reply_problem(c->exchange, 400, "format must be json or stream");
    } else if (format->given ? strcmp(format->text, "json") == 0 : accepts_json(c->request)) {
        list_events(c, wanted);
    } else if (c->match->query[QUERY_LIMIT].given || c->match->query[QUERY_CURSOR].given) {
        reply_problem(c->exchange, 400, "limit and cursor are for the list: add format=json");
    } else {
        stream_open(c, &source_events, wanted);
    }
}
