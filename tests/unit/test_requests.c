#include "tests/unit/store_service.h"

#include "lib/secret.h"
#include "store/request.h"

#include <inttypes.h>

/* ---- Who may ask what ---- */

/* The one message among the requests that store sends. */
static bool
somebody_may_ask(enum msg_type type)
{
    for (enum role role = 0; role < ROLE_COUNT; role++)
        if (request_find(type, role) != NULL)
            return true;
    return type == MSG_POST;
}

static void
each_request_is_for_certain_roles(void **state)
{
    static const struct {
        enum msg_type type;
        unsigned      from;
    } cases[] = {
        { MSG_DELIVER, FROM(ROLE_SMTPD) },
        { MSG_DELIVERED, FROM(ROLE_SMTPD) },
        { MSG_MINT, FROM(ROLE_LOOKUP) | FROM(ROLE_CTL) },
        { MSG_TOKEN_FORGET, FROM(ROLE_LOOKUP) | FROM(ROLE_CTL) },
        { MSG_MESSAGE_DELETE, FROM(ROLE_LOOKUP) | FROM(ROLE_CTL) },
        { MSG_MAILBOX_KEY, FROM(ROLE_CTL) },
        { MSG_KEY_ROTATE, FROM(ROLE_CTL) },
        { MSG_BACKUP, FROM(ROLE_CTL) },
        { MSG_RESULTS, FROM(ROLE_LOOKUP) },
        { MSG_CHECK_DELETE, FROM(ROLE_CTL) },
        { MSG_SERVING, FROM(ROLE_SMTPD) },
        { MSG_WEBHOOK_ADD, FROM(ROLE_CTL) },
        { MSG_POST_READY, FROM(ROLE_WEBHOOK) },
        { MSG_POST_DONE, FROM(ROLE_WEBHOOK) },
        { MSG_ANSWER, 0 },
        { MSG_CHANGED, 0 },
        { MSG_PEER, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (enum role role = 0; role < ROLE_COUNT; role++)
            if ((request_find(cases[i].type, role) != NULL) != ((cases[i].from & FROM(role)) != 0))
                fail_msg("%s from %s", msg_name(cases[i].type), role_name(role));
    for (enum msg_type type = MSG_DELIVER; type < MSG_TYPE_LIMIT; type++)
        if (!somebody_may_ask(type))
            fail_msg("nobody may ask for %s", msg_name(type));
}

static void
what_a_role_may_not_ask_ends_its_channel(void **state)
{
    struct store_service *sv = *state;

    service_connect(sv, ROLE_SMTPD);
    assert_rc("rotate keys", service_call(sv, MSG_KEY_ROTATE, ""), MT_EPROTO);
    assert_true(sv->closed);
    service_connect(sv, ROLE_IMAPD);
    assert_rc("mint", service_call(sv, MSG_MINT, "sU", "acme", UINT64_C(0)), MT_EPROTO);
    service_connect(sv, ROLE_CTL);
    assert_rc("the others go on", service_call(sv, MSG_KEY_LIST, ""), MT_OK);
}

static void
fields_that_do_not_fit_end_the_channel(void **state)
{
    struct store_service *sv = *state;

    for (enum msg_type type = MSG_MINT; type < MSG_TYPE_LIMIT; type++) {
        service_connect(sv, ROLE_CTL);
        assert_rc(msg_name(type), service_call(sv, type, "sssUUUU", "too", "much", "of", UINT64_C(1), UINT64_C(2), UINT64_C(3), UINT64_C(4)), MT_EPROTO);
    }
}

/* ---- Mailboxes ---- */

static struct mailbox_record
shown(struct store_service *sv, const char *name, struct folder_record *inbox)
{
    struct mailbox_record m;
    struct folder_record  f;
    struct slice          bytes;
    struct reader         r;

    assert_rc("show", service_call(sv, MSG_MAILBOX_SHOW, "s", name), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    assert_int_equal(mailbox_record_read(bytes, &m), MT_OK);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    assert_int_equal(folder_record_read(bytes, inbox != NULL ? inbox : &f), MT_OK);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    assert_int_equal(folder_record_read(bytes, &f), MT_OK);
    assert_int_equal(f.id, FOLDER_UNMATCHED);
    assert_true(read_end(&r));
    return m;
}

static void
a_mailbox_is_added_with_its_secret(void **state)
{
    struct store_service *sv = *state;
    struct mailbox_record m;
    struct folder_record  inbox;
    char                  address[MAILBOX_ADDRESS_MAX + 1], user[MAILBOX_NAME_MAX + 1], secret[SECRET_CHARS + 1];
    struct reader         r;

    assert_rc("add", service_call(sv, MSG_MAILBOX_ADD, "ss", "Acme", "MailTest1.Test"), MT_OK);
    r = service_answer(sv);
    read_string(&r, address, sizeof(address));
    read_string(&r, user, sizeof(user));
    read_string(&r, secret, sizeof(secret));
    assert_true(read_end(&r));
    assert_string_equal(address, "acme@mailtest1.test");
    assert_string_equal(user, "acme");
    assert_int_equal(strlen(secret), SECRET_CHARS);
    m = shown(sv, "acme", &inbox);
    assert_true(m.enabled);
    assert_true(secret_matches(slice_of(secret), &m.credentials));
    assert_false(secret_matches(slice_of("wrong"), &m.credentials));
    assert_int_equal(inbox.uidnext, 1);
    assert_int_not_equal(inbox.uidvalidity, 0);
    assert_rc("new secret", service_call(sv, MSG_MAILBOX_SECRET, "s", "acme"), MT_OK);
    m = shown(sv, "acme", NULL);
    assert_false(secret_matches(slice_of(secret), &m.credentials));
}

static void
a_mailbox_that_cannot_be_added_is_refused(void **state)
{
    static const struct {
        const char *label, *name, *domain;
        int         rc;
    } cases[] = {
        { "taken", "postmaster", "", MT_EEXIST },         { "no name", "", "", MT_ESYNTAX },
        { "no such characters", "a b", "", MT_ESYNTAX },  { "another's domain", "acme", "example.org", MT_EINVALID },
    };
    struct store_service *sv = *state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_rc(cases[i].label, service_call(sv, MSG_MAILBOX_ADD, "ss", cases[i].name, cases[i].domain), cases[i].rc);
    assert_rc("needed", service_call(sv, MSG_MAILBOX_DELETE, "s", "postmaster"), MT_EDENIED);
    assert_rc("unknown", service_call(sv, MSG_MAILBOX_DELETE, "s", "nobody"), MT_ENOTFOUND);
    assert_rc("unknown", service_call(sv, MSG_MAILBOX_SHOW, "s", "nobody"), MT_ENOTFOUND);
    assert_rc("unknown", service_call(sv, MSG_MAILBOX_ENABLE, "sb", "nobody", 1), MT_ENOTFOUND);
    assert_rc("unknown", service_call(sv, MSG_MAILBOX_SECRET, "s", "nobody"), MT_ENOTFOUND);
    assert_rc("unknown", service_call(sv, MSG_MAILBOX_KEY, "s", "nobody"), MT_ENOTFOUND);
}

static void
postmaster_and_abuse_are_always_there(void **state)
{
    struct store_service *sv = *state;

    assert_rc("list", service_call(sv, MSG_MAILBOX_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 2);
    shown(sv, "postmaster", NULL);
    shown(sv, "abuse", NULL);
}

static void
a_deleted_mailbox_leaves_its_name_free(void **state)
{
    struct store_service *sv = *state;
    struct token          t;
    struct reader         r;
    uint32_t              deleted, old_id;
    uint64_t              id;

    service_add_mailbox(sv, "acme");
    old_id = shown(sv, "acme", NULL).id;
    t = service_mint(sv, "acme");
    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    assert_rc("api key", service_call(sv, MSG_API_KEY_ADD, "ss", "checker", "acme"), MT_OK);
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &deleted);
    assert_int_equal(deleted, 1);
    assert_rc("gone", service_call(sv, MSG_MAILBOX_SHOW, "s", "acme"), MT_ENOTFOUND);
    assert_rc("no key for it is left", service_call(sv, MSG_API_KEY_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 0);
    service_add_mailbox(sv, "acme");
    assert_true(shown(sv, "acme", NULL).id > old_id);
    assert_int_equal(shown(sv, "acme", NULL).messages, 0);
    assert_rc("the old token is not the new one's", service_call(sv, MSG_TOKEN_FORGET, "ss", "acme", "mt1"), MT_ESYNTAX);
    /* The messages go bit by bit. */
    expire_look(sv->store.expire);
    service_settle(sv);
    assert_rc("message", service_call(sv, MSG_MESSAGE_SHOW, "U", id), MT_ENOTFOUND);
    /* The same address, the same key: the token arrives, and what the old mailbox knew of it does not count. */
    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    {
        struct token_record record;
        struct db_view      v;

        assert_int_equal(store_view(&sv->store, &v), MT_OK);
        assert_int_equal(db_token(&v, &t, &record), MT_OK);
        assert_int_equal(record.arrival_count, 1);
        db_view_end(&v);
    }
}

static void
smtpd_hears_of_mailboxes(void **state)
{
    struct store_service *sv = *state;
    struct channel       *ctl;
    int                   fds[2];
    struct buf            fields;

    service_connect(sv, ROLE_SMTPD);
    assert_true(sv->all_sent);
    assert_int_equal(sv->mailbox_count, 2);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, ROLE_CTL, 0, fds[0]), MT_OK);
    ctl = channel_new(sv->base, fds[1], 1 << 20, service_hear, service_closed, sv);
    buf_init(&fields, 1000);
    write_string(&fields, "acme");
    write_string(&fields, "");
    channel_send(ctl, MSG_MAILBOX_ADD, 1, buf_slice(&fields), -1);
    service_settle(sv);
    assert_int_equal(sv->mailbox_count, 3);
    assert_string_equal(sv->mailbox.name, "acme");
    assert_true(sv->mailbox.enabled);
    buf_clear(&fields);
    write_string(&fields, "acme");
    write_u8(&fields, 0);
    channel_send(ctl, MSG_MAILBOX_ENABLE, 2, buf_slice(&fields), -1);
    service_settle(sv);
    assert_int_equal(sv->mailbox_count, 4);
    assert_false(sv->mailbox.enabled);
    buf_clear(&fields);
    write_string(&fields, "acme");
    channel_send(ctl, MSG_MAILBOX_DELETE, 3, buf_slice(&fields), -1);
    service_settle(sv);
    assert_int_equal(sv->gone_count, 1);
    buf_fini(&fields);
    channel_free(ctl);
}

/* ---- Tokens ---- */

static void
a_minted_token_is_kept(void **state)
{
    struct store_service *sv = *state;
    uint64_t              soon = store_now_us(&sv->store) / 1000000 + 600;
    char                  text[TOKEN_CHARS + 1], address[MAILBOX_ADDRESS_MAX + 1];
    struct token_record   record;
    struct slice          bytes;
    struct reader         r;
    uint32_t              count;

    service_add_mailbox(sv, "acme");
    assert_rc("mint", service_call(sv, MSG_MINT, "sU", "acme", soon), MT_OK);
    r = service_answer(sv);
    read_string(&r, text, sizeof(text));
    read_string(&r, address, sizeof(address));
    assert_string_equal(address, "acme@mailtest1.test");
    assert_rc("show", service_call(sv, MSG_TOKEN_SHOW, "ss", "acme", text), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    read_u32(&r, &count);
    assert_true(read_end(&r));
    assert_int_equal(token_record_read(bytes, &record), MT_OK);
    assert_int_equal(record.deadline_unix, soon);
    assert_int_not_equal(record.minted_us, 0);
    assert_int_equal(count, 0);
    assert_rc("of another mailbox", service_call(sv, MSG_TOKEN_SHOW, "ss", "postmaster", text), MT_ENOTFOUND);
    assert_rc("a deadline that is over", service_call(sv, MSG_MINT, "sU", "acme", soon - 1000), MT_EINVALID);
    assert_rc("a deadline in a thousand years", service_call(sv, MSG_MINT, "sU", "acme", soon + UINT64_C(31536000000)), MT_EINVALID);
    assert_rc("no mailbox", service_call(sv, MSG_MINT, "sU", "nobody", UINT64_C(0)), MT_ENOTFOUND);
    assert_rc("disable", service_call(sv, MSG_MAILBOX_ENABLE, "sb", "acme", 0), MT_OK);
    assert_rc("disabled", service_call(sv, MSG_MINT, "sU", "acme", UINT64_C(0)), MT_EDISABLED);
}

static void
a_genuine_token_that_nothing_is_known_of_is_shown_empty(void **state)
{
    struct store_service *sv = *state;
    struct token          t;
    char                  text[TOKEN_CHARS + 1];
    struct slice          bytes;
    struct reader         r;

    keys_select(sv->store.keys, slice_of("postmaster@" DOMAIN));
    keys_mint(sv->store.keys, 1795233000, &t);
    token_encode(&t, text);
    assert_rc("show", service_call(sv, MSG_TOKEN_SHOW, "ss", "postmaster", text), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    assert_int_equal(bytes.len, 0);
    t.raw[20] ^= 1;
    token_encode(&t, text);
    assert_rc("forged", service_call(sv, MSG_TOKEN_SHOW, "ss", "postmaster", text), MT_ENOTFOUND);
}

static void
a_shown_token_brings_its_messages_in_order(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "postmaster");
    char                  text[TOKEN_CHARS + 1];
    struct message_record m;
    struct slice          bytes;
    struct reader         r;
    uint64_t              ids[3];
    uint32_t              count;

    for (unsigned i = 0; i < 3; i++)
        assert_rc("deliver", service_deliver(sv, "postmaster", &t, slice_make("bodybody", i + 1), &ids[i]), MT_OK);
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", ids[1]), MT_OK);
    token_encode(&t, text);
    assert_rc("show", service_call(sv, MSG_TOKEN_SHOW, "ss", "postmaster", text), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    read_u32(&r, &count);
    assert_int_equal(count, 3);
    for (unsigned i = 0; i < 3; i++) {
        read_bytes(&r, &bytes, MSG_MAX_BYTES);
        if (i == 1) {
            assert_int_equal(bytes.len, 0);
        } else {
            assert_int_equal(message_record_read(bytes, &m), MT_OK);
            assert_int_equal(m.body_bytes, i + 1);
        }
    }
    assert_true(read_end(&r));
}

static void
a_forgotten_token_takes_its_messages_along(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "postmaster");
    char                  text[TOKEN_CHARS + 1];
    struct reader         r;
    uint64_t              id;
    uint32_t              deleted;

    token_encode(&t, text);
    assert_rc("deliver", service_deliver(sv, "postmaster", &t, slice_of("body"), &id), MT_OK);
    assert_rc("of another mailbox", service_call(sv, MSG_TOKEN_FORGET, "ss", "abuse", text), MT_ENOTFOUND);
    assert_rc("forget", service_call(sv, MSG_TOKEN_FORGET, "ss", "postmaster", text), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &deleted);
    assert_int_equal(deleted, 1);
    assert_rc("message", service_call(sv, MSG_MESSAGE_SHOW, "U", id), MT_ENOTFOUND);
    assert_rc("again", service_call(sv, MSG_TOKEN_FORGET, "ss", "postmaster", text), MT_ENOTFOUND);
}

/* ---- Messages ---- */

static void
a_list_has_as_many_as_are_wanted(void **state)
{
    struct store_service *sv = *state;
    struct reader         r, row;
    struct slice          bytes;
    uint64_t              ids[5], id;

    for (unsigned i = 0; i < 5; i++)
        assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_of("body"), &ids[i]), MT_OK);
    assert_rc("list", service_call(sv, MSG_MESSAGE_LIST, "sUu", "abuse", UINT64_C(0), 2), MT_OK);
    assert_int_equal(sv->row_count, 2);
    reader_init(&r, buf_slice(&sv->rows));
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    reader_init(&row, bytes);
    read_u64(&row, &id);
    assert_int_equal(id, ids[4]);
    assert_rc("list", service_call(sv, MSG_MESSAGE_LIST, "sUu", "abuse", ids[3], 100), MT_OK);
    assert_int_equal(sv->row_count, 3);
    assert_rc("none wanted", service_call(sv, MSG_MESSAGE_LIST, "sUu", "abuse", UINT64_C(0), 0), MT_OK);
    assert_int_equal(sv->row_count, 0);
    assert_rc("no mailbox", service_call(sv, MSG_MESSAGE_LIST, "sUu", "nobody", UINT64_C(0), 9), MT_ENOTFOUND);
}

/* More than the channel takes at once: it goes on when there is room. */
static void
a_large_message_comes_whole(void **state)
{
    enum { LARGE = 9 * 1024 * 1024 };
    struct store_service *sv = *state;
    char                 *body = malloc(LARGE);
    struct reader         r, row;
    struct slice          piece;
    uint64_t              id, seen = 0;

    assert_non_null(body);
    for (size_t i = 0; i < LARGE; i++)
        body[i] = (char)(i * 7 + i / 4096);
    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_make(body, LARGE), &id), MT_OK);
    assert_rc("raw", service_call(sv, MSG_MESSAGE_RAW, "U", id), MT_OK);
    reader_init(&r, buf_slice(&sv->rows));
    while (r.rest.len > 0) {
        read_bytes(&r, &piece, MSG_MAX_BYTES);
        reader_init(&row, piece);
        read_bytes(&row, &piece, MSG_MAX_BYTES);
        assert_true(read_end(&row));
        if (seen == 0)
            piece = slice_sub(piece, slice_find_nocase(piece, slice_of("+0000\r\n")) + 7, piece.len);
        assert_memory_equal(piece.data, body + seen, piece.len);
        seen += piece.len;
    }
    assert_int_equal(seen, LARGE);
    assert_rc("none", service_call(sv, MSG_MESSAGE_RAW, "U", UINT64_C(999)), MT_ENOTFOUND);
    free(body);
}

