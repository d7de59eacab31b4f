/* What imapd asks of store about folders: making, removing, renaming; copying and bringing in mail. */

#include "tests/unit/store_service.h"

#include "lib/folder_name.h"

enum { MAILBOX = 3 };       /* behind postmaster and abuse */

static int
setup(void **state)
{
    struct store_service *sv;

    service_setup(state);
    sv = *state;
    service_add_mailbox(sv, "acme");
    service_connect(sv, ROLE_IMAPD);
    assert_rc("subscribe", service_call(sv, MSG_SUBSCRIBE, ""), MT_OK);
    return 0;
}

static struct folder_record
folder(struct store_service *sv, uint32_t id)
{
    struct folder_record f;
    struct db_view       v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("folder", db_folder(&v, MAILBOX, id, &f), MT_OK);
    db_view_end(&v);
    return f;
}

static bool
is_named(struct store_service *sv, uint32_t id, const char *name)
{
    struct folder_record f;
    struct db_view       v;
    bool                 is;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    is = db_folder_by_name(&v, MAILBOX, slice_of(name), &f) == MT_OK && f.id == id;
    db_view_end(&v);
    return is;
}

static uint32_t
make(struct store_service *sv, const char *name)
{
    struct reader r;
    uint32_t      id;

    assert_rc(name, service_call(sv, MSG_FOLDER_CREATE, "us", MAILBOX, name), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &id);
    assert_true(read_end(&r));
    return id;
}

/* One message; its UID. */
static int
append(struct store_service *sv, uint32_t folder_id, struct slice body, uint32_t *uid)
{
    struct service_mail m;
    struct buf          fields;
    struct reader       r;
    uint32_t            uidvalidity;
    int                 rc, fd = -1;

    service_mail_init(&m, "acme", NULL, body);
    m.d.trace = slice_make("", 0);
    if (body.len > MSG_INLINE_BODY_BYTES) {
        fd = service_memfd(body);
        m.d.body = slice_make(NULL, 0);
    }
    buf_init(&fields, MSG_MAX_BYTES);
    write_u32(&fields, folder_id);
    write_u32(&fields, ENTRY_SEEN);
    write_string(&fields, "mine");
    delivery_write(&fields, &m.d);
    rc = service_ask(sv, MSG_APPEND, buf_slice(&fields), fd);
    buf_fini(&fields);
    if (rc != MT_OK)
        return rc;
    r = service_answer(sv);
    read_u32(&r, &uidvalidity);
    read_u32(&r, uid);
    assert_true(read_end(&r));
    assert_int_equal(uidvalidity, folder(sv, folder_id).uidvalidity);
    return MT_OK;
}

static struct message_record
message(struct store_service *sv, uint32_t folder_id, uint32_t uid, uint64_t *id)
{
    struct message_record m;
    struct entry          e;
    struct db_view        v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("entry", db_entry(&v, MAILBOX, folder_id, uid, &e), MT_OK);
    assert_rc("message", db_message(&v, e.message_id, &m), MT_OK);
    assert_rc("body", db_message_check(&v, &m), MT_OK);
    assert_int_equal(e.flags, ENTRY_SEEN);
    assert_true(slice_equal(e.keywords, slice_of("mine")));
    db_view_end(&v);
    if (id != NULL)
        *id = e.message_id;
    return m;
}

static int
copy(struct store_service *sv, uint32_t from, uint32_t to, bool move, uint32_t first, uint32_t count)
{
    struct buf fields;
    int        rc;

    buf_init(&fields, MSG_MAX_BYTES);
    write_u32(&fields, MAILBOX);
    write_u32(&fields, from);
    write_u32(&fields, to);
    write_u8(&fields, move);
    write_u32(&fields, count);
    for (uint32_t i = 0; i < count; i++)
        write_u32(&fields, first + i);
    rc = service_ask(sv, MSG_COPY, buf_slice(&fields), -1);
    buf_fini(&fields);
    return rc;
}

static uint32_t
copied(struct store_service *sv)
{
    struct reader r = service_answer(sv);
    uint32_t      uidvalidity, count;

    read_u32(&r, &uidvalidity);
    read_u32(&r, &count);
    return count;
}

/* ---- Folders ---- */

