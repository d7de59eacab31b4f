/* What IMAP sessions were told of first: \Recent (RFC 3501 section 2.3.2). */

#include "lib/error.h"
#include "store/request.h"

struct recent_op {
    struct request_op o;
    uint32_t          mailbox_id;
    uint32_t          folder_id;
    uint32_t          uid;          /* what is below it was told */
    uint32_t          before;       /* what was below this had been told before */
};

static int
claim(struct batch_op *op, struct tx *tx)
{
    struct recent_op  *c = (struct recent_op *)op;
    struct tx_mailbox *mailbox;
    struct tx_folder  *folder;
    uint32_t           to;
    int                rc = tx_mailbox(tx, c->mailbox_id, &mailbox);

    if (rc == MT_OK)
        rc = tx_folder(tx, mailbox, c->folder_id, &folder);
    if (rc != MT_OK)
        return rc;
    c->before = folder->record.recent_uid;
    to = c->uid < folder->record.uidnext ? c->uid : folder->record.uidnext;
    if (to > folder->record.recent_uid) {
        folder->record.recent_uid = to;
        folder->dirty = true;
    }
    return tx_fault(tx);
}

static void
answer(struct request_op *o, struct buf *b)
{
    write_u32(b, ((const struct recent_op *)o)->before);
}

int
serve_recent(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct recent_op  fields = { .uid = 0 };
    struct recent_op *c;

    (void)fd;
    read_u32(r, &fields.mailbox_id);
    read_u32(r, &fields.folder_id);
    read_u32(r, &fields.uid);
    if (!read_end(r))
        return MT_EPROTO;
    c = request_op_new(p, req, sizeof(*c), claim, answer, false);
    if (c == NULL)
        return MT_OK;
    fields.o = c->o;
    *c = fields;
    request_queue(&c->o);
    return MT_OK;
}
