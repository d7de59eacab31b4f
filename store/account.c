#include "store/account.h"

#include "lib/error.h"
#include "lib/log.h"
#include "store/agent.h"
#include "store/post.h"
#include "store/subscription.h"
#include "store/verdict.h"

void
account_changed(struct tx *tx, const struct tx_mailbox *m)
{
    struct change change = { .kind = CHANGE_MAILBOX, .mailbox_id = m->record.id };

    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static void
add_folder(struct tx *tx, struct tx_mailbox *m, enum folder_id id, const char *name)
{
    const struct folder_record folder = {
        .mailbox_id = m->record.id,
        .id = id,
        .name = slice_of(name),
        .uidvalidity = m->record.uidvalidity,
        .uidnext = 1,
        .recent_uid = 1,
        .modseq = 1,
        .subscribed = true,
    };
    struct tx_folder *added;

    tx_folder_add(tx, m, &folder, &added);
}

int
account_create(struct tx *tx, const struct mailbox_record *template, struct tx_mailbox **out)
{
    struct mailbox_record record = *template;
    struct slice          value;
    unsigned char         id[4];
    int                   rc = tx_fault(tx) != MT_OK ? tx_fault(tx) : db_get(tx_view(tx), TABLE_MAILBOX_NAME, template->name, &value);

    if (rc != MT_ENOTFOUND)
        return rc == MT_OK ? MT_EEXIST : rc;
    record.id = tx_next_mailbox_id(tx);
    record.enabled = true;
    record.created_unix = tx_now_us(tx) / 1000000;
    record.next_folder_id = FOLDER_FIRST_OWN;
    record.uidvalidity = (uint32_t)record.created_unix;
    if (tx_fault(tx) != MT_OK || tx_mailbox_add(tx, &record, out) != MT_OK)
        return tx_fault(tx);
    put_u32(id, record.id);
    tx_put(tx, TABLE_MAILBOX_NAME, record.name, slice_make(id, sizeof(id)), MDB_NOOVERWRITE);
    add_folder(tx, *out, FOLDER_INBOX, "INBOX");
    add_folder(tx, *out, FOLDER_UNMATCHED, "Unmatched");
    account_changed(tx, *out);
    return tx_fault(tx);
}

static void
delete_api_keys(struct tx *tx, uint32_t mailbox_id)
{
    MDB_cursor *cursor = tx_cursor(tx, TABLE_API_KEY);
    MDB_val     key, data;

    if (cursor == NULL)
        return;
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS) {
        struct api_key_record record;
        int                   rc;

        if (api_key_record_read(slice_make(data.mv_data, data.mv_size), &record) != MT_OK || record.mailbox_id != mailbox_id)
            continue;
        rc = mdb_cursor_del(cursor, 0);
        if (rc != MDB_SUCCESS) {
            tx_fail(tx, mt_from_mdb(rc));
            break;
        }
        tx_change(tx, &(struct change){ .kind = CHANGE_API_KEY, .mailbox_id = mailbox_id });
    }
    mdb_cursor_close(cursor);
}

void
account_delete(struct tx *tx, struct tx_mailbox *m, uint64_t *messages)
{
    unsigned char purge[sizeof(DB_META_PURGE_MAILBOX) - 1 + 4], key[DB_KEY_MAX];

    *messages = m->record.messages;
    memcpy(purge, DB_META_PURGE_MAILBOX, sizeof(DB_META_PURGE_MAILBOX) - 1);
    put_u32(purge + sizeof(DB_META_PURGE_MAILBOX) - 1, m->record.id);
    tx_put(tx, TABLE_META, slice_make(purge, sizeof(purge)), slice_make("", 0), 0);
    tx_delete(tx, TABLE_MAILBOX_NAME, m->record.name);
    tx_delete(tx, TABLE_MAILBOX, db_key_u32(key, m->record.id));
    tx_delete(tx, TABLE_PATTERN, db_key_u32(key, m->record.id));
    delete_api_keys(tx, m->record.id);
    subscription_drop_all(tx, m->record.id);
    agent_forget_mailbox(tx, m->record.id);
    webhook_remove_of(tx, m->record.id);
    verdict_forget_mailbox(tx, m->record.id);
    account_changed(tx, m);
    m->removed = true;
}