static void
a_folder_is_made_with_those_around_it(void **state)
{
    struct store_service *sv = *state;
    uint32_t              id = make(sv, "a/b/c");

    assert_int_equal(id, FOLDER_FIRST_OWN + 2);
    assert_true(is_named(sv, id, "a/b/c"));
    assert_true(is_named(sv, id - 2, "a"));
    assert_true(folder(sv, id).subscribed);
    assert_int_equal(make(sv, "a/d"), id + 1);
    assert_rc("again", service_call(sv, MSG_FOLDER_CREATE, "us", MAILBOX, "a/b"), MT_EEXIST);
    assert_rc("bad", service_call(sv, MSG_FOLDER_CREATE, "us", MAILBOX, "a//b"), MT_EINVALID);
    assert_rc("no mailbox", service_call(sv, MSG_FOLDER_CREATE, "us", 99, "a"), MT_ENOTFOUND);
}

static void
no_more_folders_than_there_may_be(void **state)
{
    struct store_service *sv = *state;
    char                  name[16];

    for (unsigned i = 0; i < DB_FOLDERS_MAX - FOLDER_UNMATCHED; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        make(sv, name);
    }
    assert_rc("one more", service_call(sv, MSG_FOLDER_CREATE, "us", MAILBOX, "more"), MT_ESIZE);
    assert_rc("one more around it", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, FOLDER_FIRST_OWN, "x/y"), MT_ESIZE);
    assert_rc("rename", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, FOLDER_FIRST_OWN, "f1/y"), MT_OK);
}

static void
what_is_below_is_renamed_along(void **state)
{
    struct store_service *sv = *state;
    uint32_t              id = make(sv, "a/b"), uidvalidity = folder(sv, id).uidvalidity;
    char                  name[FOLDER_NAME_BYTES + 1];

    assert_rc("rename", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id - 1, "x/y"), MT_OK);
    assert_true(is_named(sv, id, "x/y/b"));
    assert_true(is_named(sv, id - 1, "x/y"));
    assert_int_equal(folder(sv, id).uidvalidity, uidvalidity);
    assert_rc("taken", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id, "x"), MT_EEXIST);
    assert_rc("below itself", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id - 1, "x/y/z"), MT_EINVALID);
    assert_rc("Unmatched", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, FOLDER_UNMATCHED, "z"), MT_EINVALID);
    memset(name, 'n', FOLDER_NAME_BYTES);
    name[FOLDER_NAME_BYTES - 1] = '\0';
    assert_rc("too long for what is below", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id - 1, name), MT_EINVALID);
}

static void
a_name_gets_a_new_uidvalidity_each_time(void **state)
{
    struct store_service *sv = *state;
    uint32_t              before = 0;

    for (unsigned i = 0; i < 3; i++) {
        uint32_t id = make(sv, "again");

        assert_true(folder(sv, id).uidvalidity > before);
        before = folder(sv, id).uidvalidity;
        assert_rc("delete", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id), MT_OK);
    }
}

static void
a_folder_is_removed_in_steps(void **state)
{
    struct store_service *sv = *state;
    uint32_t              id = make(sv, "full"), uid;
    struct reader         r;
    bool                  gone;

    for (unsigned i = 0; i < MSG_MESSAGES_DELETE_MAX + 1; i++)
        assert_rc("append", append(sv, id, slice_of("a: b\r\n\r\n"), &uid), MT_OK);
    make(sv, "full/below");
    assert_rc("below", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id), MT_EBUSY);
    assert_rc("delete below", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id + 1), MT_OK);
    for (unsigned step = 0; step < 2; step++) {
        assert_rc("delete", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id), MT_OK);
        r = service_answer(sv);
        read_bool(&r, &gone);
        assert_true(gone == (step == 1));
    }
    assert_rc("gone", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id), MT_ENOTFOUND);
    assert_rc("INBOX", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, FOLDER_INBOX), MT_EINVALID);
}

static void
subscriptions_are_kept(void **state)
{
    struct store_service *sv = *state;

    assert_rc("off", service_call(sv, MSG_FOLDER_SUBSCRIBE, "uub", MAILBOX, FOLDER_INBOX, 0), MT_OK);
    assert_false(folder(sv, FOLDER_INBOX).subscribed);
    assert_rc("on", service_call(sv, MSG_FOLDER_SUBSCRIBE, "uub", MAILBOX, FOLDER_INBOX, 1), MT_OK);
    assert_true(folder(sv, FOLDER_INBOX).subscribed);
    assert_rc("none", service_call(sv, MSG_FOLDER_SUBSCRIBE, "uub", MAILBOX, 77, 1), MT_ENOTFOUND);
}

/* ---- Mail ---- */

