/* api_lookup - POST /v1/lookup: many tokens in one request, with or without waiting for any or all of them. */
#include "lookup/body.h"
#include "lookup/waiter.h"

#include "lib/error.h"

static struct slice
text_of(const json_t *value)
{
    return slice_make(json_string_value(value), json_string_length(value));
}

/* The mailbox named in an element: its id, or 0 where there is none that this key may see. */
static uint32_t
mailbox_id_of(struct call *c, const json_t *name)
{
    struct mailbox_record mailbox;
    char                  lower[MAILBOX_NAME_MAX + 1];

    if (mailbox_name_parse(text_of(name), lower) != MT_OK || db_mailbox_by_name(c->view, slice_of(lower), &mailbox) != MT_OK ||
        !caller_may_see(&c->caller, mailbox.id))
        return 0;
    return mailbox.id;
}

/* "mt1…" or {"mailbox": "acme", "token": "mt1…"}. Returns false when it has another form. */
static bool
take_element(struct call *c, const json_t *element, struct wait_item *item)
{
    const json_t *token = element, *mailbox = NULL;

    item->entry.mailbox_id = c->caller.mailbox_id;
    if (json_is_object(element)) {
        token = json_object_get(element, "token");
        mailbox = json_object_get(element, "mailbox");
        if (json_object_size(element) > (mailbox == NULL ? 1u : 2u) || (mailbox != NULL && !json_is_string(mailbox)))
            return false;
    }
    if (!json_is_string(token))
        return false;
    if (token_decode(text_of(token), &item->entry.token) != MT_OK)
        item->problem = 400;
    else if (mailbox != NULL && (item->entry.mailbox_id = mailbox_id_of(c, mailbox)) == 0)
        item->problem = 404;
    return true;
}

static bool
is_mode(const json_t *mode)
{
    return json_is_string(mode) && (slice_equal(text_of(mode), slice_of("any")) || slice_equal(text_of(mode), slice_of("all")));
}

static bool
take_request(struct call *c, const json_t *body, struct wait_request *out)
{
    const json_t *tokens = json_object_get(body, "tokens"), *mode = json_object_get(body, "mode");
    uint32_t      max = c->lookup->config->http.lookup_max;
    uint64_t      wait_ms = 0, wait_max_ms = (uint64_t)c->lookup->config->http.wait_max_s * 1000;

    if (!json_is_array(tokens) || json_array_size(tokens) == 0)
        reply_problem(c->exchange, 400, "the body needs \"tokens\": a list of tokens, or of objects with \"mailbox\" and \"token\"");
    else if (json_array_size(tokens) > max)
        reply_problem(c->exchange, 413, "more than %u tokens in one request (http.lookup_max)", max);
    else if (body_span_ms(json_object_get(body, "wait"), UINT64_MAX / 2, &wait_ms) != MT_OK)
        reply_problem(c->exchange, 400, "wait must be a span of time as \"30s\", or a number of seconds");
    else if (mode != NULL && !is_mode(mode))
        reply_problem(c->exchange, 400, "mode must be \"any\" or \"all\"");
    else {
        out->wait_us = (wait_ms < wait_max_ms ? wait_ms : wait_max_ms) * 1000;
        out->any = mode == NULL || slice_equal(text_of(mode), slice_of("any"));
        out->count = (unsigned)json_array_size(tokens);
        return true;
    }
    return false;
}

/* NULL: a problem was replied. */
static struct waiter *
make_waiter(struct call *c, const json_t *body)
{
    struct wait_request request = { .caller = c->caller };
    const json_t       *tokens = json_object_get(body, "tokens");
    struct waiter      *w;

    if (!take_request(c, body, &request))
        return NULL;
    w = waiter_new(c->lookup, &request);
    if (w == NULL) {
        reply_busy(c->exchange, 1, "out of memory");
        return NULL;
    }
    for (unsigned i = 0; i < request.count; i++)
        if (!take_element(c, json_array_get(tokens, i), waiter_item(w, i))) {
            reply_problem(c->exchange, 400, "element %u of tokens is neither a text nor an object of \"mailbox\" and \"token\"", i);
            waiter_free(c->lookup->waiters, w);
            return NULL;
        }
    return w;
}

void
api_lookup(struct call *c)
{
    static const char *const names[] = { "tokens", "wait", "mode", NULL };
    json_t                  *body = body_object(c, names);
    struct waiter           *w;

    if (body == NULL)
        return;
    w = make_waiter(c, body);
    json_decref(body);
    if (w != NULL)
        waiter_start(w, c->exchange, c->view);
}
