#include "lib/sandbox.h"

#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Enough for every role; a limit of the administrator's below it holds. */
#define FILES_WANTED 1048576u

/* Descriptors that a role has besides its sessions: channels, listeners, the database, standard ones. */
#define FILES_MARGIN 256u

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

/*
 * RLIMIT_FSIZE stays: it would hold for memfds, and for a log that standard error is redirected to. RLIMIT_NPROC of 0 forbids threads
 * as well, which a backup of store needs.
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
    if (!LEAVE_TRACEABLE && role != ROLE_STORE && setrlimit(RLIMIT_NPROC, &none) != 0)
        return fail("limit-of-processes");
    return MT_OK;
}

int
sandbox_enter(enum role role, const struct config *config)
{
    int rc;

    umask(077);
    signal(SIGXFSZ, SIG_IGN);       /* a limit of the administrator's becomes an error of write */
    if ((rc = set_limits(role, config)) != MT_OK || (rc = change_user(role, config)) != MT_OK || (rc = drop_capabilities()) != MT_OK)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail("no-new-privs");
    /* After the change of user, which sets it anew. */
    if (prctl(PR_SET_DUMPABLE, LEAVE_TRACEABLE, 0, 0, 0) != 0)
        return fail("dumpable");
    return MT_OK;
}
