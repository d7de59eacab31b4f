/* fuzz_db_file - any bytes at all as the database's file: what looks at it before LMDB does must survive them. */

#include "lib/pages.h"

#include "lib/error.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count_problem(void *arg, const char *text)
{
    unsigned *problems = arg;

    assert(text[0] != '\0');
    assert(++*problems <= PAGES_PROBLEMS_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 fd = memfd_create("data.mdb", MFD_CLOEXEC);
    const char         *reason = NULL;
    struct pages_head   head;
    struct pages_counts counts;
    unsigned            problems = 0;
    int                 rc;

    assert(fd != -1 && write(fd, data, size) == (ssize_t)size);
    rc = pages_head_read(fd, &head, &reason);
    if (rc == MT_OK) {
        assert(head.file_bytes == size);
        rc = pages_check(fd, 0, PAGES_ALL, count_problem, &problems, &counts);
        assert(rc == MT_OK || rc == MT_ENOMEM);
        if (rc == MT_OK && problems == 0)
            assert(counts.pages + counts.lost == head.last_page + 1);
    } else {
        assert(rc == MT_ENOTFOUND || reason != NULL);
    }
    close(fd);
    return 0;
}
