#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "store/incoming.h"

#define DAYS(n) ((int64_t)(n) * 86400 * 1000000)

static int
setup(void **state)
{
    struct store_service *sv;

    service_setup(state);
    sv = *state;
    service_add_mailbox(sv, "acme");
    return 0;
}

static bool
is_there(struct store_service *sv, uint64_t id)
{
    return service_call(sv, MSG_MESSAGE_SHOW, "U", id) == MT_OK;
}

static uint64_t
deliver(struct store_service *sv, bool with_token, size_t size)
{
    struct token t = service_mint(sv, "acme");
    char        *body = calloc(1, size);
    uint64_t     id = 0;

    assert_non_null(body);
    assert_rc("deliver", service_deliver(sv, "acme", with_token ? &t : NULL, slice_make(body, size), &id), MT_OK);
    free(body);
    return id;
}

/* As the timer does each second; then until nothing is left to do. */
static void
look(struct store_service *sv)
{
    expire_look(sv->store.expire);
    for (unsigned i = 0; i < 50; i++)
        service_settle(sv);
}

/* A flipped bit in a row of the expiry table: the message goes when it is old, not when the row says. */
static void
a_row_with_another_time_takes_nothing_with_it(void **state)
{
    struct store_service *sv = *state;
    uint64_t              id = deliver(sv, true, 100);
    unsigned char         key[DB_KEY_MAX];
    struct token          t = service_mint(sv, "acme");
    struct token_record   r;
    struct db_view        v;
    struct tx            *tx;
    bool                  failed;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("the token", db_token(&v, &t, &r), MT_OK);
    db_view_end(&v);
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_EXPIRY, db_key_expiry_message(key, EXPIRY_INBOX, 5, id), slice_make("", 0), 0);
    tx_put(tx, TABLE_EXPIRY, db_key_expiry_token(key, 5, &t), slice_make("", 0), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    look(sv);
    assert_true(is_there(sv, id));
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("the token", db_token(&v, &t, &r), MT_OK);
    db_view_end(&v);
    sv->store.clock_ahead_us = DAYS(400);
    look(sv);
    assert_false(is_there(sv, id));
    assert_int_equal(rows_in(sv, TABLE_EXPIRY), rows_in(sv, TABLE_TOKEN));
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* Everything that is left fits together. */
static void
verify(struct store_service *sv)
{
    struct db_verify_counts counts;
    char                    dir[100];

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    assert_rc("verify",
              db_verify(&(struct db_options){ .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 }, say, NULL,
                        &counts),
              MT_OK);
    assert_int_equal(counts.problems, 0);
    assert_rc("start again", service_start(sv), MT_OK);
}

static void
each_kind_goes_after_its_own_time(void **state)
{
    struct store_service *sv = *state;
    uint64_t              probe = deliver(sv, true, 100), junk = deliver(sv, false, 100);

    assert_int_equal(rows_in(sv, TABLE_TOKEN), 2);
    sv->store.clock_ahead_us = DAYS(6);
    look(sv);
    assert_true(is_there(sv, probe) && is_there(sv, junk));
    sv->store.clock_ahead_us = DAYS(8);
    look(sv);
    assert_true(is_there(sv, probe) && !is_there(sv, junk));
    sv->store.clock_ahead_us = DAYS(29);
    look(sv);
    assert_true(is_there(sv, probe));
    sv->store.clock_ahead_us = DAYS(31);
    look(sv);
    assert_false(is_there(sv, probe));
    /* What arrived is known longer than the message is kept. */
    assert_int_equal(rows_in(sv, TABLE_TOKEN), 2);
    sv->store.clock_ahead_us = DAYS(91);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_TOKEN), 0);
    assert_int_equal(rows_in(sv, TABLE_EXPIRY), 0);
    assert_int_equal(rows_in(sv, TABLE_BODY), 0);
    assert_int_equal(sv->store.message_count, 0);
    assert_int_equal(sv->store.stored.expired, 2);
    verify(sv);
}

