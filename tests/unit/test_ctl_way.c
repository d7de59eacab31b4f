#include "tests/unit/unit.h"

#include "ctl/way.h"

#include <stdlib.h>

static void
assert_shown(const char *json, const char *want)
{
    char   *text = NULL;
    size_t  size;
    FILE   *f = open_memstream(&text, &size);
    json_t *d = json_loads(json, 0, NULL);

    assert_non_null(d);
    way_show(f, d);
    fclose(f);
    assert_string_equal(text, want);
    json_decref(d);
    free(text);
}

static void
hops_stand_oldest_first_with_their_delays(void **state)
{
    (void)state;
    assert_shown("{\"hops\":[{\"by\":\"new\",\"time\":\"2026-11-21T03:30:02Z\",\"delay_s\":1.5,\"skewed\":false,\"with\":\"ESMTP\",\"tls\":null,\"from\":\"old\"},"
                 "{\"by\":\"old\",\"time\":null,\"delay_s\":null,\"delay_at_most_s\":2,\"skewed\":true,\"skew_s\":-3600,\"wrong_zone\":true,"
                 "\"with\":null,\"tls\":null,\"from\":\"me\"}],"
                 "\"slowest_hop\":{\"index\":1,\"by\":\"old\",\"delay_s\":null,\"delay_at_most_s\":2,\"certain\":false,\"since_minting\":true},\"time_shares\":null}",
                 "\nHOP BY  TIME                 DELAY                                                            WITH   TLS  FROM\n"
                 "old     -                    at most 2.000 s, clock 3600.000 s behind, perhaps its time zone  -      -    me\n"
                 "new     2026-11-21 03:30:02  +1.500 s                                                         ESMTP  -    old\n"
                 "slowest hop  perhaps old, at most 2.000 s since the minting, the sender's own time included\n");
}

static void
the_shares_stand_behind_them(void **state)
{
    (void)state;
    assert_shown("{\"hops\":[{\"by\":\"new\",\"time\":null,\"delay_s\":null,\"skewed\":false,\"with\":null,\"tls\":null,\"from\":null}],"
                 "\"slowest_hop\":{\"index\":0,\"by\":null,\"delay_s\":4,\"certain\":true,\"since_minting\":false},"
                 "\"time_shares\":{\"customer_s\":4,\"customer_at_most_s\":5,\"forwarding_s\":null,\"forwarding_at_most_s\":0.5,\"receiver_s\":0.004,"
                 "\"unknown_s\":null,\"total_s\":null,\"forwarder\":1,\"forwarder_known_by\":\"host\"}}",
                 "\nHOP BY  TIME  DELAY  WITH  TLS  FROM\n"
                 "new     -     -      -     -    -\n"
                 "slowest hop  -, +4.000 s\n"
                 "time         customer 4.000 s, forwarding at most 500.0 ms, receiver 4.0 ms\n");
}

static void
without_hops_nothing_is_shown(void **state)
{
    (void)state;
    assert_shown("{\"hops\":[],\"slowest_hop\":null,\"time_shares\":null}",
                 "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hops_stand_oldest_first_with_their_delays),
        cmocka_unit_test(the_shares_stand_behind_them),
        cmocka_unit_test(without_hops_nothing_is_shown),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
