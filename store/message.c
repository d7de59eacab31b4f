#include "store/message.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>

void
message_write_body(struct tx *tx, uint64_t body_id, struct slice body, uint32_t copies)
{
    unsigned char key[DB_KEY_MAX];
    uint32_t      count = db_chunk_count(body.len);

    for (uint32_t i = 0; i < count && tx_fault(tx) == MT_OK; i++) {
        uint64_t offset;
        size_t   len;

        db_chunk(body.len, i, &offset, &len);
        tx_put(tx, TABLE_BODY, db_key_body(key, body_id, i), slice_sub(body, (size_t)offset, len), MDB_APPEND);
    }
    if (copies > 1) {
        unsigned char references[BODY_REF_BYTES];

        body_ref_write(references, body_id, copies);
        tx_put(tx, TABLE_BODY_REF, db_key_u64(key, body_id), slice_make(references, sizeof(references)), MDB_APPEND);
    }
}

static void
put_record(struct tx *tx, uint64_t id, const struct message_record *record)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    message_record_write(b, record);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    else
        tx_put(tx, TABLE_MESSAGE, db_key_u64(key, id), buf_slice(b), MDB_APPEND);
}

static void
put_entry(struct tx *tx, const struct folder_record *f, uint32_t uid, const struct entry *e)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  at = db_key_entry(key, f->mailbox_id, f->id, uid);
    struct buf   *b = tx_scratch(tx);

    entry_write(b, at, e);
    tx_put(tx, TABLE_ENTRY, at, buf_slice(b), 0);
}

static void
write_rows(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record, uint32_t flags,
           struct slice keywords)
{
    const struct entry e = { .message_id = id, .modseq = f->record.modseq + 1, .flags = flags, .keywords = keywords };
    unsigned char      key[DB_KEY_MAX];
    uint64_t           size = message_size(record);

    record->mailbox_id = m->record.id;
    record->folder_id = f->record.id;
    record->uid = f->record.uidnext++;
    f->record.modseq++;
    f->record.messages++;
    f->record.bytes += size;
    f->dirty = true;
    m->record.messages++;
    m->record.bytes += size;
    m->dirty = true;
    put_record(tx, id, record);
    put_entry(tx, &f->record, record->uid, &e);
    tx_put(tx, TABLE_EXPIRY, db_key_message_expiry(key, id, record), slice_make("", 0), 0);
}

void
message_write(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record)
{
    write_rows(tx, m, f, id, record, 0, slice_make("", 0));
}

void
message_write_flagged(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record, uint32_t flags,
                      struct slice keywords)
{
    f->record.brought = true;
    tx_folder_add_keywords(tx, f, keywords);
    write_rows(tx, m, f, id, record, flags, keywords);
}

static uint64_t
less(uint64_t a, uint64_t b, const char *what, uint64_t id)
{
    if (a >= b)
        return a - b;
    log_error("event=store-damaged table=%s id=%llu reason=\"the counters do not fit\" hint=\"mailtestctl verify\"", what, (unsigned long long)id);
    return 0;
}

/*
 * Takes the message out of its folder's and mailbox's counters, and tells the readers. The mailbox may be gone: then nobody
 * counts.
 */
