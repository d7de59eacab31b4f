#include "store/convert.h"

#include "lib/error.h"
#include "lib/log.h"

#include <time.h>

enum { ROWS_A_COMMIT = 1000, ROW_KEY_MAX = 511, PROGRESS_HEAD_BYTES = 5 };

/* Builds the new value of a row from the old one. MT_EDAMAGED: the old one is not readable. */
typedef int convert_row_fn(struct tx *tx, struct slice key, struct slice old, struct buf *out);

struct convert_table {
    enum table      table;
    convert_row_fn *row;
};

/* ---- From schema 2 to 3 -------------------------------------------------------------------------------------------------- */

enum { V2_NAME_BYTES = 255, V2_ENTRY_HEAD_BYTES = 20, V2_BODY_REF_BYTES = 4 };

/* A record whose version octet, checksum and end are checked by those of today; the fields between are of schema 2. */
static int
open_v2(struct slice bytes, struct reader *r)
{
    return bytes.len > 0 && (unsigned char)bytes.data[0] == 2 ? record_open(bytes, r) : MT_EDAMAGED;
}

/* Secrets that people chose came with schema 3. */
static int
mailbox_from_2(struct tx *tx, struct slice key, struct slice old, struct buf *out)
{
    struct mailbox_record m = { 0 };
    struct reader         r;
    int                   rc = open_v2(old, &r);

    (void)tx;
    (void)key;
    if (rc != MT_OK)
        return rc;
    read_u32(&r, &m.id);
    read_bytes(&r, &m.name, MAILBOX_NAME_MAX);
    read_bytes(&r, &m.domain, V2_NAME_BYTES);
    read_bool(&r, &m.enabled);
    read_u64(&r, &m.created_unix);
    read_u32(&r, &m.next_folder_id);
    read_u32(&r, &m.uidvalidity);
    read_u64(&r, &m.bytes);
    read_u64(&r, &m.messages);
    read_time_us(&r, &m.last_arrival_us);
    read_fixed(&r, m.credentials.salt, sizeof(m.credentials.salt));
    read_fixed(&r, m.credentials.secret_hash, sizeof(m.credentials.secret_hash));
    read_fixed(&r, m.credentials.stored_key, sizeof(m.credentials.stored_key));
    read_fixed(&r, m.credentials.server_key, sizeof(m.credentials.server_key));
    if ((rc = record_close(&r)) == MT_OK)
        mailbox_record_write(out, &m);
    return rc;
}

static void
add_keywords(struct buf *all, struct slice words)
{
    while (words.len > 0) {
        struct slice word = slice_sub(words, 0, slice_find(words, ' '));

        words = slice_sub(words, word.len + 1, words.len);
        if (word.len == 0 || all->len + 1 + word.len > FOLDER_KEYWORDS_BYTES || entry_has_keyword(buf_slice(all), word))
            continue;
        if (all->len > 0)
            buf_append_byte(all, ' ');
        buf_append_slice(all, word);
    }
}

/* What the messages of the folder have; their entries are still of schema 2. */
static int
gather_keywords(struct tx *tx, struct slice folder_key, struct buf *all)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_entry(bytes, get_u32(folder_key.data), get_u32(folder_key.data + 4), 0);
    MDB_val       key = { from.len, bytes }, value;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_ENTRY);
    int           rc;

    if (cursor == NULL)
        return tx_fault(tx);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
         rc == MDB_SUCCESS && key.mv_size == from.len && memcmp(key.mv_data, folder_key.data, folder_key.len) == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
        add_keywords(all, slice_sub(slice_make(value.mv_data, value.mv_size), V2_ENTRY_HEAD_BYTES, value.mv_size));
    mdb_cursor_close(cursor);
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? all->fault : mt_from_mdb(rc);
}

/* The list of keywords and what is recent came with schema 3; sessions were told of all that is there. */
static int
folder_from_2(struct tx *tx, struct slice key, struct slice old, struct buf *out)
{
    struct folder_record f = { 0 };
    struct reader        r;
    struct buf           keywords;
    int                  rc = key.len == 8 ? open_v2(old, &r) : MT_EDAMAGED;

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &f.mailbox_id);
    read_u32(&r, &f.id);
    read_bytes(&r, &f.name, V2_NAME_BYTES);
    read_u32(&r, &f.uidvalidity);
    read_u32(&r, &f.uidnext);
    read_u64(&r, &f.modseq);
    read_u64(&r, &f.messages);
    read_u64(&r, &f.bytes);
    read_bool(&r, &f.subscribed);
    read_bool(&r, &f.brought);
    if ((rc = record_close(&r)) != MT_OK)
        return rc;
    f.recent_uid = f.uidnext;
    buf_init(&keywords, FOLDER_KEYWORDS_BYTES);
    rc = gather_keywords(tx, key, &keywords);
    f.keywords = buf_slice(&keywords);
    if (rc == MT_OK)
        folder_record_write(out, &f);
    buf_fini(&keywords);
    return rc;
}

