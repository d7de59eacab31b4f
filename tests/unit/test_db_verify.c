#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "store/agent.h"
#include "store/tx.h"

enum { PAGE_BYTES = 4096 };

struct findings {
    unsigned count;
    char     first[512];
    char     all[16384];
};

static void
find(void *arg, const char *text)
{
    struct findings *f = arg;
    size_t           len = strlen(f->all);

    if (f->count++ == 0)
        snprintf(f->first, sizeof(f->first), "%s", text);
    snprintf(f->all + len, sizeof(f->all) - len, "%s\n", text);
}

static struct db_options
options_of(const struct store_service *sv)
{
    return (struct db_options){ .dir = sv->store.db_dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 16 };
}

/* A store with everything in it that there can be, and stopped. Its folder stays in sv->dir. */
static void
fill(struct store_service *sv)
{
    struct service_mail m;
    struct token        t;
    char               *big = malloc(900000);

    assert_non_null(big);
    memset(big, 'b', 900000);
    service_add_mailbox(sv, "acme");
    service_add_mailbox(sv, "other");
    service_add_mailbox(sv, "gone");
    assert_rc("api key", service_call(sv, MSG_API_KEY_ADD, "ss", "checker", "acme"), MT_OK);
    for (unsigned i = 0; i < 60; i++) {
        t = service_mint(sv, "acme");
        assert_rc("deliver", service_deliver(sv, "acme", i % 4 == 0 ? NULL : &t, slice_make(big, 100 + i * 150), NULL), MT_OK);
    }
    assert_rc("large", service_deliver(sv, "other", NULL, slice_make(big, 900000), NULL), MT_OK);
    service_mail_init(&m, "acme", NULL, slice_make(big, 5000));
    m.recipients[1] = (struct recipient){ slice_of("other"), slice_of("other@" DOMAIN) };
    m.recipients[2] = (struct recipient){ slice_of("gone"), slice_of("gone@" DOMAIN) };
    m.d.recipient_count = 3;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("three copies", service_hand_over(sv, &m, NULL), MT_OK);
    service_connect(sv, ROLE_CTL);
    assert_rc("webhook", service_call(sv, MSG_WEBHOOK_ADD, "sus", "acme", 0, "https://hooks.example.net/"), MT_OK);
    t = service_mint(sv, "acme");
    assert_rc("an event with a post", service_deliver(sv, "acme", &t, slice_make(big, 100), NULL), MT_OK);
    assert_rc("a deadline", service_call(sv, MSG_MINT, "sU", "acme", store_now_us(&sv->store) / 1000000 + 1000), MT_OK);
    assert_rc("agent", service_call(sv, MSG_AGENT_ADD, "sbuss", "checker", 0, 2, "acme", "gone"), MT_OK);
    assert_rc("delete a message", service_call(sv, MSG_MESSAGE_DELETE, "U", UINT64_C(7)), MT_OK);
    assert_rc("delete a mailbox", service_call(sv, MSG_MAILBOX_DELETE, "s", "gone"), MT_OK);
    free(big);
}

static int
verify(const struct db_options *options, struct findings *f, struct db_verify_counts *counts)
{
    *f = (struct findings){ 0 };
    return db_verify(options, find, f, counts);
}

/* Opens the stopped store's database again, as the store would. */
static struct db *
open_for_writing(const char *dir, uint64_t map_bytes)
{
    const struct db_options options = { .dir = dir, .map_bytes = map_bytes, .readers_max = 16 };
    struct db              *db;

    assert_rc("open", db_open(&options, &db), MT_OK);
    return db;
}

static void
a_store_that_was_used_has_no_problems(void **state)
{
    struct store_service   *sv = *state;
    struct findings         f;
    struct db_verify_counts counts;
    char                    dir[100];
    struct db_options       options;

    fill(sv);
    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    options = options_of(sv);
    options.dir = dir;
    service_stop(sv);
    assert_rc("verify", verify(&options, &f, &counts), MT_OK);
    if (f.count > 0)
        fail_msg("%s", f.all);
    assert_int_equal(counts.problems, 0);
    assert_int_equal(counts.mailboxes, 4);
    assert_in_range(counts.messages, 63, 64);       /* the deleted mailbox's one goes bit by bit */
    assert_int_equal(counts.tokens, 62);
    assert_int_equal(counts.webhooks, 1);
    assert_true(counts.events > 40);
    assert_int_equal(counts.api_keys, 1);
    assert_int_equal(counts.lost_pages, 0);
    assert_true(counts.bytes > 900000);
    assert_true(counts.pages > 300);
}

