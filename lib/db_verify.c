/* db_verify - see db_verify.h. Each table has a function that checks one of its rows against all that it must fit. */

#include "lib/db_verify.h"

#include "lib/db_result.h"
#include "lib/db_verify_rows.h"
#include "lib/error.h"
#include "lib/pages.h"
#include "lib/served.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ROWS_A_VIEW   = 1000,
    BYTES_A_VIEW  = 16 * 1024 * 1024,
    COPIES_MAX    = DELIVERY_RECIPIENTS_MAX,
    KEY_BYTES_MAX = 511,         /* of LMDB */
};

void
verify_complain(struct verify *v, const char *format, ...)
{
    char    text[512];
    va_list args;

    if (v->counts->problems++ >= DB_VERIFY_PROBLEMS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    v->problem(v->arg, text);
}

bool
verify_exists(struct verify *v, enum table table, struct slice key)
{
    struct slice value;

    return db_get(v->view, table, key, &value) == MT_OK;
}

bool
verify_has_purge(struct verify *v, const char *prefix, uint64_t id, size_t id_bytes)
{
    unsigned char key[DB_KEY_MAX];
    size_t        len = strlen(prefix);

    memcpy(key, prefix, len);
    if (id_bytes == 8)
        put_u64(key + len, id);
    else
        put_u32(key + len, (uint32_t)id);
    return verify_exists(v, TABLE_META, slice_make(key, len + id_bytes));
}

bool
verify_mailbox_is_known(struct verify *v, uint32_t id)
{
    unsigned char key[DB_KEY_MAX];

    return verify_exists(v, TABLE_MAILBOX, db_key_u32(key, id)) || verify_has_purge(v, DB_META_PURGE_MAILBOX, id, 4);
}

/* ---- Messages ---- */

static void
check_entry_of(struct verify *v, uint64_t id, const struct message_record *m)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    struct entry  e;
    struct slice  at = db_key_entry(key, m->mailbox_id, m->folder_id, m->uid);

    if (db_get(v->view, TABLE_ENTRY, at, &value) != MT_OK)
        verify_complain(v, "message %llu: folder %u of mailbox %u has no UID %u for it", (ull)id, m->folder_id, m->mailbox_id, m->uid);
    else if (entry_read(at, value, &e) != MT_OK || e.message_id != id)
        verify_complain(v, "message %llu: UID %u of folder %u is another message", (ull)id, m->uid, m->folder_id);
}

static void
check_message(struct verify *v, struct slice key, struct slice value)
{
    uint64_t              id = key.len == 8 ? get_u64(key.data) : 0;
    unsigned char         bytes[DB_KEY_MAX];
    struct message_record m;
    int                   rc = message_record_read(value, &m);

    v->counts->messages++;
    if (id == 0 || rc != MT_OK) {
        verify_complain(v, "message %llu: its record: %s", (ull)id, mt_strerror(rc));
        return;
    }
    v->counts->bytes += message_size(&m);
    v->bytes += m.body_bytes;
    rc = db_message_check(v->view, &m);
    if (rc != MT_OK)
        verify_complain(v, "message %llu: its body: %s", (ull)id, mt_strerror(rc));
    check_entry_of(v, id, &m);
    if (!verify_exists(v, TABLE_EXPIRY, db_key_message_expiry(bytes, id, &m)))
        verify_complain(v, "message %llu: it would never expire", (ull)id);
    if (m.body_shared != verify_exists(v, TABLE_BODY_REF, db_key_u64(bytes, m.body_id)))
        verify_complain(v, "message %llu: whether its body is shared does not fit", (ull)id);
    if (!verify_mailbox_is_known(v, m.mailbox_id))
        verify_complain(v, "message %llu: there is no mailbox %u", (ull)id, m.mailbox_id);
}

