/* What checks came to, in the store: sums that are exact whatever is replaced, expiry, removal, and what verify and salvage make of it. */

#include "tests/unit/store_service.h"

#include "lib/db_result.h"
#include "lib/db_salvage.h"
#include "lib/db_verify.h"

#define MINUTE_US (UINT64_C(60) * 1000000)

/* The beginning of the hour before the one in which the test began. */
static uint64_t
hour_us(struct store_service *sv)
{
    static uint64_t begun_us;

    if (begun_us == 0)
        begun_us = store_now_us(&sv->store);
    return (begun_us / HOUR_US - 1) * HOUR_US;
}

/* ---- Posting, as lookup does ---- */

static struct buf       items;
static uint32_t         item_count;

static void
add_item(uint32_t mailbox_id, const char *check, const struct result_record *r)
{
    struct buf record;

    buf_init(&record, RESULT_BYTES_MAX);
    result_record_write(&record, r);
    write_u32(&items, mailbox_id);
    write_string(&items, check);
    write_bytes(&items, buf_slice(&record));
    buf_fini(&record);
    item_count++;
}

/* Posts what was added; the words of store are in sv->answer. */
static int
post(struct store_service *sv, bool scoped)
{
    struct slice octets = buf_slice(&items);
    struct buf   fields;
    int          rc, fd = -1;

    if (octets.len > MSG_INLINE_BODY_BYTES) {
        fd = service_memfd(octets);
        octets = slice_make(NULL, 0);
    }
    buf_init(&fields, MSG_MAX_BYTES);
    write_u8(&fields, scoped);
    write_u32(&fields, item_count);
    write_u64(&fields, items.len);
    write_bytes(&fields, octets);
    service_connect(sv, ROLE_LOOKUP);
    rc = service_ask(sv, MSG_RESULTS, buf_slice(&fields), fd);
    buf_fini(&fields);
    buf_fini(&items);
    item_count = 0;
    if (!sv->closed) {
        struct buf kept = sv->answer;       /* connecting again does not touch it, asking does */

        service_connect(sv, ROLE_CTL);
        sv->answer = kept;
    }
    return rc;
}

static struct result_record
run_at(uint64_t started_us, enum result_state state, uint64_t total_us)
{
    return (struct result_record){ .started_us = started_us, .took_us = total_us, .received_us = started_us, .state = state,
                                   .verdict = slice_of(state == RESULT_OK ? "arrived" : "not-sent"), .times_count = state == RESULT_OK ? 1 : 0,
                                   .times = { { "total", total_us } }, .document = slice_of("{\"a\":1}"), .document_bytes = 7 };
}

static enum result_done
post_one(struct store_service *sv, uint32_t mailbox_id, const char *check, uint64_t started_us, enum result_state state, uint64_t total_us)
{
    const struct result_record r = run_at(started_us, state, total_us);

    add_item(mailbox_id, check, &r);
    assert_rc("post", post(sv, false), MT_OK);
    assert_int_equal(sv->answer.len, 1);
    return (enum result_done)sv->answer.data[0];
}

/* ---- Looking ---- */

static void
get_check(struct store_service *sv, const char *name, struct check_record *out)
{
    struct db_view v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc(name, db_check_anywhere(&v, slice_of(name), out), MT_OK);
    db_view_end(&v);
}

/* As the timer does each second; then until nothing is left to do. */
static void
look(struct store_service *sv)
{
    expire_look(sv->store.expire);
    for (unsigned i = 0; i < 100; i++)
        service_settle(sv);
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

static uint64_t
problems(struct store_service *sv)
{
    struct db_verify_counts counts;
    char                    dir[100];

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    assert_rc("verify", db_verify(&(struct db_options){ .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 }, say, NULL, &counts), MT_OK);
    assert_rc("start again", service_start(sv), MT_OK);
    return counts.problems;
}

/* ---- Sums ---- */

/*
 * Thousands of runs of a few checks in a random order, many of which are posted again with other times. Verify counts each hour anew from its runs.
 */
static void
sums_are_exact_whatever_is_replaced(void **state)
{
    struct store_service *sv = *state;
    uint64_t              base = hour_us(sv) - 3 * HOUR_US;
    uint32_t              seed = 4711, replaced = 0;
    struct check_record   c;

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 200; i++) {
            struct result_record r;
            char                 name[16];

            seed = seed * 1664525u + 1013904223u;
            snprintf(name, sizeof(name), "check-%u", (seed >> 8) % 5);
            r = run_at(base + (seed >> 12) % 240 * MINUTE_US, (seed >> 20) % 7 == 0 ? RESULT_CRITICAL : RESULT_OK, (seed >> 9) % 5000000);
            add_item(0, name, &r);
        }
        assert_rc("post", post(sv, false), MT_OK);
        assert_int_equal(sv->answer.len, 200);
        for (unsigned i = 0; i < 200; i++)
            replaced += sv->answer.data[i] == RESULT_REPLACED;
    }
    assert_true(replaced > 1000);
    get_check(sv, "check-0", &c);
    assert_true(c.runs == c.results && c.states[RESULT_OK] + c.states[RESULT_CRITICAL] == c.runs && c.sums == 4);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + replaced, 4000);
    assert_int_equal(problems(sv), 0);
}

