#ifndef CHECKER_OFFSET_H
#define CHECKER_OFFSET_H
/*
 * offset - what the service's clock says more than our clock that never jumps (monotonic), as two bounds. Each answer of the service tells
 * its time: that moment lay between our asking and the answer, which bounds the difference from both sides. Bounds of several answers are
 * intersected; since clocks drift, older ones are widened with time. Where a new answer does not fit the old bounds at all, the service's
 * clock was set: the old ones are forgotten.
 *
 * Plain data; pure functions. All in microseconds.
 */

#include <stdbool.h>
#include <stdint.h>

/* How far two clocks may run apart: 100 parts in a million, 8.6 s a day. */
#define OFFSET_DRIFT_PPM 100u

/* All zeros at first. */
struct offset {
    bool     known;
    int64_t  low_us, high_us;   /* the difference lies between these, both among them, as of at_us */
    uint64_t at_us;             /* monotonic */
    unsigned jumps;             /* how often the service's clock was set, as far as could be seen */
};

/* The service said service_us (since 1970) after asked_us and before answered_us (monotonic). Nonsense (asked after answered, 0) is ignored. */
void offset_take(struct offset *o, uint64_t service_us, uint64_t asked_us, uint64_t answered_us);

/* The bounds as they are now. False: nothing is known. */
bool offset_bounds(const struct offset *o, uint64_t now_us, int64_t *low_us, int64_t *high_us);

/* A stamp of the service as moments of our monotonic clock: no earlier, no later than. Negative where that was before our clock's zero. */
bool offset_moment(const struct offset *o, uint64_t now_us, uint64_t service_us, int64_t *earliest_us, int64_t *latest_us);

#endif