static void
mail_is_brought_in(void **state)
{
    struct store_service *sv = *state;
    struct message_record m;
    uint32_t              uid;
    char                 *large = malloc(MSG_INLINE_BODY_BYTES * 2);

    assert_non_null(large);
    memset(large, 'x', MSG_INLINE_BODY_BYTES * 2);
    assert_rc("small", append(sv, FOLDER_INBOX, slice_of("a: b\r\n\r\nc"), &uid), MT_OK);
    assert_int_equal(uid, 1);
    m = message(sv, FOLDER_INBOX, 1, NULL);
    assert_int_equal(m.kind, KIND_UNMATCHED);
    assert_int_equal(message_size(&m), 9);
    assert_rc("large", append(sv, FOLDER_INBOX, slice_make(large, MSG_INLINE_BODY_BYTES * 2), &uid), MT_OK);
    message(sv, FOLDER_INBOX, 2, NULL);
    assert_rc("no folder", append(sv, 77, slice_of("a: b\r\n\r\nc"), &uid), MT_ENOTFOUND);
    sv->config.quota.mailbox_bytes = MSG_INLINE_BODY_BYTES * 2 + 10;
    assert_rc("quota", append(sv, FOLDER_INBOX, slice_of("a: b\r\n\r\nc"), &uid), MT_EQUOTA);
    free(large);
}

static void
copies_share_the_body(void **state)
{
    struct store_service *sv = *state;
    uint32_t              to = make(sv, "there"), uid;
    uint64_t              id, copy_id;
    struct message_record m;

    assert_rc("append", append(sv, FOLDER_INBOX, slice_of("a: b\r\n\r\nc"), &uid), MT_OK);
    assert_rc("copy", copy(sv, FOLDER_INBOX, to, false, 1, 3), MT_OK);
    assert_int_equal(copied(sv), 1);
    assert_rc("copy again", copy(sv, FOLDER_INBOX, to, false, 1, 1), MT_OK);
    m = message(sv, FOLDER_INBOX, 1, &id);
    assert_true(m.body_shared);
    m = message(sv, to, 2, &copy_id);
    assert_int_equal(m.body_id, id);
    assert_true(copy_id > id);
    assert_rc("remove", service_call(sv, MSG_MESSAGE_DELETE, "U", id), MT_OK);
    message(sv, to, 1, NULL);
    assert_rc("nowhere", copy(sv, to, 77, false, 1, 1), MT_ENOTFOUND);
    sv->config.quota.mailbox_bytes = 20;
    assert_rc("quota", copy(sv, to, to, false, 1, 2), MT_EQUOTA);
    assert_int_equal(folder(sv, to).messages, 2);
    assert_rc("a move needs no room", copy(sv, to, FOLDER_INBOX, true, 1, 2), MT_OK);
    assert_int_equal(folder(sv, FOLDER_INBOX).messages, 2);
}

static void
a_moved_message_is_still_the_tokens(void **state)
{
    struct store_service *sv = *state;
    uint32_t              to = make(sv, "there");
    struct token          t;
    struct token_record   record;
    struct db_view        v;
    uint64_t              id;

    service_connect(sv, ROLE_CTL);
    t = service_mint(sv, "acme");
    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("a: b\r\n\r\nc"), &id), MT_OK);
    service_connect(sv, ROLE_IMAPD);
    assert_rc("move", copy(sv, FOLDER_INBOX, to, true, 1, 1), MT_OK);
    assert_int_equal(folder(sv, FOLDER_INBOX).messages, 0);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("token", db_token(&v, &t, &record), MT_OK);
    assert_int_equal(record.arrival_count, 1);
    assert_true(record.arrivals[0].message_id > id);
    db_view_end(&v);
    service_connect(sv, ROLE_CTL);
    {
        char text[TOKEN_CHARS + 1];

        token_encode(&t, text);
        assert_rc("forget", service_call(sv, MSG_TOKEN_FORGET, "ss", "acme", text), MT_OK);
    }
    assert_int_equal(folder(sv, to).messages, 0);
}

static void
uids_that_do_not_rise_end_the_channel(void **state)
{
    struct store_service *sv = *state;

    assert_rc("twice the same", service_call(sv, MSG_COPY, "uuubuuu", MAILBOX, FOLDER_INBOX, FOLDER_INBOX, 0, 2, 1, 1), MT_EPROTO);
    service_connect(sv, ROLE_CTL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, service_teardown)
        TEST(a_folder_is_made_with_those_around_it),
        TEST(no_more_folders_than_there_may_be),
        TEST(what_is_below_is_renamed_along),
        TEST(a_name_gets_a_new_uidvalidity_each_time),
        TEST(a_folder_is_removed_in_steps),
        TEST(subscriptions_are_kept),
        TEST(mail_is_brought_in),
        TEST(copies_share_the_body),
        TEST(a_moved_message_is_still_the_tokens),
        TEST(uids_that_do_not_rise_end_the_channel),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
