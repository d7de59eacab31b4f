#include "store/subscription.h"

#include "lib/error.h"

bool
subscription_is_kept(struct tx *tx, uint32_t mailbox_id, struct slice name)
{
    unsigned char key[DB_SUBSCRIPTION_KEY_MAX];
    struct slice  value;

    return tx_fault(tx) == MT_OK && db_get(tx_view(tx), TABLE_SUBSCRIPTION, db_key_subscription(key, mailbox_id, name), &value) == MT_OK;
}

static bool
count(void *arg, struct slice name)
{
    unsigned *n = arg;

    (void)name;
    ++*n;
    return true;
}

void
subscription_keep(struct tx *tx, uint32_t mailbox_id, struct slice name)
{
    unsigned char key[DB_SUBSCRIPTION_KEY_MAX];
    unsigned      kept = 0;
    int           rc = tx_fault(tx) != MT_OK ? tx_fault(tx) : db_subscriptions(tx_view(tx), mailbox_id, count, &kept);

    if (rc != MT_OK)
        tx_fail(tx, rc);
    else if (kept < DB_SUBSCRIPTIONS_MAX)
        tx_put(tx, TABLE_SUBSCRIPTION, db_key_subscription(key, mailbox_id, name), slice_make("", 0), 0);
}

void
subscription_drop(struct tx *tx, uint32_t mailbox_id, struct slice name)
{
    unsigned char key[DB_SUBSCRIPTION_KEY_MAX];

    tx_delete(tx, TABLE_SUBSCRIPTION, db_key_subscription(key, mailbox_id, name));
}

struct first {
    unsigned char key[DB_SUBSCRIPTION_KEY_MAX];
    struct slice  found;
    uint32_t      mailbox_id;
};

static bool
note_first(void *arg, struct slice name)
{
    struct first *f = arg;

    f->found = db_key_subscription(f->key, f->mailbox_id, name);
    return false;
}

void
subscription_drop_all(struct tx *tx, uint32_t mailbox_id)
{
    struct first f = { .mailbox_id = mailbox_id };

    do {
        f.found.len = 0;
        if (tx_fault(tx) == MT_OK && db_subscriptions(tx_view(tx), mailbox_id, note_first, &f) == MT_OK && f.found.len > 0)
            tx_delete(tx, TABLE_SUBSCRIPTION, f.found);
    } while (f.found.len > 0 && tx_fault(tx) == MT_OK);
}
