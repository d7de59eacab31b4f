#include "lookup/source.h"

#include "lib/answer.h"
#include "lib/answer_event.h"
#include "lib/error.h"

/* ---- What they tell -------------------------------------------------------------------------------------------------- */

static int
read_message(struct slice record, struct source_item *out)
{
    int rc = message_record_read(record, &out->message);

    out->mailbox_id = rc == MT_OK ? out->message.mailbox_id : 0;
    out->kind = UINT32_MAX;
    return rc;
}

static int
write_message(const struct db_view *view, const struct source_item *item, struct buf *out)
{
    struct mailbox_record mailbox;
    struct emit           j;
    int                   rc = db_mailbox_by_id(view, item->mailbox_id, &mailbox);

    if (rc != MT_OK)
        return rc;
    buf_printf(out, "id: %llu\nevent: arrival\ndata: ", (unsigned long long)item->id);
    emit_init(&j, out);
    answer_message_summary(&j, NULL, item->id, mailbox.name, db_folder_name(view, item->mailbox_id, item->message.folder_id), &item->message);
    buf_append_string(out, "\n\n");
    return out->fault;
}

static int
read_event(struct slice record, struct source_item *out)
{
    int rc = event_record_read(record, &out->event);

    out->mailbox_id = rc == MT_OK ? out->event.mailbox_id : 0;
    out->kind = rc == MT_OK ? 1u << out->event.kind : 0;
    return rc;
}

static int
write_event(const struct db_view *view, const struct source_item *item, struct buf *out)
{
    struct emit j;

    (void)view;
    buf_printf(out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)item->id, event_name(item->event.kind));
    emit_init(&j, out);
    answer_event(&j, NULL, item->id, &item->event);
    buf_append_string(out, "\n\n");
    return out->fault;
}

const struct source source_arrivals = { .table = TABLE_MESSAGE, .read = read_message, .write = write_message };
const struct source source_events = { .table = TABLE_EVENT, .tells_gaps = true, .read = read_event, .write = write_event };

/* ---- Their tables ------------------------------------------------------------------------------------------------------ */

static int
edge(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *id)
{
    MDB_val key, data;
    int     rc = mdb_cursor_get(cursor, &key, &data, op);

    *id = rc == MDB_SUCCESS ? get_u64(key.mv_data) : 0;
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

int
source_range(const struct source *source, const struct db_view *view, uint64_t *oldest, uint64_t *newest)
{
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(view->txn, db_table(view->db, source->table), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    rc = edge(cursor, MDB_FIRST, oldest);
    if (rc == MDB_SUCCESS)
        rc = edge(cursor, MDB_LAST, newest);
    mdb_cursor_close(cursor);
    return rc == MDB_SUCCESS ? MT_OK : mt_from_mdb(rc);
}

bool
source_resume(uint64_t asked, uint64_t oldest, uint64_t newest, uint64_t *last_id)
{
    bool ahead = newest != 0 && asked > newest;

    *last_id = ahead ? newest : asked;
    return ahead || (asked != 0 && asked + 1 < oldest);
}

/* From where the cursor stands (rc is what brought it there) in steps of op. */
static int
walk(const struct source *source, MDB_cursor *cursor, int rc, MDB_val *key, MDB_val *data, MDB_cursor_op op, source_step_fn *step,
     void *arg, bool *end)
{
    struct source_item item;
    bool               more = true;

    while (rc == MDB_SUCCESS && more) {
        item.id = get_u64(key->mv_data);
        if (source->read(slice_make(data->mv_data, data->mv_size), &item) == MT_OK)
            more = step(arg, &item);
        if (more)
            rc = mdb_cursor_get(cursor, key, data, op);
    }
    *end = rc == MDB_NOTFOUND;
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

int
source_walk(const struct source *source, const struct db_view *view, uint64_t after, source_step_fn *step, void *arg, bool *end)
{
    unsigned char first[DB_KEY_MAX];
    struct slice  from = db_key_u64(first, after + 1);
    MDB_val       key = { from.len, first }, data;
    MDB_cursor   *cursor;
    int           rc = mdb_cursor_open(view->txn, db_table(view->db, source->table), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    rc = walk(source, cursor, rc, &key, &data, MDB_NEXT, step, arg, end);
    mdb_cursor_close(cursor);
    return rc;
}

int
source_walk_back(const struct source *source, const struct db_view *view, uint64_t before, source_step_fn *step, void *arg, bool *end)
{
    unsigned char last[DB_KEY_MAX];
    struct slice  from = db_key_u64(last, before);
    MDB_val       key = { from.len, last }, data;
    MDB_cursor   *cursor;
    int           rc = mdb_cursor_open(view->txn, db_table(view->db, source->table), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    /* On the first that is not below it, or behind all; the one in front of that is wanted. */
    if (before == 0 || mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &key, &data, MDB_LAST);
    else
        rc = mdb_cursor_get(cursor, &key, &data, MDB_PREV);
    rc = walk(source, cursor, rc, &key, &data, MDB_PREV, step, arg, end);
    mdb_cursor_close(cursor);
    return rc;
}