/* A sum that is not what its runs are is found: the test before would show nothing else. */
static void
verify_finds_a_sum_that_is_wrong(void **state)
{
    struct store_service *sv = *state;
    unsigned char         key[DB_KEY_MAX];
    struct check_record   c;
    struct result_sum     s;
    struct db_view        v;
    struct tx            *tx;
    struct buf           *b;
    uint32_t              hour = result_hour(hour_us(sv));
    bool                  failed;

    assert_int_equal(post_one(sv, 0, "a", hour_us(sv) + 1, RESULT_OK, 5), RESULT_STORED);
    get_check(sv, "a", &c);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("sum", db_result_sum(&v, c.id, hour, &s), MT_OK);
    db_view_end(&v);
    assert_int_equal(problems(sv), 0);
    s.total.max_us++;
    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    b = tx_scratch(tx);
    result_sum_write(b, &s);
    tx_put(tx, TABLE_RESULT_SUM, db_key_result_sum(key, c.id, hour), buf_slice(b), 0);
    tx_delete(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT, hour, c.id));
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
    assert_int_equal(problems(sv), 2);      /* the sum, and a run that would never expire */
    /* Counted anew when a run of the hour is replaced. */
    assert_int_equal(post_one(sv, 0, "a", hour_us(sv) + 1, RESULT_OK, 6), RESULT_REPLACED);
    assert_int_equal(problems(sv), 1);
    /* And what would never expire does so with the sum. */
    sv->store.clock_ahead_us = (int64_t)(731 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + rows_in(sv, TABLE_RESULT_SUM) + rows_in(sv, TABLE_CHECK) + rows_in(sv, TABLE_EXPIRY), 0);
}

static void
since_follows_what_comes_late(void **state)
{
    struct store_service *sv = *state;
    uint64_t              base = hour_us(sv);
    struct check_record   c;

    for (unsigned i = 0; i < 5; i++)
        post_one(sv, 0, "a", base + (10 + i) * MINUTE_US, i == 0 ? RESULT_OK : RESULT_CRITICAL, 5);
    get_check(sv, "a", &c);
    assert_true(c.state == RESULT_CRITICAL && c.since_us == base + 11 * MINUTE_US && c.last_us == base + 14 * MINUTE_US);
    post_one(sv, 0, "a", base + 12 * MINUTE_US + 1, RESULT_WARNING, 5);
    get_check(sv, "a", &c);
    assert_true(c.since_us == base + 13 * MINUTE_US && c.last_us == base + 14 * MINUTE_US);
    assert_slice("verdict", c.verdict, "not-sent");
    post_one(sv, 0, "a", base + 14 * MINUTE_US, RESULT_OK, 5);
    get_check(sv, "a", &c);
    assert_true(c.state == RESULT_OK && c.since_us == base + 14 * MINUTE_US && c.runs == 6);
    assert_int_equal(sv->store.checks[RESULT_OK], 1);
    assert_int_equal(sv->store.checks[RESULT_CRITICAL], 0);
    /* As after a restart. */
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
    assert_int_equal(sv->store.checks[RESULT_OK], 1);
}

/* ---- Retention ---- */

