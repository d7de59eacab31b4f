#include "lib/answer_event.h"

#include "lib/answer.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "meaning/meaning.h"

enum { HINT_BYTES = 2048 };

/* ---- Events ------------------------------------------------------------------------------------------------------- */

static void
write_id(struct emit *j, const char *key, uint64_t id)
{
    if (id != 0)
        emit_u64(j, key, id);
    else
        emit_null(j, key);
}

void
answer_event(struct emit *j, const char *key, uint64_t id, const struct event_record *e)
{
    char text[TOKEN_CHARS + 1] = "";

    if (e->has_token)
        token_encode(&e->token, text);
    emit_object(j, key);
    emit_u64(j, "id", id);
    emit_string(j, "event", event_name(e->kind));
    emit_time_us(j, "at", e->at_us);
    emit_u64(j, "at_us", e->at_us);
    emit_slice_or_null(j, "mailbox", e->mailbox);
    emit_slice_or_null(j, "token", slice_of(text));
    write_id(j, "message_id", e->message_id);
    emit_slice_or_null(j, "verdict", slice_of(e->has_token && e->verdict < VERDICT_COUNT ? verdict_name((enum verdict)e->verdict) : NULL));
    emit_slice_or_null(j, "detail", e->detail);
    emit_object_end(j);
}

int
event_kinds_parse(struct slice text, uint32_t *out)
{
    uint32_t kinds = 0;

    for (;;) {
        struct slice word = slice_sub(text, 0, slice_find(text, ','));
        unsigned     kind = 1;

        while (kind < EVENT_KIND_LIMIT && !slice_equal(word, slice_of(event_name((enum event_kind)kind))))
            kind++;
        if (kind == EVENT_KIND_LIMIT)
            return MT_ESYNTAX;
        kinds |= 1u << kind;
        if (word.len == text.len)
            break;
        text = slice_sub(text, word.len + 1, text.len);
    }
    *out = kinds;
    return MT_OK;
}

/* ---- What a message says of itself --------------------------------------------------------------------------------- */

void
answer_places(struct emit *j, const char *key, uint32_t places)
{
    emit_array(j, key);
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if ((places & (1u << i)) != 0)
            emit_string(j, NULL, place_name(i));
    emit_array_end(j);
}

static void
write_fact(struct emit *j, const char *key, struct slice facts, enum fact_kind kind)
{
    emit_slice_or_null(j, key, fact_find(facts, kind));
}

/* All facts of one kind. */
static void
write_list(struct emit *j, const char *key, struct slice facts, enum fact_kind kind)
{
    struct reader r;
    struct fact   f;

    emit_array(j, key);
    reader_init(&r, facts);
    while (fact_next(&r, &f))
        if (f.kind == kind)
            emit_slice(j, NULL, f.text);
    emit_array_end(j);
}

static bool
has_report(struct slice facts)
{
    return fact_find(facts, FACT_REPORT_FORM).len > 0 || fact_find(facts, FACT_REPORT_ACTION).len > 0 ||
           fact_find(facts, FACT_REPORT_STATUS).len > 0;
}

void
answer_report(struct emit *j, const char *key, struct slice facts)
{
    struct slice status = fact_find(facts, FACT_REPORT_STATUS), diagnostic = fact_find(facts, FACT_REPORT_DIAGNOSTIC);

    if (!has_report(facts)) {
        emit_null(j, key);
        return;
    }
    emit_object(j, key);
    write_fact(j, "action", facts, FACT_REPORT_ACTION);
    emit_slice_or_null(j, "status", status);
    emit_slice_or_null(j, "diagnostic", diagnostic);
    write_fact(j, "host", facts, FACT_REPORT_HOST);
    write_fact(j, "refused_by", facts, FACT_REPORT_REFUSED_BY);
    write_fact(j, "recipient", facts, FACT_REPORT_RECIPIENT);
    write_fact(j, "form", facts, FACT_REPORT_FORM);
    emit_slice_or_null(j, "meaning", slice_of(meaning_of_refusal(status, diagnostic)));
    emit_object_end(j);
}

/* The first part of why: what the kind rests on. */
static void
put_reason(struct buf *out, const char *text, const char *joint, struct slice detail)
{
    buf_append_string(out, text);
    if (detail.len > 0) {
        buf_append_string(out, joint);
        buf_append_slice(out, detail);
    }
}

/* Why the provider is not recognised: "it comes from noreply@a.example". */
static struct slice
doubt_of(struct slice facts)
{
    struct slice provider = fact_find(facts, FACT_CONFIRMATION_PROVIDER);

    return fact_is_recognised(facts) ? slice_of(NULL) : slice_sub(provider, strlen(FACT_NOT_RECOGNISED), provider.len);
}

