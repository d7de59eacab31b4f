#include "ctl/restore.h"

#include "lib/db.h"
#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COPY_BYTES = 1024 * 1024 };
#define NEW_SUFFIX ".restoring"

/* The paths of one file. */
struct restore_file {
    char *backup;       /* where it comes from */
    char *place;        /* where it goes */
    char *fresh;        /* its copy, before it is renamed */
};

struct restore {
    const char          *state_dir;
    char                *db_dir;
    char                *mark;      /* DB_RESTORED_FILE */
    char                *lock;      /* LMDB's table of readers */
    struct restore_file  files[BACKUP_FILE_COUNT];
    struct backup_error *error;
};

static int
fail_errno(struct restore *r, const char *path)
{
    int err = errno;

    return backup_fail(r->error, mt_from_errno(err), path, strerror(err));
}

static char *
joined(const char *a, const char *b)
{
    char *text;

    return asprintf(&text, "%s%s", a, b) == -1 ? NULL : text;
}

static void
restore_fini(struct restore *r)
{
    for (int i = 0; i < BACKUP_FILE_COUNT; i++) {
        if (r->files[i].fresh != NULL)
            unlink(r->files[i].fresh);          /* is only there when something failed */
        free(r->files[i].backup);
        free(r->files[i].place);
        free(r->files[i].fresh);
    }
    free(r->db_dir);
    free(r->mark);
    free(r->lock);
}

static bool
file_init(struct restore_file *f, const char *name, const char *backup_dir, const char *state_dir)
{
    f->backup = backup_path(backup_dir, name);
    f->place = backup_path(state_dir, name);
    f->fresh = f->place == NULL ? NULL : joined(f->place, NEW_SUFFIX);
    return f->backup != NULL && f->place != NULL && f->fresh != NULL;
}

static int
restore_init(struct restore *r, const char *backup_dir, const char *state_dir, struct backup_error *error)
{
    *r = (struct restore){ .state_dir = state_dir, .error = error };
    r->db_dir = backup_path(state_dir, DB_DIR);
    r->mark = backup_path(state_dir, DB_DIR "/" DB_RESTORED_FILE);
    r->lock = backup_path(state_dir, DB_DIR "/lock.mdb");
    if (r->db_dir == NULL || r->mark == NULL || r->lock == NULL)
        return MT_ENOMEM;
    for (int i = 0; i < BACKUP_FILE_COUNT; i++)
        if (!file_init(&r->files[i], backup_file_name((enum backup_file)i), backup_dir, state_dir))
            return MT_ENOMEM;
    return MT_OK;
}

/* ---- Copying ---------------------------------------------------------------------------------------------------- */

static int
copy_octets(struct restore *r, int from, int to, const struct restore_file *f)
{
    char   *block = malloc(COPY_BYTES);
    ssize_t got = 0;
    int     rc = block == NULL ? backup_fail(r->error, MT_ENOMEM, f->fresh, mt_strerror(MT_ENOMEM)) : MT_OK;

    while (rc == MT_OK && (got = read(from, block, COPY_BYTES)) > 0)
        for (ssize_t done = 0; rc == MT_OK && done < got;) {
            ssize_t put = write(to, block + done, (size_t)(got - done));

            if (put < 0)
                rc = fail_errno(r, f->fresh);
            else
                done += put;
        }
    if (rc == MT_OK && got < 0)
        rc = fail_errno(r, f->backup);
    if (rc == MT_OK && fsync(to) != 0)
        rc = fail_errno(r, f->fresh);
    free(block);
    return rc;
}

/* As the file that is there; where there is none, as the folder. */
static int
copy_owner(struct restore *r, int fd, const struct restore_file *f)
{
    struct stat st;

    if (stat(f->place, &st) != 0 && stat(r->state_dir, &st) != 0)
        return fail_errno(r, r->state_dir);
    if ((st.st_uid != geteuid() || st.st_gid != getegid()) && fchown(fd, st.st_uid, st.st_gid) != 0)
        return fail_errno(r, f->fresh);
    if (S_ISREG(st.st_mode) && fchmod(fd, st.st_mode & 0777) != 0)
        return fail_errno(r, f->fresh);
    return MT_OK;
}

