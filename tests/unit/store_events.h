#ifndef TESTS_UNIT_STORE_EVENTS_H
#define TESTS_UNIT_STORE_EVENTS_H
/* store_events - beside store_service: the clock moved on, events and rows read back, a receiver that serves. */

#include "tests/unit/store_service.h"

#include "lib/answer.h"
#include "lib/db_verify.h"
#include "lib/served.h"
#include "store/uptime.h"
#include "store/verdict.h"

enum { HEARD_EVENTS = 32 };

/* Texts are copies. */
struct events_seen {
    unsigned            count;
    struct event_record list[HEARD_EVENTS];
    uint64_t            ids[HEARD_EVENTS];
    char                details[HEARD_EVENTS][EVENT_DETAIL_BYTES + 1];
    char                mailboxes[HEARD_EVENTS][MAILBOX_NAME_MAX + 1];
};

static inline void
events_read(struct store_service *sv, struct events_seen *out)
{
    struct db_view v;
    MDB_cursor    *c;
    MDB_val        k, d;

    *out = (struct events_seen){ 0 };
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(mdb_cursor_open(v.txn, db_table(sv->store.db, TABLE_EVENT), &c), 0);
    while (out->count < HEARD_EVENTS && mdb_cursor_get(c, &k, &d, MDB_NEXT) == 0) {
        struct event_record *e = &out->list[out->count];

        assert_rc("event", event_record_read(slice_make(d.mv_data, d.mv_size), e), MT_OK);
        slice_copy(out->details[out->count], sizeof(out->details[0]), e->detail);
        slice_copy(out->mailboxes[out->count], sizeof(out->mailboxes[0]), e->mailbox);
        out->ids[out->count++] = get_u64(k.mv_data);
    }
    mdb_cursor_close(c);
    db_view_end(&v);
}

/* "missed late ": the names in order. */
static inline const char *
events_names(struct store_service *sv)
{
    static char        names[1024];
    struct events_seen seen;

    events_read(sv, &seen);
    names[0] = '\0';
    for (unsigned i = 0; i < seen.count; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ", event_name(seen.list[i].kind));
    return names;
}

/* The token's record; its hops are valid until the next call. */
static inline struct token_record
token_of(struct store_service *sv, const struct token *t)
{
    static char         hops[TOKEN_HOPS_BYTES];
    struct token_record r;
    struct db_view      v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("token", db_token(&v, t, &r), MT_OK);
    if (r.hops.len > 0)
        memcpy(hops, r.hops.data, r.hops.len);
    r.hops.data = hops;
    db_view_end(&v);
    return r;
}

/* The clock goes on, and what is due at the new time is done. */
static inline void
pass_s(struct store_service *sv, int64_t s)
{
    sv->store.clock_ahead_us += s * 1000000;
    verdicts_look(sv->store.verdicts);
    for (unsigned i = 0; i < 10; i++)
        service_settle(sv);
}

/* Expected within so many seconds from now. */
static inline struct token
mint_expected(struct store_service *sv, const char *mailbox, uint64_t window_s)
{
    char          text[TOKEN_CHARS + 1];
    struct reader r;
    struct token  t;

    assert_rc("mint", service_call(sv, MSG_MINT, "sU", mailbox, store_now_us(&sv->store) / 1000000 + window_s), MT_OK);
    r = service_answer(sv);
    read_string(&r, text, sizeof(text));
    assert_int_equal(token_decode(slice_of(text), &t), MT_OK);
    return t;
}

/* A mail of that kind that is received now. */
static inline uint64_t
deliver_kind(struct store_service *sv, const char *mailbox, const struct token *t, uint32_t traits, struct slice facts)
{
    struct service_mail m;
    uint64_t            id = 0;

    service_mail_init(&m, mailbox, t, slice_of("body\r\n"));
    m.d.received_us = store_now_us(&sv->store);
    m.d.parsed.traits = traits;
    m.d.parsed.facts = facts;
    service_connect(sv, ROLE_SMTPD);
    assert_rc("deliver", service_hand_over(sv, &m, &id), MT_OK);
    service_connect(sv, ROLE_CTL);
    return id;
}

/* Another process of smtpd, which tells of its listeners. */
static inline struct channel *
receiver_connect(struct store_service *sv)
{
    struct channel *c;
    int             fds[2];

    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, ROLE_SMTPD, 7, fds[0]), MT_OK);
    c = channel_new(sv->base, fds[1], 1 << 20, service_hear, service_closed, sv);
    assert_non_null(c);
    service_settle(sv);
    return c;
}

static inline void
receiver_tells(struct store_service *sv, struct channel *c, enum listener kind, const char *address, bool serving)
{
    struct buf *b = channel_begin(c, MSG_SERVING, 0);

    write_u8(b, (uint8_t)kind);
    write_string(b, address);
    write_u8(b, serving);
    assert_int_equal(channel_end(c, -1), MT_OK);
    service_settle(sv);
}

static inline void
verify_problem(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* All that is left fits together. Stops and starts the store; its clock is where it was. */
static inline void
verify_all(struct store_service *sv)
{
    struct db_verify_counts counts;
    int64_t                 ahead_us = sv->store.clock_ahead_us;
    char                    dir[100];

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    assert_rc("verify",
              db_verify(&(struct db_options){ .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 }, verify_problem, NULL, &counts),
              MT_OK);
    assert_int_equal(counts.problems, 0);
    assert_rc("start again", service_start(sv), MT_OK);
    sv->store.clock_ahead_us = ahead_us;
}

#endif
