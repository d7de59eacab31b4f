#include "lib/throttle.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

static struct shared_table *
table(void)
{
    int                  fd = shared_table_create();
    struct shared_table *t = shared_table_map(fd);

    assert_non_null(t);
    close(fd);
    return t;
}

static struct throttle_try
try(const char *client, const char *name)
{
    return (struct throttle_try){ .client = slice_of(client), .name = slice_of(name) };
}

/* Whether a try may be made; what comes of it is as that letter says: 'f' failed, 'p' passed, 'd' dropped, '-' it is under way still. */
static bool
tries(struct shared_table *t, const char *client, const char *name, uint64_t now_ms, char outcome)
{
    struct throttle_try y = try(client, name);
    bool                may = throttle_begin(t, &y, now_ms);

    if (may && outcome == 'f')
        throttle_failed(t, &y, now_ms);
    if (may && outcome == 'p')
        throttle_passed(t, &y, now_ms);
    if (may && outcome == 'd')
        throttle_dropped(t, &y, now_ms);
    return may;
}

/* Each row is one try, in this order, on one table. */
static void
who_waits_for_whom(void **state)
{
    static const struct {
        const char *label, *client, *name;
        uint64_t    now_ms;
        char        outcome;
        bool        may;
    } rows[] = {
        { "the first",                            "192.0.2.1",  "acme",  100000, 'f', true  },
        { "at once again",                        "192.0.2.1",  "acme",  100000, 'f', false },
        { "another name",                         "192.0.2.1",  "other", 100999, 'f', false },
        { "a second later",                       "192.0.2.1",  "acme",  101000, 'f', true  },
        { "another address, that name",           "192.0.2.2",  "acme",  101050, 'f', false },
        { "another address, another name",        "192.0.2.2",  "other", 101050, 'p', true  },
        { "right ones do not wait",               "192.0.2.2",  "other", 101050, 'p', true  },
        { "that name a little later",             "192.0.2.3",  "acme",  101100, 'f', true  },
        { "the owner",                            "192.0.2.9",  "acme",  102000, 'p', true  },
        { "a flood on his name",                  "192.0.2.4",  "acme",  102100, 'f', true  },
        { "the owner meanwhile",                  "192.0.2.9",  "acme",  102100, 'p', true  },
        { "a neighbour tries another name",       "192.0.2.9",  "other", 102100, 'f', true  },
        { "the neighbour again",                  "192.0.2.9",  "other", 102500, 'f', false },
        { "the owner is not held up by him",      "192.0.2.9",  "acme",  102500, 'p', true  },
        { "the neighbour tries the owner's name", "192.0.2.9",  "acme",  102600, 'f', true  },
        { "but once only",                        "192.0.2.9",  "acme",  102601, 'f', false },
        { "from then on as others",               "192.0.2.9",  "acme",  103599, 'f', false },
        { "a try under way",                      "192.0.2.20", "slow",  104000, '-', true  },
        { "a second beside it",                   "192.0.2.20", "slow",  104010, '-', false },
        { "one that came to nothing",             "192.0.2.21", "slow",  104000, 'd', true  },
        { "does not count",                       "192.0.2.21", "slow",  104000, 'f', true  },
        { "own logins do not reset",              "192.0.2.30", "mine",  105000, 'p', true  },
        { "a wrong one between",                  "192.0.2.30", "acme",  105000, 'f', true  },
        { "own again",                            "192.0.2.30", "mine",  105000, 'p', true  },
        { "and still a second",                   "192.0.2.30", "acme",  105999, 'f', false },
        { "IPv6",                                 "2001:db8:1:2::1",      "a", 106000, 'f', true  },
        { "its network is one client",            "2001:db8:1:2:ffff::9", "b", 106000, 'f', false },
        { "the next network is another",          "2001:db8:1:3::1",      "b", 106000, 'f', true  },
        { "Unix sockets are one",                 "unix",                 "a", 107000, 'f', true  },
        { "of all of them",                       "unix",                 "b", 107000, 'f', false },
        { "a login is forgotten",                 "192.0.2.30", "mine",  105000 + THROTTLE_KNOWN_MS, '-', true  },
        { "and waits as others",                  "192.0.2.30", "mine",  105000 + THROTTLE_KNOWN_MS, '-', false },
    };
    struct shared_table *t = table();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (tries(t, rows[i].client, rows[i].name, rows[i].now_ms, rows[i].outcome) != rows[i].may)
            fail_msg("%s", rows[i].label);
    shared_table_unmap(t);
}

/* Two processes map the same table. */
static void
processes_share_the_table(void **state)
{
    int                  fd = shared_table_create();
    struct shared_table *a = shared_table_map(fd), *b = shared_table_map(fd);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_true(tries(a, "192.0.2.1", "acme", 5000, 'f'));
    assert_false(tries(b, "192.0.2.1", "acme", 5500, 'f'));
    assert_true(tries(b, "192.0.2.1", "acme", 6000, 'f'));
    assert_false(tries(a, "192.0.2.1", "acme", 6500, 'f'));
    shared_table_unmap(a);
    shared_table_unmap(b);
    close(fd);
}

static void
a_claim_ends_as_the_wrong_try_beside_it_left_it(void **state)
{
    struct shared_table *t = table();
    struct throttle_try slow = try("192.0.2.1", "slow"), other = try("192.0.2.1", "other");

    (void)state;
    assert_true(throttle_begin(t, &slow, 1000));
    throttle_failed(t, &other, 1500);
    throttle_passed(t, &slow, 1600);
    assert_false(tries(t, "192.0.2.1", "third", 2400, 'f'));
    assert_true(tries(t, "192.0.2.1", "third", 2500, 'f'));
    shared_table_unmap(t);
}

/* Who tries from very many addresses makes the table forget, but only ever the oldest of those that share a place. */
static void
a_flood_of_addresses_is_bounded(void **state)
{
    struct shared_table *t = table();
    char             address[46], name[16];

    (void)state;
    for (unsigned i = 0; i < 4 * SHARED_PLACES; i++) {
        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        snprintf(name, sizeof(name), "n%u", i);
        assert_true(tries(t, address, name, i + 1, 'f'));
        assert_false(tries(t, address, name, i + 1, 'f'));
    }
    shared_table_unmap(t);
}

static void
only_a_table_is_mapped(void **state)
{
    (void)state;
    assert_null(shared_table_map(0));
    assert_null(shared_table_map(-1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_whom),
        cmocka_unit_test(processes_share_the_table),
        cmocka_unit_test(a_claim_ends_as_the_wrong_try_beside_it_left_it),
        cmocka_unit_test(a_flood_of_addresses_is_bounded),
        cmocka_unit_test(only_a_table_is_mapped),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
