/* state_open - see state_open.h. */

#include "checker/state_open.h"

#include "lib/db.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pages.h"
#include "lib/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_FIRST_BYTES ((size_t)16 << 20)
#define MAP_MAX_BYTES   ((size_t)1 << 40)
#define DAMAGED_SUFFIX  ".damaged"
#define OWN_TABLE       "state"
#define VERSION_KEY     "version"

enum { READERS = 8, REASON_BYTES = 256, PID_BYTES = 24, PATH_BYTES = PATH_MAX + 32 };

static const char *const table_names[STATE_TABLE_COUNT] = {
    [STATE_TABLE_META] = "meta",         [STATE_TABLE_CHECK] = "check", [STATE_TABLE_RUN] = "run",
    [STATE_TABLE_INCIDENT] = "incident", [STATE_TABLE_ALERT] = "alert", [STATE_TABLE_RESULT] = "result",
};

const char *
state_table_name(enum state_table table)
{
    assert((unsigned)table < STATE_TABLE_COUNT);
    return table_names[table];
}

/* ---- The lock ---- */

static int
lock_failed(struct state_env *e, int err)
{
    log_error("event=state-lock-failed dir=%s reason=\"%s\"", e->dir, strerror(err));
    return mt_from_errno(err);
}

/* Who has it says so in the file. */
static void
log_holder(const struct state_env *e, int fd)
{
    char    pid[PID_BYTES];
    ssize_t len = pread(fd, pid, sizeof(pid), 0);

    log_error("event=state-in-use dir=%s pid=%s reason=\"another process has this state_dir\""
              " hint=\"stop it, or give this one another state_dir\"",
              e->dir, len > 0 ? LOG_TEXT(slice_trim(slice_make(pid, (size_t)len))) : "unknown");
}

