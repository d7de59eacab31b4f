/*
 * power - a library to be preloaded into the programs under test. It records what is written, synced, made, renamed and removed below one
 * folder, so that the states of a disk can be made which a power cut may leave; it lets chosen calls fail; and it moves the clock of the day.
 *
 * MAILTEST_POWER names the file that it shares with the harness (power.h), MAILTEST_POWER_ROOT the folder. All is mapped before the process
 * gives up its rights, and the calls go to the kernel by the numbers that the C library uses, so that no filter of system calls and no
 * Landlock rule of the program has to know of it. What it cannot see: files written through stdio, and memory that is mapped for writing
 * (LMDB has only its lock file so, which nobody relies on behind a restart).
 */

#include "tests/crash/power.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 4096, NS_PER_S = 1000000000, NS_PER_US = 1000 };

/* A descriptor of a file or folder below the watched one, or of a memfd. */
struct file {
    uint64_t inode;
    bool     watched;
    bool     memory;
    bool     dsync;
    char    *path;
};

static struct power_control *control;
static struct file           files[FILES];
static const char           *root;
static size_t                root_len;
static unsigned              role_bit = 1u << POWER_SUPERVISOR;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* ---- Beginning ----------------------------------------------------------------------------------------------- */

static void
find_role(int argc, char **argv)
{
    static const char *const names[] = { "supervisor", "store", "smtpd", "imapd", "lookup", "webhook" };

    for (int i = 1; i + 1 < argc; i++)
        for (unsigned r = 0; strcmp(argv[i], "--role") == 0 && r < sizeof(names) / sizeof(names[0]); r++)
            if (strcmp(argv[i + 1], names[r]) == 0)
                role_bit = 1u << r;
}

__attribute__((constructor)) static void
begin(int argc, char **argv)
{
    const char *path = getenv("MAILTEST_POWER");
    struct stat st;
    void       *map;
    int         fd;

    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    root = getenv("MAILTEST_POWER_ROOT");
    if (path == NULL || root == NULL || (fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC)) == -1)
        return;
    root_len = strlen(root);
    find_role(argc, argv);
    if (fstat(fd, &st) == 0 && (map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED)
        control = map;
    syscall(SYS_close, fd);
}

/* ---- The log ------------------------------------------------------------------------------------------------- */

static void
record(enum power_op op, const struct file *file, uint64_t offset, const struct iovec *parts, int count, size_t data_len)
{
    size_t               path_len = strlen(file->path);
    size_t               bytes = (sizeof(struct power_record) + path_len + data_len + POWER_ALIGN - 1) / POWER_ALIGN * POWER_ALIGN;
    uint64_t             at;
    struct power_record *r;
    char                *to;

    if (control == NULL || atomic_load(&control->recording) == 0)
        return;
    at = atomic_fetch_add(&control->log_head, bytes);
    if (at + bytes > control->log_size) {
        atomic_store(&control->log_full, 1);
        return;
    }
    r = (struct power_record *)(void *)((char *)control + POWER_LOG_AT + at);
    r->op = op;
    r->inode = file->inode;
    r->offset = offset;
    r->path_len = path_len;
    r->data_len = data_len;
    to = (char *)(r + 1);
    memcpy(to, file->path, path_len);
    to += path_len;
    for (int i = 0; i < count && data_len > 0; i++) {
        size_t part = parts[i].iov_len < data_len ? parts[i].iov_len : data_len;

        memcpy(to, parts[i].iov_base, part);
        to += part;
        data_len -= part;
    }
    atomic_store(&r->bytes, bytes);
}

static void
record_name(enum power_op op, uint64_t inode, char *path, const char *to)
{
    struct file  file = { .inode = inode, .path = path };
    struct iovec part = { .iov_base = (void *)(uintptr_t)to, .iov_len = to == NULL ? 0 : strlen(to) };

    record(op, &file, 0, &part, 1, part.iov_len);
}

/* ---- Faults -------------------------------------------------------------------------------------------------- */

/* Whether this call is to fail; *error is what with (0: a write takes half). */
static bool
is_to_fail(enum power_call call, int *error)
{
    uint64_t number, first;

    if (control == NULL || (atomic_load(&control->fault_calls) & 1u << call) == 0 || (atomic_load(&control->fault_roles) & role_bit) == 0)
        return false;
    number = atomic_fetch_add(&control->fault_seen, 1) + 1;
    first = atomic_load(&control->fault_first);
    if (number < first || number - first >= atomic_load(&control->fault_count))
        return false;
    atomic_fetch_add(&control->fault_hits, 1);
    *error = (int)atomic_load(&control->fault_error);
    return true;
}

static int
fails(enum power_call call)
{
    int error;

    if (!is_to_fail(call, &error))
        return 0;
    errno = error != 0 ? error : EIO;
    return -1;
}

/* ---- Files --------------------------------------------------------------------------------------------------- */

static struct file *
file_of(int fd)
{
    struct file *file = fd >= 0 && fd < FILES ? &files[fd] : NULL;

    return file != NULL && (file->watched || file->memory) ? file : NULL;
}

