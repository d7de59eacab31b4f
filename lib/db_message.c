/* The part of db.h that reads messages, their bodies, and lists of them. */

#include "lib/db.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>    /* the same functions, by the widest registers that the machine has: twice as fast over a whole message */
#else
#include <xxhash.h>
#endif

/* Where a chunk of a body ends is a matter of its whole size: whole chunks, then the rest in one or in pieces. */
static uint32_t
piece_count(uint64_t rest)
{
    if (rest == 0)
        return 0;
    return rest > DB_REST_BYTES ? 1 : (uint32_t)((rest + DB_PIECE_BYTES - 1) / DB_PIECE_BYTES);
}

uint32_t
db_chunk_count(uint64_t size)
{
    assert(size / DB_CHUNK_BYTES < UINT32_MAX - DB_CHUNK_BYTES);
    return (uint32_t)(size / DB_CHUNK_BYTES) + piece_count(size % DB_CHUNK_BYTES);
}

void
db_chunk(uint64_t size, uint32_t i, uint64_t *offset, size_t *len)
{
    uint64_t whole = size / DB_CHUNK_BYTES;
    uint64_t rest = size % DB_CHUNK_BYTES;

    assert(i < db_chunk_count(size));
    if (i < whole) {
        *offset = (uint64_t)i * DB_CHUNK_BYTES;
        *len = DB_CHUNK_BYTES;
    } else if (rest > DB_REST_BYTES) {
        *offset = whole * DB_CHUNK_BYTES;
        *len = (size_t)rest;
    } else {
        *offset = whole * DB_CHUNK_BYTES + (i - whole) * DB_PIECE_BYTES;
        *len = (size_t)(size - *offset < DB_PIECE_BYTES ? size - *offset : DB_PIECE_BYTES);
    }
}

/* The chunk that the octet at offset is in. */
static uint32_t
chunk_at(uint64_t size, uint64_t offset)
{
    uint64_t whole = size / DB_CHUNK_BYTES;
    uint64_t chunk = offset / DB_CHUNK_BYTES;

    if (chunk < whole || size % DB_CHUNK_BYTES > DB_REST_BYTES)
        return (uint32_t)chunk;
    return (uint32_t)(whole + (offset - whole * DB_CHUNK_BYTES) / DB_PIECE_BYTES);
}

/* Walks the chunks of one body from a given one on. */
struct body_walk {
    MDB_cursor *cursor;
    uint64_t    body_id;
    uint64_t    size;
    uint32_t    next;
    bool        placed;     /* the cursor is on the chunk before next */
};

static int
body_walk_begin(const struct db_view *v, const struct message_record *m, uint32_t from, struct body_walk *w)
{
    *w = (struct body_walk){ .body_id = m->body_id, .size = m->body_bytes, .next = from };
    return mt_from_mdb(mdb_cursor_open(v->txn, db_table(v->db, TABLE_BODY), &w->cursor));
}

static int
body_walk_next(struct body_walk *w, struct slice *out)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  want = db_key_body(bytes, w->body_id, w->next);
    MDB_val       key = { want.len, bytes };
    MDB_val       data;
    uint64_t      offset;
    size_t        len;
    int           rc = mdb_cursor_get(w->cursor, &key, &data, w->placed ? MDB_NEXT : MDB_SET_KEY);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return mt_from_mdb(rc);
    db_chunk(w->size, w->next, &offset, &len);
    if (rc == MDB_NOTFOUND || data.mv_size != len || !slice_equal(slice_make(key.mv_data, key.mv_size), want))
        return MT_EDAMAGED;
    w->placed = true;
    w->next++;
    *out = slice_make(data.mv_data, len);
    return MT_OK;
}

