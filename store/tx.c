/* tx - see tx.h. Knows tables and records, nothing of messages or requests. */

#include "store/tx.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

struct tx {
    struct db_view      view;
    MDB_txn            *txn;
    uint64_t            now_us;
    int                 fault;
    struct buf          scratch;
    uint64_t            next_message_id;    /* 0: not read yet */
    uint32_t            next_mailbox_id;
    uint32_t            next_api_key_id;
    uint64_t            next_event_id;
    uint32_t            next_webhook_id;
    uint32_t            next_agent_id;
    uint32_t            next_check_id;
    struct tx_mailbox  *first, **last;
    struct tx_mailbox **slots;              /* by id, linear probing; a power of two, at most half full */
    size_t              slot_count;
    size_t              mailbox_count;
    struct change      *changes;
    size_t              change_count, change_room;
    struct tx_counts    counts;
};

int
tx_begin(struct db *db, uint64_t now_us, struct tx **out)
{
    struct tx *tx = calloc(1, sizeof(*tx));
    int        rc;

    if (tx == NULL)
        return MT_ENOMEM;
    buf_init(&tx->scratch, RECORD_BYTES_MAX);
    tx->now_us = now_us;
    tx->last = &tx->first;
    rc = mdb_txn_begin(db_env(db), NULL, 0, &tx->txn);
    if (rc != MDB_SUCCESS) {
        log_error("event=transaction-failed step=begin reason=\"%s\"", mdb_strerror(rc));
        free(tx);
        return mt_from_mdb(rc);
    }
    tx->view = (struct db_view){ .db = db, .txn = tx->txn };
    *out = tx;
    return MT_OK;
}

static void
free_mailbox(struct tx_mailbox *m)
{
    while (m->folders != NULL) {
        struct tx_folder *f = m->folders;

        m->folders = f->next;
        free((void *)(uintptr_t)f->record.name.data);
        buf_fini(&f->keywords);
        free(f);
    }
    free(m);
}

void
tx_free(struct tx *tx)
{
    if (tx == NULL)
        return;
    if (tx->txn != NULL)
        mdb_txn_abort(tx->txn);
    while (tx->first != NULL) {
        struct tx_mailbox *m = tx->first;

        tx->first = m->next;
        free_mailbox(m);
    }
    free(tx->slots);
    free(tx->changes);
    buf_fini(&tx->scratch);
    free(tx);
}

int
tx_fault(const struct tx *tx)
{
    return tx->fault;
}

void
tx_fail(struct tx *tx, int rc)
{
    if (tx->fault == MT_OK)
        tx->fault = rc;
}

uint64_t
tx_now_us(const struct tx *tx)
{
    return tx->now_us;
}

const struct db_view *
tx_view(const struct tx *tx)
{
    return &tx->view;
}

struct buf *
tx_scratch(struct tx *tx)
{
    buf_clear(&tx->scratch);
    return &tx->scratch;
}

struct tx_counts *
tx_counts(struct tx *tx)
{
    return &tx->counts;
}

static void
fail_mdb(struct tx *tx, const char *step, enum table table, int rc)
{
    log_error("event=transaction-failed step=%s table=%s reason=\"%s\"", step, db_table_name(table), mdb_strerror(rc));
    tx_fail(tx, rc == MDB_KEYEXIST ? MT_EDAMAGED : mt_from_mdb(rc));
}

void
tx_put(struct tx *tx, enum table table, struct slice key, struct slice value, unsigned flags)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data };
    MDB_val v = { value.len, (void *)(uintptr_t)value.data };
    int     rc;

    if (tx->fault != MT_OK)
        return;
    rc = mdb_put(tx->txn, db_table(tx->view.db, table), &k, &v, flags);
    if (rc != MDB_SUCCESS)
        fail_mdb(tx, "put", table, rc);
}

bool
tx_delete(struct tx *tx, enum table table, struct slice key)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data };
    int     rc;

    if (tx->fault != MT_OK)
        return false;
    rc = mdb_del(tx->txn, db_table(tx->view.db, table), &k, NULL);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        fail_mdb(tx, "delete", table, rc);
    return rc == MDB_SUCCESS;
}

