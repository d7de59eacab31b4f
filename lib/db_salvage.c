/* db_salvage - see db_salvage.h. First every row that is whole is taken over, then the new database is put in order, table by table. */

#include "lib/db_salvage.h"

#include "lib/db_result.h"
#include "lib/db_salvage_rows.h"
#include "lib/error.h"
#include "lib/event.h"
#include "lib/pages_rows.h"
#include "lib/served.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { ROWS_A_COMMIT = 2000, ROW_KEY_MAX = 511, LINE_BYTES = 200 };

void
salvage_tell(struct salvage *s, const char *format, ...)
{
    char    text[LINE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    s->tell(s->arg, text);
}

/* ---- Writing ------------------------------------------------------------------------------------------------------------- */

void
salvage_fail(struct salvage *s, int rc)
{
    if (s->fault == MT_OK)
        s->fault = rc;
}

static void
begin(struct salvage *s)
{
    int rc = mdb_txn_begin(db_env(s->db), NULL, 0, &s->txn);

    s->rows = 0;
    if (rc != MDB_SUCCESS) {
        s->txn = NULL;
        salvage_fail(s, mt_from_mdb(rc));
    }
}

static void
commit(struct salvage *s)
{
    if (s->txn == NULL)
        return;
    if (s->fault == MT_OK)
        salvage_fail(s, mt_from_mdb(mdb_txn_commit(s->txn)));
    else
        mdb_txn_abort(s->txn);
    s->txn = NULL;
}

bool
salvage_put(struct salvage *s, enum table table, struct slice key, struct slice value, unsigned flags)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v = { value.len, (void *)(uintptr_t)value.data };
    int     rc;

    if (s->fault != MT_OK)
        return false;
    rc = key.len == 0 || key.len > ROW_KEY_MAX ? MDB_KEYEXIST : mdb_put(s->txn, db_table(s->db, table), &k, &v, flags);
    if (rc != MDB_SUCCESS && rc != MDB_KEYEXIST)
        salvage_fail(s, mt_from_mdb(rc));
    return rc == MDB_SUCCESS;
}

void
salvage_drop(struct salvage *s, enum table table, struct slice key)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data };
    int     rc = s->fault != MT_OK ? MDB_SUCCESS : mdb_del(s->txn, db_table(s->db, table), &k, NULL);

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        salvage_fail(s, mt_from_mdb(rc));
}

struct slice
salvage_copy(char *to, size_t size, struct slice from)
{
    slice_copy(to, size, from);
    return slice_of(to);
}

struct db_view
salvage_view(const struct salvage *s)
{
    return (struct db_view){ .db = s->db, .txn = s->txn };
}

bool
salvage_exists(const struct salvage *s, enum table table, struct slice key)
{
    const struct db_view v = salvage_view(s);
    struct slice         value;

    return db_get(&v, table, key, &value) == MT_OK;
}

void
salvage_put_record(struct salvage *s, enum table table, struct slice key)
{
    if (s->scratch.fault != MT_OK)
        salvage_fail(s, s->scratch.fault);
    else
        salvage_put(s, table, key, buf_slice(&s->scratch), 0);
}

/* Calls fn with each row of a table, in short transactions; fn may change that row and other tables. */
static void
for_each(struct salvage *s, enum table table, salvage_row_fn *fn)
{
    unsigned char last[ROW_KEY_MAX], copy[ROW_KEY_MAX];
    size_t        last_len = 0;

    begin(s);
    while (s->fault == MT_OK) {
        MDB_val     key = { last_len, last }, value;
        MDB_cursor *cursor;
        int         rc = mdb_cursor_open(s->txn, db_table(s->db, table), &cursor);

        if (rc == MDB_SUCCESS) {
            rc = mdb_cursor_get(cursor, &key, &value, last_len == 0 ? MDB_FIRST : MDB_SET_RANGE);
            if (rc == MDB_SUCCESS && last_len > 0 && slice_equal(slice_make(key.mv_data, key.mv_size), slice_make(last, last_len)))
                rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
            mdb_cursor_close(cursor);
        }
        if (rc != MDB_SUCCESS) {
            if (rc != MDB_NOTFOUND)
                salvage_fail(s, mt_from_mdb(rc));
            break;
        }
        last_len = key.mv_size;
        memcpy(last, key.mv_data, last_len);
        memcpy(copy, last, last_len);
        fn(s, slice_make(copy, last_len), slice_make(value.mv_data, value.mv_size));
        if (++s->rows >= ROWS_A_COMMIT) {
            commit(s);
            begin(s);
        }
    }
    commit(s);
}