static int
copy_file(struct restore *r, const struct restore_file *f)
{
    int from, to, rc;

    from = open(f->backup, O_RDONLY | O_CLOEXEC);
    if (from == -1)
        return fail_errno(r, f->backup);
    unlink(f->fresh);       /* of a restore that was cut short */
    to = open(f->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to == -1) {
        rc = fail_errno(r, f->fresh);
    } else {
        rc = copy_owner(r, to, f);
        if (rc == MT_OK)
            rc = copy_octets(r, from, to, f);
        close(to);
    }
    close(from);
    return rc;
}

/* ---- Keeping the old, taking the new ---------------------------------------------------------------------------- */

static int
sync_dir(struct restore *r, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = MT_OK;

    if (fd == -1 || fsync(fd) != 0)
        rc = fail_errno(r, path);
    if (fd != -1)
        close(fd);
    return rc;
}

/* Links what is there into the folder kept: a link leaves the file in place until the new one is renamed over it. */
static int
keep_file(struct restore *r, const struct restore_file *f, const char *kept)
{
    const char *base = strrchr(f->place, '/') + 1;
    char       *path;
    int         rc = MT_OK;

    if (access(f->place, F_OK) != 0)
        return MT_OK;
    if (mkdir(kept, 0700) != 0 && errno != EEXIST)
        return fail_errno(r, kept);
    path = backup_path(kept, base);
    if (path == NULL)
        return backup_fail(r->error, MT_ENOMEM, kept, mt_strerror(MT_ENOMEM));
    if (link(f->place, path) != 0)
        rc = fail_errno(r, path);
    free(path);
    return rc;
}

static int
keep_old(struct restore *r, char *kept, size_t kept_size)
{
    time_t    now = time(NULL);
    struct tm tm;
    char      stamp[32] = "";
    int       rc = MT_OK;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    if (snprintf(kept, kept_size, "%s/before-restore-%s", r->state_dir, stamp) >= (int)kept_size)
        return backup_fail(r->error, MT_ESIZE, r->state_dir, "the path is too long");
    for (int i = 0; rc == MT_OK && i < BACKUP_FILE_COUNT; i++)
        rc = keep_file(r, &r->files[i], kept);
    if (rc == MT_OK && access(kept, F_OK) != 0)
        kept[0] = '\0';
    else if (rc == MT_OK)
        rc = sync_dir(r, kept);
    return rc;
}

/*
 * The mark comes first: should the power fail between it and the rename, the old database is taken for a restored one, which
 * costs clients a new look at their folders and nothing else. The other way round, they would miss mail.
 */
static int
place_new(struct restore *r)
{
    int fd = open(r->mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc = MT_OK;

    if (fd == -1)
        return fail_errno(r, r->mark);
    if (copy_owner(r, fd, &r->files[BACKUP_DATABASE]) != MT_OK || fsync(fd) != 0)
        rc = fail_errno(r, r->mark);
    close(fd);
    if (rc == MT_OK && unlink(r->lock) != 0 && errno != ENOENT)
        rc = fail_errno(r, r->lock);
    if (rc == MT_OK)
        rc = sync_dir(r, r->db_dir);
    for (int i = 0; rc == MT_OK && i < BACKUP_FILE_COUNT; i++)
        if (rename(r->files[i].fresh, r->files[i].place) != 0)
            rc = fail_errno(r, r->files[i].place);
    if (rc == MT_OK)
        rc = sync_dir(r, r->db_dir);
    return rc == MT_OK ? sync_dir(r, r->state_dir) : rc;
}

static int
make_db_dir(struct restore *r)
{
    struct stat st;

    if (mkdir(r->db_dir, 0700) != 0)
        return errno == EEXIST ? MT_OK : fail_errno(r, r->db_dir);
    if (stat(r->state_dir, &st) != 0 || (st.st_uid != geteuid() && chown(r->db_dir, st.st_uid, st.st_gid) != 0))
        return fail_errno(r, r->db_dir);
    return MT_OK;
}

int
restore_files(const char *backup_dir, const char *state_dir, char *kept, size_t kept_size, struct backup_error *error)
{
    struct restore r;
    int            rc;

    if (restore_init(&r, backup_dir, state_dir, error) != MT_OK) {
        restore_fini(&r);
        return backup_fail(error, MT_ENOMEM, state_dir, mt_strerror(MT_ENOMEM));
    }
    rc = make_db_dir(&r);
    for (int i = 0; rc == MT_OK && i < BACKUP_FILE_COUNT; i++)
        rc = copy_file(&r, &r.files[i]);
    if (rc == MT_OK)
        rc = keep_old(&r, kept, kept_size);
    if (rc == MT_OK)
        rc = place_new(&r);
    restore_fini(&r);
    return rc;
}
