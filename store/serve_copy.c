/* Messages copied or moved to another folder of their mailbox, for IMAP. */

#include "lib/error.h"
#include "store/expire.h"
#include "store/message.h"
#include "store/request.h"

struct copy_op {
    struct request_op o;
    struct store     *store;
    uint32_t          mailbox_id, from_id, to_id;
    bool              move;
    uint32_t          uidvalidity;      /* of the folder to */
    uint32_t          count;            /* of uids */
    uint32_t          copied;
    uint32_t          uids[MSG_MESSAGES_DELETE_MAX];
    uint32_t          old_uids[MSG_MESSAGES_DELETE_MAX];    /* those that were there still */
    uint32_t          new_uids[MSG_MESSAGES_DELETE_MAX];
    struct buf        room;
};

/* Octets of what is to be copied; whatever cannot be read makes the request fail before anything was written. */
static int
count_octets(const struct copy_op *c, struct tx *tx, uint64_t *octets)
{
    *octets = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        struct message_record m;
        struct entry          e;
        int                   rc = db_entry(tx_view(tx), c->mailbox_id, c->from_id, c->uids[i], &e);

        if (rc == MT_OK)
            rc = db_message(tx_view(tx), e.message_id, &m);
        else if (rc == MT_ENOTFOUND)
            continue;
        if (rc != MT_OK)
            return rc == MT_ENOTFOUND ? MT_EDAMAGED : rc;
        *octets += message_size(&m);
    }
    return MT_OK;
}

/* Everything that may refuse it. */
static int
prepare(struct copy_op *c, struct tx *tx, struct tx_mailbox **m, struct tx_folder **to)
{
    struct tx_folder *from;
    uint64_t          octets;
    int               rc = tx_mailbox(tx, c->mailbox_id, m);

    if (rc == MT_OK)
        rc = tx_folder(tx, *m, c->from_id, &from);
    if (rc == MT_OK)
        rc = tx_folder(tx, *m, c->to_id, to);
    if (rc == MT_OK)
        rc = count_octets(c, tx, &octets);
    if (rc != MT_OK)
        return rc;
    if (!c->move && (*m)->record.bytes + octets > c->store->config->quota.mailbox_bytes)
        return MT_EQUOTA;
    return (*to)->record.uidnext > UINT32_MAX - c->count ? MT_EFULL : MT_OK;
}

static int
copy_one(struct copy_op *c, struct tx *tx, struct tx_mailbox *m, struct tx_folder *to, uint32_t uid)
{
    struct entry e;
    int          rc = db_entry(tx_view(tx), c->mailbox_id, c->from_id, uid, &e);

    if (rc == MT_ENOTFOUND)
        return MT_OK;
    if (rc == MT_OK)
        rc = message_copy(tx, m, to, &e, c->move, &c->room, &c->new_uids[c->copied]);
    if (rc == MT_OK)
        c->old_uids[c->copied++] = uid;
    return rc;
}

static int
copy(struct batch_op *op, struct tx *tx)
{
    struct copy_op    *c = (struct copy_op *)op;
    struct tx_mailbox *m;
    struct tx_folder  *to;
    int                rc = prepare(c, tx, &m, &to);

    c->copied = 0;
    if (rc != MT_OK)
        return rc;
    c->uidvalidity = to->record.uidvalidity;
    for (uint32_t i = 0; i < c->count && rc == MT_OK && tx_fault(tx) == MT_OK; i++)
        rc = copy_one(c, tx, m, to, c->uids[i]);
    if (rc != MT_OK)
        tx_fail(tx, rc);        /* some were written */
    if (tx_fault(tx) == MT_OK)
        expire_trim(c->store->expire, tx, m, to);
    return tx_fault(tx);
}

static void
answer(struct request_op *o, struct buf *b)
{
    const struct copy_op *c = (const struct copy_op *)o;

    write_u32(b, c->uidvalidity);
    write_u32(b, c->copied);
    for (uint32_t i = 0; i < c->copied; i++) {
        write_u32(b, c->old_uids[i]);
        write_u32(b, c->new_uids[i]);
    }
}

static void
fini(struct request_op *o)
{
    buf_fini(&((struct copy_op *)o)->room);
}

/* Rising, so that none is named twice. */
static bool
read_uids(struct reader *r, struct copy_op *c)
{
    read_count(r, &c->count, MSG_MESSAGES_DELETE_MAX, sizeof(uint32_t));
    for (uint32_t i = 0; i < c->count; i++) {
        read_u32(r, &c->uids[i]);
        if (i > 0 && c->uids[i] <= c->uids[i - 1])
            return false;
    }
    return read_end(r);
}

int
serve_copy(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct copy_op  fields = { .count = 0 };
    struct copy_op *c;

    (void)fd;
    read_u32(r, &fields.mailbox_id);
    read_u32(r, &fields.from_id);
    read_u32(r, &fields.to_id);
    read_bool(r, &fields.move);
    if (!read_uids(r, &fields))
        return MT_EPROTO;
    c = request_op_new(p, req, sizeof(*c), copy, answer, !fields.move);
    if (c == NULL)
        return MT_OK;
    fields.o = c->o;
    fields.o.fini = fini;
    fields.store = peer_store(p);
    *c = fields;
    buf_init(&c->room, RECORD_BYTES_MAX + ENTRY_KEYWORDS_BYTES);
    request_queue(&c->o);
    return MT_OK;
}