static void
runs_go_first_then_their_sums_then_the_check(void **state)
{
    struct store_service *sv = *state;
    uint64_t              base = hour_us(sv);
    struct check_record   c;

    sv->config.retention.expire_step = 3;       /* not all in one transaction */
    for (unsigned i = 0; i < 20; i++)
        post_one(sv, 0, "a", base + i * MINUTE_US, RESULT_OK, 5);
    sv->store.clock_ahead_us = (int64_t)(89 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT), 20);
    sv->store.clock_ahead_us = (int64_t)(91 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT), 0);
    get_check(sv, "a", &c);
    assert_true(c.results == 0 && c.bytes == 0 && c.sums == 1 && c.runs == 20 && c.state == RESULT_OK);
    assert_int_equal(problems(sv), 0);
    sv->store.clock_ahead_us = (int64_t)(91 * DAY_US);
    /* What has expired is not counted twice. */
    assert_int_equal(post_one(sv, 0, "a", base + 3 * MINUTE_US, RESULT_OK, 5), RESULT_TOO_OLD);
    sv->config.retention.result_days = 3000;
    assert_int_equal(post_one(sv, 0, "a", base + 3 * MINUTE_US, RESULT_OK, 5), RESULT_TOO_OLD);
    sv->config.retention.result_days = 90;
    sv->store.clock_ahead_us = (int64_t)(731 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT_SUM), 0);
    assert_int_equal(rows_in(sv, TABLE_CHECK) + rows_in(sv, TABLE_CHECK_NAME) + rows_in(sv, TABLE_EXPIRY), 0);
    assert_int_equal(sv->store.checks[RESULT_OK], 0);
}

/* A sum never goes before its runs, whatever the settings say. */
static void
sums_stay_as_long_as_their_runs(void **state)
{
    struct store_service *sv = *state;

    sv->config.retention.result_sum_days = 1;
    post_one(sv, 0, "a", hour_us(sv), RESULT_OK, 5);
    sv->store.clock_ahead_us = (int64_t)(80 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + rows_in(sv, TABLE_RESULT_SUM), 2);
    sv->store.clock_ahead_us = (int64_t)(92 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + rows_in(sv, TABLE_RESULT_SUM) + rows_in(sv, TABLE_CHECK), 0);
}

static void
the_oldest_go_where_there_are_too_many(void **state)
{
    struct store_service *sv = *state;
    uint64_t              base = hour_us(sv) - 2 * HOUR_US;
    struct check_record   c;

    sv->config.retention.result_count = 50;
    for (unsigned i = 0; i < 170; i++)
        post_one(sv, 0, "a", base + i * MINUTE_US, RESULT_OK, 5);
    get_check(sv, "a", &c);
    assert_true(c.results >= 50 && c.results <= 60 && c.runs == 170 && c.sums == 3);
    /* Never one of the hour that is written to. */
    sv->config.retention.result_count = 1;
    post_one(sv, 0, "a", base + 170 * MINUTE_US, RESULT_OK, 5);
    for (unsigned i = 0; i < 60; i++)
        post_one(sv, 0, "a", base + 171 * MINUTE_US, RESULT_OK, 5);
    get_check(sv, "a", &c);
    assert_true(c.results >= 51 && c.closed_us <= base + 2 * HOUR_US);
    assert_int_equal(problems(sv), 0);
}

/* ---- Removing ---- */

static void
a_check_goes_with_all_that_is_of_it(void **state)
{
    struct store_service *sv = *state;
    struct reader         r;
    uint32_t              deleted;

    sv->config.retention.expire_step = 3;
    for (unsigned i = 0; i < 30; i++) {
        post_one(sv, 0, "a", hour_us(sv) - i * 10 * MINUTE_US, RESULT_OK, 5);
        post_one(sv, 0, "b", hour_us(sv) - i * 10 * MINUTE_US, RESULT_OK, 5);
    }
    assert_rc("delete", service_call(sv, MSG_CHECK_DELETE, "ss", "", "a"), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &deleted);
    assert_int_equal(deleted, 30);
    assert_rc("it has gone", service_call(sv, MSG_CHECK_SHOW, "ssU", "", "a", UINT64_C(0)), MT_ENOTFOUND);
    /* A new one of its name has nothing of the old one, also while that is being removed. */
    post_one(sv, 0, "a", hour_us(sv), RESULT_CRITICAL, 5);
    assert_int_equal(problems(sv), 0);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT), 31);
    assert_int_equal(rows_in(sv, TABLE_RESULT_SUM), rows_in(sv, TABLE_EXPIRY) / 2);
    assert_int_equal(problems(sv), 0);
}

