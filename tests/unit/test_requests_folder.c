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

/* What becomes of the table of a MSG_APPEND on its way. */
enum bend { BEND_NOTHING, BEND_COUNT, BEND_SIZE, BEND_MORE_BEHIND, BEND_FLAGS, BEND_ENDLESS };

static void
write_brought(struct buf *table, struct buf *octets, struct slice body, enum bend bend)
{
    struct service_mail m;
    struct buf          fields;

    service_mail_init(&m, "acme", NULL, body);
    buf_init(&fields, MSG_MAX_BYTES);
    write_u32(&fields, bend == BEND_FLAGS ? UINT32_MAX : ENTRY_SEEN);
    write_string(&fields, "mine");
    write_u64(&fields, m.d.received_us);
    session_facts_write(&fields, &m.d.session);
    parsed_write(&fields, &m.d.parsed);
    buf_append_slice(octets, body);
    buf_append_slice(octets, buf_slice(&fields));
    write_u64(table, bend == BEND_ENDLESS ? UINT64_MAX : body.len + (bend == BEND_SIZE ? 1 : 0));
    write_u32(table, (uint32_t)fields.len);
    buf_fini(&fields);
}

/* count messages with the same octets; the UID of the first. */
static int
append_bent(struct store_service *sv, uint32_t folder_id, struct slice body, uint32_t count, enum bend bend, uint32_t *uid)
{
    struct buf    octets, table, fields;
    struct reader r;
    uint32_t      uidvalidity;
    int           rc, fd = -1;

    buf_init(&octets, (body.len + MSG_INLINE_BODY_BYTES) * (count + 1));
    buf_init(&table, MSG_MAX_BYTES);
    buf_init(&fields, MSG_MAX_BYTES);
    for (uint32_t i = 0; i < count; i++)
        write_brought(&table, &octets, body, i == count / 2 ? bend : BEND_NOTHING);
    if (bend == BEND_MORE_BEHIND)
        buf_append_byte(&octets, 'x');
    write_u32(&fields, MAILBOX);
    write_u32(&fields, folder_id);
    write_u32(&fields, count + (bend == BEND_COUNT ? 1 : 0));
    write_fixed(&fields, table.data, table.len);
    if (octets.len > MSG_INLINE_BODY_BYTES) {
        fd = service_memfd(buf_slice(&octets));
        buf_clear(&octets);
    }
    write_bytes(&fields, buf_slice(&octets));
    rc = service_ask(sv, MSG_APPEND, buf_slice(&fields), fd);
    buf_fini(&octets);
    buf_fini(&table);
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

/* One message; its UID. */
static int
append(struct store_service *sv, uint32_t folder_id, struct slice body, uint32_t *uid)
{
    return append_bent(sv, folder_id, body, 1, BEND_NOTHING, uid);
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

    assert_rc("off", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "INBOX", 0), MT_OK);
    assert_false(folder(sv, FOLDER_INBOX).subscribed);
    assert_rc("on", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "INBOX", 1), MT_OK);
    assert_true(folder(sv, FOLDER_INBOX).subscribed);
    assert_rc("none", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "none", 1), MT_ENOTFOUND);
    assert_rc("none ends", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "none", 0), MT_OK);
    assert_rc("no mailbox", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", 99, "INBOX", 0), MT_ENOTFOUND);
}

struct kept {
    char     names[200];    /* separated by spaces */
    unsigned count;
};

static bool
note_kept(void *arg, struct slice name)
{
    struct kept *k = arg;
    size_t       len = strlen(k->names);

    snprintf(k->names + len, sizeof(k->names) - len, "%s%.*s", len == 0 ? "" : " ", (int)name.len, name.data);
    k->count++;
    return true;
}

static struct kept
kept(struct store_service *sv)
{
    struct kept    k = { .count = 0 };
    struct db_view v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("subscriptions", db_subscriptions(&v, MAILBOX, note_kept, &k), MT_OK);
    db_view_end(&v);
    return k;
}

static void
a_subscription_outlives_its_folder(void **state)
{
    struct store_service *sv = *state;
    uint32_t              id = make(sv, "a/b");

    assert_rc("unsubscribe", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "a", 0), MT_OK);
    assert_rc("delete", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id), MT_OK);
    assert_rc("delete what is not subscribed to", service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, id - 1), MT_OK);
    assert_string_equal(kept(sv).names, "a/b");
    assert_rc("again", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "a/b", 1), MT_OK);
    make(sv, "a/b");
    assert_string_equal(kept(sv).names, "");
    assert_rc("rename", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id + 1, "c"), MT_OK);
    assert_string_equal(kept(sv).names, "a a/b");
    assert_rc("back", service_call(sv, MSG_FOLDER_RENAME, "uus", MAILBOX, id + 1, "a"), MT_OK);
    assert_string_equal(kept(sv).names, "c c/b");
    assert_rc("end", service_call(sv, MSG_FOLDER_SUBSCRIBE, "usb", MAILBOX, "c/b", 0), MT_OK);
    assert_string_equal(kept(sv).names, "c");
}

