#include "tests/unit/unit.h"

#include "lib/time_share.h"

#include <stdio.h>

#define HOPS_MAX 6

/* Newest first, ours without "for". at: seconds; 0 in the middle is unreadable. */
struct row_hop {
    double      at;
    const char *by, *for_;
};

/*
 * forwarder: its index and by what it was found. want: customer, forwarding, receiver, unknown, total in seconds, '?' where not
 * known, "<=n" behind where bounded.
 */
static const struct {
    const char    *label;
    double         sent, begun, committed;
    struct row_hop hops[HOPS_MAX];
    const char    *want;
} rows[] = {
    { "one server of the customer", 1000, 1010.25, 1010.5, { { 1010.375, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } },
      "1 recipient: 4<=5 6<=6.25 0.25 0.25 10.5" },
    { "a relay of ours, two servers of the customer, and a gateway that took it for us", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" },
        { 1030, "out.gateway.test", "acme@mailtest1.test" },
        { 1020, "ex2.corp.customer.test", "" },
        { 1010, "mx.customer.test", "user@customer.test" },
        { 1002, "relay.provider.test", "user@customer.test" } },
      "2 host: 20<=21 40<=40 0.5 0 60.5" },
    { "the newest of the customer's hops has the recipient", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" },
        { 1030, "out.gateway.test", "" },
        { 1020, "mx.customer.test", "user@customer.test" },
        { 1002, "relay.provider.test", "user@customer.test" } },
      "2 recipient: 20<=21 40<=40 0.5 0 60.5" },
    { "no recipient but ours", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" }, { 1030, "out.customer.test", "ACME@Mailtest1.test" }, { 1020, "in.customer.test", "" } },
      "2 recipient: 20<=21 40<=40 0.5 0 60.5" },
    { "no recipient at all", 1000, 1060, 1060.5, { { 1060.25, "us", "" }, { 1030, "b.customer.test", "" }, { 1020, "a.customer.test", "" } },
      "1 position: 30<=31 30<=30 0.5 0 60.5" },
    { "sent to us directly", 1000, 1010, 1010.5, { { 1010.25, "us", "" }, { 1004, "relay.provider.test", "acme@mailtest1.test" } },
      "0 none: ? ? 0.5 10 10.5" },
    { "nobody in between", 1000, 1010, 1010.5, { { 1010.25, "us", "" } },
      "0 none: ? ? 0.5 10 10.5" },
    { "the sending not known", 0, 1010, 1010.5, { { 1010.25, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } },
      "1 recipient: ? 6<=6 0.5 ? ?" },
    { "minted by a clock that is ahead", 2000, 1010, 1010.5, { { 1010.25, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } },
      "1 recipient: ? 6<=6 0.5 ? ?" },
    { "the begin not known", 1000, 0, 1010.5, { { 1010.25, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } },
      "1 recipient: 4<=5 6<=6.25 0.25 0.25 10.5" },
    { "a begin behind the end", 1000, 1020, 1010.5, { { 1010.25, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } },
      "1 recipient: 4<=5 6<=6.25 0.25 0.25 10.5" },
    { "within a second", 1000.25, 1000.75, 1000.875, { { 1000.75, "us", "" }, { 1000, "mx.customer.test", "user@customer.test" } },
      "1 recipient: ?<=0.5 ?<=0.5 0.125 0.5 0.625" },
    { "the forwarder's clock is an hour ahead", 1000, 1010, 1010.5,
      { { 1010.25, "us", "" }, { 4604, "mx.customer.test", "user@customer.test" } },
      "1 recipient: ?<=10 ?<=10 0.5 10 10.5" },
    { "the forwarder's stamp cannot be read", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" }, { 0, "mx.customer.test", "user@customer.test" }, { 1020, "relay.provider.test", "user@customer.test" } },
      "1 recipient: ?<=60 ?<=40 0.5 60 60.5" },
    { "a domain that ends alike is another", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" }, { 1030, "mx.notcustomer.test", "" }, { 1020, "mx.customer.test.", "user@customer.test." } },
      "2 recipient: 20<=21 40<=40 0.5 0 60.5" },
    { "a local recipient tells nothing", 1000, 1060, 1060.5,
      { { 1060.25, "us", "" }, { 1030, "b.customer.test", "user" }, { 1020, "a.customer.test", "" } },
      "1 position: 30<=31 30<=30 0.5 0 60.5" },
};

static unsigned
make_hops(const struct row_hop *from, struct message_hop *out)
{
    int64_t          times_us[HOPS_MAX];
    struct hop_delay delays[HOPS_MAX];
    unsigned         count = 0;

    for (; count < HOPS_MAX && from[count].by != NULL; count++) {
        out[count] = (struct message_hop){ .hop = { .by = slice_of(from[count].by), .for_ = slice_of(from[count].for_) } };
        times_us[count] = out[count].time_us = (int64_t)(from[count].at * 1e6);
    }
    hop_delays(times_us, count, 0, delays);
    for (unsigned i = 0; i < count; i++)
        out[i].delay = delays[i];
    return count;
}

static void
describe(const struct hop_delay *d, char *out, size_t size)
{
    snprintf(out, size, "?");
    if (d->known)
        snprintf(out, size, "%g", (double)d->delay_us / 1e6);
    if (d->bounded)
        snprintf(out + strlen(out), size - strlen(out), "<=%g", (double)d->at_most_us / 1e6);
}

