#include "checker/offset.h"

/* Monotonic time since the bounds were made gives them so much room, to either side. */
static int64_t
drift_us(const struct offset *o, uint64_t now_us)
{
    uint64_t elapsed = now_us > o->at_us ? now_us - o->at_us : 0;

    return (int64_t)(elapsed / 1000000 * OFFSET_DRIFT_PPM + elapsed % 1000000 * OFFSET_DRIFT_PPM / 1000000 + (elapsed > 0));
}

bool
offset_bounds(const struct offset *o, uint64_t now_us, int64_t *low_us, int64_t *high_us)
{
    int64_t drift;

    if (!o->known)
        return false;
    drift = drift_us(o, now_us);
    *low_us = o->low_us - drift;
    *high_us = o->high_us + drift;
    return true;
}

void
offset_take(struct offset *o, uint64_t service_us, uint64_t asked_us, uint64_t answered_us)
{
    int64_t low, high, old_low, old_high;

    if (service_us == 0 || service_us > INT64_MAX || asked_us > answered_us || answered_us > INT64_MAX)
        return;
    low = (int64_t)service_us - (int64_t)answered_us;
    high = (int64_t)service_us - (int64_t)asked_us;
    if (offset_bounds(o, answered_us, &old_low, &old_high)) {
        if (old_low > high || old_high < low) {
            o->jumps++;
        } else {
            low = old_low > low ? old_low : low;
            high = old_high < high ? old_high : high;
        }
    }
    o->low_us = low;
    o->high_us = high;
    o->at_us = answered_us > o->at_us ? answered_us : o->at_us;
    o->known = true;
}

bool
offset_moment(const struct offset *o, uint64_t now_us, uint64_t service_us, int64_t *earliest_us, int64_t *latest_us)
{
    int64_t low, high;

    if (service_us > INT64_MAX || !offset_bounds(o, now_us, &low, &high))
        return false;
    *earliest_us = (int64_t)service_us - high;
    *latest_us = (int64_t)service_us - low;
    return true;
}