MDB_cursor *
tx_cursor(struct tx *tx, enum table table)
{
    MDB_cursor *cursor = NULL;
    int         rc;

    if (tx->fault != MT_OK)
        return NULL;
    rc = mdb_cursor_open(tx->txn, db_table(tx->view.db, table), &cursor);
    if (rc != MDB_SUCCESS)
        fail_mdb(tx, "cursor", table, rc);
    return rc == MDB_SUCCESS ? cursor : NULL;
}

/* A counter of the meta table, or 0 and a fault. */
static uint64_t
read_counter(struct tx *tx, const char *name, size_t len)
{
    struct slice value;
    int          rc = tx->fault != MT_OK ? tx->fault : db_get(&tx->view, TABLE_META, slice_of(name), &value);
    uint64_t     n = 0;

    if (rc == MT_OK && value.len == len)
        n = len == 8 ? get_u64(value.data) : get_u32(value.data);
    if (n == 0) {
        log_error("event=store-damaged table=meta key=%s reason=\"not readable\"", name);
        tx_fail(tx, MT_EDAMAGED);
    }
    return n;
}

uint64_t
tx_next_message_id(struct tx *tx)
{
    if (tx->next_message_id == 0)
        tx->next_message_id = read_counter(tx, DB_META_NEXT_MESSAGE, 8);
    return tx->next_message_id++;
}

uint32_t
tx_next_mailbox_id(struct tx *tx)
{
    if (tx->next_mailbox_id == 0)
        tx->next_mailbox_id = (uint32_t)read_counter(tx, DB_META_NEXT_MAILBOX, 4);
    return tx->next_mailbox_id++;
}

uint32_t
tx_next_api_key_id(struct tx *tx)
{
    if (tx->next_api_key_id == 0)
        tx->next_api_key_id = (uint32_t)read_counter(tx, DB_META_NEXT_API_KEY, 4);
    return tx->next_api_key_id++;
}

uint64_t
tx_next_event_id(struct tx *tx)
{
    if (tx->next_event_id == 0)
        tx->next_event_id = read_counter(tx, DB_META_NEXT_EVENT, 8);
    return tx->next_event_id++;
}

uint32_t
tx_next_webhook_id(struct tx *tx)
{
    if (tx->next_webhook_id == 0)
        tx->next_webhook_id = (uint32_t)read_counter(tx, DB_META_NEXT_WEBHOOK, 4);
    return tx->next_webhook_id++;
}

uint32_t
tx_next_agent_id(struct tx *tx)
{
    if (tx->next_agent_id == 0)
        tx->next_agent_id = (uint32_t)read_counter(tx, DB_META_NEXT_AGENT, 4);
    return tx->next_agent_id++;
}

uint32_t
tx_next_check_id(struct tx *tx)
{
    if (tx->next_check_id == 0)
        tx->next_check_id = (uint32_t)read_counter(tx, DB_META_NEXT_CHECK, 4);
    return tx->next_check_id++;
}

static size_t
slot_of(const struct tx *tx, uint32_t id)
{
    size_t i = (id * 2654435761u) & (tx->slot_count - 1);

    while (tx->slots[i] != NULL && tx->slots[i]->record.id != id)
        i = (i + 1) & (tx->slot_count - 1);
    return i;
}

static struct tx_mailbox *
find_mailbox(const struct tx *tx, uint32_t id)
{
    return tx->slot_count == 0 ? NULL : tx->slots[slot_of(tx, id)];
}

static int
grow_slots(struct tx *tx)
{
    size_t              count = tx->slot_count == 0 ? FIRST_SLOTS : tx->slot_count * 2;
    struct tx_mailbox **slots;

    if (tx->mailbox_count * 2 < tx->slot_count)
        return MT_OK;
    slots = calloc(count, sizeof(struct tx_mailbox *));
    if (slots == NULL)
        return MT_ENOMEM;
    free(tx->slots);
    tx->slots = slots;
    tx->slot_count = count;
    for (struct tx_mailbox *m = tx->first; m != NULL; m = m->next)
        slots[slot_of(tx, m->record.id)] = m;
    return MT_OK;
}

