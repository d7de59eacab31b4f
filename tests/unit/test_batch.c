#include "tests/unit/store_service.h"

#include "store/batch.h"

enum { OPS_MAX = 64 };

struct bench {
    char               dir[64];
    struct event_base *base;
    struct db         *db, *given;      /* given to the batch: NULL while it "has failed" */
    struct batch      *batch;
    struct batch_limits limits;
    bool               has_room;
    unsigned           runs, commits, failures, piggybacks;
    int                failed_rc;
    unsigned           told[OPS_MAX];   /* ids in the order of done() */
    int                told_rc[OPS_MAX];
    unsigned           told_count;
    unsigned           told_at_commit;  /* told_count when the commit hook was called */
};

/* Writes its id as a key, or fails as its test says. */
struct op {
    struct batch_op op;
    struct bench   *bench;
    unsigned        id;
    int             own_error;          /* returned before anything is written */
    int             fault;              /* of the transaction */
    bool            only_once;          /* the fault */
    struct op      *follow;             /* queued when this one is done */
};

static struct db *
hook_db(void *arg)
{
    return ((struct bench *)arg)->given;
}

static bool
hook_has_room(void *arg)
{
    return ((struct bench *)arg)->has_room;
}

static void
hook_piggyback(void *arg, struct tx *tx)
{
    (void)tx;
    ((struct bench *)arg)->piggybacks++;
}

static void
hook_committed(void *arg, struct tx *tx)
{
    struct bench *b = arg;

    (void)tx;
    b->commits++;
    b->told_at_commit = b->told_count;
}

static int
hook_failed(void *arg, int rc, bool file_failed)
{
    struct bench *b = arg;

    (void)file_failed;
    b->failures++;
    b->failed_rc = rc;
    return rc;
}

static uint64_t
hook_now_us(void *arg)
{
    (void)arg;
    return UINT64_C(1795233000000000);
}

static int
run(struct batch_op *op, struct tx *tx)
{
    struct op    *o = (struct op *)op;
    unsigned char key[4];

    o->bench->runs++;
    if (o->own_error != MT_OK)
        return o->own_error;
    tx_put(tx, TABLE_RESULT, db_key_u32(key, o->id), slice_of("x"), 0);
    if (o->fault != MT_OK && (!o->only_once || o->bench->failures == 0))
        tx_fail(tx, o->fault);
    return tx_fault(tx);
}

static void
done(struct batch_op *op, int rc)
{
    struct op    *o = (struct op *)op;
    struct bench *b = o->bench;

    b->told[b->told_count] = o->id;
    b->told_rc[b->told_count++] = rc;
    if (o->follow != NULL)
        batch_add(b->batch, &o->follow->op);
    free(o);
}

static struct op *
make_op(struct bench *b, unsigned id)
{
    struct op *o = calloc(1, sizeof(*o));

    assert_non_null(o);
    *o = (struct op){ .op = { .run = run, .done = done, .bytes = 100, .grows = true }, .bench = b, .id = id };
    return o;
}

static struct op *
add(struct bench *b, unsigned id)
{
    struct op *o = make_op(b, id);

    batch_add(b->batch, &o->op);
    return o;
}

static void
settle(struct bench *b)
{
    for (unsigned i = 0; i < 10; i++)
        event_base_loop(b->base, EVLOOP_NONBLOCK);
}

static bool
is_stored(struct bench *b, unsigned id)
{
    unsigned char  key[4];
    struct slice   value;
    struct db_view v;
    int            rc;

    assert_int_equal(db_view_begin(b->db, &v), MT_OK);
    rc = db_get(&v, TABLE_RESULT, db_key_u32(key, id), &value);
    db_view_end(&v);
    return rc == MT_OK;
}

static int
setup(void **state)
{
    struct bench           *b = calloc(1, sizeof(*b));
    const struct batch_hooks hooks = { hook_db, hook_has_room, hook_piggyback, hook_committed, hook_failed, hook_now_us, b };
    struct db_options       options = { .map_bytes = 16 << 20, .readers_max = 8 };

    assert_non_null(b);
    service_make_folder(b->dir);
    options.dir = b->dir;
    assert_rc("open", db_open(&options, &b->db), MT_OK);
    b->given = b->db;
    b->has_room = true;
    b->base = event_base_new();
    assert_int_equal(event_base_priority_init(b->base, 2), 0);
    b->limits = (struct batch_limits){ .messages_max = 10, .bytes_max = 1000000 };
    b->batch = batch_new(b->base, &hooks, &b->limits);
    assert_non_null(b->batch);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;

    batch_free(b->batch);
    event_base_free(b->base);
    db_close(b->db);
    service_remove_folder(b->dir);
    free(b);
    return 0;
}

static void
what_is_queued_in_one_turn_is_one_commit(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 5; i++)
        add(b, i);
    assert_int_equal(b->runs, 0);
    assert_int_equal(b->told_count, 0);
    settle(b);
    assert_int_equal(b->commits, 1);
    assert_int_equal(b->told_count, 5);
    assert_int_equal(b->told_at_commit, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(b->told[i], i);
        assert_rc("told", b->told_rc[i], MT_OK);
        assert_true(is_stored(b, i));
    }
    assert_int_equal(batch_stats(b->batch)->last_ops, 5);
}

static void
an_error_of_ones_own_concerns_nobody_else(void **state)
{
    struct bench *b = *state;

    add(b, 0);
    add(b, 1)->own_error = MT_EQUOTA;
    add(b, 2);
    settle(b);
    assert_int_equal(b->commits, 1);
    assert_rc("first", b->told_rc[0], MT_OK);
    assert_rc("second", b->told_rc[1], MT_EQUOTA);
    assert_rc("third", b->told_rc[2], MT_OK);
    assert_true(is_stored(b, 0) && !is_stored(b, 1) && is_stored(b, 2));
}