void
answer_why(struct buf *out, const struct message_record *m)
{
    struct slice facts = m->parsed.facts;

    switch (m->kind) {
    case KIND_ARRIVED:
        buf_append_string(out, "it carries a genuine token of this mailbox, and nothing in it says that it is a report or a reply");
        break;
    case KIND_BOUNCED:
        put_reason(out, "it carries the token, and is a delivery status report of a failure", ", read as ", fact_find(facts, FACT_REPORT_FORM));
        break;
    case KIND_NOTICE:
        put_reason(out, "it carries the token, and is a delivery status report that decides nothing", ": ",
                   fact_find(facts, FACT_REPORT_ACTION));
        break;
    case KIND_AUTOREPLY:
        put_reason(out, "it carries the token, and is an automatic reply", ": ", fact_find(facts, FACT_AUTOREPLY_WHY));
        break;
    case KIND_RECEIPT:
        put_reason(out, "it carries the token, and is a read receipt", ": ", fact_find(facts, FACT_RECEIPT_WHY));
        break;
    case KIND_REPLY:
        put_reason(out, "it carries the token, and is a person's reply", ": ", fact_find(facts, FACT_REPLY_WHY));
        break;
    case KIND_CONFIRMATION:
        if (fact_is_recognised(facts))
            put_reason(out, "it asks to confirm a forwarding to this mailbox", ", sent by ", fact_find(facts, FACT_CONFIRMATION_PROVIDER));
        else
            put_reason(out, "it pretends to be a provider's request to confirm a forwarding to this mailbox", ": ", doubt_of(facts));
        break;
    default:
        buf_append_string(out, "it carries no genuine token of this mailbox");
    }
}

static void
write_confirmation(struct emit *j, struct slice facts)
{
    if (fact_find(facts, FACT_CONFIRMATION_PROVIDER).len == 0) {
        emit_null(j, "confirmation");
        return;
    }
    emit_object(j, "confirmation");
    write_fact(j, "provider", facts, FACT_CONFIRMATION_PROVIDER);
    emit_bool(j, "recognised", fact_is_recognised(facts));
    write_fact(j, "code", facts, FACT_CONFIRMATION_CODE);
    write_fact(j, "link", facts, FACT_CONFIRMATION_LINK);
    write_fact(j, "for", facts, FACT_CONFIRMATION_FOR);
    emit_object_end(j);
}

/* Sentences that each end with LF. */
static void
write_changes(struct emit *j, struct slice changes)
{
    emit_array(j, "changes");
    while (changes.len > 0) {
        struct slice line = slice_sub(changes, 0, slice_find(changes, '\n'));

        changes = slice_sub(changes, line.len + 1, changes.len);
        if (line.len > 0)
            emit_slice(j, NULL, line);
    }
    emit_array_end(j);
}

void
answer_facts(struct emit *j, const struct message_record *m)
{
    struct buf why;

    buf_init(&why, ANSWER_WHY_BYTES);
    answer_why(&why, m);
    emit_slice(j, "why", buf_slice(&why));
    buf_fini(&why);
    answer_facts_found(j, m);
}

void
answer_claims(struct emit *j, struct slice facts)
{
    emit_object(j, "claims");
    write_list(j, "authentication", facts, FACT_AUTHENTICATION);
    write_list(j, "arc", facts, FACT_ARC);
    write_list(j, "spf", facts, FACT_SPF);
    emit_object_end(j);
}

void
answer_facts_found(struct emit *j, const struct message_record *m)
{
    struct slice facts = m->parsed.facts;

    answer_report(j, "report", facts);
    write_confirmation(j, facts);
    emit_object(j, "forward");
    write_fact(j, "way", facts, FACT_FORWARD_WAY);
    write_list(j, "evidence", facts, FACT_FORWARD_EVIDENCE);
    emit_object_end(j);
    answer_claims(j, facts);
    answer_places(j, "lost", m->lost);
    write_changes(j, m->changes);
}

/* ---- Mailboxes ------------------------------------------------------------------------------------------------------ */

static struct slice
confirmation_facts(const struct mailbox_answer *a)
{
    return a->confirmation == NULL ? slice_of(NULL) : a->confirmation->parsed.facts;
}

static struct slice
confirmation_fact(const struct mailbox_answer *a, enum fact_kind kind)
{
    return fact_find(confirmation_facts(a), kind);
}

static enum setup_state
state_of(const struct mailbox_answer *a)
{
    return a->pattern == NULL ? SETUP_WAITING : pattern_state(a->pattern, a->now_us);
}

static void
put_slice(struct buf *out, const char *before, struct slice text, const char *fallback)
{
    buf_append_string(out, before);
    if (text.len > 0)
        buf_append_slice(out, text);
    else
        buf_append_string(out, fallback);
}

