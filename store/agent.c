#include "store/agent.h"

#include "lib/error.h"

int
agent_find(struct tx *tx, struct slice name, struct agent_record *out)
{
    return tx_fault(tx) != MT_OK ? tx_fault(tx) : db_agent_by_name(tx_view(tx), name, out);
}

static void
tell(struct tx *tx, struct slice name)
{
    struct change change = { .kind = CHANGE_AGENT };

    slice_copy(change.mailbox, sizeof(change.mailbox), name);
    tx_change(tx, &change);
}

void
agent_put(struct tx *tx, const struct agent_record *a)
{
    struct buf   *record = tx_scratch(tx);
    unsigned char key[DB_KEY_MAX];

    tell(tx, a->name);

    agent_record_write(record, a);
    tx_put(tx, TABLE_AGENT, db_key_u32(key, a->id), buf_slice(record), 0);
}

int
agent_add(struct tx *tx, struct agent_record *a)
{
    struct agent_record there;
    unsigned char       id[4];
    int                 rc = agent_find(tx, a->name, &there);

    if (rc != MT_ENOTFOUND)
        return rc == MT_OK ? MT_EEXIST : rc;
    a->id = tx_next_agent_id(tx);
    a->created_unix = tx_now_us(tx) / 1000000;
    a->enabled = true;
    put_u32(id, a->id);
    tx_put(tx, TABLE_AGENT_NAME, a->name, slice_make(id, sizeof(id)), MDB_NOOVERWRITE);
    agent_put(tx, a);
    return tx_fault(tx);
}

void
agent_remove(struct tx *tx, const struct agent_record *a)
{
    char          name[MAILBOX_NAME_MAX + 1];
    unsigned char key[DB_KEY_MAX];

    slice_copy(name, sizeof(name), a->name);        /* the slice ends with the first write */
    tell(tx, slice_of(name));
    tx_delete(tx, TABLE_AGENT, db_key_u32(key, a->id));
    tx_delete(tx, TABLE_AGENT_NAME, slice_of(name));
}

/* Where the id is, or belongs. */
static uint32_t
place_of(const struct agent_record *a, uint32_t mailbox_id)
{
    uint32_t at = 0;

    while (at < a->mailbox_count && a->mailboxes[at] < mailbox_id)
        at++;
    return at;
}

int
agent_grant(struct agent_record *a, uint32_t mailbox_id)
{
    uint32_t at = place_of(a, mailbox_id);

    if (at < a->mailbox_count && a->mailboxes[at] == mailbox_id)
        return MT_OK;
    if (a->mailbox_count == AGENT_MAILBOXES_MAX)
        return MT_ESIZE;
    memmove(&a->mailboxes[at + 1], &a->mailboxes[at], (a->mailbox_count - at) * sizeof(a->mailboxes[0]));
    a->mailboxes[at] = mailbox_id;
    a->mailbox_count++;
    return MT_OK;
}

void
agent_revoke(struct agent_record *a, uint32_t mailbox_id)
{
    uint32_t at = place_of(a, mailbox_id);

    if (at == a->mailbox_count || a->mailboxes[at] != mailbox_id)
        return;
    a->mailbox_count--;
    memmove(&a->mailboxes[at], &a->mailboxes[at + 1], (a->mailbox_count - at) * sizeof(a->mailboxes[0]));
}

/* The first agent from id on. False: there is none, or it cannot be read, which is left to `mailtestctl verify`. */
static bool
next_agent(struct tx *tx, uint32_t id, struct agent_record *out)
{
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_AGENT);
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_u32(bytes, id);
    MDB_val       key = { from.len, bytes }, data;
    bool          found;

    if (cursor == NULL)
        return false;
    found = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && agent_record_read(slice_make(data.mv_data, data.mv_size), out) == MT_OK;
    mdb_cursor_close(cursor);
    return found;
}

void
agent_forget_mailbox(struct tx *tx, uint32_t mailbox_id)
{
    struct agent_record a;

    for (uint32_t id = 1; next_agent(tx, id, &a); id = a.id + 1) {
        uint32_t before = a.mailbox_count;

        agent_revoke(&a, mailbox_id);
        if (a.mailbox_count != before)
            agent_put(tx, &a);
    }
}
