/* What is in a mailbox's folders. */

#include "lib/db.h"

#include "lib/error.h"

enum { FOLDER_KEY_BYTES = 8, ENTRY_KEY_BYTES = 12, MAILBOX_BYTES = 4 };

int
db_entries(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, uint32_t from_uid, db_entry_fn *fn, void *arg)
{
    unsigned char first[DB_KEY_MAX];
    struct slice  from = db_key_entry(first, mailbox_id, folder_id, from_uid);
    MDB_val       key = { from.len, first }, value;
    MDB_cursor   *cursor;
    bool          more = true;
    int           rc = mdb_cursor_open(v->txn, db_table(v->db, TABLE_ENTRY), &cursor);

    if (rc != 0)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && more && key.mv_size == ENTRY_KEY_BYTES && memcmp(key.mv_data, first, FOLDER_KEY_BYTES) == 0) {
        struct entry entry;

        if (entry_read(slice_make(key.mv_data, key.mv_size), slice_make(value.mv_data, value.mv_size), &entry) == MT_OK)
            more = fn(arg, get_u32((char *)key.mv_data + FOLDER_KEY_BYTES), &entry);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

int
db_entry(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid, struct entry *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    struct slice  at = db_key_entry(key, mailbox_id, folder_id, uid);
    int           rc = db_get(v, TABLE_ENTRY, at, &value);

    return rc == MT_OK ? entry_read(at, value, out) : rc;
}

int
db_folders(const struct db_view *v, uint32_t mailbox_id, db_folder_fn *fn, void *arg)
{
    unsigned char first[DB_KEY_MAX];
    struct slice  from = db_key_folder(first, mailbox_id, 0);
    MDB_val       key = { from.len, first }, value;
    MDB_cursor   *cursor;
    bool          more = true;
    int           rc = mdb_cursor_open(v->txn, db_table(v->db, TABLE_FOLDER), &cursor);

    if (rc != 0)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && more && key.mv_size == FOLDER_KEY_BYTES && memcmp(key.mv_data, first, MAILBOX_BYTES) == 0) {
        struct folder_record record;

        if (folder_record_read(slice_make(value.mv_data, value.mv_size), &record) == MT_OK)
            more = fn(arg, &record);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

struct by_name {
    struct slice          name;
    struct folder_record *out;
    bool                  found;
};

static bool
is_named(void *arg, const struct folder_record *f)
{
    struct by_name *b = arg;

    if (f->id == FOLDER_INBOX ? !slice_equal_nocase(f->name, b->name) : !slice_equal(f->name, b->name))
        return true;
    *b->out = *f;
    b->found = true;
    return false;
}

int
db_folder_by_name(const struct db_view *v, uint32_t mailbox_id, struct slice name, struct folder_record *out)
{
    struct by_name b = { .name = name, .out = out };
    int            rc = db_folders(v, mailbox_id, is_named, &b);

    return rc == MT_OK && !b.found ? MT_ENOTFOUND : rc;
}

int
db_subscriptions(const struct db_view *v, uint32_t mailbox_id, db_subscription_fn *fn, void *arg)
{
    unsigned char first[DB_KEY_MAX];
    struct slice  from = db_key_u32(first, mailbox_id);
    MDB_val       key = { from.len, first }, value;
    MDB_cursor   *cursor;
    bool          more = true;
    int           rc = mdb_cursor_open(v->txn, db_table(v->db, TABLE_SUBSCRIPTION), &cursor);

    if (rc != 0)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && more && key.mv_size > MAILBOX_BYTES && memcmp(key.mv_data, first, MAILBOX_BYTES) == 0) {
        more = fn(arg, slice_make((char *)key.mv_data + MAILBOX_BYTES, key.mv_size - MAILBOX_BYTES));
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}
