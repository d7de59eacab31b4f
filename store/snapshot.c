#include "store/snapshot.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct snapshots {
    struct store     *store;
    struct event     *finished;     /* the thread wrote to wake */
    int               wake;         /* an eventfd */
    pthread_t         thread;
    bool              running;
    MDB_env          *env;
    int               fd;
    int               rc;           /* the thread's; read after joining it */
    snapshot_done_fn *done;
    void             *arg;
};

/* A page that LMDB lost (no harm otherwise) makes it refuse a compact copy: then it copies all pages as they are. */
static int
copy(MDB_env *env, int fd)
{
    int rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);

    if (rc == MDB_INCOMPATIBLE || rc == MDB_CORRUPTED) {
        if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
            return mt_from_errno(errno);
        rc = mdb_env_copyfd2(env, fd, 0);
    }
    if (rc == MDB_SUCCESS && fsync(fd) != 0)
        rc = errno;
    return mt_from_mdb(rc);
}

static void *
run(void *arg)
{
    struct snapshots *n = arg;
    const uint64_t    one = 1;

    n->rc = copy(n->env, n->fd);
    if (write(n->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();        /* an eventfd with a count of 0 takes it */
    return NULL;
}

static void
on_finished(evutil_socket_t wake, short what, void *arg)
{
    struct snapshots *n = arg;
    uint64_t          count;
    struct stat       st = { 0 };

    (void)what;
    if (!n->running || read(wake, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return;
    pthread_join(n->thread, NULL);
    n->running = false;
    if (n->rc == MT_OK && fstat(n->fd, &st) != 0)
        n->rc = mt_from_errno(errno);
    close(n->fd);
    if (n->rc == MT_OK)
        log_info("event=backup-written bytes=%lld", (long long)st.st_size);
    else
        log_error("event=backup-failed reason=\"%s\"", mt_strerror(n->rc));
    n->done(n->arg, n->rc, n->rc == MT_OK ? (uint64_t)st.st_size : 0);
}

struct snapshots *
snapshot_new(struct store *s)
{
    struct snapshots *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->store = s;
    n->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    n->finished = n->wake == -1 ? NULL : event_new(s->base, n->wake, EV_READ | EV_PERSIST, on_finished, n);
    if (n->finished == NULL || event_add(n->finished, NULL) != 0) {
        snapshot_free(n);
        return NULL;
    }
    return n;
}

void
snapshot_free(struct snapshots *n)
{
    if (n == NULL)
        return;
    if (n->running) {
        pthread_join(n->thread, NULL);
        close(n->fd);
    }
    if (n->finished != NULL)
        event_free(n->finished);
    if (n->wake != -1)
        close(n->wake);
    free(n);
}

int
snapshot_start(struct snapshots *n, int fd, snapshot_done_fn *done, void *arg)
{
    sigset_t all, before;
    int      rc;

    if (n->running)
        return MT_EBUSY;
    if (n->store->db == NULL)
        return MT_EIO;
    n->env = db_env(n->store->db);
    n->fd = fd;
    n->done = done;
    n->arg = arg;
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&n->thread, NULL, run, n);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return mt_from_errno(rc);
    n->running = true;
    return MT_OK;
}

void
snapshot_give_up(struct snapshots *n)
{
    /* The thread's next write fails, since what it writes to cannot be written any more. */
    int dir = n->running ? open(n->store->db_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (dir == -1)
        return;
    if (dup3(dir, n->fd, O_CLOEXEC) == -1)
        log_warning("event=backup-not-given-up reason=\"%s\" effect=\"the database is opened anew when it has ended\"", strerror(errno));
    close(dir);
}

bool
snapshot_is_running(const struct snapshots *n)
{
    return n != NULL && n->running;
}