/* ---- Records that do not fit each other: each edit by hand, and what must be said of it ---- */

static void
drop(struct tx *tx, enum table table, struct slice key)
{
    assert_true(tx_delete(tx, table, key));
}

static void
edit_entry(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    drop(tx, TABLE_ENTRY, db_key_entry(key, 3, FOLDER_INBOX, 1));
}

static void
edit_message(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    drop(tx, TABLE_MESSAGE, db_key_u64(key, 10));
}

static void
edit_chunk(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    drop(tx, TABLE_BODY, db_key_body(key, 20, 1));
}

static void
edit_chunk_octets(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  old;
    char          copy[DB_CHUNK_BYTES];

    assert_int_equal(db_get(tx_view(tx), TABLE_BODY, db_key_body(key, 20, 1), &old), MT_OK);
    memcpy(copy, old.data, old.len);
    copy[old.len / 2] ^= 1;
    tx_put(tx, TABLE_BODY, slice_make(key, 12), slice_make(copy, old.len), 0);
}

static void
edit_orphan(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    tx_put(tx, TABLE_BODY, db_key_body(key, 5000, 0), slice_of("x"), 0);
}

static void
edit_reference(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX], nine[BODY_REF_BYTES];
    MDB_cursor   *c = tx_cursor(tx, TABLE_BODY_REF);
    MDB_val       k, v;

    assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_FIRST), 0);
    memcpy(key, k.mv_data, 8);
    mdb_cursor_close(c);
    body_ref_write(nine, get_u64(key), 9);
    tx_put(tx, TABLE_BODY_REF, slice_make(key, 8), slice_make(nine, sizeof(nine)), 0);
}

static void
edit_expiry(struct tx *tx)
{
    unsigned char         key[DB_KEY_MAX];
    struct message_record m;

    assert_int_equal(db_message(tx_view(tx), 12, &m), MT_OK);
    drop(tx, TABLE_EXPIRY, db_key_message_expiry(key, 12, &m));
}

static void
edit_expiry_of_nothing(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    tx_put(tx, TABLE_EXPIRY, db_key_expiry_message(key, EXPIRY_INBOX, 1, 4711), slice_make("", 0), 0);
}

static void
edit_folder(struct tx *tx)
{
    struct tx_mailbox *m;
    struct tx_folder  *f;

    assert_int_equal(tx_mailbox(tx, 3, &m), MT_OK);
    assert_int_equal(tx_folder(tx, m, FOLDER_INBOX, &f), MT_OK);
    f->record.bytes++;
    m->record.bytes++;
    f->dirty = m->dirty = true;
}

static void
edit_uidnext(struct tx *tx)
{
    struct tx_mailbox *m;
    struct tx_folder  *f;

    assert_int_equal(tx_mailbox(tx, 3, &m), MT_OK);
    assert_int_equal(tx_folder(tx, m, FOLDER_INBOX, &f), MT_OK);
    f->record.uidnext = 2;
    f->dirty = true;
}

static void
edit_mailbox(struct tx *tx)
{
    struct tx_mailbox *m;

    assert_int_equal(tx_mailbox(tx, 3, &m), MT_OK);
    m->record.messages++;
    m->dirty = true;
}

static void
edit_name(struct tx *tx)
{
    drop(tx, TABLE_MAILBOX_NAME, slice_of("acme"));
}

static void
edit_name_of_nothing(struct tx *tx)
{
    tx_put(tx, TABLE_MAILBOX_NAME, slice_of("ghost"), slice_make("\0\0\0\x63", 4), 0);
}

static void
edit_token(struct tx *tx)
{
    unsigned char raw[TOKEN_RAW_BYTES];

    memset(raw, 7, sizeof(raw));
    tx_put(tx, TABLE_TOKEN, slice_make(raw, sizeof(raw)), slice_of("nothing like a record"), 0);
}

static void
edit_api_key(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];

    tx_put(tx, TABLE_API_KEY, db_key_u32(key, 77), slice_of("nothing like a record"), 0);
}

