#include "store/prepare.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "store/account.h"
#include "store/convert.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

/* The last key of a table as a number of 8 octets at its front; 0: the table is empty. */
static int
last_id(struct tx *tx, enum table table, uint64_t *out)
{
    MDB_cursor *cursor = tx_cursor(tx, table);
    MDB_val     key, data;
    int         rc;

    *out = 0;
    if (cursor == NULL)
        return tx_fault(tx);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_LAST);
    if (rc == MDB_SUCCESS && key.mv_size >= 8)
        *out = get_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

/*
 * Makes a counter of the meta table lie above used, the greatest id in use; after a restore also above all that may have been given out
 * after the backup, which must not mean something else now.
 */
static int
raise_counter(struct tx *tx, const char *name, uint64_t used, bool restored)
{
    unsigned char bytes[8];
    struct slice  value;
    uint64_t      next;
    int           rc = db_get(tx_view(tx), TABLE_META, slice_of(name), &value);

    if (rc != MT_OK || value.len != sizeof(bytes))
        return rc == MT_OK || rc == MT_ENOTFOUND ? MT_EDAMAGED : rc;
    next = get_u64(value.data);
    if (used < next && !restored)
        return MT_OK;
    if (used >= next) {
        log_warning("event=store-repaired what=%s was=%llu", name, (unsigned long long)next);
        next = used + 1;
    }
    if (restored)
        next = ((next >> 32) + 1) << 32;
    put_u64(bytes, next);
    tx_put(tx, TABLE_META, slice_of(name), slice_make(bytes, sizeof(bytes)), 0);
    return tx_fault(tx);
}

static int
raise_counters(struct tx *tx, bool restored)
{
    uint64_t message, body, event;
    int      rc;

    if ((rc = last_id(tx, TABLE_MESSAGE, &message)) != MT_OK || (rc = last_id(tx, TABLE_BODY, &body)) != MT_OK ||
        (rc = last_id(tx, TABLE_EVENT, &event)) != MT_OK ||
        (rc = raise_counter(tx, DB_META_NEXT_MESSAGE, message > body ? message : body, restored)) != MT_OK)
        return rc;
    return raise_counter(tx, DB_META_NEXT_EVENT, event, restored);
}