/* ---- Taking over what is whole --------------------------------------------------------------------------------------------- */

static bool
is_whole(enum table table, struct slice key, struct slice value)
{
    union {
        struct mailbox_record mailbox;
        struct folder_record  folder;
        struct entry          entry;
        struct message_record message;
        struct token_record   token;
        struct api_key_record api_key;
        struct served_record  served;
        struct pattern_record pattern;
        struct event_record   event;
        struct webhook_record webhook;
        struct post_record    post;
        struct agent_record   agent;
        struct check_record   check;
        struct result_record  result;
        struct result_sum     sum;
    } r;

    switch (table) {
    case TABLE_MAILBOX:      return key.len == 4 && mailbox_record_read(value, &r.mailbox) == MT_OK && r.mailbox.id == get_u32(key.data);
    case TABLE_FOLDER:       return key.len == 8 && folder_record_read(value, &r.folder) == MT_OK && r.folder.mailbox_id == get_u32(key.data) &&
                                    r.folder.id == get_u32(key.data + 4);
    case TABLE_ENTRY:        return key.len == 12 && entry_read(key, value, &r.entry) == MT_OK;
    case TABLE_MESSAGE:      return key.len == 8 && message_record_read(value, &r.message) == MT_OK;
    case TABLE_BODY:         return key.len == 12 && value.len > 0 && value.len <= DB_CHUNK_BYTES;
    case TABLE_TOKEN:        return key.len == TOKEN_RAW_BYTES && token_record_read(value, &r.token) == MT_OK;
    case TABLE_API_KEY:      return key.len == 4 && api_key_record_read(value, &r.api_key) == MT_OK;
    case TABLE_SERVED:       return key.len == 8 && served_record_read(value, &r.served) == MT_OK && r.served.until_us >= get_u64(key.data);
    case TABLE_PATTERN:      return key.len == 4 && pattern_record_read(value, &r.pattern) == MT_OK;
    case TABLE_EVENT:        return key.len == 8 && event_record_read(value, &r.event) == MT_OK;
    case TABLE_WEBHOOK:      return key.len == 4 && webhook_record_read(value, &r.webhook) == MT_OK;
    case TABLE_POST:         return key.len == 12 && post_record_read(value, &r.post) == MT_OK;
    case TABLE_AGENT:        return key.len == 4 && agent_record_read(value, &r.agent) == MT_OK && r.agent.id == get_u32(key.data);
    case TABLE_CHECK:        return key.len == 4 && check_record_read(value, &r.check) == MT_OK && r.check.id == get_u32(key.data) &&
                                    check_name_is_fine(r.check.name);
    case TABLE_RESULT:       return key.len == 12 && result_record_read(value, &r.result) == MT_OK && r.result.started_us == get_u64(key.data + 4);
    case TABLE_RESULT_SUM:   return key.len == 8 && result_sum_read(value, &r.sum) == MT_OK;
    case TABLE_SUBSCRIPTION: return key.len > 4 && folder_name_is_fine(slice_sub(key, 4, key.len));
    default:                 return false;
    }
}

static void
take_over(struct salvage *s, enum table table, struct slice key, struct slice value)
{
    if ((table == TABLE_MESSAGE || table == TABLE_BODY) && get_u64(key.data) > s->last_id && get_u64(key.data) < UINT64_MAX / 2)
        s->last_id = get_u64(key.data);
    salvage_put(s, table, key, value, MDB_NOOVERWRITE);
    if (++s->rows >= ROWS_A_COMMIT) {
        commit(s);
        begin(s);
    }
}

