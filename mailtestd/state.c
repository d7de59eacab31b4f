#include "mailtestd/state.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/tls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { CERTIFICATE_NAMES_MAX = 50 };    /* each makes every handshake longer */

static int
fail(struct state_error *error, const char *what, const char *path, int err)
{
    static const struct {
        int err, rc, exit_code;
    } kinds[] = {
        { EACCES, MT_EDENIED, EX_NOPERM }, { EPERM, MT_EDENIED, EX_NOPERM },  { EROFS, MT_EIO, EX_CANTCREAT },
        { ENOENT, MT_EIO, EX_CANTCREAT },  { ENOTDIR, MT_EIO, EX_CANTCREAT }, { ENOSPC, MT_EIO, EX_CANTCREAT },
    };

    snprintf(error->text, sizeof(error->text), "%s %s: %s", what, path, strerror(err));
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (kinds[i].err == err) {
            error->exit_code = kinds[i].exit_code;
            return kinds[i].rc;
        }
    }
    error->exit_code = EX_OSERR;
    return MT_EIO;
}

/* ---- Owner ------------------------------------------------------------------------------------------------------------ */

static int
fail_user(const struct config *config, struct state_error *error)
{
    snprintf(error->text, sizeof(error->text), "started as root, and there is no user \"%s\": create it (systemd-sysusers, or useradd "
             "--system --user-group %s), or name another in processes.user", config->processes.user, config->processes.user);
    error->exit_code = EX_NOUSER;
    return MT_ENOTFOUND;
}

static int
check_users(const struct config *config, struct state_error *error)
{
    unsigned uid, gid;

    if (geteuid() != 0)
        return MT_OK;
    for (enum role role = 0; role < ROLE_COUNT; role++)
        if (role != ROLE_SUPERVISOR && role != ROLE_CTL && sandbox_user(role, config, &uid, &gid) != MT_OK)
            return fail_user(config, error);
    return MT_OK;
}

/* By number where it has no name, as chown takes it. */
static const char *
user_name(unsigned uid, char *out, size_t size)
{
    const struct passwd *pw = getpwuid(uid);

    if (pw != NULL)
        snprintf(out, size, "%s", pw->pw_name);
    else
        snprintf(out, size, "%u", uid);
    return out;
}

/*
 * Gives one file or folder of root's to the user of store. It is opened first and changed by its descriptor: whoever may write to the
 * folder cannot make root give away another file. A file with a second name stays as it is for the same reason.
 */
static void
give_one(int dir, const char *name, unsigned uid, unsigned gid)
{
    struct stat st;
    int         fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == 0 && (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1)) &&
        fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0)
        log_warning("event=state-owner file=\"%s\" reason=\"%s\"", LOG_TEXT(slice_of(name)), strerror(errno));
    close(fd);
}

static void
give_entries(int parent, const char *name, unsigned uid, unsigned gid, bool with_folders)
{
    int            fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR           *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        give_one(dirfd(dir), entry->d_name, uid, gid);
        if (with_folders)
            give_entries(dirfd(dir), entry->d_name, uid, gid, false);   /* one level: state_dir/tls, state_dir/db */
    }
    closedir(dir);
}

static int
give_to_store(const struct config *config, int dir, struct state_error *error)
{
    struct stat st;
    unsigned    uid, gid, signer_uid, signer_gid;
    char        owner[80], wanted[80];

    if (geteuid() != 0)
        return MT_OK;
    if (sandbox_user(ROLE_STORE, config, &uid, &gid) != MT_OK)
        return fail_user(config, error);
    if (uid == 0) {
        log_warning("event=running-as-root reason=\"state_dir belongs to root and processes.user is empty, so no role changes its user\"");
        return MT_OK;
    }
    if (fstat(dir, &st) != 0)
        return fail(error, "cannot look at state_dir", config->state_dir, errno);
    if (st.st_uid != 0 && st.st_uid != uid) {
        user_name(st.st_uid, owner, sizeof(owner));
        user_name(uid, wanted, sizeof(wanted));
        snprintf(error->text, sizeof(error->text), "state_dir %s belongs to user %s, and store runs as %s: \"chown -R %s %s\", or set "
                 "processes.user", config->state_dir, owner, wanted, wanted, config->state_dir);
        error->exit_code = EX_NOPERM;
        return MT_EDENIED;
    }
    if (st.st_uid == 0 && fchown(dir, uid, gid) != 0)
        return fail(error, "cannot give to the user of store state_dir", config->state_dir, errno);
    /* What signer alone has to read is not store's. */
    if (sandbox_user(ROLE_SIGNER, config, &signer_uid, &signer_gid) == MT_OK && signer_uid != 0) {
        give_entries(dir, "tls", signer_uid, signer_gid, false);
        give_one(dir, "tls", signer_uid, signer_gid);
    }
    give_entries(dir, ".", uid, gid, true);
    return MT_OK;
}

