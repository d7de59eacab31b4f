#include "lib/delivery.h"

#include "lib/error.h"
#include "lib/msg.h"

#include <stdlib.h>

/* Bounds of single texts; smtpd's own limits are lower. */
enum {
    ADDRESS_BYTES = 4096,
    TEXT_BYTES    = 1024,
    TRACE_BYTES   = 8192,
    NAME_BYTES    = 64,
};

/* The fewest octets that one encoded recipient takes. */
enum { RECIPIENT_BYTES_MIN = 8 };

void
session_facts_write(struct buf *b, const struct session_facts *s)
{
    write_bytes(b, s->client_address);
    write_bytes(b, s->client_name);
    write_bytes(b, s->helo);
    write_bytes(b, s->protocol);
    write_bytes(b, s->tls_version);
    write_bytes(b, s->tls_cipher);
    write_bytes(b, s->id);
    write_u32(b, s->flags);
}

void
session_facts_read(struct reader *r, struct session_facts *out)
{
    read_bytes(r, &out->client_address, TEXT_BYTES);
    read_bytes(r, &out->client_name, TEXT_BYTES);
    read_bytes(r, &out->helo, TEXT_BYTES);
    read_bytes(r, &out->protocol, TEXT_BYTES);
    read_bytes(r, &out->tls_version, TEXT_BYTES);
    read_bytes(r, &out->tls_cipher, TEXT_BYTES);
    read_bytes(r, &out->id, TEXT_BYTES);
    read_u32(r, &out->flags);
}

void
delivery_write(struct buf *b, const struct delivery *d)
{
    session_facts_write(b, &d->session);
    write_bytes(b, d->reverse_path);
    write_bytes(b, d->trace);
    write_u64(b, d->received_us);
    write_u32(b, d->recipient_count);
    for (uint32_t i = 0; i < d->recipient_count; i++) {
        write_bytes(b, d->recipients[i].mailbox);
        write_bytes(b, d->recipients[i].address);
    }
    /* Ahead of the candidates, so that the reader can allocate for both lists at once. */
    write_u32(b, d->parsed.candidate_count);
    parsed_write(b, &d->parsed);
    write_u64(b, d->size_bytes);
    write_bytes(b, d->body);
}

static int
read_recipients(struct reader *r, struct delivery *out, uint32_t *candidates)
{
    struct reader ahead = *r;
    struct slice  skipped;

    /* A first pass only for the count of candidates behind the recipients. */
    for (uint32_t i = 0; i < 2 * out->recipient_count; i++)
        read_bytes(&ahead, &skipped, ADDRESS_BYTES);
    read_count(&ahead, candidates, PARSED_CANDIDATES_MAX, PARSED_CANDIDATE_BYTES);
    if (!read_ok(&ahead))
        return MT_EPROTO;
    out->recipients = malloc(out->recipient_count * sizeof(struct recipient) + *candidates * sizeof(struct candidate));
    if (out->recipients == NULL)
        return MT_ENOMEM;
    for (uint32_t i = 0; i < out->recipient_count; i++) {
        read_bytes(r, &out->recipients[i].mailbox, NAME_BYTES);
        read_bytes(r, &out->recipients[i].address, ADDRESS_BYTES);
    }
    read_u32(r, candidates);
    return MT_OK;
}

int
delivery_read(struct reader *r, struct delivery *out)
{
    uint32_t candidates = 0;
    int      rc;

    *out = (struct delivery){ 0 };
    session_facts_read(r, &out->session);
    read_bytes(r, &out->reverse_path, ADDRESS_BYTES);
    read_bytes(r, &out->trace, TRACE_BYTES);
    read_time_us(r, &out->received_us);
    read_count(r, &out->recipient_count, DELIVERY_RECIPIENTS_MAX, RECIPIENT_BYTES_MIN);
    if (!read_ok(r) || out->recipient_count == 0)
        return MT_EPROTO;
    if ((rc = read_recipients(r, out, &candidates)) != MT_OK)
        return rc;
    parsed_read(r, &out->parsed, (struct candidate *)(out->recipients + out->recipient_count), candidates);
    read_u64(r, &out->size_bytes);
    read_bytes(r, &out->body, MSG_INLINE_BODY_BYTES);
    if (!read_end(r) || (out->body.len != 0 && out->body.len != out->size_bytes) ||
        (out->body.len == 0 && out->size_bytes != 0 && out->size_bytes <= MSG_INLINE_BODY_BYTES)) {
        delivery_fini(out);
        return MT_EPROTO;
    }
    return MT_OK;
}

void
delivery_fini(struct delivery *d)
{
    free(d->recipients);
    d->recipients = NULL;
    d->recipient_count = 0;
    d->parsed.candidates = NULL;
    d->parsed.candidate_count = 0;
}
