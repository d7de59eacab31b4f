#ifndef LIB_FILE_RIGHTS_H
#define LIB_FILE_RIGHTS_H
/*
 * file_rights - what a role may still reach by a path, and over the network, from now on (Landlock): of files nothing, but for store, which
 * has its state directory; of TCP nothing, but for smtpd, which connects to the ports of its resolvers, and webhook, which connects anywhere.
 * What is open stays open.
 *
 * The kernel's version decides how much of this holds: 1 (Linux 5.13) files, 4 (6.7) TCP, 6 (6.12) signals and abstract sockets.
 */

#include "lib/config.h"

/*
 * no_new_privs must be set. A kernel without Landlock, or with less of it, is said so in one line of store's and is no error: the
 * system call filter holds there, too. MT_EIO: it failed otherwise (logged).
 */
int file_rights_enter(enum role role, const struct config *config);

#endif