static void
uncount(struct tx *tx, uint64_t id, const struct message_record *record, uint64_t size)
{
    struct change      change = { .kind = CHANGE_DELETED, .message_id = id, .mailbox_id = record->mailbox_id };
    struct tx_mailbox *m;
    struct tx_folder  *f;

    if (tx_mailbox(tx, record->mailbox_id, &m) != MT_OK)
        return;
    m->record.messages = less(m->record.messages, 1, "mailbox", m->record.id);
    m->record.bytes = less(m->record.bytes, size, "mailbox", m->record.id);
    m->dirty = true;
    if (tx_folder(tx, m, record->folder_id, &f) != MT_OK)
        return;
    f->record.messages = less(f->record.messages, 1, "folder", f->record.id);
    if (f->record.messages == 0) {
        f->record.brought = false;
        tx_folder_clear_keywords(f);
    }
    f->record.bytes = less(f->record.bytes, size, "folder", f->record.id);
    f->record.modseq++;
    f->dirty = true;
    change.folder_id = record->folder_id;
    change.uid = record->uid;
    change.modseq = f->record.modseq;
    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static void
schedule_purge(struct tx *tx, uint64_t body_id)
{
    unsigned char key[sizeof(DB_META_PURGE_BODY) - 1 + 8];

    memcpy(key, DB_META_PURGE_BODY, sizeof(DB_META_PURGE_BODY) - 1);
    put_u64(key + sizeof(DB_META_PURGE_BODY) - 1, body_id);
    tx_put(tx, TABLE_META, slice_make(key, sizeof(key)), slice_make("", 0), 0);
}

unsigned
message_purge_body(struct tx *tx, uint64_t body_id, unsigned max)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_body(bytes, body_id, 0);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_BODY);
    unsigned      count = 0;
    int           rc;

    if (cursor == NULL)
        return 0;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == MDB_SUCCESS && count < max && key.mv_size == 12 && get_u64(key.mv_data) == body_id) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == MDB_SUCCESS) {
            count++;
            rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        tx_fail(tx, mt_from_mdb(rc));
    return count;
}

/* Whether another message still has the body; then it is counted down. */
static bool
body_is_kept(struct tx *tx, uint64_t body_id)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  key = db_key_u64(bytes, body_id);
    struct slice  value;
    unsigned char references[BODY_REF_BYTES];
    uint32_t      count;
    int           rc = db_get(tx_view(tx), TABLE_BODY_REF, key, &value);

    if (rc != MT_OK || body_ref_read(value, body_id, &count) != MT_OK) {
        log_error("event=store-damaged table=body-ref body=%llu hint=\"mailtestctl verify\"", (unsigned long long)body_id);
        return true;
    }
    if (count <= 1) {
        tx_delete(tx, TABLE_BODY_REF, key);
        return false;
    }
    body_ref_write(references, body_id, count - 1);
    tx_put(tx, TABLE_BODY_REF, key, slice_make(references, sizeof(references)), 0);
    return true;
}

static void
remove_body(struct tx *tx, const struct message_record *record)
{
    if (record->body_shared && body_is_kept(tx, record->body_id))
        return;
    if (record->body_bytes / DB_CHUNK_BYTES >= MESSAGE_CHUNKS_AT_ONCE)
        schedule_purge(tx, record->body_id);
    else
        message_purge_body(tx, record->body_id, UINT32_MAX);
}

/* All rows of the message but its body. */
static void
remove_rows(struct tx *tx, uint64_t id, const struct message_record *record, uint64_t size)
{
    unsigned char key[DB_KEY_MAX];

    uncount(tx, id, record, size);
    tx_delete(tx, TABLE_ENTRY, db_key_entry(key, record->mailbox_id, record->folder_id, record->uid));
    tx_delete(tx, TABLE_EXPIRY, db_key_message_expiry(key, id, record));
    tx_delete(tx, TABLE_MESSAGE, db_key_u64(key, id));
}

int
message_remove(struct tx *tx, uint64_t id)
{
    unsigned char         key[DB_KEY_MAX];
    struct message_record record;
    uint64_t              size;
    int                   rc = tx_fault(tx) != MT_OK ? tx_fault(tx) : db_message(tx_view(tx), id, &record);

    if (rc == MT_EDAMAGED || rc == MT_EVERSION) {
        log_error("event=message-damaged message=%llu reason=\"%s\" action=\"its record is removed\"", (unsigned long long)id, mt_strerror(rc));
        tx_delete(tx, TABLE_MESSAGE, db_key_u64(key, id));
        return tx_fault(tx);
    }
    if (rc != MT_OK)
        return rc;
    /* From here on the record's slices are no longer valid, its numbers are. */
    size = message_size(&record);
    remove_rows(tx, id, &record, size);
    remove_body(tx, &record);
    return tx_fault(tx);
}

/* ---- Copies ---- */

