#include "lib/hop_delay.h"

#include <assert.h>

#define TOLERANCE_US ((int64_t)HOP_TOLERANCE_S * 1000000)
#define NONE         HOP_DELAY_MAX

/* Whether a stamp lies between the sending and our receipt. */
static bool
is_in_bounds(int64_t time_us, int64_t sent_us, int64_t received_us)
{
    return time_us != 0 && time_us <= received_us + TOLERANCE_US && (sent_us == 0 || time_us >= sent_us - TOLERANCE_US);
}

/*
 * Marks the hops whose stamps agree: the longest run, ours among it, in which no older hop has a later stamp. Of two hops that
 * contradict each other, the one that also contradicts the rest loses. Quadratic in at most HOP_DELAY_MAX.
 */
static void
find_trusted(const int64_t *times_us, unsigned count, int64_t sent_us, bool *trusted)
{
    unsigned length[HOP_DELAY_MAX] = { 1 }, next_newer[HOP_DELAY_MAX] = { NONE }, best = 0;

    for (unsigned i = 1; i < count; i++) {
        if (!is_in_bounds(times_us[i], sent_us, times_us[0]))
            continue;
        for (unsigned newer = 0; newer < i; newer++)
            if (length[newer] >= length[i] && length[newer] > 0 && times_us[i] <= times_us[newer] + TOLERANCE_US) {
                length[i] = length[newer] + 1;
                next_newer[i] = newer;
            }
        if (length[i] >= length[best])
            best = i;
    }
    for (unsigned i = best; i != NONE; i = next_newer[i])
        trusted[i] = true;
}

/* Never below zero: within the tolerance clocks may disagree. */
static int64_t
span(int64_t newer_us, int64_t older_us)
{
    return newer_us > older_us ? newer_us - older_us : 0;
}

/* The nearest trusted stamps around the step from hop i + 1 to hop i; older_us is the sending, or 0, where there is none. */
static void
bound_step(const int64_t *times_us, unsigned count, const bool *trusted, unsigned i, int64_t sent_us, struct hop_delay *out)
{
    unsigned newer = i, older = i + 1;
    int64_t  older_us;

    while (!trusted[newer])         /* the first, ours, is */
        newer--;
    while (older < count && !trusted[older])
        older++;
    older_us = older < count ? times_us[older] : sent_us;
    if (older_us == 0)
        return;
    out->bounded = true;
    out->at_most_us = span(times_us[newer], older_us);
}

void
hop_delays(const int64_t *times_us, unsigned count, int64_t sent_us, struct hop_delay *out)
{
    bool trusted[HOP_DELAY_MAX] = { false };

    assert(count <= HOP_DELAY_MAX);
    if (count > 0 && sent_us > times_us[0] + TOLERANCE_US)
        sent_us = 0;                /* minted by a clock that is ahead of ours: says nothing */
    find_trusted(times_us, count, sent_us, trusted);
    for (unsigned i = 0; i < count; i++) {
        int64_t older_us = i + 1 < count ? (trusted[i + 1] ? times_us[i + 1] : 0) : sent_us;

        out[i] = (struct hop_delay){ .skewed = times_us[i] != 0 && !trusted[i] };
        if (trusted[i] && older_us != 0) {
            out[i].known = true;
            out[i].delay_us = span(times_us[i], older_us);
        } else {
            bound_step(times_us, count, trusted, i, sent_us, &out[i]);
        }
    }
}
