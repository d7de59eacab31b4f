/* db - see db.h: opening, views and keys. Messages and their bodies: db_message.c. */

#include "lib/db.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A backup in a thread of its own and one read may go on at the same time; more idle transactions are not worth keeping. */
enum { IDLE_VIEWS = 2, REASON_BYTES = 256 };

struct db {
    MDB_env *env;
    MDB_dbi  tables[TABLE_COUNT];
    MDB_txn *idle[IDLE_VIEWS];      /* read transactions that were reset, each with its reader slot */
    unsigned idle_count;
    bool     read_only;
};

static const char *const table_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",       [TABLE_MAILBOX] = "mailbox", [TABLE_MAILBOX_NAME] = "mailbox-name", [TABLE_FOLDER] = "folder",
    [TABLE_ENTRY] = "entry",     [TABLE_MESSAGE] = "message", [TABLE_BODY] = "body",                 [TABLE_BODY_REF] = "body-ref",
    [TABLE_TOKEN] = "token",     [TABLE_EXPIRY] = "expiry",   [TABLE_API_KEY] = "api-key",           [TABLE_RESULT] = "result",
    [TABLE_DEADLINE] = "deadline", [TABLE_SERVED] = "served", [TABLE_PATTERN] = "pattern",           [TABLE_EVENT] = "event",
    [TABLE_WEBHOOK] = "webhook", [TABLE_POST] = "post",       [TABLE_POST_DUE] = "post-due",
    [TABLE_AGENT] = "agent",     [TABLE_AGENT_NAME] = "agent-name", [TABLE_SUBSCRIPTION] = "subscription",
    [TABLE_CHECK] = "check",     [TABLE_CHECK_NAME] = "check-name", [TABLE_RESULT_SUM] = "result-sum",
};

int
mt_from_mdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return MT_OK;
    case MDB_NOTFOUND:
        return MT_ENOTFOUND;
    case MDB_KEYEXIST:
        return MT_EEXIST;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
        return MT_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        return MT_EDAMAGED;
    case MDB_VERSION_MISMATCH:
        return MT_EVERSION;
    default:
        return rc > 0 ? mt_from_errno(rc) : MT_EIO;
    }
}

MDB_env *
db_env(const struct db *db)
{
    return db->env;
}

MDB_dbi
db_table(const struct db *db, enum table table)
{
    assert((unsigned)table < TABLE_COUNT);
    return db->tables[table];
}

const char *
db_table_name(enum table table)
{
    assert((unsigned)table < TABLE_COUNT);
    return table_names[table];
}

static int
put_meta(const struct db *db, MDB_txn *txn, const char *name, const void *value, size_t len)
{
    MDB_val key = { strlen(name), (void *)(uintptr_t)name };
    MDB_val data = { len, (void *)(uintptr_t)value };

    return mdb_put(txn, db->tables[TABLE_META], &key, &data, MDB_NOOVERWRITE);
}

