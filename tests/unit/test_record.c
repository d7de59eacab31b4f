#include "tests/unit/unit.h"

#include "lib/pattern.h"
#include "lib/record.h"
#include "lib/served.h"
#include "lib/webhook.h"

#include <stdlib.h>

enum { ROOM = RECORD_BYTES_MAX };

static uint8_t octets[64];

static struct token
token_of(uint8_t fill)
{
    struct token t;

    memset(t.raw, fill, sizeof(t.raw));
    return t;
}

/* ---- One of each, with every field set ---- */

static void
write_mailbox(struct buf *b)
{
    struct mailbox_record m = { .id = 7, .name = slice_of("acme"), .domain = slice_of("mailtest1.test"), .enabled = true,
                                .created_unix = 1795233000, .next_folder_id = 3, .bytes = 12345, .messages = 6, .last_arrival_us = 99 };

    memset(m.credentials.salt, 1, sizeof(m.credentials.salt));
    memset(m.credentials.secret_hash, 2, sizeof(m.credentials.secret_hash));
    memset(m.credentials.stored_key, 3, sizeof(m.credentials.stored_key));
    memset(m.credentials.server_key, 4, sizeof(m.credentials.server_key));
    mailbox_record_write(b, &m);
}

static int
read_mailbox(struct slice bytes)
{
    struct mailbox_record m;
    int                   rc = mailbox_record_read(bytes, &m);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(m.id, 7);
    assert_slice("name", m.name, "acme");
    assert_slice("domain", m.domain, "mailtest1.test");
    assert_true(m.enabled);
    assert_int_equal(m.created_unix, 1795233000);
    assert_int_equal(m.next_folder_id, 3);
    assert_int_equal(m.bytes, 12345);
    assert_int_equal(m.messages, 6);
    assert_int_equal(m.last_arrival_us, 99);
    assert_int_equal(m.credentials.salt[15], 1);
    assert_int_equal(m.credentials.secret_hash[31], 2);
    assert_int_equal(m.credentials.stored_key[31], 3);
    assert_int_equal(m.credentials.server_key[31], 4);
    return rc;
}

static void
write_folder(struct buf *b)
{
    const struct folder_record f = { .mailbox_id = 7, .id = FOLDER_UNMATCHED, .name = slice_of("Unmatched"), .uidvalidity = 5, .uidnext = 6,
                                     .modseq = UINT64_C(1) << 40, .messages = 8, .bytes = 9 };

    folder_record_write(b, &f);
}

static int
read_folder(struct slice bytes)
{
    struct folder_record f;
    int                  rc = folder_record_read(bytes, &f);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(f.mailbox_id, 7);
    assert_int_equal(f.id, FOLDER_UNMATCHED);
    assert_slice("name", f.name, "Unmatched");
    assert_int_equal(f.uidvalidity, 5);
    assert_int_equal(f.uidnext, 6);
    assert_int_equal(f.modseq, UINT64_C(1) << 40);
    assert_int_equal(f.messages, 8);
    assert_int_equal(f.bytes, 9);
    return rc;
}

static void
write_message(struct buf *b)
{
    struct message_record m = {
        .mailbox_id = 7, .folder_id = FOLDER_INBOX, .uid = 11, .body_id = 12, .body_shared = true, .body_bytes = 2048, .body_sum = UINT64_MAX - 1,
        .received_us = 13, .committed_us = 14, .kind = KIND_BOUNCED,
        .session = { .client_address = slice_of("192.0.2.1"), .helo = slice_of("mx"), .id = slice_of("4f21"), .flags = DELIVERY_BARE_LF },
        .reverse_path = slice_of("a@b.example"), .recipient = slice_of("acme@mailtest1.test"), .head = slice_of("Return-Path: <a@b.example>\r\n"),
        .parsed = { .subject = slice_of("subject"), .date_unix = -1, .traits = TRAIT_DELIVERY_REPORT, .received_count = 3, .candidate_count = 2 },
    };

    m.lost = PLACE_MESSAGE_ID;
    m.changes = slice_of("It came by 2 hops; it was 3.\n");
    m.tokens[0] = (struct candidate){ token_of(1), PLACE_SUBJECT };
    m.tokens[1] = (struct candidate){ token_of(2), PLACE_TEXT };
    m.parsed.candidates = m.tokens;
    message_record_write(b, &m);
}

