#include "store/journal.h"

#include "lib/answer.h"
#include "lib/error.h"
#include "lib/log.h"
#include "store/post.h"

#include <sodium.h>

static void
tell(struct tx *tx, uint64_t id, const struct event_record *e)
{
    struct change change = { .kind = CHANGE_EVENT, .event_id = id, .message_id = e->message_id, .mailbox_id = e->mailbox_id,
                             .has_token = e->has_token, .token = e->token };

    slice_copy(change.mailbox, sizeof(change.mailbox), e->mailbox);
    tx_change(tx, &change);
}

static uint64_t
put(struct tx *tx, const struct event_record *e)
{
    unsigned char key[DB_KEY_MAX];
    uint64_t      id = tx_next_event_id(tx);
    struct buf   *b = tx_scratch(tx);

    tx_counts(tx)->events++;
    event_record_write(b, e);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_EVENT, db_key_u64(key, id), buf_slice(b), MDB_APPEND);
    tell(tx, id, e);
    return id;
}

/* At most EVENT_DETAIL_BYTES of it, up to the end of a UTF-8 character. */
static struct slice
cut(struct slice s)
{
    size_t len = EVENT_DETAIL_BYTES;

    if (s.len <= len)
        return s;
    while (len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80)
        len--;
    return slice_sub(s, 0, len);
}

static bool
is_wanted(const struct webhook_record *w, const struct event_record *e)
{
    return (w->mailbox_id == 0 || w->mailbox_id == e->mailbox_id) && (w->kinds & 1u << e->kind) != 0;
}

/* The ids of the webhooks that want it: WEBHOOKS_MAX bounds them. */
static unsigned
webhooks_for(struct tx *tx, const struct event_record *e, uint32_t ids[WEBHOOKS_MAX])
{
    struct webhook_record w;
    MDB_cursor           *cursor = tx_cursor(tx, TABLE_WEBHOOK);
    MDB_val               key, data;
    unsigned              count = 0;

    if (cursor == NULL)
        return 0;
    while (count < WEBHOOKS_MAX && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS) {
        int rc = key.mv_size == 4 ? webhook_record_read(slice_make(data.mv_data, data.mv_size), &w) : MT_EDAMAGED;

        if (rc != MT_OK)
            log_error("event=store-damaged table=webhook reason=\"%s\" hint=\"mailtestctl verify\"", mt_strerror(rc));
        else if (is_wanted(&w, e))
            ids[count++] = get_u32(key.mv_data);
        sodium_memzero(w.secret, sizeof(w.secret));
    }
    mdb_cursor_close(cursor);
    return count;
}

void
journal_add(struct tx *tx, const struct tx_mailbox *m, const struct event_record *e)
{
    struct event_record own = *e;
    uint32_t            ids[WEBHOOKS_MAX];
    unsigned            count;
    uint64_t            id;

    own.at_us = tx_now_us(tx);
    own.mailbox_id = m == NULL ? 0 : m->record.id;
    own.mailbox = slice_of(m == NULL ? NULL : m->name);
    own.detail = cut(own.detail);
    id = put(tx, &own);
    count = webhooks_for(tx, &own, ids);
    for (unsigned i = 0; i < count; i++)
        post_add(tx, ids[i], id);
}

uint64_t
journal_add_test(struct tx *tx, uint32_t webhook_id)
{
    const struct event_record e = { .kind = EVENT_TEST, .at_us = tx_now_us(tx), .detail = slice_of("A test, asked for by the operator.") };
    uint64_t                  id = put(tx, &e);

    post_add(tx, webhook_id, id);
    return id;
}

/* ---- Expiry ---- */

/* The oldest event if it is from before then; one that is damaged counts as old. 0: none. */
static uint64_t
first_due(const struct db_view *v, uint64_t before_us)
{
    struct event_record e;
    MDB_val             key, data;
    MDB_cursor         *cursor;
    uint64_t            id = 0;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_EVENT), &cursor) != MDB_SUCCESS)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, MDB_FIRST) == MDB_SUCCESS && key.mv_size == 8 &&
        (event_record_read(slice_make(data.mv_data, data.mv_size), &e) != MT_OK || e.at_us < before_us))
        id = get_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return id;
}

bool
journal_is_due(const struct db_view *v, uint64_t before_us)
{
    return first_due(v, before_us) != 0;
}

static void
remove_posts(struct tx *tx, uint64_t event_id)
{
    uint32_t    ids[WEBHOOKS_MAX];
    MDB_cursor *cursor = tx_cursor(tx, TABLE_WEBHOOK);
    MDB_val     key, data;
    unsigned    count = 0;

    if (cursor == NULL)
        return;
    while (count < WEBHOOKS_MAX && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS)
        if (key.mv_size == 4)
            ids[count++] = get_u32(key.mv_data);
    mdb_cursor_close(cursor);
    for (unsigned i = 0; i < count; i++)
        post_remove(tx, ids[i], event_id);
}

unsigned
journal_expire(struct tx *tx, uint64_t before_us, unsigned max)
{
    unsigned char key[DB_KEY_MAX];
    unsigned      count = 0;
    uint64_t      id;

    while (count < max && tx_fault(tx) == MT_OK && (id = first_due(tx_view(tx), before_us)) != 0) {
        remove_posts(tx, id);
        tx_delete(tx, TABLE_EVENT, db_key_u64(key, id));
        count++;
    }
    return count;
}