static int
read_body(const struct db_view *v, const struct message_record *m, uint64_t offset, size_t len, struct buf *out)
{
    struct body_walk w;
    int              rc;

    if (offset >= m->body_bytes || len == 0)
        return MT_OK;
    if (len > m->body_bytes - offset)
        len = (size_t)(m->body_bytes - offset);
    rc = body_walk_begin(v, m, chunk_at(m->body_bytes, offset), &w);
    while (rc == MT_OK && len > 0) {
        struct slice chunk = { 0 };
        uint64_t     chunk_offset;
        size_t       chunk_len;

        db_chunk(m->body_bytes, w.next, &chunk_offset, &chunk_len);
        rc = body_walk_next(&w, &chunk);
        if (rc != MT_OK)
            break;
        chunk = slice_sub(chunk, (size_t)(offset - chunk_offset), len);
        rc = buf_append_slice(out, chunk);
        offset += chunk.len;
        len -= chunk.len;
    }
    mdb_cursor_close(w.cursor);
    return rc;
}

int
db_message(const struct db_view *v, uint64_t id, struct message_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_MESSAGE, db_key_u64(key, id), &value);

    return rc == MT_OK ? message_record_read(value, out) : rc;
}

int
db_message_read(const struct db_view *v, const struct message_record *m, uint64_t offset, size_t len, struct buf *out)
{
    if (offset < m->head.len) {
        struct slice part = slice_sub(m->head, (size_t)offset, len);
        int          rc = buf_append_slice(out, part);

        if (rc != MT_OK)
            return rc;
        offset += part.len;
        len -= part.len;
    }
    return read_body(v, m, offset - m->head.len, len, out);
}

int
db_message_check(const struct db_view *v, const struct message_record *m)
{
    XXH3_state_t    *state = XXH3_createState();
    struct body_walk w = { 0 };
    uint32_t         count = db_chunk_count(m->body_bytes);
    int              rc;

    if (state == NULL)
        return MT_ENOMEM;
    XXH3_64bits_reset(state);
    rc = body_walk_begin(v, m, 0, &w);
    while (rc == MT_OK && w.next < count) {
        struct slice chunk;

        rc = body_walk_next(&w, &chunk);
        if (rc == MT_OK)
            XXH3_64bits_update(state, chunk.data, chunk.len);
    }
    if (rc == MT_OK && XXH3_64bits_digest(state) != m->body_sum)
        rc = MT_EDAMAGED;
    mdb_cursor_close(w.cursor);
    XXH3_freeState(state);
    return rc;
}

/* One folder of a mailbox, with the newest of its messages that was not given out yet. */
struct folder_walk {
    MDB_cursor *cursor;
    uint32_t    folder_id;
    uint64_t    message_id;     /* 0: no more */
};

struct mailbox_walk {
    const struct db_view *view;
    uint32_t              mailbox_id;
    struct folder_walk    folders[DB_FOLDERS_MAX];
    unsigned              count;
};

/* Whether a cursor's key is an entry of that folder; then its message and UID. */
static bool
entry_at(const struct mailbox_walk *w, const struct folder_walk *f, MDB_val key, MDB_val data, struct entry *out, uint32_t *uid)
{
    if (key.mv_size != 12 || get_u32(key.mv_data) != w->mailbox_id || get_u32((char *)key.mv_data + 4) != f->folder_id)
        return false;
    if (entry_read(slice_make(key.mv_data, key.mv_size), slice_make(data.mv_data, data.mv_size), out) != MT_OK)
        return false;
    *uid = get_u32((char *)key.mv_data + 8);
    return true;
}

/* The entry with the UID or the next one behind it. False: none. */
static bool
seek_uid(const struct mailbox_walk *w, struct folder_walk *f, uint32_t uid, struct entry *out, uint32_t *found)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  at = db_key_entry(bytes, w->mailbox_id, f->folder_id, uid);
    MDB_val       key = { at.len, bytes };
    MDB_val       data;

    return mdb_cursor_get(f->cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && entry_at(w, f, key, data, out, found);
}