/* Also the folder around the watched one: whether the watched one's name is on the disk is to be known. */
static bool
is_watched(const char *path)
{
    const char *last = root_len > 0 ? strrchr(root, '/') : NULL;

    if (last != NULL && (size_t)(last - root) == strlen(path) && strncmp(path, root, (size_t)(last - root)) == 0)
        return true;
    return root_len > 0 && strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == '\0');
}

/* The whole path of a name in a folder that was opened. False: it is none of ours. */
static bool
whole_path(int folder, const char *name, char out[PATH_MAX])
{
    if (name[0] == '/' || folder == AT_FDCWD)
        return is_watched(name) && snprintf(out, PATH_MAX, "%s", name) < PATH_MAX;
    return file_of(folder) != NULL && files[folder].path != NULL && snprintf(out, PATH_MAX, "%s/%s", files[folder].path, name) < PATH_MAX &&
           is_watched(out);
}

static void
forget(int fd)
{
    if (fd < 0 || fd >= FILES)
        return;
    free(files[fd].path);
    files[fd] = (struct file){ 0 };
}

static int
open_file(int folder, const char *name, int flags, mode_t mode)
{
    char        path[PATH_MAX];
    struct stat st;
    bool        watched = control != NULL && whole_path(folder, name, path), was_there = true;
    int         fd;

    if (watched && fails(POWER_OPEN) != 0)
        return -1;
    if (watched && (flags & O_CREAT) != 0)
        was_there = syscall(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    if (fd < 0 || fd >= FILES)
        return fd;
    forget(fd);
    if (!watched || syscall(SYS_fstat, fd, &st) != 0)
        return fd;
    files[fd] = (struct file){ .inode = st.st_ino, .watched = true, .dsync = (flags & O_DSYNC) != 0, .path = strdup(path) };
    if (files[fd].path == NULL)
        abort();
    if (!was_there)
        record(POWER_OP_CREATE, &files[fd], 0, NULL, 0, 0);
    else if ((flags & O_TRUNC) != 0)
        record(POWER_OP_TRUNCATE, &files[fd], 0, NULL, 0, 0);
    return fd;
}

static mode_t
mode_of(int flags, va_list list)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(list, unsigned) : 0;
}

#define OPEN(name)                                       \
    int                                                  \
    name(const char *path, int flags, ...)               \
    {                                                    \
        va_list list;                                    \
        mode_t  mode;                                    \
        va_start(list, flags);                           \
        mode = mode_of(flags, list);                     \
        va_end(list);                                    \
        return open_file(AT_FDCWD, path, flags, mode);   \
    }

#define OPENAT(name)                                     \
    int                                                  \
    name(int folder, const char *path, int flags, ...)   \
    {                                                    \
        va_list list;                                    \
        mode_t  mode;                                    \
        va_start(list, flags);                           \
        mode = mode_of(flags, list);                     \
        va_end(list);                                    \
        return open_file(folder, path, flags, mode);     \
    }

/* What FORTIFY_SOURCE makes of calls whose flags it cannot see. */
int __open_2(const char *path, int flags, ...);
int __open64_2(const char *path, int flags, ...);
int __openat_2(int folder, const char *path, int flags, ...);
int __openat64_2(int folder, const char *path, int flags, ...);

OPEN(open)
OPEN(open64)
OPEN(__open_2)
OPEN(__open64_2)
OPENAT(openat)
OPENAT(openat64)
OPENAT(__openat_2)
OPENAT(__openat64_2)

int
close(int fd)
{
    forget(fd);
    return (int)syscall(SYS_close, fd);
}

int
memfd_create(const char *name, unsigned flags)
{
    int fd;

    if (fails(POWER_MEMFD) != 0)
        return -1;
    fd = (int)syscall(SYS_memfd_create, name, flags);
    if (fd >= 0 && fd < FILES) {
        forget(fd);
        files[fd].memory = true;
    }
    return fd;
}

/* ---- Writing ------------------------------------------------------------------------------------------------- */

enum { AT_POSITION = -1 };

/* One part goes by the call that the program made, for its filter may know no other. */
static ssize_t
write_parts(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (count == 1)
        return offset == AT_POSITION ? syscall(SYS_write, fd, parts->iov_base, parts->iov_len)
                                     : syscall(SYS_pwrite64, fd, parts->iov_base, parts->iov_len, (long)offset);
    return offset == AT_POSITION ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L);
}

/* Only the first half, as a disk that is getting full may take it. */
static ssize_t
write_half(int fd, const struct iovec *parts, int count, off_t offset, size_t len)
{
    size_t  left = len / 2;
    ssize_t done = 0;

    for (int i = 0; i < count && left > 0; i++) {
        struct iovec part = { .iov_base = parts[i].iov_base, .iov_len = parts[i].iov_len < left ? parts[i].iov_len : left };
        ssize_t      n = write_parts(fd, &part, 1, offset == AT_POSITION ? AT_POSITION : offset + done);

        if (n <= 0)
            return done > 0 ? done : n;
        done += n;
        left -= (size_t)n;
    }
    return done;
}