/* Entries and counts of copies had no checksum. */
static int
entry_from_2(struct tx *tx, struct slice key, struct slice old, struct buf *out)
{
    struct entry  e;
    struct reader r;

    (void)tx;
    reader_init(&r, old);
    read_u64(&r, &e.message_id);
    read_u64(&r, &e.modseq);
    read_u32(&r, &e.flags);
    e.keywords = r.rest;
    if (!read_ok(&r) || r.rest.len > ENTRY_KEYWORDS_BYTES)
        return MT_EDAMAGED;
    entry_write(out, key, &e);
    return MT_OK;
}

static int
body_ref_from_2(struct tx *tx, struct slice key, struct slice old, struct buf *out)
{
    unsigned char bytes[BODY_REF_BYTES];

    (void)tx;
    if (key.len != 8 || old.len != V2_BODY_REF_BYTES)
        return MT_EDAMAGED;
    body_ref_write(bytes, get_u64(key.data), get_u32(old.data));
    return buf_append(out, bytes, sizeof(bytes));
}

/* Agents came with schema 3. */
static void
finish_from_2(struct tx *tx)
{
    unsigned char first[4];

    put_u32(first, 1);
    tx_put(tx, TABLE_META, slice_of(DB_META_NEXT_AGENT), slice_make(first, sizeof(first)), 0);
}

/* Folders before entries: they read those of schema 2. The records of the other tables look as they did. */
static const struct convert_table tables_from_2[] = {
    { TABLE_MAILBOX, mailbox_from_2 },
    { TABLE_FOLDER, folder_from_2 },
    { TABLE_ENTRY, entry_from_2 },
    { TABLE_BODY_REF, body_ref_from_2 },
};

/* ---- From schema 3 to 4 -------------------------------------------------------------------------------------------------- */

/* Checks and their results came with schema 4; all other rows look as they did. */
static void
finish_from_3(struct tx *tx)
{
    unsigned char first[4];

    put_u32(first, 1);
    tx_put(tx, TABLE_META, slice_of(DB_META_NEXT_CHECK), slice_make(first, sizeof(first)), 0);
}

/* ---- The steps --------------------------------------------------------------------------------------------------------------- */

static const struct convert_step {
    uint32_t                    from;           /* leads to the next number */
    const struct convert_table *tables;         /* NULL: no row looks different */
    size_t                      table_count;
    void                      (*finish)(struct tx *tx);
} steps[] = {
    { 2, tables_from_2, COUNT(tables_from_2), finish_from_2 },
    { 3, NULL, 0, finish_from_3 },
};

/* How far the conversion came. In the table meta: from u32, table u8, last key. */
struct convert {
    struct store              *store;
    const struct convert_step *step;
    uint32_t                   from;
    uint8_t                    table;           /* index in step->tables; table_count: all are done */
    unsigned char              last[ROW_KEY_MAX];   /* of the last row that was done; none: the table begins */
    size_t                     last_len;
    uint64_t                   rows, damaged;
};

/* Where it stands, from the table meta. MT_ENOTFOUND: there is nothing to convert. */
static int
read_progress(struct convert *c)
{
    struct db_view v;
    struct slice   value;
    int            rc = db_view_begin(c->store->db, &v);

    if (rc != MT_OK)
        return rc;
    c->table = 0;
    c->last_len = 0;
    rc = db_get(&v, TABLE_META, slice_of(DB_META_CONVERT), &value);
    if (rc == MT_OK && (value.len < PROGRESS_HEAD_BYTES || value.len > PROGRESS_HEAD_BYTES + sizeof(c->last))) {
        rc = MT_EDAMAGED;
    } else if (rc == MT_OK) {
        c->from = get_u32(value.data);
        c->table = (uint8_t)value.data[4];
        c->last_len = value.len - PROGRESS_HEAD_BYTES;
        memcpy(c->last, value.data + PROGRESS_HEAD_BYTES, c->last_len);
    } else if (rc == MT_ENOTFOUND && (rc = db_get(&v, TABLE_META, slice_of(DB_META_SCHEMA), &value)) == MT_OK) {
        c->from = value.len == 4 ? get_u32(value.data) : 0;
        rc = c->from == DB_SCHEMA_VERSION ? MT_ENOTFOUND : MT_OK;
    }
    db_view_end(&v);
    return rc;
}

static void
write_progress(struct convert *c, struct tx *tx)
{
    unsigned char schema[4], progress[PROGRESS_HEAD_BYTES + ROW_KEY_MAX];

    put_u32(schema, c->from + 1);
    tx_put(tx, TABLE_META, slice_of(DB_META_SCHEMA), slice_make(schema, sizeof(schema)), 0);
    put_u32(progress, c->from);
    progress[4] = c->table;
    memcpy(progress + PROGRESS_HEAD_BYTES, c->last, c->last_len);
    if (c->table < c->step->table_count) {
        tx_put(tx, TABLE_META, slice_of(DB_META_CONVERT), slice_make(progress, PROGRESS_HEAD_BYTES + c->last_len), 0);
        return;
    }
    c->step->finish(tx);
    tx_delete(tx, TABLE_META, slice_of(DB_META_CONVERT));
}

