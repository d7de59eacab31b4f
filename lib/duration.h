#ifndef LIB_DURATION_H
#define LIB_DURATION_H
/*
 * duration - a time span as people write it on a command line: "10m", "90s", "1.5h", "250ms", "2d"; a number alone means seconds.
 */

#include "lib/slice.h"

/* MT_ESYNTAX: not such a span; MT_ESIZE: over max_ms. At most three decimals count, in the unit given. */
int duration_parse(struct slice text, uint64_t max_ms, uint64_t *out_ms);

/* The span for people, in the unit that fits: "3.2 ms", "1.834 s", "9 min 30 s", "2 h 5 min", "3 d 4 h". Returns out. */
#define DURATION_TEXT_BYTES 32u
const char *duration_text(uint64_t us, char out[DURATION_TEXT_BYTES]);

/* A limit as it was set, for people: "60 s", "300 ms", "1500 ms". Returns out. */
const char *duration_limit_text(uint32_t ms, char out[DURATION_TEXT_BYTES]);

#endif
