/* Requests about messages: taking over a new one, deleting, and what mailtestctl shows of them. */

#include "lib/error.h"
#include "lib/log.h"
#include "lib/session_id.h"
#include "store/incoming.h"
#include "store/message.h"
#include "store/request.h"

#include <stdlib.h>

enum { PIECE_BYTES = 64 * 1024 };

/* ---- Delivery ---- */

struct waiting {
    struct peer *peer;
    uint64_t     req;
};

static void
delivered(void *arg, int rc, uint64_t message_id, bool genuine)
{
    struct waiting *w = arg;
    struct buf     *b;

    if (rc != MT_OK) {
        peer_answer(w->peer, w->req, rc);
    } else if ((b = peer_answer_begin(w->peer, w->req)) != NULL) {
        write_u64(b, message_id);
        write_u8(b, genuine);
        peer_answer_end(w->peer, w->req);
    }
    peer_release(w->peer);
    free(w);
}

int
serve_deliver(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct waiting *w = malloc(sizeof(*w));
    int             rc;

    if (w == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    *w = (struct waiting){ p, req };
    rc = incoming_queue(peer_store(p), r, fd, delivered, w);
    if (rc == MT_OK) {
        peer_hold(p);
        return MT_OK;
    }
    free(w);
    if (rc == MT_EPROTO)
        return rc;
    peer_answer(p, req, rc);
    return MT_OK;
}

int
serve_delivered(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char        id[SESSION_ID_CHARS + 1];
    uint64_t    received_us, message_id = 0;
    struct buf *b;
    int         rc;

    (void)fd;
    read_string(r, id, sizeof(id));
    read_u64(r, &received_us);
    if (!read_end(r))
        return MT_EPROTO;
    rc = incoming_find(peer_store(p), slice_of(id), received_us, &message_id);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
    } else if ((b = peer_answer_begin(p, req)) != NULL) {
        write_u64(b, message_id);
        write_u8(b, false);       /* not looked at */
        peer_answer_end(p, req);
    }
    return MT_OK;
}

/* ---- Deleting ---- */

struct delete_op {
    struct request_op o;
    uint64_t          id;
};

static void
tell_deleted(const struct request_op *o)
{
    log_info("event=%s message=%llu by=%s", o->event, (unsigned long long)((const struct delete_op *)o)->id, request_by(o));
}

static int
delete_message(struct batch_op *op, struct tx *tx)
{
    return message_remove(tx, ((struct delete_op *)op)->id);
}

int
serve_message_delete(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct delete_op *d;
    uint64_t          id;

    (void)fd;
    read_u64(r, &id);
    if (!read_end(r))
        return MT_EPROTO;
    d = request_op_new(p, req, sizeof(*d), delete_message, NULL, false);
    if (d == NULL)
        return MT_OK;
    d->o.tell = tell_deleted;
    d->o.event = "message-deleted";
    d->id = id;
    request_queue(&d->o);
    return MT_OK;
}

struct delete_many_op {
    struct request_op o;
    uint32_t          mailbox_id;
    uint32_t          count;
    uint32_t          deleted;
    uint64_t          ids[MSG_MESSAGES_DELETE_MAX];
};

/* One that has gone, or is another mailbox's, is passed over. */
static int
delete_one(struct tx *tx, uint32_t mailbox_id, uint64_t id)
{
    struct message_record m;
    int                   rc = db_message(tx_view(tx), id, &m);

    if (rc == MT_OK && m.mailbox_id != mailbox_id)
        return MT_ENOTFOUND;
    return rc == MT_OK || rc == MT_EDAMAGED ? message_remove(tx, id) : rc;
}

static int
delete_messages(struct batch_op *op, struct tx *tx)
{
    struct delete_many_op *d = (struct delete_many_op *)op;

    d->deleted = 0;
    for (uint32_t i = 0; i < d->count && tx_fault(tx) == MT_OK; i++)
        d->deleted += delete_one(tx, d->mailbox_id, d->ids[i]) == MT_OK;
    return tx_fault(tx);
}

static void
answer_deleted(struct request_op *o, struct buf *b)
{
    write_u32(b, ((struct delete_many_op *)o)->deleted);
}

int
serve_messages_delete(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct delete_many_op *d;
    uint32_t               mailbox_id, count;

    (void)fd;
    read_u32(r, &mailbox_id);
    read_count(r, &count, MSG_MESSAGES_DELETE_MAX, sizeof(uint64_t));
    if (!read_ok(r))
        return MT_EPROTO;
    d = request_op_new(p, req, sizeof(*d), delete_messages, answer_deleted, false);
    if (d == NULL)
        return MT_OK;
    d->mailbox_id = mailbox_id;
    d->count = count;
    for (uint32_t i = 0; i < count; i++)
        read_u64(r, &d->ids[i]);
    request_queue(&d->o);
    return MT_OK;
}

/* ---- Lists and single messages ---- */

/* The record as it lies in the table, after its checks. */
static int
checked_record(const struct db_view *v, uint64_t id, struct message_record *m, struct slice *bytes)
{
    unsigned char key[DB_KEY_MAX];
    int           rc = db_get(v, TABLE_MESSAGE, db_key_u64(key, id), bytes);

    return rc == MT_OK ? message_record_read(*bytes, m) : rc;
}

