/*
 * A role that was taken over has its channel to store, and nothing else of store. So: which messages each role may send, as a table of its
 * own beside store's; whatever it sends costs it its channel at most; and what store sends it holds no secret.
 */
#include "tests/unit/store_service.h"

#include "lib/secret.h"
#include "store/keys.h"
#include "store/request.h"

#include <poll.h>
#include <sys/socket.h>

enum { HEARD_BYTES = 1 << 20, TYPES_MAX = 16 };

static const char body_text[] = "the-body-of-a-mail-4711\r\n";

/* What docs/security.md promises. imapd changes mailboxes of people who have logged in; none of these makes a secret or shows one. */
static const struct {
    enum role role;
    unsigned  types[TYPES_MAX];
} rights[] = {
    { ROLE_SMTPD,   { MSG_PING, MSG_DELIVER, MSG_DELIVERED, MSG_SERVING } },
    { ROLE_IMAPD,   { MSG_PING, MSG_SUBSCRIBE, MSG_MESSAGES_DELETE, MSG_FLAGS, MSG_RECENT, MSG_FOLDER_CREATE, MSG_FOLDER_DELETE,
                      MSG_FOLDER_RENAME, MSG_FOLDER_SUBSCRIBE, MSG_COPY, MSG_APPEND } },
    { ROLE_LOOKUP,  { MSG_PING, MSG_MINT, MSG_TOKEN_FORGET, MSG_MESSAGE_DELETE, MSG_RESULTS } },
    { ROLE_WEBHOOK, { MSG_PING, MSG_POST_READY, MSG_POST_DONE } },
};

static bool
may_send(size_t row, unsigned type)
{
    for (size_t i = 0; i < TYPES_MAX && rights[row].types[i] != 0; i++)
        if (rights[row].types[i] == type)
            return true;
    return false;
}

/* ---- A peer that writes what it likes ---- */

struct hostile {
    struct store_service *sv;
    int                   fd;
    struct buf            heard;        /* every octet that store sent */
};

static void
hostile_connect(struct hostile *h, struct store_service *sv, enum role role)
{
    int fds[2];

    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, role, 0, fds[0]), MT_OK);
    *h = (struct hostile){ .sv = sv, .fd = fds[1] };
    buf_init(&h->heard, HEARD_BYTES);
}

static void
hostile_close(struct hostile *h)
{
    close(h->fd);
    service_settle(h->sv);
    buf_fini(&h->heard);
}

