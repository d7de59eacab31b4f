#ifndef BENCH_COMMON_HISTOGRAM_H
#define BENCH_COMMON_HISTOGRAM_H
/*
 * histogram - how often each duration was seen, in buckets that grow with the value: a quantile is read with an error under 1 %
 * whether it is a microsecond or a minute, and adding one costs a few instructions. Fixed size, no allocation.
 */

#include <stdint.h>
#include <stdio.h>

enum {
    HISTOGRAM_LINEAR_BITS = 7,  /* 128 buckets for each power of two */
    HISTOGRAM_VALUE_BITS  = 42, /* longer than an hour in nanoseconds; what is more counts as that */
    HISTOGRAM_BUCKETS     = (HISTOGRAM_VALUE_BITS - HISTOGRAM_LINEAR_BITS + 1) << HISTOGRAM_LINEAR_BITS,
};

/* Zeroed memory is an empty histogram. */
struct histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value_ns);

/* The value that the fraction q (0 to 1) of all values does not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);

/* Writes a JSON object: count, mean, p50, p90, p99, p999 and max, the times in microseconds. */
void histogram_print_json(const struct histogram *h, FILE *to);

#endif