static void
a_mailbox_takes_its_checks_with_it(void **state)
{
    struct store_service *sv = *state;

    service_add_mailbox(sv, "acme");
    for (unsigned i = 0; i < 40; i++)
        post_one(sv, 3, i % 2 == 0 ? "a" : "b", hour_us(sv) - i * MINUTE_US, RESULT_OK, 5);
    post_one(sv, 0, "a", hour_us(sv), RESULT_OK, 5);
    assert_rc("two of that name", service_call(sv, MSG_CHECK_SHOW, "ssU", "", "a", UINT64_C(0)), MT_EEXIST);
    assert_rc("one of the mailbox", service_call(sv, MSG_CHECK_SHOW, "ssU", "acme", "a", UINT64_C(0)), MT_OK);
    assert_rc("one of none", service_call(sv, MSG_CHECK_SHOW, "ssU", "-", "a", UINT64_C(0)), MT_OK);
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    assert_int_equal(post_one(sv, 3, "a", hour_us(sv) + 1, RESULT_OK, 5), RESULT_NO_MAILBOX);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT), 1);
    assert_int_equal(rows_in(sv, TABLE_CHECK), 1);
    assert_int_equal(sv->store.checks[RESULT_OK], 1);
    assert_int_equal(problems(sv), 0);
}

/* ---- Bounds ---- */

static void
an_hour_and_a_key_have_bounds(void **state)
{
    struct store_service *sv = *state;
    struct result_record  r = run_at(hour_us(sv), RESULT_OK, 5);
    char                  name[32];

    for (unsigned i = 0; i <= RESULTS_AN_HOUR; i++) {
        r.started_us = hour_us(sv) + i;
        add_item(0, "a", &r);
        if (item_count == RESULTS_A_POST || i == RESULTS_AN_HOUR)
            assert_rc("post", post(sv, false), MT_OK);
    }
    assert_int_equal(sv->answer.data[sv->answer.len - 2], RESULT_STORED);
    assert_int_equal(sv->answer.data[sv->answer.len - 1], RESULT_HOUR_FULL);
    service_add_mailbox(sv, "acme");
    for (unsigned i = 0; i <= CHECKS_OF_A_KEY; i++) {
        snprintf(name, sizeof(name), "check-%u", i);
        add_item(3, name, &r);
        if (item_count == RESULTS_A_POST || i == CHECKS_OF_A_KEY)
            assert_rc("post", post(sv, true), MT_OK);
    }
    assert_int_equal(sv->answer.data[sv->answer.len - 1], RESULT_CHECKS_FULL);
    add_item(3, name, &r);
    assert_rc("post", post(sv, false), MT_OK);      /* the operator's key */
    assert_int_equal(sv->answer.data[0], RESULT_STORED);
}

/* A store that results have filled as far as they may still takes mail. */
static void
results_leave_room_for_mail(void **state)
{
    static char          text[60000];
    struct store_service *sv = *state;
    struct result_record  r = run_at(hour_us(sv), RESULT_OK, 5);
    int                   rc = MT_OK;

    service_add_mailbox(sv, "acme");
    service_stop(sv);
    sv->config.store.map_bytes = 16 << 20;
    assert_rc("start", service_start(sv), MT_OK);
    memset(text, 'x', sizeof(text));
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + sizeof(text) - 2, "\"}", 2);
    r.document = slice_make(text, sizeof(text));
    for (unsigned i = 0; i < 500 && rc == MT_OK; i++) {
        r.started_us++;
        add_item(0, "a", &r);
        rc = post(sv, false);
    }
    assert_rc("results", rc, MT_EFULL);
    assert_false(sv->closed);
    assert_rc("mail", service_deliver(sv, "acme", NULL, slice_of("Subject: x\r\n\r\nbody\r\n"), NULL), MT_OK);
    assert_rc("less room", service_call(sv, MSG_CHECK_DELETE, "ss", "", "a"), MT_OK);
    look(sv);
    assert_int_equal(post_one(sv, 0, "a", hour_us(sv), RESULT_OK, 5), RESULT_STORED);
}

/* What lookup should not send costs it its channel. */
static void
a_post_that_breaks_the_protocol_is_thrown_out(void **state)
{
    struct store_service *sv = *state;
    struct result_record  r = run_at(hour_us(sv), RESULT_OK, 5);

    add_item(0, "not a name", &r);
    assert_rc("a name", post(sv, false), MT_EPROTO);
    r.took_us = UINT64_MAX;
    add_item(0, "a", &r);
    assert_rc("a time", post(sv, false), MT_EPROTO);
    r = run_at(hour_us(sv) + 5 * DAY_US, RESULT_OK, 5);
    add_item(0, "a", &r);
    assert_rc("the future", post(sv, false), MT_EPROTO);
    r = run_at(hour_us(sv), RESULT_OK, 5);
    add_item(0, "a", &r);
    items.data[items.len - 1] ^= 1;
    assert_rc("a record", post(sv, false), MT_EPROTO);
    add_item(0, "a", &r);
    item_count++;
    assert_rc("fewer than it says", post(sv, false), MT_EPROTO);
    assert_rc("none", post(sv, false), MT_EPROTO);
    service_connect(sv, ROLE_CTL);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + rows_in(sv, TABLE_CHECK), 0);
}

