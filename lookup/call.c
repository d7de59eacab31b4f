#include "lookup/call.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"

/* More than this is given back after an answer that was larger. */
#define SCRATCH_KEPT_BYTES (256u * 1024)

enum { RETRY_S = 2 };

/* In the order of enum route. */
static call_fn *const handlers[ROUTE_COUNT] = {
    [ROUTE_STATUS_PAGE] = api_status_page,
    [ROUTE_METRICS] = api_metrics,
    [ROUTE_HEALTHZ] = api_healthz,
    [ROUTE_READYZ] = api_readyz,
    [ROUTE_TOKEN_MINT] = api_token_mint,
    [ROUTE_TOKEN_SHOW] = api_token_show,
    [ROUTE_TOKEN_FORGET] = api_token_forget,
    [ROUTE_LOOKUP] = api_lookup,
    [ROUTE_MESSAGE_LIST] = api_message_list,
    [ROUTE_MESSAGE_SHOW] = api_message_show,
    [ROUTE_MESSAGE_RAW] = api_message_raw,
    [ROUTE_MESSAGE_DELETE] = api_message_delete,
    [ROUTE_ARRIVALS] = api_arrivals,
    [ROUTE_EVENTS] = api_events,
    [ROUTE_MAILBOX_SHOW] = api_mailbox_show,
    [ROUTE_RESULTS_POST] = api_results_post,
    [ROUTE_CHECK_LIST] = api_check_list,
    [ROUTE_CHECK_SHOW] = api_check_show,
    [ROUTE_CHECK_RESULTS] = api_check_results,
};

struct emit
lookup_json(struct lookup *l)
{
    struct emit j;

    buf_clear(&l->scratch);
    emit_init(&j, &l->scratch);
    return j;
}

void
reply_json(struct lookup *l, struct exchange *x, unsigned status)
{
    if (l->scratch.fault == MT_ESIZE)
        reply_problem(x, 413, "the answer would be longer than %u octets: ask for less at a time", ANSWER_MAX_BYTES);
    else if (l->scratch.fault != MT_OK)
        reply_busy(x, RETRY_S, "out of memory for this answer");
    else
        reply_send(x, status, "application/json", buf_slice(&l->scratch));
    if (l->scratch.cap > SCRATCH_KEPT_BYTES)
        buf_fini(&l->scratch);
}

void
reply_error(struct exchange *x, int rc, const char *what)
{
    switch (rc) {
    case MT_ENOTFOUND:
        reply_problem(x, 404, "%s does not exist, or this key may not see it", what);
        break;
    case MT_EDENIED:
        metric_add(METRIC_LOOKUP_DENIED_TOTAL, 1);
        reply_header(x, "WWW-Authenticate", "Bearer realm=\"mailtest\"");
        reply_problem(x, 401,
                      "this needs the header field \"Authorization: Bearer KEY\" with a valid key; mailtestctl api-key add makes one");
        break;
    case MT_EDISABLED:
        reply_problem(x, 409, "the mailbox is disabled");
        break;
    case MT_EINVALID:
    case MT_ESYNTAX:
        reply_problem(x, 400, "%s is not acceptable: %s", what, mt_strerror(rc));
        break;
    case MT_EFULL:
    case MT_EQUOTA:
    case MT_ESHUTDOWN:
    case MT_EBUSY:
        reply_busy(x, RETRY_S, "the store cannot do this now: %s", mt_strerror(rc));
        break;
    case MT_EDAMAGED:
        log_error("event=http-damaged-data what=\"%s\" hint=\"mailtestctl verify\"", what);
        reply_problem(x, 500, "what is stored of %s is damaged and not shown; the operator finds out more with mailtestctl verify",
                      what);
        break;
    default:
        log_error("event=http-failed what=\"%s\" reason=\"%s\"", what, mt_strerror(rc));
        reply_problem(x, 500, "%s could not be read: %s", what, mt_strerror(rc));
    }
}

bool
call_mailbox(struct call *c, const char *name, struct mailbox_record *out)
{
    char lower[MAILBOX_NAME_MAX + 1];
    int  rc = MT_ENOTFOUND;

    if (mailbox_name_parse(slice_of(name), lower) == MT_OK)
        rc = db_mailbox_by_name(c->view, slice_of(lower), out);
    if (rc == MT_OK && !caller_may_see(&c->caller, out->id))
        rc = MT_ENOTFOUND;
    if (rc != MT_OK)
        reply_error(c->exchange, rc, "the mailbox");
    return rc == MT_OK;
}

bool
call_token(struct call *c, const char *text, struct token *out)
{
    if (token_decode(slice_of(text), out) == MT_OK)
        return true;
    reply_problem(c->exchange, 400, "this is not a token: it needs %s and %u characters of Crockford base32, all in one", TOKEN_PREFIX,
                  TOKEN_CHARS - 3);
    return false;
}

bool
call_message(struct call *c, uint64_t *id, struct message_record *out)
{
    int rc = slice_to_u64(slice_of(c->match->params[0].text), UINT64_MAX, id);

    if (rc != MT_OK) {
        reply_problem(c->exchange, 400, "the message's id is not a number");
        return false;
    }
    rc = db_message(c->view, *id, out);
    if (rc == MT_OK && !caller_may_see(&c->caller, out->mailbox_id))
        rc = MT_ENOTFOUND;
    if (rc != MT_OK)
        reply_error(c->exchange, rc, "the message");
    return rc == MT_OK;
}

/* ---- Requests -------------------------------------------------------------------------------------------------------- */

/* A route that needs a key: one view of the database serves the check of the key and the answer. */
static void
run_with_key(struct call *c, struct db_view *view)
{
    int rc = db_view_begin(c->lookup->db, view);

    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the store");
        return;
    }
    rc = caller_check(view, c->request->authorization, &c->caller);
    if (rc == MT_EDENIED && c->request->authorization.len > 0)
        exchange_key_refused(c->exchange);
    if (rc != MT_OK)
        reply_error(c->exchange, rc, "the key");
    else
        handlers[c->match->route](c);
    db_view_end(view);
}

void
call_run(void *arg, struct exchange *x, const struct http_request *request)
{
    struct route_match match;
    struct db_view     view;
    struct call        c = { .lookup = arg, .exchange = x, .request = request, .match = &match, .view = &view };

    switch (route_find(request->method, request->path, request->query, &match)) {
    case MT_OK:
        if (match.open)
            handlers[match.route](&c);
        else
            run_with_key(&c, &view);
        break;
    case MT_EDENIED:
        reply_header(x, "Allow", match.allow);
        reply_problem(x, 405, "this path allows: %s", match.allow);
        break;
    case MT_ESYNTAX:
        reply_problem(x, 400, "%s", match.fault);
        break;
    default:
        reply_problem(x, 404, "there is no such path; docs/openapi.yaml describes those that exist");
    }
}