static void
one_list_at_a_time(void **state)
{
    enum { LARGE = 9 * 1024 * 1024 };
    struct store_service *sv = *state;
    char                 *body = calloc(1, LARGE);
    unsigned char         field[8];
    uint64_t              id, first;

    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_make(body, LARGE), &id), MT_OK);
    put_u64(field, id);
    buf_clear(&sv->rows);
    first = service_send(sv, MSG_MESSAGE_RAW, slice_make(field, 8), -1);
    assert_rc("another", service_ask(sv, MSG_MESSAGE_RAW, slice_make(field, 8), -1), MT_EBUSY);
    assert_int_not_equal(first, 0);
    free(body);
}

static void
a_damaged_message_is_told_and_not_shown(void **state)
{
    struct store_service *sv = *state;
    unsigned char         key[DB_KEY_MAX];
    struct tx            *tx;
    uint64_t              ids[3];
    bool                  failed;

    for (unsigned i = 0; i < 3; i++)
        assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_of("body"), &ids[i]), MT_OK);
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_MESSAGE, db_key_u64(key, ids[0]), slice_of("no record"), 0);
    tx_put(tx, TABLE_BODY, db_key_body(key, ids[1], 0), slice_of("bodx"), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    assert_rc("record", service_call(sv, MSG_MESSAGE_SHOW, "U", ids[0]), MT_EDAMAGED);
    assert_rc("body", service_call(sv, MSG_MESSAGE_RAW, "U", ids[1]), MT_EDAMAGED);
    assert_int_equal(sv->row_count, 0);
    assert_rc("list", service_call(sv, MSG_MESSAGE_LIST, "sUu", "abuse", UINT64_C(0), 9), MT_EDAMAGED);
    assert_int_equal(sv->row_count, 2);
}