void
confirmation_warning(struct buf *out, struct slice facts)
{
    put_slice(out, "A mail pretends to be a provider's request to confirm the forwarding: ", doubt_of(facts), "its sender is not known any more");
    buf_append_string(out, ". Do not act on it.");
}

static void
hint_confirmation(struct buf *out, const struct mailbox_answer *a)
{
    struct slice code = confirmation_fact(a, FACT_CONFIRMATION_CODE), link = confirmation_fact(a, FACT_CONFIRMATION_LINK);

    put_slice(out, "", confirmation_fact(a, FACT_CONFIRMATION_PROVIDER), "A provider");
    put_slice(out, " asks to confirm the forwarding", slice_of(NULL), "");
    if (code.len > 0)
        put_slice(out, ": enter the code ", code, "");
    if (link.len > 0)
        put_slice(out, code.len > 0 ? ", or open " : ": open ", link, "");
    if (code.len == 0 && link.len == 0)
        buf_append_string(out, a->confirmation == NULL ? "; its mail has expired here: have it sent again" : "; its mail tells how");
    buf_append_string(out, ".");
}

static void
hint_refused(struct buf *out, const struct pattern_record *p)
{
    const char *meaning = meaning_of_refusal(p->refusal_status, p->refusal_diagnostic);

    put_slice(out, "The forward was refused", p->refusal_status.len > 0 ? slice_of(" with ") : slice_of(NULL), "");
    put_slice(out, "", p->refusal_status, "");
    put_slice(out, ": ", meaning != NULL ? slice_of(meaning) : p->refusal_diagnostic, "the report does not say why");
}

static void
hint_silent(struct buf *out, const struct mailbox_answer *a)
{
    char since[DURATION_TEXT_BYTES], gap[DURATION_TEXT_BYTES];

    duration_text(a->now_us > a->pattern->last_us ? a->now_us - a->pattern->last_us : 0, since);
    buf_printf(out, "Nothing has come for %s", since);
    if (a->pattern->usual_gap_us > 0)
        buf_printf(out, "; usually something comes every %s", duration_text(a->pattern->usual_gap_us, gap));
    buf_append_string(out, ". Look whether the forwarding rule is still there, and whether test mails are sent.");
}

void
setup_hint(struct buf *out, const struct mailbox_answer *a)
{
    switch (state_of(a)) {
    case SETUP_WAITING:
        put_slice(out, "Nothing has come yet. Set the forwarding rule to ", a->mailbox->name, "");
        put_slice(out, "@", a->mailbox->domain, "");
        buf_append_string(out, " and send a test mail.");
        if (a->pattern != NULL && pattern_request(a->pattern).message_id != 0) {
            buf_append_byte(out, ' ');
            confirmation_warning(out, confirmation_facts(a));
        }
        break;
    case SETUP_CONFIRMATION:
        hint_confirmation(out, a);
        break;
    case SETUP_REFUSED:
        hint_refused(out, a->pattern);
        break;
    case SETUP_FIRST_PROBE:
        buf_append_string(out, "The first test mail came through. One more, and the forward counts as healthy.");
        break;
    case SETUP_SILENT:
        hint_silent(out, a);
        break;
    default:
        break;
    }
}

static void
write_setup_confirmation(struct emit *j, const struct mailbox_answer *a)
{
    struct pattern_request request = { .message_id = 0 };
    struct slice           none = slice_of(NULL);

    if (a->pattern != NULL)
        request = pattern_request(a->pattern);
    if (request.message_id == 0) {
        emit_null(j, "confirmation");
        return;
    }
    emit_object(j, "confirmation");
    emit_u64(j, "message_id", request.message_id);
    emit_time_us(j, "at", request.at_us);
    emit_slice_or_null(j, "provider", confirmation_fact(a, FACT_CONFIRMATION_PROVIDER));
    emit_bool(j, "recognised", request.recognised);
    /* Nobody shall act on what pretends to be a request: who wants to see all of it looks at the message. */
    emit_slice_or_null(j, "code", request.recognised ? confirmation_fact(a, FACT_CONFIRMATION_CODE) : none);
    emit_slice_or_null(j, "link", request.recognised ? confirmation_fact(a, FACT_CONFIRMATION_LINK) : none);
    emit_slice_or_null(j, "for", confirmation_fact(a, FACT_CONFIRMATION_FOR));
    emit_object_end(j);
}

static void
write_refusal(struct emit *j, const struct pattern_record *p)
{
    if (p == NULL || p->refusal_us == 0) {
        emit_null(j, "refusal");
        return;
    }
    emit_object(j, "refusal");
    emit_time_us(j, "at", p->refusal_us);
    emit_slice_or_null(j, "status", p->refusal_status);
    emit_slice_or_null(j, "diagnostic", p->refusal_diagnostic);
    emit_slice_or_null(j, "meaning", slice_of(meaning_of_refusal(p->refusal_status, p->refusal_diagnostic)));
    emit_object_end(j);
}

