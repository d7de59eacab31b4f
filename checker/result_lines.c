#include "checker/result_lines.h"

#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct result_lines {
    struct event_base *base;
    char              *name;        /* NULL: standard output */
    int                fd;
    bool               is_file;     /* a regular one: a write never waits for anybody but the disk */
    struct evbuffer   *waiting;     /* of a pipe or the like */
    struct event      *writable;
    uint64_t           dropped;
    bool               failing;     /* said so already */
};

static void
tell_failure(struct result_lines *r, const char *what, int err)
{
    if (!r->failing)
        log_error("event=results-%s file=\"%s\" reason=\"%s\"", what, LOG_TEXT(slice_of(r->name != NULL ? r->name : "-")), strerror(err));
    r->failing = true;
}

/* At most PIPE_BUF octets at a time: a pipe that poll(2) calls writable takes these without waiting. */
static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct result_lines *r = arg;
    unsigned char       *data = evbuffer_pullup(r->waiting, evbuffer_get_length(r->waiting) < PIPE_BUF ? (ev_ssize_t)evbuffer_get_length(r->waiting)
                                                                                                      : PIPE_BUF);
    size_t               len = evbuffer_get_length(r->waiting) < PIPE_BUF ? evbuffer_get_length(r->waiting) : PIPE_BUF;
    ssize_t              n = data == NULL ? 0 : write(fd, data, len);

    (void)what;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        tell_failure(r, "write", errno);
        r->dropped++;
        evbuffer_drain(r->waiting, evbuffer_get_length(r->waiting));
    } else if (n > 0) {
        r->failing = false;
        evbuffer_drain(r->waiting, (size_t)n);
    }
    if (evbuffer_get_length(r->waiting) > 0)
        event_add(r->writable, NULL);
}

static int
open_file(struct result_lines *r)
{
    int fd = open(r->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640), err = errno;

    if (fd == -1) {
        tell_failure(r, "open", err);
        return err == EACCES || err == EPERM ? MT_EDENIED : mt_from_errno(err);
    }
    if (r->fd != -1)
        close(r->fd);
    r->fd = fd;
    r->failing = false;
    return MT_OK;
}

int
result_lines_open(struct event_base *base, const char *name, struct result_lines **out)
{
    struct result_lines *r = calloc(1, sizeof(*r));
    struct stat          st;
    int                  rc = MT_OK;

    if (r == NULL)
        return MT_ENOMEM;
    *r = (struct result_lines){ .base = base, .fd = -1 };
    if (strcmp(name, "-") == 0)
        r->fd = STDOUT_FILENO;
    else if ((r->name = strdup(name)) == NULL)
        rc = MT_ENOMEM;
    else
        rc = open_file(r);
    if (rc == MT_OK) {
        r->is_file = fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode);
        r->waiting = evbuffer_new();
        r->writable = r->is_file ? NULL : event_new(base, r->fd, EV_WRITE, on_writable, r);
        if (r->waiting == NULL || (!r->is_file && r->writable == NULL))
            rc = MT_ENOMEM;
    }
    if (rc != MT_OK) {
        result_lines_close(r);
        return rc;
    }
    *out = r;
    return MT_OK;
}

void
result_lines_close(struct result_lines *r)
{
    if (r == NULL)
        return;
    if (r->writable != NULL)
        event_free(r->writable);
    if (r->waiting != NULL)
        evbuffer_free(r->waiting);
    if (r->fd != -1 && r->name != NULL)
        close(r->fd);
    free(r->name);
    free(r);
}

void
result_lines_reopen(struct result_lines *r)
{
    if (r->name != NULL && r->is_file)
        open_file(r);
}

/* One write, so that lines of several processes are not mixed. */
static void
write_to_file(struct result_lines *r, struct slice line)
{
    struct iovec   parts[] = { { .iov_base = (void *)(uintptr_t)line.data, .iov_len = line.len }, { .iov_base = (char[]){ '\n' }, .iov_len = 1 } };
    const ssize_t  wanted = (ssize_t)line.len + 1;
    const ssize_t  n = writev(r->fd, parts, COUNT(parts));

    if (n == wanted) {
        r->failing = false;
        return;
    }
    tell_failure(r, "write", n < 0 ? errno : ENOSPC);
    r->dropped++;
}

void
result_lines_write(struct result_lines *r, struct slice line)
{
    if (r->is_file) {
        write_to_file(r, line);
        return;
    }
    if (evbuffer_get_length(r->waiting) + line.len + 1 > RESULT_LINES_WAITING_MAX) {
        if (!r->failing)
            log_warning("event=results-dropped file=\"-\" reason=\"the reader is too slow\" waiting_bytes=%zu", evbuffer_get_length(r->waiting));
        r->failing = true;
        r->dropped++;
        return;
    }
    if (evbuffer_expand(r->waiting, line.len + 1) != 0) {
        r->dropped++;
        return;
    }
    evbuffer_add(r->waiting, line.data, line.len);
    evbuffer_add(r->waiting, "\n", 1);
    event_add(r->writable, NULL);
}

uint64_t
result_lines_dropped(const struct result_lines *r)
{
    return r->dropped;
}

size_t
result_lines_waiting(const struct result_lines *r)
{
    return evbuffer_get_length(r->waiting);
}
