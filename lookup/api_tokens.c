/* api_tokens - /v1/mailboxes/{mailbox}/tokens: mint, show (and wait for), forget one token. */
#include "lookup/ask.h"
#include "lookup/body.h"
#include "lookup/waiter.h"

#include "lib/duration.h"
#include "lib/error.h"

#include <stdio.h>

/* RFC 5321 section 4.5.3.1.1 */
enum { LOCAL_PART_MAX = 64 };

/* ---- Mint ------------------------------------------------------------------------------------------------------------ */

/* "acme+mt1…@mailtest1.example.net", if the local part is not too long for the servers on the way. */
static void
write_tagged(struct emit *j, struct slice address, struct slice token)
{
    size_t at = slice_find(address, '@');
    char   text[MAILBOX_ADDRESS_MAX + TOKEN_CHARS + 2];
    int    len;

    if (at + 1 + token.len > LOCAL_PART_MAX) {
        emit_null(j, "tagged_address");
        return;
    }
    len = snprintf(text, sizeof(text), "%.*s+%.*s%.*s", (int)at, address.data, (int)token.len, token.data, (int)(address.len - at),
                   address.data + at);
    emit_slice(j, "tagged_address", slice_make(text, (size_t)len));
}

static int
on_minted(struct lookup *l, struct exchange *x, const struct ask_note *note, int rc, struct reader *r)
{
    struct slice token, address;
    uint64_t     issued_unix;
    struct emit  j;

    if (rc == MT_EINVALID) {
        reply_problem(x, 400, "the deadline is over already, or more than %u days ahead", TOKEN_DEADLINE_MAX_DAYS);
        return MT_OK;
    }
    if (rc != MT_OK) {
        reply_error(x, rc, "the mailbox");
        return MT_OK;
    }
    read_bytes(r, &token, TOKEN_CHARS);
    read_bytes(r, &address, MAILBOX_ADDRESS_MAX);
    read_u64(r, &issued_unix);
    if (!read_end(r)) {
        reply_error(x, MT_EPROTO, "the store's answer");
        return MT_EPROTO;
    }
    j = lookup_json(l);
    emit_object(&j, NULL);
    emit_slice(&j, "token", token);
    emit_string(&j, "mailbox", note->mailbox);
    emit_slice(&j, "address", address);
    write_tagged(&j, address, token);
    emit_time_unix(&j, "issued_at", (int64_t)issued_unix);
    emit_bool(&j, "expected", note->number != 0);
    if (note->number != 0)
        emit_u64(&j, "deadline", note->number);
    else
        emit_null(&j, "deadline");
    emit_time_unix(&j, "deadline_at", (int64_t)note->number);
    emit_object_end(&j);
    reply_json(l, x, 201);
    return MT_OK;
}

/* 0: not expected. How far ahead it may be store decides. */
static bool
take_deadline(struct call *c, const json_t *body, uint64_t *deadline_unix)
{
    const json_t *deadline = json_object_get(body, "deadline"), *window = json_object_get(body, "window");
    uint64_t      now_s = lookup_now_us() / 1000000, window_ms = 0;

    *deadline_unix = 0;
    if (body_time_unix(deadline, deadline_unix) != MT_OK)
        reply_problem(c->exchange, 400, "deadline must be a time as 2026-11-21T03:30:00Z, or seconds since 1970");
    else if (body_span_ms(window, UINT64_MAX / 2, &window_ms) != MT_OK)
        reply_problem(c->exchange, 400, "window must be a span of time as \"10m\", or a number of seconds");
    else if (window != NULL && !json_is_null(window) && window_ms == 0)
        reply_problem(c->exchange, 400, "window must be longer than nothing: leave it out to expect no arrival");
    else if (*deadline_unix != 0 && window_ms != 0)
        reply_problem(c->exchange, 400, "deadline and window say the same in two ways: give one");
    else if (*deadline_unix != 0 && *deadline_unix <= now_s)
        reply_problem(c->exchange, 400, "deadline is over already");
    else {
        if (window_ms != 0)
            *deadline_unix = now_s + (window_ms + 999) / 1000;
        return true;
    }
    return false;
}

