/* Requests about tokens: minting one, what is known of one, forgetting one. */

#include "lib/error.h"
#include "lib/log.h"
#include "store/message.h"
#include "store/request.h"
#include "store/verdict.h"

#include <stdlib.h>

/* ---- Minting ---- */

struct mint_op {
    struct request_op o;
    struct verdicts  *verdicts;
    uint32_t          mailbox_id;
    uint64_t          deadline_unix;
    struct token      token;
    char              address[MAILBOX_ADDRESS_MAX + 1];
};

static void
tell_token(struct tx *tx, const struct tx_mailbox *m, const struct token *t)
{
    struct change change = { .kind = CHANGE_TOKEN, .mailbox_id = m->record.id, .has_token = true, .token = *t };

    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static int
mint(struct batch_op *op, struct tx *tx)
{
    struct mint_op     *o = (struct mint_op *)op;
    struct store       *s = peer_store(o->o.peer);
    struct token_record record = { .minted_us = tx_now_us(tx), .deadline_unix = o->deadline_unix };
    unsigned char       key[DB_KEY_MAX];
    struct tx_mailbox  *m;
    struct buf         *b;
    int                 rc = tx_mailbox(tx, o->mailbox_id, &m);

    if (rc != MT_OK)
        return rc;
    if (!m->record.enabled)
        return MT_EDISABLED;
    record.mailbox_id = m->record.id;
    mailbox_address(&m->record, o->address);
    keys_select(s->keys, slice_of(o->address));
    keys_mint(s->keys, (uint32_t)(tx_now_us(tx) / 1000000), &o->token);
    b = tx_scratch(tx);
    token_record_write(b, &record);
    tx_put(tx, TABLE_TOKEN, slice_make(o->token.raw, sizeof(o->token.raw)), buf_slice(b), 0);
    tx_put(tx, TABLE_EXPIRY, db_key_token_expiry(key, &o->token, &record), slice_make("", 0), 0);
    verdict_expect(tx, &o->token, &record);
    tell_token(tx, m, &o->token);
    return tx_fault(tx);
}

static void
answer_mint(struct request_op *o, struct buf *b)
{
    const struct mint_op *mo = (struct mint_op *)o;
    char                  text[TOKEN_CHARS + 1];

    token_encode(&mo->token, text);
    write_string(b, text);
    write_string(b, mo->address);
    write_u64(b, token_issued_unix(&mo->token));
}

/* After the commit, also where nobody hears the answer any more. */
static void
expect_minted(struct request_op *o)
{
    const struct mint_op *mo = (struct mint_op *)o;

    verdicts_expect(mo->verdicts, mo->deadline_unix);
}

static bool
deadline_is_valid(const struct store *s, uint64_t deadline_unix)
{
    uint64_t now_unix = store_now_us(s) / 1000000;

    return deadline_unix == 0 || (deadline_unix > now_unix && deadline_unix <= now_unix + TOKEN_DEADLINE_MAX_DAYS * UINT64_C(86400));
}

int
serve_mint(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[MAILBOX_NAME_MAX + 1];
    const struct catalog_mailbox *m;
    struct mint_op               *o;
    uint64_t                      deadline_unix;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_u64(r, &deadline_unix);
    if (!read_end(r))
        return MT_EPROTO;
    m = catalog_find(peer_store(p)->catalog, slice_of(name));
    if (m == NULL || !deadline_is_valid(peer_store(p), deadline_unix)) {
        peer_answer(p, req, m == NULL ? MT_ENOTFOUND : MT_EINVALID);
        return MT_OK;
    }
    o = request_op_new(p, req, sizeof(*o), mint, answer_mint, true);
    if (o == NULL)
        return MT_OK;
    o->o.fini = expect_minted;
    o->verdicts = peer_store(p)->verdicts;
    o->mailbox_id = m->id;
    o->deadline_unix = deadline_unix;
    request_queue(&o->o);
    return MT_OK;
}

/* ---- Which token is meant ---- */

/* Reads mailbox and token. MT_EPROTO: the fields; else an answer: MT_ESYNTAX, MT_ENOTFOUND. */
static int
read_token(struct peer *p, struct reader *r, const struct catalog_mailbox **m, struct token *t)
{
    char name[MAILBOX_NAME_MAX + 1], text[TOKEN_CHARS + 1];

    read_string(r, name, sizeof(name));
    read_string(r, text, sizeof(text));
    if (!read_end(r))
        return MT_EPROTO;
    *m = catalog_find(peer_store(p)->catalog, slice_of(name));
    if (*m == NULL)
        return MT_ENOTFOUND;
    return token_decode(slice_of(text), t);
}

/* ---- Showing ---- */

/* The messages in the order of the arrivals; empty where one has gone, is damaged, or does not fit into the answer any more. */
static void
write_messages(struct buf *b, const struct db_view *v, const struct token_record *record)
{
    write_u32(b, record->kept);
    for (uint32_t i = 0; i < record->kept; i++) {
        size_t                room_for = MSG_MAX_BYTES - 4 * (record->kept - i);
        unsigned char         key[DB_KEY_MAX];
        struct message_record m;
        struct slice          bytes;
        bool is = db_get(v, TABLE_MESSAGE, db_key_u64(key, record->arrivals[i].message_id), &bytes) == MT_OK &&
                  message_record_read(bytes, &m) == MT_OK && b->len + bytes.len < room_for;

        write_bytes(b, is ? bytes : slice_make("", 0));
    }
}

/* Nothing is known of a genuine token that was minted elsewhere and did not come yet: an empty record. */
static int
show_token(struct peer *p, const struct db_view *v, uint64_t req, const struct catalog_mailbox *m, const struct token *t)
{
    struct store       *s = peer_store(p);
    struct token_record record = { 0 };
    struct slice        bytes = { 0 };
    struct buf          fields, *b;
    int                 rc = db_get(v, TABLE_TOKEN, slice_make(t->raw, sizeof(t->raw)), &bytes);

    if (rc == MT_OK)
        rc = token_record_read(bytes, &record);
    if (rc == MT_OK && record.mailbox_id != m->id)
        rc = MT_ENOTFOUND;
    if (rc == MT_ENOTFOUND) {
        keys_select(s->keys, slice_of(m->address));
        if (!keys_is_genuine(s->keys, t))
            return MT_ENOTFOUND;
        bytes = slice_make("", 0);
        record = (struct token_record){ 0 };
    } else if (rc != MT_OK) {
        return rc;
    }
    buf_init(&fields, MSG_MAX_BYTES);
    write_bytes(&fields, bytes);
    write_messages(&fields, v, &record);
    rc = fields.fault;
    if (rc == MT_OK && (b = peer_answer_begin(p, req)) != NULL) {
        buf_append_slice(b, buf_slice(&fields));
        peer_answer_end(p, req);
    }
    buf_fini(&fields);
    return rc;
}

int
serve_token_show(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    const struct catalog_mailbox *m;
    struct token                  t;
    struct db_view                v;
    int                           rc = read_token(p, r, &m, &t);

    (void)fd;
    if (rc == MT_EPROTO)
        return rc;
    if (rc == MT_OK)
        rc = store_view(peer_store(p), &v);
    if (rc == MT_OK) {
        rc = show_token(p, &v, req, m, &t);
        db_view_end(&v);
    }
    if (rc != MT_OK)
        peer_answer(p, req, rc);
    return MT_OK;
}

/* ---- Forgetting ---- */

struct forget_op {
    struct request_op o;
    uint32_t          mailbox_id;
    struct token      token;
    uint32_t          deleted;
};

static int
forget(struct batch_op *op, struct tx *tx)
{
    struct forget_op   *o = (struct forget_op *)op;
    struct token_record record;
    unsigned char       key[DB_KEY_MAX];
    struct tx_mailbox  *m;
    int                 rc = tx_mailbox(tx, o->mailbox_id, &m);

    if (rc == MT_OK)
        rc = db_token(tx_view(tx), &o->token, &record);
    if (rc == MT_OK && record.mailbox_id != o->mailbox_id)
        rc = MT_ENOTFOUND;
    if (rc != MT_OK)
        return rc;
    o->deleted = 0;
    for (uint32_t i = 0; i < record.kept; i++)
        if (message_remove(tx, record.arrivals[i].message_id) == MT_OK)
            o->deleted++;
    verdict_forget(tx, &o->token, &record);
    tx_delete(tx, TABLE_EXPIRY, db_key_token_expiry(key, &o->token, &record));
    tx_delete(tx, TABLE_TOKEN, slice_make(o->token.raw, sizeof(o->token.raw)));
    tell_token(tx, m, &o->token);
    return tx_fault(tx);
}

static void
tell_forgotten(const struct request_op *o)
{
    const struct forget_op       *f = (const struct forget_op *)o;
    const struct catalog_mailbox *m = catalog_by_id(peer_store(o->peer)->catalog, f->mailbox_id);

    log_info("event=%s mailbox=%s messages=%u by=%s", o->event, m == NULL ? "" : m->name, f->deleted, request_by(o));
}

static void
answer_forget(struct request_op *o, struct buf *b)
{
    write_u32(b, ((struct forget_op *)o)->deleted);
}

int
serve_token_forget(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    const struct catalog_mailbox *m;
    struct forget_op             *o;
    struct token                  t;
    int                           rc = read_token(p, r, &m, &t);

    (void)fd;
    if (rc == MT_EPROTO)
        return rc;
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    o = request_op_new(p, req, sizeof(*o), forget, answer_forget, false);
    if (o == NULL)
        return MT_OK;
    o->mailbox_id = m->id;
    o->token = t;
    o->o.tell = tell_forgotten;
    o->o.event = "token-forgotten";
    request_queue(&o->o);
    return MT_OK;
}