static void
on_row(void *arg, struct slice key, struct slice value)
{
    struct salvage *s = arg;

    if (s->fault != MT_OK)
        return;
    if (is_whole(s->table, key, value)) {
        take_over(s, s->table, key, value);
        return;
    }
    s->counts->rows_lost++;
    s->counts->messages_lost += s->table == TABLE_MESSAGE;
    if (key.len == 8 && s->table == TABLE_MESSAGE)
        salvage_tell(s, "message %llu: its record is damaged", (unsigned long long)get_u64(key.data));
    else if (key.len == 4)
        salvage_tell(s, "%s %u: its record is damaged", db_table_name(s->table), get_u32(key.data));
    else
        salvage_tell(s, "%s: a record is damaged", db_table_name(s->table));
}

/* Found below no table: what it is, its checksum tells. Nothing that grants rights is taken from there. */
static void
on_stray(void *arg, struct slice key, struct slice value)
{
    static const enum table tables[] = { TABLE_ENTRY, TABLE_MESSAGE, TABLE_TOKEN, TABLE_RESULT, TABLE_RESULT_SUM, TABLE_BODY };
    struct salvage         *s = arg;

    for (size_t i = 0; s->fault == MT_OK && i < COUNT(tables); i++)
        if (is_whole(tables[i], key, value)) {
            take_over(s, tables[i], key, value);
            return;
        }
}

static void
on_meta(void *arg, struct slice key, struct slice value)
{
    struct salvage *s = arg;

    if (slice_equal(key, slice_of(DB_META_SCHEMA)) && value.len == 4)
        s->schema = get_u32(value.data);
}

static int
take_all(struct salvage *s, int fd)
{
    static const enum table tables[] = { TABLE_MAILBOX, TABLE_FOLDER, TABLE_ENTRY,   TABLE_MESSAGE, TABLE_BODY,    TABLE_TOKEN, TABLE_API_KEY,
                                         TABLE_SERVED,  TABLE_PATTERN, TABLE_EVENT,  TABLE_WEBHOOK, TABLE_POST,    TABLE_AGENT, TABLE_SUBSCRIPTION,
                                         TABLE_CHECK,   TABLE_RESULT,  TABLE_RESULT_SUM };
    struct pages_rows      *rows;
    int                     rc = pages_rows_open(fd, &rows);

    if (rc != MT_OK)
        return rc;
    pages_rows_table(rows, db_table_name(TABLE_META), RECORD_BYTES_MAX, on_meta, s);
    if (s->schema != 0 && s->schema != DB_SCHEMA_VERSION) {
        pages_rows_close(rows);
        return MT_EVERSION;
    }
    begin(s);
    for (size_t i = 0; i < COUNT(tables) && s->fault == MT_OK; i++) {
        s->table = tables[i];
        if (!pages_rows_table(rows, db_table_name(tables[i]), RECORD_BYTES_MAX, on_row, s))
            salvage_tell(s, "%s: the table itself is lost", db_table_name(tables[i]));
    }
    if (pages_rows_lost(rows) > 0)
        pages_rows_stray(rows, RECORD_BYTES_MAX, on_stray, s);
    commit(s);
    s->counts->places_lost = pages_rows_lost(rows);
    pages_rows_close(rows);
    return s->fault;
}

/* ---- Messages, entries, bodies ---------------------------------------------------------------------------------------------- */

