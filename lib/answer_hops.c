#include "lib/answer_hops.h"

#include "lib/session_id.h"

/* A transaction that took longer is none: its id was made by a clock that was set since. */
#define TRANSACTION_MAX_US ((int64_t)24 * 3600 * 1000000)

/*
 * What stands behind a mark in the Received field that smtpd puts in front of each message (smtpd/trace.c), up to the end
 * character.
 */
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

/* Behind our own hop, which stands in out[0] already, those of the Received fields; and the delays of all. */
static unsigned
add_hops(struct slice older, int64_t sent_us, struct message_hop *out)
{
    int64_t          times_us[HOP_DELAY_MAX];
    struct hop_delay delays[HOP_DELAY_MAX];
    struct reader    r;
    unsigned         count = 1;

    reader_init(&r, older);
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

unsigned
message_hops(const struct message_record *m, int64_t sent_us, struct message_hop *out)
{
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
    return add_hops(m->parsed.hops, sent_us, out);
}

/* Whether it is the first mail that arrived, whose hops the record keeps. */
static bool
is_first_mail(const struct token_record *t, uint32_t arrival)
{
    for (uint32_t i = 0; i < arrival; i++)
        if (t->arrivals[i].kind == KIND_ARRIVED)
            return false;
    return t->arrivals[arrival].kind == KIND_ARRIVED;
}

unsigned
kept_hops(const struct token_record *t, uint32_t arrival, struct message_hop *out)
{
    struct reader r;

    reader_init(&r, t->hops);
    if (!is_first_mail(t, arrival) || !hop_next(&r, &out[0].hop))
        return 0;
    out[0].time_us = (int64_t)t->arrivals[arrival].received_us;
    return add_hops(r.rest, (int64_t)t->minted_us, out);
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
    if (h->delay.skewed)
        emit_seconds(j, "skew_s", h->delay.skew_us);
    else
        emit_null(j, "skew_s");
    emit_bool(j, "wrong_zone", h->delay.wrong_zone);
    emit_object_end(j);
}

void
answer_hops(struct emit *j, const struct message_hop *hops, unsigned count)
{
    emit_array(j, "hops");
    for (unsigned i = 0; i < count; i++)
        write_hop(j, &hops[i]);
    emit_array_end(j);
}

/* A span that is known, or of which no more than the bound is. */
static void
write_span(struct emit *j, const char *key, const char *at_most_key, const struct hop_delay *d)
{
    if (d->known)
        emit_seconds(j, key, d->delay_us);
    else
        emit_null(j, key);
    if (d->bounded)
        emit_seconds(j, at_most_key, d->at_most_us);
}

void
answer_slowest_hop(struct emit *j, const struct message_hop *hops, unsigned count)
{
    struct slowest_hop slowest;

    if (!slowest_hop_find(hops, count, &slowest)) {
        emit_null(j, "slowest_hop");
        return;
    }
    emit_object(j, "slowest_hop");
    emit_u64(j, "index", slowest.index);
    emit_slice_or_null(j, "by", hops[slowest.index].hop.by);
    write_span(j, "delay_s", "delay_at_most_s", &hops[slowest.index].delay);
    emit_bool(j, "certain", slowest.certain);
    emit_bool(j, "since_minting", slowest.since_minting);
    emit_object_end(j);
}

/* When the client began to hand the mail to us; 0 where its id does not tell. */
static int64_t
begun_us(const struct message_record *m)
{
    int64_t begun = (int64_t)session_id_time_us(m->session.id);

    return begun > (int64_t)m->received_us - TRANSACTION_MAX_US ? begun : 0;
}

void
answer_time_shares(struct emit *j, const struct message_record *m, int64_t sent_us, const struct message_hop *hops, unsigned count)
{
    struct time_facts  facts = { .hops = hops, .count = count, .sent_us = sent_us };
    struct time_shares shares;

    if (m == NULL || m->kind != KIND_ARRIVED || count == 0) {
        emit_null(j, "time_shares");
        return;
    }
    facts.recipient = m->recipient;
    facts.begun_us = begun_us(m);
    facts.committed_us = (int64_t)m->committed_us;
    time_shares_find(&facts, &shares);
    emit_object(j, "time_shares");
    write_span(j, "customer_s", "customer_at_most_s", &shares.customer);
    write_span(j, "forwarding_s", "forwarding_at_most_s", &shares.forwarding);
    emit_seconds(j, "receiver_s", shares.receiver_us);
    if (shares.total_known) {
        emit_seconds(j, "unknown_s", shares.unknown_us);
        emit_seconds(j, "total_s", shares.total_us);
    } else {
        emit_null(j, "unknown_s");
        emit_null(j, "total_s");
    }
    if (shares.forwarder > 0)
        emit_u64(j, "forwarder", shares.forwarder);
    else
        emit_null(j, "forwarder");
    emit_slice_or_null(j, "forwarder_known_by", slice_of(forwarder_evidence_name(shares.evidence)));
    emit_object_end(j);
}