static void
a_full_store_refuses_what_grows_and_does_the_rest(void **state)
{
    struct bench *b = *state;
    struct op    *deletion;

    add(b, 0);
    add(b, 1)->fault = MT_EFULL;
    deletion = make_op(b, 2);
    deletion->op.grows = false;
    batch_add(b->batch, &deletion->op);
    add(b, 3)->own_error = MT_ENOTFOUND;
    settle(b);
    assert_int_equal(b->failures, 1);
    assert_rc("failed", b->failed_rc, MT_EFULL);
    assert_int_equal(b->commits, 1);
    assert_rc("written before the fault", b->told_rc[0], MT_EFULL);
    assert_rc("at fault", b->told_rc[1], MT_EFULL);
    assert_rc("deletion", b->told_rc[2], MT_OK);
    assert_rc("not reached", b->told_rc[3], MT_EFULL);
    assert_true(!is_stored(b, 0) && !is_stored(b, 1) && is_stored(b, 2));
}

static void
a_deletion_that_found_no_room_is_tried_again_without_the_rest(void **state)
{
    struct bench *b = *state;
    struct op    *deletion = make_op(b, 1);

    add(b, 0);
    deletion->op.grows = false;
    deletion->fault = MT_EFULL;
    deletion->only_once = true;
    batch_add(b->batch, &deletion->op);
    settle(b);
    assert_rc("grows", b->told_rc[0], MT_EFULL);
    assert_rc("deletion", b->told_rc[1], MT_OK);
    assert_true(!is_stored(b, 0) && is_stored(b, 1));
}

static void
without_room_nothing_that_grows_is_tried(void **state)
{
    struct bench *b = *state;
    struct op    *deletion = make_op(b, 1);

    b->has_room = false;
    add(b, 0);
    deletion->op.grows = false;
    batch_add(b->batch, &deletion->op);
    settle(b);
    assert_int_equal(b->runs, 1);
    assert_rc("grows", b->told_rc[0], MT_EFULL);
    assert_rc("deletion", b->told_rc[1], MT_OK);
    b->has_room = true;
    add(b, 2);
    settle(b);
    assert_rc("room again", b->told_rc[2], MT_OK);
}

static void
a_failed_transaction_refuses_all_and_changes_nothing(void **state)
{
    struct bench *b = *state;

    add(b, 0);
    add(b, 1)->fault = MT_EIO;
    add(b, 2);
    settle(b);
    assert_int_equal(b->commits, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_rc("told", b->told_rc[i], MT_EIO);
        assert_false(is_stored(b, i));
    }
}

static void
without_a_database_all_is_refused(void **state)
{
    struct bench *b = *state;

    b->given = NULL;
    add(b, 0);
    settle(b);
    assert_rc("gone", b->told_rc[0], MT_EIO);
    b->given = b->db;
    add(b, 1);
    settle(b);
    assert_rc("back", b->told_rc[1], MT_OK);
}

static void
limits_split_what_waits(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 25; i++) {
        add(b, i);
        assert_true(i < 9 || batch_is_full(b->batch));
    }
    settle(b);
    assert_int_equal(b->commits, 3);
    assert_int_equal(b->told_count, 25);
    b->limits.bytes_max = 250;
    batch_set_limits(b->batch, &b->limits);
    for (unsigned i = 25; i < 30; i++)
        add(b, i);
    settle(b);
    assert_int_equal(b->commits, 6);
    add(b, 30)->op.bytes = 5000;
    settle(b);
    assert_rc("one over the limit goes alone", b->told_rc[30], MT_OK);
}

static void
a_caller_can_commit_at_once(void **state)
{
    struct bench *b = *state;

    add(b, 0);
    batch_commit(b->batch);
    assert_int_equal(b->told_count, 1);
    settle(b);
    assert_int_equal(b->commits, 1);
}

static void
what_is_queued_by_an_answer_is_in_the_next_commit(void **state)
{
    struct bench *b = *state;

    add(b, 0)->follow = make_op(b, 1);
    settle(b);
    assert_int_equal(b->commits, 2);
    assert_rc("follower", b->told_rc[1], MT_OK);
}

static void
company_is_waited_for(void **state)
{
    struct bench *b = *state;

    b->limits.wait_us = 1000;
    batch_set_limits(b->batch, &b->limits);
    add(b, 0);
    add(b, 1);
    while (b->told_count == 0)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->commits, 1);
    assert_int_equal(b->told_count, 2);
}

static void
who_still_waits_at_the_end_is_told(void **state)
{
    struct bench *b = *state;

    add(b, 0);
    batch_free(b->batch);
    b->batch = NULL;
    assert_rc("told", b->told_rc[0], MT_ESHUTDOWN);
    assert_false(is_stored(b, 0));
}

int
main(void)
{
#define BATCH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        BATCH_TEST(what_is_queued_in_one_turn_is_one_commit),
        BATCH_TEST(an_error_of_ones_own_concerns_nobody_else),
        BATCH_TEST(a_full_store_refuses_what_grows_and_does_the_rest),
        BATCH_TEST(a_deletion_that_found_no_room_is_tried_again_without_the_rest),
        BATCH_TEST(without_room_nothing_that_grows_is_tried),
        BATCH_TEST(a_failed_transaction_refuses_all_and_changes_nothing),
        BATCH_TEST(without_a_database_all_is_refused),
        BATCH_TEST(limits_split_what_waits),
        BATCH_TEST(a_caller_can_commit_at_once),
        BATCH_TEST(what_is_queued_by_an_answer_is_in_the_next_commit),
        BATCH_TEST(company_is_waited_for),
        BATCH_TEST(who_still_waits_at_the_end_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
