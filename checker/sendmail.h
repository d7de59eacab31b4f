#ifndef CHECKER_SENDMAIL_H
#define CHECKER_SENDMAIL_H
/*
 * sendmail - one attempt to hand one mail to this machine's mail system by its sendmail program: "sendmail -i -f FROM -- TO", the mail with bare
 * line feeds on its standard input. Tells in the form of sender what came of it; the one step is STEP_SENDMAIL.
 */

#include "checker/sender.h"

struct sendmail;

/*
 * Of the task from, to, message and limit_ms count; path and all of it are borrowed until the end. An exit code of 75 (EX_TEMPFAIL) sets deferred;
 * others, and a program that cannot be started, are hopeless; one that is killed at the limit may have taken the mail. NULL: out of memory.
 */
struct sendmail *sendmail_start(struct event_base *base, const char *path, const struct sender_task *task, sender_done_fn *done, void *arg);

/* Kills it, without a call of done. NULL is fine. */
void sendmail_cancel(struct sendmail *s);

/* What is known so far. */
void sendmail_peek(const struct sendmail *s, struct sender_result *out);

#endif
