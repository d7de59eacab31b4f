/* Requests about keys: the master keys of the tokens, and the keys of the HTTP API. */

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "store/request.h"
#include "store/table_list.h"

#include <sodium.h>

enum { API_KEY_NAME_BYTES = 255 };

/* ---- Master keys: in a file of their own, written and synced before the answer ---- */

int
serve_key_rotate(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct buf *b;
    uint32_t    id;
    int         rc;

    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    rc = keys_rotate(peer_store(p)->keys, store_now_us(peer_store(p)) / 1000000, &id);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    log_info("event=key-rotated key=%u by=control", id);
    if ((b = peer_answer_begin(p, req)) != NULL) {
        write_u32(b, id);
        peer_answer_end(p, req);
    }
    return MT_OK;
}

int
serve_key_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    const struct keys *keys = peer_store(p)->keys;

    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    for (unsigned i = 0; i < keys_count(keys); i++) {
        struct buf     *b = peer_channel(p) == NULL ? NULL : channel_begin(peer_channel(p), MSG_ROW, req);
        struct key_info info;

        if (b == NULL)
            return MT_OK;
        keys_info(keys, i, &info);
        write_u32(b, info.id);
        write_u64(b, info.created_unix);
        write_u8(b, info.active);
        channel_end(peer_channel(p), -1);
    }
    peer_answer(p, req, MT_OK);
    return MT_OK;
}

int
serve_key_retire(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    uint32_t id;
    int      rc;

    (void)fd;
    read_u32(r, &id);
    if (!read_end(r))
        return MT_EPROTO;
    rc = keys_retire(peer_store(p)->keys, id);
    if (rc == MT_OK)
        log_info("event=key-retired key=%u by=control", id);
    peer_answer(p, req, rc);
    return MT_OK;
}

/* ---- API keys ---- */

struct api_key_op {
    struct request_op o;
    uint32_t          id;
    uint32_t          mailbox_id;       /* 0: all */
    char              name[API_KEY_NAME_BYTES + 1];
    char              text[API_KEY_CHARS_MAX + 1];
};

static void
wipe(struct request_op *o)
{
    struct api_key_op *k = (struct api_key_op *)o;

    sodium_memzero(k->text, sizeof(k->text));
}

static void
log_api_key(const struct request_op *o)
{
    const struct api_key_op      *k = (const struct api_key_op *)o;
    const struct catalog_mailbox *m = k->mailbox_id == 0 ? NULL : catalog_by_id(peer_store(o->peer)->catalog, k->mailbox_id);

    log_info("event=%s api_key=%u name=\"%s\" mailbox=%s by=%s", o->event, k->id, LOG_TEXT(slice_of(k->name)), m == NULL ? "all" : m->name, request_by(o));
}

static void
log_revoked(const struct request_op *o)
{
    log_info("event=%s api_key=%u by=%s", o->event, ((const struct api_key_op *)o)->id, request_by(o));
}

static void
tell_api_key(struct tx *tx, uint32_t mailbox_id)
{
    tx_change(tx, &(struct change){ .kind = CHANGE_API_KEY, .mailbox_id = mailbox_id });
}

static int
add(struct batch_op *op, struct tx *tx)
{
    struct api_key_op    *o = (struct api_key_op *)op;
    struct api_key_record record = { .name = slice_of(o->name), .mailbox_id = o->mailbox_id, .created_unix = tx_now_us(tx) / 1000000 };
    unsigned char         key[DB_KEY_MAX];
    struct tx_mailbox    *m;
    struct buf           *b;
    int                   rc = o->mailbox_id == 0 ? MT_OK : tx_mailbox(tx, o->mailbox_id, &m);

    if (rc != MT_OK)
        return rc;
    o->id = tx_next_api_key_id(tx);
    api_key_make(o->id, o->text);
    api_key_hash(slice_of(o->text), record.hash);
    b = tx_scratch(tx);
    api_key_record_write(b, &record);
    tx_put(tx, TABLE_API_KEY, db_key_u32(key, o->id), buf_slice(b), 0);
    tell_api_key(tx, o->mailbox_id);
    return tx_fault(tx);
}

static void
answer_add(struct request_op *o, struct buf *b)
{
    const struct api_key_op *k = (struct api_key_op *)o;

    write_u32(b, k->id);
    write_string(b, k->text);
}

int
serve_api_key_add(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[API_KEY_NAME_BYTES + 1], mailbox[MAILBOX_NAME_MAX + 1];
    const struct catalog_mailbox *m = NULL;
    struct api_key_op            *o;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_string(r, mailbox, sizeof(mailbox));
    if (!read_end(r))
        return MT_EPROTO;
    if (mailbox[0] != '\0' && (m = catalog_find(peer_store(p)->catalog, slice_of(mailbox))) == NULL) {
        peer_answer(p, req, MT_ENOTFOUND);
        return MT_OK;
    }
    o = request_op_new(p, req, sizeof(*o), add, answer_add, true);
    if (o == NULL)
        return MT_OK;
    o->o.fini = wipe;
    o->mailbox_id = m == NULL ? 0 : m->id;
    memcpy(o->name, name, sizeof(o->name));
    o->o.tell = log_api_key;
    o->o.event = "api-key-added";
    request_queue(&o->o);
    return MT_OK;
}

static int
send_api_key(struct channel *c, uint64_t req, uint32_t id, struct slice bytes)
{
    struct api_key_record record;
    struct buf           *b;

    if (api_key_record_read(bytes, &record) != MT_OK)
        return MT_EDAMAGED;
    b = channel_begin(c, MSG_ROW, req);
    if (b == NULL)
        return MT_EFULL;
    write_u32(b, id);
    write_bytes(b, bytes);
    return channel_end(c, -1);
}

int
serve_api_key_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return read_end(r) ? table_list_serve(p, req, TABLE_API_KEY, send_api_key) : MT_EPROTO;
}

static int
revoke(struct batch_op *op, struct tx *tx)
{
    const struct api_key_op *o = (struct api_key_op *)op;
    unsigned char            key[DB_KEY_MAX];

    if (!tx_delete(tx, TABLE_API_KEY, db_key_u32(key, o->id)))
        return tx_fault(tx) != MT_OK ? tx_fault(tx) : MT_ENOTFOUND;
    tell_api_key(tx, 0);
    return tx_fault(tx);
}

int
serve_api_key_revoke(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct api_key_op *o;
    uint32_t           id;

    (void)fd;
    read_u32(r, &id);
    if (!read_end(r))
        return MT_EPROTO;
    o = request_op_new(p, req, sizeof(*o), revoke, NULL, false);
    if (o == NULL)
        return MT_OK;
    o->id = id;
    o->o.tell = log_revoked;
    o->o.event = "api-key-revoked";
    request_queue(&o->o);
    return MT_OK;
}
