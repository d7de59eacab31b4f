/* system_calls - see system_calls.h. A row that no role needs any more goes. */

#include "lib/system_calls.h"

#include "lib/error.h"

#define SMTPD   (1u << ROLE_SMTPD)
#define IMAPD   (1u << ROLE_IMAPD)
#define LOOKUP  (1u << ROLE_LOOKUP)
#define STORE   (1u << ROLE_STORE)
#define WEBHOOK (1u << ROLE_WEBHOOK)
#define SIGNER  (1u << ROLE_SIGNER)
#define EVERY   (SMTPD | IMAPD | LOOKUP | STORE | WEBHOOK | SIGNER)

const struct system_call system_calls[] = {
    /* The loop, and the channels between the roles. */
    { "epoll_wait",        EVERY,                     CALL_ANY },
    { "epoll_pwait",       EVERY,                     CALL_ANY },
    { "epoll_pwait2",      EVERY,                     CALL_ANY },       /* libevent 2.2 */
    { "epoll_ctl",         EVERY,                     CALL_ANY },
    { "recvmsg",           EVERY,                     CALL_ANY },
    { "sendmsg",           EVERY,                     CALL_ANY },
    { "poll",              EVERY,                     CALL_ANY },       /* at the end, until a channel's last messages are taken; libcurl */
    { "ppoll",             EVERY,                     CALL_ANY },       /* the same where the kernel has no poll */
    { "close",             EVERY,                     CALL_ANY },
    { "fcntl",             EVERY,                     CALL_DESCRIPTOR },
    { "clock_gettime",     EVERY,                     CALL_ANY },       /* where the clock cannot be read without the kernel */
    { "gettimeofday",      EVERY,                     CALL_ANY },
    { "time",              EVERY,                     CALL_ANY },
    { "getpid",            EVERY,                     CALL_ANY },       /* OpenSSL's and libsodium's random generators look for a fork */
    { "getrandom",         EVERY,                     CALL_ANY },
    { "restart_syscall",   EVERY,                     CALL_ANY },

    /* Memory: never any that can be executed. */
    { "brk",               EVERY,                     CALL_ANY },
    { "mmap",              EVERY,                     CALL_NOT_EXECUTABLE },
    { "mprotect",          EVERY,                     CALL_NOT_EXECUTABLE },
    { "mremap",            EVERY,                     CALL_RESIZE },
    { "munmap",            EVERY,                     CALL_ANY },
    { "madvise",           EVERY,                     CALL_ADVICE },
    { "mlock",             EVERY,                     CALL_ANY },       /* sodium_malloc */
    { "munlock",           EVERY,                     CALL_ANY },
    { "sysinfo",           EVERY,                     CALL_ANY },       /* qsort() of more than 1 KiB asks how much memory there is */

    /* The log, and the end. */
    { "write",             EVERY,                     CALL_ANY },
    { "writev",            EVERY,                     CALL_ANY },
    { "exit",              EVERY,                     CALL_ANY },
    { "exit_group",        EVERY,                     CALL_ANY },
    { "rt_sigaction",      EVERY,                     CALL_ANY },       /* abort(), and libcurl for SIGPIPE */
    { "rt_sigprocmask",    EVERY,                     CALL_ANY },
    { "rt_sigreturn",      EVERY,                     CALL_ANY },
    { "gettid",            EVERY,                     CALL_ANY },
    { "tgkill",            EVERY,                     CALL_OWN_PROCESS },
    { "futex",             EVERY,                     CALL_WAIT },

    /* Clients. */
    { "accept4",           SMTPD | IMAPD | LOOKUP | STORE, CALL_ANY },  /* store: the control socket */
    { "read",              EVERY,                     CALL_ANY },
    { "readv",             LOOKUP,                    CALL_ANY },
    { "recvfrom",          SMTPD | IMAPD | LOOKUP | WEBHOOK | SIGNER, CALL_ANY },
    { "sendto",            SMTPD | IMAPD | LOOKUP | WEBHOOK | SIGNER, CALL_ANY },
    { "shutdown",          SMTPD | IMAPD | LOOKUP | WEBHOOK, CALL_ANY },
    { "setsockopt",        SMTPD | IMAPD | LOOKUP | WEBHOOK, CALL_OPTION },
    { "getsockopt",        EVERY,                     CALL_ANY },       /* SO_ERROR; store: whose mailtestctl it is */
    { "getsockname",       SMTPD | IMAPD | LOOKUP | WEBHOOK, CALL_ANY },
    { "getpeername",       SMTPD | IMAPD | LOOKUP | WEBHOOK, CALL_ANY },
    { "ioctl",             LOOKUP | WEBHOOK,          CALL_INPUT_SIZE },

    /* Connections out: DNS, and posts to webhooks. */
    { "socket",            SMTPD | WEBHOOK,           CALL_INTERNET },
    { "connect",           SMTPD | WEBHOOK,           CALL_ANY },
    { "pipe2",             WEBHOOK,                   CALL_ANY },       /* libcurl's wake-up, which it makes in one of three ways */
    { "socketpair",        WEBHOOK,                   CALL_PAIR },

    /* Octets of long messages. */
    { "memfd_create",      SMTPD | IMAPD | LOOKUP,    CALL_MEMFD },     /* lookup: many results of checks in one post */
    { "lseek",             EVERY,                     CALL_ANY },       /* stdio; LMDB */
    { "pread64",           STORE,                     CALL_ANY },
    { "pwrite64",          STORE,                     CALL_ANY },
    { "pwritev",           STORE,                     CALL_ANY },
    { "ftruncate",         STORE,                     CALL_ANY },

    /* The database and the key file: below the state directory alone (lib/file_rights.h). */
    { "openat",            STORE,                     CALL_ANY },
    { "access",            STORE,                     CALL_ANY },
    { "faccessat",         STORE,                     CALL_ANY },       /* where the kernel has no access, mkdir, unlink, renameat */
    { "faccessat2",        STORE,                     CALL_ANY },
    { "mkdir",             STORE,                     CALL_ANY },
    { "mkdirat",           STORE,                     CALL_ANY },
    { "unlink",            STORE,                     CALL_ANY },
    { "unlinkat",          STORE,                     CALL_ANY },
    { "renameat",          STORE,                     CALL_ANY },
    { "renameat2",         STORE,                     CALL_ANY },
    { "newfstatat",        STORE,                     CALL_ANY },
    { "fstatfs",           STORE,                     CALL_ANY },
    { "statfs",            STORE,                     CALL_ANY },
    { "flock",             STORE,                     CALL_ANY },
    { "fsync",             STORE,                     CALL_ANY },
    { "fdatasync",         STORE,                     CALL_ANY },
    { "fadvise64",         STORE,                     CALL_ANY },
    { "uname",             STORE,                     CALL_ANY },       /* LMDB asks for the kernel's version */
    { "geteuid",           STORE,                     CALL_ANY },

    /* Threads: a backup of store, a password that is checked by imapd. */
    { "eventfd2",          STORE | IMAPD | WEBHOOK,   CALL_ANY },       /* a thread tells the loop; libcurl's wake-up */
    { "clone",             STORE | IMAPD,             CALL_THREAD },
    { "clone3",            STORE | IMAPD,             CALL_UNKNOWN },   /* its flags lie in memory, where no filter looks */
    { "set_robust_list",   STORE | IMAPD,             CALL_ANY },
    { "rseq",              STORE | IMAPD,             CALL_ANY },
    { "sched_getaffinity", STORE | IMAPD,             CALL_ANY },       /* malloc: how many arenas */
    { "prctl",             STORE | IMAPD,             CALL_NAME },
    { "prlimit64",         IMAPD,                     CALL_NO_MORE_THREADS },

    /* fstat, which says nothing of a file that is not open; and what libraries try for things that they can do without. */
    { "fstat",             EVERY,                     CALL_ANY },
    { "newfstatat",        SMTPD | IMAPD | LOOKUP | WEBHOOK | SIGNER, CALL_NO_PATH },
    { "openat",            SMTPD | IMAPD | LOOKUP | WEBHOOK | SIGNER, CALL_REFUSED },
    { "socket",            LOOKUP | IMAPD | STORE,    CALL_REFUSED },
};

const unsigned system_call_count = COUNT(system_calls);