/* A mailbox whose record is lost: its mail is kept, and an operator can give it a secret and a name. */
static void
need_mailbox(struct salvage *s, uint32_t id)
{
    struct mailbox_record m = { .id = id, .next_folder_id = FOLDER_FIRST_OWN, .created_unix = (uint64_t)time(NULL) };
    unsigned char         key[DB_KEY_MAX];
    char                  name[32];

    if (salvage_exists(s, TABLE_MAILBOX, db_key_u32(key, id)))
        return;
    snprintf(name, sizeof(name), "lost-%u", id);
    m.name = slice_of(name);
    m.domain = slice_of("lost.invalid");
    randombytes_buf(m.credentials.salt, sizeof(m.credentials.salt));
    randombytes_buf(m.credentials.secret_hash, sizeof(m.credentials.secret_hash));
    randombytes_buf(m.credentials.stored_key, sizeof(m.credentials.stored_key));
    randombytes_buf(m.credentials.server_key, sizeof(m.credentials.server_key));
    buf_clear(&s->scratch);
    mailbox_record_write(&s->scratch, &m);
    salvage_put_record(s, TABLE_MAILBOX, db_key_u32(key, id));
    s->counts->made++;
    salvage_tell(s, "mailbox %u: its record is lost; its mail is in \"%s\"", id, name);
}

static void
need_folder(struct salvage *s, uint32_t mailbox_id, uint32_t id)
{
    struct folder_record f = { .mailbox_id = mailbox_id, .id = id, .uidvalidity = (uint32_t)time(NULL), .uidnext = 1, .modseq = 1, .subscribed = true };
    unsigned char        key[DB_KEY_MAX];
    char                 name[32];

    if (salvage_exists(s, TABLE_FOLDER, db_key_folder(key, mailbox_id, id)))
        return;
    snprintf(name, sizeof(name), "Lost-%u", id);
    f.name = id == FOLDER_INBOX ? slice_of("INBOX") : id == FOLDER_UNMATCHED ? slice_of("Unmatched") : slice_of(name);
    buf_clear(&s->scratch);
    folder_record_write(&s->scratch, &f);
    salvage_put_record(s, TABLE_FOLDER, db_key_folder(key, mailbox_id, id));
    s->counts->made++;
    salvage_tell(s, "folder %u of mailbox %u: its record was made anew", id, mailbox_id);
}

static void
need_entry(struct salvage *s, uint64_t id, const struct message_record *m)
{
    const struct db_view v = salvage_view(s);
    unsigned char        key[DB_KEY_MAX];
    struct slice         at = db_key_entry(key, m->mailbox_id, m->folder_id, m->uid);
    struct entry         e;

    if (db_entry(&v, m->mailbox_id, m->folder_id, m->uid, &e) == MT_OK && e.message_id == id)
        return;
    e = (struct entry){ .message_id = id, .modseq = 1 };
    buf_clear(&s->scratch);
    entry_write(&s->scratch, at, &e);
    salvage_put_record(s, TABLE_ENTRY, at);
    s->counts->made++;
}

static void
count_copy(struct salvage *s, uint64_t body_id)
{
    const struct db_view v = salvage_view(s);
    unsigned char        key[DB_KEY_MAX], bytes[BODY_REF_BYTES];
    struct slice         value;
    uint32_t             count = 0;

    if (db_get(&v, TABLE_BODY_REF, db_key_u64(key, body_id), &value) != MT_OK || body_ref_read(value, body_id, &count) != MT_OK)
        count = 0;
    body_ref_write(bytes, body_id, count + 1);
    salvage_put(s, TABLE_BODY_REF, db_key_u64(key, body_id), slice_make(bytes, sizeof(bytes)), 0);
}

static void
order_message(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view  v = salvage_view(s);
    unsigned char         bytes[DB_KEY_MAX];
    uint64_t              id = get_u64(key.data);
    struct message_record m;
    int                   rc = message_record_read(value, &m);

    if (rc == MT_OK)
        rc = db_message_check(&v, &m);
    if (rc != MT_OK) {
        salvage_tell(s, "message %llu: its body is not whole", (unsigned long long)id);
        s->counts->messages_lost++;
        salvage_drop(s, TABLE_MESSAGE, key);
        return;
    }
    s->counts->messages++;
    if (m.body_shared)
        count_copy(s, m.body_id);
    salvage_put(s, TABLE_EXPIRY, db_key_message_expiry(bytes, id, &m), slice_make("", 0), 0);
    need_mailbox(s, m.mailbox_id);
    need_folder(s, m.mailbox_id, m.folder_id);
    need_entry(s, id, &m);
}

