#include "lib/sandbox.h"

#include "lib/call_filter.h"
#include "lib/error.h"
#include "lib/file_rights.h"
#include "lib/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Enough for every role; a limit of the administrator's below it holds. */
#define FILES_WANTED 1048576u

/* Descriptors that a role has besides its sessions: channels, listeners, the database, standard ones. */
#define FILES_MARGIN 256u

/* prctl(2) of Linux 6.3, which the headers of an older distribution do not have yet. */
#define SET_MEMORY_RIGHTS        65     /* PR_SET_MDWE */
#define REFUSE_EXECUTION_LATER   1      /* PR_MDWE_REFUSE_EXEC_GAIN */

/* A root without capabilities, no more to be gained by it, and none of this ever to be changed again. */
#define NO_POWERS                                                                                                                \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | \
     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* AddressSanitizer looks for leaks at the end by tracing its own process from a clone of it. */
#ifdef __SANITIZE_ADDRESS__
#define LEAVE_TRACEABLE true
#else
#define LEAVE_TRACEABLE false
#endif

/* ---- Whose rights ----------------------------------------------------------------------------------------------- */

int
sandbox_user(enum role role, const struct config *config, unsigned *uid, unsigned *gid)
{
    const char          *user = config->processes.user;
    char                 name[64];
    const struct passwd *pw;
    struct stat          st;

    if (user[0] == '\0') {      /* the owner of the state, so that runs as root and as that user leave the same files */
        bool found = stat(config->state_dir, &st) == 0;
        *uid = found ? st.st_uid : geteuid();
        *gid = found ? st.st_gid : getegid();
        return MT_OK;
    }
    snprintf(name, sizeof(name), "%s-%s", user, role_name(role));
    if ((pw = getpwnam(name)) == NULL && (pw = getpwnam(user)) == NULL)
        return MT_ENOTFOUND;
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return MT_OK;
}

static int
fail(const char *step)
{
    int err = errno;

    log_error("event=sandbox-failed step=%s reason=\"%s\"", step, strerror(err));
    return err == EPERM || err == EACCES ? MT_EDENIED : MT_EIO;
}

/*
 * What takes rights to give up: all capabilities that the process could ever have again, and the network of store, which has no use for any.
 * Who was not started as root has none of these rights (EPERM), and could gain nothing by what is left: no_new_privs and the lists
 * of system calls stand before it. A container may have taken them, too.
 */
static int
drop_powers(enum role role)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM)
            return fail("bounding-set");
    if (prctl(PR_SET_SECUREBITS, NO_POWERS, 0, 0, 0) != 0 && errno != EPERM)
        return fail("securebits");
    if (role == ROLE_STORE && unshare(CLONE_NEWNET) != 0)
        log_debug("event=network-shared reason=\"%s\"", strerror(errno));    /* it makes no socket all the same */
    return MT_OK;
}

static int
change_user(enum role role, const struct config *config)
{
    unsigned uid, gid;
    int      rc;

    if (geteuid() != 0)
        return MT_OK;
    if ((rc = sandbox_user(role, config, &uid, &gid)) != MT_OK) {
        log_error("event=no-user user=\"%s\" reason=\"started as root, and there is no such user\"", config->processes.user);
        return rc;
    }
    if (setgroups(0, NULL) != 0)
        return fail("setgroups");
    if (setresgid(gid, gid, gid) != 0)
        return fail("setresgid");
    if (setresuid(uid, uid, uid) != 0)
        return fail("setresuid");
    if (uid != 0 && (setuid(0) == 0 || setgid(0) == 0)) {
        log_error("event=sandbox-failed step=setuid reason=\"root came back\"");
        return MT_EDENIED;
    }
    return MT_OK;
}

/* Also those that systemd gave to a service that is not root (AmbientCapabilities=), and those of a root that stays root. */
static int
drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct   none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return fail("ambient-capabilities");
    return syscall(SYS_capset, &head, none) == 0 ? MT_OK : fail("capset");
}

/* ---- The supervisor ------------------------------------------------------------------------------------------------- */

#define BIT(capability) (UINT64_C(1) << (capability))

/* CAP_SYS_ADMIN: store's own network (unshare). CAP_SETPCAP: the roles give up the rest themselves. */
#define SUPERVISOR_KEEPS                                                                                                          \
    (BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER) |         \
     BIT(CAP_DAC_OVERRIDE) | BIT(CAP_KILL) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SYS_ADMIN))

