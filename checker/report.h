#ifndef CHECKER_REPORT_H
#define CHECKER_REPORT_H
/*
 * report - tells the story of a round trip: as the line of a monitoring plugin with performance data, as a timeline for
 * people, as JSON. What servers said passes lib/display.h.
 */

#include "checker/story.h"
#include "lib/buf.h"

/* "MAILTEST OK - scenario 2: arrived after 1.834 s … | 'total'=1.834s;95;300;0;600 …" and a line feed. */
void report_line(struct buf *out, const struct plan *plan, const struct story *story);

/* What happened when, line by line, and the hops. */
void report_timeline(struct buf *out, const struct story *story);

/* docs/mailtest-check.1 lists the members. NULL: out of memory. */
json_t *report_json(const struct plan *plan, const struct story *story);

/* A line without a story: bad arguments and the like. */
void report_unknown(struct buf *out, const char *text);

#define REPORT_MAX_BYTES (1024u * 1024)

#endif