/* What a new database begins with. */
static int
write_first_rows(const struct db *db, MDB_txn *txn)
{
    unsigned char schema[4], message_id[8], id[4], instance[16];
    int           rc;

    put_u32(schema, DB_SCHEMA_VERSION);
    put_u64(message_id, 1);
    put_u32(id, 1);
    randombytes_buf(instance, sizeof(instance));
    if ((rc = put_meta(db, txn, DB_META_INSTANCE, instance, sizeof(instance))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_MESSAGE, message_id, sizeof(message_id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_MAILBOX, id, sizeof(id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_API_KEY, id, sizeof(id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_AGENT, id, sizeof(id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_EVENT, message_id, sizeof(message_id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_CHECK, id, sizeof(id))) != MDB_SUCCESS ||
        (rc = put_meta(db, txn, DB_META_NEXT_WEBHOOK, id, sizeof(id))) != MDB_SUCCESS)
        return mt_from_mdb(rc);
    return mt_from_mdb(put_meta(db, txn, DB_META_SCHEMA, schema, sizeof(schema)));
}

/* Whether store has nothing to convert before others may read. */
static int
check_converted(const struct db_view *v, uint32_t schema, const char *dir)
{
    struct slice progress;
    int          rc = db_get(v, TABLE_META, slice_of(DB_META_CONVERT), &progress);

    if (rc == MT_ENOTFOUND && schema == DB_SCHEMA_VERSION)
        return MT_OK;
    if (rc != MT_OK && rc != MT_ENOTFOUND)
        return rc;
    log_error("event=store-not-converted dir=%s schema=%u known=%u reason=\"%s\" hint=\"the service converts it when it starts; until then only the"
              " version that wrote it can use it\"",
              dir, schema, DB_SCHEMA_VERSION, rc == MT_OK ? "its conversion has not ended" : "written by an older version of mailtest");
    return MT_EVERSION;
}

/* MT_ENOTFOUND: there is no schema yet, so this is an empty environment. */
static int
check_schema(struct db *db, MDB_txn *txn, const char *dir)
{
    const struct db_view v = { .db = db, .txn = txn };
    struct slice         value;
    int                  rc = db_get(&v, TABLE_META, slice_of(DB_META_SCHEMA), &value);

    if (rc != MT_OK)
        return rc;
    if (value.len != 4) {
        log_error("event=store-damaged dir=%s reason=\"the schema version is unreadable\" hint=\"mailtestctl verify; restore a backup\"", dir);
        return MT_EDAMAGED;
    }
    if (get_u32(value.data) > DB_SCHEMA_VERSION) {
        log_error("event=store-too-new dir=%s schema=%u known=%u reason=\"written by a newer version of mailtest\""
                  " hint=\"run that version, or restore a backup made by this one\"",
                  dir, get_u32(value.data), DB_SCHEMA_VERSION);
        return MT_EVERSION;
    }
    if (get_u32(value.data) < DB_SCHEMA_OLDEST) {
        log_error("event=store-too-old dir=%s schema=%u known=%u reason=\"written by an older version of mailtest, and there is no conversion\""
                  " hint=\"run that version, or begin with another state_dir\"",
                  dir, get_u32(value.data), DB_SCHEMA_VERSION);
        return MT_EVERSION;
    }
    return db->read_only ? check_converted(&v, get_u32(value.data), dir) : MT_OK;
}

static int
open_table(struct db *db, MDB_txn *txn, enum table table)
{
    return mdb_dbi_open(txn, table_names[table], db->read_only ? 0 : MDB_CREATE, &db->tables[table]);
}

static int
open_tables(struct db *db, const char *dir)
{
    MDB_txn *txn = NULL;
    int      rc, mdb;

    if ((mdb = mdb_txn_begin(db->env, NULL, db->read_only ? MDB_RDONLY : 0, &txn)) != MDB_SUCCESS ||
        (mdb = open_table(db, txn, TABLE_META)) != MDB_SUCCESS)
        goto failed;
    /* Another version has other tables, so its number comes first. */
    rc = check_schema(db, txn, dir);
    if (rc != MT_OK && (rc != MT_ENOTFOUND || db->read_only)) {
        mdb_txn_abort(txn);
        return rc;
    }
    for (unsigned i = TABLE_META + 1; i < TABLE_COUNT; i++)
        if ((mdb = open_table(db, txn, (enum table)i)) != MDB_SUCCESS)
            goto failed;
    if (rc == MT_ENOTFOUND && (rc = write_first_rows(db, txn)) != MT_OK) {
        mdb_txn_abort(txn);
        return rc;
    }
    mdb = mdb_txn_commit(txn);
    txn = NULL;
    if (mdb == MDB_SUCCESS)
        return MT_OK;
failed:
    if (txn != NULL)
        mdb_txn_abort(txn);
    rc = mt_from_mdb(mdb);
    if (rc != MT_ENOTFOUND || !db->read_only)
        log_error("event=store-open-failed dir=%s reason=\"%s\"", dir, mdb_strerror(mdb));
    return rc;
}

static void
keep_first(void *arg, const char *text)
{
    char *first = arg;

    if (first[0] == '\0')
        snprintf(first, REASON_BYTES, "%s", text);
}

/* The list of tables, which LMDB reads when it opens the file. A writer may reuse a page while this looks, so it looks again. */
static int
check_tables(int fd, char first_problem[REASON_BYTES])
{
    struct pages_counts counts;
    int                 rc = MT_OK;

    for (int i = 0; i < 3; i++) {
        first_problem[0] = '\0';
        rc = pages_check(fd, 0, PAGES_TABLES, keep_first, first_problem, &counts);
        if (rc == MT_OK && first_problem[0] == '\0')
            return MT_OK;
    }
    return rc == MT_OK ? MT_EDAMAGED : rc;
}

/*
 * LMDB trusts its file, and reading a mapped file behind its end kills the process: so what can be seen from outside is checked
 * first. MT_ENOTFOUND: there is no file yet.
 */
static int
check_file(const struct db_options *options)
{
    char              path[PATH_MAX];
    char              problem[REASON_BYTES] = "";
    struct pages_head head;
    const char       *reason = problem;
    int               fd, rc;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", options->dir, DB_FILE) >= sizeof(path)) {
        log_error("event=store-open-failed dir=%s reason=\"the path is too long\"", options->dir);
        return MT_EINVALID;
    }
    fd = open(path, (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd == -1) {
        rc = mt_from_errno(errno);
        if (rc != MT_ENOTFOUND)
            log_error("event=store-open-failed file=%s reason=\"%s\"", path, strerror(errno));
        return rc;
    }
    rc = pages_head_read(fd, &head, &reason);
    if (rc == MT_OK)
        rc = check_tables(fd, problem);
    /* LMDB leaves out pages at the end that it took and gave back in one transaction; the file must still reach there. */
    if (rc == MT_OK && head.file_bytes < head.needed_bytes && !options->read_only && ftruncate(fd, (off_t)head.needed_bytes) != 0) {
        rc = mt_from_errno(errno);
        reason = strerror(errno);
    }
    close(fd);
    if (rc != MT_OK && rc != MT_ENOTFOUND)
        log_error("event=store-damaged file=%s reason=\"%s\" hint=\"mailtestctl verify; restore a backup\"", path, reason);
    return rc;
}

static int
open_env(struct db *db, const struct db_options *options)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options->read_only ? MDB_RDONLY : 0) | (options->no_sync ? MDB_NOSYNC : 0);
    int      rc;

    if ((rc = mdb_env_create(&db->env)) != MDB_SUCCESS)
        db->env = NULL;
    else if ((rc = mdb_env_set_maxdbs(db->env, TABLE_COUNT)) != MDB_SUCCESS ||
             (rc = mdb_env_set_mapsize(db->env, (size_t)options->map_bytes)) != MDB_SUCCESS ||
             (rc = mdb_env_set_maxreaders(db->env, options->readers_max)) != MDB_SUCCESS)
        ;
    else
        rc = mdb_env_open(db->env, options->dir, flags, 0600);
    if (rc == MDB_SUCCESS)
        return MT_OK;
    log_error("event=store-open-failed dir=%s reason=\"%s\"", options->dir, mdb_strerror(rc));
    return mt_from_mdb(rc);
}

/* Root looks into a database (verify) that is another user's: the lock file, if it was made for that, must be that user's. */
static void
give_lock_to_owner(const char *dir)
{
    char        data[PATH_MAX], lock[PATH_MAX];
    struct stat st, lock_st;

    if (geteuid() != 0 || (size_t)snprintf(data, sizeof(data), "%s/%s", dir, DB_FILE) >= sizeof(data) ||
        (size_t)snprintf(lock, sizeof(lock), "%s/lock.mdb", dir) >= sizeof(lock) || stat(data, &st) != 0 || lstat(lock, &lock_st) != 0)
        return;
    if ((st.st_uid != lock_st.st_uid || st.st_gid != lock_st.st_gid) && lchown(lock, st.st_uid, st.st_gid) != 0)
        log_warning("event=lock-not-given file=%s reason=\"%s\"", lock, strerror(errno));
}

int
db_open(const struct db_options *options, struct db **out)
{
    struct db *db;
    int        rc = check_file(options);

    if (rc != MT_OK && (rc != MT_ENOTFOUND || options->read_only))
        return rc;
    db = calloc(1, sizeof(*db));
    if (db == NULL)
        return MT_ENOMEM;
    db->read_only = options->read_only;
    if ((rc = open_env(db, options)) != MT_OK || (rc = open_tables(db, options->dir)) != MT_OK) {
        db_close(db);
        return rc;
    }
    give_lock_to_owner(options->dir);
    *out = db;
    return MT_OK;
}

void
db_close(struct db *db)
{
    if (db == NULL)
        return;
    while (db->idle_count > 0)
        mdb_txn_abort(db->idle[--db->idle_count]);
    if (db->env != NULL)
        mdb_env_close(db->env);
    free(db);
}

int
db_lock(const char *state_dir, int *fd)
{
    char path[PATH_MAX];
    int  lock, err;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, DB_LOCK_FILE) >= sizeof(path)) {
        log_error("event=store-lock-failed dir=%s reason=\"the path is too long\"", state_dir);
        return MT_EINVALID;
    }
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock != -1 && flock(lock, LOCK_EX | LOCK_NB) == 0) {
        *fd = lock;
        return MT_OK;
    }
    err = errno;
    if (lock != -1)
        close(lock);
    if (err == EWOULDBLOCK) {
        log_error("event=store-in-use file=%s reason=\"store in use by another instance\""
                  " hint=\"stop it, or give this one another state_dir\"",
                  path);
        return MT_EBUSY;
    }
    log_error("event=store-lock-failed file=%s reason=\"%s\"", path, strerror(err));
    return mt_from_errno(err);
}

