#include "imapd/imap_collect.h"

#include "imapd/imap_header.h"
#include "imapd/imapd.h"

#include "lib/error.h"

enum { MESSAGES_A_STEP = 100, STEP_BYTES = 512 * 1024 };

static int
read_header(const struct db_view *view, const struct message_record *m, struct buf *out)
{
    struct reader parts;
    struct part   root;
    uint64_t      len;

    buf_clear(out);
    reader_init(&parts, m->parsed.parts);
    if (!part_next(&parts, &root))
        return MT_EDAMAGED;
    len = m->head.len + root.body_at;
    return db_message_read(view, m, 0, len < IMAP_HEADER_BYTES_MAX ? (size_t)len : IMAP_HEADER_BYTES_MAX, out);
}

int
imap_collect_step(struct connection *c, struct imap_collect *l, const struct imap_seek *f, imap_collect_fn *take, void *arg, bool *more)
{
    const struct imap *s = c->own;
    struct db_view     view;
    struct buf         header;
    uint64_t           octets = 0;
    uint32_t           uid;
    int                rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    *more = true;
    for (unsigned n = 0; rc == MT_OK && *more && n < MESSAGES_A_STEP && octets < STEP_BYTES; n++) {
        struct message_record m;
        struct entry          entry;

        *more = imap_seek_next(f, &l->range, &l->offset, &uid);
        if (!*more || db_entry(&view, s->view.mailbox_id, s->view.folder_id, uid, &entry) != MT_OK ||
            db_message(&view, entry.message_id, &m) != MT_OK || (l->headers && read_header(&view, &m, &header) != MT_OK))
            continue;
        octets += header.len;
        rc = take(arg, uid, &m, header.len == 0 ? slice_make("", 0) : buf_slice(&header));
    }
    buf_fini(&header);
    db_view_end(&view);
    return rc;
}

int
imap_collect_count(struct imapd *imapd, struct imap_collect *l, uint64_t bytes)
{
    imapd->collecting_bytes += bytes - l->bytes;
    l->bytes = bytes;
    return bytes > 0 && imapd->collecting_bytes > IMAP_COLLECT_BYTES_MAX ? MT_ESIZE : MT_OK;
}

void
imap_collect_refuse(struct connection *c, const struct imap_seek *f, int rc)
{
    if (rc == MT_ESIZE)
        imap_seek_refuse(c, f, "[LIMIT] that takes more memory than there is for it; search for less");
    else if (rc == MT_ENOMEM)
        imap_seek_refuse(c, f, "[SERVERBUG] out of memory");
    else
        imap_seek_refuse(c, f, "[UNAVAILABLE] the store cannot be read at the moment");
}

int64_t
imap_sent_date(const struct message_record *m)
{
    return m->parsed.date_unix != 0 ? m->parsed.date_unix : (int64_t)(m->received_us / 1000000);
}