/* Lets store work and takes what it says. True: it has closed the channel. */
static bool
hostile_hear(struct hostile *h)
{
    char    text[65536];
    ssize_t n;

    service_settle(h->sv);
    while ((n = recv(h->fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
        assert_int_equal(buf_append(&h->heard, text, (size_t)n), MT_OK);
    return n == 0;
}

static void
hostile_send(struct hostile *h, unsigned type, uint64_t req, struct slice fields)
{
    struct msg_head head = { .version = MSG_VERSION, .type = (uint16_t)type, .len_bytes = (uint32_t)fields.len, .req = req };
    struct buf      b;

    buf_init(&b, MSG_MAX_BYTES + MSG_HEAD_BYTES);
    msg_head_write(&b, &head);
    buf_append_slice(&b, fields);
    assert_int_equal(b.fault, MT_OK);
    assert_int_equal(send(h->fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
    buf_fini(&b);
}

/* What it costs: only the channel of whoever sent it. */
static bool
is_thrown_out(struct store_service *sv, enum role role, unsigned type, uint64_t req, struct slice fields)
{
    struct hostile h;
    bool           closed;

    hostile_connect(&h, sv, role);
    assert_false(hostile_hear(&h));
    hostile_send(&h, type, req, fields);
    closed = hostile_hear(&h);
    hostile_close(&h);
    return closed;
}

static uint64_t
req_of(const struct request *request)
{
    return request != NULL && (request->from & REQUEST_TELLS) != 0 ? 0 : 1;
}

/* ---- Who may ask what ---- */

static void
each_role_may_send_what_it_needs_and_no_more(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(rights); row++)
        for (unsigned type = 0; type <= MSG_TYPE_LIMIT; type++)
            if ((request_find(type, rights[row].role) != NULL) != may_send(row, type))
                fail_msg("%s: %s", role_name(rights[row].role), msg_name(type));
    for (unsigned type = 0; type <= MSG_TYPE_LIMIT; type++) {
        assert_null(request_find(type, ROLE_SUPERVISOR));
        assert_null(request_find(type, ROLE_STORE));
        assert_null(request_find(type, ROLE_SIGNER));
    }
}

static void
any_other_message_ends_the_channel_and_changes_nothing(void **state)
{
    struct store_service *sv = *state;
    struct buf            before;

    assert_rc("list", service_ask(sv, MSG_MAILBOX_LIST, slice_make("", 0), -1), MT_OK);
    buf_init(&before, HEARD_BYTES);
    buf_append_slice(&before, buf_slice(&sv->rows));
    for (size_t row = 0; row < COUNT(rights); row++)
        for (unsigned type = 0; type <= MSG_TYPE_LIMIT; type++) {
            if (may_send(row, type))
                continue;
            /* As an answer to nothing, as one that tells, as one that asks; the fields are those of most requests: a name. */
            for (uint64_t req = 0; req < 2; req++)
                if (!is_thrown_out(sv, rights[row].role, type, req, slice_make("\0\0\0\4acme", 8)))
                    fail_msg("%s, which may not send %s, stays", role_name(rights[row].role), msg_name(type));
        }
    assert_rc("list again", service_ask(sv, MSG_MAILBOX_LIST, slice_make("", 0), -1), MT_OK);
    assert_true(slice_equal(buf_slice(&sv->rows), buf_slice(&before)));
    buf_fini(&before);
}

static void
a_request_without_a_number_and_news_with_one_end_the_channel(void **state)
{
    struct store_service *sv = *state;

    for (size_t row = 0; row < COUNT(rights); row++)
        for (size_t i = 0; i < TYPES_MAX && rights[row].types[i] != 0; i++) {
            unsigned type = rights[row].types[i];
            uint64_t req = req_of(request_find(type, rights[row].role));

            if (!is_thrown_out(sv, rights[row].role, type, req == 0 ? 7 : 0, slice_make(NULL, 0)))
                fail_msg("%s %s", role_name(rights[row].role), msg_name(type));
        }
}

/* ---- Fields that are none ---- */

/* Every length up to that of the longest fixed head of a request, filled with what counts and lengths are the worst of. */
static void
fields_that_lie_harm_nobody(void **state)
{
    static const unsigned char fillings[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    struct store_service      *sv = *state;
    unsigned char              octets[96];

    for (size_t row = 0; row < COUNT(rights); row++)
        for (size_t i = 0; i < TYPES_MAX && rights[row].types[i] != 0; i++)
            for (size_t f = 0; f < COUNT(fillings); f++)
                for (size_t len = 0; len <= sizeof(octets); len += len < 16 ? 1 : 8) {
                    unsigned type = rights[row].types[i];

                    memset(octets, fillings[f], len);
                    is_thrown_out(sv, rights[row].role, type, req_of(request_find(type, rights[row].role)), slice_make(octets, len));
                }
    assert_rc("store serves", service_call(sv, MSG_MAILBOX_SHOW, "s", "acme"), MT_OK);
}

/* A whole delivery, cut at each octet and with each octet made the worst: the count of messages tells what was taken. */
static void
a_delivery_that_was_cut_or_bent_is_refused_or_whole(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    struct token          t = service_mint(sv, "acme");
    struct buf            fields;

    service_mail_init(&mail, "acme", &t, slice_of("body\r\n"));
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &mail.d);
    for (size_t len = 0; len < fields.len; len++)
        if (!is_thrown_out(sv, ROLE_SMTPD, MSG_DELIVER, 1, slice_make(fields.data, len)))
            fail_msg("cut at %zu of %zu", len, fields.len);
    assert_int_equal(sv->store.message_count, 0);
    for (size_t at = 0; at < fields.len; at++) {
        char kept = fields.data[at];

        fields.data[at] = (char)0xff;
        is_thrown_out(sv, ROLE_SMTPD, MSG_DELIVER, 1, buf_slice(&fields));
        fields.data[at] = kept;
    }
    assert_rc("store serves", service_call(sv, MSG_MAILBOX_SHOW, "s", "acme"), MT_OK);
    buf_fini(&fields);
}

/* ---- What a receiver that was taken over can say of tokens ---- */

static bool
has_arrived(struct store_service *sv, const char *mailbox, const struct token *t)
{
    char          text[TOKEN_CHARS + 1];
    struct slice  record;
    struct reader r;

    token_encode(t, text);
    if (service_call(sv, MSG_TOKEN_SHOW, "ss", mailbox, text) == MT_ENOTFOUND)
        return false;           /* not one that a key of ours made */
    assert_int_equal(sv->rc, MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &record, RECORD_BYTES_MAX);
    if (record.len > 0) {
        struct token_record known;

        assert_rc("record", token_record_read(record, &known), MT_OK);
        return known.arrival_count > 0;
    }
    return false;
}

static void
an_arrival_cannot_be_forged(void **state)
{
    struct store_service *sv = *state;
    struct token          waiting = service_mint(sv, "acme"), theirs = service_mint(sv, "other");

    /* It knows when and for whom a token was made, and every octet but those that prove it. */
    for (unsigned bit = 0; bit < 8 * TOKEN_RAW_BYTES; bit++) {
        struct token        forged = waiting;
        struct service_mail mail;

        forged.raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
        service_mail_init(&mail, "acme", &forged, slice_of(body_text));
        service_connect(sv, ROLE_SMTPD);
        assert_rc("taken as a mail", service_hand_over(sv, &mail, NULL), MT_OK);
        service_connect(sv, ROLE_CTL);
        assert_false(has_arrived(sv, "acme", &forged));
    }
    assert_rc("taken", service_deliver(sv, "acme", &theirs, slice_of(body_text), NULL), MT_OK);
    assert_false(has_arrived(sv, "acme", &theirs));
    assert_false(has_arrived(sv, "other", &theirs));
    assert_false(has_arrived(sv, "acme", &waiting));
    /* Only a token that it was sent. */
    assert_rc("taken", service_deliver(sv, "acme", &waiting, slice_of(body_text), NULL), MT_OK);
    assert_true(has_arrived(sv, "acme", &waiting));
}

static void
tries_of_one_message_are_bounded(void **state)
{
    struct store_service *sv = *state;
    struct candidate     *all = calloc(PARSED_CANDIDATES_MAX + 1, sizeof(*all));
    struct service_mail   mail;

    assert_non_null(all);
    service_mail_init(&mail, "acme", NULL, slice_of(body_text));
    mail.d.parsed.candidates = all;
    mail.d.parsed.candidate_count = PARSED_CANDIDATES_MAX + 1;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("one too many", service_hand_over(sv, &mail, NULL), MT_EPROTO);
    free(all);
}

/* ---- What a role hears ---- */

struct secrets {
    struct buf texts[8];
    unsigned   count;
};

static void
keep_secret(struct secrets *s, struct slice text)
{
    assert_true(text.len >= 8 && s->count < COUNT(s->texts));
    buf_init(&s->texts[s->count], 4096);
    buf_append_slice(&s->texts[s->count++], text);
}

/* The string at place index of the answer. */
static void
keep_answered(struct secrets *s, struct store_service *sv, unsigned index)
{
    struct reader r = service_answer(sv);
    struct slice  text;

    for (unsigned i = 0; i <= index; i++)
        read_bytes(&r, &text, 4096);
    assert_true(read_ok(&r));
    keep_secret(s, text);
}

/* One of each kind, in a store that has them. */
static void
make_secrets(struct store_service *sv, struct secrets *s)
{
    struct reader r;
    struct slice  key;
    uint32_t      id;
    uint8_t       raw[32];
    size_t        len;

    *s = (struct secrets){ .count = 0 };
    keep_secret(s, slice_of("the-body-of-a-mail-4711"));
    assert_rc("mailbox", service_call(sv, MSG_MAILBOX_ADD, "ss", "beta", ""), MT_OK);
    keep_answered(s, sv, 2);
    assert_rc("token key", service_call(sv, MSG_MAILBOX_KEY, "s", "beta"), MT_OK);
    keep_answered(s, sv, 0);
    r = service_answer(sv);
    read_bytes(&r, &key, 256);
    assert_int_equal(sodium_hex2bin(raw, sizeof(raw), key.data, key.len, NULL, &len, NULL), 0);
    keep_secret(s, slice_make(raw, len));
    assert_rc("agent", service_call(sv, MSG_AGENT_ADD, "sbu", "checker", 1, 0u), MT_OK);
    keep_answered(s, sv, 1);
    assert_rc("API key", service_call(sv, MSG_API_KEY_ADD, "ss", "api", ""), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &id);
    read_bytes(&r, &key, 256);
    keep_secret(s, key);
}

static void
no_role_is_told_a_secret_or_mail(void **state)
{
    struct store_service *sv = *state;
    struct secrets        s;

    make_secrets(sv, &s);
    assert_rc("deliver", service_deliver(sv, "beta", NULL, slice_of(body_text), NULL), MT_OK);
    for (size_t row = 0; row < COUNT(rights); row++)
        for (unsigned type = 0; type < MSG_TYPE_LIMIT; type++) {
            struct hostile h;

            hostile_connect(&h, sv, rights[row].role);
            hostile_hear(&h);
            for (unsigned form = 0; form < 3; form++)
                hostile_send(&h, MSG_PING, 1 + form, slice_make(NULL, 0));
            hostile_hear(&h);
            hostile_send(&h, type, 9, slice_make("\0\0\0\4beta", 8));
            hostile_hear(&h);
            for (unsigned i = 0; i < s.count; i++)
                if (memmem(h.heard.data, h.heard.len, s.texts[i].data, s.texts[i].len) != NULL)
                    fail_msg("%s hears secret %u by %s", role_name(rights[row].role), i, msg_name(type));
            hostile_close(&h);
        }
    for (unsigned i = 0; i < s.count; i++)
        buf_fini(&s.texts[i]);
}

/* mailtestctl is told; this is what the test above would have found. */
static void
the_operator_is_told_what_roles_are_not(void **state)
{
    struct store_service *sv = *state;
    struct hostile        h;
    uint64_t              id;

    assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_of(body_text), &id), MT_OK);
    hostile_connect(&h, sv, ROLE_CTL);
    hostile_send(&h, MSG_MESSAGE_RAW, 9, slice_make((const char[]){ 0, 0, 0, 0, 0, 0, 0, (char)id }, 8));
    assert_false(hostile_hear(&h));
    assert_non_null(memmem(h.heard.data, h.heard.len, body_text, sizeof(body_text) - 1));
    hostile_close(&h);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_may_send_what_it_needs_and_no_more),
        cmocka_unit_test_setup_teardown(any_other_message_ends_the_channel_and_changes_nothing, setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_request_without_a_number_and_news_with_one_end_the_channel, setup, service_teardown),
        cmocka_unit_test_setup_teardown(fields_that_lie_harm_nobody, setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_delivery_that_was_cut_or_bent_is_refused_or_whole, setup, service_teardown),
        cmocka_unit_test_setup_teardown(an_arrival_cannot_be_forged, setup, service_teardown),
        cmocka_unit_test_setup_teardown(tries_of_one_message_are_bounded, setup, service_teardown),
        cmocka_unit_test_setup_teardown(no_role_is_told_a_secret_or_mail, setup, service_teardown),
        cmocka_unit_test_setup_teardown(the_operator_is_told_what_roles_are_not, setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