static void
a_changed_setting_holds_for_what_is_there(void **state)
{
    struct store_service *sv = *state;
    uint64_t              probe = deliver(sv, true, 100);

    sv->store.clock_ahead_us = DAYS(3);
    look(sv);
    assert_true(is_there(sv, probe));
    sv->config.retention.inbox_days = 2;
    look(sv);
    assert_false(is_there(sv, probe));
}

static void
a_folder_keeps_so_many_of_the_newest(void **state)
{
    struct store_service *sv = *state;
    uint64_t              ids[8], probe = deliver(sv, true, 100);

    sv->config.retention.unmatched_messages = 5;
    for (unsigned i = 0; i < 8; i++)
        ids[i] = deliver(sv, false, 100);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(is_there(sv, ids[i]), i >= 3);
    /* Junk never pushes out a probe. */
    assert_true(is_there(sv, probe));
    verify(sv);
}

static void
a_folder_keeps_so_many_octets(void **state)
{
    struct store_service *sv = *state;
    uint64_t              ids[20], large;

    sv->config.retention.inbox_bytes = 60000;
    for (unsigned i = 0; i < 20; i++)
        ids[i] = deliver(sv, true, 2000);
    for (unsigned i = 0; i < 20; i++)
        assert_true(is_there(sv, ids[i]));
    /* In the place of many small ones: some at once, the rest behind it. */
    large = deliver(sv, true, 50000);
    look(sv);
    assert_true(is_there(sv, large) && is_there(sv, ids[19]) && !is_there(sv, ids[14]));
    /* One that is larger than the limit alone is kept: it is the newest. */
    sv->config.retention.inbox_bytes = 10000;
    large = deliver(sv, true, 50000);
    look(sv);
    assert_true(is_there(sv, large));
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 1);
    verify(sv);
}

static void
lower_limits_are_reached_after_a_restart(void **state)
{
    struct store_service *sv = *state;

    for (unsigned i = 0; i < 30; i++)
        deliver(sv, i % 2 == 0, 100);
    service_stop(sv);
    sv->config.retention.inbox_messages = 4;
    sv->config.retention.unmatched_messages = 3;
    sv->config.retention.expire_step = 2;
    assert_rc("start again", service_start(sv), MT_OK);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 7);
    verify(sv);
}

/* A step removes at most so many, and the loop goes round between the steps. */
static void
steps_are_small(void **state)
{
    struct store_service *sv = *state;
    uint64_t              before;

    for (unsigned i = 0; i < 50; i++)
        deliver(sv, false, 100);
    sv->config.retention.expire_step = 5;
    sv->store.clock_ahead_us = DAYS(8);
    before = batch_stats(sv->store.batch)->commits;
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 0);
    assert_true(batch_stats(sv->store.batch)->commits - before >= 10);
}

static void
keep_rc(void *arg, int rc, uint64_t message_id, bool genuine)
{
    (void)message_id;
    (void)genuine;
    *(int *)arg = rc;
}

/* A delivery waits for little more than itself, and still more goes than comes. */
static void
a_delivery_is_not_held_up(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    struct buf            fields;
    struct reader         r;
    int                   rc = MT_EAGAIN, fd = -1;

    for (unsigned i = 0; i < 50; i++)
        deliver(sv, false, 100);
    sv->store.clock_ahead_us = DAYS(8);
    expire_look_again(sv->store.expire);
    service_mail_init(&mail, "acme", NULL, slice_of("body"));
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &mail.d);
    reader_init(&r, buf_slice(&fields));
    assert_rc("queue", incoming_queue(&sv->store, &r, &fd, keep_rc, &rc), MT_OK);
    batch_commit(sv->store.batch);
    assert_rc("deliver", rc, MT_OK);
    assert_int_equal(sv->store.message_count, 50 + 1 - 2);
    buf_fini(&fields);
}