static void
write_setup(struct emit *j, const struct mailbox_answer *a)
{
    const struct pattern_record *p = a->pattern;
    struct buf                   hint;

    buf_init(&hint, HINT_BYTES);
    setup_hint(&hint, a);
    emit_object(j, "setup");
    emit_string(j, "state", setup_state_name(state_of(a)));
    emit_slice_or_null(j, "hint", buf_slice(&hint));
    emit_u64(j, "arrivals", p == NULL ? 0 : p->arrivals);
    emit_time_us(j, "last_arrival_at", p == NULL ? 0 : p->last_us);
    if (p != NULL && p->usual_gap_us > 0)
        emit_seconds(j, "usual_gap_s", (int64_t)p->usual_gap_us);
    else
        emit_null(j, "usual_gap_s");
    emit_slice_or_null(j, "way", p == NULL ? slice_of(NULL) : p->way);
    answer_places(j, "found_in", p == NULL ? 0 : p->found_in);
    write_setup_confirmation(j, a);
    write_refusal(j, p);
    emit_object_end(j);
    buf_fini(&hint);
}

static void
write_folder(struct emit *j, const char *key, const struct folder_record *f)
{
    emit_object(j, key);
    emit_u64(j, "messages", f->messages);
    emit_u64(j, "bytes", f->bytes);
    emit_object_end(j);
}

/* What is in neither of the two; 0 where damaged counters do not fit. */
static uint64_t
rest_of(uint64_t all, uint64_t one, uint64_t other)
{
    return one > all || other > all - one ? 0 : all - one - other;
}

void
answer_mailbox(struct emit *j, const char *key, const struct mailbox_answer *a)
{
    const struct mailbox_record *m = a->mailbox;
    const struct folder_record   others = { .messages = rest_of(m->messages, a->inbox->messages, a->unmatched->messages),
                                            .bytes = rest_of(m->bytes, a->inbox->bytes, a->unmatched->bytes) };
    struct buf                   address;

    buf_init(&address, MAILBOX_ADDRESS_MAX);
    put_slice(&address, "", m->name, "");
    put_slice(&address, "@", m->domain, "");
    emit_object(j, key);
    emit_slice(j, "mailbox", m->name);
    emit_slice(j, "address", buf_slice(&address));
    emit_slice(j, "user", m->name);
    emit_bool(j, "enabled", m->enabled);
    emit_bool(j, "chosen_secret", m->credentials.chosen);
    emit_time_unix(j, "created_at", (int64_t)m->created_unix);
    emit_time_us(j, "last_arrival_at", m->last_arrival_us);
    emit_u64(j, "messages", m->messages);
    emit_u64(j, "bytes", m->bytes);
    write_folder(j, "inbox", a->inbox);
    write_folder(j, "unmatched", a->unmatched);
    write_folder(j, "other_folders", &others);
    write_setup(j, a);
    emit_object_end(j);
    buf_fini(&address);
}

/* ---- Webhooks -------------------------------------------------------------------------------------------------------- */

void
answer_webhook(struct emit *j, const char *key, const struct webhook_answer *a)
{
    emit_object(j, key);
    emit_u64(j, "id", a->id);
    emit_slice(j, "url", a->webhook->url);
    emit_slice_or_null(j, "mailbox", a->mailbox);
    emit_array(j, "events");
    for (unsigned kind = 1; kind < EVENT_KIND_LIMIT; kind++)
        if ((a->webhook->kinds & (1u << kind)) != 0 && kind != EVENT_TEST)
            emit_string(j, NULL, event_name((enum event_kind)kind));
    emit_array_end(j);
    emit_time_unix(j, "created_at", (int64_t)a->webhook->created_unix);
    emit_u64(j, "waiting", a->waiting);
    emit_u64(j, "dead", a->dead);
    emit_object_end(j);
}

void
answer_post(struct emit *j, const char *key, uint32_t webhook_id, uint64_t event_id, const struct post_record *p,
            const struct event_record *event)
{
    emit_object(j, key);
    emit_u64(j, "webhook", webhook_id);
    emit_u64(j, "event_id", event_id);
    emit_bool(j, "dead", p->due_us == 0);
    emit_u64(j, "attempts", p->attempts);
    if (p->http_status != 0)
        emit_u64(j, "status", p->http_status);
    else
        emit_null(j, "status");
    emit_slice_or_null(j, "error", p->error);
    emit_time_us(j, "first_at", p->first_us);
    emit_time_us(j, "due_at", p->due_us);
    if (event != NULL)
        answer_event(j, "event", event_id, event);
    else
        emit_null(j, "event");
    emit_object_end(j);
}
