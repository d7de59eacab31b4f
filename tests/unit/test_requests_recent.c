/* What store keeps for sessions of IMAP: who was told of which messages first, keywords in use, and a modseq that grows with what goes, too. */

#include "tests/unit/store_service.h"

#define BODY "Subject: x\r\n\r\ny\r\n"

static struct folder_record
folder(struct store_service *sv, char keywords[FOLDER_KEYWORDS_BYTES + 1])
{
    struct mailbox_record mailbox;
    struct folder_record  f;
    struct db_view        view;

    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_mailbox_by_name(&view, slice_of("acme"), &mailbox), MT_OK);
    assert_int_equal(db_folder(&view, mailbox.id, FOLDER_UNMATCHED, &f), MT_OK);
    assert_true(slice_copy(keywords, FOLDER_KEYWORDS_BYTES + 1, f.keywords));
    db_view_end(&view);
    return f;
}

static struct folder_record
begin(struct store_service *sv, unsigned messages)
{
    char text[FOLDER_KEYWORDS_BYTES + 1];

    service_add_mailbox(sv, "acme");
    for (unsigned i = 0; i < messages; i++)
        assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_of(BODY), NULL), MT_OK);
    service_connect(sv, ROLE_IMAPD);
    return folder(sv, text);
}

static void
what_was_told_is_recent_for_nobody_else(void **state)
{
    static const struct {
        const char *label;
        uint32_t    uid, before, after;
    } rows[] = {
        { "the first two",      3,          1, 3 },
        { "no more",            3,          3, 3 },
        { "late",               2,          3, 3 },
        { "the third",          4,          3, 4 },
        { "what is not there",  UINT32_MAX, 4, 5 },
        { "nothing",            0,          5, 5 },
    };
    struct store_service *sv = *state;
    struct folder_record  f = begin(sv, 4);
    char                  text[FOLDER_KEYWORDS_BYTES + 1];

    assert_int_equal(f.recent_uid, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t      modseq = f.modseq;
        struct reader r;
        uint32_t      before;

        assert_rc(rows[i].label, service_call(sv, MSG_RECENT, "uuu", f.mailbox_id, f.id, rows[i].uid), MT_OK);
        r = service_answer(sv);
        read_u32(&r, &before);
        assert_true(read_end(&r));
        f = folder(sv, text);
        if (before != rows[i].before || f.recent_uid != rows[i].after)
            fail_msg("%s: from %u to %u", rows[i].label, before, f.recent_uid);
        assert_int_equal(f.modseq, modseq);
    }
    assert_rc("no folder", service_call(sv, MSG_RECENT, "uuu", f.mailbox_id, 4711u, 3u), MT_ENOTFOUND);
    assert_rc("no mailbox", service_call(sv, MSG_RECENT, "uuu", 4711u, f.id, 3u), MT_ENOTFOUND);
}

static void
set_keywords(struct store_service *sv, const struct folder_record *f, enum msg_flags_op op, const char *words, uint32_t uid)
{
    assert_rc(words, service_call(sv, MSG_FLAGS, "uubusUuu", f->mailbox_id, f->id, op, 0u, words, UINT64_MAX, 1u, uid), MT_OK);
}

static void
a_folder_knows_the_keywords_of_its_messages(void **state)
{
    struct store_service *sv = *state;
    struct folder_record  f = begin(sv, 3);
    char                  text[FOLDER_KEYWORDS_BYTES + 1];

    set_keywords(sv, &f, MSG_FLAGS_ADD, "$One two", 1);
    set_keywords(sv, &f, MSG_FLAGS_SET, "TWO three", 2);
    set_keywords(sv, &f, MSG_FLAGS_REMOVE, "four", 2);
    f = folder(sv, text);
    assert_string_equal(text, "$One two three");
    set_keywords(sv, &f, MSG_FLAGS_REMOVE, "$One two", 1);
    f = folder(sv, text);
    assert_string_equal(text, "$One two three");
}

/* Each message may have so many that a folder's list is soon full. What is not listed works all the same. */
static void
the_list_of_keywords_has_a_bound(void **state)
{
    enum { MESSAGES = 6, WORDS = 60 };
    struct store_service *sv = *state;
    struct folder_record  f = begin(sv, MESSAGES);
    char                  text[FOLDER_KEYWORDS_BYTES + 1];
    struct db_view        view;
    struct entry          e;

    for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
        struct buf words;

        buf_init(&words, ENTRY_KEYWORDS_BYTES);
        for (unsigned i = 0; i < WORDS; i++)
            buf_printf(&words, "%skeyword-%u-%02u", i == 0 ? "" : " ", uid, i);
        buf_append_byte(&words, '\0');
        assert_int_equal(words.fault, MT_OK);
        set_keywords(sv, &f, MSG_FLAGS_ADD, words.data, uid);
        buf_fini(&words);
    }
    f = folder(sv, text);
    assert_true(strlen(text) > FOLDER_KEYWORDS_BYTES - 20);
    assert_true(entry_has_keyword(slice_of(text), slice_of("keyword-1-00")));
    assert_false(entry_has_keyword(slice_of(text), slice_of("keyword-6-59")));
    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_entry(&view, f.mailbox_id, f.id, MESSAGES, &e), MT_OK);
    assert_true(entry_has_keyword(e.keywords, slice_of("keyword-6-59")));
    db_view_end(&view);
}

static void
delete(struct store_service *sv, const struct folder_record *f, uint32_t uid)
{
    struct db_view view;
    struct entry   e;

    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_entry(&view, f->mailbox_id, f->id, uid, &e), MT_OK);
    db_view_end(&view);
    assert_rc("delete", service_call(sv, MSG_MESSAGES_DELETE, "uuU", f->mailbox_id, 1u, e.message_id), MT_OK);
}

/* RFC 7162 section 3.2.7; also behind a restart. */
static void
modseq_grows_when_a_message_goes(void **state)
{
    struct store_service *sv = *state;
    struct folder_record  f = begin(sv, 2);
    char                  text[FOLDER_KEYWORDS_BYTES + 1];
    uint64_t              modseq = f.modseq;

    set_keywords(sv, &f, MSG_FLAGS_ADD, "$One", 1);
    delete(sv, &f, 1);
    f = folder(sv, text);
    assert_true(f.modseq > modseq + 1);
    assert_string_equal(text, "$One");
    modseq = f.modseq;
    delete(sv, &f, 2);
    service_stop(sv);
    assert_int_equal(service_start(sv), MT_OK);
    f = folder(sv, text);
    assert_true(f.modseq > modseq);
    assert_string_equal(text, "");
    assert_int_equal(f.uidnext, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_told_is_recent_for_nobody_else, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_folder_knows_the_keywords_of_its_messages, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(the_list_of_keywords_has_a_bound, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(modseq_grows_when_a_message_goes, service_setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
