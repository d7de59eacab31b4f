#ifndef CHECKER_PROBE_LINE_H
#define CHECKER_PROBE_LINE_H
/* probe_line - what a run of any check came to, as monitoring plugins print it. */

#include "checker/outcome.h"
#include "lib/buf.h"

/*
 * "SMTP OK - mx1.example[192.0.2.1]:25 answered in 0.12 s | 'total'=0.120000s;5;10;0 'connect'=0.010000s;;;0 …" and a line feed. what: "SMTP". The ranges
 * are those of the total; NULL: it has none.
 */
void probe_line(struct buf *out, const char *what, const struct outcome *o, const struct range *warning, const struct range *critical);

#endif
