#include "lib/db_result.h"

#include "lib/error.h"
#include "lib/log.h"

/* ---- Keys ----------------------------------------------------------------------------------------------------------------- */

struct slice
db_key_check_name(void *to, uint32_t mailbox_id, struct slice name)
{
    size_t len = name.len < CHECK_TEXT_MAX ? name.len : CHECK_TEXT_MAX;

    put_u32(to, mailbox_id);
    if (len > 0)
        memcpy((char *)to + 4, name.data, len);
    return slice_make(to, 4 + len);
}

struct slice
db_key_result(void *to, uint32_t check_id, uint64_t started_us)
{
    put_u32(to, check_id);
    put_u64((char *)to + 4, started_us);
    return slice_make(to, 12);
}

struct slice
db_key_result_sum(void *to, uint32_t check_id, uint32_t hour)
{
    put_u32(to, check_id);
    put_u32((char *)to + 4, hour);
    return slice_make(to, 8);
}

struct slice
db_key_result_expiry(void *to, enum expiry kind, uint32_t hour, uint32_t check_id)
{
    *(char *)to = (char)kind;
    put_u64((char *)to + 1, (uint64_t)hour * 3600);
    put_u32((char *)to + 9, check_id);
    return slice_make(to, DB_RESULT_EXPIRY_BYTES);
}

/* ---- Single ones ------------------------------------------------------------------------------------------------------------ */

int
db_check(const struct db_view *v, uint32_t id, struct check_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_CHECK, db_key_u32(key, id), &value);

    if (rc == MT_OK)
        rc = check_record_read(value, out);
    return rc == MT_OK && out->id != id ? MT_EDAMAGED : rc;
}

int
db_check_by_name(const struct db_view *v, uint32_t mailbox_id, struct slice name, struct check_record *out)
{
    unsigned char key[DB_CHECK_NAME_KEY_MAX];
    struct slice  value;
    int           rc;

    if (name.len == 0 || name.len > CHECK_TEXT_MAX)
        return MT_ENOTFOUND;
    rc = db_get(v, TABLE_CHECK_NAME, db_key_check_name(key, mailbox_id, name), &value);
    if (rc != MT_OK)
        return rc;
    if (value.len != 4)
        return MT_EDAMAGED;
    rc = db_check(v, get_u32(value.data), out);
    /* The row has no checksum: a check of another name, or mailbox, is somebody else's. */
    return rc == MT_ENOTFOUND || (rc == MT_OK && (!slice_equal(out->name, name) || out->mailbox_id != mailbox_id)) ? MT_EDAMAGED : rc;
}

int
db_result(const struct db_view *v, uint32_t check_id, uint64_t started_us, struct result_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_RESULT, db_key_result(key, check_id, started_us), &value);

    if (rc == MT_OK)
        rc = result_record_read(value, out);
    return rc == MT_OK && out->started_us != started_us ? MT_EDAMAGED : rc;
}

int
db_result_sum(const struct db_view *v, uint32_t check_id, uint32_t hour, struct result_sum *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_RESULT_SUM, db_key_result_sum(key, check_id, hour), &value);

    return rc == MT_OK ? result_sum_read(value, out) : rc;
}

/* ---- Walks ------------------------------------------------------------------------------------------------------------------ */

static int
open_cursor(const struct db_view *v, enum table table, MDB_cursor **cursor)
{
    int rc = mdb_cursor_open(v->txn, db_table(v->db, table), cursor);

    if (rc != MDB_SUCCESS)
        log_error("event=store-read-failed table=%s reason=\"%s\"", db_table_name(table), mdb_strerror(rc));
    return mt_from_mdb(rc);
}

/* The first row of the table of names from the key on. */
static int
next_name(MDB_cursor *cursor, struct slice from, MDB_val *key, MDB_val *data)
{
    *key = (MDB_val){ from.len, (void *)(uintptr_t)from.data };
    return mdb_cursor_get(cursor, key, data, MDB_SET_RANGE);
}

