#ifndef CHECKER_MOMENT_H
#define CHECKER_MOMENT_H
/*
 * moment - one moment by both clocks (clock.h), and the steady clock made of them: the wall clock as it was when the program began, going on
 * without a jump. Spans and orders are taken on the steady clock, dates for people from the wall; what is kept for the next start is written by
 * the wall, which is the only one that both programs share.
 */

#include "checker/clock.h"

struct moment {
    uint64_t us;            /* of the clock that never jumps */
    uint64_t wall_us;       /* since 1970 */
};

static inline struct moment
moment_now(void)
{
    return (struct moment){ .us = monotonic_us(), .wall_us = wall_us() };
}

/* The first moment; gives the steady clock's reading for any later one. */
static inline uint64_t
moment_steady_us(struct moment first, struct moment now)
{
    return first.wall_us + (now.us - first.us);
}

/* When the steady clock will show that, by the clock that never jumps; UINT64_MAX stays: never. */
static inline uint64_t
moment_of_steady_us(struct moment first, uint64_t steady_us)
{
    return steady_us == UINT64_MAX ? UINT64_MAX : steady_us <= first.wall_us ? first.us : first.us + (steady_us - first.wall_us);
}

/* What the steady clock's reading at is by the wall of now, and back. 0 stays: none. */
static inline uint64_t
moment_to_wall_us(struct moment first, struct moment now, uint64_t at)
{
    int64_t drift = (int64_t)(now.wall_us - moment_steady_us(first, now));

    return at == 0 ? 0 : drift < 0 && at <= (uint64_t)-drift ? 1 : at + (uint64_t)drift;
}

#endif
