#ifndef CHECKER_ARRIVAL_H
#define CHECKER_ARRIVAL_H
/*
 * arrival - when the mail arrived, by one clock: the moments that others tell become moments of the story, bounded by what we saw ourselves. So a
 * time is never negative and never absurd, whatever a stamp says; where one was cut the story says so (clamped).
 */

#include "checker/offset.h"
#include "checker/story.h"
#include "checker/watch.h"

/*
 * story->answer tells of an arrival at the service. start_us: the zero of the story's times; heard_us: when we heard of it; both monotonic.
 * clock: of the service. Sets arrived, copies and the times.
 */
void arrival_at_service(struct story *s, uint64_t start_us, uint64_t heard_us, const struct offset *clock);

/* The watch found it. Sets arrived, copies, junk, folder and the times: between the last look that did not see it and the one that did. */
void arrival_in_account(struct story *s, uint64_t start_us, const struct watch_result *r);

#endif