static int
read_message(struct slice bytes)
{
    struct message_record *m = malloc(sizeof(*m));
    int                    rc;

    assert_non_null(m);
    rc = message_record_read(bytes, m);
    if (rc == MT_OK) {
        const struct token second = token_of(2);

        assert_int_equal(m->uid, 11);
        assert_int_equal(m->body_id, 12);
        assert_true(m->body_shared);
        assert_int_equal(m->body_sum, UINT64_MAX - 1);
        assert_int_equal(m->kind, KIND_BOUNCED);
        assert_slice("client", m->session.client_address, "192.0.2.1");
        assert_int_equal(m->session.flags, DELIVERY_BARE_LF);
        assert_slice("sender", m->reverse_path, "a@b.example");
        assert_slice("recipient", m->recipient, "acme@mailtest1.test");
        assert_int_equal(message_size(m), 28 + 2048);
        assert_int_equal(m->parsed.date_unix, -1);
        assert_int_equal(m->lost, PLACE_MESSAGE_ID);
        assert_slice("changes", m->changes, "It came by 2 hops; it was 3.\n");
        assert_int_equal(m->parsed.candidate_count, 2);
        assert_ptr_equal(m->parsed.candidates, m->tokens);
        assert_memory_equal(&m->tokens[1].token, &second, sizeof(struct token));
        assert_int_equal(m->tokens[1].found_in, PLACE_TEXT);
    }
    free(m);
    return rc;
}

static void
write_token(struct buf *b)
{
    struct token_record t = { .mailbox_id = 7, .minted_us = 1, .deadline_unix = 2, .arrival_count = 40, .verdict = 3, .decided_us = 4, .amended_us = 5,
                              .refused_us = 6, .hops = slice_of("hops"), .kept = TOKEN_ARRIVALS_MAX };

    for (unsigned i = 0; i < TOKEN_ARRIVALS_MAX; i++)
        t.arrivals[i] = (struct arrival){ .message_id = i + 1, .received_us = 100 + i, .kind = KIND_ARRIVED, .lost = PLACE_TEXT, .client = "2001:db8::1" };
    token_record_write(b, &t);
}

static int
read_token(struct slice bytes)
{
    struct token_record t;
    int                 rc = token_record_read(bytes, &t);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(t.deadline_unix, 2);
    assert_int_equal(t.arrival_count, 40);
    assert_int_equal(t.kept, TOKEN_ARRIVALS_MAX);
    assert_int_equal(t.verdict, 3);
    assert_int_equal(t.decided_us, 4);
    assert_int_equal(t.amended_us, 5);
    assert_int_equal(t.refused_us, 6);
    assert_slice("hops", t.hops, "hops");
    assert_int_equal(t.arrivals[3].lost, PLACE_TEXT);
    assert_int_equal(t.arrivals[TOKEN_ARRIVALS_MAX - 1].message_id, TOKEN_ARRIVALS_MAX);
    assert_string_equal(t.arrivals[0].client, "2001:db8::1");
    return rc;
}

static void
write_api_key(struct buf *b)
{
    struct api_key_record k = { .name = slice_of("checker"), .mailbox_id = 7, .created_unix = 8 };

    memset(k.hash, 9, sizeof(k.hash));
    api_key_record_write(b, &k);
}

static int
read_api_key(struct slice bytes)
{
    struct api_key_record k;
    int                   rc = api_key_record_read(bytes, &k);

    if (rc != MT_OK)
        return rc;
    assert_slice("name", k.name, "checker");
    assert_int_equal(k.mailbox_id, 7);
    assert_int_equal(k.created_unix, 8);
    assert_int_equal(k.hash[31], 9);
    return rc;
}

static void
write_event(struct buf *b)
{
    event_record_write(b, &(struct event_record){ .kind = EVENT_BOUNCED, .at_us = 1, .mailbox_id = 7, .mailbox = slice_of("acme"), .message_id = 3,
                                                  .has_token = true, .token = token_of(4), .verdict = 5, .detail = slice_of("It bounced.") });
}

static int
read_event(struct slice bytes)
{
    const struct token  token = token_of(4);
    struct event_record e;
    int                 rc = event_record_read(bytes, &e);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(e.kind, EVENT_BOUNCED);
    assert_int_equal(e.at_us, 1);
    assert_int_equal(e.mailbox_id, 7);
    assert_slice("mailbox", e.mailbox, "acme");
    assert_int_equal(e.message_id, 3);
    assert_true(e.has_token && token_equal(&e.token, &token));
    assert_int_equal(e.verdict, 5);
    assert_slice("detail", e.detail, "It bounced.");
    return rc;
}

static void
write_webhook(struct buf *b)
{
    webhook_record_write(b, &(struct webhook_record){ .mailbox_id = 7, .kinds = 8, .created_unix = 9, .url = slice_of("https://a.example/"),
                                                      .secret = "secret" });
}