int
db_view_begin(struct db *db, struct db_view *v)
{
    int rc;

    v->db = db;
    if (db->idle_count > 0) {
        v->txn = db->idle[--db->idle_count];
        rc = mdb_txn_renew(v->txn);
        if (rc != MDB_SUCCESS)
            mdb_txn_abort(v->txn);
    } else {
        rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &v->txn);
    }
    if (rc == MDB_SUCCESS)
        return MT_OK;
    v->txn = NULL;
    log_error("event=store-read-failed reason=\"%s\"", mdb_strerror(rc));
    return mt_from_mdb(rc);
}

void
db_view_end(struct db_view *v)
{
    if (v->txn == NULL)
        return;
    if (v->db->idle_count < IDLE_VIEWS) {
        mdb_txn_reset(v->txn);
        v->db->idle[v->db->idle_count++] = v->txn;
    } else {
        mdb_txn_abort(v->txn);
    }
    v->txn = NULL;
}

int
db_get(const struct db_view *v, enum table table, struct slice key, struct slice *value)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data };
    MDB_val data;
    int     rc = mdb_get(v->txn, db_table(v->db, table), &k, &data);

    if (rc != MDB_SUCCESS) {
        if (rc != MDB_NOTFOUND)
            log_error("event=store-read-failed table=%s reason=\"%s\"", db_table_name(table), mdb_strerror(rc));
        return mt_from_mdb(rc);
    }
    *value = slice_make(data.mv_data, data.mv_size);
    return MT_OK;
}

