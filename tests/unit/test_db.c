#include "tests/unit/store_service.h"

#include "lib/db.h"
#include "lib/db_verify.h"

enum { PIECE = DB_PIECE_BYTES, CHUNK = DB_CHUNK_BYTES };

/* ---- How a body is cut ---- */

static const struct {
    const char *label;
    uint64_t    size;
    uint32_t    chunks;
    size_t      last_len;
} cuts[] = {
    { "nothing", 0, 0, 0 },
    { "one octet", 1, 1, 1 },
    { "one piece", PIECE, 1, PIECE },
    { "two pieces", PIECE + 1, 2, 1 },
    { "the longest rest in pieces", DB_REST_BYTES, 8, DB_REST_BYTES - 7 * PIECE },
    { "a rest that takes a page", DB_REST_BYTES + 1, 1, DB_REST_BYTES + 1 },
    { "one whole chunk", CHUNK, 1, CHUNK },
    { "one octet more", CHUNK + 1, 2, 1 },
    { "32 MiB", 32 << 20, 8224 + 2, 512 - PIECE },
};

static void
a_body_is_cut_into_chunks_without_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cuts); i++) {
        uint64_t at = 0, offset;
        size_t   len = 0;

        if (db_chunk_count(cuts[i].size) != cuts[i].chunks)
            fail_msg("%s: %u chunks, want %u", cuts[i].label, db_chunk_count(cuts[i].size), cuts[i].chunks);
        for (uint32_t c = 0; c < cuts[i].chunks; c++) {
            db_chunk(cuts[i].size, c, &offset, &len);
            if (offset != at || len == 0 || len > CHUNK)
                fail_msg("%s: chunk %u at %llu of %zu octets", cuts[i].label, c, (unsigned long long)offset, len);
            at += len;
        }
        if (at != cuts[i].size || len != cuts[i].last_len)
            fail_msg("%s: ends at %llu with %zu octets", cuts[i].label, (unsigned long long)at, len);
    }
}

/* ---- Opening ---- */

struct folder {
    char              dir[64];
    struct db_options options;
};

static int
make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    service_make_folder(f->dir);
    f->options = (struct db_options){ .dir = f->dir, .map_bytes = 16 * 1024 * 1024, .readers_max = 8 };
    *state = f;
    return 0;
}

static int
remove_folder(void **state)
{
    struct folder *f = *state;

    service_remove_folder(f->dir);
    free(f);
    return 0;
}

static void
write_file(const struct folder *f, size_t at, const void *bytes, size_t len)
{
    char path[128];
    int  fd;

    snprintf(path, sizeof(path), "%s/%s", f->dir, DB_FILE);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd != -1);
    assert_int_equal(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
    close(fd);
}

static void
make_database(struct folder *f)
{
    struct db *db;

    assert_rc("make", db_open(&f->options, &db), MT_OK);
    db_close(db);
}

static void
a_new_database_can_be_read_by_others(void **state)
{
    struct folder *f = *state;
    struct db     *db;
    struct db_view v;
    struct slice   value;

    f->options.read_only = true;
    assert_rc("before it is there", db_open(&f->options, &db), MT_ENOTFOUND);
    f->options.read_only = false;
    make_database(f);
    f->options.read_only = true;
    assert_rc("read-only", db_open(&f->options, &db), MT_OK);
    assert_int_equal(db_view_begin(db, &v), MT_OK);
    assert_int_equal(db_get(&v, TABLE_META, slice_of(DB_META_SCHEMA), &value), MT_OK);
    assert_int_equal(get_u32(value.data), DB_SCHEMA_VERSION);
    assert_int_equal(db_get(&v, TABLE_META, slice_of("nothing"), &value), MT_ENOTFOUND);
    db_view_end(&v);
    db_close(db);
}

