#include "tests/unit/store_service.h"

#include "store/incoming.h"

/* ---- What is in the store ---- */

static struct message_record record_;

/* The record of a message; valid until the next call. */
static const struct message_record *
message(struct store_service *sv, uint64_t id)
{
    static char    bytes[65536];
    unsigned char  key[DB_KEY_MAX];
    struct db_view v;
    struct slice   value;
    int            rc;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    rc = db_get(&v, TABLE_MESSAGE, db_key_u64(key, id), &value);
    if (rc == MT_OK) {
        assert_true(value.len <= sizeof(bytes));
        memcpy(bytes, value.data, value.len);
        assert_int_equal(message_record_read(slice_make(bytes, value.len), &record_), MT_OK);
        assert_rc("body", db_message_check(&v, &record_), MT_OK);
    }
    db_view_end(&v);
    return rc == MT_OK ? &record_ : NULL;
}

static bool
token(struct store_service *sv, const struct token *t, struct token_record *out)
{
    struct db_view v;
    int            rc;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    rc = db_token(&v, t, out);
    db_view_end(&v);
    return rc == MT_OK;
}

static struct folder_record
folder(struct store_service *sv, const char *mailbox, enum folder_id id)
{
    struct folder_record f;
    struct db_view       v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(db_folder(&v, catalog_find(sv->store.catalog, slice_of(mailbox))->id, id, &f), MT_OK);
    db_view_end(&v);
    return f;
}

static int
setup(void **state)
{
    struct store_service *sv;

    service_setup(state);
    sv = *state;
    service_add_mailbox(sv, "acme");
    service_add_mailbox(sv, "other");
    return 0;
}

/* ---- What a message counts as ---- */

static const struct {
    const char       *label;
    bool              with_token;
    uint32_t          traits;
    enum message_kind kind;
    enum folder_id    folder;
} kinds[] = {
    { "a token", true, 0, KIND_ARRIVED, FOLDER_INBOX },
    { "no token", false, 0, KIND_UNMATCHED, FOLDER_UNMATCHED },
    { "a report with a token", true, TRAIT_DELIVERY_REPORT, KIND_BOUNCED, FOLDER_INBOX },
    { "a report without one", false, TRAIT_DELIVERY_REPORT, KIND_UNMATCHED, FOLDER_UNMATCHED },
    { "an automatic reply with a token", true, TRAIT_AUTO_REPLIED, KIND_AUTOREPLY, FOLDER_INBOX },
    { "a read receipt with a token", true, TRAIT_READ_RECEIPT, KIND_RECEIPT, FOLDER_INBOX },
    { "a read receipt that also says that it is automatic", true, TRAIT_READ_RECEIPT | TRAIT_AUTO_REPLIED, KIND_RECEIPT, FOLDER_INBOX },
    { "a person's reply with a token", true, TRAIT_REPLY, KIND_REPLY, FOLDER_INBOX },
    { "an automatic reply that quotes", true, TRAIT_REPLY | TRAIT_AUTO_REPLIED, KIND_AUTOREPLY, FOLDER_INBOX },
    { "a reply without a token", false, TRAIT_REPLY, KIND_UNMATCHED, FOLDER_UNMATCHED },
    { "a request to confirm without a token", false, TRAIT_CONFIRMATION, KIND_CONFIRMATION, FOLDER_UNMATCHED },
    { "a request to confirm to an address with a token", true, TRAIT_CONFIRMATION, KIND_CONFIRMATION, FOLDER_INBOX },
    { "a report of a delay with a token", true, TRAIT_DELAY_REPORT, KIND_NOTICE, FOLDER_INBOX },
    { "a report of success with a token", true, TRAIT_SUCCESS_REPORT, KIND_NOTICE, FOLDER_INBOX },
    { "a report that also says that it is automatic", true, TRAIT_DELIVERY_REPORT | TRAIT_AUTO_REPLIED, KIND_BOUNCED, FOLDER_INBOX },
};

static void
a_genuine_token_decides_what_it_is(void **state)
{
    struct store_service *sv = *state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct token                 t = service_mint(sv, "acme");
        const struct message_record *m;
        struct token_record          r;
        struct service_mail          mail;
        uint64_t                     id = 0;

        service_mail_init(&mail, "acme", kinds[i].with_token ? &t : NULL, slice_of("body\r\n"));
        mail.d.parsed.traits = kinds[i].traits;
        service_connect(sv, ROLE_SMTPD);
        assert_rc(kinds[i].label, service_hand_over(sv, &mail, &id), MT_OK);
        service_connect(sv, ROLE_CTL);
        m = message(sv, id);
        if (m == NULL || m->kind != kinds[i].kind || m->folder_id != kinds[i].folder)
            fail_msg("%s: kind %d in folder %u", kinds[i].label, m == NULL ? -1 : (int)m->kind, m == NULL ? 0 : m->folder_id);
        assert_int_equal(m->parsed.candidate_count, kinds[i].with_token);
        assert_true(token(sv, &t, &r));
        assert_int_equal(r.arrival_count, kinds[i].with_token);
        if (kinds[i].with_token)
            assert_int_equal(r.arrivals[0].kind, kinds[i].kind);
    }
}

