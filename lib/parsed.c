#include "lib/parsed.h"

static const char *const place_names[PLACE_COUNT] = {
    "recipient", "subject", "message-id", "in-reply-to", "references", "x-mailtest-token", "header",
    "text",      "html",    "attached",   "report",      "link",       "parameter",        "other",
};

const char *const trait_names[TRAIT_COUNT] = {
    "delivery-report", "auto-replied", "read-receipt", "broken-mime", "cut-short", "delay-report", "success-report", "reply", "confirmation",
};

const char *
place_name(unsigned i)
{
    return i < PLACE_COUNT ? place_names[i] : NULL;
}

void
hop_write(struct buf *b, const struct hop *h)
{
    write_bytes(b, h->from);
    write_bytes(b, h->by);
    write_bytes(b, h->with);
    write_bytes(b, h->tls);
    write_bytes(b, h->id);
    write_bytes(b, h->for_);
    write_u64(b, (uint64_t)h->time_unix);
}

bool
hop_next(struct reader *r, struct hop *out)
{
    uint64_t time_unix;

    if (r->faulty || r->rest.len == 0)
        return false;
    read_bytes(r, &out->from, PARSED_HOP_TEXT_BYTES);
    read_bytes(r, &out->by, PARSED_HOP_TEXT_BYTES);
    read_bytes(r, &out->with, PARSED_HOP_TEXT_BYTES);
    read_bytes(r, &out->tls, PARSED_HOP_TEXT_BYTES);
    read_bytes(r, &out->id, PARSED_HOP_TEXT_BYTES);
    read_bytes(r, &out->for_, PARSED_HOP_TEXT_BYTES);
    read_u64(r, &time_unix);
    out->time_unix = (int64_t)time_unix;
    return read_ok(r);
}

void
part_write(struct buf *b, const struct part *p)
{
    write_u32(b, p->parent);
    write_u64(b, p->header_at);
    write_u64(b, p->body_at);
    write_u64(b, p->end_at);
    write_u32(b, p->lines);
    write_u8(b, p->encoding);
    write_bytes(b, p->type);
}

bool
part_next(struct reader *r, struct part *out)
{
    if (r->faulty || r->rest.len == 0)
        return false;
    read_u32(r, &out->parent);
    read_u64(r, &out->header_at);
    read_u64(r, &out->body_at);
    read_u64(r, &out->end_at);
    read_u32(r, &out->lines);
    read_u8(r, &out->encoding);
    read_bytes(r, &out->type, PARSED_PART_TYPE_BYTES);
    if (out->encoding > ENCODING_UNKNOWN || out->header_at > out->body_at || out->body_at > out->end_at)
        read_fail(r);
    return read_ok(r);
}

void
parsed_write(struct buf *b, const struct parsed *p)
{
    write_bytes(b, p->subject);
    write_bytes(b, p->from);
    write_bytes(b, p->message_id);
    write_u64(b, (uint64_t)p->date_unix);
    write_u32(b, p->traits);
    write_u32(b, p->received_count);
    write_u32(b, p->candidate_count);
    for (uint32_t i = 0; i < p->candidate_count; i++) {
        write_fixed(b, p->candidates[i].token.raw, TOKEN_RAW_BYTES);
        write_u32(b, p->candidates[i].found_in);
    }
    write_bytes(b, p->hops);
    write_bytes(b, p->parts);
    write_bytes(b, p->facts);
}

/* Hops and parts are kept as bytes; reading them once here makes every later walk safe. */
static void
check_lists(struct reader *r, const struct parsed *p)
{
    struct reader hops, parts, facts;
    struct fact   fact;
    struct hop    hop;
    struct part   part;
    unsigned      count = 0;

    reader_init(&hops, p->hops);
    while (hop_next(&hops, &hop))
        count++;
    if (!read_end(&hops) || count > PARSED_HOPS_MAX)
        read_fail(r);
    reader_init(&parts, p->parts);
    for (count = 0; part_next(&parts, &part); count++)
        if (part.parent != PARSED_NO_PARENT && part.parent >= count)
            read_fail(r);
    if (!read_end(&parts) || count > PARSED_PARTS_MAX)
        read_fail(r);
    reader_init(&facts, p->facts);
    while (fact_next(&facts, &fact))
        ;
    if (!read_end(&facts))
        read_fail(r);
}

void
parsed_read(struct reader *r, struct parsed *out, struct candidate *candidates, uint32_t candidates_max)
{
    uint64_t date_unix;

    read_bytes(r, &out->subject, PARSED_EXCERPT_BYTES);
    read_bytes(r, &out->from, PARSED_EXCERPT_BYTES);
    read_bytes(r, &out->message_id, PARSED_EXCERPT_BYTES);
    read_u64(r, &date_unix);
    out->date_unix = (int64_t)date_unix;
    read_u32(r, &out->traits);
    read_u32(r, &out->received_count);
    read_count(r, &out->candidate_count, candidates_max, PARSED_CANDIDATE_BYTES);
    out->candidates = candidates;
    for (uint32_t i = 0; i < out->candidate_count; i++) {
        read_fixed(r, candidates[i].token.raw, TOKEN_RAW_BYTES);
        read_u32(r, &candidates[i].found_in);
    }
    read_bytes(r, &out->hops, PARSED_HOPS_BYTES);
    read_bytes(r, &out->parts, PARSED_PARTS_BYTES);
    read_bytes(r, &out->facts, FACTS_BYTES);
    check_lists(r, out);
}
