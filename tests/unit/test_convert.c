/* A database as schema 2 had it, and one as schema 3 had it, made here row by row from one of today, and what becomes of them. */

#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "store/convert.h"

#include <errno.h>

enum { MESSAGES = 1200 /* more than one commit converts */, OLD_SCHEMA = 2, MAP_BYTES = 64 * 1024 * 1024 };

/* ---- A disk that fails at the sync that a test names. LMDB calls this, and finds it before that of the C library ---- */

static unsigned syncs_left;     /* until one fails; 0: none does */

int disk_sync(int fd) __asm__("fdatasync");

int
disk_sync(int fd)
{
    if (syncs_left > 0 && --syncs_left == 0) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

/* ---- Writing schema 2 ---- */

/* The fields of a record of today, cut at some length, with the version and the checksum of schema 2. */
static void
seal_2(struct buf *b)
{
    b->data[0] = OLD_SCHEMA;
    write_u64(b, checksum(buf_slice(b)));
}

/* A mailbox's record ended with the four fields of its secret, without what says who chose it. */
static void
mailbox_to_2(struct slice now, struct buf *b)
{
    const size_t secret = 16 + 3 * 32;

    buf_append(b, now.data, now.len - RECORD_SUM_BYTES - secret - 1);
    buf_append(b, now.data + now.len - RECORD_SUM_BYTES - secret, secret);
    seal_2(b);
}

/* A folder's had neither recent_uid nor a list of keywords. */
static void
folder_to_2(struct slice now, struct buf *b)
{
    struct folder_record f;

    assert_int_equal(folder_record_read(now, &f), MT_OK);
    buf_append(b, now.data, now.len - RECORD_SUM_BYTES - 4 - 4 - f.keywords.len);
    seal_2(b);
}

/* The others looked as today. */
static void
record_to_2(struct slice now, struct buf *b)
{
    buf_append(b, now.data, now.len - RECORD_SUM_BYTES);
    seal_2(b);
}

/* Entries and counts of copies had no checksum: it stands at their end. */
static void
row_to_2(struct slice now, struct buf *b)
{
    buf_append(b, now.data, now.len - 4);
}

static const struct {
    enum table table;
    void     (*old)(struct slice now, struct buf *b);
} old_tables[] = {
    { TABLE_MAILBOX, mailbox_to_2 }, { TABLE_FOLDER, folder_to_2 }, { TABLE_ENTRY, row_to_2 },      { TABLE_BODY_REF, row_to_2 },
    { TABLE_MESSAGE, record_to_2 },  { TABLE_TOKEN, record_to_2 },  { TABLE_API_KEY, record_to_2 }, { TABLE_SERVED, record_to_2 },
    { TABLE_PATTERN, record_to_2 },  { TABLE_EVENT, record_to_2 },  { TABLE_WEBHOOK, record_to_2 }, { TABLE_POST, record_to_2 },
};

static void
table_to_2(MDB_txn *txn, MDB_dbi dbi, void (*old)(struct slice now, struct buf *b))
{
    unsigned char copy[511];
    MDB_cursor   *cursor;
    MDB_val       key, value;
    struct buf    b;

    buf_init(&b, RECORD_BYTES_MAX);
    assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        buf_clear(&b);
        old(slice_make(value.mv_data, value.mv_size), &b);
        assert_int_equal(b.fault, MT_OK);
        memcpy(copy, key.mv_data, key.mv_size);     /* its place in the page changes with the size of the value */
        key.mv_data = copy;
        value = (MDB_val){ b.len, b.data };
        assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
    }
    mdb_cursor_close(cursor);
    buf_fini(&b);
}

static struct db_options
options_of(const char *dir, bool read_only)
{
    return (struct db_options){ .dir = dir, .map_bytes = MAP_BYTES, .readers_max = 16, .read_only = read_only };
}

/* Tables that came later are not there, nor what counts the ids in them. */
static void
drop_tables(struct db *db, MDB_txn *txn, const enum table *tables, size_t count, const char *counter)
{
    MDB_val key = { strlen(counter), (void *)(uintptr_t)counter };

    for (size_t i = 0; i < count; i++)
        assert_int_equal(mdb_drop(txn, db_table(db, tables[i]), 1), 0);
    assert_int_equal(mdb_del(txn, db_table(db, TABLE_META), &key, NULL), 0);
}

