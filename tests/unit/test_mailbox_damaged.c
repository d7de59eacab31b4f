#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "store/tx.h"

static void
count_complaint(void *arg, const char *text)
{
    (void)text;
    ++*(unsigned *)arg;
}

/* Puts other octets into the place of a mailbox's record; NULL: removes it. */
static void
damage(struct store_service *sv, const char *name, const char *bytes)
{
    const struct catalog_mailbox *m = catalog_find(sv->store.catalog, slice_of(name));
    unsigned char                 key[DB_KEY_MAX];
    struct tx                    *tx;
    bool                          file_failed;

    assert_non_null(m);
    assert_rc("begin", tx_begin(sv->store.db, 1, &tx), MT_OK);
    if (bytes != NULL)
        tx_put(tx, TABLE_MAILBOX, db_key_u32(key, m->id), slice_of(bytes), 0);
    else
        tx_delete(tx, TABLE_MAILBOX, db_key_u32(key, m->id));
    assert_rc("commit", tx_commit(tx, &file_failed), MT_OK);
    tx_free(tx);
}

static void
restart(struct store_service *sv)
{
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
}

/* What smtpd is told of a mailbox. */
static struct mailbox_state
state_of(struct store_service *sv, const char *name)
{
    struct mailbox_state s;

    catalog_state(catalog_find(sv->store.catalog, slice_of(name)), UINT64_MAX, &s);
    return s;
}

static void
one_damaged_record_keeps_no_other_from_its_mail(void **state)
{
    static const struct {
        const char *label, *bytes;
    } cases[] = { { "other octets", "\x04 no record" }, { "of another version", "\xff" }, { "empty", "" }, { "gone", NULL } };
    struct store_service *sv = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char     name[16];
        uint64_t id;

        snprintf(name, sizeof(name), "acme%zu", i);
        service_add_mailbox(sv, name);
        damage(sv, name, cases[i].bytes);
        restart(sv);
        if (catalog_damaged(sv->store.catalog) != i + 1 || !state_of(sv, name).damaged)
            fail_msg("%s: it does not count as damaged", cases[i].label);
        assert_false(state_of(sv, "abuse").damaged);
        assert_int_not_equal(service_deliver(sv, name, NULL, slice_of("Subject: x\r\n\r\n"), &id), MT_OK);
        assert_rc(cases[i].label, service_deliver(sv, "abuse", NULL, slice_of("Subject: x\r\n\r\n"), &id), MT_OK);
        assert_rc("its name is taken", service_call(sv, MSG_MAILBOX_ADD, "ss", name, ""), MT_EEXIST);
    }
    assert_rc("list", service_call(sv, MSG_MAILBOX_LIST, ""), MT_EDAMAGED);
    assert_int_equal(sv->row_count, 2);
}

static void
a_damaged_mailbox_that_is_needed_is_not_made_anew(void **state)
{
    struct store_service *sv = *state;

    damage(sv, "postmaster", "x");
    restart(sv);
    assert_int_equal(catalog_count(sv->store.catalog), 2);
    assert_true(state_of(sv, "postmaster").damaged);
    restart(sv);
    assert_int_equal(catalog_count(sv->store.catalog), 2);
}

/* Then mail to it would be refused for good. */
static void
a_record_that_is_lost_with_its_name_stops_the_start(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx;
    bool                  file_failed;

    service_add_mailbox(sv, "acme");
    damage(sv, "acme", "x");
    assert_rc("begin", tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_delete(tx, TABLE_MAILBOX_NAME, slice_of("acme"));
    assert_rc("commit", tx_commit(tx, &file_failed), MT_OK);
    tx_free(tx);
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_EDAMAGED);
}

static void
smtpd_is_told_at_the_start(void **state)
{
    struct store_service *sv = *state;

    service_add_mailbox(sv, "acme");
    damage(sv, "acme", "x");
    restart(sv);
    service_connect(sv, ROLE_SMTPD);
    assert_true(sv->all_sent);
    assert_string_equal(sv->mailbox.name, "acme");
    assert_true(sv->mailbox.damaged);
}

static void
verify_tells_of_it(void **state)
{
    struct store_service   *sv = *state;
    char                    dir[100];
    struct db_options       options = { .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = sv->config.store.readers_max };
    struct db_verify_counts counts;
    unsigned                complaints = 0;

    service_add_mailbox(sv, "acme");
    damage(sv, "acme", "x");
    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    assert_rc("verify", db_verify(&options, count_complaint, &complaints, &counts), MT_OK);
    assert_true(complaints > 0);
    assert_rc("start", service_start(sv), MT_OK);
}

int
main(void)
{
#define DAMAGED_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        DAMAGED_TEST(one_damaged_record_keeps_no_other_from_its_mail),
        DAMAGED_TEST(a_damaged_mailbox_that_is_needed_is_not_made_anew),
        DAMAGED_TEST(a_record_that_is_lost_with_its_name_stops_the_start),
        DAMAGED_TEST(smtpd_is_told_at_the_start),
        DAMAGED_TEST(verify_tells_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
