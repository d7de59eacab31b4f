#include "lib/limits.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

static char  trusted4[] = "198.51.100.0/24", trusted6[] = "2001:db8:aaaa::/48";
static char *trusted[] = { trusted4, trusted6 };

static const struct config config = {
    .limits = { .trusted = { .items = trusted, .count = COUNT(trusted) }, .known_days = 1, .log_interval_s = 3600 },
};

static struct shared_table *
table(void)
{
    int                  fd = shared_table_create();
    struct shared_table *t = shared_table_map(fd);

    assert_non_null(t);
    close(fd);
    return t;
}

/* Each row is one more session, in this order; every second one by another process. */
static void
sessions_are_let_in_as_long_as_there_is_room(void **state)
{
    static const struct limit_rules rules = { .protocol = "smtp", .sessions_per_address = 2, .sessions_per_network = 3 };
    static const struct {
        const char *client;
        enum limit  limit;
    } rows[] = {
        { "192.0.2.1", LIMIT_NONE },         { "192.0.2.1", LIMIT_NONE },          { "192.0.2.1", LIMIT_PER_ADDRESS },
        { "192.0.2.2", LIMIT_NONE },         { "192.0.2.2", LIMIT_PER_NETWORK },   { "192.0.3.1", LIMIT_NONE },
        { "2001:db8:1:2::1", LIMIT_NONE },   { "2001:db8:1:2::2", LIMIT_NONE },    { "2001:db8:1:2::3", LIMIT_PER_ADDRESS },
        { "2001:db8:1:3::1", LIMIT_NONE },   { "2001:db8:1:4::1", LIMIT_PER_NETWORK }, { "2001:db8:2:1::1", LIMIT_NONE },
        { "198.51.100.9", LIMIT_NONE },      { "198.51.100.9", LIMIT_NONE },       { "198.51.100.9", LIMIT_NONE },
        { "2001:db8:aaaa:1::1", LIMIT_NONE }, { "2001:db8:aaaa:1::1", LIMIT_NONE }, { "2001:db8:aaaa:1::1", LIMIT_NONE },
        { "unix", LIMIT_NONE },              { "unix", LIMIT_NONE },               { "unix", LIMIT_NONE },
    };
    struct shared_table *t = table();
    struct limits       *processes[2] = { limits_new(&config, t, 0, &rules), limits_new(&config, t, SHARED_ROLES, &rules) };
    struct limit_client  clients[COUNT(rows)], again;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        limits_client(processes[i % 2], rows[i].client, &clients[i]);
        if (limits_enter(processes[i % 2], &clients[i]) != rows[i].limit)
            fail_msg("row %zu, %s", i, rows[i].client);
    }
    for (size_t i = 0; i < COUNT(rows); i++)
        limits_leave(processes[i % 2], &clients[i]);
    limits_client(processes[0], "192.0.2.1", &again);
    assert_int_equal(limits_enter(processes[0], &again), LIMIT_NONE);
    limits_free(processes[0]);
    limits_free(processes[1]);
    shared_table_unmap(t);
}

static unsigned
let_in(struct limits *l, const char *client, unsigned tries, enum limit *last)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++) {
        struct limit_client c;

        limits_client(l, client, &c);
        *last = limits_enter(l, &c);
        count += *last == LIMIT_NONE;
        limits_leave(l, &c);
    }
    return count;
}

