#include "lib/answer.h"

#include "lib/answer_event.h"
#include "lib/answer_hops.h"
#include "lib/error.h"

#include <assert.h>

static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_WAITING] = "waiting",
    [VERDICT_ARRIVED] = "arrived",
    [VERDICT_LATE] = "late",
    [VERDICT_BOUNCED] = "bounced",
    [VERDICT_AUTOREPLY] = "autoreply",
    [VERDICT_NOT_ARRIVED] = "not-arrived",
    [VERDICT_RECEIVER_DOWN] = "not-arrived-receiver-down",
};

static const char *const session_flag_names[] = {
    "bare-lf", "bare-cr", "8bitmime", "smtputf8", "chunked", "lmtp", "8bit-data", "nul",
};

static const char *const encoding_names[] = {
    [ENCODING_7BIT] = "7bit",     [ENCODING_8BIT] = "8bit",
    [ENCODING_BINARY] = "binary", [ENCODING_QUOTED_PRINTABLE] = "quoted-printable",
    [ENCODING_BASE64] = "base64", [ENCODING_UNKNOWN] = "unknown",
};

const char *
verdict_name(enum verdict v)
{
    assert(v < VERDICT_COUNT);
    return verdict_names[v];
}

enum verdict
token_verdict_at_end(const struct token_record *record)
{
    bool bounced = false, autoreply = false;

    for (uint32_t i = 0; i < record->kept; i++) {
        const struct arrival *a = &record->arrivals[i];

        if (a->kind == KIND_ARRIVED)
            return record->deadline_unix == 0 || a->received_us / 1000000 <= record->deadline_unix ? VERDICT_ARRIVED : VERDICT_LATE;
        bounced = bounced || a->kind == KIND_BOUNCED;
        autoreply = autoreply || a->kind == KIND_AUTOREPLY || a->kind == KIND_RECEIPT;
    }
    if (bounced)
        return VERDICT_BOUNCED;
    return autoreply ? VERDICT_AUTOREPLY : VERDICT_NOT_ARRIVED;
}

enum verdict
token_verdict(const struct token_record *record, uint64_t now_us)
{
    enum verdict v;

    if (record == NULL)
        return VERDICT_WAITING;
    if (record->decided_us != 0 && record->verdict < VERDICT_COUNT)
        return (enum verdict)record->verdict;
    v = token_verdict_at_end(record);
    if (record->deadline_unix == 0)
        return v == VERDICT_NOT_ARRIVED ? VERDICT_WAITING : v;
    if (v == VERDICT_NOT_ARRIVED || v == VERDICT_AUTOREPLY)
        return now_us / 1000000 > record->deadline_unix + VERDICT_GRACE_S ? v : VERDICT_WAITING;
    return v;
}

/* ---- Parts that tokens and messages have in common --------------------------------------------------------------- */

static void
write_names(struct emit *j, const char *key, uint32_t bits, const char *const *names, unsigned count)
{
    emit_array(j, key);
    for (unsigned i = 0; i < count; i++)
        if ((bits & (1u << i)) != 0)
            emit_string(j, NULL, names[i]);
    emit_array_end(j);
}

/* m NULL: the message has gone, and the address is all that was kept. */
static void
write_client(struct emit *j, struct slice address, const struct message_record *m)
{
    emit_object(j, "client");
    emit_slice_or_null(j, "address", address);
    emit_slice_or_null(j, "name", m == NULL ? slice_of(NULL) : m->session.client_name);
    emit_slice_or_null(j, "helo", m == NULL ? slice_of(NULL) : m->session.helo);
    emit_object_end(j);
}

static void
write_tls(struct emit *j, const struct message_record *m)
{
    if (m == NULL || m->session.tls_version.len == 0) {
        emit_null(j, "tls");
        return;
    }
    emit_object(j, "tls");
    emit_slice(j, "version", m->session.tls_version);
    emit_slice_or_null(j, "cipher", m->session.tls_cipher);
    emit_object_end(j);
}

static void
write_envelope(struct emit *j, const struct message_record *m)
{
    if (m == NULL) {
        emit_null(j, "envelope");
        return;
    }
    emit_object(j, "envelope");
    emit_slice(j, "from", m->reverse_path);
    emit_slice(j, "to", m->recipient);
    emit_object_end(j);
}

static void
write_times(struct emit *j, uint64_t received_us, uint64_t committed_us)
{
    emit_time_us(j, "received_at", received_us);
    emit_time_us(j, "committed_at", committed_us);
    emit_u64(j, "received_us", received_us);
    emit_u64(j, "committed_us", committed_us);
}

/* ---- A token ----------------------------------------------------------------------------------------------------- */