int
db_mailbox_by_id(const struct db_view *v, uint32_t id, struct mailbox_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_MAILBOX, db_key_u32(key, id), &value);

    if (rc == MT_OK)
        rc = mailbox_record_read(value, out);
    return rc == MT_OK && out->id != id ? MT_EDAMAGED : rc;
}

int
db_mailbox_by_name(const struct db_view *v, struct slice name, struct mailbox_record *out)
{
    struct slice value;
    int          rc;

    if (name.len == 0 || name.len > MAILBOX_NAME_MAX)
        return MT_ENOTFOUND;
    rc = db_get(v, TABLE_MAILBOX_NAME, name, &value);
    if (rc != MT_OK)
        return rc;
    if (value.len != 4)
        return MT_EDAMAGED;
    rc = db_mailbox_by_id(v, get_u32(value.data), out);
    /* The row has no checksum: a mailbox of another name is somebody else's. */
    return rc == MT_ENOTFOUND || (rc == MT_OK && !slice_equal(out->name, name)) ? MT_EDAMAGED : rc;
}

int
db_agent_by_id(const struct db_view *v, uint32_t id, struct agent_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_AGENT, db_key_u32(key, id), &value);

    return rc == MT_OK ? agent_record_read(value, out) : rc;
}

int
db_agent_by_name(const struct db_view *v, struct slice name, struct agent_record *out)
{
    struct slice value;
    int          rc;

    if (name.len == 0 || name.len > MAILBOX_NAME_MAX)
        return MT_ENOTFOUND;
    rc = db_get(v, TABLE_AGENT_NAME, name, &value);
    if (rc != MT_OK)
        return rc;
    if (value.len != 4)
        return MT_EDAMAGED;
    rc = db_agent_by_id(v, get_u32(value.data), out);
    return rc == MT_ENOTFOUND ? MT_EDAMAGED : rc;
}

int
db_folder(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, struct folder_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_FOLDER, db_key_folder(key, mailbox_id, folder_id), &value);

    return rc == MT_OK ? folder_record_read(value, out) : rc;
}

int
db_token(const struct db_view *v, const struct token *t, struct token_record *out)
{
    struct slice value;
    int          rc = db_get(v, TABLE_TOKEN, slice_make(t->raw, sizeof(t->raw)), &value);

    return rc == MT_OK ? token_record_read(value, out) : rc;
}

int
db_api_key(const struct db_view *v, uint32_t id, struct api_key_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_API_KEY, db_key_u32(key, id), &value);

    return rc == MT_OK ? api_key_record_read(value, out) : rc;
}

