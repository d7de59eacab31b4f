#include "tests/unit/store_service.h"

#include "lookup/source.h"

/* A database whose table of events has what a row says. */
struct world {
    char       dir[64];
    struct db *db;
};

static int
setup(void **state)
{
    struct world     *w = calloc(1, sizeof(*w));
    struct db_options options = { .map_bytes = 16 << 20, .readers_max = 16 };

    service_make_folder(w->dir);
    options.dir = w->dir;
    *state = w;
    return db_open(&options, &w->db);
}

static int
teardown(void **state)
{
    struct world *w = *state;

    db_close(w->db);
    service_remove_folder(w->dir);
    free(w);
    return 0;
}

static void
put(struct world *w, uint64_t id, struct slice value)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  k = db_key_u64(key, id);
    MDB_val       mdb_key = { k.len, key }, data = { value.len, (void *)(uintptr_t)value.data };
    MDB_txn      *txn;

    assert_int_equal(mdb_txn_begin(db_env(w->db), NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db_table(w->db, TABLE_EVENT), &mdb_key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void
put_event(struct world *w, uint64_t id, uint32_t mailbox_id)
{
    struct event_record e = { .kind = EVENT_ARRIVED, .at_us = 1, .mailbox_id = mailbox_id, .mailbox = slice_of("acme") };
    struct buf          b;

    buf_init(&b, 10000);
    event_record_write(&b, &e);
    put(w, id, buf_slice(&b));
    buf_fini(&b);
}

/* The ids that a walk gave, "3 5 ", at most so many. */
struct seen {
    char     ids[200];
    unsigned left;
};

static bool
on_item(void *arg, const struct source_item *item)
{
    struct seen *s = arg;
    size_t       used = strlen(s->ids);

    assert_int_equal(item->kind, 1u << EVENT_ARRIVED);
    assert_int_equal(item->mailbox_id, 7);
    snprintf(s->ids + used, sizeof(s->ids) - used, "%llu ", (unsigned long long)item->id);
    return --s->left > 0;
}

static const struct {
    const char *label;
    bool        back;
    uint64_t    from;
    unsigned    most;
    const char *ids;
    bool        end;
} walks[] = {
    { "from the beginning",           false, 0,              10, "3 5 9 ",  true },
    { "behind one that is there",     false, 5,              10, "9 ",      true },
    { "behind one that is not there", false, 6,              10, "9 ",      true },
    { "behind the last",              false, 9,              10, "",        true },
    { "behind all that can be",       false, UINT64_MAX - 1, 10, "",        true },
    { "some",                         false, 0,              2,  "3 5 ",    false },
    { "back from the newest",         true,  0,              10, "9 5 3 ",  true },
    { "back from the newest, some",   true,  0,              2,  "9 5 ",    false },
    { "back from one that is there",  true,  5,              10, "3 ",      true },
    { "back from between",            true,  8,              10, "5 3 ",    true },
    { "back from beyond",             true,  100,            10, "9 5 3 ",  true },
    { "back from the oldest",         true,  3,              10, "",        true },
};

static void
records_come_in_order_and_damaged_ones_are_left_out(void **state)
{
    struct world  *w = *state;
    struct db_view v;
    uint64_t       oldest, newest;

    put_event(w, 3, 7);
    put(w, 4, slice_of("damaged"));
    put_event(w, 5, 7);
    put_event(w, 9, 7);
    assert_int_equal(db_view_begin(w->db, &v), MT_OK);
    for (size_t i = 0; i < COUNT(walks); i++) {
        struct seen seen = { .left = walks[i].most };
        bool        end = false;
        int         rc = (walks[i].back ? source_walk_back : source_walk)(&source_events, &v, walks[i].from, on_item, &seen, &end);

        assert_rc(walks[i].label, rc, MT_OK);
        assert_slice(walks[i].label, slice_of(seen.ids), walks[i].ids);
        if (end != walks[i].end)
            fail_msg("%s: end is %d", walks[i].label, end);
    }
    assert_int_equal(source_range(&source_events, &v, &oldest, &newest), MT_OK);
    assert_int_equal(oldest, 3);
    assert_int_equal(newest, 9);
    assert_int_equal(source_range(&source_arrivals, &v, &oldest, &newest), MT_OK);
    assert_int_equal(oldest, 0);
    assert_int_equal(newest, 0);
    db_view_end(&v);
}

static void
empty_table_ends_at_once(void **state)
{
    struct world  *w = *state;
    struct seen    seen = { .left = 10 };
    struct db_view v;
    bool           end = false;

    assert_int_equal(db_view_begin(w->db, &v), MT_OK);
    assert_rc("forth", source_walk(&source_events, &v, 0, on_item, &seen, &end), MT_OK);
    assert_true(end);
    assert_rc("back", source_walk_back(&source_events, &v, 0, on_item, &seen, &end), MT_OK);
    assert_true(end);
    assert_string_equal(seen.ids, "");
    db_view_end(&v);
}

static const struct {
    const char *label;
    uint64_t    asked, oldest, newest;
    bool        gap;
    uint64_t    last_id;
} positions[] = {
    { "nothing missed",                    9,  3, 9,  false, 9 },
    { "something to tell",                 5,  3, 9,  false, 5 },
    { "just before the oldest",            2,  3, 9,  false, 2 },
    { "one has expired",                   1,  3, 9,  true,  1 },
    { "all from the beginning",            0,  3, 9,  false, 0 },
    { "an older state was put back",       10, 3, 9,  true,  9 },
    { "nothing is there, none was seen",   0,  0, 0,  false, 0 },
    { "all has expired",                   9,  0, 0,  false, 9 },
};

static void
client_that_missed_what_is_gone_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(positions); i++) {
        uint64_t last_id = 77;
        bool     gap = source_resume(positions[i].asked, positions[i].oldest, positions[i].newest, &last_id);

        if (gap != positions[i].gap || last_id != positions[i].last_id)
            fail_msg("%s: gap %d, behind %llu", positions[i].label, gap, (unsigned long long)last_id);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_in_order_and_damaged_ones_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_table_ends_at_once, setup, teardown),
        cmocka_unit_test(client_that_missed_what_is_gone_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
