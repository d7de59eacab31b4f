#ifndef CHECKER_OUTCOME_LINE_H
#define CHECKER_OUTCOME_LINE_H
/* outcome_line - what one run of a check came to, whatever its kind, as the line of a monitoring plugin. */

#include "checker/checks.h"
#include "checker/outcome.h"
#include "lib/buf.h"

/*
 * "SMTP OK - mx1.example[192.0.2.1]:25 answered in 0.12 s | 'total'=0.120000s;5;10;0 'connect'=0.010000s;;;0 …" and a line feed; with a name
 * "MAILTEST CRITICAL - acme/inbound: not arrived …". title: "SMTP". name: NULL: none. Of check its kind, thresholds (of the total) and window count.
 * The figures of a round trip bear the names of those of mailtest-check once: https://www.monitoring-plugins.org/doc/guidelines.html
 */
void outcome_line(struct buf *out, const char *title, const char *name, const struct check *check, const struct outcome *outcome);

#endif