int
db_event(const struct db_view *v, uint64_t id, struct event_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_EVENT, db_key_u64(key, id), &value);

    return rc == MT_OK ? event_record_read(value, out) : rc;
}

int
db_webhook(const struct db_view *v, uint32_t id, struct webhook_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_WEBHOOK, db_key_u32(key, id), &value);

    return rc == MT_OK ? webhook_record_read(value, out) : rc;
}

int
db_post(const struct db_view *v, uint32_t webhook_id, uint64_t event_id, struct post_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_POST, db_key_post(key, webhook_id, event_id), &value);

    return rc == MT_OK ? post_record_read(value, out) : rc;
}

int
db_pattern(const struct db_view *v, uint32_t mailbox_id, struct pattern_record *out)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = db_get(v, TABLE_PATTERN, db_key_u32(key, mailbox_id), &value);

    return rc == MT_OK ? pattern_record_read(value, out) : rc;
}

struct slice
db_key_u32(void *to, uint32_t a)
{
    put_u32(to, a);
    return slice_make(to, 4);
}

struct slice
db_key_u64(void *to, uint64_t a)
{
    put_u64(to, a);
    return slice_make(to, 8);
}

struct slice
db_key_folder(void *to, uint32_t mailbox_id, uint32_t folder_id)
{
    put_u32(to, mailbox_id);
    put_u32((char *)to + 4, folder_id);
    return slice_make(to, 8);
}

struct slice
db_key_entry(void *to, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid)
{
    db_key_folder(to, mailbox_id, folder_id);
    put_u32((char *)to + 8, uid);
    return slice_make(to, 12);
}

struct slice
db_key_subscription(void *to, uint32_t mailbox_id, struct slice name)
{
    name = slice_sub(name, 0, FOLDER_NAME_BYTES);
    put_u32(to, mailbox_id);
    if (name.len > 0)
        memcpy((char *)to + 4, name.data, name.len);
    return slice_make(to, 4 + name.len);
}

struct slice
db_key_body(void *to, uint64_t body_id, uint32_t chunk)
{
    put_u64(to, body_id);
    put_u32((char *)to + 8, chunk);
    return slice_make(to, 12);
}

struct slice
db_key_expiry_message(void *to, enum expiry kind, uint64_t at_unix, uint64_t id)
{
    *(unsigned char *)to = (unsigned char)kind;
    put_u64((char *)to + 1, at_unix);
    put_u64((char *)to + 9, id);
    return slice_make(to, 17);
}

struct slice
db_key_expiry_token(void *to, uint64_t at_unix, const struct token *t)
{
    *(unsigned char *)to = EXPIRY_TOKEN;
    put_u64((char *)to + 1, at_unix);
    memcpy((char *)to + 9, t->raw, sizeof(t->raw));
    return slice_make(to, 9 + sizeof(t->raw));
}

struct slice
db_key_deadline(void *to, uint64_t deadline_unix, const struct token *t)
{
    put_u64(to, deadline_unix);
    memcpy((char *)to + 8, t->raw, sizeof(t->raw));
    return slice_make(to, 8 + sizeof(t->raw));
}

struct slice
db_key_post(void *to, uint32_t webhook_id, uint64_t event_id)
{
    put_u32(to, webhook_id);
    put_u64((char *)to + 4, event_id);
    return slice_make(to, 12);
}

struct slice
db_key_post_due(void *to, uint32_t webhook_id, uint64_t due_us, uint64_t event_id)
{
    put_u32(to, webhook_id);
    put_u64((char *)to + 4, due_us);
    put_u64((char *)to + 12, event_id);
    return slice_make(to, 20);
}

struct slice
db_key_message_expiry(void *to, uint64_t id, const struct message_record *m)
{
    enum expiry kind = m->folder_id == FOLDER_UNMATCHED ? EXPIRY_UNMATCHED : EXPIRY_INBOX;

    return db_key_expiry_message(to, kind, m->committed_us / 1000000, id);
}

struct slice
db_key_token_expiry(void *to, const struct token *t, const struct token_record *record)
{
    uint64_t at_us = record->minted_us != 0 || record->kept == 0 ? record->minted_us : record->arrivals[0].committed_us;
    uint64_t at_unix = at_us / 1000000;

    /* A token that is expected in a year is kept until then and the usual time beyond. */
    return db_key_expiry_token(to, record->deadline_unix > at_unix ? record->deadline_unix : at_unix, t);
}