int
db_check_anywhere(const struct db_view *v, struct slice name, struct check_record *out)
{
    struct check_record c;
    unsigned char       bytes[DB_CHECK_NAME_KEY_MAX];
    MDB_val             key, data;
    MDB_cursor         *cursor;
    uint32_t            mailbox = 0;
    bool                found = false;
    int                 mdb, rc = open_cursor(v, TABLE_CHECK_NAME, &cursor);

    if (rc != MT_OK)
        return rc;
    for (;;) {
        mdb = next_name(cursor, db_key_check_name(bytes, mailbox, name), &key, &data);
        if (mdb != MDB_SUCCESS || key.mv_size < 4)
            break;
        if (get_u32(key.mv_data) != mailbox) {      /* the next mailbox that has checks; its own turn */
            mailbox = get_u32(key.mv_data);
            continue;
        }
        rc = db_check_by_name(v, mailbox, name, &c);
        if (rc == MT_OK && found) {
            rc = MT_EEXIST;
            break;
        }
        if (rc == MT_OK) {
            found = true;
            *out = c;
        } else if (rc != MT_ENOTFOUND) {
            break;
        }
        rc = MT_OK;
        if (mailbox++ == UINT32_MAX)
            break;
    }
    mdb_cursor_close(cursor);
    if (rc != MT_OK)
        return rc;
    if (mdb != MDB_SUCCESS && mdb != MDB_NOTFOUND)
        return mt_from_mdb(mdb);
    return found ? MT_OK : MT_ENOTFOUND;
}

/* Where a walk over names begins: *len octets of key. */
static int
first_name(const struct db_view *v, struct check_scope scope, uint32_t after, unsigned char key[DB_CHECK_NAME_KEY_MAX], size_t *len)
{
    struct check_record c;
    int                 rc = after == 0 ? MT_OK : db_check(v, after, &c);

    if (rc != MT_OK)
        return rc;
    if (after == 0)
        *len = db_key_check_name(key, scope.any ? 0 : scope.mailbox_id, slice_make(NULL, 0)).len;
    else if (!scope.any && c.mailbox_id != scope.mailbox_id)
        return MT_ENOTFOUND;
    else
        *len = db_key_check_name(key, c.mailbox_id, c.name).len;
    return MT_OK;
}

int
db_checks(const struct db_view *v, struct check_scope scope, uint32_t after, db_check_fn *fn, void *arg)
{
    unsigned char bytes[DB_CHECK_NAME_KEY_MAX];
    size_t        len = 0;
    MDB_val       key, data;
    MDB_cursor   *cursor;
    bool          damaged = false;
    int           mdb, rc = first_name(v, scope, after, bytes, &len);

    if (rc != MT_OK || (rc = open_cursor(v, TABLE_CHECK_NAME, &cursor)) != MT_OK)
        return rc;
    mdb = next_name(cursor, slice_make(bytes, len), &key, &data);
    if (mdb == MDB_SUCCESS && after != 0 && slice_equal(slice_make(key.mv_data, key.mv_size), slice_make(bytes, len)))
        mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    for (; mdb == MDB_SUCCESS && key.mv_size >= 4; mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        struct check_record c;
        uint32_t            mailbox = get_u32(key.mv_data);

        if (!scope.any && mailbox != scope.mailbox_id)
            break;
        rc = data.mv_size == 4 ? db_check(v, get_u32(data.mv_data), &c) : MT_EDAMAGED;
        if (rc != MT_OK || c.mailbox_id != mailbox || !slice_equal(c.name, slice_make((char *)key.mv_data + 4, key.mv_size - 4)))
            damaged = true;
        else if (!fn(arg, &c))
            break;
    }
    mdb_cursor_close(cursor);
    if (mdb != MDB_SUCCESS && mdb != MDB_NOTFOUND)
        return mt_from_mdb(mdb);
    return damaged ? MT_EDAMAGED : MT_OK;
}

/* Calls fn with each row of a check (the first four octets of the key) from the last one before the key on down, until it returns false. */
typedef bool row_fn(void *arg, struct slice key, struct slice value);