/* The first UID whose message is before_id or newer, by halving: message ids grow with the UIDs. */
static uint32_t
first_uid_from(const struct mailbox_walk *w, struct folder_walk *f, uint64_t before_id)
{
    uint32_t low = 0, high = UINT32_MAX;

    if (before_id == 0)
        return UINT32_MAX;
    while (low < high) {
        uint32_t     middle = low + (high - low) / 2;
        uint32_t     uid;
        struct entry e;

        if (!seek_uid(w, f, middle, &e, &uid) || e.message_id >= before_id)
            high = middle;
        else
            low = uid + 1;
    }
    return low;
}

static int
step_back(const struct mailbox_walk *w, struct folder_walk *f, MDB_cursor_op op)
{
    MDB_val      key, data;
    struct entry e;
    uint32_t     uid;
    int          rc = mdb_cursor_get(f->cursor, &key, &data, op);

    f->message_id = 0;
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return mt_from_mdb(rc);
    if (rc == MDB_SUCCESS && entry_at(w, f, key, data, &e, &uid))
        f->message_id = e.message_id;
    return MT_OK;
}

/* Puts a folder's cursor on its newest message below before_id. */
static int
folder_walk_begin(struct mailbox_walk *w, uint32_t folder_id, uint64_t before_id)
{
    struct folder_walk *f = &w->folders[w->count];
    unsigned char       bytes[DB_KEY_MAX];
    struct slice        at;
    MDB_val             key, data;
    int                 rc;

    *f = (struct folder_walk){ .folder_id = folder_id };
    rc = mdb_cursor_open(w->view->txn, db_table(w->view->db, TABLE_ENTRY), &f->cursor);
    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    w->count++;
    at = db_key_entry(bytes, w->mailbox_id, folder_id, first_uid_from(w, f, before_id));
    key = (MDB_val){ at.len, bytes };
    rc = mdb_cursor_get(f->cursor, &key, &data, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return mt_from_mdb(rc);
    return step_back(w, f, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
}

static int
mailbox_walk_begin(struct mailbox_walk *w, uint64_t before_id)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_folder(bytes, w->mailbox_id, 0);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    int           rc = mdb_cursor_open(w->view->txn, db_table(w->view->db, TABLE_FOLDER), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == MDB_SUCCESS && key.mv_size == 8 && get_u32(key.mv_data) == w->mailbox_id && w->count < DB_FOLDERS_MAX) {
        int begun = folder_walk_begin(w, get_u32((char *)key.mv_data + 4), before_id);

        if (begun != MT_OK) {
            mdb_cursor_close(cursor);
            return begun;
        }
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

static struct folder_walk *
newest(struct mailbox_walk *w)
{
    struct folder_walk *best = NULL;

    for (unsigned i = 0; i < w->count; i++)
        if (w->folders[i].message_id != 0 && (best == NULL || w->folders[i].message_id > best->message_id))
            best = &w->folders[i];
    return best;
}

int
db_messages(const struct db_view *v, uint32_t mailbox_id, uint64_t before_id, db_message_fn *fn, void *arg)
{
    struct mailbox_walk w = { .view = v, .mailbox_id = mailbox_id };
    struct folder_walk *f;
    bool                damaged = false;
    bool                more = true;
    int                 rc = mailbox_walk_begin(&w, before_id);

    while (rc == MT_OK && more && (f = newest(&w)) != NULL) {
        struct message_record m;
        uint64_t              id = f->message_id;
        int                   found = db_message(v, id, &m);

        if (found == MT_OK && m.mailbox_id == mailbox_id) {
            more = fn(arg, id, &m);
        } else {
            log_error("event=message-damaged message=%llu reason=\"%s\"", (unsigned long long)id, mt_strerror(found));
            damaged = true;
        }
        rc = step_back(&w, f, MDB_PREV);
    }
    for (unsigned i = 0; i < w.count; i++)
        mdb_cursor_close(w.folders[i].cursor);
    return rc == MT_OK && damaged ? MT_EDAMAGED : rc;
}
