#include "lib/metrics.h"

#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define METRICS_MAGIC 0x6d616c7430303031u   /* "mailt0001": changes with the layout */

/* One process writes, others read: relaxed loads and stores, no locked instruction. */
struct metrics {
    uint64_t         magic;
    uint64_t         count;
    _Atomic uint64_t values[METRIC_COUNT];
};

static const struct metric_info infos[METRIC_COUNT] = {
#define X(id, name, kind, help) [METRIC_##id] = { name, kind, help },
    METRICS(X)
#undef X
};

/* A process counts in one page; metric_add is called from places that know nothing of the role. */
static struct metrics *own;

const struct metric_info *
metric_info(enum metric m)
{
    return &infos[m];
}

int
metrics_create(void)
{
    int             fd = memfd_create("mailtest-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved_errno;
    struct metrics *m;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof(*m)) != 0 ||
        (m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        goto fail;
    m->magic = METRICS_MAGIC;
    m->count = METRIC_COUNT;
    munmap(m, sizeof(*m));
    /* Who has mapped it cannot be hurt by another that cuts it. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        goto fail;
    return fd;
fail:
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

struct metrics *
metrics_map(int fd)
{
    struct stat     st;
    struct metrics *m;
    int             seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) != 0 || st.st_size != sizeof(*m))
        return NULL;
    m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m == MAP_FAILED)
        return NULL;
    if (m->magic != METRICS_MAGIC || m->count != METRIC_COUNT) {
        munmap(m, sizeof(*m));
        return NULL;
    }
    return m;
}

void
metrics_unmap(struct metrics *m)
{
    if (m == NULL)
        return;
    if (m == own)
        own = NULL;
    munmap(m, sizeof(*m));
}

void
metrics_use(struct metrics *m)
{
    own = m;
}

void
metric_set(enum metric m, uint64_t value)
{
    if (own != NULL)
        atomic_store_explicit(&own->values[m], value, memory_order_relaxed);
}

void
metric_add(enum metric m, uint64_t n)
{
    if (own != NULL)
        metric_set(m, metrics_value(own, m) + n);
}

void
metric_sub(enum metric m, uint64_t n)
{
    if (own != NULL)
        metric_set(m, metrics_value(own, m) - n);
}

uint64_t
metrics_value(const struct metrics *m, enum metric metric)
{
    return atomic_load_explicit(&m->values[metric], memory_order_relaxed);
}

void
metrics_clear_gauges(struct metrics *m)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (infos[i].kind[0] == 'g')
            atomic_store_explicit(&m->values[i], 0, memory_order_relaxed);
}