static void
write_holder(int fd)
{
    char pid[PID_BYTES];
    int  len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    /* Only for people: that it cannot be written, on a full disk, is no reason not to begin. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) != len)
        log_warning("event=state-lock-unnamed reason=\"%s\"", strerror(errno));
}

/* Who may write in there may put another file in the place of ours. */
static void
warn_of_others(const struct state_env *e)
{
    struct stat st;

    if (stat(e->dir, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        log_warning("event=state-dir-writable dir=%s mode=%04o reason=\"others may write there, and so change what is kept\" hint=\"chmod 0700\"", e->dir,
                    (unsigned)(st.st_mode & 07777));
}

int
state_env_lock(struct state_env *e, const char *dir)
{
    char path[PATH_BYTES];
    int  fd;

    if (!slice_copy(e->dir, sizeof(e->dir), slice_of(dir)))
        return lock_failed(e, ENAMETOOLONG);
    snprintf(path, sizeof(path), "%s/%s", e->dir, STATE_LOCK_FILE);
    if (mkdir(e->dir, 0700) != 0 && errno != EEXIST)
        return lock_failed(e, errno);
    warn_of_others(e);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return lock_failed(e, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int err = errno;

        if (err == EWOULDBLOCK)
            log_holder(e, fd);
        close(fd);
        return err == EWOULDBLOCK ? MT_EBUSY : lock_failed(e, err);
    }
    write_holder(fd);
    e->lock = fd + 1;
    return MT_OK;
}

void
state_env_unlock(struct state_env *e)
{
    if (e->lock > 0)
        close(e->lock - 1);
    e->lock = 0;
}

/* ---- The file ---- */

static void
keep_first(void *arg, const char *text)
{
    char *first = arg;

    if (first[0] == '\0')
        snprintf(first, REASON_BYTES, "%s", text);
}

/* LMDB trusts its file, so it is looked through first. *bytes: how long it is; 0 where there is none. MT_EDAMAGED with the reason. */
static int
check_file(const char *path, size_t *bytes, char reason[REASON_BYTES])
{
    struct pages_head   head = { 0 };
    struct pages_counts counts;
    const char         *fault = "";
    int                 fd = open(path, O_RDWR | O_CLOEXEC);
    int                 rc;

    *bytes = 0;
    reason[0] = '\0';
    if (fd == -1)
        return errno == ENOENT ? MT_OK : mt_from_errno(errno);
    rc = pages_head_read(fd, &head, &fault);
    if (rc == MT_OK)
        rc = pages_check(fd, 0, PAGES_ALL, keep_first, reason, &counts);
    /* LMDB leaves out pages at the end that it took and gave back in one transaction; the file must still reach there. */
    if (rc == MT_OK && head.file_bytes < head.needed_bytes && ftruncate(fd, (off_t)head.needed_bytes) != 0)
        rc = mt_from_errno(errno);
    close(fd);
    if (rc == MT_ENOTFOUND)
        return MT_OK;
    if (rc == MT_OK && reason[0] != '\0')
        return MT_EDAMAGED;
    if (rc != MT_OK && reason[0] == '\0')
        snprintf(reason, REASON_BYTES, "%s", fault[0] != '\0' ? fault : mt_strerror(rc));
    *bytes = (size_t)head.needed_bytes;
    return rc;
}

/* A damaged file makes room for an empty one; an older one that was put aside gives way. */
static int
put_aside(const struct state_env *e, const char *path, const char *reason)
{
    char aside[PATH_BYTES + sizeof(DAMAGED_SUFFIX)];

    snprintf(aside, sizeof(aside), "%s%s", path, DAMAGED_SUFFIX);
    if (rename(path, aside) != 0) {
        log_error("event=state-open-failed dir=%s reason=\"damaged (%s), and it cannot be put aside: %s\"", e->dir, reason, strerror(errno));
        return mt_from_errno(errno);
    }
    log_error("event=state-begun-anew dir=%s reason=\"the file was damaged: %s\" kept=%s", e->dir, reason, aside);
    return MT_OK;
}

static int
open_env(struct state_env *e, size_t file_bytes)
{
    int rc;

    e->map_bytes = MAP_FIRST_BYTES;
    while (e->map_bytes < file_bytes + MAP_FIRST_BYTES / 2 && e->map_bytes < MAP_MAX_BYTES)
        e->map_bytes *= 2;
    if ((rc = mdb_env_create(&e->env)) != MDB_SUCCESS) {
        e->env = NULL;
        return rc;
    }
    if ((rc = mdb_env_set_maxdbs(e->env, STATE_TABLE_COUNT + 1)) == MDB_SUCCESS &&
        (rc = mdb_env_set_mapsize(e->env, e->map_bytes)) == MDB_SUCCESS &&
        (rc = mdb_env_set_maxreaders(e->env, READERS)) == MDB_SUCCESS)
        rc = mdb_env_open(e->env, e->dir, MDB_NOTLS, 0600);
    return rc;
}

/* The version lies there without a checksum: four octets of which only few are right. */
static int
check_version(struct state_env *e, MDB_txn *txn)
{
    unsigned char number[4];
    MDB_val       key = { strlen(VERSION_KEY), (void *)(uintptr_t)VERSION_KEY };
    MDB_val       data = { sizeof(number), number };
    int           rc;

    put_u32(number, STATE_VERSION);
    rc = mdb_put(txn, e->own_table, &key, &data, MDB_NOOVERWRITE);
    if (rc != MDB_KEYEXIST)
        return mt_from_mdb(rc);
    if (data.mv_size != sizeof(number) || get_u32(data.mv_data) == 0)
        return MT_EDAMAGED;
    if (get_u32(data.mv_data) <= STATE_VERSION)
        return MT_OK;
    log_error("event=state-too-new dir=%s version=%u known=%u reason=\"written by a newer version of mailtest-check\""
              " hint=\"run that version, or begin with another state_dir\"",
              e->dir, get_u32(data.mv_data), STATE_VERSION);
    return MT_EVERSION;
}

static int
open_tables(struct state_env *e)
{
    MDB_txn *txn = NULL;
    int      rc = mdb_txn_begin(e->env, NULL, 0, &txn);

    for (unsigned i = 0; rc == MDB_SUCCESS && i < STATE_TABLE_COUNT; i++)
        rc = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &e->tables[i]);
    if (rc == MDB_SUCCESS)
        rc = mdb_dbi_open(txn, OWN_TABLE, MDB_CREATE, &e->own_table);
    if (rc == MDB_SUCCESS) {
        int version = check_version(e, txn);

        if (version != MT_OK) {
            mdb_txn_abort(txn);
            return version;
        }
        rc = mdb_txn_commit(txn);
        txn = NULL;
    }
    if (txn != NULL)
        mdb_txn_abort(txn);
    if (rc != MDB_SUCCESS && mt_from_mdb(rc) != MT_EDAMAGED)
        log_error("event=state-open-failed dir=%s reason=\"%s\"", e->dir, mdb_strerror(rc));
    return mt_from_mdb(rc);
}

static int
try_open(struct state_env *e, size_t file_bytes)
{
    int rc = open_env(e, file_bytes);

    if (rc != MDB_SUCCESS) {
        if (mt_from_mdb(rc) != MT_EDAMAGED)
            log_error("event=state-open-failed dir=%s reason=\"%s\"", e->dir, mdb_strerror(rc));
        state_env_close(e);
        return mt_from_mdb(rc);
    }
    rc = open_tables(e);
    if (rc != MT_OK)
        state_env_close(e);
    return rc;
}

/* A new file's name is to outlive a power cut, too. */
static void
sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd != -1) {
        if (fsync(fd) != 0)
            log_warning("event=state-sync-failed dir=%s reason=\"%s\"", dir, strerror(errno));
        close(fd);
    }
}

int
state_env_open(struct state_env *e, bool *begun_anew)
{
    char   path[PATH_BYTES], reason[REASON_BYTES];
    size_t bytes;
    int    rc;

    snprintf(path, sizeof(path), "%s/%s", e->dir, STATE_FILE);
    rc = check_file(path, &bytes, reason);
    if (rc == MT_OK)
        rc = try_open(e, bytes);
    else if (rc != MT_EDAMAGED)
        log_error("event=state-open-failed file=%s reason=\"%s\"", path, reason[0] == '\0' ? mt_strerror(rc) : reason);
    if (rc == MT_EDAMAGED) {
        rc = put_aside(e, path, reason[0] == '\0' ? "its tables are not those of this program" : reason);
        if (rc == MT_OK)
            rc = try_open(e, 0);
        *begun_anew = rc == MT_OK;
    }
    if (rc == MT_OK)
        sync_folder(e->dir);
    return rc;
}

void
state_env_close(struct state_env *e)
{
    if (e->reading != NULL)
        mdb_txn_abort(e->reading);
    e->reading = NULL;
    if (e->env != NULL)
        mdb_env_close(e->env);
    e->env = NULL;
}

int
state_env_grow(struct state_env *e)
{
    int rc;

    if (e->map_bytes >= MAP_MAX_BYTES)
        return MDB_MAP_FULL;
    if (e->reading != NULL)
        mdb_txn_abort(e->reading);
    e->reading = NULL;
    rc = mdb_env_set_mapsize(e->env, e->map_bytes * 2);
    if (rc == MDB_SUCCESS) {
        e->map_bytes *= 2;
        log_info("event=state-grown dir=%s map_bytes=%zu", e->dir, e->map_bytes);
    }
    return rc;
}