static ssize_t
write_file(int fd, const struct iovec *parts, int count, off_t offset)
{
    const struct file *file = file_of(fd);
    size_t             len = 0;
    uint64_t           at;
    int                error;
    ssize_t            n;

    if (file == NULL)
        return write_parts(fd, parts, count, offset);
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (is_to_fail(POWER_WRITE, &error)) {
        errno = error;
        return error == 0 ? write_half(fd, parts, count, offset, len) : -1;
    }
    if (!file->watched)
        return write_parts(fd, parts, count, offset);
    at = offset == AT_POSITION ? (uint64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) : (uint64_t)offset;
    record(POWER_OP_WRITE, file, at, parts, count, len);
    n = write_parts(fd, parts, count, offset);
    if (n > 0 && file->dsync)
        record(POWER_OP_SYNC_RANGE, file, at, NULL, 0, 0);
    return n;
}

static ssize_t
write_one(int fd, const void *data, size_t len, off_t offset)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };

    return write_file(fd, &part, 1, offset);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    return write_one(fd, data, len, AT_POSITION);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return write_one(fd, data, len, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return write_one(fd, data, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    return write_file(fd, parts, count, AT_POSITION);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_file(fd, parts, count, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return write_file(fd, parts, count, offset);
}

/* ---- Syncing, sizes ------------------------------------------------------------------------------------------ */

static int
sync_file(int fd, long number)
{
    const struct file *file = file_of(fd);
    int                rc;

    if (file != NULL && file->watched && fails(POWER_SYNC) != 0)
        return -1;
    rc = (int)syscall(number, fd);
    if (rc == 0 && file != NULL && file->watched)
        record(POWER_OP_SYNC, file, 0, NULL, 0, 0);
    return rc;
}

int
fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

static int
truncate_file(int fd, off_t size)
{
    const struct file *file = file_of(fd);

    if (file != NULL && fails(POWER_TRUNCATE) != 0)
        return -1;
    if (file != NULL && file->watched)
        record(POWER_OP_TRUNCATE, file, (uint64_t)size, NULL, 0, 0);
    return (int)syscall(SYS_ftruncate, fd, (long)size);
}

int
ftruncate(int fd, off_t size)
{
    return truncate_file(fd, size);
}

int
ftruncate64(int fd, off64_t size)
{
    return truncate_file(fd, size);
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    if (file_of(fd) != NULL && fails(POWER_ALLOCATE) != 0)
        return -1;
    return (int)syscall(SYS_fallocate, fd, mode, (long)offset, (long)len);
}

/* ---- Names --------------------------------------------------------------------------------------------------- */

static uint64_t
inode_of(const char *path)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

static void
record_rename(int from_folder, const char *from, int to_folder, const char *to)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];

    if (control != NULL && whole_path(from_folder, from, from_path) && whole_path(to_folder, to, to_path))
        record_name(POWER_OP_RENAME, inode_of(from_path), from_path, to_path);
}

int
rename(const char *from, const char *to)
{
    record_rename(AT_FDCWD, from, AT_FDCWD, to);
    return (int)syscall(SYS_rename, from, to);
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    record_rename(from_folder, from, to_folder, to);
    return (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
}

static void
record_unlink(int folder, const char *name)
{
    char     path[PATH_MAX];
    uint64_t inode;

    if (control != NULL && whole_path(folder, name, path) && (inode = inode_of(path)) != 0)
        record_name(POWER_OP_UNLINK, inode, path, NULL);
}

int
unlink(const char *path)
{
    record_unlink(AT_FDCWD, path);
    return (int)syscall(SYS_unlink, path);
}

int
unlinkat(int folder, const char *name, int flags)
{
    record_unlink(folder, name);
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

int
mkdir(const char *path, mode_t mode)
{
    char whole[PATH_MAX];
    int  rc = (int)syscall(SYS_mkdir, path, mode);

    if (rc == 0 && control != NULL && whole_path(AT_FDCWD, path, whole))
        record_name(POWER_OP_FOLDER, inode_of(whole), whole, NULL);
    return rc;
}

/* ---- Time ---------------------------------------------------------------------------------------------------- */

int
clock_gettime(clockid_t clock, struct timespec *out)
{
    int     rc = real_clock_gettime != NULL ? real_clock_gettime(clock, out) : (int)syscall(SYS_clock_gettime, clock, out);
    int64_t ns;

    if (rc != 0 || control == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return rc;
    ns = (int64_t)out->tv_sec * NS_PER_S + out->tv_nsec + (int64_t)atomic_load(&control->clock_ns);
    out->tv_sec = ns / NS_PER_S;
    out->tv_nsec = ns % NS_PER_S;
    return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / NS_PER_US };
    return 0;
}

time_t
time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* ---- Memory -------------------------------------------------------------------------------------------------- */

static bool
memory_fails(void)
{
    int error;

    if (!is_to_fail(POWER_MEMORY, &error))
        return false;
    errno = ENOMEM;
    return true;
}

void *
malloc(size_t size)
{
    return memory_fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return memory_fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    return memory_fails() ? NULL : __libc_realloc(old, size);
}