/* ---- Keys ---- */

static void
api_keys_are_added_and_revoked(void **state)
{
    struct store_service *sv = *state;
    struct api_key_record k;
    struct reader         r;
    struct db_view        v;
    uint32_t              id;
    char                  text[API_KEY_CHARS_MAX + 1], prefix[16];
    uint8_t               hash[32];

    assert_rc("all", service_call(sv, MSG_API_KEY_ADD, "ss", "operator", ""), MT_OK);
    assert_rc("one", service_call(sv, MSG_API_KEY_ADD, "ss", "checker", "abuse"), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &id);
    read_string(&r, text, sizeof(text));
    assert_true(read_end(&r));
    snprintf(prefix, sizeof(prefix), "mtk_%u_", id);
    assert_true(slice_starts(slice_of(text), prefix));
    assert_int_equal(strlen(text), strlen(prefix) + 43);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(db_api_key(&v, id, &k), MT_OK);
    api_key_hash(slice_of(text), hash);
    assert_memory_equal(k.hash, hash, sizeof(hash));
    assert_slice("name", k.name, "checker");
    assert_int_equal(k.mailbox_id, catalog_find(sv->store.catalog, slice_of("abuse"))->id);
    db_view_end(&v);
    assert_rc("list", service_call(sv, MSG_API_KEY_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 2);
    assert_rc("revoke", service_call(sv, MSG_API_KEY_REVOKE, "u", id), MT_OK);
    assert_rc("again", service_call(sv, MSG_API_KEY_REVOKE, "u", id), MT_ENOTFOUND);
    assert_rc("no mailbox", service_call(sv, MSG_API_KEY_ADD, "ss", "checker", "nobody"), MT_ENOTFOUND);
    assert_rc("list", service_call(sv, MSG_API_KEY_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 1);
}

static void
master_keys_are_rotated_and_retired(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "abuse");

    assert_rc("rotate", service_call(sv, MSG_KEY_ROTATE, ""), MT_OK);
    assert_rc("list", service_call(sv, MSG_KEY_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 2);
    assert_rc("old token", service_deliver(sv, "abuse", &t, slice_of("body"), NULL), MT_OK);
    assert_int_equal(sv->store.stored.arrived, 1);
    assert_rc("active", service_call(sv, MSG_KEY_RETIRE, "u", 2), MT_EDENIED);
    assert_rc("retire", service_call(sv, MSG_KEY_RETIRE, "u", 1), MT_OK);
    assert_rc("old token", service_deliver(sv, "abuse", &t, slice_of("body"), NULL), MT_OK);
    assert_int_equal(sv->store.stored.arrived, 1);
}

static void
a_mailbox_key_mints_for_its_mailbox(void **state)
{
    struct store_service *sv = *state;
    struct reader         r;
    struct token          t;
    char                  hex[2 * TOKEN_KEY_BYTES + 1];
    uint8_t               key[TOKEN_KEY_BYTES];

    assert_rc("key", service_call(sv, MSG_MAILBOX_KEY, "s", "abuse"), MT_OK);
    r = service_answer(sv);
    read_string(&r, hex, sizeof(hex));
    assert_int_equal(sodium_hex2bin(key, sizeof(key), hex, strlen(hex), NULL, NULL, NULL), 0);
    token_mint(key, slice_of("abuse@" DOMAIN), 1795233000, &t);
    assert_rc("deliver", service_deliver(sv, "abuse", &t, slice_of("body"), NULL), MT_OK);
    assert_int_equal(sv->store.stored.arrived, 1);
}

/* ---- The store itself ---- */

static uint64_t
status_value(const struct store_service *sv, const char *name)
{
    struct reader r, row;
    struct slice  bytes;
    char          found[64];
    uint64_t      value;

    reader_init(&r, buf_slice(&sv->rows));
    while (r.rest.len > 0) {
        read_bytes(&r, &bytes, MSG_MAX_BYTES);
        reader_init(&row, bytes);
        read_string(&row, found, sizeof(found));
        read_u64(&row, &value);
        assert_true(read_end(&row));
        if (strcmp(found, name) == 0)
            return value;
    }
    fail_msg("no row %s", name);
    return 0;
}

static void
the_status_counts(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "abuse");

    assert_rc("deliver", service_deliver(sv, "abuse", &t, slice_of("body"), NULL), MT_OK);
    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_of("body"), NULL), MT_OK);
    assert_rc("status", service_call(sv, MSG_STATUS, ""), MT_OK);
    assert_int_equal(status_value(sv, "messages"), 2);
    assert_int_equal(status_value(sv, "mailboxes"), 2);
    assert_int_equal(status_value(sv, "messages_arrived"), 1);
    assert_int_equal(status_value(sv, "database_usable"), 1);
    assert_int_equal(status_value(sv, "control_connected"), 1);
    assert_int_equal(status_value(sv, "failed_commits"), 0);
    assert_true(status_value(sv, "used_bytes") > 40000);
}