/* The first key of a table, and its value. */
static struct slice
first_row(struct tx *tx, enum table table, unsigned char key[DB_KEY_MAX], struct slice *value)
{
    MDB_cursor *c = tx_cursor(tx, table);
    MDB_val     k, v;
    size_t      len;

    assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_FIRST), 0);
    len = k.mv_size;
    memcpy(key, k.mv_data, len);
    *value = slice_make(v.mv_data, v.mv_size);
    mdb_cursor_close(c);
    return slice_make(key, len);
}

static void
drop_first(struct tx *tx, enum table table)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;

    drop(tx, table, first_row(tx, table, key, &value));
}

static void
spoil_first(struct tx *tx, enum table table)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value, at = first_row(tx, table, key, &value);

    tx_put(tx, table, at, slice_of("nothing like a record"), 0);
}

static void
put_subscription(struct tx *tx, uint32_t mailbox_id, const char *name)
{
    unsigned char key[DB_SUBSCRIPTION_KEY_MAX];

    tx_put(tx, TABLE_SUBSCRIPTION, db_key_subscription(key, mailbox_id, slice_of(name)), slice_make("", 0), 0);
}

static void
edit_subscription(struct tx *tx)
{
    put_subscription(tx, 3, "a//b");
}

static void
edit_subscription_of_nobody(struct tx *tx)
{
    put_subscription(tx, 4711, "gone");
}

static void
edit_subscription_to_folder(struct tx *tx)
{
    put_subscription(tx, 3, "INBOX");
}

static void
edit_deadline(struct tx *tx)
{
    drop_first(tx, TABLE_DEADLINE);
}

static void
edit_deadline_of_nothing(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];
    struct token  t;

    memset(t.raw, 7, sizeof(t.raw));
    tx_put(tx, TABLE_DEADLINE, db_key_deadline(key, 1, &t), slice_make("", 0), 0);
}

static void
edit_served(struct tx *tx)
{
    spoil_first(tx, TABLE_SERVED);
}

static void
edit_agent(struct tx *tx)
{
    spoil_first(tx, TABLE_AGENT);
}

static void
edit_agent_of_nothing(struct tx *tx)
{
    struct agent_record a;

    assert_rc("agent", agent_find(tx, slice_of("checker"), &a), MT_OK);
    assert_rc("grant", agent_grant(&a, 4711), MT_OK);
    agent_put(tx, &a);
}

static void
edit_agent_name(struct tx *tx)
{
    drop_first(tx, TABLE_AGENT_NAME);
}

static void
edit_agent_missing(struct tx *tx)
{
    drop_first(tx, TABLE_AGENT);
}

static void
edit_pattern(struct tx *tx)
{
    spoil_first(tx, TABLE_PATTERN);
}

static void
edit_pattern_of_nothing(struct tx *tx)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    pattern_record_write(b, &(struct pattern_record){ 0 });
    tx_put(tx, TABLE_PATTERN, db_key_u32(key, 4711), buf_slice(b), 0);
}

static void
edit_event(struct tx *tx)
{
    spoil_first(tx, TABLE_EVENT);
}

static void
edit_event_missing(struct tx *tx)
{
    MDB_cursor *c = tx_cursor(tx, TABLE_EVENT);
    MDB_val     k, v;

    assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_LAST), 0);       /* the one with a post */
    assert_int_equal(mdb_cursor_del(c, 0), 0);
    mdb_cursor_close(c);
}

static void
edit_next_event(struct tx *tx)
{
    unsigned char one[8];

    put_u64(one, 1);
    tx_put(tx, TABLE_META, slice_of(DB_META_NEXT_EVENT), slice_make(one, sizeof(one)), 0);
}

static void
edit_webhook(struct tx *tx)
{
    spoil_first(tx, TABLE_WEBHOOK);
}

static void
edit_webhook_missing(struct tx *tx)
{
    drop_first(tx, TABLE_WEBHOOK);
}

static void
edit_post(struct tx *tx)
{
    drop_first(tx, TABLE_POST);
}

static void
edit_post_due(struct tx *tx)
{
    drop_first(tx, TABLE_POST_DUE);
}