static void
refuse_schema(struct folder *f, uint32_t schema)
{
    unsigned char  other[4];
    struct db     *db;
    MDB_txn       *txn;
    MDB_val        k = { strlen(DB_META_SCHEMA), (void *)(uintptr_t)DB_META_SCHEMA };
    MDB_val        v = { 4, other };

    put_u32(other, schema);
    assert_rc("make", db_open(&f->options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db_table(db, TABLE_META), &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
    assert_rc("writing", db_open(&f->options, &db), MT_EVERSION);
    f->options.read_only = true;
    assert_rc("reading", db_open(&f->options, &db), MT_EVERSION);
}

static void
a_newer_schema_is_refused(void **state)
{
    refuse_schema(*state, DB_SCHEMA_VERSION + 1);
}

/* It had fewer tables, so a reader must look at its number before it looks for them. */
static void
an_older_schema_is_refused(void **state)
{
    struct folder *f = *state;
    struct db     *db;
    MDB_txn       *txn;

    assert_rc("make", db_open(&f->options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    assert_int_equal(mdb_drop(txn, db_table(db, TABLE_EVENT), 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
    refuse_schema(f, DB_SCHEMA_OLDEST - 1);
}

static void
what_is_no_database_is_refused(void **state)
{
    struct folder *f = *state;
    char           text[9000];
    struct db     *db;

    memset(text, 'x', sizeof(text));
    write_file(f, 0, text, 100);
    assert_rc("short", db_open(&f->options, &db), MT_EDAMAGED);
    write_file(f, 0, text, sizeof(text));
    assert_rc("text", db_open(&f->options, &db), MT_EDAMAGED);
}

static void
a_file_that_was_cut_short_is_refused(void **state)
{
    struct folder *f = *state;
    struct db     *db;
    MDB_txn       *txn;
    char           path[128], big[4096] = "";
    MDB_val        v = { sizeof(big), big };

    assert_rc("make", db_open(&f->options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    for (unsigned i = 0; i < 200; i++) {
        unsigned char key[4];
        MDB_val       k = { sizeof(key), key };

        put_u32(key, i);
        assert_int_equal(mdb_put(txn, db_table(db, TABLE_RESULT), &k, &v, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
    snprintf(path, sizeof(path), "%s/%s", f->dir, DB_FILE);
    assert_int_equal(truncate(path, 40 * 4096), 0);
    assert_rc("cut", db_open(&f->options, &db), MT_EDAMAGED);
}

/* As LMDB leaves it when writing a meta page has failed: an old number of the transaction, and roots that never came. */
static void
only_the_newest_meta_page_has_to_fit(void **state)
{
    enum { PAGE = 4096, MAIN_ROOT_AT = 128, TRANSACTION_AT = 144 };
    const uint64_t nowhere = 1000000;
    struct folder *f = *state;
    struct db     *db;
    uint64_t       transactions[2];
    char           path[128];
    unsigned       newest;
    int            fd;

    make_database(f);
    snprintf(path, sizeof(path), "%s/%s", f->dir, DB_FILE);
    fd = open(path, O_RDONLY);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pread(fd, &transactions[i], sizeof(uint64_t), i * PAGE + TRANSACTION_AT), (ssize_t)sizeof(uint64_t));
    close(fd);
    newest = transactions[1] > transactions[0] ? 1 : 0;
    write_file(f, (1 - newest) * PAGE + MAIN_ROOT_AT, &nowhere, sizeof(nowhere));
    assert_rc("older", db_open(&f->options, &db), MT_OK);
    db_close(db);
    write_file(f, newest * PAGE + MAIN_ROOT_AT, &nowhere, sizeof(nowhere));
    assert_rc("newest", db_open(&f->options, &db), MT_EDAMAGED);
}

static void
a_damaged_list_of_tables_is_refused(void **state)
{
    struct folder *f = *state;
    struct stat    st;
    char           path[128], junk[64];

    make_database(f);
    snprintf(path, sizeof(path), "%s/%s", f->dir, DB_FILE);
    assert_int_equal(stat(path, &st), 0);
    memset(junk, 0xee, sizeof(junk));
    /* Whichever page it is: those that are not in use are not looked at, and none may end this process. */
    for (off_t page = 2; page < st.st_size / 4096; page++) {
        struct db *db;

        write_file(f, (size_t)page * 4096, junk, sizeof(junk));
        if (db_open(&f->options, &db) == MT_OK)
            db_close(db);
    }
    {
        struct db *db;

        assert_rc("all pages", db_open(&f->options, &db), MT_EDAMAGED);
    }
}

static void
only_one_instance_gets_the_lock(void **state)
{
    struct folder *f = *state;
    int            first, second;

    assert_rc("first", db_lock(f->dir, &first), MT_OK);
    assert_rc("second", db_lock(f->dir, &second), MT_EBUSY);
    close(first);
    assert_rc("after the first", db_lock(f->dir, &second), MT_OK);
    close(second);
    assert_rc("no folder", db_lock("/tmp/there-is-no-such-folder", &first), MT_ENOTFOUND);
}

/* ---- Views ---- */

static void
a_view_keeps_its_moment(void **state)
{
    struct folder *f = *state;
    struct db     *db;
    struct db_view old, new;
    struct slice   value;
    MDB_txn       *txn;
    MDB_val        k = { 1, (void *)(uintptr_t)"k" }, v = { 1, (void *)(uintptr_t)"v" };

    assert_rc("make", db_open(&f->options, &db), MT_OK);
    assert_int_equal(db_view_begin(db, &old), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db_table(db, TABLE_RESULT), &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(db_view_begin(db, &new), MT_OK);
    assert_int_equal(db_get(&old, TABLE_RESULT, slice_of("k"), &value), MT_ENOTFOUND);
    assert_int_equal(db_get(&new, TABLE_RESULT, slice_of("k"), &value), MT_OK);
    db_view_end(&new);
    db_view_end(&old);
    assert_int_equal(db_view_begin(db, &old), MT_OK);
    assert_int_equal(db_get(&old, TABLE_RESULT, slice_of("k"), &value), MT_OK);
    db_view_end(&old);
    db_view_end(&old);
    db_close(db);
}

static void
views_do_not_use_up_reader_slots(void **state)
{
    struct folder *f = *state;
    struct db     *db;

    assert_rc("make", db_open(&f->options, &db), MT_OK);
    for (unsigned i = 0; i < 1000; i++) {
        struct db_view a, b, c;

        assert_int_equal(db_view_begin(db, &a), MT_OK);
        assert_int_equal(db_view_begin(db, &b), MT_OK);
        assert_int_equal(db_view_begin(db, &c), MT_OK);
        db_view_end(&b);
        db_view_end(&a);
        db_view_end(&c);
    }
    db_close(db);
}

/* ---- Messages, as the store writes them ---- */

static char *
pattern(size_t len)
{
    char *bytes = malloc(len + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i * 31 % 26);
    return bytes;
}

static void
any_part_of_a_message_can_be_read(void **state)
{
    static const size_t   sizes[] = { 0, 1, 487, 488, 489, 3500, 3501, 4080, 4081, 5120, 70000 };
    struct store_service *sv = *state;

    service_add_mailbox(sv, "acme");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char                 *body = pattern(sizes[i]);
        struct message_record m;
        struct db_view        v;
        struct buf            whole, part;
        uint64_t              id = 0;

        assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_make(body, sizes[i]), &id), MT_OK);
        assert_int_equal(store_view(&sv->store, &v), MT_OK);
        assert_rc("record", db_message(&v, id, &m), MT_OK);
        assert_rc("check", db_message_check(&v, &m), MT_OK);
        buf_init(&whole, 1 << 20);
        buf_init(&part, 1 << 20);
        assert_rc("whole", db_message_read(&v, &m, 0, SIZE_MAX, &whole), MT_OK);
        assert_int_equal(whole.len, message_size(&m));
        assert_true(slice_equal(slice_sub(buf_slice(&whole), m.head.len, sizes[i]), slice_make(body, sizes[i])));
        for (size_t at = 0; at <= whole.len + 10; at += whole.len / 50 + 1) {
            buf_clear(&part);
            assert_rc("part", db_message_read(&v, &m, at, 777, &part), MT_OK);
            assert_true(slice_equal(buf_slice(&part), slice_sub(buf_slice(&whole), at, 777)));
        }
        db_view_end(&v);
        buf_fini(&whole);
        buf_fini(&part);
        free(body);
    }
}

static void
a_chunk_of_another_length_is_damage(void **state)
{
    struct store_service *sv = *state;
    unsigned char         key[DB_KEY_MAX];
    struct message_record m;
    struct db_view        v;
    struct buf            out;
    struct tx            *tx;
    char                 *body = pattern(10000);
    uint64_t              id;
    bool                  failed;

    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_make(body, 10000), &id), MT_OK);
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_BODY, db_key_body(key, id, 1), slice_make(body, DB_CHUNK_BYTES - 1), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    buf_init(&out, 20000);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(db_message(&v, id, &m), MT_OK);
    assert_rc("whole", db_message_read(&v, &m, 0, SIZE_MAX, &out), MT_EDAMAGED);
    assert_rc("check", db_message_check(&v, &m), MT_EDAMAGED);
    db_view_end(&v);
    buf_fini(&out);
    free(body);
}

struct seen {
    uint64_t ids[64];
    unsigned count, max;
};

static bool
see(void *arg, uint64_t id, const struct message_record *m)
{
    struct seen *s = arg;

    assert_int_not_equal(m->uid, 0);
    s->ids[s->count++] = id;
    return s->count < s->max;
}

static void
messages_are_listed_newest_first_over_all_folders(void **state)
{
    struct store_service *sv = *state;
    struct token          t;
    struct db_view        v;
    struct seen           all = { .max = 64 }, some = { .max = 3 }, rest = { .max = 64 };
    uint64_t              ids[10];
    uint32_t              mailbox;

    service_add_mailbox(sv, "acme");
    service_add_mailbox(sv, "other");
    mailbox = catalog_find(sv->store.catalog, slice_of("acme"))->id;
    for (unsigned i = 0; i < 10; i++) {
        t = service_mint(sv, "acme");
        assert_rc("deliver", service_deliver(sv, "acme", i % 3 == 0 ? NULL : &t, slice_of("body"), &ids[i]), MT_OK);
        assert_rc("deliver", service_deliver(sv, "other", NULL, slice_of("body"), NULL), MT_OK);
    }
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("all", db_messages(&v, mailbox, 0, see, &all), MT_OK);
    assert_int_equal(all.count, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(all.ids[i], ids[9 - i]);
    assert_rc("some", db_messages(&v, mailbox, 0, see, &some), MT_OK);
    assert_int_equal(some.count, 3);
    assert_rc("the rest", db_messages(&v, mailbox, some.ids[2], see, &rest), MT_OK);
    assert_int_equal(rest.count, 7);
    assert_int_equal(rest.ids[0], ids[6]);
    rest.count = 0;
    assert_rc("before the first", db_messages(&v, mailbox, ids[0], see, &rest), MT_OK);
    assert_int_equal(rest.count, 0);
    db_view_end(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_cut_into_chunks_without_gaps),
        cmocka_unit_test_setup_teardown(a_new_database_can_be_read_by_others, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_older_schema_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_short_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_the_newest_meta_page_has_to_fit, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_damaged_list_of_tables_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_one_instance_gets_the_lock, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_view_keeps_its_moment, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(views_do_not_use_up_reader_slots, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(any_part_of_a_message_can_be_read, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_chunk_of_another_length_is_damage, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(messages_are_listed_newest_first_over_all_folders, service_setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
