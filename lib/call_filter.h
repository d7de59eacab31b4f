#ifndef LIB_CALL_FILTER_H
#define LIB_CALL_FILTER_H
/*
 * call_filter - the system calls that a role may make from now on (lib/system_calls.h), for all its threads, those to come included.
 * Any other kills the process at once with SIGSYS; the supervisor logs that and starts a new one.
 */

#include "lib/config.h"

/* no_new_privs must be set. MT_EIO: the kernel did not take it (logged). */
int call_filter_enter(enum role role);

#endif