static void
check_entry(struct verify *v, struct slice key, struct slice value)
{
    struct message_record m;
    struct entry          e;
    uint32_t              mailbox, folder, uid;
    int                   rc;

    if (key.len != 12 || entry_read(key, value, &e) != MT_OK) {
        verify_complain(v, "mailbox %u, folder %u, UID %u: the entry is damaged", key.len == 12 ? get_u32(key.data) : 0,
                        key.len == 12 ? get_u32(key.data + 4) : 0, key.len == 12 ? get_u32(key.data + 8) : 0);
        return;
    }
    mailbox = get_u32(key.data);
    folder = get_u32(key.data + 4);
    uid = get_u32(key.data + 8);
    rc = db_message(v->view, e.message_id, &m);
    if (rc == MT_ENOTFOUND)
        verify_complain(v, "mailbox %u, folder %u, UID %u: there is no message %llu", mailbox, folder, uid, (ull)e.message_id);
    else if (rc == MT_OK && (m.mailbox_id != mailbox || m.folder_id != folder || m.uid != uid))
        verify_complain(v, "mailbox %u, folder %u, UID %u: message %llu is elsewhere", mailbox, folder, uid, (ull)e.message_id);
}

/* ---- Bodies ---- */

static void
check_body(struct verify *v, struct slice key, struct slice value)
{
    uint64_t              id = key.len == 12 ? get_u64(key.data) : 0;
    unsigned char         bytes[DB_KEY_MAX];
    struct message_record m;
    int                   rc;

    (void)value;
    if (id == v->last_body)
        return;
    v->last_body = id;
    rc = db_message(v->view, id, &m);
    /* Chunks of a message whose record is damaged are not a second problem. */
    if (rc == MT_EDAMAGED || (rc == MT_OK && m.body_id == id) || verify_exists(v, TABLE_BODY_REF, db_key_u64(bytes, id)) ||
        verify_has_purge(v, DB_META_PURGE_BODY, id, 8))
        return;
    verify_complain(v, "body %llu: no message has it", (ull)id);
}

/*
 * The copies of one delivery have ids that follow each other; those that IMAP made may be anywhere behind. Looking for these would take a walk
 * through all messages for each body, so only one that has too many messages is found in any case, one that has too few where they end.
 */
static void
check_body_ref(struct verify *v, struct slice key, struct slice value)
{
    uint64_t    id = key.len == 8 ? get_u64(key.data) : 0;
    uint32_t    counted = 0, stored;
    MDB_val     k = { key.len, (void *)(uintptr_t)key.data };
    MDB_val     d;
    MDB_cursor *cursor;
    int         rc;

    if (id == 0 || body_ref_read(value, id, &stored) != MT_OK || mdb_cursor_open(v->view->txn, db_table(v->db, TABLE_MESSAGE), &cursor) != MDB_SUCCESS) {
        verify_complain(v, "body %llu: its count of copies is damaged", (ull)id);
        return;
    }
    for (rc = mdb_cursor_get(cursor, &k, &d, MDB_SET_RANGE); rc == MDB_SUCCESS && get_u64(k.mv_data) < id + COPIES_MAX;
         rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT)) {
        struct message_record m;

        if (message_record_read(slice_make(d.mv_data, d.mv_size), &m) == MT_OK && m.body_id == id)
            counted++;
    }
    mdb_cursor_close(cursor);
    if (counted > stored || (rc == MDB_NOTFOUND && counted != stored))
        verify_complain(v, "body %llu: %u messages have it, %u are counted", (ull)id, counted, stored);
}

/* ---- Folders and mailboxes ---- */

struct sum {
    uint64_t messages, bytes;
    uint32_t last_uid;
};

static bool
sum_entries(struct verify *v, uint32_t mailbox_id, uint32_t folder_id, struct sum *out)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_entry(bytes, mailbox_id, folder_id, 0);
    MDB_val       k = { from.len, bytes };
    MDB_val       d;
    MDB_cursor   *cursor;
    int           rc;

    if (mdb_cursor_open(v->view->txn, db_table(v->db, TABLE_ENTRY), &cursor) != MDB_SUCCESS)
        return false;
    for (rc = mdb_cursor_get(cursor, &k, &d, MDB_SET_RANGE);
         rc == MDB_SUCCESS && k.mv_size == 12 && get_u32(k.mv_data) == mailbox_id && get_u32((char *)k.mv_data + 4) == folder_id;
         rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT)) {
        struct message_record m;
        struct entry          e;

        out->messages++;
        out->last_uid = get_u32((char *)k.mv_data + 8);
        if (entry_read(slice_make(k.mv_data, k.mv_size), slice_make(d.mv_data, d.mv_size), &e) == MT_OK && db_message(v->view, e.message_id, &m) == MT_OK)
            out->bytes += message_size(&m);
    }
    mdb_cursor_close(cursor);
    return true;
}

