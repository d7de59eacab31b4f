#include "lib/change.h"

void
change_write(struct buf *b, const struct change *c)
{
    write_u8(b, (uint8_t)c->kind);
    write_u64(b, c->seq);
    write_u64(b, c->message_id);
    write_u64(b, c->event_id);
    write_u64(b, c->modseq);
    write_u32(b, c->mailbox_id);
    write_u32(b, c->folder_id);
    write_u32(b, c->uid);
    write_u8(b, c->has_token);
    if (c->has_token)
        write_fixed(b, c->token.raw, TOKEN_RAW_BYTES);
    write_string(b, c->mailbox);
}

void
change_read(struct reader *r, struct change *out)
{
    uint8_t kind;

    *out = (struct change){ 0 };
    read_u8(r, &kind);
    read_u64(r, &out->seq);
    read_u64(r, &out->message_id);
    read_u64(r, &out->event_id);
    read_u64(r, &out->modseq);
    read_u32(r, &out->mailbox_id);
    read_u32(r, &out->folder_id);
    read_u32(r, &out->uid);
    read_bool(r, &out->has_token);
    if (out->has_token)
        read_fixed(r, out->token.raw, TOKEN_RAW_BYTES);
    read_string(r, out->mailbox, sizeof(out->mailbox));
    if (kind == 0 || kind >= CHANGE_KIND_LIMIT)
        read_fail(r);
    out->kind = (enum change_kind)kind;
}