static void
write_latency(struct emit *j, const struct token_answer *a, uint64_t received_us)
{
    if (a->record->minted_us == 0 || received_us < a->record->minted_us)
        emit_null(j, "latency_s");
    else
        emit_seconds(j, "latency_s", (int64_t)(received_us - a->record->minted_us));
}

struct span {
    size_t from, to;
};

/* Members of an arrival that the token has as well: those of its first mail, or where none arrived of its first report or reply. */
struct repeated {
    struct span found_in, slowest_hop, time_shares, hops;
};

/* A value that key is about to be written for, behind another. */
static void
span_begin(struct span *s, const struct emit *j, const char *key)
{
    s->from = j->out->len + strlen(key) + strlen(",\"\":");
}

static void
span_end(struct span *s, const struct emit *j)
{
    s->to = j->out->len;
}

static void
write_way(struct emit *j, const struct token_answer *a, uint32_t i, struct repeated *r)
{
    const struct message_record *m = a->messages[i];
    int64_t                      sent_us = (int64_t)a->record->minted_us;
    struct message_hop           hops[HOP_DELAY_MAX];
    unsigned                     count = m != NULL ? message_hops(m, sent_us, hops) : kept_hops(a->record, i, hops);

    span_begin(&r->slowest_hop, j, "slowest_hop");
    answer_slowest_hop(j, hops, count);
    span_end(&r->slowest_hop, j);
    span_begin(&r->time_shares, j, "time_shares");
    answer_time_shares(j, m, sent_us, hops, count);
    span_end(&r->time_shares, j);
    span_begin(&r->hops, j, "hops");
    answer_hops(j, hops, count);
    span_end(&r->hops, j);
}

static void
write_arrival(struct emit *j, const struct token_answer *a, uint32_t i, struct repeated *r)
{
    const struct arrival        *arrival = &a->record->arrivals[i];
    const struct message_record *m = a->messages[i];

    emit_object(j, NULL);
    emit_u64(j, "message_id", arrival->message_id);
    emit_bool(j, "message_kept", m != NULL);
    emit_string(j, "kind", message_kind_name(arrival->kind));
    write_times(j, arrival->received_us, arrival->committed_us);
    write_latency(j, a, arrival->received_us);
    emit_u64(j, "size", arrival->size_bytes);
    span_begin(&r->found_in, j, "found_in");
    answer_places(j, "found_in", arrival->found_in);
    span_end(&r->found_in, j);
    answer_places(j, "lost", arrival->lost);
    write_client(j, slice_of(arrival->client), m);
    emit_slice_or_null(j, "protocol", m == NULL ? slice_of(NULL) : m->session.protocol);
    write_tls(j, m);
    write_envelope(j, m);
    if (m == NULL)
        emit_null(j, "claims");
    else
        answer_claims(j, m->parsed.facts);
    write_way(j, a, i, r);
    emit_object_end(j);
}

static void
write_arrivals(struct emit *j, const struct token_answer *a)
{
    struct repeated each, first = { .found_in = { 0, 0 } };
    uint32_t        kept = a->record == NULL ? 0 : a->record->kept;
    bool            has_mail = false;

    emit_array(j, "arrivals");
    for (uint32_t i = 0; i < kept; i++) {
        write_arrival(j, a, i, &each);
        if (i == 0 || (!has_mail && a->record->arrivals[i].kind == KIND_ARRIVED))
            first = each;
        has_mail = has_mail || a->record->arrivals[i].kind == KIND_ARRIVED;
    }
    emit_array_end(j);
    if (kept > 0 && j->out->fault == MT_OK) {
        emit_repeat(j, "found_in", first.found_in.from, first.found_in.to);
        emit_repeat(j, "slowest_hop", first.slowest_hop.from, first.slowest_hop.to);
        emit_repeat(j, "time_shares", first.time_shares.from, first.time_shares.to);
        emit_repeat(j, "hops", first.hops.from, first.hops.to);
        return;
    }
    emit_array(j, "found_in");
    emit_array_end(j);
    emit_null(j, "slowest_hop");
    emit_null(j, "time_shares");
    emit_array(j, "hops");
    emit_array_end(j);
}

/* What the first bounce says; null where there is none, or its message has gone. */
static void
write_token_report(struct emit *j, const struct token_answer *a)
{
    for (uint32_t i = 0; a->record != NULL && i < a->record->kept; i++)
        if (a->record->arrivals[i].kind == KIND_BOUNCED && a->messages[i] != NULL) {
            answer_report(j, "report", a->messages[i]->parsed.facts);
            return;
        }
    emit_null(j, "report");
}