static void
a_token_of_another_mailbox_proves_nothing(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "other");
    struct token_record   r;
    uint64_t              id;

    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    assert_int_equal(message(sv, id)->kind, KIND_UNMATCHED);
    assert_true(token(sv, &t, &r));
    assert_int_equal(r.arrival_count, 0);
}

static void
a_token_that_was_minted_elsewhere_counts(void **state)
{
    struct store_service *sv = *state;
    struct token          t;
    struct token_record   r;

    keys_select(sv->store.keys, slice_of("acme@" DOMAIN));
    keys_mint(sv->store.keys, (uint32_t)(store_now_us(&sv->store) / 1000000), &t);
    assert_false(token(sv, &t, &r));
    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), NULL), MT_OK);
    assert_true(token(sv, &t, &r));
    assert_int_equal(r.minted_us, 0);
    assert_int_equal(r.arrival_count, 1);
}

static void
a_token_from_the_future_is_none(void **state)
{
    struct store_service *sv = *state;
    uint32_t              now_unix = (uint32_t)(store_now_us(&sv->store) / 1000000);
    struct token          t;
    uint64_t              id;

    keys_select(sv->store.keys, slice_of("acme@" DOMAIN));
    keys_mint(sv->store.keys, now_unix + INCOMING_FUTURE_MAX_S + 60, &t);
    assert_rc("too far", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    assert_int_equal(message(sv, id)->kind, KIND_UNMATCHED);
    keys_select(sv->store.keys, slice_of("acme@" DOMAIN));
    keys_mint(sv->store.keys, now_unix + INCOMING_FUTURE_MAX_S - 60, &t);
    assert_rc("a clock that is ahead", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    assert_int_equal(message(sv, id)->kind, KIND_ARRIVED);
}

static void
duplicates_are_counted_and_the_first_are_kept(void **state)
{
    enum { TIMES = TOKEN_ARRIVALS_MAX + 4 };
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "acme");
    struct token_record   r;
    uint64_t              ids[TIMES];

    for (unsigned i = 0; i < TIMES; i++)
        assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &ids[i]), MT_OK);
    assert_true(token(sv, &t, &r));
    assert_int_equal(r.arrival_count, TIMES);
    assert_int_equal(r.kept, TOKEN_ARRIVALS_MAX);
    for (unsigned i = 0; i < TOKEN_ARRIVALS_MAX; i++)
        assert_int_equal(r.arrivals[i].message_id, ids[i]);
    assert_string_equal(r.arrivals[0].client, "192.0.2.1");
    assert_int_equal(r.arrivals[0].found_in, PLACE_SUBJECT);
}

static void
the_genuine_one_is_found_among_look_alikes(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "acme");
    struct candidate     *all = calloc(PARSED_CANDIDATES_MAX, sizeof(*all));
    struct service_mail   mail;
    uint64_t              id;

    assert_non_null(all);
    for (unsigned i = 0; i < PARSED_CANDIDATES_MAX; i++) {
        all[i].token = t;
        all[i].token.raw[TOKEN_RAW_BYTES - 1] ^= (uint8_t)(1 + i % 255);
        all[i].found_in = PLACE_TEXT;
    }
    all[PARSED_CANDIDATES_MAX - 1].token = t;
    service_mail_init(&mail, "acme", NULL, slice_of("body"));
    mail.d.parsed.candidates = all;
    mail.d.parsed.candidate_count = PARSED_CANDIDATES_MAX;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &mail, &id), MT_OK);
    assert_int_equal(message(sv, id)->kind, KIND_ARRIVED);
    assert_int_equal(message(sv, id)->parsed.candidate_count, 1);
    free(all);
}