static int
walk_down(const struct db_view *v, enum table table, struct slice before, row_fn *fn, void *arg)
{
    MDB_val     key = { before.len, (void *)(uintptr_t)before.data };
    MDB_val     data;
    MDB_cursor *cursor;
    int         mdb, rc = open_cursor(v, table, &cursor);

    if (rc != MT_OK)
        return rc;
    mdb = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    mdb = mdb_cursor_get(cursor, &key, &data, mdb == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    while (mdb == MDB_SUCCESS && key.mv_size == before.len && memcmp(key.mv_data, before.data, 4) == 0 &&
           fn(arg, slice_make(key.mv_data, key.mv_size), slice_make(data.mv_data, data.mv_size)))
        mdb = mdb_cursor_get(cursor, &key, &data, MDB_PREV);
    mdb_cursor_close(cursor);
    return mdb == MDB_NOTFOUND ? MT_OK : mt_from_mdb(mdb);
}

struct result_walk {
    uint64_t      from_us;
    db_result_fn *fn;
    void         *arg;
    bool          damaged;
};

static bool
result_row(void *arg, struct slice key, struct slice value)
{
    struct result_walk  *w = arg;
    struct result_record r;
    uint64_t             started_us = get_u64(key.data + 4);

    if (started_us < w->from_us)
        return false;
    if (result_record_read(value, &r) == MT_OK && r.started_us == started_us)
        return w->fn(w->arg, &r);
    w->damaged = true;
    return true;
}

int
db_results(const struct db_view *v, uint32_t check_id, uint64_t from_us, uint64_t before_us, db_result_fn *fn, void *arg)
{
    struct result_walk w = { .from_us = from_us, .fn = fn, .arg = arg };
    unsigned char      key[DB_KEY_MAX];
    int                rc = walk_down(v, TABLE_RESULT, db_key_result(key, check_id, before_us), result_row, &w);

    return rc == MT_OK && w.damaged ? MT_EDAMAGED : rc;
}

struct newest {
    bool                  found;
    struct result_record *r;
};

static bool
keep_newest(void *arg, const struct result_record *r)
{
    struct newest *newest = arg;

    newest->found = true;
    *newest->r = *r;
    return false;
}

int
db_result_newest(const struct db_view *v, uint32_t check_id, uint64_t before_us, struct result_record *out)
{
    struct newest newest = { .r = out };
    int           rc = db_results(v, check_id, 0, before_us, keep_newest, &newest);

    if (newest.found)
        return MT_OK;
    return rc == MT_OK || rc == MT_EDAMAGED ? MT_ENOTFOUND : rc;
}

static bool
add_to_sum(void *arg, const struct result_record *r)
{
    result_sum_add(arg, r);
    return true;
}

int
db_result_count(const struct db_view *v, uint32_t check_id, uint32_t hour, struct result_sum *out)
{
    *out = (struct result_sum){ .runs = 0 };
    return db_results(v, check_id, hour * HOUR_US, (hour + 1) * HOUR_US, add_to_sum, out);
}

struct sum_walk {
    uint32_t          from_hour;
    db_result_sum_fn *fn;
    void             *arg;
    bool              damaged;
};

static bool
sum_row(void *arg, struct slice key, struct slice value)
{
    struct sum_walk  *w = arg;
    struct result_sum s;
    uint32_t          hour = get_u32(key.data + 4);

    if (hour < w->from_hour)
        return false;
    if (result_sum_read(value, &s) == MT_OK)
        return w->fn(w->arg, hour, &s);
    w->damaged = true;
    return true;
}

int
db_result_sums(const struct db_view *v, uint32_t check_id, uint32_t from_hour, uint32_t before_hour, db_result_sum_fn *fn, void *arg)
{
    struct sum_walk w = { .from_hour = from_hour, .fn = fn, .arg = arg };
    unsigned char   key[DB_KEY_MAX];
    int             rc = walk_down(v, TABLE_RESULT_SUM, db_key_result_sum(key, check_id, before_hour), sum_row, &w);

    return rc == MT_OK && w.damaged ? MT_EDAMAGED : rc;
}
