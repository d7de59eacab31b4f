/*
 * pages - see pages.h. The head is here, the walk in pages_check.c. Numbers in the file have the byte order of the machine
 * that wrote it; all that this service runs on are little-endian, as LMDB's magic number proves.
 */

#include "lib/pages.h"

#include "lib/error.h"
#include "lib/pages_format.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOLERATED_PAGES = 64 };

static bool
is_page_size(uint32_t n)
{
    return n >= 512 && n <= PAGE_MAX_BYTES && (n & (n - 1)) == 0;
}

bool
page_read(int fd, uint64_t offset, void *to, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* One of the two meta pages, at its offset. */
static int
read_meta(int fd, uint64_t offset, struct page_meta *out, const char **reason)
{
    unsigned char bytes[PAGE_HEAD_BYTES + META_BYTES];

    if (!page_read(fd, offset, bytes, sizeof(bytes))) {
        *reason = "the file is shorter than its two meta pages";
        return MT_EDAMAGED;
    }
    meta_decode(bytes, out);
    if (out->magic != META_MAGIC || (out->flags & PAGE_META) == 0) {
        *reason = "not a database: a meta page does not begin with LMDB's magic number";
        return MT_EDAMAGED;
    }
    if (out->version != META_VERSION) {
        *reason = "written in another format of LMDB";
        return MT_EVERSION;
    }
    if (!is_page_size(out->page_bytes)) {
        *reason = "a meta page has an impossible page size";
        return MT_EDAMAGED;
    }
    return MT_OK;
}

static bool
root_fits(const struct page_table *t, uint64_t last_page)
{
    return t->root == PAGE_NONE || (t->root >= 2 && t->root <= last_page);
}

/*
 * The one that LMDB goes by. The other may name pages that there are not: when the write of a meta page fails, LMDB puts the old number of the
 * transaction and of the last page back, and leaves the roots of what failed.
 */
static int
pages_newest(const struct page_meta metas[2])
{
    return metas[1].txn_id > metas[0].txn_id ? 1 : 0;
}

int
pages_metas_read(int fd, struct page_meta metas[2], const char **reason)
{
    const struct page_meta *newest;
    int                     rc = read_meta(fd, 0, &metas[0], reason);

    if (rc == MT_OK)
        rc = read_meta(fd, metas[0].page_bytes, &metas[1], reason);
    if (rc != MT_OK)
        return rc;
    newest = &metas[pages_newest(metas)];
    if (metas[1].page_bytes != metas[0].page_bytes || newest->last_page >= PAGE_NUMBER_MAX ||
        !root_fits(&newest->tables[0], newest->last_page) || !root_fits(&newest->tables[1], newest->last_page)) {
        *reason = "a meta page names pages that cannot be";
        return MT_EDAMAGED;
    }
    return MT_OK;
}

int
pages_head_read(int fd, struct pages_head *out, const char **reason)
{
    struct page_meta        metas[2];
    const struct page_meta *newest;
    struct stat             st;
    int                     rc;

    if (fstat(fd, &st) != 0) {
        *reason = "the file's size is not readable";
        return MT_EIO;
    }
    if (st.st_size == 0)
        return MT_ENOTFOUND;
    rc = pages_metas_read(fd, metas, reason);
    if (rc != MT_OK)
        return rc;
    newest = &metas[pages_newest(metas)];
    *out = (struct pages_head){ .page_bytes = newest->page_bytes, .txn_id = newest->txn_id, .last_page = newest->last_page,
                                .needed_bytes = (newest->last_page + 1) * newest->page_bytes, .file_bytes = (uint64_t)st.st_size };
    if (out->file_bytes + TOLERATED_PAGES * (uint64_t)out->page_bytes < out->needed_bytes) {
        *reason = "the file was cut short";
        return MT_EDAMAGED;
    }
    return MT_OK;
}