static void
so_many_genuine_tokens_of_a_message_are_kept(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    struct token_record   r;
    uint64_t              id;

    service_mail_init(&mail, "acme", NULL, slice_of("body"));
    mail.d.parsed.candidate_count = MESSAGE_TOKENS_MAX + 2;
    for (unsigned i = 0; i < MESSAGE_TOKENS_MAX + 2; i++)
        mail.candidates[i] = (struct candidate){ service_mint(sv, "acme"), PLACE_TEXT };
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &mail, &id), MT_OK);
    assert_int_equal(message(sv, id)->parsed.candidate_count, MESSAGE_TOKENS_MAX);
    assert_true(token(sv, &mail.candidates[MESSAGE_TOKENS_MAX - 1].token, &r));
    assert_int_equal(r.arrival_count, 1);
    assert_true(token(sv, &mail.candidates[MESSAGE_TOKENS_MAX].token, &r));
    assert_int_equal(r.arrival_count, 0);
}

/* ---- What is stored of it ---- */

static void
the_head_names_sender_and_recipient(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    uint64_t              id;

    service_mail_init(&mail, "acme", NULL, slice_of("body"));
    mail.d.trace = slice_of("Received: by here\r\n");
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &mail, &id), MT_OK);
    assert_slice("head", message(sv, id)->head,
                 "Return-Path: <sender@customer.example>\r\nDelivered-To: acme+x@mailtest1.test\r\nReceived: by here\r\n");
    service_mail_init(&mail, "postmaster", NULL, slice_of("body"));
    mail.d.trace = slice_of("Received: by here\r\n");
    mail.d.reverse_path = slice_of("");
    mail.recipients[0].address = slice_of("postmaster");
    assert_rc("deliver", service_hand_over(sv, &mail, &id), MT_OK);
    assert_slice("head", message(sv, id)->head, "Return-Path: <>\r\nDelivered-To: postmaster@mailtest1.test\r\nReceived: by here\r\n");
}

static void
counters_follow_what_is_stored(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "acme");
    uint64_t              first, second, size;

    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &first), MT_OK);
    assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_of("another body"), &second), MT_OK);
    size = message_size(message(sv, first));
    assert_int_equal(folder(sv, "acme", FOLDER_INBOX).messages, 1);
    assert_int_equal(folder(sv, "acme", FOLDER_INBOX).bytes, size);
    assert_int_equal(folder(sv, "acme", FOLDER_INBOX).uidnext, 2);
    assert_int_equal(folder(sv, "acme", FOLDER_UNMATCHED).messages, 1);
    assert_int_equal(message(sv, first)->uid, 1);
    assert_int_equal(catalog_find(sv->store.catalog, slice_of("acme"))->messages, 2);
    assert_int_equal(catalog_find(sv->store.catalog, slice_of("acme"))->bytes, size + message_size(message(sv, second)));
    assert_int_equal(sv->store.message_count, 2);
    assert_true(second > first);
}

static void
several_recipients_share_one_body(void **state)
{
    static const char *const names[] = { "acme", "other", "postmaster" };
    struct store_service    *sv = *state;
    struct service_mail      mail;
    struct token             t = service_mint(sv, "other");
    uint64_t                 id, chunks = rows_in(sv, TABLE_BODY);
    char                     body[9000];

    memset(body, 'x', sizeof(body));
    service_mail_init(&mail, "acme", &t, slice_make(body, sizeof(body)));
    for (unsigned i = 0; i < COUNT(names); i++)
        mail.recipients[i] = (struct recipient){ slice_of(names[i]), slice_of("someone@" DOMAIN) };
    mail.d.recipient_count = COUNT(names);
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &mail, &id), MT_OK);
    service_connect(sv, ROLE_CTL);
    assert_int_equal(rows_in(sv, TABLE_BODY) - chunks, db_chunk_count(sizeof(body)));
    assert_int_equal(rows_in(sv, TABLE_BODY_REF), 1);
    assert_int_equal(message(sv, id)->kind, KIND_UNMATCHED);
    assert_int_equal(message(sv, id + 1)->kind, KIND_ARRIVED);
    assert_int_equal(message(sv, id + 2)->body_id, id);
    /* The body stays until the last of them goes. */
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", id), MT_OK);
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", id + 1), MT_OK);
    assert_non_null(message(sv, id + 2));
    assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", id + 2), MT_OK);
    assert_int_equal(rows_in(sv, TABLE_BODY), chunks);
    assert_int_equal(rows_in(sv, TABLE_BODY_REF), 0);
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 0);
}

static void
what_was_acknowledged_is_there_after_a_restart(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "acme");
    struct token_record   r;
    uint64_t              id, next;

    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &id), MT_OK);
    service_stop(sv);
    assert_rc("start again", service_start(sv), MT_OK);
    assert_non_null(message(sv, id));
    assert_true(token(sv, &t, &r));
    assert_int_equal(r.arrival_count, 1);
    assert_int_equal(sv->store.message_count, 1);
    assert_rc("deliver", service_deliver(sv, "acme", &t, slice_of("body"), &next), MT_OK);
    assert_int_equal(next, id + 1);
}