void
api_token_mint(struct call *c)
{
    static const char *const names[] = { "deadline", "window", NULL };
    struct mailbox_record    mailbox;
    struct ask_note          note = { .number = 0 };
    struct buf              *out;
    json_t                  *body;
    bool                     fine;

    if (!call_mailbox(c, c->match->params[0].text, &mailbox) || (body = body_object(c, names)) == NULL)
        return;
    fine = take_deadline(c, body, &note.number);
    json_decref(body);
    if (!fine)
        return;
    slice_copy(note.mailbox, sizeof(note.mailbox), mailbox.name);
    out = ask_begin(c->lookup, c->exchange, MSG_MINT, &note, on_minted);
    if (out == NULL)
        return;
    write_string(out, note.mailbox);
    write_u64(out, note.number);
    ask_end(c->lookup);
}

/* ---- Show ------------------------------------------------------------------------------------------------------------ */

static bool
take_wait(struct call *c, struct wait_request *out)
{
    const struct route_value *wait = &c->match->query[0], *after = &c->match->query[1];
    uint64_t                  wait_ms = 0, count = 0;

    if (wait->given && duration_parse(slice_of(wait->text), UINT64_MAX / 2, &wait_ms) != MT_OK) {
        reply_problem(c->exchange, 400, "wait must be a span of time such as 300s, 5m or 1.5s");
        return false;
    }
    if (after->given && slice_to_u64(slice_of(after->text), UINT32_MAX, &count) != MT_OK) {
        reply_problem(c->exchange, 400, "after must be the number of arrivals that are known already");
        return false;
    }
    if (wait_ms > (uint64_t)c->lookup->config->http.wait_max_s * 1000)
        wait_ms = (uint64_t)c->lookup->config->http.wait_max_s * 1000;
    out->wait_us = wait_ms * 1000;
    out->has_after = after->given;
    out->after = (uint32_t)count;
    return true;
}

void
api_token_show(struct call *c)
{
    struct wait_request   request = { .caller = c->caller, .single = true, .count = 1 };
    struct mailbox_record mailbox;
    struct token          token;
    struct waiter        *w;

    if (!call_mailbox(c, c->match->params[0].text, &mailbox) || !call_token(c, c->match->params[1].text, &token) ||
        !take_wait(c, &request))
        return;
    w = waiter_new(c->lookup, &request);
    if (w == NULL) {
        reply_busy(c->exchange, 1, "out of memory");
        return;
    }
    waiter_item(w, 0)->entry.token = token;
    waiter_item(w, 0)->entry.mailbox_id = mailbox.id;
    waiter_start(w, c->exchange, c->view);
}

/* ---- Forget ---------------------------------------------------------------------------------------------------------- */

static int
on_forgotten(struct lookup *l, struct exchange *x, const struct ask_note *note, int rc, struct reader *r)
{
    uint32_t    messages;
    char        text[TOKEN_CHARS + 1];
    struct emit j;

    if (rc != MT_OK) {
        reply_error(x, rc, "the token");
        return MT_OK;
    }
    read_u32(r, &messages);
    if (!read_end(r)) {
        reply_error(x, MT_EPROTO, "the store's answer");
        return MT_EPROTO;
    }
    token_encode(&note->token, text);
    j = lookup_json(l);
    emit_object(&j, NULL);
    emit_string(&j, "token", text);
    emit_string(&j, "mailbox", note->mailbox);
    emit_u64(&j, "messages_deleted", messages);
    emit_object_end(&j);
    reply_json(l, x, 200);
    return MT_OK;
}

void
api_token_forget(struct call *c)
{
    struct mailbox_record mailbox;
    struct ask_note       note = { .number = 0 };
    char                  text[TOKEN_CHARS + 1];
    struct buf           *out;

    if (!call_mailbox(c, c->match->params[0].text, &mailbox) || !call_token(c, c->match->params[1].text, &note.token))
        return;
    slice_copy(note.mailbox, sizeof(note.mailbox), mailbox.name);
    out = ask_begin(c->lookup, c->exchange, MSG_TOKEN_FORGET, &note, on_forgotten);
    if (out == NULL)
        return;
    token_encode(&note.token, text);
    write_string(out, note.mailbox);
    write_string(out, text);
    ask_end(c->lookup);
}
