#include "lib/body.h"

#include "lib/error.h"
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A piece of this size or more goes to the memfd without a copy in between. */
enum { DIRECT_BYTES = 16 * 1024 };

void
body_init(struct body *b)
{
    *b = (struct body){ .fd = -1 };
    buf_init(&b->pending, MSG_INLINE_BODY_BYTES);
}

void
body_clear(struct body *b)
{
    if (b->fd != -1)
        close(b->fd);
    b->fd = -1;
    b->size_bytes = 0;
    b->fault = MT_OK;
    buf_clear(&b->pending);
}

void
body_fini(struct body *b)
{
    body_clear(b);
    buf_fini(&b->pending);
}

static int
write_out(struct body *b, struct slice s)
{
    while (s.len > 0) {
        ssize_t written = write(b->fd, s.data, s.len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return b->fault = mt_from_errno(errno);
        s = slice_sub(s, (size_t)written, s.len);
    }
    return MT_OK;
}

static int
flush_pending(struct body *b)
{
    int rc;

    if (b->fd == -1)
        b->fd = memfd_create("mailtest-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (b->fd == -1)
        return b->fault = mt_from_errno(errno);
    rc = write_out(b, buf_slice(&b->pending));
    buf_clear(&b->pending);
    return rc;
}

int
body_append(struct body *b, struct slice bytes)
{
    if (b->fault != MT_OK)
        return b->fault;
    if (bytes.len > MSG_INLINE_BODY_BYTES - b->pending.len && flush_pending(b) != MT_OK)
        return b->fault;
    if (b->fd != -1 && b->pending.len == 0 && bytes.len >= DIRECT_BYTES)
        b->fault = write_out(b, bytes);
    else if (bytes.len <= MSG_INLINE_BODY_BYTES)
        b->fault = buf_append_slice(&b->pending, bytes);
    else
        b->fault = write_out(b, bytes);
    if (b->fault == MT_OK)
        b->size_bytes += bytes.len;
    return b->fault;
}

int
body_finish(struct body *b, struct slice *inline_bytes, int *fd)
{
    if (b->fault != MT_OK)
        return b->fault;
    if (b->fd == -1) {
        *inline_bytes = buf_slice(&b->pending);
        *fd = -1;
        return MT_OK;
    }
    if (flush_pending(b) != MT_OK)
        return b->fault;
    if (fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return b->fault = mt_from_errno(errno);
    *inline_bytes = slice_make(NULL, 0);
    *fd = b->fd;
    return MT_OK;
}