/* Schema 3 had no checks; the table of results was there, and empty. */
static void
tables_to_3(struct db *db, MDB_txn *txn)
{
    static const enum table new_tables[] = { TABLE_CHECK, TABLE_CHECK_NAME, TABLE_RESULT_SUM };

    drop_tables(db, txn, new_tables, COUNT(new_tables), DB_META_NEXT_CHECK);
}

static void
set_schema(struct db *db, MDB_txn *txn, uint32_t schema)
{
    unsigned char bytes[4];
    MDB_val       key = { strlen(DB_META_SCHEMA), (void *)(uintptr_t)DB_META_SCHEMA }, value = { sizeof(bytes), bytes };

    put_u32(bytes, schema);
    assert_int_equal(mdb_put(txn, db_table(db, TABLE_META), &key, &value, 0), 0);
}

static void
database_to_3(const char *dir)
{
    const struct db_options options = options_of(dir, false);
    MDB_txn                *txn;
    struct db              *db;

    assert_rc("open", db_open(&options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    tables_to_3(db, txn);
    set_schema(db, txn, 3);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
}

static void
database_to_2(const char *dir)
{
    const struct db_options options = options_of(dir, false);
    static const enum table new_tables[] = { TABLE_AGENT, TABLE_AGENT_NAME, TABLE_SUBSCRIPTION };
    MDB_txn                *txn;
    struct db              *db;

    assert_rc("open", db_open(&options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    for (size_t i = 0; i < COUNT(old_tables); i++)
        table_to_2(txn, db_table(db, old_tables[i].table), old_tables[i].old);
    drop_tables(db, txn, new_tables, COUNT(new_tables), DB_META_NEXT_AGENT);
    tables_to_3(db, txn);
    set_schema(db, txn, OLD_SCHEMA);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
}

/* ---- A store with something in every table ---- */

static void
deliver_many(struct store_service *sv)
{
    struct service_mail mail;
    struct buf          fields;

    service_connect(sv, ROLE_SMTPD);
    service_mail_init(&mail, "acme", NULL, slice_of("Subject: x\r\n\r\nbody\r\n"));
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &mail.d);
    for (unsigned i = 0; i < MESSAGES; i++)
        service_send(sv, MSG_DELIVER, buf_slice(&fields), -1);
    sv->answered = false;
    while (!sv->answered)
        assert_int_not_equal(event_base_loop(sv->base, EVLOOP_ONCE), -1);
    assert_int_equal(sv->rc, MT_OK);
    mail.recipients[1] = (struct recipient){ .mailbox = slice_of("two"), .address = slice_of("two@" DOMAIN) };
    mail.d.recipient_count = 2;
    assert_rc("to two", service_hand_over(sv, &mail, NULL), MT_OK);
    buf_fini(&fields);
    service_connect(sv, ROLE_CTL);
}

static void
set_keywords(struct store_service *sv)
{
    struct entry          e = { 0 };
    struct tx            *tx;
    struct tx_mailbox    *m;
    struct tx_folder     *f;
    struct db_view        v;
    struct mailbox_record record;
    unsigned char         key[DB_KEY_MAX];
    struct slice          at;
    struct buf           *b;
    bool                  failed;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("mailbox", db_mailbox_by_name(&v, slice_of("acme"), &record), MT_OK);
    assert_rc("entry", db_entry(&v, record.id, FOLDER_UNMATCHED, 3, &e), MT_OK);
    db_view_end(&v);
    e.keywords = slice_of("work $Forwarded");
    e.flags = ENTRY_SEEN;
    at = db_key_entry(key, record.id, FOLDER_UNMATCHED, 3);
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    assert_int_equal(tx_mailbox(tx, record.id, &m), MT_OK);
    assert_int_equal(tx_folder(tx, m, FOLDER_UNMATCHED, &f), MT_OK);
    tx_folder_add_keywords(tx, f, e.keywords);
    b = tx_scratch(tx);
    entry_write(b, at, &e);
    tx_put(tx, TABLE_ENTRY, at, buf_slice(b), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
}

/* A stopped store of schema 2; *dir is its database's folder. */
static void
make_old_store(struct store_service *sv, char dir[100])
{
    struct token t;

    sv->config.retention.unmatched_messages = 1000000;
    service_add_mailbox(sv, "acme");
    service_add_mailbox(sv, "two");
    assert_rc("webhook", service_call(sv, MSG_WEBHOOK_ADD, "sus", "acme", 0, "https://hooks.example.net/"), MT_OK);
    assert_rc("api key", service_call(sv, MSG_API_KEY_ADD, "ss", "checker", "acme"), MT_OK);
    t = service_mint(sv, "acme");
    assert_rc("arrival", service_deliver(sv, "acme", &t, slice_of("Subject: y\r\n\r\ntoken\r\n"), NULL), MT_OK);
    deliver_many(sv);
    set_keywords(sv);
    snprintf(dir, 100, "%s", sv->store.db_dir);
    service_stop(sv);
    database_to_2(dir);
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* A store that takes results of checks, and in which everything fits. */
static void
check_has_results(struct store_service *sv)
{
    struct db_view v;
    struct slice   value;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("schema", db_get(&v, TABLE_META, slice_of(DB_META_SCHEMA), &value), MT_OK);
    assert_int_equal(get_u32(value.data), DB_SCHEMA_VERSION);
    assert_rc("ids of checks", db_get(&v, TABLE_META, slice_of(DB_META_NEXT_CHECK), &value), MT_OK);
    assert_int_equal(get_u32(value.data), 1);
    assert_rc("no conversion under way", db_get(&v, TABLE_META, slice_of(DB_META_CONVERT), &value), MT_ENOTFOUND);
    db_view_end(&v);
    assert_rc("list of checks", service_call(sv, MSG_CHECK_LIST, "s", ""), MT_OK);
    assert_int_equal(sv->row_count, 0);
}

static void
check_converted(struct store_service *sv, const char *dir)
{
    const struct db_options options = options_of(dir, true);
    struct db_verify_counts counts;
    struct mailbox_record   m;
    struct folder_record    f;
    struct db_view          v;
    struct entry            e;
    struct slice            value;

    assert_int_equal(sv->store.message_count, MESSAGES + 3);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("mailbox", db_mailbox_by_name(&v, slice_of("acme"), &m), MT_OK);
    assert_false(m.credentials.chosen);
    assert_rc("folder", db_folder(&v, m.id, FOLDER_UNMATCHED, &f), MT_OK);
    assert_int_equal(f.messages, MESSAGES + 1);
    assert_int_equal(f.recent_uid, f.uidnext);
    assert_true(entry_has_keyword(f.keywords, slice_of("work")));
    assert_true(entry_has_keyword(f.keywords, slice_of("$forwarded")));
    assert_rc("entry", db_entry(&v, m.id, FOLDER_UNMATCHED, 3, &e), MT_OK);
    assert_slice("its keywords", e.keywords, "work $Forwarded");
    assert_int_equal(e.flags, ENTRY_SEEN);
    assert_rc("no conversion under way", db_get(&v, TABLE_META, slice_of(DB_META_CONVERT), &value), MT_ENOTFOUND);
    db_view_end(&v);
    check_has_results(sv);
    assert_rc("agent", service_call(sv, MSG_AGENT_ADD, "sbus", "checker", 0, 1u, "acme"), MT_OK);
    assert_rc("mail", service_deliver(sv, "acme", NULL, slice_of("Subject: z\r\n\r\nnew\r\n"), NULL), MT_OK);
    service_stop(sv);
    assert_rc("verify", db_verify(&options, say, NULL, &counts), MT_OK);
    assert_int_equal(counts.problems, 0);
    assert_int_equal(counts.messages, MESSAGES + 4);
    assert_rc("start", service_start(sv), MT_OK);
}

/* ---- */

static void
schema_2_is_converted_at_start(void **state)
{
    struct store_service   *sv = *state;
    struct db_options       options;
    struct db_verify_counts counts;
    struct db              *db;
    char                    dir[100];

    make_old_store(sv, dir);
    options = options_of(dir, true);
    assert_rc("a reader waits for store", db_open(&options, &db), MT_EVERSION);
    assert_rc("so does verify", db_verify(&options, say, NULL, &counts), MT_EVERSION);
    assert_rc("start", service_start(sv), MT_OK);
    check_converted(sv, dir);
}

static void
schema_3_is_converted_at_start(void **state)
{
    struct store_service   *sv = *state;
    struct db_options       options;
    struct db_verify_counts counts;
    struct db              *db;
    uint64_t                id;
    char                    dir[100];

    service_add_mailbox(sv, "acme");
    assert_rc("mail", service_deliver(sv, "acme", NULL, slice_of("Subject: y\r\n\r\nbody\r\n"), &id), MT_OK);
    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    database_to_3(dir);
    options = options_of(dir, true);
    assert_rc("a reader waits for store", db_open(&options, &db), MT_EVERSION);
    assert_rc("start", service_start(sv), MT_OK);
    check_has_results(sv);
    assert_rc("the mail is there", service_call(sv, MSG_MESSAGE_SHOW, "U", id), MT_OK);
    service_stop(sv);
    assert_rc("verify", db_verify(&options, say, NULL, &counts), MT_OK);
    assert_int_equal(counts.problems, 0);
    assert_rc("start again", service_start(sv), MT_OK);
}

/* The one commit that it takes is lost with the power, or is not. */
static void
an_interrupted_conversion_from_3_goes_on(void **state)
{
    struct store_service *sv = *state;
    struct db_options     options;
    struct db            *db;
    unsigned              tries = 0;
    char                  dir[100];

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    database_to_3(dir);
    options = options_of(dir, true);
    for (unsigned syncs = 1; syncs < 20; syncs++) {
        int rc;

        syncs_left = syncs;
        rc = store_open(&sv->store, sv->base, &sv->config);
        syncs_left = 0;
        if (rc == MT_OK)
            break;
        assert_rc("the disk", rc, MT_EIO);
        store_close(&sv->store);
        assert_int_not_equal(db_open(&options, &db), MT_OK);
        tries++;
    }
    assert_in_range(tries, 1, 10);
    sv->store.peers = peers_new(&sv->store);
    service_connect(sv, ROLE_CTL);
    check_has_results(sv);
}

/* Each commit of it may be the last before the power fails. */
static void
an_interrupted_conversion_goes_on(void **state)
{
    struct store_service *sv = *state;
    struct db_options     options;
    struct db            *db;
    unsigned              tries = 0;
    char                  dir[100];
    int                   rc;

    make_old_store(sv, dir);
    options = options_of(dir, true);
    do {
        syncs_left = 2;     /* one commit of the conversion, and the next fails; of the first try that which makes the new tables */
        rc = store_open(&sv->store, sv->base, &sv->config);
        syncs_left = 0;
        if (rc == MT_OK)
            break;
        assert_rc("the disk", rc, MT_EIO);
        store_close(&sv->store);
        assert_rc("no reader before its end", db_open(&options, &db), MT_EVERSION);
    } while (++tries < 100);
    assert_in_range(tries, 3, 50);
    sv->store.peers = peers_new(&sv->store);
    service_connect(sv, ROLE_CTL);
    check_converted(sv, dir);
}

/* Damage stays damage: it is neither made whole nor in the way of the rest. */
static void
a_damaged_row_stops_nothing(void **state)
{
    struct store_service *sv = *state;
    struct db_options     options;
    struct db_view        v;
    struct entry          e;
    unsigned char         key[DB_KEY_MAX];
    MDB_val               row = { 0, key };
    MDB_val               value = { 3, (void *)(uintptr_t)"bad" };
    struct slice          at;
    struct mailbox_record m;
    MDB_txn              *txn;
    struct db            *db;
    char                  dir[100];

    make_old_store(sv, dir);
    options = options_of(dir, false);
    assert_rc("open", db_open(&options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    at = db_key_entry(key, 3, FOLDER_UNMATCHED, 7);
    row.mv_size = at.len;
    assert_int_equal(mdb_put(txn, db_table(db, TABLE_ENTRY), &row, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
    assert_rc("start", service_start(sv), MT_OK);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("mailbox", db_mailbox_by_name(&v, slice_of("acme"), &m), MT_OK);
    assert_int_equal(m.id, 3);
    assert_rc("the damaged one", db_entry(&v, 3, FOLDER_UNMATCHED, 7, &e), MT_EDAMAGED);
    assert_rc("the next", db_entry(&v, 3, FOLDER_UNMATCHED, 8, &e), MT_OK);
    db_view_end(&v);
}

int
main(void)
{
#define CONVERT_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        CONVERT_TEST(schema_2_is_converted_at_start),
        CONVERT_TEST(schema_3_is_converted_at_start),
        CONVERT_TEST(an_interrupted_conversion_from_3_goes_on),
        CONVERT_TEST(an_interrupted_conversion_goes_on),
        CONVERT_TEST(a_damaged_row_stops_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
