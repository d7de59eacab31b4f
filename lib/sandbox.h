#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H
/*
 * sandbox - gives up rights: own user when started as root, every capability, no_new_privs, resource limits, no core dumps, not traceable,
 * umask 077. Once, after everything that needs rights is open.
 */

#include "lib/config.h"

/* MT_ENOTFOUND (no such user), MT_EDENIED, MT_EIO (logged): the process must end, never serve with more rights than it should have. */
int sandbox_enter(enum role role, const struct config *config);

/* The user and group that a role runs as when started as root; MT_ENOTFOUND: no such user. */
int sandbox_user(enum role role, const struct config *config, unsigned *uid, unsigned *gid);

#endif
