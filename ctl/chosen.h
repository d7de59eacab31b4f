#ifndef CTL_CHOSEN_H
#define CTL_CHOSEN_H
/*
 * chosen - a secret that a person chose, from standard input (--stdin) or a file (--file); never from the command line, which others on the
 * machine can see. The slow hash is computed here, so that store neither learns the secret nor waits for it.
 */

#include "ctl/ctl.h"
#include "lib/record.h"

/* Of a command's option table, in front of its end. */
#define CHOSEN_OPTIONS \
    { 0, "stdin", NULL, "a secret that you choose, read from standard input: one line of 12 characters or more" }, \
    { 'f', "file", "FILE", "the same, read from a file" }

/* What to tell who chose one: clients that take SCRAM by themselves need a word. */
extern const char chosen_note[];

bool chosen_is_wanted(const struct ctl *ctl);

/* EX_OK with *out filled in, which the caller wipes; else an exit code with the error said. */
int chosen_read(const struct ctl *ctl, struct credentials *out);

/* Appends salt and hash to a request. */
void chosen_write(struct buf *fields, const struct credentials *c);

#endif