static void
the_time_falls_into_shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct message_hop hops[HOPS_MAX];
        struct time_facts  facts = { .hops = hops, .count = make_hops(rows[i].hops, hops), .recipient = slice_of("acme+mt1@mailtest1.test"),
                                     .sent_us = (int64_t)(rows[i].sent * 1e6), .begun_us = (int64_t)(rows[i].begun * 1e6),
                                     .committed_us = (int64_t)(rows[i].committed * 1e6) };
        struct time_shares shares;
        char               customer[40], forwarding[40], rest[60], got[300];
        const char        *name;

        time_shares_find(&facts, &shares);
        describe(&shares.customer, customer, sizeof(customer));
        describe(&shares.forwarding, forwarding, sizeof(forwarding));
        snprintf(rest, sizeof(rest), "? ?");
        if (shares.total_known)
            snprintf(rest, sizeof(rest), "%g %g", (double)shares.unknown_us / 1e6, (double)shares.total_us / 1e6);
        name = forwarder_evidence_name(shares.evidence);
        snprintf(got, sizeof(got), "%u %s: %s %s %g %s", shares.forwarder, name == NULL ? "none" : name, customer, forwarding,
                 (double)shares.receiver_us / 1e6, rest);
        assert_slice(rows[i].label, slice_of(got), rows[i].want);
    }
}

static void
without_a_recipient_of_ours_nothing_is_told_of_sides(void **state)
{
    static const struct row_hop chain[HOPS_MAX] = { { 1010, "us", "" }, { 1004, "mx.customer.test", "user@customer.test" } };
    struct message_hop          hops[HOPS_MAX];
    struct time_facts           facts = { .hops = hops, .count = make_hops(chain, hops), .sent_us = 1000000000, .committed_us = 1010000000 };
    struct time_shares          shares;

    (void)state;
    time_shares_find(&facts, &shares);
    assert_int_equal(shares.evidence, FORWARDER_UNKNOWN);
    assert_int_equal(shares.forwarder, 0);
    assert_true(shares.total_known && shares.unknown_us == 10000000);
}

/* Delays in tenths of a second: d known, b bounded; 0 where not. stamp: '+' believed, '-' skewed, ' ' unreadable. */
static const struct {
    const char *label;
    struct { int d, b; char stamp; } hops[4];
    unsigned    count, want;        /* want count: none */
    bool        certain, since_minting;
} slowest[] = {
    { "the greatest delay",                  { { 10, 20, '+' }, { 50, 60, '+' }, { 20, 30, '+' } }, 3, 1, true, false },
    { "another may have taken longer",       { { 10, 20, '+' }, { 50, 60, '+' }, { 45, 55, '+' } }, 3, 1, false, false },
    { "a bound over all delays",             { { 10, 20, '+' }, { 0, 600, '-' }, { 50, 60, '+' } }, 3, 1, false, false },
    { "a bound as great as a delay",         { { 0, 50, '+' }, { 50, 0, '+' }, { 0, 9, '+' } },     3, 1, true, false },
    { "one of which nothing is known",       { { 50, 60, '+' }, { 0, 0, '+' } },                    2, 0, false, false },
    { "nothing takes a second",              { { 0, 9, '+' }, { 5, 0, '+' } },                      2, 2, false, false },
    { "ours alone: the sender's pause",      { { 8000, 0, '+' } },                                  1, 1, false, false },
    { "ours, behind one that is unreadable", { { 0, 8000, '+' }, { 0, 8000, ' ' } },                2, 1, false, true },
    { "ours, behind one that is skewed",     { { 0, 8000, '+' }, { 0, 8000, '-' } },                2, 1, false, true },
    { "the first one, since the minting",    { { 10, 20, '+' }, { 8000, 8010, '+' } },              2, 1, false, true },
    { "ours, slower than since the minting", { { 50, 60, '+' }, { 10, 20, '+' } },                  2, 0, true, false },
    { "none",                                { { 0, 0, '+' } },                                     0, 0, false, false },
};

static void
the_slowest_hop_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slowest); i++) {
        struct message_hop hops[4];
        struct slowest_hop got = { 0 };

        for (unsigned h = 0; h < 4; h++)
            hops[h] = (struct message_hop){ .time_us = slowest[i].hops[h].stamp == ' ' ? 0 : 1,
                                            .delay = { .known = slowest[i].hops[h].d != 0, .delay_us = slowest[i].hops[h].d * 100000,
                                                       .bounded = slowest[i].hops[h].b != 0, .at_most_us = slowest[i].hops[h].b * 100000,
                                                       .skewed = slowest[i].hops[h].stamp == '-' } };
        if (!slowest_hop_find(hops, slowest[i].count, &got))
            got.index = slowest[i].count;
        if (got.index != slowest[i].want || got.certain != slowest[i].certain || got.since_minting != slowest[i].since_minting)
            fail_msg("%s: got %u%s%s", slowest[i].label, got.index, got.certain ? ", certain" : "", got.since_minting ? ", since the minting" : "");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_falls_into_shares),
        cmocka_unit_test(without_a_recipient_of_ours_nothing_is_told_of_sides),
        cmocka_unit_test(the_slowest_hop_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
