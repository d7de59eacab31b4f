#include "lib/event.h"

#include "lib/error.h"
#include "lib/record.h"

#include <assert.h>

static const char *const names[EVENT_KIND_LIMIT] = {
    [EVENT_ARRIVED] = "arrived",     [EVENT_LATE] = "late",                 [EVENT_MISSED] = "missed",
    [EVENT_BOUNCED] = "bounced",     [EVENT_AUTOREPLY] = "autoreply",       [EVENT_CONFIRMATION] = "confirmation",
    [EVENT_SILENT] = "silent",       [EVENT_CHANGED] = "changed",           [EVENT_TEST] = "test",
};

const char *
event_name(enum event_kind kind)
{
    assert(kind > 0 && kind < EVENT_KIND_LIMIT);
    return names[kind];
}

void
event_record_write(struct buf *b, const struct event_record *e)
{
    size_t at = record_begin(b);

    write_u8(b, (uint8_t)e->kind);
    write_u64(b, e->at_us);
    write_u32(b, e->mailbox_id);
    write_bytes(b, e->mailbox);
    write_u64(b, e->message_id);
    write_u8(b, e->has_token);
    if (e->has_token)
        write_fixed(b, e->token.raw, TOKEN_RAW_BYTES);
    write_u8(b, e->verdict);
    write_bytes(b, e->detail);
    record_end(b, at);
}

int
event_record_read(struct slice bytes, struct event_record *out)
{
    struct reader r;
    uint8_t       kind;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    *out = (struct event_record){ 0 };
    read_u8(&r, &kind);
    if (kind == 0 || kind >= EVENT_KIND_LIMIT)
        read_fail(&r);
    out->kind = (enum event_kind)kind;
    read_u64(&r, &out->at_us);
    read_u32(&r, &out->mailbox_id);
    read_bytes(&r, &out->mailbox, MAILBOX_NAME_MAX);
    read_u64(&r, &out->message_id);
    read_bool(&r, &out->has_token);
    if (out->has_token)
        read_fixed(&r, out->token.raw, TOKEN_RAW_BYTES);
    read_u8(&r, &out->verdict);
    read_bytes(&r, &out->detail, EVENT_DETAIL_BYTES);
    return record_close(&r);
}
