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
        unsigned char references[4];

        put_u32(references, copies);
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
    struct buf   *b = tx_scratch(tx);

    entry_write(b, e);
    tx_put(tx, TABLE_ENTRY, db_key_entry(key, f->mailbox_id, f->id, uid), buf_slice(b), 0);
}

void
message_write(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record)
{
    unsigned char key[DB_KEY_MAX];
    uint64_t      size = message_size(record);

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
    put_entry(tx, &f->record, record->uid, &(struct entry){ .message_id = id, .modseq = f->record.modseq });
    tx_put(tx, TABLE_EXPIRY, db_key_message_expiry(key, id, record), slice_make("", 0), 0);
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
    unsigned char references[4];
    int           rc = db_get(tx_view(tx), TABLE_BODY_REF, key, &value);

    if (rc != MT_OK || value.len != sizeof(references)) {
        log_error("event=store-damaged table=body-ref body=%llu hint=\"mailtestctl verify\"", (unsigned long long)body_id);
        return true;
    }
    if (get_u32(value.data) <= 1) {
        tx_delete(tx, TABLE_BODY_REF, key);
        return false;
    }
    put_u32(references, get_u32(value.data) - 1);
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
    uncount(tx, id, &record, size);
    tx_delete(tx, TABLE_ENTRY, db_key_entry(key, record.mailbox_id, record.folder_id, record.uid));
    tx_delete(tx, TABLE_EXPIRY, db_key_message_expiry(key, id, &record));
    tx_delete(tx, TABLE_MESSAGE, db_key_u64(key, id));
    remove_body(tx, &record);
    return tx_fault(tx);
}