static void
order_entry(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view  v = salvage_view(s);
    struct message_record m;
    struct entry          e;

    if (entry_read(key, value, &e) != MT_OK || db_message(&v, e.message_id, &m) != MT_OK || m.mailbox_id != get_u32(key.data) ||
        m.folder_id != get_u32(key.data + 4) || m.uid != get_u32(key.data + 8))
        salvage_drop(s, TABLE_ENTRY, key);
}

static void
order_body(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view  v = salvage_view(s);
    unsigned char         bytes[DB_KEY_MAX];
    struct message_record m;
    uint64_t              id = get_u64(key.data);

    (void)value;
    if (!salvage_exists(s, TABLE_BODY_REF, db_key_u64(bytes, id)) && (db_message(&v, id, &m) != MT_OK || m.body_id != id))
        salvage_drop(s, TABLE_BODY, key);
}

/* ---- Folders and mailboxes ---------------------------------------------------------------------------------------------------- */

struct folder_sum {
    struct salvage *s;
    uint64_t        messages, bytes, modseq;
    uint32_t        last_uid;
};

static bool
sum_entry(void *arg, uint32_t uid, const struct entry *e)
{
    struct folder_sum    *sum = arg;
    const struct db_view  v = salvage_view(sum->s);
    struct message_record m;

    if (db_message(&v, e->message_id, &m) == MT_OK)
        sum->bytes += message_size(&m);
    sum->messages++;
    sum->last_uid = uid;
    sum->modseq = e->modseq > sum->modseq ? e->modseq : sum->modseq;
    return true;
}

static void
order_folder(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view v = salvage_view(s);
    struct folder_sum    sum = { .s = s };
    struct folder_record f;
    char                 name[256], keywords[FOLDER_KEYWORDS_BYTES + 1];

    if (folder_record_read(value, &f) != MT_OK)
        return;
    f.name = salvage_copy(name, sizeof(name), f.name);
    f.keywords = salvage_copy(keywords, sizeof(keywords), f.keywords);
    salvage_fail(s, db_entries(&v, f.mailbox_id, f.id, 0, sum_entry, &sum));
    f.messages = sum.messages;
    f.bytes = sum.bytes;
    if (f.uidnext <= sum.last_uid)
        f.uidnext = sum.last_uid + 1;
    if (f.modseq < sum.modseq)
        f.modseq = sum.modseq;
    need_mailbox(s, f.mailbox_id);
    buf_clear(&s->scratch);
    folder_record_write(&s->scratch, &f);
    salvage_put_record(s, TABLE_FOLDER, key);
}

static bool
sum_folder(void *arg, const struct folder_record *f)
{
    struct mailbox_record *m = arg;

    m->messages += f->messages;
    m->bytes += f->bytes;
    m->next_folder_id = f->id >= m->next_folder_id ? f->id + 1 : m->next_folder_id;
    m->uidvalidity = f->uidvalidity > m->uidvalidity ? f->uidvalidity : m->uidvalidity;
    return true;
}

static void
order_mailbox(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view  v = salvage_view(s);
    struct mailbox_record m;
    char                  name[MAILBOX_NAME_MAX + 1], domain[256];

    if (mailbox_record_read(value, &m) != MT_OK)
        return;
    m.name = salvage_copy(name, sizeof(name), m.name);
    m.domain = salvage_copy(domain, sizeof(domain), m.domain);
    need_folder(s, m.id, FOLDER_INBOX);
    need_folder(s, m.id, FOLDER_UNMATCHED);
    m.messages = m.bytes = 0;
    salvage_fail(s, db_folders(&v, m.id, sum_folder, &m));
    buf_clear(&s->scratch);
    mailbox_record_write(&s->scratch, &m);
    salvage_put_record(s, TABLE_MAILBOX, key);
    if (!salvage_put(s, TABLE_MAILBOX_NAME, m.name, key, MDB_NOOVERWRITE))
        salvage_tell(s, "mailbox %u: another has its name", m.id);
    s->counts->mailboxes++;
}