static const struct {
    const char *label;
    void      (*edit)(struct tx *tx);
    const char *said;
} edits[] = {
    { "an entry is missing", edit_entry, "has no UID 1 for it" },
    { "a message is missing", edit_message, "there is no message 10" },
    { "a chunk is missing", edit_chunk, "message 20: its body: damaged data" },
    { "a chunk has other octets", edit_chunk_octets, "message 20: its body: damaged data" },
    { "a body of no message", edit_orphan, "body 5000: no message has it" },
    { "a wrong count of copies", edit_reference, "9 are counted" },
    { "no expiry row", edit_expiry, "message 12: it would never expire" },
    { "an expiry row of nothing", edit_expiry_of_nothing, "expiry: there is no message 4711" },
    { "a folder's counter", edit_folder, "folder 1 of mailbox 3" },
    { "a UID that will be given again", edit_uidnext, "the next would be 2" },
    { "a mailbox's counter", edit_mailbox, "mailbox 3: its folders have" },
    { "a name is missing", edit_name, "its name \"acme\" does not lead to it" },
    { "a name of nothing", edit_name_of_nothing, "name \"ghost\": there is no such mailbox" },
    { "a token's record", edit_token, "its record: damaged data" },
    { "an API key's record", edit_api_key, "API key 77: its record: damaged data" },
    { "an agent's record", edit_agent, "agent 1: its record: damaged data" },
    { "an agent who reads nothing", edit_agent_of_nothing, "agent 1: there is no mailbox 4711" },
    { "an agent's name is missing", edit_agent_name, "agent 1: its name does not lead to it" },
    { "an agent is missing", edit_agent_missing, "agent name \"checker\": there is no such agent" },
    { "a deadline is missing", edit_deadline, "it would never get its verdict" },
    { "a deadline of nothing", edit_deadline_of_nothing, "deadline: there is no such token" },
    { "the log of service", edit_served, "served: a span from" },
    { "a pattern", edit_pattern, "pattern of mailbox 3: its record: damaged data" },
    { "a pattern of nothing", edit_pattern_of_nothing, "pattern: there is no mailbox 4711" },
    { "an event's record", edit_event, "event 1: its record: damaged data" },
    { "an event is missing", edit_event_missing, "post to webhook 1: there is no event" },
    { "an event id that will be given again", edit_next_event, "the next id would be 1" },
    { "a webhook's record", edit_webhook, "webhook 1: its record: damaged data" },
    { "a webhook is missing", edit_webhook_missing, "there is no webhook 1" },
    { "a post is missing", edit_post, "post-due: no post of event" },
    { "a post is never due", edit_post_due, "it would never be sent" },
    { "a subscription to no name", edit_subscription, "subscription: a row with 8 octets" },
    { "a subscription of nobody", edit_subscription_of_nobody, "subscription to \"gone\": there is no mailbox 4711" },
    { "a subscription beside its folder", edit_subscription_to_folder, "subscription to \"INBOX\": mailbox 3 has such a folder" },
};

static void
each_misfit_is_told(void **state)
{
    for (size_t i = 0; i < COUNT(edits); i++) {
        struct store_service    sv;
        struct findings         f;
        struct db_verify_counts counts;
        char                    dir[100];
        struct db              *db;
        struct tx              *tx;
        bool                    failed;

        (void)state;
        service_init(&sv);
        assert_rc("start", service_start(&sv), MT_OK);
        fill(&sv);
        snprintf(dir, sizeof(dir), "%s", sv.store.db_dir);
        service_stop(&sv);
        db = open_for_writing(dir, sv.config.store.map_bytes);
        assert_int_equal(tx_begin(db, UINT64_C(1795233000000000), &tx), MT_OK);
        edits[i].edit(tx);
        assert_rc(edits[i].label, tx_commit(tx, &failed), MT_OK);
        tx_free(tx);
        db_close(db);
        assert_rc(edits[i].label, verify(&(struct db_options){ .dir = dir, .map_bytes = sv.config.store.map_bytes, .readers_max = 16 }, &f, &counts),
                  MT_OK);
        if (strstr(f.all, edits[i].said) == NULL)
            fail_msg("%s: \"%s\" was not said, but:\n%s", edits[i].label, edits[i].said, f.all);
        assert_int_equal(counts.problems, f.count);
        service_fini(&sv);
    }
}

/* ---- Damage of the file ---- */