static void
a_large_body_goes_in_steps(void **state)
{
    struct store_service *sv = *state;
    uint64_t              large = deliver(sv, true, 4000000), before;

    sv->config.retention.expire_step = 4;
    assert_true(rows_in(sv, TABLE_BODY) > 900);
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", large), MT_OK);
    assert_false(is_there(sv, large));
    assert_true(rows_in(sv, TABLE_BODY) > 0);
    before = batch_stats(sv->store.batch)->commits;
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_BODY), 0);
    assert_true(batch_stats(sv->store.batch)->commits - before > 10);
    verify(sv);
}

static void
a_deleted_mailbox_goes_bit_by_bit(void **state)
{
    struct store_service *sv = *state;
    uint32_t              id;

    for (unsigned i = 0; i < 20; i++)
        deliver(sv, i % 2 == 0, 3000);
    id = catalog_find(sv->store.catalog, slice_of("acme"))->id;
    sv->config.retention.expire_step = 3;
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    /* A restart in the middle. */
    service_stop(sv);
    assert_rc("start again", service_start(sv), MT_OK);
    assert_null(catalog_by_id(sv->store.catalog, id));
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 0);
    assert_int_equal(rows_in(sv, TABLE_ENTRY), 0);
    assert_int_equal(rows_in(sv, TABLE_BODY), 0);
    assert_int_equal(rows_in(sv, TABLE_FOLDER), 4);
    verify(sv);
}

static void
damage_does_not_stop_expiry(void **state)
{
    struct store_service *sv = *state;
    uint64_t              ids[6];
    unsigned char         key[DB_KEY_MAX];
    struct tx            *tx;
    bool                  failed;

    for (unsigned i = 0; i < 6; i++)
        ids[i] = deliver(sv, false, 100);
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_MESSAGE, db_key_u64(key, ids[1]), slice_of("no record"), 0);
    assert_true(tx_delete(tx, TABLE_MESSAGE, db_key_u64(key, ids[2])));
    tx_put(tx, TABLE_EXPIRY, db_key_expiry_message(key, EXPIRY_INBOX, 1, 4711), slice_make("", 0), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    sv->store.clock_ahead_us = DAYS(8);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 0);
    for (unsigned i = 0; i < 6; i++)
        assert_false(is_there(sv, ids[i]));
    deliver(sv, true, 100);
}

static void
lookup_hears_of_what_expires(void **state)
{
    struct store_service *sv = *state;

    deliver(sv, false, 100);
    sv->change_count = 0;
    service_connect(sv, ROLE_LOOKUP);
    sv->store.clock_ahead_us = DAYS(8);
    look(sv);
    assert_int_equal(sv->change_count, 1);
    assert_int_equal(sv->changes[0].kind, CHANGE_DELETED);
    assert_int_equal(sv->changes[0].folder_id, FOLDER_UNMATCHED);
    assert_int_equal(sv->changes[0].uid, 1);
}

int
main(void)
{
#define EXPIRE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, service_teardown)
    const struct CMUnitTest tests[] = {
        EXPIRE_TEST(a_row_with_another_time_takes_nothing_with_it),
        EXPIRE_TEST(each_kind_goes_after_its_own_time),
        EXPIRE_TEST(a_changed_setting_holds_for_what_is_there),
        EXPIRE_TEST(a_folder_keeps_so_many_of_the_newest),
        EXPIRE_TEST(a_folder_keeps_so_many_octets),
        EXPIRE_TEST(lower_limits_are_reached_after_a_restart),
        EXPIRE_TEST(steps_are_small),
        EXPIRE_TEST(a_delivery_is_not_held_up),
        EXPIRE_TEST(a_large_body_goes_in_steps),
        EXPIRE_TEST(a_deleted_mailbox_goes_bit_by_bit),
        EXPIRE_TEST(damage_does_not_stop_expiry),
        EXPIRE_TEST(lookup_hears_of_what_expires),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