/* ---- The rest ------------------------------------------------------------------------------------------------------------------ */

static void
order_token(struct salvage *s, struct slice key, struct slice value)
{
    unsigned char       bytes[DB_KEY_MAX], id[DB_KEY_MAX];
    struct token        t;
    struct token_record r;

    memcpy(t.raw, key.data, sizeof(t.raw));
    if (token_record_read(value, &r) != MT_OK)
        return;
    s->counts->tokens++;
    salvage_put(s, TABLE_EXPIRY, db_key_token_expiry(bytes, &t, &r), slice_make("", 0), 0);
    if (r.deadline_unix != 0 && r.decided_us == 0 && salvage_exists(s, TABLE_MAILBOX, db_key_u32(id, r.mailbox_id)))
        salvage_put(s, TABLE_DEADLINE, db_key_deadline(bytes, r.deadline_unix, &t), slice_make("", 0), 0);
}

static void
order_api_key(struct salvage *s, struct slice key, struct slice value)
{
    struct api_key_record k;
    unsigned char         id[DB_KEY_MAX];

    if (api_key_record_read(value, &k) == MT_OK && k.mailbox_id != 0 && !salvage_exists(s, TABLE_MAILBOX, db_key_u32(id, k.mailbox_id)))
        salvage_drop(s, TABLE_API_KEY, key);
}

static void
order_webhook(struct salvage *s, struct slice key, struct slice value)
{
    struct webhook_record w;
    unsigned char         id[DB_KEY_MAX];

    if (webhook_record_read(value, &w) == MT_OK && w.mailbox_id != 0 && !salvage_exists(s, TABLE_MAILBOX, db_key_u32(id, w.mailbox_id)))
        salvage_drop(s, TABLE_WEBHOOK, key);
}

static void
order_post(struct salvage *s, struct slice key, struct slice value)
{
    struct post_record p;
    unsigned char      due[DB_KEY_MAX];

    if (!salvage_exists(s, TABLE_WEBHOOK, slice_sub(key, 0, 4)) || !salvage_exists(s, TABLE_EVENT, slice_sub(key, 4, 8)) ||
        post_record_read(value, &p) != MT_OK)
        salvage_drop(s, TABLE_POST, key);
    else if (p.due_us != 0)
        salvage_put(s, TABLE_POST_DUE, db_key_post_due(due, get_u32(key.data), p.due_us, get_u64(key.data + 4)), slice_make("", 0), 0);
}

/* Rows that begin with the id of a mailbox and mean nothing without it. */
static void
order_pattern(struct salvage *s, struct slice key, struct slice value)
{
    (void)value;
    if (!salvage_exists(s, TABLE_MAILBOX, slice_sub(key, 0, 4)))
        salvage_drop(s, TABLE_PATTERN, key);
}

static void
order_subscription(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view v = salvage_view(s);
    struct folder_record f;

    (void)value;
    if (!salvage_exists(s, TABLE_MAILBOX, slice_sub(key, 0, 4)) ||
        db_folder_by_name(&v, get_u32(key.data), slice_sub(key, 4, key.len), &f) == MT_OK)
        salvage_drop(s, TABLE_SUBSCRIPTION, key);
}

static void
order_agent(struct salvage *s, struct slice key, struct slice value)
{
    struct agent_record a;
    unsigned char       id[DB_KEY_MAX];
    char                name[MAILBOX_NAME_MAX + 1];
    uint32_t            kept = 0;

    if (agent_record_read(value, &a) != MT_OK)
        return;
    a.name = salvage_copy(name, sizeof(name), a.name);
    for (uint32_t i = 0; i < a.mailbox_count; i++)
        if (salvage_exists(s, TABLE_MAILBOX, db_key_u32(id, a.mailboxes[i])))
            a.mailboxes[kept++] = a.mailboxes[i];
    a.mailbox_count = kept;
    buf_clear(&s->scratch);
    agent_record_write(&s->scratch, &a);
    salvage_put_record(s, TABLE_AGENT, key);
    salvage_put(s, TABLE_AGENT_NAME, a.name, key, MDB_NOOVERWRITE);
}