struct list {
    struct channel       *channel;
    const struct db_view *view;
    uint64_t              req;
    uint64_t              before_id;
    uint32_t              mailbox_id;
    uint32_t              left;
    bool                  damaged;
    bool                  channel_full;
};

static bool
send_message_row(void *arg, uint64_t id, const struct message_record *ignored)
{
    struct list          *l = arg;
    struct message_record m;
    struct slice          bytes;
    struct buf           *b;

    (void)ignored;
    if (checked_record(l->view, id, &m, &bytes) != MT_OK)
        return true;
    b = channel_begin(l->channel, MSG_ROW, l->req);
    if (b != NULL) {
        write_u64(b, id);
        write_bytes(b, bytes);
        write_bytes(b, db_folder_name(l->view, m.mailbox_id, m.folder_id));
    }
    if (b == NULL || channel_end(l->channel, -1) != MT_OK) {
        l->channel_full = true;
        return false;
    }
    l->before_id = id;
    return --l->left > 0;
}

static int
send_messages(struct peer *p, uint64_t req, void *state)
{
    struct list   *l = state;
    struct db_view v;
    int            rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    l->channel = peer_channel(p);
    l->view = &v;
    l->req = req;
    l->channel_full = false;
    rc = l->left == 0 ? MT_OK : db_messages(&v, l->mailbox_id, l->before_id, send_message_row, l);
    db_view_end(&v);
    if (rc == MT_EDAMAGED)
        l->damaged = true;
    else if (rc != MT_OK)
        return rc;
    if (l->channel_full)
        return MT_EAGAIN;
    return l->damaged ? MT_EDAMAGED : MT_OK;
}

int
serve_message_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[MAILBOX_NAME_MAX + 1];
    const struct catalog_mailbox *m;
    struct list                  *l;
    uint64_t                      before_id;
    uint32_t                      limit;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_u64(r, &before_id);
    read_u32(r, &limit);
    if (!read_end(r))
        return MT_EPROTO;
    m = catalog_find(peer_store(p)->catalog, slice_of(name));
    l = m == NULL ? NULL : calloc(1, sizeof(*l));
    if (l == NULL) {
        peer_answer(p, req, m == NULL ? MT_ENOTFOUND : MT_ENOMEM);
        return MT_OK;
    }
    *l = (struct list){ .before_id = before_id, .mailbox_id = m->id, .left = limit };
    return request_stream(p, req, send_messages, l);
}

int
serve_message_show(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct message_record m;
    struct db_view        v;
    struct slice          bytes;
    struct buf           *b;
    uint64_t              id;
    int                   rc;

    (void)fd;
    read_u64(r, &id);
    if (!read_end(r))
        return MT_EPROTO;
    rc = store_view(peer_store(p), &v);
    if (rc == MT_OK) {
        rc = checked_record(&v, id, &m, &bytes);
        if (rc == MT_OK && (b = peer_answer_begin(p, req)) != NULL) {
            write_bytes(b, bytes);
            write_bytes(b, db_folder_name(&v, m.mailbox_id, m.folder_id));
            peer_answer_end(p, req);
        }
        db_view_end(&v);
    }
    if (rc != MT_OK)
        peer_answer(p, req, rc);
    return MT_OK;
}

/* ---- The bytes of one ---- */

struct raw {
    uint64_t id;
    uint64_t offset;
    bool     checked;       /* the whole body against its checksum, before the first octet is sent */
};

/* MT_EAGAIN: the channel takes no more now. */
static int
send_piece(struct channel *c, uint64_t req, const struct db_view *v, const struct message_record *m, struct raw *raw)
{
    struct buf piece, *b;
    int        rc;

    buf_init(&piece, PIECE_BYTES);
    rc = db_message_read(v, m, raw->offset, PIECE_BYTES, &piece);
    if (rc == MT_OK) {
        b = channel_begin(c, MSG_ROW, req);
        if (b != NULL)
            write_bytes(b, buf_slice(&piece));
        rc = b == NULL ? MT_EAGAIN : channel_end(c, -1);
        if (rc == MT_EFULL)
            rc = MT_EAGAIN;
    }
    if (rc == MT_OK)
        raw->offset += piece.len;
    buf_fini(&piece);
    return rc;
}

static int
send_raw(struct peer *p, uint64_t req, void *state)
{
    struct raw           *raw = state;
    struct message_record m;
    struct db_view        v;
    int                   rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    rc = db_message(&v, raw->id, &m);
    if (rc == MT_OK && !raw->checked)
        rc = db_message_check(&v, &m);
    raw->checked = true;
    while (rc == MT_OK && raw->offset < message_size(&m))
        rc = send_piece(peer_channel(p), req, &v, &m, raw);
    db_view_end(&v);
    return rc;
}

int
serve_message_raw(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    (void)fd;
    if (raw == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    read_u64(r, &raw->id);
    if (!read_end(r)) {
        free(raw);
        return MT_EPROTO;
    }
    return request_stream(p, req, send_raw, raw);
}