/* The row behind the last one; its key takes that one's place. MT_ENOTFOUND: the table ends. */
static int
next_row(struct convert *c, MDB_cursor *cursor, struct slice *value)
{
    MDB_val key = { c->last_len, c->last }, data;
    int     rc = mdb_cursor_get(cursor, &key, &data, c->last_len == 0 ? MDB_FIRST : MDB_SET_RANGE);

    if (rc == MDB_SUCCESS && c->last_len > 0 && slice_equal(slice_make(key.mv_data, key.mv_size), slice_make(c->last, c->last_len)))
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    if (key.mv_size > sizeof(c->last))
        return MT_EDAMAGED;
    c->last_len = key.mv_size;
    memcpy(c->last, key.mv_data, key.mv_size);
    *value = slice_make(data.mv_data, data.mv_size);
    return MT_OK;
}

static void
convert_row(struct convert *c, struct tx *tx, const struct convert_table *t, struct slice old)
{
    struct slice key = slice_make(c->last, c->last_len);
    struct buf  *out = tx_scratch(tx);
    int          rc = t->row(tx, key, old, out);

    c->rows++;
    if (rc == MT_EDAMAGED) {
        c->damaged++;
        log_error("event=store-row-damaged table=%s hint=\"mailtestctl verify\"", db_table_name(t->table));
    } else if (rc != MT_OK || out->fault != MT_OK) {
        tx_fail(tx, rc != MT_OK ? rc : out->fault);
    } else {
        tx_put(tx, t->table, key, buf_slice(out), 0);
    }
}

/* At most ROWS_A_COMMIT rows of the table at hand; at its end, the next one is. */
static void
convert_rows(struct convert *c, struct tx *tx)
{
    const struct convert_table *t = &c->step->tables[c->table];
    MDB_cursor                 *cursor = tx_cursor(tx, t->table);
    struct slice                old;
    int                         rc = MT_OK;

    for (unsigned i = 0; cursor != NULL && i < ROWS_A_COMMIT && tx_fault(tx) == MT_OK && (rc = next_row(c, cursor, &old)) == MT_OK; i++)
        convert_row(c, tx, t, old);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (rc == MT_ENOTFOUND) {
        c->table++;
        c->last_len = 0;
    } else if (rc != MT_OK) {
        tx_fail(tx, rc);
    }
}

static int
convert_some(struct convert *c)
{
    struct tx *tx;
    bool       file_failed;
    int        rc = tx_begin(c->store->db, store_now_us(c->store), &tx);

    if (rc != MT_OK)
        return rc;
    if (c->table < c->step->table_count)
        convert_rows(c, tx);
    write_progress(c, tx);
    rc = tx_commit(tx, &file_failed);
    tx_free(tx);
    return rc;
}

static const struct convert_step *
step_from(uint32_t from)
{
    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i].from == from)
            return &steps[i];
    return NULL;
}

static uint64_t
monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int
run_step(struct convert *c)
{
    const char *dir = c->store->db_dir;
    uint64_t    begun_ms = monotonic_ms();
    int         rc = MT_OK;

    c->step = step_from(c->from);
    if (c->step == NULL || (c->table > 0 && c->table >= c->step->table_count)) {
        log_error("event=store-too-old dir=%s schema=%u known=%u reason=\"there is no conversion from it\"", dir, c->from, DB_SCHEMA_VERSION);
        return MT_EVERSION;
    }
    log_info("event=store-converting dir=%s from=%u to=%u resumed=%s hint=\"an older version cannot read it from now on; what it was is in the backup"
             " that was made before\"",
             dir, c->from, c->from + 1, c->table > 0 || c->last_len > 0 ? "yes" : "no");
    do {
        rc = convert_some(c);
    } while (rc == MT_OK && c->table < c->step->table_count);
    if (rc == MT_OK)
        log_info("event=store-converted dir=%s from=%u to=%u rows=%llu damaged=%llu ms=%llu", dir, c->from, c->from + 1, (unsigned long long)c->rows,
                 (unsigned long long)c->damaged, (unsigned long long)(monotonic_ms() - begun_ms));
    else
        log_error("event=store-not-converted dir=%s from=%u reason=\"%s\" effect=\"the next start goes on with it\"", dir, c->from, mt_strerror(rc));
    return rc;
}

int
convert_database(struct store *s)
{
    struct convert c = { .store = s };
    int            rc;

    while ((rc = read_progress(&c)) == MT_OK && (rc = run_step(&c)) == MT_OK)
        c.rows = c.damaged = 0;
    return rc == MT_ENOTFOUND ? MT_OK : rc;
}
