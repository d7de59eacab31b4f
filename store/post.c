#include "store/post.h"

#include "lib/error.h"
#include "lib/log.h"

#include <sodium.h>

static void
put(struct tx *tx, uint32_t webhook_id, uint64_t event_id, const struct post_record *p)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    post_record_write(b, p);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_POST, db_key_post(key, webhook_id, event_id), buf_slice(b), 0);
    if (p->due_us != 0)
        tx_put(tx, TABLE_POST_DUE, db_key_post_due(key, webhook_id, p->due_us, event_id), slice_make("", 0), 0);
}

static void
remove_due(struct tx *tx, uint32_t webhook_id, uint64_t event_id, uint64_t due_us)
{
    unsigned char key[DB_KEY_MAX];

    if (due_us != 0)
        tx_delete(tx, TABLE_POST_DUE, db_key_post_due(key, webhook_id, due_us, event_id));
}

void
post_add(struct tx *tx, uint32_t webhook_id, uint64_t event_id)
{
    put(tx, webhook_id, event_id, &(struct post_record){ .first_us = tx_now_us(tx), .due_us = tx_now_us(tx) });
}

/* A record that is damaged is logged and counts as one that is dead. */
static int
load(struct tx *tx, uint32_t webhook_id, uint64_t event_id, struct post_record *out)
{
    int rc = tx_fault(tx) != MT_OK ? tx_fault(tx) : db_post(tx_view(tx), webhook_id, event_id, out);

    if (rc != MT_EDAMAGED && rc != MT_EVERSION)
        return rc;
    log_error("event=store-damaged table=post webhook=%u id=%llu reason=\"%s\"", webhook_id, (unsigned long long)event_id, mt_strerror(rc));
    *out = (struct post_record){ 0 };
    return MT_OK;
}

bool
post_remove(struct tx *tx, uint32_t webhook_id, uint64_t event_id)
{
    struct post_record p;
    unsigned char      key[DB_KEY_MAX];

    if (load(tx, webhook_id, event_id, &p) != MT_OK)
        return false;
    remove_due(tx, webhook_id, event_id, p.due_us);
    return tx_delete(tx, TABLE_POST, db_key_post(key, webhook_id, event_id));
}

uint64_t
post_next_us(uint64_t first_us, uint64_t now_us, uint32_t attempts)
{
    uint64_t last_us = first_us + POST_TRIED_US, gap_us = POST_GAP_FIRST_US;

    if (now_us >= last_us)
        return 0;
    for (uint32_t i = 1; i < attempts && gap_us < POST_GAP_MAX_US; i++)
        gap_us *= 2;
    gap_us = gap_us < POST_GAP_MAX_US ? gap_us : POST_GAP_MAX_US;
    gap_us += (uint64_t)randombytes_uniform((uint32_t)(gap_us / POST_GAP_JITTER / 1000)) * 1000;
    return now_us + gap_us < last_us ? now_us + gap_us : last_us;
}

int
post_done(struct tx *tx, uint32_t webhook_id, uint64_t event_id, const struct post_result *result, bool *dead)
{
    struct post_record p;
    int                rc = load(tx, webhook_id, event_id, &p);

    *dead = false;
    if (rc != MT_OK)
        return rc;
    if (result->taken) {
        post_remove(tx, webhook_id, event_id);
        return tx_fault(tx);
    }
    remove_due(tx, webhook_id, event_id, p.due_us);
    p.attempts++;
    p.http_status = result->http_status;
    p.error = slice_sub(result->error, 0, WEBHOOK_ERROR_BYTES);
    p.due_us = result->final ? 0 : post_next_us(p.first_us, tx_now_us(tx), p.attempts);
    *dead = p.due_us == 0;
    put(tx, webhook_id, event_id, &p);
    return tx_fault(tx);
}

/* ---- By hand ---- */

static bool
retry_one(struct tx *tx, uint32_t webhook_id, uint64_t event_id, bool dead_only)
{
    char               error[WEBHOOK_ERROR_BYTES + 1];
    struct post_record p;

    if (load(tx, webhook_id, event_id, &p) != MT_OK || (dead_only && p.due_us != 0))
        return false;
    slice_copy(error, sizeof(error), p.error);      /* it ends with the next write */
    remove_due(tx, webhook_id, event_id, p.due_us);
    p.error = slice_of(error);
    p.due_us = tx_now_us(tx);
    put(tx, webhook_id, event_id, &p);
    return tx_fault(tx) == MT_OK;
}

