#include "tests/unit/store_events.h"

#include "store/room.h"

#define SECOND UINT64_C(1000000)

/* ---- What the log says of a window ---- */

struct span {
    uint64_t          from_s, until_s;
    enum served_state state;
};

static const struct {
    const char *label;
    struct span spans[4];
    uint64_t    from_s, to_s, refused_s;
} windows[] = {
    { "no log", { { 0 } }, 10, 20, 10 },
    { "served throughout", { { 5, 25, SERVED_SERVING } }, 10, 20, 0 },
    { "served exactly", { { 10, 20, SERVED_SERVING } }, 10, 20, 0 },
    { "begun within", { { 13, 25, SERVED_SERVING } }, 10, 20, 3 },
    { "ended within", { { 5, 16, SERVED_SERVING } }, 10, 20, 4 },
    { "ended before", { { 5, 9, SERVED_SERVING } }, 10, 20, 10 },
    { "begun after", { { 21, 29, SERVED_SERVING } }, 10, 20, 10 },
    { "a gap", { { 5, 12, SERVED_SERVING }, { 15, 30, SERVED_SERVING } }, 10, 20, 3 },
    { "full", { { 5, 12, SERVED_SERVING }, { 12, 15, SERVED_FULL }, { 15, 30, SERVED_SERVING } }, 10, 20, 3 },
    { "no listener", { { 5, 12, SERVED_SERVING }, { 12, 14, SERVED_NO_LISTENER }, { 14, 30, SERVED_SERVING } }, 10, 20, 2 },
    { "another listener joined", { { 5, 12, SERVED_SERVING }, { 12, 30, SERVED_SERVING } }, 10, 20, 0 },
    { "several in the window", { { 11, 12, SERVED_SERVING }, { 13, 14, SERVED_SERVING }, { 15, 16, SERVED_SERVING } }, 10, 20, 7 },
    { "an empty window", { { 5, 12, SERVED_SERVING } }, 15, 15, 0 },
};

static void
the_log_tells_how_long_nobody_took_mail(void **state)
{
    struct store_service *sv = *state;
    struct buf            b;

    buf_init(&b, RECORD_BYTES_MAX);
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct db_view v;
        struct tx     *tx;
        uint64_t       refused_us;
        bool           failed;

        assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
        assert_int_equal(mdb_drop(tx_view(tx)->txn, db_table(sv->store.db, TABLE_SERVED), 0), 0);
        for (unsigned k = 0; k < 4 && windows[i].spans[k].state != 0; k++) {
            unsigned char key[DB_KEY_MAX];

            buf_clear(&b);
            served_record_write(&b, &(struct served_record){ .state = windows[i].spans[k].state, .until_us = windows[i].spans[k].until_s * SECOND });
            tx_put(tx, TABLE_SERVED, db_key_u64(key, windows[i].spans[k].from_s * SECOND), buf_slice(&b), 0);
        }
        assert_int_equal(tx_commit(tx, &failed), MT_OK);
        tx_free(tx);
        assert_int_equal(store_view(&sv->store, &v), MT_OK);
        assert_rc(windows[i].label, served_refused_us(&v, windows[i].from_s * SECOND, windows[i].to_s * SECOND, &refused_us), MT_OK);
        db_view_end(&v);
        if (refused_us != windows[i].refused_s * SECOND)
            fail_msg("%s: %llu us", windows[i].label, (unsigned long long)refused_us);
    }
    buf_fini(&b);
}

static void
half_a_minute_or_a_tenth_is_a_cause(void **state)
{
    (void)state;
    assert_false(served_is_cause(0, 0));
    assert_false(served_is_cause(0, 5 * SECOND));
    assert_true(served_is_cause(30 * SECOND, 86400 * SECOND));
    assert_false(served_is_cause(30 * SECOND - 1, 86400 * SECOND));
    assert_true(served_is_cause(6 * SECOND, 60 * SECOND));
    assert_false(served_is_cause(6 * SECOND - 1, 60 * SECOND));
}

/* ---- How it is kept ---- */

struct kept {
    unsigned          count;
    uint64_t          from_us[16], until_us[16];
    enum served_state state[16];
    unsigned          listeners[16];
};

static struct kept
kept(struct store_service *sv)
{
    struct kept    k = { 0 };
    struct db_view v;
    MDB_cursor    *c;
    MDB_val        key, data;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(mdb_cursor_open(v.txn, db_table(sv->store.db, TABLE_SERVED), &c), 0);
    while (mdb_cursor_get(c, &key, &data, MDB_NEXT) == 0) {
        struct served_listener l;
        struct served_record   s;
        struct reader          r;

        assert_true(k.count < 16);
        assert_rc("record", served_record_read(slice_make(data.mv_data, data.mv_size), &s), MT_OK);
        k.from_us[k.count] = get_u64(key.mv_data);
        k.until_us[k.count] = s.until_us;
        k.state[k.count] = s.state;
        reader_init(&r, s.listeners);
        while (served_listener_next(&r, &l))
            k.listeners[k.count]++;
        k.count++;
    }
    mdb_cursor_close(c);
    db_view_end(&v);
    return k;
}

static void
ahead(struct store_service *sv, int64_t s)
{
    sv->store.clock_ahead_us += s * 1000000;
}