static void
check_folder(struct verify *v, struct slice key, struct slice value)
{
    struct folder_record f;
    struct sum           sum = { 0 };
    int                  rc = folder_record_read(value, &f);

    if (rc != MT_OK || key.len != 8 || get_u32(key.data) != f.mailbox_id || get_u32(key.data + 4) != f.id) {
        verify_complain(v, "folder %u of mailbox %u: its record: %s", key.len == 8 ? get_u32(key.data + 4) : 0, key.len == 8 ? get_u32(key.data) : 0,
                        mt_strerror(rc));
        return;
    }
    /* Of a deleted mailbox nobody counts any more. */
    if (verify_has_purge(v, DB_META_PURGE_MAILBOX, f.mailbox_id, 4) || !sum_entries(v, f.mailbox_id, f.id, &sum))
        return;
    if (sum.messages != f.messages || sum.bytes != f.bytes)
        verify_complain(v, "folder %u of mailbox %u: it has %llu messages of %llu octets, %llu of %llu are counted", f.id, f.mailbox_id,
                        (ull)sum.messages, (ull)sum.bytes, (ull)f.messages, (ull)f.bytes);
    if (sum.last_uid >= f.uidnext)
        verify_complain(v, "folder %u of mailbox %u: UID %u is in use, and the next would be %u", f.id, f.mailbox_id, sum.last_uid, f.uidnext);
}

static void
check_subscription(struct verify *v, struct slice key, struct slice value)
{
    struct folder_record f;
    struct slice         name = slice_sub(key, 4, key.len);

    (void)value;
    if (key.len < 4 || !folder_name_is_fine(name))
        verify_complain(v, "subscription: a row with %zu octets, and no name in it", key.len);
    else if (!verify_exists(v, TABLE_MAILBOX, slice_sub(key, 0, 4)))
        verify_complain(v, "subscription to \"%.*s\": there is no mailbox %u", (int)name.len, name.data, get_u32(key.data));
    else if (db_folder_by_name(v->view, get_u32(key.data), name, &f) == MT_OK)
        verify_complain(v, "subscription to \"%.*s\": mailbox %u has such a folder", (int)name.len, name.data, f.mailbox_id);
}

static bool
sum_folders(struct verify *v, uint32_t mailbox_id, struct sum *out)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_folder(bytes, mailbox_id, 0);
    MDB_val       k = { from.len, bytes };
    MDB_val       d;
    MDB_cursor   *cursor;
    int           rc;

    if (mdb_cursor_open(v->view->txn, db_table(v->db, TABLE_FOLDER), &cursor) != MDB_SUCCESS)
        return false;
    for (rc = mdb_cursor_get(cursor, &k, &d, MDB_SET_RANGE); rc == MDB_SUCCESS && k.mv_size == 8 && get_u32(k.mv_data) == mailbox_id;
         rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT)) {
        struct folder_record f;

        if (folder_record_read(slice_make(d.mv_data, d.mv_size), &f) == MT_OK) {
            out->messages += f.messages;
            out->bytes += f.bytes;
        }
    }
    mdb_cursor_close(cursor);
    return true;
}