/* Nothing is gained where there was nothing: who is not root keeps what it was given to bind ports (AmbientCapabilities=). */
static int
keep_few_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct   sets[_LINUX_CAPABILITY_U32S_3];

    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if ((SUPERVISOR_KEEPS & BIT(capability)) == 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM)
            return fail("bounding-set");
    if (syscall(SYS_capget, &head, sets) != 0)
        return fail("capget");
    for (unsigned i = 0; i < COUNT(sets); i++) {
        uint32_t keeps = (uint32_t)(SUPERVISOR_KEEPS >> 32 * i);
        sets[i].permitted &= keeps;
        sets[i].effective &= keeps;
        sets[i].inheritable &= keeps;
    }
    return syscall(SYS_capset, &head, sets) == 0 ? MT_OK : fail("capset");
}

int
sandbox_supervise(void)
{
    static const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return fail("limit-of-core");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail("no-new-privs");
    if (prctl(PR_SET_DUMPABLE, LEAVE_TRACEABLE, 0, 0, 0) != 0)
        return fail("dumpable");
    return keep_few_capabilities();
}

/* ---- How much ----------------------------------------------------------------------------------------------------- */

/* A session of smtpd is a socket and, for a large message, a memfd. */
static rlim_t
files_needed(enum role role, const struct config *config)
{
    switch (role) {
    case ROLE_SMTPD:
        return 2 * (rlim_t)config->smtp.sessions_max + FILES_MARGIN;
    case ROLE_LOOKUP:
        return (rlim_t)config->http.waiting_max + config->http.streams_max + FILES_MARGIN;
    case ROLE_WEBHOOK:      /* libcurl keeps up to four connections a transfer for the next post */
        return 5 * (rlim_t)config->webhook.posts_max + FILES_MARGIN;
    default:
        return FILES_MARGIN;
    }
}

static int
raise_files(enum role role, const struct config *config)
{
    rlim_t        needed = files_needed(role, config), wanted = needed > FILES_WANTED ? needed : FILES_WANTED;
    struct rlimit limit, more = { .rlim_cur = wanted, .rlim_max = wanted };

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail("getrlimit");
    if (limit.rlim_max < wanted && setrlimit(RLIMIT_NOFILE, &more) == 0)
        return MT_OK;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail("limit-of-files");
    if (limit.rlim_cur < needed)
        log_warning("event=limit-of-files files=%llu wanted=%llu reason=\"fewer sessions at once than configured; LimitNOFILE= or "
                    "ulimit -n raises it\"", (unsigned long long)limit.rlim_cur, (unsigned long long)needed);
    return MT_OK;
}

int
sandbox_end_threads(void)
{
    static const struct rlimit none = { 0, 0 };

    if (!LEAVE_TRACEABLE && setrlimit(RLIMIT_NPROC, &none) != 0)
        return fail("limit-of-processes");
    return MT_OK;
}

/*
 * RLIMIT_FSIZE stays: it would hold for memfds, and for a log that standard error is redirected to. RLIMIT_NPROC of 0 forbids threads
 * as well, which a backup of store needs; imapd gives that up when it has made its own (sandbox_end_threads).
 */
static int
set_limits(enum role role, const struct config *config)
{
    static const struct rlimit none = { 0, 0 };
    int                        rc = raise_files(role, config);

    if (rc != MT_OK)
        return rc;
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return fail("limit-of-core");
    if (!LEAVE_TRACEABLE && role != ROLE_STORE && role != ROLE_IMAPD)
        return sandbox_end_threads();
    return MT_OK;
}

int
sandbox_enter(enum role role, const struct config *config)
{
    int rc;

    umask(077);
    signal(SIGXFSZ, SIG_IGN);       /* a limit of the administrator's becomes an error of write */
    if ((rc = set_limits(role, config)) != MT_OK || (rc = drop_powers(role)) != MT_OK || (rc = change_user(role, config)) != MT_OK ||
        (rc = drop_capabilities()) != MT_OK)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail("no-new-privs");
    /* After the change of user, which sets it anew. */
    if (prctl(PR_SET_DUMPABLE, LEAVE_TRACEABLE, 0, 0, 0) != 0)
        return fail("dumpable");
    if (LEAVE_TRACEABLE)
        return MT_OK;
    tzset();        /* reads a file, which nobody can later */
    if ((rc = file_rights_enter(role, config)) != MT_OK || !config->processes.system_call_filter)
        return rc;
    /*
     * A second wall behind the list, which lets no memory become code either; kernels before 6.3 do not know it (EINVAL). Not without the
     * list: valgrind, which is run so, makes code of its own.
     */
    if (prctl(SET_MEMORY_RIGHTS, REFUSE_EXECUTION_LATER, 0, 0, 0) != 0 && errno != EINVAL)
        return fail("executable-memory");
    return call_filter_enter(role);
}
