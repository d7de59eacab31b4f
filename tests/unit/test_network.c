#include "lib/network.h"
#include "unit.h"

static void
networks_are_read_and_compared(void **state)
{
    static const struct {
        const char *network, *address;
        bool        valid, has;
    } rows[] = {
        { "192.0.2.0/24",        "192.0.2.255",       true,  true  },
        { "192.0.2.0/24",        "192.0.3.0",         true,  false },
        { "192.0.2.7",           "192.0.2.7",         true,  true  },
        { "192.0.2.7",           "192.0.2.6",         true,  false },
        { "0.0.0.0/0",           "203.0.113.1",       true,  true  },
        { "0.0.0.0/0",           "2001:db8::1",       true,  false },
        { "::/0",                "2001:db8::1",       true,  true  },
        { "2001:db8::/32",       "2001:db8:ffff::1",  true,  true  },
        { "2001:db8::/32",       "2001:db9::1",       true,  false },
        { "2001:db8::1",         "2001:db8::1",       true,  true  },
        { "10.0.0.0/31",         "10.0.0.1",          true,  true  },
        { "10.0.0.0/31",         "::ffff:10.0.0.1",   true,  true  },
        { "10.0.0.0/31",         "10.0.0.2",          true,  false },
        { "192.0.2.1/24",        "192.0.2.1",         false, false },       /* bits behind the prefix */
        { "192.0.2.0/33",        "192.0.2.1",         false, false },
        { "192.0.2.0/024",       "192.0.2.1",         false, false },
        { "192.0.2.0/",          "192.0.2.1",         false, false },
        { "192.0.2.0/-1",        "192.0.2.1",         false, false },
        { "192.0.2/24",          "192.0.2.1",         false, false },
        { "2001:db8::/129",      "2001:db8::1",       false, false },
        { "/8",                  "192.0.2.1",         false, false },
        { "",                    "192.0.2.1",         false, false },
        { "localhost",           "127.0.0.1",         false, false },
        { "unix",                "127.0.0.1",         false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct network    n;
        struct ip_address a;

        assert_true(ip_address_parse(slice_of(rows[i].address), &a));
        if (network_parse(slice_of(rows[i].network), &n) != rows[i].valid)
            fail_msg("%s", rows[i].network);
        if (rows[i].valid && network_has(&n, &a) != rows[i].has)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
}

static void
an_address_is_in_its_network(void **state)
{
    struct ip_address a, b;
    struct network    n;

    (void)state;
    assert_true(ip_address_parse(slice_of("192.0.2.200"), &a) && ip_address_parse(slice_of("192.0.2.1"), &b));
    n = network_of(&a, 24, 48);
    assert_true(network_has(&n, &b));
    n = network_of(&a, 32, 64);
    assert_false(network_has(&n, &b));
    assert_true(ip_address_parse(slice_of("2001:db8:1:2::9"), &a) && ip_address_parse(slice_of("2001:db8:1:2:ffff::"), &b));
    n = network_of(&a, 32, 64);
    assert_true(network_has(&n, &b));
    assert_true(ip_address_parse(slice_of("2001:db8:1:3::"), &b));
    assert_false(network_has(&n, &b));
    n = network_of(&a, 24, 48);
    assert_true(network_has(&n, &b));
    assert_false(ip_address_parse(slice_make("1.2.3.4\0", 8), &a));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read_and_compared),
        cmocka_unit_test(an_address_is_in_its_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
