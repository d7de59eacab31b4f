#ifndef CHECKER_RESULT_LINES_H
#define CHECKER_RESULT_LINES_H
/*
 * result_lines - each result as one line of JSON, to a file or to standard output. A file is written to its end and can be moved away and made
 * anew (SIGHUP). Standard output may be a pipe whose reader is slow: what it does not take waits, in memory, up to a bound.
 */

#include "lib/slice.h"

#include <event2/event.h>

struct result_lines;

#define RESULT_LINES_WAITING_MAX (16u * 1024 * 1024)    /* octets; lines beyond that are dropped, logged and counted */

/* name: of the file, "-": standard output. Borrows base; copies name. MT_EDENIED, MT_ENOTFOUND, MT_EIO (logged); MT_ENOMEM. */
int  result_lines_open(struct event_base *base, const char *name, struct result_lines **out);
void result_lines_close(struct result_lines *r);    /* NULL is fine; what waits is lost */

/* Opens the file by its name anew; where that fails the old one stays, and the log says so. */
void result_lines_reopen(struct result_lines *r);

/* A line without its line feed. */
void result_lines_write(struct result_lines *r, struct slice line);

uint64_t result_lines_dropped(const struct result_lines *r);
size_t   result_lines_waiting(const struct result_lines *r);    /* octets */

#endif