static void
there_is_an_end_of_subscriptions_without_folders(void **state)
{
    struct store_service *sv = *state;
    char                  name[16];

    for (unsigned i = 0; i <= DB_SUBSCRIPTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        assert_rc(name, service_call(sv, MSG_FOLDER_DELETE, "uu", MAILBOX, make(sv, name)), MT_OK);
    }
    assert_int_equal(kept(sv).count, DB_SUBSCRIPTIONS_MAX);
    service_connect(sv, ROLE_CTL);
    assert_rc("delete the mailbox", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    assert_int_equal(kept(sv).count, 0);
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
    assert_int_equal(m.kind, KIND_APPENDED);
    assert_int_equal(message_size(&m), 9);
    assert_rc("large", append(sv, FOLDER_INBOX, slice_make(large, MSG_INLINE_BODY_BYTES * 2), &uid), MT_OK);
    message(sv, FOLDER_INBOX, 2, NULL);
    assert_rc("no folder", append(sv, 77, slice_of("a: b\r\n\r\nc"), &uid), MT_ENOTFOUND);
    sv->config.quota.mailbox_bytes = MSG_INLINE_BODY_BYTES * 2 + 10;
    assert_rc("quota", append(sv, FOLDER_INBOX, slice_of("a: b\r\n\r\nc"), &uid), MT_EQUOTA);
    free(large);
}

static void
many_are_brought_in_together_or_not_at_all(void **state)
{
    struct store_service *sv = *state;
    struct slice          body = slice_of("a: b\r\n\r\nc");
    uint32_t              uid;

    assert_rc("three", append_bent(sv, FOLDER_INBOX, body, 3, BEND_NOTHING, &uid), MT_OK);
    assert_int_equal(uid, 1);
    assert_int_equal(folder(sv, FOLDER_INBOX).messages, 3);
    assert_rc("the most", append_bent(sv, FOLDER_INBOX, body, MSG_APPEND_MESSAGES_MAX, BEND_NOTHING, &uid), MT_OK);
    assert_int_equal(uid, 4);
    message(sv, FOLDER_INBOX, 3, NULL);
    message(sv, FOLDER_INBOX, 3 + MSG_APPEND_MESSAGES_MAX, NULL);
    sv->config.quota.mailbox_bytes = body.len * (MSG_APPEND_MESSAGES_MAX + 5);
    assert_rc("the quota ends among them", append_bent(sv, FOLDER_INBOX, body, 3, BEND_NOTHING, &uid), MT_EQUOTA);
    assert_rc("as many as fit", append_bent(sv, FOLDER_INBOX, body, 2, BEND_NOTHING, &uid), MT_OK);
    assert_int_equal(folder(sv, FOLDER_INBOX).messages, 5 + MSG_APPEND_MESSAGES_MAX);
}

static void
a_table_that_does_not_fit_ends_the_channel(void **state)
{
    static const struct {
        const char *label;
        uint32_t    count;
        enum bend   bend;
    } rows[] = {
        { "no message",           0,                           BEND_NOTHING     },
        { "too many messages",    MSG_APPEND_MESSAGES_MAX + 1, BEND_NOTHING     },
        { "a row is missing",     2,                           BEND_COUNT       },
        { "an octet is missing",  2,                           BEND_SIZE        },
        { "of one alone",         1,                           BEND_SIZE        },
        { "an octet is left",     2,                           BEND_MORE_BEHIND },
        { "flags there are not",  2,                           BEND_FLAGS       },
        { "2^64 octets",          2,                           BEND_ENDLESS     },
        { "as a memfd",           400,                         BEND_SIZE        },
        { "2^64 with a memfd",    400,                         BEND_ENDLESS     },
    };
    struct store_service *sv = *state;
    uint32_t              uid;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_rc(rows[i].label, append_bent(sv, FOLDER_INBOX, slice_of("a: b\r\n\r\nc"), rows[i].count, rows[i].bend, &uid), MT_EPROTO);
        service_connect(sv, ROLE_IMAPD);
    }
    assert_int_equal(folder(sv, FOLDER_INBOX).messages, 0);
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
    service_connect(sv, ROLE_CTL);
    assert_rc("remove", service_call(sv, MSG_MESSAGE_DELETE, "U", id), MT_OK);
    service_connect(sv, ROLE_IMAPD);
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
        TEST(a_subscription_outlives_its_folder),
        TEST(there_is_an_end_of_subscriptions_without_folders),
        TEST(mail_is_brought_in),
        TEST(many_are_brought_in_together_or_not_at_all),
        TEST(a_table_that_does_not_fit_ends_the_channel),
        TEST(copies_share_the_body),
        TEST(a_moved_message_is_still_the_tokens),
        TEST(uids_that_do_not_rise_end_the_channel),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