/* The clock goes on meanwhile, so only what holds however slowly this runs is asked for. */
static void
a_flood_of_one_network_takes_nothing_from_others(void **state)
{
    static const struct limit_rules rules = { .protocol = "smtp", .new_per_second = 2, .new_per_second_network = 1 };
    struct shared_table            *t = table();
    struct limits                  *l = limits_new(&config, t, 0, &rules);
    struct limit_client             known;
    enum limit                      last;

    (void)state;
    assert_in_range(let_in(l, "192.0.2.1", 1000, &last), 5, 999);      /* five seconds' worth */
    assert_int_equal(last, LIMIT_RATE_NETWORK);
    let_in(l, "192.0.2.77", 1, &last);
    assert_int_equal(last, LIMIT_RATE_NETWORK);
    assert_in_range(let_in(l, "203.0.113.1", 5, &last), 5, 5);
    for (unsigned i = 0; i < 200; i++) {                                /* from everywhere */
        char client[16];

        snprintf(client, sizeof(client), "10.0.%u.1", i);
        let_in(l, client, 1, &last);
    }
    assert_int_equal(last, LIMIT_RATE);
    limits_client(l, "203.0.116.1", &known);
    assert_false(limits_knows(l, &known));
    limits_know(l, &known);
    assert_true(limits_knows(l, &known));
    assert_int_equal(let_in(l, "203.0.116.1", 5, &last), 5);
    limits_free(l);
    shared_table_unmap(t);
}

static void
mails_are_counted_by_address_and_mailbox(void **state)
{
    static const struct limit_rules rules = { .protocol = "smtp", .mails_per_minute_address = 3, .mails_per_minute_mailbox = 2 };
    struct shared_table            *t = table();
    struct limits                  *l = limits_new(&config, t, 0, &rules);
    struct limit_client             a, b, own;
    struct slice                    acme = slice_of("acme");

    (void)state;
    limits_client(l, "192.0.2.1", &a);
    limits_client(l, "192.0.2.2", &b);
    limits_client(l, "198.51.100.1", &own);
    for (unsigned i = 0; i < 3; i++)
        assert_true(limits_mail(l, &a));
    assert_false(limits_mail(l, &a));
    assert_true(limits_mail(l, &b));
    for (unsigned i = 0; i < 10; i++)
        assert_true(limits_mail(l, &own) && limits_mailbox(l, &own, acme));
    assert_true(limits_mailbox(l, &a, acme) && limits_mailbox(l, &b, acme));
    assert_false(limits_mailbox(l, &a, acme) || limits_mailbox(l, &b, acme));
    assert_true(limits_mailbox(l, &b, slice_of("other")));
    limits_know(l, &b);
    assert_true(limits_mailbox(l, &b, acme));       /* its probes get through a flood of others */
    assert_false(limits_mailbox(l, &a, acme));
    limits_free(l);
    shared_table_unmap(t);
}

static void
one_address_fills_no_log(void **state)
{
    static const struct limit_rules rules = { .protocol = "smtp" };
    struct shared_table            *t = table();
    struct limits                  *l = limits_new(&config, t, 0, &rules);
    struct limit_client             a, b;

    (void)state;
    limits_client(l, "192.0.2.1", &a);
    limits_client(l, "192.0.2.2", &b);
    assert_true(limits_may_log(l, &a));
    assert_false(limits_may_log(l, &a));
    assert_true(limits_may_log(l, &b));
    limits_free(l);
    shared_table_unmap(t);
}

/* A role without a table, as in tests, lets everybody in. */
static void
without_a_table_nothing_is_counted(void **state)
{
    static const struct limit_rules rules = { .protocol = "smtp", .sessions_per_address = 1, .mails_per_minute_address = 1 };
    struct limits                  *l = limits_new(&config, NULL, 0, &rules);
    struct limit_client             c;

    (void)state;
    limits_client(l, "192.0.2.1", &c);
    for (unsigned i = 0; i < 3; i++)
        assert_true(limits_enter(l, &c) == LIMIT_NONE && limits_mail(l, &c) && limits_may_log(l, &c));
    limits_know(l, &c);
    assert_false(limits_knows(l, &c));
    limits_leave(l, &c);
    limits_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_let_in_as_long_as_there_is_room),
        cmocka_unit_test(a_flood_of_one_network_takes_nothing_from_others),
        cmocka_unit_test(mails_are_counted_by_address_and_mailbox),
        cmocka_unit_test(one_address_fills_no_log),
        cmocka_unit_test(without_a_table_nothing_is_counted),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