void
message_tell_new(struct tx *tx, const struct tx_mailbox *m, const struct tx_folder *f, uint64_t id, uint32_t uid)
{
    struct change change = { .kind = CHANGE_ARRIVED, .message_id = id, .modseq = f->record.modseq, .mailbox_id = m->record.id,
                             .folder_id = f->record.id, .uid = uid };

    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static void
put_references(struct tx *tx, uint64_t body_id, uint32_t count)
{
    unsigned char key[DB_KEY_MAX];
    unsigned char references[BODY_REF_BYTES];

    body_ref_write(references, body_id, count);
    tx_put(tx, TABLE_BODY_REF, db_key_u64(key, body_id), slice_make(references, sizeof(references)), 0);
}

/* One more message has the body; the first time, the one that had it alone is told that it shares it. */
static void
share_body(struct tx *tx, uint64_t id, struct message_record *record)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    struct buf   *b;
    uint32_t      count;
    int           rc;

    if (!record->body_shared) {
        record->body_shared = true;
        b = tx_scratch(tx);
        message_record_write(b, record);
        tx_put(tx, TABLE_MESSAGE, db_key_u64(key, id), buf_slice(b), 0);
        put_references(tx, record->body_id, 2);
        return;
    }
    rc = db_get(tx_view(tx), TABLE_BODY_REF, db_key_u64(key, record->body_id), &value);
    if (rc == MT_OK)
        rc = body_ref_read(value, record->body_id, &count);
    if (rc == MT_OK)
        put_references(tx, record->body_id, count + 1);
    else
        tx_fail(tx, rc == MT_OK || rc == MT_ENOTFOUND ? MT_EDAMAGED : rc);
}

/* A body that one message alone has is under that message's id, or counted: the id is about to change. */
static void
count_body(struct tx *tx, struct message_record *record)
{
    if (record->body_shared)
        return;
    record->body_shared = true;
    put_references(tx, record->body_id, 1);
}

/* The tokens' records know the message by its new id. */
static void
arrivals_follow(struct tx *tx, const struct message_record *record, uint64_t old_id, uint64_t id)
{
    for (uint32_t i = 0; i < record->parsed.candidate_count; i++) {
        const struct token *t = &record->parsed.candidates[i].token;
        struct token_record r;
        struct buf         *b = tx_scratch(tx);
        bool                changed = false;

        if (tx_fault(tx) != MT_OK || db_token(tx_view(tx), t, &r) != MT_OK || r.mailbox_id != record->mailbox_id)
            continue;
        for (uint32_t j = 0; j < r.kept; j++)
            if (r.arrivals[j].message_id == old_id) {
                r.arrivals[j].message_id = id;
                changed = true;
            }
        token_record_write(b, &r);
        if (changed)
            tx_put(tx, TABLE_TOKEN, slice_make(t->raw, sizeof(t->raw)), buf_slice(b), 0);
    }
}

/* The record and the keywords, copied out of the database into room. */
static int
take_out(struct tx *tx, const struct entry *e, struct buf *room, struct message_record *record, struct slice *keywords)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(tx_view(tx), TABLE_MESSAGE, db_key_u64(key, e->message_id), &value);

    buf_clear(room);
    if (rc != MT_OK)
        return rc == MT_ENOTFOUND ? MT_EDAMAGED : rc;
    buf_append_slice(room, value);
    buf_append_slice(room, e->keywords);
    if (room->fault != MT_OK)
        return room->fault;
    *keywords = slice_sub(buf_slice(room), value.len, room->len);
    return message_record_read(slice_sub(buf_slice(room), 0, value.len), record);
}

int
message_copy(struct tx *tx, struct tx_mailbox *m, struct tx_folder *to, const struct entry *e, bool move, struct buf *room, uint32_t *uid)
{
    struct message_record record, before;
    struct slice          keywords;
    uint64_t              id, old_id = e->message_id;
    uint32_t              flags = e->flags;
    int                   rc = take_out(tx, e, room, &record, &keywords);

    if (rc != MT_OK)
        return rc;
    before = record;
    if (move)
        count_body(tx, &record);
    else
        share_body(tx, old_id, &record);
    id = tx_next_message_id(tx);
    message_write_flagged(tx, m, to, id, &record, flags, keywords);
    *uid = record.uid;
    if (move) {
        remove_rows(tx, old_id, &before, message_size(&before));
        arrivals_follow(tx, &record, old_id, id);
    }
    message_tell_new(tx, m, to, id, record.uid);
    return tx_fault(tx);
}