static void
each_change_begins_a_span_where_the_one_before_ends(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c;
    struct kept           k;

    service_add_mailbox(sv, "acme");
    c = receiver_connect(sv);
    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    ahead(sv, 60);
    receiver_tells(sv, c, LISTEN_LMTP, "unix:/run/lmtp", true);
    receiver_tells(sv, c, LISTEN_LMTP, "unix:/run/lmtp", true);     /* nothing new */
    ahead(sv, 60);
    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", false);
    ahead(sv, 60);
    channel_free(c);
    service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.count, 5);
    assert_int_equal(k.state[0], SERVED_NO_LISTENER);
    assert_int_equal(k.state[1], SERVED_SERVING);
    assert_int_equal(k.listeners[1], 1);
    assert_int_equal(k.listeners[2], 2);
    assert_int_equal(k.listeners[3], 1);
    assert_int_equal(k.state[3], SERVED_SERVING);
    assert_int_equal(k.state[4], SERVED_NO_LISTENER);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(k.until_us[i - 1], k.from_us[i]);
    assert_int_equal(uptime_since_us(sv->store.uptime), 0);
}

static void
two_processes_with_one_listener_serve_until_both_are_gone(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv), *d;
    int                   fds[2];
    struct kept           k;

    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, ROLE_SMTPD, 8, fds[0]), MT_OK);
    d = channel_new(sv->base, fds[1], 1 << 20, service_hear, service_closed, sv);
    receiver_tells(sv, d, LISTEN_SMTP, "0.0.0.0:25", true);
    k = kept(sv);
    assert_int_equal(k.listeners[k.count - 1], 1);
    channel_free(c);
    service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.state[k.count - 1], SERVED_SERVING);
    assert_int_equal(k.listeners[k.count - 1], 1);
    channel_free(d);
    service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.state[k.count - 1], SERVED_NO_LISTENER);
}

static void
what_goes_on_is_noted_along_with_commits(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv);
    struct kept           before, after;

    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    before = kept(sv);
    ahead(sv, 3);
    service_add_mailbox(sv, "soon");        /* too early for another note */
    after = kept(sv);
    assert_int_equal(after.until_us[after.count - 1], before.until_us[before.count - 1]);
    ahead(sv, 3);
    service_add_mailbox(sv, "later");
    after = kept(sv);
    assert_int_equal(after.count, before.count);
    assert_in_range(after.until_us[after.count - 1], before.until_us[before.count - 1] + 6 * SECOND, before.until_us[before.count - 1] + 9 * SECOND);
    channel_free(c);
}

static void
a_stop_is_noted_and_the_time_until_the_next_start_is_not_served(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv);
    struct kept           k;
    struct db_view        v;
    uint64_t              refused_us, from_us, stopped_us;

    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    from_us = store_now_us(&sv->store);
    ahead(sv, 100);
    stopped_us = store_now_us(&sv->store);
    store_close(&sv->store);
    channel_free(c);
    assert_rc("start", service_start(sv), MT_OK);
    sv->store.clock_ahead_us = 250 * INT64_C(1000000);
    c = receiver_connect(sv);
    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    ahead(sv, 20);
    service_add_mailbox(sv, "acme");
    k = kept(sv);
    assert_in_range(k.until_us[0], stopped_us, stopped_us + SECOND);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("window", served_refused_us(&v, from_us, from_us + 260 * SECOND, &refused_us), MT_OK);
    db_view_end(&v);
    assert_in_range(refused_us, 148 * SECOND, 152 * SECOND);
    channel_free(c);
}

static void
a_full_store_takes_no_mail(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv);
    struct kept           k;

    receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", true);
    room_failed(sv->store.room, MT_EFULL, false);
    service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.state[k.count - 1], SERVED_FULL);
    assert_int_equal(k.until_us[k.count - 2], k.from_us[k.count - 1]);
    room_look(sv->store.room);
    service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.state[k.count - 1], SERVED_SERVING);
    channel_free(c);
}

static void
old_spans_expire_and_the_last_one_stays(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv);
    struct db_view        v;
    struct kept           k;

    for (unsigned i = 0; i < 3; i++) {
        receiver_tells(sv, c, LISTEN_SMTP, "0.0.0.0:25", i % 2 == 0);
        ahead(sv, 60);
    }
    assert_int_equal(kept(sv).count, 3);
    ahead(sv, 91 * 86400);
    expire_look(sv->store.expire);
    for (unsigned i = 0; i < 50; i++)
        service_settle(sv);
    k = kept(sv);
    assert_int_equal(k.count, 1);
    assert_int_equal(k.state[0], SERVED_SERVING);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_false(uptime_is_due(&v, UINT64_MAX));
    db_view_end(&v);
    channel_free(c);
}

static void
what_no_receiver_would_say_ends_its_channel(void **state)
{
    struct store_service *sv = *state;
    struct channel       *c = receiver_connect(sv);

    receiver_tells(sv, c, LISTEN_HTTP, "0.0.0.0:80", true);
    assert_true(sv->closed);
    assert_int_equal(uptime_since_us(sv->store.uptime), 0);
    channel_free(c);
}

int
main(void)
{
#define UPTIME_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        UPTIME_TEST(the_log_tells_how_long_nobody_took_mail),
        cmocka_unit_test(half_a_minute_or_a_tenth_is_a_cause),
        UPTIME_TEST(each_change_begins_a_span_where_the_one_before_ends),
        UPTIME_TEST(two_processes_with_one_listener_serve_until_both_are_gone),
        UPTIME_TEST(what_goes_on_is_noted_along_with_commits),
        UPTIME_TEST(a_stop_is_noted_and_the_time_until_the_next_start_is_not_served),
        UPTIME_TEST(a_full_store_takes_no_mail),
        UPTIME_TEST(old_spans_expire_and_the_last_one_stays),
        UPTIME_TEST(what_no_receiver_would_say_ends_its_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