static void
check_mailbox(struct verify *v, struct slice key, struct slice value)
{
    struct mailbox_record m;
    struct sum            sum = { 0 };
    struct slice          id;
    int                   rc = mailbox_record_read(value, &m);

    v->counts->mailboxes++;
    if (rc != MT_OK || key.len != 4 || get_u32(key.data) != m.id) {
        verify_complain(v, "mailbox %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
        return;
    }
    if (db_get(v->view, TABLE_MAILBOX_NAME, m.name, &id) != MT_OK || id.len != 4 || get_u32(id.data) != m.id)
        verify_complain(v, "mailbox %u: its name \"%.*s\" does not lead to it", m.id, (int)m.name.len, m.name.data);
    if (sum_folders(v, m.id, &sum) && (sum.messages != m.messages || sum.bytes != m.bytes))
        verify_complain(v, "mailbox %u: its folders have %llu messages of %llu octets, %llu of %llu are counted", m.id, (ull)sum.messages,
                        (ull)sum.bytes, (ull)m.messages, (ull)m.bytes);
}

static void
check_name(struct verify *v, struct slice key, struct slice value)
{
    struct mailbox_record m;
    int                   rc = value.len == 4 ? db_mailbox_by_id(v->view, get_u32(value.data), &m) : MT_EDAMAGED;

    if (rc == MT_ENOTFOUND || (rc == MT_OK && !slice_equal(m.name, key)))
        verify_complain(v, "name \"%.*s\": there is no such mailbox", (int)key.len, key.data);
}

/* ---- Tokens, expiry, keys ---- */

static void
check_token(struct verify *v, struct slice key, struct slice value)
{
    unsigned char       bytes[DB_KEY_MAX];
    char                text[TOKEN_CHARS + 1] = "?";
    struct token        t;
    struct token_record r;
    int                 rc = token_record_read(value, &r);

    v->counts->tokens++;
    if (key.len == sizeof(t.raw)) {
        memcpy(t.raw, key.data, sizeof(t.raw));
        token_encode(&t, text);
    }
    if (rc != MT_OK || key.len != sizeof(t.raw)) {
        verify_complain(v, "token %s: its record: %s", text, mt_strerror(rc));
        return;
    }
    if (r.deadline_unix != 0 && r.decided_us == 0 && verify_exists(v, TABLE_MAILBOX, db_key_u32(bytes, r.mailbox_id)) &&
        !verify_exists(v, TABLE_DEADLINE, db_key_deadline(bytes, r.deadline_unix, &t)))
        verify_complain(v, "token %s: it would never get its verdict", text);
    if (!verify_exists(v, TABLE_EXPIRY, db_key_token_expiry(bytes, &t, &r)))
        verify_complain(v, "token %s: it would never expire", text);
    for (uint32_t i = 0; i < r.kept; i++) {
        struct message_record m;

        if (db_message(v->view, r.arrivals[i].message_id, &m) == MT_OK && m.mailbox_id != r.mailbox_id)
            verify_complain(v, "token %s: message %llu belongs to another mailbox", text, (ull)r.arrivals[i].message_id);
    }
}

static void
check_expiry(struct verify *v, struct slice key, struct slice value)
{
    unsigned kind = key.len > 0 ? (unsigned char)key.data[0] : 0;

    (void)value;
    if ((kind == EXPIRY_INBOX || kind == EXPIRY_UNMATCHED) && key.len == 17) {
        if (!verify_exists(v, TABLE_MESSAGE, slice_sub(key, 9, 8)))
            verify_complain(v, "expiry: there is no message %llu", (ull)get_u64(key.data + 9));
    } else if (kind == EXPIRY_TOKEN && key.len == 9 + TOKEN_RAW_BYTES) {
        if (!verify_exists(v, TABLE_TOKEN, slice_sub(key, 9, TOKEN_RAW_BYTES)))
            verify_complain(v, "expiry: there is no such token");
    } else if ((kind == EXPIRY_RESULT || kind == EXPIRY_RESULT_SUM) && key.len == DB_RESULT_EXPIRY_BYTES) {
        verify_result_expiry(v, key);
    } else {
        verify_complain(v, "expiry: a row of kind %u with %zu octets", kind, key.len);
    }
}

static void
check_api_key(struct verify *v, struct slice key, struct slice value)
{
    struct api_key_record k;
    unsigned char         bytes[DB_KEY_MAX];
    int                   rc = api_key_record_read(value, &k);

    v->counts->api_keys++;
    if (rc != MT_OK || key.len != 4)
        verify_complain(v, "API key %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
    else if (k.mailbox_id != 0 && !verify_exists(v, TABLE_MAILBOX, db_key_u32(bytes, k.mailbox_id)))
        verify_complain(v, "API key %u: there is no mailbox %u", get_u32(key.data), k.mailbox_id);
}

static void
check_agent(struct verify *v, struct slice key, struct slice value)
{
    struct agent_record a, named;
    unsigned char       bytes[DB_KEY_MAX];
    int                 rc = agent_record_read(value, &a);

    if (rc != MT_OK || key.len != 4) {
        verify_complain(v, "agent %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
        return;
    }
    if (a.id != get_u32(key.data))
        verify_complain(v, "agent %u: its record says %u", get_u32(key.data), a.id);
    else if (db_agent_by_name(v->view, a.name, &named) != MT_OK || named.id != a.id)
        verify_complain(v, "agent %u: its name does not lead to it", a.id);
    for (uint32_t i = 0; i < a.mailbox_count; i++)
        if (!verify_exists(v, TABLE_MAILBOX, db_key_u32(bytes, a.mailboxes[i])))
            verify_complain(v, "agent %u: there is no mailbox %u", a.id, a.mailboxes[i]);
        else if (i > 0 && a.mailboxes[i] <= a.mailboxes[i - 1])
            verify_complain(v, "agent %u: mailbox %u is out of order", a.id, a.mailboxes[i]);
}

static void
check_agent_name(struct verify *v, struct slice key, struct slice value)
{
    struct agent_record a;
    int                 rc = value.len == 4 ? db_agent_by_id(v->view, get_u32(value.data), &a) : MT_EDAMAGED;

    if (rc == MT_ENOTFOUND || (rc == MT_OK && !slice_equal(a.name, key)))
        verify_complain(v, "agent name \"%.*s\": there is no such agent", (int)key.len, key.data);
    else if (value.len != 4)
        verify_complain(v, "agent name \"%.*s\": its row has %zu octets", (int)key.len, key.data, value.len);
}

/* ---- Deadlines, events, webhooks ---- */

static void
check_deadline(struct verify *v, struct slice key, struct slice value)
{
    struct token_record r;
    struct token        t;
    int                 rc;

    (void)value;
    if (key.len != 8 + sizeof(t.raw)) {
        verify_complain(v, "deadline: a row with %zu octets", key.len);
        return;
    }
    memcpy(t.raw, key.data + 8, sizeof(t.raw));
    rc = db_token(v->view, &t, &r);
    if (rc == MT_ENOTFOUND)
        verify_complain(v, "deadline: there is no such token");
    else if (rc == MT_OK && (r.deadline_unix != get_u64(key.data) || r.decided_us != 0))
        verify_complain(v, "deadline: its token is expected at another time, or is decided");
}

static void
check_served(struct verify *v, struct slice key, struct slice value)
{
    struct served_record s;
    int                  rc = served_record_read(value, &s);

    if (rc != MT_OK || key.len != 8 || s.until_us < get_u64(key.data))
        verify_complain(v, "served: a span from %llu on: %s", key.len == 8 ? (ull)get_u64(key.data) : 0, mt_strerror(rc));
}

static void
check_pattern(struct verify *v, struct slice key, struct slice value)
{
    struct pattern_record p;
    int                   rc = pattern_record_read(value, &p);

    if (rc != MT_OK || key.len != 4)
        verify_complain(v, "pattern of mailbox %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
    else if (!verify_exists(v, TABLE_MAILBOX, key))
        verify_complain(v, "pattern: there is no mailbox %u", get_u32(key.data));
}

static void
check_event(struct verify *v, struct slice key, struct slice value)
{
    struct event_record e;
    struct slice        next;
    int                 rc = event_record_read(value, &e);

    v->counts->events++;
    if (rc != MT_OK || key.len != 8)
        verify_complain(v, "event %llu: its record: %s", key.len == 8 ? (ull)get_u64(key.data) : 0, mt_strerror(rc));
    else if (db_get(v->view, TABLE_META, slice_of(DB_META_NEXT_EVENT), &next) == MT_OK && next.len == 8 && get_u64(next.data) <= get_u64(key.data))
        verify_complain(v, "event %llu: the next id would be %llu", (ull)get_u64(key.data), (ull)get_u64(next.data));
}

static void
check_webhook(struct verify *v, struct slice key, struct slice value)
{
    struct webhook_record w;
    unsigned char         bytes[DB_KEY_MAX];
    int                   rc = webhook_record_read(value, &w);

    v->counts->webhooks++;
    if (rc != MT_OK || key.len != 4)
        verify_complain(v, "webhook %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
    else if (w.mailbox_id != 0 && !verify_exists(v, TABLE_MAILBOX, db_key_u32(bytes, w.mailbox_id)))
        verify_complain(v, "webhook %u: there is no mailbox %u", get_u32(key.data), w.mailbox_id);
}

/* A removed webhook's posts are there until they are removed. */
static void
check_post(struct verify *v, struct slice key, struct slice value)
{
    struct post_record p;
    unsigned char      bytes[DB_KEY_MAX];
    uint32_t           webhook = key.len == 12 ? get_u32(key.data) : 0;
    uint64_t           event = key.len == 12 ? get_u64(key.data + 4) : 0;
    int                rc = post_record_read(value, &p);

    if (rc != MT_OK || webhook == 0) {
        verify_complain(v, "post of event %llu to webhook %u: its record: %s", (ull)event, webhook, mt_strerror(rc));
        return;
    }
    if (!verify_exists(v, TABLE_WEBHOOK, db_key_u32(bytes, webhook)) && !verify_has_purge(v, DB_META_PURGE_WEBHOOK, webhook, 4))
        verify_complain(v, "post of event %llu: there is no webhook %u", (ull)event, webhook);
    if (!verify_exists(v, TABLE_EVENT, db_key_u64(bytes, event)) && !verify_has_purge(v, DB_META_PURGE_WEBHOOK, webhook, 4))
        verify_complain(v, "post to webhook %u: there is no event %llu", webhook, (ull)event);
    if (p.due_us != 0 && !verify_exists(v, TABLE_POST_DUE, db_key_post_due(bytes, webhook, p.due_us, event)))
        verify_complain(v, "post of event %llu to webhook %u: it would never be sent", (ull)event, webhook);
}

static void
check_post_due(struct verify *v, struct slice key, struct slice value)
{
    struct post_record p;

    (void)value;
    if (key.len != 20)
        verify_complain(v, "post-due: a row with %zu octets", key.len);
    else if (db_post(v->view, get_u32(key.data), get_u64(key.data + 12), &p) != MT_OK || p.due_us != get_u64(key.data + 4))
        verify_complain(v, "post-due: no post of event %llu to webhook %u is due then", (ull)get_u64(key.data + 12), get_u32(key.data));
}

/* ---- Counters ---- */

static void
check_meta(struct verify *v, struct slice key, struct slice value)
{
    if (slice_equal(key, slice_of(DB_META_NEXT_MESSAGE)) && (value.len != 8 || get_u64(value.data) == 0))
        verify_complain(v, "the next message id is unreadable");
    if (slice_equal(key, slice_of(DB_META_NEXT_EVENT)) && (value.len != 8 || get_u64(value.data) == 0))
        verify_complain(v, "the next event id is unreadable");
    if ((slice_equal(key, slice_of(DB_META_NEXT_MAILBOX)) || slice_equal(key, slice_of(DB_META_NEXT_API_KEY)) ||
         slice_equal(key, slice_of(DB_META_NEXT_WEBHOOK)) || slice_equal(key, slice_of(DB_META_NEXT_CHECK))) &&
        value.len != 4)
        verify_complain(v, "the next id \"%.*s\" is unreadable", (int)key.len, key.data);
}

/* ---- The walk ---- */

static const struct {
    enum table     table;
    verify_row_fn *check;
} tables[] = {
    { TABLE_META, check_meta },       { TABLE_MAILBOX, check_mailbox }, { TABLE_MAILBOX_NAME, check_name }, { TABLE_FOLDER, check_folder },
    { TABLE_ENTRY, check_entry },     { TABLE_MESSAGE, check_message }, { TABLE_BODY, check_body },         { TABLE_BODY_REF, check_body_ref },
    { TABLE_TOKEN, check_token },     { TABLE_EXPIRY, check_expiry },   { TABLE_API_KEY, check_api_key },
    { TABLE_DEADLINE, check_deadline }, { TABLE_SERVED, check_served }, { TABLE_PATTERN, check_pattern },       { TABLE_EVENT, check_event },
    { TABLE_WEBHOOK, check_webhook }, { TABLE_POST, check_post },       { TABLE_POST_DUE, check_post_due },
    { TABLE_AGENT, check_agent },     { TABLE_AGENT_NAME, check_agent_name },
    { TABLE_SUBSCRIPTION, check_subscription }, { TABLE_CHECK, verify_check }, { TABLE_CHECK_NAME, verify_check_name },
    { TABLE_RESULT, verify_result },   { TABLE_RESULT_SUM, verify_result_sum },
};

/* Some rows from the key last on (not included, unless it is empty), which is moved along. MT_ENOTFOUND: the end. */
static int
check_some(struct verify *v, enum table table, verify_row_fn *check, struct buf *last)
{
    MDB_val     k = { last->len, last->data };
    MDB_val     d;
    MDB_cursor *cursor;
    int         rc = mdb_cursor_open(v->view->txn, db_table(v->db, table), &cursor);

    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    rc = mdb_cursor_get(cursor, &k, &d, last->len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && last->len > 0 && slice_equal(slice_make(k.mv_data, k.mv_size), buf_slice(last)))
        rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT);
    v->bytes = 0;
    for (unsigned i = 0; rc == MDB_SUCCESS; i++) {
        check(v, slice_make(k.mv_data, k.mv_size), slice_make(d.mv_data, d.mv_size));
        buf_clear(last);
        buf_append(last, k.mv_data, k.mv_size);
        if (i >= ROWS_A_VIEW || v->bytes >= BYTES_A_VIEW)
            break;
        rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return mt_from_mdb(rc);
}

static int
check_table(struct verify *v, enum table table, verify_row_fn *check)
{
    struct buf last;
    int        rc;

    buf_init(&last, KEY_BYTES_MAX);
    do {
        struct db_view view;

        rc = db_view_begin(v->db, &view);
        if (rc != MT_OK)
            break;
        v->view = &view;
        rc = check_some(v, table, check, &last);
        v->view = NULL;
        db_view_end(&view);
    } while (rc == MT_OK);
    buf_fini(&last);
    return rc == MT_ENOTFOUND ? MT_OK : rc;
}

static void
on_page_problem(void *arg, const char *text)
{
    verify_complain(arg, "%s", text);
}

static int
check_pages(struct verify *v, const char *dir)
{
    char                path[PATH_MAX];
    struct pages_counts pages;
    struct db_view      view;
    int                 fd, rc;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE) >= sizeof(path))
        return MT_EINVALID;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return mt_from_errno(errno);
    /* The meta page of a snapshot is overwritten two commits later, so getting hold of one may take more than one try. */
    do {
        rc = db_view_begin(v->db, &view);
        if (rc != MT_OK)
            break;
        rc = pages_check(fd, mdb_txn_id(view.txn), PAGES_ALL, on_page_problem, v, &pages);
        db_view_end(&view);
    } while (rc == MT_ENOTFOUND);
    close(fd);
    if (rc == MT_OK) {
        v->counts->pages = pages.pages;
        v->counts->free_pages = pages.free;
        v->counts->lost_pages = pages.lost;
    }
    return rc == MT_OK && v->counts->problems > 0 ? MT_EDAMAGED : rc;
}

int
db_verify(const struct db_options *options, db_problem_fn *problem, void *arg, struct db_verify_counts *counts)
{
    struct db_options read_only = *options;
    struct verify     v = { .problem = problem, .arg = arg, .counts = counts };
    int               rc;

    *counts = (struct db_verify_counts){ 0 };
    read_only.read_only = true;
    rc = db_open(&read_only, &v.db);
    if (rc != MT_OK)
        return rc;
    rc = check_pages(&v, options->dir);
    for (size_t i = 0; i < COUNT(tables) && rc == MT_OK; i++)
        rc = check_table(&v, tables[i].table, tables[i].check);
    db_close(v.db);
    return rc;
}
