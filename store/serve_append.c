/* A message that a client brings into a folder (IMAP's APPEND). It is no arrival, whatever it contains: no token's record hears of it. */

#include "lib/error.h"
#include "store/catalog.h"
#include "store/expire.h"
#include "store/handed.h"
#include "store/message.h"
#include "store/request.h"

#include <stdlib.h>

struct append_op {
    struct request_op o;
    struct store     *store;
    uint32_t          folder_id;
    uint32_t          flags;
    char              keywords[ENTRY_KEYWORDS_BYTES + 1];
    uint32_t          uidvalidity;
    uint32_t          uid;
    char             *fields;       /* owned */
    struct handed     mail;         /* borrows from fields */
};

static int
append(struct batch_op *op, struct tx *tx)
{
    struct append_op             *a = (struct append_op *)op;
    const struct delivery        *d = &a->mail.d;
    const struct catalog_mailbox *known = catalog_find(a->store->catalog, d->recipients[0].mailbox);
    struct message_record         m = { .body_bytes = d->size_bytes, .body_sum = a->mail.body_sum, .received_us = d->received_us,
                                        .committed_us = tx_now_us(tx), .kind = KIND_UNMATCHED, .session = d->session, .parsed = d->parsed };
    struct tx_mailbox            *mailbox;
    struct tx_folder             *folder;
    uint64_t                      id;
    int                           rc = known == NULL ? MT_ENOTFOUND : tx_mailbox(tx, known->id, &mailbox);

    if (rc == MT_OK)
        rc = tx_folder(tx, mailbox, a->folder_id, &folder);
    if (rc != MT_OK)
        return rc;
    if (!mailbox->record.enabled)
        return MT_EDISABLED;
    if (mailbox->record.bytes + d->size_bytes > a->store->config->quota.mailbox_bytes)
        return MT_EQUOTA;
    if (folder->record.uidnext == UINT32_MAX)
        return MT_EFULL;
    m.parsed.candidates = NULL;
    m.parsed.candidate_count = 0;
    id = m.body_id = tx_next_message_id(tx);
    message_write_body(tx, id, a->mail.body, 1);
    message_write_flagged(tx, mailbox, folder, id, &m, a->flags, slice_of(a->keywords));
    message_tell_new(tx, mailbox, folder, id, m.uid);
    a->uid = m.uid;
    a->uidvalidity = folder->record.uidvalidity;
    if (tx_fault(tx) == MT_OK)
        expire_trim(a->store->expire, tx, mailbox, folder);
    return tx_fault(tx);
}

static void
answer(struct request_op *o, struct buf *b)
{
    const struct append_op *a = (const struct append_op *)o;

    write_u32(b, a->uidvalidity);
    write_u32(b, a->uid);
}

static void
fini(struct request_op *o)
{
    struct append_op *a = (struct append_op *)o;

    if (a->fields != NULL) {
        handed_close(&a->mail);
        free(a->fields);
    }
}

static int
take_mail(struct append_op *a, struct slice fields, const int *fd)
{
    char *copy = malloc(fields.len + 1);
    int   rc;

    if (copy == NULL)
        return MT_ENOMEM;
    memcpy(copy, fields.data, fields.len);
    rc = handed_open(&a->mail, slice_make(copy, fields.len), fd);
    if (rc == MT_OK && (a->mail.d.recipient_count != 1 || a->mail.d.trace.len != 0)) {
        handed_close(&a->mail);
        rc = MT_EPROTO;
    }
    if (rc == MT_OK)
        a->fields = copy;
    else
        free(copy);
    return rc;
}

int
serve_append(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct append_op  fields = { .uid = 0 };
    struct append_op *a;
    int               rc;

    read_u32(r, &fields.folder_id);
    read_u32(r, &fields.flags);
    read_string(r, fields.keywords, sizeof(fields.keywords));
    if (!read_ok(r) || (fields.flags & ~(uint32_t)ENTRY_FLAGS) != 0)
        return MT_EPROTO;
    fields.store = peer_store(p);
    rc = take_mail(&fields, r->rest, fd);
    if (rc == MT_EPROTO)
        return rc;
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    a = request_op_new(p, req, sizeof(*a), append, answer, true);
    if (a == NULL) {
        fini(&fields.o);
        return MT_OK;
    }
    fields.o = a->o;
    fields.o.fini = fini;
    fields.o.op.bytes = sizeof(*a) + r->rest.len + fields.mail.d.size_bytes;
    *a = fields;
    request_queue(&a->o);
    return MT_OK;
}