/* ---- Certificate -------------------------------------------------------------------------------------------------------- */

/*
 * In a process of its own, which has ended when this returns: no private key is ever in the memory of the supervisor, which lives on and of which
 * every role is made. 0 or MT_E… with *error set, both from there.
 */
typedef int key_work_fn(const struct config *config, bool starting, struct state_error *error);

struct outcome {
    int                rc;
    struct state_error error;
};

static int
run_apart(key_work_fn *work, const struct config *config, bool starting, struct state_error *error)
{
    struct outcome outcome = { .rc = MT_OK };
    sigset_t       all, old;
    ssize_t        n = -1;
    int            fds[2];
    pid_t          pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return fail(error, "cannot look at", config->tls.certificate, errno);
    /* The child has our handlers, and what they write to would be ours. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0) {
        outcome.rc = work(config, starting, &outcome.error);
        _exit(write(fds[1], &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome) ? EX_OK : EX_IOERR);     /* below PIPE_BUF: at once */
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fds[1]);
    while (pid > 0 && (n = read(fds[0], &outcome, sizeof(outcome))) < 0 && errno == EINTR)
        continue;
    close(fds[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (n != (ssize_t)sizeof(outcome))
        return fail(error, "cannot look at", config->tls.certificate, pid < 0 ? EAGAIN : EIO);
    if (outcome.rc != MT_OK)
        *error = outcome.error;
    return outcome.rc;
}

static int
certificate_exit_code(int rc)
{
    return rc == MT_ENOTFOUND ? EX_NOINPUT : rc == MT_EDENIED ? EX_NOPERM : rc == MT_EINVALID ? EX_CONFIG : EX_OSERR;
}

/* The certificate and the key can be read and belong together; or both are missing, and a start makes them. */
static int
check_first_certificate(const struct config *config, bool starting, struct state_error *error)
{
    const char *certificate = config->tls.certificate, *key = config->tls.key;
    bool        none = access(certificate, F_OK) != 0 && errno == ENOENT && access(key, F_OK) != 0 && errno == ENOENT;
    size_t      len;
    int         rc;

    if (none && config->tls.self_signed && starting)
        return MT_OK;
    if ((rc = tls_server_check(certificate, key, error->text, sizeof(error->text))) == MT_OK)
        return MT_OK;
    len = strlen(error->text);
    if (rc == MT_ENOTFOUND && none && config->tls.self_signed)
        snprintf(error->text + len, sizeof(error->text) - len, "; tls.self_signed makes it at a start only");
    else if (rc == MT_ENOTFOUND)
        snprintf(error->text + len, sizeof(error->text) - len, "; give both tls.certificate and tls.key%s",
                 !none ? "" : starting ? ", or set tls.self_signed: true" : ", or set tls.self_signed: true and restart");
    error->exit_code = certificate_exit_code(rc);
    return rc;
}

static int
check_certificates(const struct config *config, bool starting, struct state_error *error)
{
    int rc = check_first_certificate(config, starting, error);

    for (unsigned i = 0; rc == MT_OK && i < config->tls.certificates.count; i++) {
        const struct certificate_files *files = &config->tls.certificates.items[i];
        rc = tls_server_check(files->certificate, files->key, error->text, sizeof(error->text));
        if (rc != MT_OK)
            error->exit_code = certificate_exit_code(rc);
    }
    return rc;
}

/*
 * Brings the name of what was made to the disk: without it a power cut may take the file or folder away with all that was synced in it. Where
 * the folder around it may not be read, that is the administrator's choice, and nothing is lost but this.
 */
static int
sync_name(const char *path, struct state_error *error)
{
    char  copy[PATH_MAX];
    char *folder;
    int   fd, err = 0;

    if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
        return fail(error, "cannot sync the folder of", path, ENAMETOOLONG);
    folder = dirname(copy);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return errno == EACCES ? MT_OK : fail(error, "cannot open the folder", folder, errno);
    if (fsync(fd) != 0)
        err = errno;
    close(fd);
    return err == 0 ? MT_OK : fail(error, "cannot sync the folder", folder, err);
}

/* The folder that a file is in, where it is missing. */
static int
make_folder(const char *file, struct state_error *error)
{
    const char *slash = strrchr(file, '/');
    char       *folder;
    int         rc = MT_OK;

    if (slash == NULL || slash == file)
        return MT_OK;
    if ((folder = strndup(file, (size_t)(slash - file))) == NULL)
        return fail(error, "cannot make the folder of", file, ENOMEM);
    if (mkdir(folder, 0750) == 0)
        rc = sync_name(folder, error);
    else if (errno != EEXIST)
        rc = fail(error, "cannot make the folder", folder, errno);
    free(folder);
    return rc;
}

static int
make_certificate(const struct config *config, bool starting, struct state_error *error)
{
    const char *certificate = config->tls.certificate, *key = config->tls.key;
    const char *names[CERTIFICATE_NAMES_MAX];
    unsigned    count = 0;
    bool        has_certificate = access(certificate, F_OK) == 0, has_key = access(key, F_OK) == 0;
    int         rc;

    (void)starting;
    if (!config->tls.self_signed || (has_certificate && has_key))
        return MT_OK;
    if (has_certificate || has_key) {
        snprintf(error->text, sizeof(error->text), "tls.self_signed: %s is there and %s is not: remove the one or bring the other",
                 has_certificate ? certificate : key, has_certificate ? key : certificate);
        error->exit_code = EX_NOINPUT;
        return MT_ENOTFOUND;
    }
    if ((rc = make_folder(certificate, error)) != MT_OK || (rc = make_folder(key, error)) != MT_OK)
        return rc;
    names[count++] = config->hostname;
    for (unsigned i = 0; i < config->domains.count && count < COUNT(names); i++)
        if (strcmp(config->domains.items[i], config->hostname) != 0)
            names[count++] = config->domains.items[i];
    if ((rc = tls_self_sign(certificate, key, names, count)) != MT_OK) {
        error->text[0] = '\0';      /* said already */
        error->exit_code = rc == MT_EDENIED ? EX_NOPERM : EX_CANTCREAT;
        return rc;
    }
    if ((rc = sync_name(certificate, error)) != MT_OK || (rc = sync_name(key, error)) != MT_OK)
        return rc;
    log_info("event=certificate-made file=\"%s\" name=%s", LOG_TEXT(slice_of(certificate)), config->hostname);
    return MT_OK;
}

/* Who may not is told who may. */
static int
fail_folder(struct state_error *error, const char *what, const char *path, int err)
{
    int         rc = fail(error, what, path, err);
    size_t      len = strlen(error->text);
    struct stat st;
    char        owner[80];

    if (rc == MT_EDENIED && stat(path, &st) == 0)
        snprintf(error->text + len, sizeof(error->text) - len, " (it belongs to user %s)", user_name(st.st_uid, owner, sizeof(owner)));
    return rc;
}

int
state_check(const struct config *config, bool starting, struct state_error *error)
{
    int rc = check_users(config, error);

    if (rc == MT_OK)
        rc = run_apart(check_certificates, config, starting, error);
    if (rc == MT_EDENIED && access(config->state_dir, X_OK) != 0 && errno == EACCES)
        return fail_folder(error, "cannot open state_dir", config->state_dir, EACCES);     /* the cause */
    return rc;
}

/* ---- Folder ----------------------------------------------------------------------------------------------------------- */

int
state_open(const struct config *config, int *lock, struct state_error *error)
{
    const char *path = config->state_dir;
    int         fd, rc;

    if (mkdir(path, 0750) == 0)
        rc = sync_name(path, error);
    else
        rc = errno == EEXIST ? MT_OK : fail(error, "cannot make state_dir", path, errno);
    if (rc != MT_OK)
        return rc;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_folder(error, "cannot open state_dir", path, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            snprintf(error->text, sizeof(error->text), "state_dir %s is in use by another instance of this service", path);
            error->exit_code = EX_TEMPFAIL;
            rc = MT_EBUSY;
        } else {
            rc = fail(error, "cannot lock state_dir", path, errno);
        }
    } else if (access(path, W_OK | X_OK) != 0) {
        rc = fail_folder(error, "cannot write to state_dir", path, errno);
    } else if ((rc = run_apart(make_certificate, config, true, error)) == MT_OK) {
        rc = give_to_store(config, fd, error);
    }
    if (rc == MT_OK)
        *lock = fd;
    else
        close(fd);
    return rc;
}