/* ---- Counters -------------------------------------------------------------------------------------------------------------------- */

/* The last key's number, of 4 or 8 octets. */
static uint64_t
last_key(struct salvage *s, enum table table, size_t len)
{
    MDB_cursor *cursor;
    MDB_val     key, value;
    uint64_t    id = 0;

    if (mdb_cursor_open(s->txn, db_table(s->db, table), &cursor) != MDB_SUCCESS)
        return 0;
    if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == MDB_SUCCESS && key.mv_size >= len)
        id = len == 8 ? get_u64(key.mv_data) : get_u32(key.mv_data);
    mdb_cursor_close(cursor);
    return id;
}

static void
put_counter(struct salvage *s, const char *name, uint64_t last, size_t len)
{
    unsigned char bytes[8];

    if (len == 8)
        put_u64(bytes, last + 1);
    else
        put_u32(bytes, (uint32_t)last + 1);
    salvage_put(s, TABLE_META, slice_of(name), slice_make(bytes, len), 0);
}

static void
put_counters(struct salvage *s)
{
    begin(s);
    if (s->txn == NULL)
        return;
    put_counter(s, DB_META_NEXT_MESSAGE, s->last_id, 8);
    put_counter(s, DB_META_NEXT_EVENT, last_key(s, TABLE_EVENT, 8), 8);
    put_counter(s, DB_META_NEXT_MAILBOX, last_key(s, TABLE_MAILBOX, 4), 4);
    put_counter(s, DB_META_NEXT_API_KEY, last_key(s, TABLE_API_KEY, 4), 4);
    put_counter(s, DB_META_NEXT_WEBHOOK, last_key(s, TABLE_WEBHOOK, 4), 4);
    put_counter(s, DB_META_NEXT_AGENT, last_key(s, TABLE_AGENT, 4), 4);
    put_counter(s, DB_META_NEXT_CHECK, last_key(s, TABLE_CHECK, 4), 4);
    commit(s);
}

/* Each needs those before it. */
static const struct {
    enum table      table;
    salvage_row_fn *order;
} orders[] = {
    { TABLE_MESSAGE, order_message }, { TABLE_ENTRY, order_entry },     { TABLE_BODY, order_body },       { TABLE_FOLDER, order_folder },
    { TABLE_MAILBOX, order_mailbox }, { TABLE_FOLDER, order_folder },   { TABLE_TOKEN, order_token },     { TABLE_API_KEY, order_api_key },
    { TABLE_WEBHOOK, order_webhook }, { TABLE_POST, order_post },       { TABLE_PATTERN, order_pattern }, { TABLE_SUBSCRIPTION, order_subscription },
    { TABLE_AGENT, order_agent },     { TABLE_CHECK, salvage_check },   { TABLE_RESULT, salvage_result }, { TABLE_RESULT, salvage_need_sum },
    { TABLE_RESULT_SUM, salvage_sum },
};

int
db_salvage(int fd, const struct db_options *to, db_salvage_fn *tell_fn, void *arg, struct db_salvage_counts *counts)
{
    struct salvage s = { .tell = tell_fn, .arg = arg, .counts = counts };
    int            rc = db_open(to, &s.db);

    *counts = (struct db_salvage_counts){ 0 };
    if (rc != MT_OK)
        return rc;
    buf_init(&s.scratch, RECORD_BYTES_MAX);
    rc = take_all(&s, fd);
    for (size_t i = 0; rc == MT_OK && i < COUNT(orders); i++) {
        for_each(&s, orders[i].table, orders[i].order);
        rc = s.fault;
    }
    if (rc == MT_OK) {
        put_counters(&s);
        rc = s.fault;
    }
    buf_fini(&s.scratch);
    db_close(s.db);
    return rc;
}
