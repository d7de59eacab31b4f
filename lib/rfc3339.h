#ifndef LIB_RFC3339_H
#define LIB_RFC3339_H
/*
 * rfc3339 - times as the API writes and reads them: "2026-11-21T03:30:00.123456Z". Leap seconds are not represented.
 */

#include "lib/slice.h"

#define RFC3339_TEXT_BYTES 28u      /* the longest text and its NUL */

/* Years 1970 to 9999; later times are cut to the last. Returns the length without the NUL. */
size_t rfc3339_text_us(uint64_t us, char out[RFC3339_TEXT_BYTES]);      /* six decimals */
size_t rfc3339_text(uint64_t unix_s, char out[RFC3339_TEXT_BYTES]);     /* whole seconds */

/*
 * Reads a date-time (RFC 3339 section 5.6) with any offset and any number of decimals, of which six count. MT_ESYNTAX: none, or
 * before 1970.
 */
int rfc3339_parse(struct slice text, uint64_t *out_us);

#endif
