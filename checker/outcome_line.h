#ifndef CHECKER_OUTCOME_LINE_H
#define CHECKER_OUTCOME_LINE_H
/* outcome_line - what one run of a check of the file came to, as the line of a monitoring plugin. */

#include "checker/checks.h"
#include "checker/outcome.h"
#include "lib/buf.h"

/*
 * "MAILTEST CRITICAL - acme/inbound: not arrived … | 'total'=…s;95;300;0;600 …" and a line feed. The figures bear the names of those of
 * mailtest-check once: https://www.monitoring-plugins.org/doc/guidelines.html
 */
void outcome_line(struct buf *out, const struct check *check, const struct outcome *outcome);

#endif
