/* histogram - see histogram.h. */

#include "bench/common/histogram.h"

/*
 * Values under 2^LINEAR_BITS have a bucket each. Above, the highest set bit names a group of 2^LINEAR_BITS buckets, and the
 * bits below it the bucket within: group 0 and 1 together are the linear part, so the numbering has no gap.
 */
static unsigned
bucket_of(uint64_t value)
{
    unsigned top, shift;

    if (value >> HISTOGRAM_LINEAR_BITS == 0)
        return (unsigned)value;
    if (value >> HISTOGRAM_VALUE_BITS != 0)
        return HISTOGRAM_BUCKETS - 1;
    top = 63 - (unsigned)__builtin_clzll(value);
    shift = top - HISTOGRAM_LINEAR_BITS;
    return ((shift + 1) << HISTOGRAM_LINEAR_BITS) + (unsigned)((value >> shift) & ((1U << HISTOGRAM_LINEAR_BITS) - 1));
}

/* The largest value that falls into the bucket. */
static uint64_t
bucket_top(unsigned bucket)
{
    unsigned group = bucket >> HISTOGRAM_LINEAR_BITS;
    uint64_t within = bucket & ((1U << HISTOGRAM_LINEAR_BITS) - 1);

    if (group == 0)
        return bucket;
    return (((1ULL << HISTOGRAM_LINEAR_BITS) + within + 1) << (group - 1)) - 1;
}

void
histogram_add(struct histogram *h, uint64_t value_ns)
{
    h->count++;
    h->sum_ns += value_ns;
    if (value_ns > h->max_ns)
        h->max_ns = value_ns;
    h->buckets[bucket_of(value_ns)]++;
}

uint64_t
histogram_quantile(const struct histogram *h, double q)
{
    uint64_t seen = 0;
    uint64_t want = (uint64_t)(q * (double)h->count + 0.999999);

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= want && seen > 0)
            return bucket_top(i) < h->max_ns ? bucket_top(i) : h->max_ns;
    }
    return h->max_ns;
}

void
histogram_print_json(const struct histogram *h, FILE *to)
{
    static const struct {
        const char *name;
        double      q;
    } points[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };

    fprintf(to, "{\"count\":%llu,\"mean\":%.1f", (unsigned long long)h->count,
        h->count == 0 ? 0.0 : (double)h->sum_ns / (double)h->count / 1e3);
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        fprintf(to, ",\"%s\":%.1f", points[i].name, (double)histogram_quantile(h, points[i].q) / 1e3);
    fprintf(to, ",\"max\":%.1f}", (double)h->max_ns / 1e3);
}
