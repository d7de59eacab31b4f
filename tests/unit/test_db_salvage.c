/* Real damage: bits of the data file are flipped and pages wiped out, and what is whole must come back, and nothing else. */

#include "tests/unit/store_service.h"

#include "lib/db_salvage.h"
#include "lib/db_verify.h"

enum { MESSAGES = 300, PAGE = 4096, FLIPS = 40 };

struct lines {
    unsigned count;
};

static void
hear(void *arg, const char *text)
{
    (void)text;
    ((struct lines *)arg)->count++;
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* Mail of many sizes in two mailboxes; the body of each is told by its first octets. Stopped. */
static void
fill(struct store_service *sv, char file[128])
{
    char         body[9000];
    struct token t;

    service_add_mailbox(sv, "acme");
    service_add_mailbox(sv, "two");
    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t len = 40 + i * 29 % 8900;

        memset(body, 'a' + (int)(i % 26), sizeof(body));
        if (i % 10 == 0)
            t = service_mint(sv, "acme");
        assert_rc("mail", service_deliver(sv, i % 3 == 0 ? "two" : "acme", i % 10 == 0 && i % 3 != 0 ? &t : NULL, slice_make(body, len), NULL), MT_OK);
    }
    assert_rc("agent", service_call(sv, MSG_AGENT_ADD, "sbus", "checker", 0, 1u, "acme"), MT_OK);
    snprintf(file, 128, "%s/%s", sv->store.db_dir, DB_FILE);
    service_stop(sv);
}

/* Salvages the file into a new folder and verifies that. The caller removes nothing: the folder lies in the store's. */
static void
salvage(struct store_service *sv, const char *file, struct db_salvage_counts *counts, struct lines *lines)
{
    static unsigned         number;
    char                    dir[100];
    struct db_options       to = { .dir = dir, .map_bytes = 64 << 20, .readers_max = 8 };
    struct db_verify_counts verified;
    int                     fd = open(file, O_RDONLY);

    assert_int_not_equal(fd, -1);
    snprintf(dir, sizeof(dir), "%s/salvaged%u", sv->dir, number++);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_rc("salvage", db_salvage(fd, &to, hear, lines, counts), MT_OK);
    close(fd);
    assert_rc("verify", db_verify(&to, say, NULL, &verified), MT_OK);
    assert_int_equal(verified.problems, 0);
    assert_int_equal(verified.messages, counts->messages);
    assert_int_equal(verified.tokens, counts->tokens);
    service_remove_folder(dir);
}

static void
a_whole_database_comes_back_whole(void **state)
{
    struct store_service    *sv = *state;
    struct db_salvage_counts n;
    struct lines             lines = { 0 };
    char                     file[128];

    fill(sv, file);
    salvage(sv, file, &n, &lines);
    assert_int_equal(n.messages, MESSAGES);
    assert_int_equal(n.mailboxes, 4);
    assert_int_equal(n.tokens, MESSAGES / 10);
    assert_int_equal(n.messages_lost + n.rows_lost + n.places_lost + n.made + lines.count, 0);
    assert_rc("start", service_start(sv), MT_OK);
}

static void
wipe(const char *file, unsigned page, unsigned char before[PAGE])
{
    const unsigned char nothing[PAGE] = { 0 };
    int                 fd = open(file, O_RDWR);

    assert_int_equal(pread(fd, before, PAGE, (off_t)page * PAGE), PAGE);
    assert_int_equal(pwrite(fd, nothing, PAGE, (off_t)page * PAGE), PAGE);
    close(fd);
}

static void
put_back(const char *file, unsigned page, const unsigned char before[PAGE])
{
    int fd = open(file, O_RDWR);

    assert_int_equal(pwrite(fd, before, PAGE, (off_t)page * PAGE), PAGE);
    close(fd);
}

/* Any one page but the two that lead to all tables: most of the mail is there still, and verify finds nothing wrong in the new database. */
static void
a_page_that_is_lost_takes_only_its_own(void **state)
{
    struct store_service    *sv = *state;
    struct db_salvage_counts n;
    struct stat              st;
    unsigned char            before[PAGE];
    unsigned                 hurt = 0;
    char                     file[128];

    fill(sv, file);
    assert_int_equal(stat(file, &st), 0);
    for (unsigned page = 2; page < st.st_size / PAGE; page += 7) {
        struct lines lines = { 0 };

        wipe(file, page, before);
        salvage(sv, file, &n, &lines);
        put_back(file, page, before);
        if (n.places_lost + n.rows_lost + n.messages_lost > 0)
            hurt++;
        assert_in_range(n.messages, MESSAGES - 100, MESSAGES);
    }
    assert_true(hurt > 3);
    assert_rc("start", service_start(sv), MT_OK);
}

static void
flipped_bits_are_left_out(void **state)
{
    struct store_service    *sv = *state;
    struct db_salvage_counts n;
    struct stat              st;
    unsigned                 seed = 4711;
    char                     file[128];

    fill(sv, file);
    assert_int_equal(stat(file, &st), 0);
    for (unsigned i = 0; i < FLIPS; i++) {
        struct lines lines = { 0 };
        off_t        at;
        char         octet, flipped;
        int          fd = open(file, O_RDWR);

        seed = seed * 1103515245u + 12345u;
        at = 2 * PAGE + (off_t)(seed >> 4) % (st.st_size - 2 * PAGE);
        assert_int_equal(pread(fd, &octet, 1, at), 1);
        flipped = (char)(octet ^ 1 << i % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        salvage(sv, file, &n, &lines);
        assert_in_range(n.messages, MESSAGES - 100, MESSAGES);
        assert_int_equal(pwrite(fd, &octet, 1, at), 1);
        close(fd);
    }
    assert_rc("start", service_start(sv), MT_OK);
}

/* A mailbox whose record is damaged keeps its mail, under a name that says so. */
static void
mail_of_a_lost_mailbox_is_kept(void **state)
{
    struct store_service    *sv = *state;
    struct db_salvage_counts n;
    struct db_options        options = { .map_bytes = 64 << 20, .readers_max = 8 };
    struct lines             lines = { 0 };
    unsigned char            key[DB_KEY_MAX];
    MDB_val                  k = { 4, key }, v = { 3, (void *)(uintptr_t)"bad" };
    MDB_txn                 *txn;
    struct db               *db;
    char                     file[128], dir[100];

    fill(sv, file);
    snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(file, '/') - file), file);
    options.dir = dir;
    assert_rc("open", db_open(&options, &db), MT_OK);
    assert_int_equal(mdb_txn_begin(db_env(db), NULL, 0, &txn), 0);
    db_key_u32(key, 3);
    assert_int_equal(mdb_put(txn, db_table(db, TABLE_MAILBOX), &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    db_close(db);
    salvage(sv, file, &n, &lines);
    assert_int_equal(n.messages, MESSAGES);
    assert_int_equal(n.mailboxes, 4);
    assert_int_equal(n.made, 1);
    assert_int_equal(n.rows_lost, 1);
    assert_int_equal(lines.count, 2);
    assert_rc("the damaged one serves the others", service_start(sv), MT_OK);
    service_stop(sv);
    assert_int_equal(unlink(file), 0);
    assert_rc("an empty one", service_start(sv), MT_OK);
}

int
main(void)
{
#define SALVAGE_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        SALVAGE_TEST(a_whole_database_comes_back_whole),
        SALVAGE_TEST(a_page_that_is_lost_takes_only_its_own),
        SALVAGE_TEST(flipped_bits_are_left_out),
        SALVAGE_TEST(mail_of_a_lost_mailbox_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
