#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H
/*
 * sandbox - gives up rights: own user when started as root, every capability and the way back to them, no_new_privs, resource limits, no core
 * dumps, not traceable, umask 077, no memory that becomes executable, files and network (lib/file_rights.h), system calls
 * (lib/call_filter.h). Once, after everything that needs rights is open; only store, which opens its files as their owner, before.
 */

#include "lib/config.h"

/* MT_ENOTFOUND (no such user), MT_EDENIED, MT_EIO (logged): the process must end, never serve with more rights than it should have. */
int sandbox_enter(enum role role, const struct config *config);

/*
 * What the supervisor can give up, first of all: no_new_privs, core dumps, being traced, and of root's rights all but those to bind ports, to
 * become another user, to own and reach the state directory, to raise limits and to end processes. Every role begins with no more.
 * It stays able to run programs and open files: it starts the roles and reads the configuration anew. MT_EDENIED, MT_EIO (logged).
 */
int sandbox_supervise(void);

/*
 * imapd and store keep the right to make threads, which none of the others has; imapd gives it up when it has made its own. MT_EDENIED,
 * MT_EIO (logged).
 */
int sandbox_end_threads(void);

/* The user and group that a role runs as when started as root; MT_ENOTFOUND: no such user. */
int sandbox_user(enum role role, const struct config *config, unsigned *uid, unsigned *gid);

#endif