static void
a_subscriber_hears_of_changes(void **state)
{
    struct store_service *sv = *state;

    service_add_mailbox(sv, "silent");
    service_settle(sv);
    assert_int_equal(sv->change_count, 0);
    assert_rc("subscribe", service_call(sv, MSG_SUBSCRIBE, ""), MT_OK);
    service_add_mailbox(sv, "loud");
    service_settle(sv);
    assert_int_equal(sv->change_count, 1);
    assert_int_equal(sv->changes[0].kind, CHANGE_MAILBOX);
    assert_string_equal(sv->changes[0].mailbox, "loud");
}

int
main(void)
{
#define REQUEST_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_for_certain_roles),
        REQUEST_TEST(what_a_role_may_not_ask_ends_its_channel),
        REQUEST_TEST(fields_that_do_not_fit_end_the_channel),
        REQUEST_TEST(a_mailbox_is_added_with_its_secret),
        REQUEST_TEST(a_mailbox_that_cannot_be_added_is_refused),
        REQUEST_TEST(postmaster_and_abuse_are_always_there),
        REQUEST_TEST(a_deleted_mailbox_leaves_its_name_free),
        REQUEST_TEST(smtpd_hears_of_mailboxes),
        REQUEST_TEST(a_minted_token_is_kept),
        REQUEST_TEST(a_genuine_token_that_nothing_is_known_of_is_shown_empty),
        REQUEST_TEST(a_shown_token_brings_its_messages_in_order),
        REQUEST_TEST(a_forgotten_token_takes_its_messages_along),
        REQUEST_TEST(a_list_has_as_many_as_are_wanted),
        REQUEST_TEST(a_large_message_comes_whole),
        REQUEST_TEST(one_list_at_a_time),
        REQUEST_TEST(a_damaged_message_is_told_and_not_shown),
        REQUEST_TEST(api_keys_are_added_and_revoked),
        REQUEST_TEST(master_keys_are_rotated_and_retired),
        REQUEST_TEST(a_mailbox_key_mints_for_its_mailbox),
        REQUEST_TEST(the_status_counts),
        REQUEST_TEST(a_subscriber_hears_of_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
