#include "lib/hop_delay.h"

#include <assert.h>

#define TOLERANCE_US ((int64_t)HOP_TOLERANCE_S * 1000000)
#define STAMP_US     ((int64_t)1000000)     /* resolution of the stamps in Received fields */
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

/* When a moment was, as far as is known; the same at both ends where a clock of ours told it. */
struct interval {
    int64_t from_us, to_us;
};

static int64_t
clamp(int64_t time_us, int64_t from_us, int64_t to_us)
{
    return time_us < from_us ? from_us : time_us > to_us ? to_us : time_us;
}

/* A stamp stands for its whole second, as far as that lies between the sending and our receipt. */
static struct interval
stamp_interval(const int64_t *times_us, unsigned i, int64_t sent_us)
{
    return (struct interval){ .from_us = clamp(times_us[i], sent_us, times_us[0]),
                              .to_us = clamp(times_us[i] + (i == 0 ? 0 : STAMP_US), sent_us, times_us[0]) };
}

/*
 * The delay between the trusted hops newer and older; older is count for the sending. Where the seconds do not tell more than the
 * bound, there is only the bound. Stamps in disorder within the tolerance bound to no less than their resolution.
 */
static void
measure(const int64_t *times_us, unsigned count, unsigned newer, unsigned older, int64_t sent_us, struct hop_delay *out)
{
    struct interval to = stamp_interval(times_us, newer, sent_us);
    struct interval from = older < count ? stamp_interval(times_us, older, sent_us) : (struct interval){ sent_us, sent_us };
    int64_t         older_us = older < count ? times_us[older] : sent_us, total_us = times_us[0] - sent_us;
    int64_t         least_us = to.from_us - from.to_us, most_us = to.to_us - from.from_us;
    int64_t         whole_us = (times_us[newer] / STAMP_US - older_us / STAMP_US) * STAMP_US;

    if (newer == 0 && older == count) {
        out->known = true;
        out->delay_us = most_us;
        return;
    }
    if (most_us <= 0)
        most_us = total_us < STAMP_US ? total_us : STAMP_US;
    out->bounded = true;
    out->at_most_us = most_us;
    out->known = least_us > 0 && whole_us >= least_us && whole_us <= most_us;
    out->delay_us = out->known ? whole_us : 0;
}

/* The step from hop i + 1 to hop i, or from the sending where i is the last. */
static void
measure_step(const int64_t *times_us, unsigned count, const bool *trusted, unsigned i, int64_t sent_us, struct hop_delay *out)
{
    unsigned newer = i, older = i + 1;

    while (!trusted[newer])         /* the first, ours, is */
        newer--;
    while (older < count && !trusted[older])
        older++;
    if (older == count && sent_us == 0)
        return;
    measure(times_us, count, newer, older, sent_us, out);
    if (newer == i && older == i + 1)
        return;
    if (out->known && !out->bounded)                /* exact, but of several steps together */
        out->at_most_us = out->delay_us;
    out->bounded = true;
    out->known = false;
    out->delay_us = 0;
}

void
hop_delays(const int64_t *times_us, unsigned count, int64_t sent_us, struct hop_delay *out)
{
    bool trusted[HOP_DELAY_MAX] = { false };

    assert(count <= HOP_DELAY_MAX);
    if (count > 0 && sent_us > times_us[0] + TOLERANCE_US)
        sent_us = 0;                /* minted by a clock that is ahead of ours: says nothing */
    find_trusted(times_us, count, sent_us, trusted);
    if (count > 0 && sent_us > times_us[0])
        sent_us = times_us[0];
    for (unsigned i = 0; i < count; i++) {
        out[i] = (struct hop_delay){ .skewed = times_us[i] != 0 && !trusted[i] };
        measure_step(times_us, count, trusted, i, sent_us, &out[i]);
    }
}