/* ---- What is refused ---- */

static void
a_message_is_refused_whole_for_one_recipient(void **state)
{
    static const struct {
        const char *label, *second;
        int         rc;
    } cases[] = {
        { "unknown", "nobody", MT_ENOTFOUND },
        { "disabled", "sleeping", MT_EDISABLED },
        { "over quota", "other", MT_EQUOTA },
    };
    struct store_service *sv = *state;
    char                  body[3000];

    memset(body, 'x', sizeof(body));
    service_add_mailbox(sv, "sleeping");
    assert_rc("disable", service_call(sv, MSG_MAILBOX_ENABLE, "sb", "sleeping", 0), MT_OK);
    assert_rc("fill", service_deliver(sv, "other", NULL, slice_make(body, sizeof(body)), NULL), MT_OK);
    sv->config.quota.mailbox_bytes = 5000;
    service_connect(sv, ROLE_SMTPD);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct service_mail mail;

        service_mail_init(&mail, "acme", NULL, slice_make(body, sizeof(body)));
        mail.recipients[1] = (struct recipient){ slice_of(cases[i].second), slice_of("someone@" DOMAIN) };
        mail.d.recipient_count = 2;
        assert_rc(cases[i].label, service_hand_over(sv, &mail, NULL), cases[i].rc);
        assert_int_equal(rows_in(sv, TABLE_MESSAGE), 1);
        assert_int_equal(folder(sv, "acme", FOLDER_UNMATCHED).messages, 0);
    }
}

static void
smtpd_hears_of_a_full_mailbox(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    char                  body[3000];

    memset(body, 'x', sizeof(body));
    sv->config.quota.mailbox_bytes = 3100;
    service_connect(sv, ROLE_SMTPD);
    assert_true(sv->all_sent);
    assert_int_equal(sv->mailbox_count, 4);
    service_mail_init(&mail, "acme", NULL, slice_make(body, sizeof(body)));
    assert_rc("fits", service_hand_over(sv, &mail, NULL), MT_OK);
    service_settle(sv);
    assert_string_equal(sv->mailbox.name, "acme");
    assert_true(sv->mailbox.over_quota);
}

static void
what_breaks_the_contract_ends_the_channel(void **state)
{
    enum { REVERSE_PATH, TRACE_EMPTY_LINE, TRACE_OPEN, ADDRESS, PART, UNSEALED, SHORT_FILE, NO_FILE };
    static const struct {
        const char *label;
        int         what;
    } cases[] = {
        { "a line end in the sender", REVERSE_PATH },      { "an empty line in the trace", TRACE_EMPTY_LINE },
        { "a trace without its line end", TRACE_OPEN },    { "a line end in the recipient", ADDRESS },
        { "a part behind the end", PART },                 { "a file that can be changed", UNSEALED },
        { "a file of another size", SHORT_FILE },          { "no file", NO_FILE },
    };
    struct store_service *sv = *state;
    char                 *big = malloc(MSG_INLINE_BODY_BYTES + 1);

    assert_non_null(big);
    memset(big, 'x', MSG_INLINE_BODY_BYTES + 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct service_mail mail;
        struct buf          fields, parts;
        int                 fd = -1;

        service_connect(sv, ROLE_SMTPD);
        service_mail_init(&mail, "acme", NULL, slice_of("body"));
        buf_init(&parts, 1000);
        buf_init(&fields, MSG_MAX_BYTES);
        part_write(&parts, &(struct part){ .parent = PARSED_NO_PARENT, .body_at = 1, .end_at = 5, .type = slice_of("text/plain") });
        switch (cases[i].what) {
        case REVERSE_PATH:
            mail.d.reverse_path = slice_of("a@b.example>\r\nX: y");
            break;
        case TRACE_EMPTY_LINE:
            mail.d.trace = slice_of("Received: by here\r\n\r\nbody");
            break;
        case TRACE_OPEN:
            mail.d.trace = slice_of("Received: by here");
            break;
        case ADDRESS:
            mail.recipients[0].address = slice_of("acme@mailtest1.test\nX: y");
            break;
        case PART:
            mail.d.parsed.parts = buf_slice(&parts);
            break;
        case UNSEALED:
            fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
            assert_int_equal(write(fd, big, MSG_INLINE_BODY_BYTES + 1), MSG_INLINE_BODY_BYTES + 1);
            break;
        case SHORT_FILE:
            fd = service_memfd(slice_make(big, MSG_INLINE_BODY_BYTES));
            break;
        default:
            break;
        }
        if (cases[i].what >= UNSEALED) {
            mail.d.body = slice_of("");
            mail.d.size_bytes = MSG_INLINE_BODY_BYTES + 1;
        }
        delivery_write(&fields, &mail.d);
        assert_rc(cases[i].label, service_ask(sv, MSG_DELIVER, buf_slice(&fields), fd), MT_EPROTO);
        buf_fini(&fields);
        buf_fini(&parts);
    }
    assert_int_equal(rows_in(sv, TABLE_MESSAGE), 0);
    free(big);
}

