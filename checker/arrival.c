#include "checker/arrival.h"

#include "checker/clock.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

/* The mail itself, not what was said of it. */
static bool
is_mail(const json_t *arrival)
{
    const char *kind = json_string_value(json_object_get(arrival, "kind"));

    return kind != NULL && strcmp(kind, "arrived") == 0;
}

static const json_t *
first_mail(const json_t *answer)
{
    size_t  i;
    json_t *arrival;

    json_array_foreach (json_object_get(answer, "arrivals"), i, arrival)
        if (is_mail(arrival))
            return arrival;
    return NULL;
}

/* Of those that are told of one by one; that is all but of mails that came more than 16 times. */
static unsigned
count_mails(const json_t *answer)
{
    unsigned n = 0;
    size_t   i;
    json_t  *arrival;

    json_array_foreach (json_object_get(answer, "arrivals"), i, arrival)
        n += is_mail(arrival);
    return n == 0 ? 1 : n;
}

static bool
stamp_of(const json_t *arrival, uint64_t *us)
{
    const char *text = json_string_value(json_object_get(arrival, "received_at"));

    return text != NULL && rfc3339_parse(slice_of(text), us) == MT_OK;
}

/* The service's clock less ours as people read clocks: both as dates. */
static void
note_clock(struct story *s, const struct offset *clock, uint64_t now_us)
{
    int64_t low, high, ours = (int64_t)wall_us() - (int64_t)now_us;

    s->clock_known = offset_bounds(clock, now_us, &low, &high);
    if (!s->clock_known)
        return;
    s->clock_low_us = low - ours;
    s->clock_high_us = high - ours;
}

/* Into what is possible: not before it was sent, not after we knew. */
static uint64_t
clamp(int64_t us, uint64_t low, uint64_t high)
{
    if (us < 0 || (uint64_t)us < low)
        return low;
    return (uint64_t)us > high ? high : (uint64_t)us;
}

void
arrival_at_service(struct story *s, uint64_t start_us, uint64_t heard_us, const struct offset *clock)
{
    uint64_t now_us = monotonic_us(), stamp, heard = heard_us > start_us ? heard_us - start_us : 0;
    int64_t  earliest, latest;

    s->arrived = true;
    s->copies = count_mails(s->answer);
    s->answered_us = s->arrived_us = heard > s->send_at_us ? heard : s->send_at_us;
    s->arrived_after_us = s->send_at_us;
    note_clock(s, clock, now_us);
    if (!stamp_of(first_mail(s->answer), &stamp) || !offset_moment(clock, now_us, stamp, &earliest, &latest))
        return;
    earliest -= (int64_t)start_us;
    latest -= (int64_t)start_us;
    s->clamped = latest < (int64_t)s->send_at_us || earliest > (int64_t)s->answered_us;
    s->arrived_us = clamp(latest, s->send_at_us, s->answered_us);
    s->arrived_after_us = clamp(earliest, s->send_at_us, s->arrived_us);
}

void
arrival_in_account(struct story *s, uint64_t start_us, const struct watch_result *r)
{
    uint64_t found = r->found_us > start_us ? r->found_us - start_us : 0, before = r->seen_before_us > start_us ? r->seen_before_us - start_us : 0;

    s->arrived = true;
    s->copies = r->copies;
    s->junk = r->junk;
    slice_copy(s->folder, sizeof(s->folder), slice_of(r->folder));
    s->answered_us = s->arrived_us = found > s->send_at_us ? found : s->send_at_us;
    s->arrived_after_us = clamp((int64_t)before, s->send_at_us, s->arrived_us);
}
