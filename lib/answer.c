#include "lib/answer.h"

#include "lib/error.h"

#include <assert.h>

static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_WAITING] = "waiting",
    [VERDICT_ARRIVED] = "arrived",
    [VERDICT_LATE] = "late",
    [VERDICT_BOUNCED] = "bounced",
    [VERDICT_AUTOREPLY] = "autoreply",
    [VERDICT_NOT_ARRIVED] = "not-arrived",
};

static const char *const trait_names[] = {
    "delivery-report", "auto-replied", "read-receipt", "broken-mime", "cut-short", "delay-report", "success-report",
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
token_verdict(const struct token_record *record, uint64_t now_us)
{
    bool bounced = false, autoreply = false;

    if (record == NULL)
        return VERDICT_WAITING;
    for (uint32_t i = 0; i < record->kept; i++) {
        const struct arrival *a = &record->arrivals[i];

        if (a->kind == KIND_ARRIVED)
            return record->deadline_unix == 0 || a->received_us / 1000000 <= record->deadline_unix ? VERDICT_ARRIVED : VERDICT_LATE;
        bounced = bounced || a->kind == KIND_BOUNCED;
        autoreply = autoreply || a->kind == KIND_AUTOREPLY;
    }
    if (bounced)
        return VERDICT_BOUNCED;
    if (autoreply)
        return VERDICT_AUTOREPLY;
    return record->deadline_unix != 0 && now_us / 1000000 > record->deadline_unix ? VERDICT_NOT_ARRIVED : VERDICT_WAITING;
}

/* ---- Hops ------------------------------------------------------------------------------------------------------ */

/* What stands behind a mark in the Received field that smtpd puts in front of each message (smtpd/trace.c), up to the end character. */
static struct slice
trace_text(struct slice head, const char *mark, char end)
{
    const char  *found = head.len == 0 ? NULL : memmem(head.data, head.len, mark, strlen(mark));
    struct slice rest;

    if (found == NULL)
        return slice_make(NULL, 0);
    rest = slice_sub(head, (size_t)(found - head.data) + strlen(mark), head.len);
    return slice_sub(rest, 0, slice_find(rest, end));
}

unsigned
message_hops(const struct message_record *m, int64_t sent_us, struct message_hop *out)
{
    int64_t          times_us[HOP_DELAY_MAX];
    struct hop_delay delays[HOP_DELAY_MAX];
    struct reader    r;
    unsigned         count = 1;

    out[0].time_us = (int64_t)m->received_us;
    out[0].hop = (struct hop){
        .from = trace_text(m->head, "Received: from ", '\r'),
        .by = trace_text(m->head, "\r\n\tby ", ' '),
        .with = m->session.protocol,
        .tls = m->session.tls_version,
        .id = m->session.id,
        .for_ = m->recipient,
        .time_unix = (int64_t)(m->received_us / 1000000),
    };
    reader_init(&r, m->parsed.hops);
    while (count < HOP_DELAY_MAX && hop_next(&r, &out[count].hop)) {
        /* A stamp that no clock shows (before 1970, after 9999) is as good as none. */
        int64_t s = out[count].hop.time_unix;

        out[count++].time_us = s > 0 && s < 253402300800 ? s * 1000000 : 0;
    }
    for (unsigned i = 0; i < count; i++)
        times_us[i] = out[i].time_us;
    hop_delays(times_us, count, sent_us, delays);
    for (unsigned i = 0; i < count; i++)
        out[i].delay = delays[i];
    return count;
}

static void
write_hop(struct emit *j, const struct message_hop *h)
{
    emit_object(j, NULL);
    emit_slice_or_null(j, "from", h->hop.from);
    emit_slice_or_null(j, "by", h->hop.by);
    emit_slice_or_null(j, "with", h->hop.with);
    emit_slice_or_null(j, "tls", h->hop.tls);
    emit_slice_or_null(j, "id", h->hop.id);
    emit_slice_or_null(j, "for", h->hop.for_);
    emit_time_unix(j, "time", h->time_us / 1000000);
    if (h->delay.known)
        emit_seconds(j, "delay_s", h->delay.delay_us);
    else
        emit_null(j, "delay_s");
    if (h->delay.bounded)
        emit_seconds(j, "delay_at_most_s", h->delay.at_most_us);
    emit_bool(j, "skewed", h->delay.skewed);
    emit_object_end(j);
}

static void
write_hops(struct emit *j, const struct message_record *m, int64_t sent_us)
{
    struct message_hop hops[HOP_DELAY_MAX];
    unsigned           count = message_hops(m, sent_us, hops);

    emit_array(j, "hops");
    for (unsigned i = 0; i < count; i++)
        write_hop(j, &hops[i]);
    emit_array_end(j);
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

static void
write_places(struct emit *j, const char *key, uint32_t found_in)
{
    emit_array(j, key);
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if ((found_in & (1u << i)) != 0)
            emit_string(j, NULL, place_name(i));
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

static void
write_arrival(struct emit *j, const struct token_answer *a, uint32_t i, struct span *found_in, struct span *hops)
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
    found_in->from = j->out->len + sizeof(",\"found_in\":") - 1;
    write_places(j, "found_in", arrival->found_in);
    found_in->to = j->out->len;
    write_client(j, slice_of(arrival->client), m);
    emit_slice_or_null(j, "protocol", m == NULL ? slice_of(NULL) : m->session.protocol);
    write_tls(j, m);
    write_envelope(j, m);
    hops->from = j->out->len + sizeof(",\"hops\":") - 1;
    if (m != NULL) {
        write_hops(j, m, (int64_t)a->record->minted_us);
    } else {
        emit_array(j, "hops");
        emit_array_end(j);
    }
    hops->to = j->out->len;
    emit_object_end(j);
}

static void
write_arrivals(struct emit *j, const struct token_answer *a)
{
    struct span found_in, hops, first_found_in = { 0, 0 }, first_hops = { 0, 0 };
    uint32_t    kept = a->record == NULL ? 0 : a->record->kept;

    emit_array(j, "arrivals");
    for (uint32_t i = 0; i < kept; i++) {
        write_arrival(j, a, i, &found_in, &hops);
        if (i == 0) {
            first_found_in = found_in;
            first_hops = hops;
        }
    }
    emit_array_end(j);
    if (kept > 0 && j->out->fault == MT_OK) {
        emit_repeat(j, "found_in", first_found_in.from, first_found_in.to);
        emit_repeat(j, "hops", first_hops.from, first_hops.to);
        return;
    }
    emit_array(j, "found_in");
    emit_array_end(j);
    emit_array(j, "hops");
    emit_array_end(j);
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
    emit_u64(j, "arrival_count", t == NULL ? 0 : t->arrival_count);
    write_arrivals(j, a);
    emit_object_end(j);
}

/* ---- A message --------------------------------------------------------------------------------------------------- */

static void
write_summary(struct emit *j, uint64_t id, struct slice mailbox, const struct message_record *m)
{
    char text[TOKEN_CHARS + 1];

    emit_u64(j, "id", id);
    emit_slice(j, "mailbox", mailbox);
    emit_string(j, "folder", m->folder_id == FOLDER_INBOX ? "INBOX" : m->folder_id == FOLDER_UNMATCHED ? "Unmatched" : "other");
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
        write_places(j, "found_in", m->parsed.candidates[i].found_in);
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
answer_message_summary(struct emit *j, const char *key, uint64_t id, struct slice mailbox, const struct message_record *m)
{
    emit_object(j, key);
    write_summary(j, id, mailbox, m);
    emit_object_end(j);
}

void
answer_message(struct emit *j, const char *key, uint64_t id, struct slice mailbox, const struct message_record *m, uint64_t minted_us)
{
    emit_object(j, key);
    write_summary(j, id, mailbox, m);
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
    write_hops(j, m, (int64_t)minted_us);
    write_parts(j, m);
    emit_object_end(j);
}