static int
keep_mailbox(struct tx *tx, const struct mailbox_record *record, struct tx_mailbox **out)
{
    struct tx_mailbox *m;

    if (grow_slots(tx) != MT_OK || (m = calloc(1, sizeof(*m))) == NULL) {
        tx_fail(tx, MT_ENOMEM);
        return MT_ENOMEM;
    }
    m->record = *record;
    slice_copy(m->name, sizeof(m->name), record->name);
    slice_copy(m->domain, sizeof(m->domain), record->domain);
    m->record.name = slice_of(m->name);
    m->record.domain = slice_of(m->domain);
    tx->slots[slot_of(tx, record->id)] = m;
    tx->mailbox_count++;
    *tx->last = m;
    tx->last = &m->next;
    *out = m;
    return MT_OK;
}

int
tx_mailbox(struct tx *tx, uint32_t id, struct tx_mailbox **out)
{
    struct tx_mailbox    *m = find_mailbox(tx, id);
    struct mailbox_record record;
    int                   rc;

    if (tx->fault != MT_OK)
        return tx->fault;
    if (m != NULL && m->removed)
        return MT_ENOTFOUND;
    if (m != NULL) {
        *out = m;
        return MT_OK;
    }
    rc = db_mailbox_by_id(&tx->view, id, &record);
    if (rc == MT_OK && record.id != id)
        rc = MT_EDAMAGED;
    if (rc == MT_OK)
        return keep_mailbox(tx, &record, out);
    if (rc != MT_ENOTFOUND)
        log_error("event=store-damaged table=mailbox id=%u reason=\"%s\"", id, mt_strerror(rc));
    return rc;
}

int
tx_mailbox_add(struct tx *tx, const struct mailbox_record *record, struct tx_mailbox **out)
{
    int rc;

    assert(find_mailbox(tx, record->id) == NULL);
    rc = keep_mailbox(tx, record, out);
    if (rc == MT_OK)
        (*out)->dirty = true;
    return rc;
}

static int
keep_folder(struct tx *tx, struct tx_mailbox *m, const struct folder_record *record, struct tx_folder **out)
{
    struct tx_folder *f = calloc(1, sizeof(*f));
    char             *name = f == NULL ? NULL : malloc(record->name.len + 1);

    if (name == NULL) {
        free(f);
        tx_fail(tx, MT_ENOMEM);
        return MT_ENOMEM;
    }
    slice_copy(name, record->name.len + 1, record->name);
    f->record = *record;
    f->record.name = slice_make(name, record->name.len);
    buf_init(&f->keywords, FOLDER_KEYWORDS_BYTES);
    if (buf_append_slice(&f->keywords, record->keywords) != MT_OK)
        tx_fail(tx, f->keywords.fault);
    f->record.keywords = buf_slice(&f->keywords);
    f->next = m->folders;
    m->folders = f;
    *out = f;
    return MT_OK;
}

int
tx_folder(struct tx *tx, struct tx_mailbox *m, uint32_t folder_id, struct tx_folder **out)
{
    struct folder_record record;
    int                  rc;

    if (tx->fault != MT_OK)
        return tx->fault;
    for (struct tx_folder *f = m->folders; f != NULL; f = f->next)
        if (f->record.id == folder_id && f->removed) {
            return MT_ENOTFOUND;
        } else if (f->record.id == folder_id) {
            *out = f;
            return MT_OK;
        }
    rc = db_folder(&tx->view, m->record.id, folder_id, &record);
    if (rc == MT_OK && (record.mailbox_id != m->record.id || record.id != folder_id))
        rc = MT_EDAMAGED;
    if (rc == MT_OK)
        return keep_folder(tx, m, &record, out);
    if (rc != MT_ENOTFOUND)
        log_error("event=store-damaged table=folder mailbox=%s folder=%u reason=\"%s\"", m->name, folder_id, mt_strerror(rc));
    return rc;
}

int
tx_folder_add(struct tx *tx, struct tx_mailbox *m, const struct folder_record *record, struct tx_folder **out)
{
    int rc = keep_folder(tx, m, record, out);

    if (rc == MT_OK)
        (*out)->dirty = true;
    return rc;
}

int
tx_folder_rename(struct tx *tx, struct tx_folder *f, struct slice name)
{
    char *copy = malloc(name.len + 1);

    if (copy == NULL) {
        tx_fail(tx, MT_ENOMEM);
        return MT_ENOMEM;
    }
    slice_copy(copy, name.len + 1, name);
    free((void *)(uintptr_t)f->record.name.data);
    f->record.name = slice_make(copy, name.len);
    f->dirty = true;
    return MT_OK;
}