/* ---- Who hears of it ---- */

static void
lookup_hears_of_an_arrival_once_it_can_be_read(void **state)
{
    struct store_service *sv = *state;
    struct token          t = service_mint(sv, "acme");
    struct service_mail   mail;
    struct channel       *smtpd;
    struct buf            fields;
    int                   fds[2];

    service_connect(sv, ROLE_LOOKUP);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, ROLE_SMTPD, 0, fds[0]), MT_OK);
    smtpd = channel_new(sv->base, fds[1], 1 << 20, service_hear, service_closed, sv);
    service_mail_init(&mail, "acme", &t, slice_of("body"));
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &mail.d);
    assert_int_equal(channel_send(smtpd, MSG_DELIVER, 1, buf_slice(&fields), -1), MT_OK);
    service_settle(sv);
    assert_int_equal(sv->change_count, 2);
    assert_int_equal(sv->changes[0].kind + sv->changes[1].kind, CHANGE_EVENT + CHANGE_ARRIVED);
    if (sv->changes[0].kind == CHANGE_EVENT)
        sv->changes[0] = sv->changes[1];
    assert_true(sv->changes[0].has_token && token_equal(&sv->changes[0].token, &t));
    assert_string_equal(sv->changes[0].mailbox, "acme");
    assert_int_equal(sv->changes[0].folder_id, FOLDER_INBOX);
    assert_int_equal(sv->changes[0].uid, 1);
    assert_non_null(message(sv, sv->changes[0].message_id));
    channel_free(smtpd);
    buf_fini(&fields);
}

/* smtpd asks so when its channel was lost before the answer. */
static void
a_message_is_found_by_its_transaction(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    uint64_t              first = 0, found = 0;

    service_connect(sv, ROLE_SMTPD);
    for (unsigned i = 0; i < 3; i++) {
        service_mail_init(&mail, "acme", NULL, slice_of("body\r\n"));
        mail.d.session.id = slice_of(i == 1 ? "the-one" : "another");
        assert_int_equal(service_hand_over(sv, &mail, i == 1 ? &first : &found), MT_OK);
    }
    assert_int_equal(incoming_find(&sv->store, slice_of("the-one"), mail.d.received_us, &found), MT_OK);
    assert_int_equal(found, first);
    assert_int_equal(incoming_find(&sv->store, slice_of("the-one"), mail.d.received_us + 1, &found), MT_ENOTFOUND);
    assert_int_equal(incoming_find(&sv->store, slice_of("no-one"), mail.d.received_us, &found), MT_ENOTFOUND);
    assert_int_equal(incoming_find(&sv->store, slice_of("the-one"), UINT64_MAX, &found), MT_ENOTFOUND);
}

int
main(void)
{
#define INCOMING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, service_teardown)
    const struct CMUnitTest tests[] = {
        INCOMING_TEST(a_genuine_token_decides_what_it_is),
        INCOMING_TEST(a_token_of_another_mailbox_proves_nothing),
        INCOMING_TEST(a_token_that_was_minted_elsewhere_counts),
        INCOMING_TEST(a_token_from_the_future_is_none),
        INCOMING_TEST(duplicates_are_counted_and_the_first_are_kept),
        INCOMING_TEST(the_genuine_one_is_found_among_look_alikes),
        INCOMING_TEST(so_many_genuine_tokens_of_a_message_are_kept),
        INCOMING_TEST(the_head_names_sender_and_recipient),
        INCOMING_TEST(counters_follow_what_is_stored),
        INCOMING_TEST(several_recipients_share_one_body),
        INCOMING_TEST(what_was_acknowledged_is_there_after_a_restart),
        INCOMING_TEST(a_message_is_refused_whole_for_one_recipient),
        INCOMING_TEST(smtpd_hears_of_a_full_mailbox),
        INCOMING_TEST(what_breaks_the_contract_ends_the_channel),
        INCOMING_TEST(lookup_hears_of_an_arrival_once_it_can_be_read),
        INCOMING_TEST(a_message_is_found_by_its_transaction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
