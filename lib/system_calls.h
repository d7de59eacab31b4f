#ifndef LIB_SYSTEM_CALLS_H
#define LIB_SYSTEM_CALLS_H
/*
 * system_calls - which system calls each role may make once its rights are given up: data alone, in system_calls.c. What is not in
 * the list kills the process (lib/call_filter.h).
 */

#include "lib/config.h"

/* What the arguments must be: lib/call_filter.c has the values. */
enum call_condition {
    CALL_ANY,
    CALL_NOT_EXECUTABLE,    /* mmap, mprotect: without PROT_EXEC, so that no memory ever becomes code */
    CALL_RESIZE,            /* mremap: to where the kernel likes */
    CALL_ADVICE,            /* madvise: what says how memory is used, and what is left out of dumps */
    CALL_DESCRIPTOR,        /* fcntl: flags, copies, seals, and the locks of LMDB */
    CALL_OPTION,            /* setsockopt: those of a TCP connection, and sizes and time limits of a socket */
    CALL_NO_PATH,           /* newfstatat: AT_EMPTY_PATH, which is what fstat has become */
    CALL_INTERNET,          /* socket: TCP and UDP over IP; another family fails with EACCES */
    CALL_PAIR,              /* socketpair: of AF_UNIX */
    CALL_MEMFD,             /* memfd_create: that may be sealed; not of huge pages */
    CALL_THREAD,            /* clone: a thread of this process, and no other process or namespace */
    CALL_OWN_PROCESS,       /* tgkill: this process, which ends itself (abort) */
    CALL_WAIT,              /* futex: waiting and waking; none of the operations that inherit priorities */
    CALL_INPUT_SIZE,        /* ioctl: FIONREAD, FIONBIO */
    CALL_NAME,              /* prctl: PR_SET_NAME */
    CALL_NO_MORE_THREADS,   /* prlimit64: RLIMIT_NPROC of this process */
    CALL_REFUSED,           /* fails with EACCES instead: libraries try it for something that they can do without */
    CALL_UNKNOWN,           /* fails with ENOSYS instead: a library that knows another way then takes it */
    CALL_CONDITIONS
};

struct system_call {
    const char         *name;       /* as the kernel calls it; one that this machine's kernel has not is passed over */
    unsigned            roles;      /* bits 1 << enum role */
    enum call_condition condition;
};

extern const struct system_call system_calls[];
extern const unsigned           system_call_count;

#endif
