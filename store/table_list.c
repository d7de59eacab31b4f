#include "store/table_list.h"

#include "store/request.h"

#include "lib/error.h"

#include <stdlib.h>

struct table_list {
    enum table    table;
    table_row_fn *send;
    uint32_t      next_id;
    bool          damaged;
};

static int
send_row(struct peer *p, uint64_t req, const struct table_list *l, MDB_val key, MDB_val data)
{
    if (key.mv_size != sizeof(l->next_id))
        return MT_EDAMAGED;
    return l->send(peer_channel(p), req, get_u32(key.mv_data), slice_make(data.mv_data, data.mv_size));
}

static int
send_rows(struct peer *p, uint64_t req, void *state)
{
    struct table_list *l = state;
    unsigned char      bytes[DB_KEY_MAX];
    struct slice       from = db_key_u32(bytes, l->next_id);
    MDB_val            key = { from.len, bytes };
    MDB_val            data;
    MDB_cursor        *cursor;
    struct db_view     v;
    int                mdb, rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    mdb = mdb_cursor_open(v.txn, db_table(v.db, l->table), &cursor);
    if (mdb == MDB_SUCCESS) {
        mdb = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
        while (mdb == MDB_SUCCESS && (rc = send_row(p, req, l, key, data)) != MT_EFULL) {
            l->damaged = l->damaged || rc == MT_EDAMAGED;
            l->next_id = get_u32(key.mv_data) + 1;
            mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
    }
    db_view_end(&v);
    if (mdb == MDB_SUCCESS)
        return MT_EAGAIN;
    if (mdb != MDB_NOTFOUND)
        return mt_from_mdb(mdb);
    return l->damaged ? MT_EDAMAGED : MT_OK;
}

int
table_list_serve(struct peer *p, uint64_t req, enum table table, table_row_fn *send)
{
    struct table_list *l = calloc(1, sizeof(*l));

    if (l == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    l->table = table;
    l->send = send;
    return request_stream(p, req, send_rows, l);
}