static int
renew_uidvalidity(struct tx *tx)
{
    MDB_cursor *cursor = tx_cursor(tx, TABLE_FOLDER);
    MDB_val     key, data;
    uint32_t    now_unix = (uint32_t)(tx_now_us(tx) / 1000000);
    int         rc;

    if (cursor == NULL)
        return tx_fault(tx);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == MDB_SUCCESS) {
        struct folder_record f;
        struct buf          *b = tx_scratch(tx);

        if (folder_record_read(slice_make(data.mv_data, data.mv_size), &f) != MT_OK)
            continue;       /* verify tells of it */
        f.uidvalidity = now_unix > f.uidvalidity ? now_unix : f.uidvalidity + 1;
        folder_record_write(b, &f);
        data = (MDB_val){ b->len, b->data };
        rc = mdb_cursor_put(cursor, &key, &data, MDB_CURRENT);
        if (rc != MDB_SUCCESS)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

static int
commit(struct tx *tx, int rc)
{
    bool file_failed;

    if (rc == MT_OK)
        rc = tx_commit(tx, &file_failed);
    tx_free(tx);
    return rc;
}

int
prepare_database(struct store *s)
{
    char       path[PATH_MAX];
    bool       restored;
    struct tx *tx;
    int        rc = convert_database(s);

    if (rc != MT_OK || (rc = tx_begin(s->db, store_now_us(s), &tx)) != MT_OK)
        return rc;
    snprintf(path, sizeof(path), "%s/%s", s->db_dir, DB_RESTORED_FILE);
    restored = access(path, F_OK) == 0;
    rc = raise_counters(tx, restored);
    if (rc == MT_OK && restored)
        rc = renew_uidvalidity(tx);
    rc = commit(tx, rc);
    if (rc != MT_OK) {
        log_error("event=store-open-failed dir=%s reason=\"%s\"", s->db_dir, mt_strerror(rc));
    } else if (restored) {
        log_info("event=store-restored dir=%s", s->db_dir);
        if (unlink(path) != 0)
            log_warning("event=not-removed file=%s reason=\"%s\" effect=\"the next start takes it for a restore again\"", path, strerror(errno));
    }
    return rc;
}

/* Where it is sealed, or damaged, it stays. */
static bool
seal_webhook(const struct store *s, struct slice value, struct buf *out)
{
    struct webhook_record w;
    char                  secret[WEBHOOK_SECRET_CHARS + 1];

    if (webhook_record_read(value, &w) != MT_OK || keys_is_sealed(w.secret) || strlen(w.secret) != WEBHOOK_SECRET_CHARS)
        return false;
    memcpy(secret, w.secret, sizeof(secret));
    keys_seal(s->keys, secret, w.secret);
    sodium_memzero(secret, sizeof(secret));
    webhook_record_write(out, &w);
    return true;
}

static int
seal_webhooks(const struct store *s, struct tx *tx, unsigned *count)
{
    MDB_cursor *cursor = tx_cursor(tx, TABLE_WEBHOOK);
    MDB_val     key, data;
    int         rc;

    if (cursor == NULL)
        return tx_fault(tx);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == MDB_SUCCESS) {
        struct buf *b = tx_scratch(tx);

        if (!seal_webhook(s, slice_make(data.mv_data, data.mv_size), b))
            continue;
        data = (MDB_val){ b->len, b->data };
        if ((rc = mdb_cursor_put(cursor, &key, &data, MDB_CURRENT)) != MDB_SUCCESS)
            break;
        (*count)++;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(rc);
}

int
prepare_webhooks(struct store *s)
{
    unsigned   count = 0;
    struct tx *tx;
    int        rc = tx_begin(s->db, store_now_us(s), &tx);

    if (rc != MT_OK)
        return rc;
    rc = seal_webhooks(s, tx, &count);
    if (rc == MT_OK && count == 0) {
        tx_free(tx);
        return MT_OK;
    }
    rc = commit(tx, rc);
    if (rc != MT_OK)
        log_error("event=store-open-failed dir=%s reason=\"webhooks' secrets: %s\"", s->db_dir, mt_strerror(rc));
    else
        log_warning("event=webhook-secrets-sealed count=%u hint=\"free pages of the file may show them until they are used again: to be sure, remove these"
                    " webhooks and add them anew\"",
                    count);
    return rc;
}

int
prepare_mailbox(struct store *s, const char *name, const char *domain)
{
    struct mailbox_record record = { .name = slice_of(name), .domain = slice_of(domain) };
    char                  secret[SECRET_CHARS + 1];
    struct tx_mailbox    *m;
    struct tx            *tx;
    int                   rc;

    secret_make(secret);
    rc = secret_hash(slice_of(secret), &record.credentials);
    sodium_memzero(secret, sizeof(secret));
    if (rc != MT_OK || (rc = tx_begin(s->db, store_now_us(s), &tx)) != MT_OK)
        return rc;
    rc = account_create(tx, &record, &m);
    if (rc == MT_OK) {
        record = m->record;
        record.name = slice_of(name);
        record.domain = slice_of(domain);
    }
    rc = commit(tx, rc);
    if (rc == MT_OK && catalog_update(s->catalog, &record) == NULL)
        rc = MT_ENOMEM;
    if (rc == MT_OK)
        log_info("event=mailbox-added mailbox=%s by=first-start", name);
    else
        log_error("event=store-open-failed dir=%s reason=\"mailbox %s: %s\"", s->db_dir, name, mt_strerror(rc));
    return rc;
}
