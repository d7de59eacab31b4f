#include "imapd/throttle.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>

enum { PAUSE_MS = 1000 };

static void
behind_a_wrong_try_an_address_waits(void **state)
{
    static struct throttle t;

    (void)state;
    throttle_init(&t, PAUSE_MS);
    assert_false(throttle_is_hot(&t, "192.0.2.1", 5000));
    throttle_failed(&t, "192.0.2.1", 5000);
    assert_true(throttle_is_hot(&t, "192.0.2.1", 5000));
    assert_true(throttle_is_hot(&t, "192.0.2.1", 5999));
    assert_false(throttle_is_hot(&t, "192.0.2.1", 6000));
    assert_false(throttle_is_hot(&t, "192.0.2.2", 5000));
    throttle_failed(&t, "192.0.2.1", 6000);
    throttle_passed(&t, "192.0.2.1");
    assert_false(throttle_is_hot(&t, "192.0.2.1", 6000));
}

static void
an_ipv6_network_is_one_client(void **state)
{
    static struct throttle t;

    (void)state;
    throttle_init(&t, PAUSE_MS);
    throttle_failed(&t, "2001:db8:1:2::1", 0);
    assert_true(throttle_is_hot(&t, "2001:db8:1:2:ffff::9", 0));
    assert_false(throttle_is_hot(&t, "2001:db8:1:3::1", 0));
}

/* Who tries from very many addresses makes the table forget, but only ever the oldest of those that share a place. */
static void
a_flood_of_addresses_is_bounded(void **state)
{
    static struct throttle t;
    unsigned               hot = 0;
    char                   address[46];

    (void)state;
    throttle_init(&t, PAUSE_MS);
    for (unsigned i = 0; i < 4 * THROTTLE_PLACES; i++) {
        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        throttle_failed(&t, address, i);
        assert_true(throttle_is_hot(&t, address, i));
    }
    for (unsigned i = 0; i < THROTTLE_PLACES; i++)
        hot += t.places[i].address != 0;
    assert_true(hot > THROTTLE_PLACES * 9 / 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behind_a_wrong_try_an_address_waits),
        cmocka_unit_test(an_ipv6_network_is_one_client),
        cmocka_unit_test(a_flood_of_addresses_is_bounded),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
