#ifndef CHECKER_PROGRAM_H
#define CHECKER_PROGRAM_H
/*
 * program - runs another program on the loop: sendmail, a token command, an alert command. Nothing blocks: its input, its output and
 * its end are events. It gets a clean set of descriptors (0, 1 and 2 alone), default signals, a process group of its own, and no secret of ours.
 */

#include "lib/slice.h"

#include <event2/event.h>

struct program;

struct program_task {
    const char *const *words;           /* NULL at the end; words[0] is a path, or is looked for in PATH. No shell */
    const char *const *environment;     /* "NAME=value" beside PATH, HOME, LANG and TZ of our own; NULL at the end; NULL: none */
    struct slice       input;           /* copied */
    uint32_t           timeout_ms;      /* then its process group is killed */
    size_t             output_max;      /* octets of standard output that are kept */
};

#define PROGRAM_ERRORS_BYTES 512u

struct program_result {
    bool         started;
    bool         timed_out;
    int          exit_code;             /* -1: it did not exit by itself */
    int          signal;                /* that ended it; 0: none */
    struct slice output;
    char         errors[PROGRAM_ERRORS_BYTES];      /* the beginning of its standard error, one line, fit to be shown */
    char         reason[256];           /* why it counts as failed, in words; empty: it exited with 0 */
};

/* result is valid during the call; the program is freed after it. output is wiped. */
typedef void program_done_fn(void *arg, const struct program_result *result);

/* done is called from the loop, never from inside. The process ignores SIGPIPE. NULL: out of memory or descriptors. */
struct program *program_start(struct event_base *base, const struct program_task *task, program_done_fn *done, void *arg);

/* Kills it, without a call of done. NULL is fine. */
void program_cancel(struct program *p);

#endif