static int
read_webhook(struct slice bytes)
{
    struct webhook_record w;
    int                   rc = webhook_record_read(bytes, &w);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(w.mailbox_id, 7);
    assert_int_equal(w.kinds, 8);
    assert_int_equal(w.created_unix, 9);
    assert_slice("url", w.url, "https://a.example/");
    assert_string_equal(w.secret, "secret");
    return rc;
}

static void
write_post(struct buf *b)
{
    post_record_write(b, &(struct post_record){ .first_us = 1, .due_us = 2, .attempts = 3, .http_status = 503, .error = slice_of("HTTP 503") });
}

static int
read_post(struct slice bytes)
{
    struct post_record p;
    int                rc = post_record_read(bytes, &p);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(p.first_us, 1);
    assert_int_equal(p.due_us, 2);
    assert_int_equal(p.attempts, 3);
    assert_int_equal(p.http_status, 503);
    assert_slice("error", p.error, "HTTP 503");
    return rc;
}

static void
write_pattern(struct buf *b)
{
    struct pattern_record p = { .arrivals = 1, .last_us = 2, .usual_gap_us = 3, .silent = true, .confirmation_id = 4, .confirmation_us = 5, .pretence_id = 10,
                                .pretence_us = 11, .refusal_us = 6,
                                .refusal_status = slice_of("5.7.520"), .refusal_diagnostic = slice_of("no"), .found_in = 7, .received_count = 8,
                                .tls = true, .way = slice_of("redirect"), .claims = slice_of("spf=pass"), .recent_count = PATTERN_RECENT };

    p.recent[PATTERN_RECENT - 1] = 9;
    pattern_record_write(b, &p);
}

static int
read_pattern(struct slice bytes)
{
    struct pattern_record p;
    int                   rc = pattern_record_read(bytes, &p);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(p.arrivals, 1);
    assert_int_equal(p.usual_gap_us, 3);
    assert_true(p.silent && p.tls);
    assert_int_equal(p.confirmation_id, 4);
    assert_int_equal(p.pretence_id, 10);
    assert_int_equal(p.pretence_us, 11);
    assert_int_equal(p.refusal_us, 6);
    assert_slice("status", p.refusal_status, "5.7.520");
    assert_slice("way", p.way, "redirect");
    assert_slice("claims", p.claims, "spf=pass");
    assert_int_equal(p.recent_count, PATTERN_RECENT);
    assert_int_equal(p.recent[PATTERN_RECENT - 1], 9);
    return rc;
}

static void
write_served(struct buf *b)
{
    struct buf listeners;

    buf_init(&listeners, 1000);
    served_listener_write(&listeners, &(struct served_listener){ LISTEN_LMTP, slice_of("unix:/run/x") });
    served_record_write(b, &(struct served_record){ .state = SERVED_FULL, .until_us = 5, .listeners = buf_slice(&listeners) });
    buf_fini(&listeners);
}

static int
read_served(struct slice bytes)
{
    struct served_listener l;
    struct served_record   s;
    struct reader          r;
    int                    rc = served_record_read(bytes, &s);

    if (rc != MT_OK)
        return rc;
    assert_int_equal(s.state, SERVED_FULL);
    assert_int_equal(s.until_us, 5);
    reader_init(&r, s.listeners);
    assert_true(served_listener_next(&r, &l));
    assert_int_equal(l.kind, LISTEN_LMTP);
    assert_slice("address", l.address, "unix:/run/x");
    assert_false(served_listener_next(&r, &l));
    return rc;
}

static const struct {
    const char *label;
    void      (*write)(struct buf *b);
    int       (*read)(struct slice bytes);
} records[] = {
    { "mailbox", write_mailbox, read_mailbox }, { "folder", write_folder, read_folder },    { "message", write_message, read_message },
    { "token", write_token, read_token },       { "api key", write_api_key, read_api_key }, { "event", write_event, read_event },
    { "webhook", write_webhook, read_webhook }, { "post", write_post, read_post },          { "pattern", write_pattern, read_pattern },
    { "served", write_served, read_served },
};

/* ---- What must hold for each ---- */

static void
what_is_written_is_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(records); i++) {
        struct buf b;

        buf_init(&b, ROOM);
        records[i].write(&b);
        assert_int_equal(b.fault, MT_OK);
        assert_rc(records[i].label, records[i].read(buf_slice(&b)), MT_OK);
        buf_fini(&b);
    }
}

static void
every_flipped_bit_is_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(records); i++) {
        struct buf b;

        buf_init(&b, ROOM);
        records[i].write(&b);
        for (size_t bit = 0; bit < b.len * 8; bit++) {
            b.data[bit / 8] ^= (char)(1 << bit % 8);
            assert_rc(records[i].label, records[i].read(buf_slice(&b)), MT_EDAMAGED);
            b.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_fini(&b);
    }
}