void
tx_folder_add_keywords(struct tx *tx, struct tx_folder *f, struct slice words)
{
    while (words.len > 0) {
        struct slice word = slice_sub(words, 0, slice_find(words, ' '));

        words = slice_sub(words, word.len + 1, words.len);
        if (word.len == 0 || f->keywords.len + 1 + word.len > FOLDER_KEYWORDS_BYTES || entry_has_keyword(buf_slice(&f->keywords), word))
            continue;
        if (f->keywords.len > 0)
            buf_append_byte(&f->keywords, ' ');
        buf_append_slice(&f->keywords, word);
        f->dirty = true;
    }
    if (f->keywords.fault != MT_OK)
        tx_fail(tx, f->keywords.fault);
    f->record.keywords = buf_slice(&f->keywords);
}

void
tx_folder_clear_keywords(struct tx_folder *f)
{
    buf_clear(&f->keywords);
    f->record.keywords = buf_slice(&f->keywords);
}

const struct tx_mailbox *
tx_first_mailbox(const struct tx *tx)
{
    return tx->first;
}

void
tx_change(struct tx *tx, const struct change *change)
{
    if (tx->change_count == tx->change_room) {
        size_t         room = tx->change_room == 0 ? FIRST_SLOTS : tx->change_room * 2;
        struct change *changes = realloc(tx->changes, room * sizeof(*changes));

        if (changes == NULL) {
            tx_fail(tx, MT_ENOMEM);
            return;
        }
        tx->changes = changes;
        tx->change_room = room;
    }
    tx->changes[tx->change_count++] = *change;
}

struct change *
tx_changes(struct tx *tx, size_t *count)
{
    *count = tx->change_count;
    return tx->changes;
}

static void
write_mailbox(struct tx *tx, const struct tx_mailbox *m)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  id = db_key_u32(key, m->record.id);
    struct buf   *b;

    for (const struct tx_folder *f = m->folders; f != NULL; f = f->next) {
        unsigned char folder_key[DB_KEY_MAX];

        if (f->removed || !f->dirty)
            continue;
        b = tx_scratch(tx);
        folder_record_write(b, &f->record);
        tx_put(tx, TABLE_FOLDER, db_key_folder(folder_key, m->record.id, f->record.id), buf_slice(b), 0);
    }
    if (m->removed || !m->dirty)
        return;
    b = tx_scratch(tx);
    mailbox_record_write(b, &m->record);
    tx_put(tx, TABLE_MAILBOX, id, buf_slice(b), 0);
}

static void
write_counter(struct tx *tx, const char *name, uint64_t value, size_t len)
{
    unsigned char bytes[8];

    if (value == 0)
        return;
    if (len == 8)
        put_u64(bytes, value);
    else
        put_u32(bytes, (uint32_t)value);
    tx_put(tx, TABLE_META, slice_of(name), slice_make(bytes, len), 0);
}

int
tx_commit(struct tx *tx, bool *file_failed)
{
    int rc;

    *file_failed = false;
    for (const struct tx_mailbox *m = tx->first; m != NULL; m = m->next)
        write_mailbox(tx, m);
    write_counter(tx, DB_META_NEXT_MESSAGE, tx->next_message_id, 8);
    write_counter(tx, DB_META_NEXT_MAILBOX, tx->next_mailbox_id, 4);
    write_counter(tx, DB_META_NEXT_API_KEY, tx->next_api_key_id, 4);
    write_counter(tx, DB_META_NEXT_EVENT, tx->next_event_id, 8);
    write_counter(tx, DB_META_NEXT_WEBHOOK, tx->next_webhook_id, 4);
    write_counter(tx, DB_META_NEXT_AGENT, tx->next_agent_id, 4);
    write_counter(tx, DB_META_NEXT_CHECK, tx->next_check_id, 4);
    if (tx->fault != MT_OK)
        return tx->fault;
    rc = mdb_txn_commit(tx->txn);
    tx->txn = NULL;
    if (rc == MDB_SUCCESS)
        return MT_OK;
    log_error("event=transaction-failed step=commit reason=\"%s\"", mdb_strerror(rc));
    /* LMDB's own codes say that the transaction did not fit; what comes from the kernel came from writing or syncing the file. */
    *file_failed = rc > 0 || rc == MDB_PANIC;
    tx_fail(tx, mt_from_mdb(rc));
    return tx->fault;
}
