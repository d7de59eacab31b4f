#ifndef LOOKUP_CALL_H
#define LOOKUP_CALL_H
/*
 * call - one request on its way to the answer: finds its route, checks its key, and passes it to its api_…; and what these have in
 * common.
 */

#include "lookup/auth.h"
#include "lookup/lookup.h"
#include "lookup/route.h"

#include "lib/answer.h"

/* An answer of one request may be this long; more tokens than that has room for have to be asked for in several. */
#define ANSWER_MAX_BYTES (32u * 1024 * 1024)

/* One request with all that its handler needs. Lives during the call. */
struct call {
    struct lookup             *lookup;
    struct exchange           *exchange;
    const struct http_request *request;
    const struct route_match  *match;
    const struct db_view      *view;        /* only for routes that need a key: no other has begun it */
    struct caller              caller;
};

typedef void call_fn(struct call *c);

/* api_status.c */
call_fn api_status_page, api_metrics, api_healthz, api_readyz;
/* api_tokens.c */
call_fn api_token_mint, api_token_show, api_token_forget;
/* api_lookup.c */
call_fn api_lookup;
/* api_messages.c */
call_fn api_message_list, api_message_show, api_message_raw, api_message_delete;
/* api_events.c */
call_fn api_arrivals, api_events;
/* api_mailboxes.c */
call_fn api_mailbox_show;

/* api_results.c */
call_fn api_results_post;
/* api_checks.c */
call_fn api_check_list, api_check_show, api_check_results;

/* The handler of all requests: an http_handler_fn, arg is the lookup. */
http_handler_fn call_run;

/* The scratch buffer, emptied, and a writer on it. */
struct emit lookup_json(struct lookup *l);

/* Sends what was written to the scratch buffer, or a 413 when it did not fit. */
void reply_json(struct lookup *l, struct exchange *x, unsigned status);

/* A problem document for what the store or its database said; what: "the token" and so on, for not-found. */
void reply_error(struct exchange *x, int rc, const char *what);

/*
 * The mailbox that a path names, if the caller may see it; whether there is one that it may not see is not told apart. Otherwise
 * the problem was replied, and the call is over.
 */
bool call_mailbox(struct call *c, const char *name, struct mailbox_record *out);
bool call_token(struct call *c, const char *text, struct token *out);
bool call_message(struct call *c, uint64_t *id, struct message_record *out);

#endif
