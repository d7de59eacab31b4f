#ifndef CHECKER_CLOCK_H
#define CHECKER_CLOCK_H
/* clock - the two clocks of the checker: spans are measured by the one that never jumps, only dates come from the other. */

#include <stdint.h>
#include <time.h>

/* Microseconds since some moment. */
static inline uint64_t
monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Microseconds since 1970. */
static inline uint64_t
wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

#endif