/* ---- Damage ---- */

static void
damage(struct store_service *sv, enum table table, struct slice key)
{
    struct tx *tx;
    bool       failed;

    assert_int_equal(tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, table, key, slice_of("this is no record at all"), 0);
    assert_int_equal(tx_commit(tx, &failed), MT_OK);
    tx_free(tx);
}

/* A check that is damaged is in nobody's way: neither the others' results nor mail wait for it. */
static void
a_damaged_check_stops_nothing(void **state)
{
    struct store_service *sv = *state;
    unsigned char         key[DB_KEY_MAX];
    struct check_record   c;

    post_one(sv, 0, "a", hour_us(sv), RESULT_OK, 5);
    get_check(sv, "a", &c);
    damage(sv, TABLE_CHECK, db_key_u32(key, c.id));
    assert_int_equal(post_one(sv, 0, "a", hour_us(sv) + 1, RESULT_OK, 5), RESULT_CHECK_DAMAGED);
    assert_int_equal(post_one(sv, 0, "b", hour_us(sv), RESULT_OK, 5), RESULT_STORED);
    assert_rc("it is told", service_call(sv, MSG_CHECK_LIST, "s", ""), MT_EDAMAGED);
    assert_int_equal(sv->row_count, 1);
    sv->store.clock_ahead_us = (int64_t)(800 * DAY_US);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_RESULT) + rows_in(sv, TABLE_RESULT_SUM) + rows_in(sv, TABLE_EXPIRY), 0);
}

static void
on_line(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* What is whole is taken over, and fits together. */
static void
salvage_takes_what_is_whole(void **state)
{
    struct store_service    *sv = *state;
    unsigned char            key[DB_KEY_MAX];
    char                     path[128], dir[100], to[64];
    struct db_options        options;
    struct db_salvage_counts counts;
    struct db_verify_counts  verified;
    struct check_record      a, b;
    uint32_t                 hour = result_hour(hour_us(sv));
    int                      fd;

    for (unsigned i = 0; i < 20; i++) {
        post_one(sv, 0, "a", hour_us(sv) + i * MINUTE_US, RESULT_OK, 5 + i);
        post_one(sv, 0, "b", hour_us(sv) + i * MINUTE_US, RESULT_OK, 5);
    }
    get_check(sv, "a", &a);
    get_check(sv, "b", &b);
    damage(sv, TABLE_RESULT, db_key_result(key, a.id, hour_us(sv) + 19 * MINUTE_US));
    damage(sv, TABLE_RESULT_SUM, db_key_result_sum(key, a.id, hour));
    damage(sv, TABLE_CHECK, db_key_u32(key, b.id));
    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    service_make_folder(to);
    snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE);
    fd = open(path, O_RDONLY);
    assert_true(fd != -1);
    options = (struct db_options){ .dir = to, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 };
    assert_rc("salvage", db_salvage(fd, &options, on_line, NULL, &counts), MT_OK);
    close(fd);
    assert_rc("verify", db_verify(&options, say, NULL, &verified), MT_OK);
    assert_int_equal(verified.problems, 0);
    assert_int_equal(verified.checks, 1);
    assert_int_equal(verified.results, 19);
    service_remove_folder(to);
    assert_rc("start", service_start(sv), MT_OK);
}

int
main(void)
{
#define RESULT_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        RESULT_TEST(sums_are_exact_whatever_is_replaced),
        RESULT_TEST(verify_finds_a_sum_that_is_wrong),
        RESULT_TEST(since_follows_what_comes_late),
        RESULT_TEST(runs_go_first_then_their_sums_then_the_check),
        RESULT_TEST(sums_stay_as_long_as_their_runs),
        RESULT_TEST(the_oldest_go_where_there_are_too_many),
        RESULT_TEST(a_check_goes_with_all_that_is_of_it),
        RESULT_TEST(a_mailbox_takes_its_checks_with_it),
        RESULT_TEST(an_hour_and_a_key_have_bounds),
        RESULT_TEST(results_leave_room_for_mail),
        RESULT_TEST(a_post_that_breaks_the_protocol_is_thrown_out),
        RESULT_TEST(a_damaged_check_stops_nothing),
        RESULT_TEST(salvage_takes_what_is_whole),
    };

    buf_init(&items, 64 * 1024 * 1024);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
