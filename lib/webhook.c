#include "lib/webhook.h"

#include "lib/error.h"
#include "lib/record.h"

void
webhook_record_write(struct buf *b, const struct webhook_record *w)
{
    size_t at = record_begin(b);

    write_u32(b, w->mailbox_id);
    write_u32(b, w->kinds);
    write_u64(b, w->created_unix);
    write_bytes(b, w->url);
    write_string(b, w->secret);
    record_end(b, at);
}

int
webhook_record_read(struct slice bytes, struct webhook_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->mailbox_id);
    read_u32(&r, &out->kinds);
    read_u64(&r, &out->created_unix);
    read_bytes(&r, &out->url, WEBHOOK_URL_BYTES);
    read_string(&r, out->secret, sizeof(out->secret));
    return record_close(&r);
}

void
post_record_write(struct buf *b, const struct post_record *p)
{
    size_t at = record_begin(b);

    write_u64(b, p->first_us);
    write_u64(b, p->due_us);
    write_u32(b, p->attempts);
    write_u16(b, p->http_status);
    write_bytes(b, p->error);
    record_end(b, at);
}

int
post_record_read(struct slice bytes, struct post_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u64(&r, &out->first_us);
    read_u64(&r, &out->due_us);
    read_u32(&r, &out->attempts);
    read_u16(&r, &out->http_status);
    read_bytes(&r, &out->error, WEBHOOK_ERROR_BYTES);
    return record_close(&r);
}