void
answer_token(struct emit *j, const char *key, const struct token_answer *a)
{
    const struct token_record *t = a->record;
    uint64_t                   deadline = t == NULL ? 0 : t->deadline_unix;
    char                       text[TOKEN_CHARS + 1];

    token_encode(&a->token, text);
    emit_object(j, key);
    emit_slice(j, "token", slice_make(text, TOKEN_CHARS));
    emit_slice(j, "mailbox", a->mailbox);
    emit_string(j, "verdict", verdict_name(token_verdict(t, a->now_us)));
    emit_bool(j, "registered", t != NULL);
    emit_bool(j, "expected", deadline != 0);
    emit_time_unix(j, "issued_at", token_issued_unix(&a->token));
    emit_time_us(j, "minted_at", t == NULL ? 0 : t->minted_us);
    if (deadline != 0)
        emit_u64(j, "deadline", deadline);
    else
        emit_null(j, "deadline");
    emit_time_unix(j, "deadline_at", (int64_t)deadline);
    emit_time_us(j, "decided_at", t == NULL ? 0 : t->decided_us);
    emit_time_us(j, "amended_at", t == NULL ? 0 : t->amended_us);
    emit_u64(j, "receiver_down_ms", t == NULL ? 0 : t->refused_us / 1000);
    emit_u64(j, "arrival_count", t == NULL ? 0 : t->arrival_count);
    answer_places(j, "lost", t == NULL || t->kept == 0 ? 0 : t->arrivals[0].lost);
    write_token_report(j, a);
    write_arrivals(j, a);
    emit_object_end(j);
}

/* ---- A message --------------------------------------------------------------------------------------------------- */

static void
write_summary(struct emit *j, uint64_t id, struct slice mailbox, struct slice folder, const struct message_record *m)
{
    char text[TOKEN_CHARS + 1];

    emit_u64(j, "id", id);
    emit_slice(j, "mailbox", mailbox);
    emit_slice_or_null(j, "folder", folder);
    emit_u64(j, "uid", m->uid);
    emit_string(j, "kind", message_kind_name(m->kind));
    write_times(j, m->received_us, m->committed_us);
    emit_u64(j, "size", message_size(m));
    emit_slice(j, "subject", m->parsed.subject);
    emit_slice(j, "from", m->parsed.from);
    emit_array(j, "tokens");
    for (uint32_t i = 0; i < m->parsed.candidate_count; i++) {
        token_encode(&m->parsed.candidates[i].token, text);
        emit_object(j, NULL);
        emit_slice(j, "token", slice_make(text, TOKEN_CHARS));
        answer_places(j, "found_in", m->parsed.candidates[i].found_in);
        emit_object_end(j);
    }
    emit_array_end(j);
}

static void
write_parts(struct emit *j, const struct message_record *m)
{
    struct reader r;
    struct part   p;

    emit_array(j, "parts");
    reader_init(&r, m->parsed.parts);
    while (part_next(&r, &p)) {
        emit_object(j, NULL);
        if (p.parent == PARSED_NO_PARENT)
            emit_null(j, "parent");
        else
            emit_u64(j, "parent", p.parent);
        emit_slice(j, "type", p.type);
        emit_string(j, "encoding", encoding_names[p.encoding <= ENCODING_UNKNOWN ? p.encoding : ENCODING_UNKNOWN]);
        emit_u64(j, "size", p.end_at >= p.body_at ? p.end_at - p.body_at : 0);
        emit_u64(j, "lines", p.lines);
        emit_object_end(j);
    }
    emit_array_end(j);
}

void
answer_message_summary(struct emit *j, const char *key, uint64_t id, struct slice mailbox, struct slice folder, const struct message_record *m)
{
    emit_object(j, key);
    write_summary(j, id, mailbox, folder, m);
    emit_object_end(j);
}

void
answer_message(struct emit *j, const char *key, uint64_t id, struct slice mailbox, struct slice folder, const struct message_record *m,
               uint64_t minted_us)
{
    struct message_hop hops[HOP_DELAY_MAX];
    unsigned           hop_count = message_hops(m, (int64_t)minted_us, hops);

    emit_object(j, key);
    write_summary(j, id, mailbox, folder, m);
    answer_facts(j, m);
    emit_slice_or_null(j, "message_id", m->parsed.message_id);
    emit_time_unix(j, "date", m->parsed.date_unix);
    write_names(j, "traits", m->parsed.traits, trait_names, COUNT(trait_names));
    write_client(j, m->session.client_address, m);
    emit_slice_or_null(j, "protocol", m->session.protocol);
    emit_slice_or_null(j, "session_id", m->session.id);
    write_tls(j, m);
    write_names(j, "facts", m->session.flags, session_flag_names, COUNT(session_flag_names));
    write_envelope(j, m);
    emit_u64(j, "received_count", m->parsed.received_count);
    answer_slowest_hop(j, hops, hop_count);
    answer_time_shares(j, m, (int64_t)minted_us, hops, hop_count);
    answer_hops(j, hops, hop_count);
    write_parts(j, m);
    emit_object_end(j);
}
