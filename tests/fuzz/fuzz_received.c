/*
 * Received fields and dates: what is read is bounded, valid UTF-8 without control characters, and within the years that a date
 * can have. Fields are separated by NUL; whatever their stamps say, no delay and no share of the time is negative or more than
 * the whole.
 */
#include "lib/date.h"
#include "lib/error.h"
#include "lib/received.h"
#include "lib/time_share.h"
#include "lib/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOPS_MAX = 8 };
#define SECOND_US ((int64_t)1000000)

static void
check(struct slice s)
{
    assert(s.len <= PARSED_HOP_TEXT_BYTES);
    assert(utf8_is_valid(s));
    for (size_t i = 0; i < s.len; i++)
        assert((unsigned char)s.data[i] >= ' ' && s.data[i] != 127);
}

static void
check_time(int64_t unix_s)
{
    assert(unix_s >= -2208988800 - 86400 && unix_s <= 253402300799 + 86400);
}

static void
check_hop(const struct hop *hop)
{
    check(hop->from);
    check(hop->by);
    check(hop->with);
    check(hop->tls);
    check(hop->id);
    check(hop->for_);
    check_time(hop->time_unix);
}

static void
check_span(const struct hop_delay *d, int64_t total_us)
{
    assert(d->delay_us >= 0 && d->at_most_us >= 0);
    assert(!d->known || !d->bounded || d->delay_us <= d->at_most_us);
    assert(total_us == 0 || (d->delay_us <= total_us && d->at_most_us <= total_us));
    assert(d->skewed == (d->skew_us != 0) && (d->skewed || !d->wrong_zone));
}

/* Of as many hops as there are fields, behind one of ours; sent a minute before. */
static void
check_times(struct message_hop *hops, unsigned count)
{
    int64_t            received_us = hops[1].time_us > 60 * SECOND_US ? hops[1].time_us + SECOND_US / 2 : 120 * SECOND_US;
    int64_t            sent_us = received_us - 60 * SECOND_US, times_us[HOPS_MAX];
    struct hop_delay   delays[HOPS_MAX];
    struct time_facts  facts = { .hops = hops, .count = count, .recipient = slice_of("a@b"), .sent_us = sent_us,
                                 .begun_us = received_us - SECOND_US, .committed_us = received_us + SECOND_US };
    struct time_shares shares;
    struct slowest_hop slowest;

    hops[0].time_us = received_us;
    for (unsigned i = 0; i < count; i++)
        times_us[i] = hops[i].time_us;
    hop_delays(times_us, count, sent_us, delays);
    for (unsigned i = 0; i < count; i++) {
        check_span(&delays[i], received_us - sent_us);
        hops[i].delay = delays[i];
    }
    assert(!slowest_hop_find(hops, count, &slowest) || (slowest.index < count && !(slowest.certain && slowest.since_minting)));
    time_shares_find(&facts, &shares);
    check_span(&shares.customer, shares.total_us);
    check_span(&shares.forwarding, shares.total_us);
    assert(shares.receiver_us >= 0 && shares.unknown_us >= 0 && shares.unknown_us <= shares.total_us && shares.forwarder < count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice         value = slice_make(data, size);
    struct received_text text[HOPS_MAX];
    struct message_hop   hops[HOPS_MAX] = { { .hop = { .time_unix = 0 } } };
    unsigned             count = 1;
    int64_t              at;

    if (date_parse(value, &at) == MT_OK)
        check_time(at);
    while (value.len > 0 && count < HOPS_MAX) {
        size_t len = slice_find(value, '\0');

        received_parse(slice_sub(value, 0, len), &text[count], &hops[count].hop);
        check_hop(&hops[count].hop);
        at = hops[count].hop.time_unix;
        hops[count++].time_us = at > 0 && at < 253402300800 ? at * SECOND_US : 0;
        value = slice_sub(value, len + 1, value.len);
    }
    if (count > 1)
        check_times(hops, count);
    return 0;
}
