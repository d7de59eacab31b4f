#include "lib/time_share.h"

#include <assert.h>

#define SECOND_US ((int64_t)1000000)

const char *
forwarder_evidence_name(enum forwarder_evidence evidence)
{
    static const char *const names[] = {
        [FORWARDER_UNKNOWN] = NULL,
        [FORWARDER_BY_RECIPIENT] = "recipient",
        [FORWARDER_BY_HOST] = "host",
        [FORWARDER_BY_POSITION] = "position",
    };

    return names[evidence];
}

/* ---- The hop that forwarded ------------------------------------------------------------------------------------- */

/* What stands behind the last '@', without a dot at its end; empty where there is no domain. */
static struct slice
domain_of(struct slice address)
{
    size_t       at = address.len;
    struct slice domain;

    while (at > 0 && address.data[at - 1] != '@')
        at--;
    domain = at == 0 ? slice_make(NULL, 0) : slice_sub(address, at, address.len);
    return domain.len > 0 && domain.data[domain.len - 1] == '.' ? slice_sub(domain, 0, domain.len - 1) : domain;
}

/* "mx1.customer.test" in "customer.test". */
static bool
is_host_in(struct slice host, struct slice domain)
{
    size_t at;

    if (host.len > 0 && host.data[host.len - 1] == '.')
        host = slice_sub(host, 0, host.len - 1);
    if (domain.len == 0 || host.len < domain.len)
        return false;
    at = host.len - domain.len;
    return slice_equal_nocase(slice_sub(host, at, domain.len), domain) && (at == 0 || host.data[at - 1] == '.');
}

/* The oldest hop but ours that took the mail for a recipient in our domain: behind it the mail was forwarded already. 0: none. */
static unsigned
find_forwarded(const struct time_facts *f, struct slice our_domain)
{
    unsigned found = 0;

    for (unsigned i = 1; i < f->count; i++)
        if (slice_equal_nocase(domain_of(f->hops[i].hop.for_), our_domain))
            found = i;
    return found;
}

static void
find_forwarder(const struct time_facts *f, struct time_shares *out)
{
    struct slice our_domain = domain_of(f->recipient), domain = slice_make(NULL, 0);
    unsigned     forwarded = find_forwarded(f, our_domain), last = forwarded + 1;

    if (last >= f->count || our_domain.len == 0)
        return;
    /* The newest that names a recipient of another domain, which is the customer's; and a newer one by a host in that domain. */
    for (unsigned i = last; i < f->count && domain.len == 0; i++) {
        domain = domain_of(f->hops[i].hop.for_);
        out->forwarder = i;
    }
    if (domain.len == 0) {
        out->forwarder = last;
        out->evidence = forwarded > 0 ? FORWARDER_BY_RECIPIENT : FORWARDER_BY_POSITION;
        return;
    }
    out->evidence = FORWARDER_BY_RECIPIENT;
    for (unsigned i = last; i < out->forwarder; i++)
        if (is_host_in(f->hops[i].hop.by, domain)) {
            out->forwarder = i;
            out->evidence = FORWARDER_BY_HOST;
            return;
        }
}

/* ---- Shares ------------------------------------------------------------------------------------------------------ */

static int64_t
known_us(const struct hop_delay *d)
{
    return d->known ? d->delay_us : 0;
}

void
time_shares_find(const struct time_facts *f, struct time_shares *out)
{
    int64_t times_us[HOP_DELAY_MAX], received_us, begun_us, committed_us, rest_us;

    assert(f->count > 0 && f->count <= HOP_DELAY_MAX);
    *out = (struct time_shares){ .evidence = FORWARDER_UNKNOWN };
    received_us = f->hops[0].time_us;
    begun_us = f->begun_us > 0 && f->begun_us <= received_us ? f->begun_us : received_us;
    committed_us = f->committed_us >= received_us ? f->committed_us : received_us;
    out->receiver_us = committed_us - begun_us;
    find_forwarder(f, out);
    for (unsigned i = 0; i < f->count; i++)
        times_us[i] = f->hops[i].time_us;
    times_us[0] = begun_us;
    if (out->forwarder > 0)
        hop_split(times_us, f->count, f->sent_us, out->forwarder, &out->customer, &out->forwarding);
    if (f->sent_us <= 0 || f->sent_us > begun_us)       /* minted by a clock that is ahead of ours: says nothing */
        return;
    out->total_known = true;
    out->total_us = committed_us - f->sent_us;
    rest_us = out->total_us - out->receiver_us - known_us(&out->customer) - known_us(&out->forwarding);
    out->unknown_us = rest_us > 0 ? rest_us : 0;
}

/* No older stamp is believed: what is known of the hop's delay is from the minting on. */
static bool
is_since_minting(const struct message_hop *hops, unsigned count, unsigned i)
{
    for (unsigned k = i + 1; k < count; k++)
        if (hops[k].time_us > 0 && !hops[k].delay.skewed)
            return false;
    return true;
}

static bool
is_certain(const struct message_hop *hops, unsigned count, unsigned found)
{
    for (unsigned i = 0; i < count; i++) {
        const struct hop_delay *d = &hops[i].delay;

        if (i != found && (!(d->known || d->bounded) || (d->bounded ? d->at_most_us : d->delay_us) > hops[found].delay.delay_us))
            return false;
    }
    return hops[found].delay.known;
}

bool
slowest_hop_find(const struct message_hop *hops, unsigned count, struct slowest_hop *out)
{
    unsigned found = count;
    int64_t  most_us = SECOND_US - 1;

    for (unsigned i = count > 0 && is_since_minting(hops, count, 0) ? 1 : 0; i < count; i++) {
        const struct hop_delay *d = &hops[i].delay;
        int64_t                 us = d->known ? d->delay_us : d->bounded ? d->at_most_us : 0;

        if (us > most_us || (found < count && us == most_us && d->known && !hops[found].delay.known)) {
            found = i;
            most_us = us;
        }
    }
    if (found == count)
        return false;
    *out = (struct slowest_hop){ .index = found, .since_minting = is_since_minting(hops, count, found) };
    out->certain = !out->since_minting && is_certain(hops, count, found);
    return true;
}
