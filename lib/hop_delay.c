#include "lib/hop_delay.h"

#include <assert.h>

#define TOLERANCE_US ((int64_t)HOP_TOLERANCE_S * 1000000)
#define STAMP_US     ((int64_t)1000000)     /* resolution of the stamps in Received fields */
#define NONE         HOP_DELAY_MAX

/* Time zones lie at most so far apart from UTC (+14:00), and differ by quarters of an hour. */
#define ZONE_MAX_US     ((int64_t)14 * 3600 * 1000000)
#define ZONE_QUARTER_US ((int64_t)15 * 60 * 1000000)

/* Farther from the nearest stamps than this a hop is not looked for: almost any difference would look like one of time zones. */
#define ZONE_SPAN_US    ((int64_t)60 * 1000000)

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

/*
 * The multiple of a quarter of an hour (better of half an hour, better still of an hour) between the two, give or take what
 * stamps may be in disorder; 0 where there is none. Those of one kind have the nearest to zero taken.
 */
static int64_t
zone_between(int64_t from_us, int64_t to_us)
{
    static const int64_t steps_us[] = { 4 * ZONE_QUARTER_US, 2 * ZONE_QUARTER_US, ZONE_QUARTER_US };

    from_us -= TOLERANCE_US + STAMP_US;
    to_us += TOLERANCE_US + STAMP_US;
    for (size_t i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++)
        for (int64_t zone_us = steps_us[i]; zone_us <= ZONE_MAX_US; zone_us += steps_us[i]) {
            if (zone_us >= from_us && zone_us <= to_us)
                return zone_us;
            if (-zone_us >= from_us && -zone_us <= to_us)
                return -zone_us;
        }
    return 0;
}

/* How far a stamp lies outside of the nearest two that can be trusted: newer, and older (count: the sending, where known). */
static void
estimate_skew(const int64_t *times_us, unsigned count, unsigned i, unsigned newer, unsigned older, int64_t sent_us,
              struct hop_delay *out)
{
    int64_t high_us = stamp_interval(times_us, newer, sent_us).to_us, zone_us;
    bool    low_known = older < count || sent_us != 0;
    int64_t low_us = older < count ? stamp_interval(times_us, older, sent_us).from_us : sent_us;

    if (times_us[i] > high_us) {
        out->skew_us = times_us[i] - high_us;
        if (!low_known || low_us < high_us - ZONE_SPAN_US)
            low_us = high_us - ZONE_SPAN_US;
        zone_us = zone_between(out->skew_us, times_us[i] - low_us);
    } else {
        out->skew_us = times_us[i] - low_us;
        if (high_us > low_us + ZONE_SPAN_US)
            high_us = low_us + ZONE_SPAN_US;
        zone_us = zone_between(times_us[i] - high_us, out->skew_us);
    }
    if (zone_us != 0) {
        out->wrong_zone = true;
        out->skew_us = zone_us;
    }
}

/* Nearest hops that can be trusted: i itself or a newer one, and the next older; count where there is none. */
static void
find_neighbours(const bool *trusted, unsigned count, unsigned i, unsigned *newer, unsigned *older)
{
    *newer = i;
    *older = i + 1;
    while (!trusted[*newer])        /* the first, ours, is */
        (*newer)--;
    while (*older < count && !trusted[*older])
        (*older)++;
}

/* Between newer and older, which are not just the two that were asked for: no more than a bound. */
static void
measure_bound(const int64_t *times_us, unsigned count, unsigned newer, unsigned older, int64_t sent_us, struct hop_delay *out)
{
    measure(times_us, count, newer, older, sent_us, out);
    if (out->known && !out->bounded)                /* exact, but of several steps together */
        out->at_most_us = out->delay_us;
    out->bounded = true;
    out->known = false;
    out->delay_us = 0;
}

/* The step from hop i + 1 to hop i, or from the sending where i is the last. */
static void
measure_step(const int64_t *times_us, unsigned count, const bool *trusted, unsigned i, int64_t sent_us, struct hop_delay *out)
{
    unsigned newer, older;

    find_neighbours(trusted, count, i, &newer, &older);
    if (out->skewed)
        estimate_skew(times_us, count, i, newer, older, sent_us, out);
    if (older == count && sent_us == 0)
        return;
    if (newer == i && older == i + 1)
        measure(times_us, count, newer, older, sent_us, out);
    else
        measure_bound(times_us, count, newer, older, sent_us, out);
}

/* The earliest time of sending as far as it can be believed; 0: not at all. Marks the stamps that can be trusted. */
static int64_t
judge(const int64_t *times_us, unsigned count, int64_t sent_us, bool *trusted)
{
    assert(count <= HOP_DELAY_MAX);
    if (count > 0 && sent_us > times_us[0] + TOLERANCE_US)
        sent_us = 0;                /* minted by a clock that is ahead of ours: says nothing */
    find_trusted(times_us, count, sent_us, trusted);
    return count > 0 && sent_us > times_us[0] ? times_us[0] : sent_us;
}

void
hop_delays(const int64_t *times_us, unsigned count, int64_t sent_us, struct hop_delay *out)
{
    bool trusted[HOP_DELAY_MAX] = { false };

    sent_us = judge(times_us, count, sent_us, trusted);
    for (unsigned i = 0; i < count; i++) {
        out[i] = (struct hop_delay){ .skewed = times_us[i] != 0 && !trusted[i] };
        measure_step(times_us, count, trusted, i, sent_us, &out[i]);
    }
}

void
hop_split(const int64_t *times_us, unsigned count, int64_t sent_us, unsigned at, struct hop_delay *before,
          struct hop_delay *behind)
{
    bool     trusted[HOP_DELAY_MAX] = { false };
    unsigned newer, older;

    assert(at > 0 && at < count);
    sent_us = judge(times_us, count, sent_us, trusted);
    *before = *behind = (struct hop_delay){ .skewed = false };
    if (trusted[at]) {
        if (sent_us != 0)
            measure(times_us, count, at, count, sent_us, before);
        measure(times_us, count, 0, at, sent_us, behind);
        return;
    }
    find_neighbours(trusted, count, at, &newer, &older);
    if (sent_us != 0)
        measure_bound(times_us, count, newer, count, sent_us, before);
    if (older < count || sent_us != 0)
        measure_bound(times_us, count, 0, older, sent_us, behind);
}
