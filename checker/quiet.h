#ifndef CHECKER_QUIET_H
#define CHECKER_QUIET_H
/*
 * quiet - the local time of the week, and whether a check's quiet times have it. Local is what the process's time zone says (TZ, or the machine's):
 * summer time included. A quiet time that summer time skips is short, one that it repeats is long.
 */

#include "checker/checks.h"

#define WEEK_MINUTES (7u * 24 * 60)

/*
 * Makes a zone such as "Europe/Berlin" that of the process; NULL: the machine's, which stays. At the start, before there are threads. MT_ENOTFOUND:
 * there is no such zone.
 */
int quiet_use_zone(const char *zone);

/* Minutes since Monday 00:00, local time, of a moment in microseconds since 1970. */
uint32_t quiet_minute(uint64_t wall_us);

/* Whether one of the quiet times has this minute of the week. */
bool quiet_has(const struct quiet *quiet, unsigned count, uint32_t minute);

#endif
