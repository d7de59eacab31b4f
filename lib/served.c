#include "lib/served.h"

#include "lib/error.h"

#include <assert.h>

enum { LISTENER_BYTES_MAX = 1 + 4 + SERVED_ADDRESS_BYTES, WINDOW_SHARE = 10 };

static const char *const names[SERVED_STATE_LIMIT] = {
    [SERVED_SERVING] = "serving", [SERVED_FULL] = "full", [SERVED_NO_LISTENER] = "no-listener",
};

const char *
served_state_name(enum served_state state)
{
    assert(state > 0 && state < SERVED_STATE_LIMIT);
    return names[state];
}

void
served_listener_write(struct buf *b, const struct served_listener *l)
{
    write_u8(b, (uint8_t)l->kind);
    write_bytes(b, l->address);
}

bool
served_listener_next(struct reader *r, struct served_listener *out)
{
    uint8_t kind;

    if (r->faulty || r->rest.len == 0)
        return false;
    read_u8(r, &kind);
    read_bytes(r, &out->address, SERVED_ADDRESS_BYTES);
    if (kind >= LISTEN_COUNT)
        read_fail(r);
    out->kind = (enum listener)kind;
    return read_ok(r);
}

void
served_record_write(struct buf *b, const struct served_record *s)
{
    size_t at = record_begin(b);

    write_u8(b, (uint8_t)s->state);
    write_u64(b, s->until_us);
    write_bytes(b, s->listeners);
    record_end(b, at);
}

int
served_record_read(struct slice bytes, struct served_record *out)
{
    struct served_listener l;
    struct reader          r, list;
    uint8_t                state;
    int                    rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    *out = (struct served_record){ 0 };
    read_u8(&r, &state);
    if (state == 0 || state >= SERVED_STATE_LIMIT)
        read_fail(&r);
    out->state = (enum served_state)state;
    read_u64(&r, &out->until_us);
    read_bytes(&r, &out->listeners, SERVED_LISTENERS_MAX * LISTENER_BYTES_MAX);
    reader_init(&list, out->listeners);
    while (served_listener_next(&list, &l))
        ;
    if (!read_end(&list))
        read_fail(&r);
    return record_close(&r);
}

/* How much of the row's span lies between from_us and to_us and was served. */
static uint64_t
served_part(MDB_val key, MDB_val data, uint64_t from_us, uint64_t to_us)
{
    struct served_record s;
    uint64_t             begin_us, end_us;

    if (key.mv_size != 8 || served_record_read(slice_make(data.mv_data, data.mv_size), &s) != MT_OK || s.state != SERVED_SERVING)
        return 0;
    begin_us = get_u64(key.mv_data);
    begin_us = begin_us > from_us ? begin_us : from_us;
    end_us = s.until_us < to_us ? s.until_us : to_us;
    return end_us > begin_us ? end_us - begin_us : 0;
}

int
served_refused_us(const struct db_view *v, uint64_t from_us, uint64_t to_us, uint64_t *out)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_u64(bytes, from_us);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    uint64_t      served_us = 0;
    int           rc = mdb_cursor_open(v->txn, db_table(v->db, TABLE_SERVED), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    /* The row before the window may reach into it. */
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &key, &data, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    while (rc == MDB_SUCCESS && (key.mv_size != 8 || get_u64(key.mv_data) < to_us)) {
        served_us += served_part(key, data, from_us, to_us);
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return mt_from_mdb(rc);
    *out = to_us > from_us + served_us ? to_us - from_us - served_us : 0;
    return MT_OK;
}

bool
served_is_cause(uint64_t refused_us, uint64_t window_us)
{
    return refused_us != 0 && (refused_us >= SERVED_REFUSED_US || refused_us >= window_us / WINDOW_SHARE);
}