static void
every_cut_is_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(records); i++) {
        struct buf b;

        buf_init(&b, ROOM);
        records[i].write(&b);
        for (size_t len = 0; len < b.len; len++)
            assert_rc(records[i].label, records[i].read(slice_make(b.data, len)), MT_EDAMAGED);
        buf_fini(&b);
    }
}

/* With a checksum that fits, so only the field tells. */
static int
read_with(size_t record, size_t at, uint8_t octet)
{
    struct buf b;
    int        rc;

    buf_init(&b, ROOM);
    records[record].write(&b);
    b.data[at] = (char)octet;
    put_u64(b.data + b.len - RECORD_SUM_BYTES, checksum(slice_make(b.data, b.len - RECORD_SUM_BYTES)));
    rc = records[record].read(buf_slice(&b));
    buf_fini(&b);
    return rc;
}

static void
a_newer_version_is_told_apart_from_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(records); i++) {
        assert_rc(records[i].label, read_with(i, 0, RECORD_VERSION + 1), MT_EVERSION);
        assert_rc(records[i].label, read_with(i, 0, 0), MT_EDAMAGED);
    }
}

static void
a_field_out_of_range_is_damage(void **state)
{
    enum { FOLDER_NAME_LEN = 1 + 4 + 4, MESSAGE_KIND = 1 + 3 * 4 + 8 + 1 + 4 * 8, TOKEN_KEPT = 1 + 4 + 8 + 8 + 1 + 3 * 8 + 4 + 4 + 4 + 3 };

    (void)state;
    assert_rc("length over the end", read_with(1, FOLDER_NAME_LEN, 0xff), MT_EDAMAGED);
    assert_rc("unknown kind", read_with(2, MESSAGE_KIND, KIND_LIMIT), MT_EDAMAGED);
    assert_rc("more arrivals than can be kept", read_with(3, TOKEN_KEPT, TOKEN_ARRIVALS_MAX + 1), MT_EDAMAGED);
}

static void
an_entry_keeps_its_keywords(void **state)
{
    struct buf   b;
    struct entry e = { .message_id = 5, .modseq = 6, .flags = ENTRY_SEEN | ENTRY_DELETED, .keywords = slice_of("$Forwarded work") }, got;

    (void)state;
    buf_init(&b, ROOM);
    entry_write(&b, slice_of("its key"), &e);
    assert_int_equal(entry_read(slice_of("its key"), buf_slice(&b), &got), MT_OK);
    assert_int_equal(got.message_id, 5);
    assert_int_equal(got.modseq, 6);
    assert_int_equal(got.flags, ENTRY_SEEN | ENTRY_DELETED);
    assert_slice("keywords", got.keywords, "$Forwarded work");
    assert_int_equal(entry_read(slice_of("another"), buf_slice(&b), &got), MT_EDAMAGED);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(entry_read(slice_of("its key"), slice_make(b.data, len), &got), MT_EDAMAGED);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(entry_read(slice_of("its key"), buf_slice(&b), &got), MT_EDAMAGED);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
    }
    buf_fini(&b);
}

static void
a_count_of_copies_knows_its_damage(void **state)
{
    unsigned char row[BODY_REF_BYTES];
    uint32_t      count = 0;

    (void)state;
    body_ref_write(row, 7, 3);
    assert_int_equal(body_ref_read(slice_make(row, sizeof(row)), 7, &count), MT_OK);
    assert_int_equal(count, 3);
    assert_int_equal(body_ref_read(slice_make(row, sizeof(row)), 8, &count), MT_EDAMAGED);
    assert_int_equal(body_ref_read(slice_make(row, 4), 7, &count), MT_EDAMAGED);
    row[0] ^= 1;
    assert_int_equal(body_ref_read(slice_make(row, sizeof(row)), 7, &count), MT_EDAMAGED);
}

static void
each_kind_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KIND_LIMIT; i++)
        assert_non_null(message_kind_name((enum message_kind)i));
    assert_string_equal(message_kind_name(KIND_ARRIVED), "arrived");
}

/* The checksum lies in files: it must stay the one it is. */
static void
the_checksum_is_xxh3(void **state)
{
    (void)state;
    assert_int_equal(checksum(slice_make(octets, 0)), UINT64_C(0x2d06800538d394c2));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(every_flipped_bit_is_damage),
        cmocka_unit_test(every_cut_is_damage),
        cmocka_unit_test(a_newer_version_is_told_apart_from_damage),
        cmocka_unit_test(a_field_out_of_range_is_damage),
        cmocka_unit_test(an_entry_keeps_its_keywords),
        cmocka_unit_test(a_count_of_copies_knows_its_damage),
        cmocka_unit_test(each_kind_has_a_name),
        cmocka_unit_test(the_checksum_is_xxh3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
