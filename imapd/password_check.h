#ifndef IMAPD_PASSWORD_CHECK_H
#define IMAPD_PASSWORD_CHECK_H
/*
 * password_check - checks chosen secrets (lib/secret.h) beside the event loop: one thread, one check at a time, so that the process needs
 * memory for one (SECRET_ARGON2_BYTES) however many log in. The others wait in a queue with a bound, first come, first served.
 *
 * Secrets wait in memory of sodium_malloc (not swapped out, not dumped) and are wiped as soon as they were looked at.
 */

#include "lib/record.h"

#include <event2/event.h>

struct password_checks;
struct password_check;

/* right: it is that secret. Called from the loop, once; not for a check that was cancelled. */
typedef void password_checked_fn(void *arg, bool right);

/*
 * Starts the thread; at most waiting_max checks wait or are under way. Borrows base. MT_ENOMEM; MT_EIO: no thread, no descriptor (logged).
 */
int  password_checks_open(struct event_base *base, unsigned waiting_max, struct password_checks **out);
void password_checks_close(struct password_checks *p);      /* waits for the check under way, cancels all; NULL is fine */

/* No other check is taken at the moment. */
bool password_checks_are_full(const struct password_checks *p);

/* Copies what it needs. NULL: the queue is full, or no memory. */
struct password_check *password_check_begin(struct password_checks *p, struct slice typed, const struct credentials *credentials,
                                            password_checked_fn *checked, void *arg);

/* Its asker has gone: it is not begun any more, and nobody hears of it. */
void password_check_cancel(struct password_checks *p, struct password_check *check);

#endif