/* The first row of a table that begins with the webhook's id, from the key on. */
static bool
seek(const struct db_view *v, enum table table, struct slice from, uint32_t webhook_id, unsigned char found[DB_KEY_MAX], size_t key_bytes)
{
    MDB_val     key = { from.len, (void *)(uintptr_t)from.data };
    MDB_val     data;
    MDB_cursor *cursor;
    bool        is;

    if (mdb_cursor_open(v->txn, db_table(v->db, table), &cursor) != MDB_SUCCESS)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == key_bytes && get_u32(key.mv_data) == webhook_id;
    if (is)
        memcpy(found, key.mv_data, key_bytes);
    mdb_cursor_close(cursor);
    return is;
}

static bool
seek_post(const struct db_view *v, uint32_t webhook_id, uint64_t from_event, uint64_t *event_id)
{
    unsigned char key[DB_KEY_MAX], found[DB_KEY_MAX];

    if (!seek(v, TABLE_POST, db_key_post(key, webhook_id, from_event), webhook_id, found, 12))
        return false;
    *event_id = get_u64(found + 4);
    return true;
}

unsigned
post_retry(struct tx *tx, uint32_t webhook_id, uint64_t event_id)
{
    unsigned count = 0;

    if (event_id != 0)
        return retry_one(tx, webhook_id, event_id, false);
    for (; count < POST_RETRY_MAX && tx_fault(tx) == MT_OK && seek_post(tx_view(tx), webhook_id, event_id, &event_id); event_id++)
        count += retry_one(tx, webhook_id, event_id, true);
    return count;
}

/* ---- Looking ---- */

bool
post_first_due(const struct db_view *v, uint32_t webhook_id, uint64_t *due_us, uint64_t *event_id)
{
    unsigned char key[DB_KEY_MAX], found[DB_KEY_MAX];

    if (!seek(v, TABLE_POST_DUE, db_key_post_due(key, webhook_id, 0, 0), webhook_id, found, 20))
        return false;
    *due_us = get_u64(found + 4);
    *event_id = get_u64(found + 12);
    return true;
}

static uint64_t
count_rows(const struct db_view *v, enum table table, uint32_t webhook_id)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_u32(bytes, webhook_id);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    uint64_t      count = 0;
    int           rc;

    if (mdb_cursor_open(v->txn, db_table(v->db, table), &cursor) != MDB_SUCCESS)
        return 0;
    for (rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE); rc == MDB_SUCCESS && key.mv_size >= 4 && get_u32(key.mv_data) == webhook_id;
         rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT))
        count++;
    mdb_cursor_close(cursor);
    return count;
}

void
post_count(const struct db_view *v, uint32_t webhook_id, uint64_t *waiting, uint64_t *dead)
{
    uint64_t all = count_rows(v, TABLE_POST, webhook_id);

    *waiting = count_rows(v, TABLE_POST_DUE, webhook_id);
    *dead = all > *waiting ? all - *waiting : 0;
}

/* ---- Webhooks that go ---- */

bool
webhook_remove(struct tx *tx, uint32_t id)
{
    unsigned char purge[sizeof(DB_META_PURGE_WEBHOOK) - 1 + 4], key[DB_KEY_MAX];

    if (!tx_delete(tx, TABLE_WEBHOOK, db_key_u32(key, id)))
        return false;
    memcpy(purge, DB_META_PURGE_WEBHOOK, sizeof(DB_META_PURGE_WEBHOOK) - 1);
    put_u32(purge + sizeof(DB_META_PURGE_WEBHOOK) - 1, id);
    tx_put(tx, TABLE_META, slice_make(purge, sizeof(purge)), slice_make("", 0), 0);
    return tx_fault(tx) == MT_OK;
}

void
webhook_remove_of(struct tx *tx, uint32_t mailbox_id)
{
    uint32_t              ids[WEBHOOKS_MAX];
    struct webhook_record w;
    MDB_cursor           *cursor = tx_cursor(tx, TABLE_WEBHOOK);
    MDB_val               key, data;
    unsigned              count = 0;

    if (cursor == NULL)
        return;
    while (count < WEBHOOKS_MAX && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS) {
        if (key.mv_size == 4 && webhook_record_read(slice_make(data.mv_data, data.mv_size), &w) == MT_OK && w.mailbox_id == mailbox_id)
            ids[count++] = get_u32(key.mv_data);
    }
    mdb_cursor_close(cursor);
    for (unsigned i = 0; i < count; i++)
        webhook_remove(tx, ids[i]);
}

unsigned
webhook_purge(struct tx *tx, uint32_t id, unsigned max)
{
    uint64_t event_id;
    unsigned count = 0;

    for (; count < max && tx_fault(tx) == MT_OK && seek_post(tx_view(tx), id, 0, &event_id); count++)
        post_remove(tx, id, event_id);
    return count;
}
