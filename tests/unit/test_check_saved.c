#include "tests/unit/unit.h"

#include "checker/trip_record.h"

#include <string.h>

#define TOKEN "mt10123456789abcdefghjkmnpqrstvwxyz01234567"

static const struct trip_record record = {
    .check = "acme/mx", .token = TOKEN, .address = "acme@mailtest1.test", .from = "acme+check@mailtest1.test", .started_us = 1795231800000000,
    .minted_us = 1, .mint_took_us = 2, .send_at_us = 3, .sent_us = 4, .lookup_at_us = 5, .lookup_took_us = 6, .begun = true, .sent = true,
    .maybe_taken = true, .deferred = true, .looked_up = true, .sending = true, .attempts_made = 7,
    .target = { .host = "mx1.customer.test", .address = "192.0.2.1", .port = 25, .preference = 10 }, .code = 450, .fault = "deferred",
};

/* Each text is kept with its length, and unused octets are zeros: so equal octets mean equal records. */
static void
records_come_back_as_they_were(void **state)
{
    struct buf         octets, again;
    struct trip_record r;

    (void)state;
    buf_init(&octets, TRIP_RECORD_MAX_BYTES);
    buf_init(&again, TRIP_RECORD_MAX_BYTES);
    trip_record_write(&octets, &record);
    assert_int_equal(octets.fault, MT_OK);
    assert_int_equal(trip_record_read(buf_slice(&octets), &r), MT_OK);
    trip_record_write(&again, &r);
    assert_true(slice_equal(buf_slice(&octets), buf_slice(&again)));
    assert_string_equal(r.target.host, "mx1.customer.test");
    assert_int_equal(r.attempts_made, 7);
    assert_true(r.sending && r.deferred);
    buf_fini(&octets);
    buf_fini(&again);
}

static void
what_is_cut_or_of_another_version_is_refused(void **state)
{
    struct buf         octets;
    struct trip_record r;

    (void)state;
    buf_init(&octets, TRIP_RECORD_MAX_BYTES);
    trip_record_write(&octets, &record);
    for (size_t len = 0; len < octets.len; len++)
        assert_int_equal(trip_record_read(slice_make(octets.data, len), &r), MT_EDAMAGED);
    octets.data[0]++;
    assert_int_equal(trip_record_read(buf_slice(&octets), &r), MT_EDAMAGED);
    buf_fini(&octets);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_were),
        cmocka_unit_test(what_is_cut_or_of_another_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