static size_t
read_file(const char *dir, char **out)
{
    char        path[128];
    struct stat st;
    int         fd;

    snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE);
    fd = open(path, O_RDONLY);
    assert_true(fd != -1 && fstat(fd, &st) == 0);
    *out = malloc((size_t)st.st_size);
    assert_non_null(*out);
    assert_int_equal(read(fd, *out, (size_t)st.st_size), st.st_size);
    close(fd);
    return (size_t)st.st_size;
}

static void
write_octet(const char *dir, size_t at, char octet)
{
    char path[128];
    int  fd;

    snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE);
    fd = open(path, O_WRONLY);
    assert_true(fd != -1);
    assert_int_equal(pwrite(fd, &octet, 1, (off_t)at), 1);
    close(fd);
}

/*
 * Bits all over the file, one at a time. None may end the process; and of those that change what is in use nearly all are found:
 * what is not are free pages, gaps inside pages, and fields that nothing reads.
 */
static void
flipped_bits_are_survived_and_found(void **state)
{
    struct store_service   *sv = *state;
    struct db_options       options;
    struct findings         f;
    struct db_verify_counts counts;
    char                    dir[100], *bytes;
    size_t                  len, flips = 0, found = 0;

    fill(sv);
    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    options = options_of(sv);
    options.dir = dir;
    service_stop(sv);
    len = read_file(dir, &bytes);
    for (size_t at = 0; at < len; at += at % PAGE_BYTES < 64 ? 3 : 499) {
        write_octet(dir, at, (char)(bytes[at] ^ (1 << at % 8)));
        flips++;
        if (verify(&options, &f, &counts) != MT_OK || counts.problems > 0)
            found++;
        write_octet(dir, at, bytes[at]);
    }
    assert_rc("mended", verify(&options, &f, &counts), MT_OK);
    assert_int_equal(counts.problems, 0);
    free(bytes);
    if (flips < 3000 || found * 4 < flips * 3)
        fail_msg("%zu of %zu flips were found", found, flips);
}

/* Two values that lie on the same page: each of them alone fits. */
static void
a_page_that_is_used_twice_is_found(void **state)
{
    static const char       one[] = "the-first-key", two[] = "another-key!!";
    struct store_service   *sv = *state;
    struct db_options       options = { 0 };
    struct findings         f;
    struct db_verify_counts counts;
    char                    dir[100], *bytes, value[5000] = "", page[8];
    struct db              *db;
    struct tx              *tx;
    size_t                  len;
    bool                    failed;

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    options = options_of(sv);
    options.dir = dir;
    service_stop(sv);
    db = open_for_writing(dir, sv->config.store.map_bytes);
    assert_int_equal(tx_begin(db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_RESULT, slice_of(one), slice_make(value, sizeof(value)), 0);
    tx_put(tx, TABLE_RESULT, slice_of(two), slice_make(value, sizeof(value)), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    db_close(db);
    len = read_file(dir, &bytes);
    /* The number of its first page stands behind each key. */
    memcpy(page, bytes + slice_find_nocase(slice_make(bytes, len), slice_of(one)) + strlen(one), sizeof(page));
    for (unsigned i = 0; i < sizeof(page); i++)
        write_octet(dir, slice_find_nocase(slice_make(bytes, len), slice_of(two)) + strlen(two) + i, page[i]);
    assert_rc("verify", verify(&options, &f, &counts), MT_EDAMAGED);
    if (strstr(f.all, "is used twice") == NULL)
        fail_msg("%s", f.all);
    free(bytes);
}

static void
what_is_no_database_is_not_verified(void **state)
{
    struct store_service   *sv = *state;
    struct findings         f;
    struct db_verify_counts counts;

    assert_rc("no such folder",
              verify(&(struct db_options){ .dir = "/tmp/there-is-no-such-folder", .map_bytes = 1 << 20, .readers_max = 8 }, &f, &counts),
              MT_ENOTFOUND);
    assert_rc("no database in it", verify(&(struct db_options){ .dir = sv->dir, .map_bytes = 1 << 20, .readers_max = 8 }, &f, &counts), MT_ENOTFOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_was_used_has_no_problems, service_setup, service_teardown),
        cmocka_unit_test(each_misfit_is_told),
        cmocka_unit_test_setup_teardown(flipped_bits_are_survived_and_found, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_page_that_is_used_twice_is_found, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_not_verified, service_setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
