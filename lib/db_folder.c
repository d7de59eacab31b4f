/* What is in a mailbox's folders. */

#include "lib/db.h"

#include "lib/error.h"

enum { FOLDER_KEY_BYTES = 8, ENTRY_KEY_BYTES = 12, MAILBOX_BYTES = 4 };

static bool
is_in_folder(const MDB_val *key, const unsigned char *folder)
{
    return key->mv_size == ENTRY_KEY_BYTES && memcmp(key->mv_data, folder, FOLDER_KEY_BYTES) == 0;
}

static uint32_t
uid_of(const MDB_val *key)
{
    return get_u32((char *)key->mv_data + FOLDER_KEY_BYTES);
}

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
    while (rc == 0 && more && is_in_folder(&key, first)) {
        struct entry entry;

        if (entry_read(slice_make(key.mv_data, key.mv_size), slice_make(value.mv_data, value.mv_size), &entry) == MT_OK)
            more = fn(arg, uid_of(&key), &entry);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

/* The folder's last UID. MDB_NOTFOUND: it is empty. */
static int
last_uid(MDB_cursor *cursor, const struct folder_record *f, uint32_t *uid)
{
    unsigned char last[DB_KEY_MAX];
    struct slice  behind = db_key_entry(last, f->mailbox_id, f->id, UINT32_MAX);
    MDB_val       key = { behind.len, last }, value;
    int           rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    else if (rc == 0 && !is_in_folder(&key, last))
        rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
    if (rc == 0 && !is_in_folder(&key, last))
        rc = MDB_NOTFOUND;
    if (rc == 0)
        *uid = uid_of(&key);
    return rc;
}

static int
walk_uids(MDB_cursor *cursor, const struct folder_record *f, uint32_t from_uid, db_uid_fn *fn, void *arg)
{
    unsigned char first[DB_KEY_MAX];
    struct slice  from = db_key_entry(first, f->mailbox_id, f->id, from_uid);
    MDB_val       key = { from.len, first }, value;
    bool          more = true;
    int           rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    uint32_t      uid, last;

    if (rc != 0 || !is_in_folder(&key, first))
        return rc;
    uid = uid_of(&key);
    if (from_uid == 0 && last_uid(cursor, f, &last) == 0 && last >= uid && (uint64_t)last - uid + 1 == f->messages) {
        for (uint64_t next = uid; more && next <= last; next++)
            more = fn(arg, (uint32_t)next);
        return MDB_SUCCESS;
    }
    key = (MDB_val){ from.len, first };
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && more && is_in_folder(&key, first)) {
        more = fn(arg, uid_of(&key));
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc;
}

int
db_uids(const struct db_view *v, const struct folder_record *f, uint32_t from_uid, db_uid_fn *fn, void *arg)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(v->txn, db_table(v->db, TABLE_ENTRY), &cursor);

    if (rc != 0)
        return mt_from_mdb(rc);
    rc = walk_uids(cursor, f, from_uid, fn, arg);
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

struct slice
db_folder_name(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id)
{
    struct folder_record folder;

    switch (folder_id) {
    case FOLDER_INBOX:
        return slice_of("INBOX");
    case FOLDER_UNMATCHED:
        return slice_of("Unmatched");
    default:
        return db_folder(v, mailbox_id, folder_id, &folder) == MT_OK ? folder.name : slice_make("", 0);
    }
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
