#ifndef LIB_DATE_H
#define LIB_DATE_H
/*
 * date - the date-time of header fields (RFC 5322 section 3.3), with its obsolete forms (section 4.3): years of two and three
 * digits, named zones, comments and folds anywhere. Beyond that it takes what real mail has: no day of the week or a wrong one,
 * no seconds, the order of C's asctime ("Mon Jan  2 15:04:05 2006") and of date(1) ("Mon Jan  2 15:04:05 CET 2006"), dashes
 * ("2-Jan-2006"), AM and PM, dots in the time, a zone with a colon, one behind the time without a space or behind "GMT", one in a
 * comment alone, or none (then UTC). Names of zones outside of RFC 5322 count where they have one meaning all over the world
 * (CET, JST); others mean UTC.
 */

#include "lib/slice.h"

/* MT_ESYNTAX: no date that can be read, or one that does not exist. A leap second counts as the second before it. */
int date_parse(struct slice text, int64_t *out_unix);

/* The same, and the zone as written: seconds east of UTC, less than a day. */
int date_parse_zone(struct slice text, int64_t *out_unix, int64_t *zone_s);

#endif
