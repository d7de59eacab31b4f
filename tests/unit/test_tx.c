#include "tests/unit/store_service.h"

#include "store/account.h"

static struct tx *
begin(struct store_service *sv)
{
    struct tx *tx;

    assert_rc("begin", tx_begin(sv->store.db, UINT64_C(1795233000000000), &tx), MT_OK);
    return tx;
}

static int
commit(struct tx *tx)
{
    bool failed;
    int  rc = tx_commit(tx, &failed);

    tx_free(tx);
    assert_false(failed);
    return rc;
}

static void
a_changed_record_is_written_with_the_commit(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    struct tx_mailbox    *m, *again;
    struct tx_folder     *f;

    assert_rc("mailbox", tx_mailbox(tx, 1, &m), MT_OK);
    assert_rc("again", tx_mailbox(tx, 1, &again), MT_OK);
    assert_ptr_equal(m, again);
    assert_rc("folder", tx_folder(tx, m, FOLDER_INBOX, &f), MT_OK);
    f->record.uidnext = 77;
    f->dirty = true;
    assert_rc("commit", commit(tx), MT_OK);
    tx = begin(sv);
    assert_rc("mailbox", tx_mailbox(tx, 1, &m), MT_OK);
    assert_rc("folder", tx_folder(tx, m, FOLDER_INBOX, &f), MT_OK);
    assert_int_equal(f->record.uidnext, 77);
    assert_slice("name", f->record.name, "INBOX");
    assert_rc("no such mailbox", tx_mailbox(tx, 99, &m), MT_ENOTFOUND);
    assert_rc("commit", commit(tx), MT_OK);
}

static void
nothing_of_a_faulty_transaction_is_written(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    struct tx_mailbox    *m;
    uint64_t              id = tx_next_message_id(tx);

    assert_rc("mailbox", tx_mailbox(tx, 1, &m), MT_OK);
    m->record.messages = 5;
    m->dirty = true;
    tx_fail(tx, MT_EFULL);
    tx_fail(tx, MT_EIO);
    assert_rc("the first fault stays", tx_fault(tx), MT_EFULL);
    assert_rc("commit", commit(tx), MT_EFULL);
    tx = begin(sv);
    assert_int_equal(tx_next_message_id(tx), id);
    assert_rc("mailbox", tx_mailbox(tx, 1, &m), MT_OK);
    assert_int_equal(m->record.messages, 0);
    tx_free(tx);
}

static void
ids_only_grow(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    uint64_t              first = tx_next_message_id(tx);

    assert_int_equal(tx_next_message_id(tx), first + 1);
    assert_rc("commit", commit(tx), MT_OK);
    tx = begin(sv);
    assert_int_equal(tx_next_message_id(tx), first + 2);
    assert_rc("commit", commit(tx), MT_OK);
}

/* More mailboxes than the first table of slots has room for. */
static void
many_mailboxes_fit_into_one_transaction(void **state)
{
    enum { MANY = 500 };
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    char                  name[16];

    for (unsigned i = 0; i < MANY; i++) {
        struct mailbox_record record = { .domain = slice_of(DOMAIN) };
        struct tx_mailbox    *m;

        snprintf(name, sizeof(name), "m%u", i);
        record.name = slice_of(name);
        assert_rc(name, account_create(tx, &record, &m), MT_OK);
        assert_rc("the same name", account_create(tx, &record, &m), MT_EEXIST);
    }
    assert_rc("commit", commit(tx), MT_OK);
    tx = begin(sv);
    for (uint32_t id = 1; id <= MANY + 2; id++) {
        struct tx_mailbox *m;

        assert_rc("mailbox", tx_mailbox(tx, id, &m), MT_OK);
        assert_int_equal(m->record.id, id);
    }
    tx_free(tx);
}

static void
a_removed_mailbox_is_gone_within_the_transaction(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    struct tx_mailbox    *m;
    uint64_t              messages;
    size_t                count;

    assert_rc("mailbox", tx_mailbox(tx, 2, &m), MT_OK);
    account_delete(tx, m, &messages);
    assert_rc("gone", tx_mailbox(tx, 2, &m), MT_ENOTFOUND);
    assert_int_equal(tx_changes(tx, &count)[0].kind, CHANGE_MAILBOX);
    assert_int_equal(count, 1);
    assert_rc("commit", commit(tx), MT_OK);
    tx = begin(sv);
    assert_rc("gone for good", tx_mailbox(tx, 2, &m), MT_ENOTFOUND);
    tx_free(tx);
}

static void
a_damaged_record_is_not_served(void **state)
{
    struct store_service *sv = *state;
    struct tx            *tx = begin(sv);
    struct tx_mailbox    *m;
    unsigned char         key[4];

    tx_put(tx, TABLE_MAILBOX, db_key_u32(key, 1), slice_of("no record at all"), 0);
    assert_rc("damaged", tx_mailbox(tx, 1, &m), MT_EDAMAGED);
    assert_rc("no fault of the transaction", tx_fault(tx), MT_OK);
    tx_free(tx);
}

int
main(void)
{
#define TX_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        TX_TEST(a_changed_record_is_written_with_the_commit),
        TX_TEST(nothing_of_a_faulty_transaction_is_written),
        TX_TEST(ids_only_grow),
        TX_TEST(many_mailboxes_fit_into_one_transaction),
        TX_TEST(a_removed_mailbox_is_gone_within_the_transaction),
        TX_TEST(a_damaged_record_is_not_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
