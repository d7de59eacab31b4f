#include "lib/shared_table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARED_MAGIC 0x6d74736861726532u        /* changes with the layout */

/* A row of open sessions is one word, so that no reader sees half of it: the upper bits of the hash, and the number. */
#define COUNT_BITS 20u
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* Tries of shared_take while others take from the same place. */
enum { TAKE_TRIES = 16 };

struct share {
    _Atomic uint64_t rows[SHARED_SCOPE_COUNT][SHARED_SESSION_PLACES];
};

struct shared_table {
    uint64_t            magic;
    uint8_t             key[crypto_shorthash_KEYBYTES];
    _Atomic uint32_t    shares_used;            /* none above was ever written */
    struct shared_place places[SHARED_KIND_COUNT][SHARED_PLACES];
    struct share        shares[SHARED_PROCESSES_MAX];   /* memory only where written */
};

int
shared_table_create(void)
{
    int                  fd = memfd_create("mailtest-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved_errno;
    struct shared_table *t;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof(*t)) != 0 || (t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        goto fail;
    t->magic = SHARED_MAGIC;
    randombytes_buf(t->key, sizeof(t->key));
    munmap(t, sizeof(*t));
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

struct shared_table *
shared_table_map(int fd)
{
    struct stat          st;
    struct shared_table *t;
    int                  seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) != 0 || st.st_size != sizeof(*t))
        return NULL;
    t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (t == MAP_FAILED)
        return NULL;
    if (t->magic != SHARED_MAGIC) {
        munmap(t, sizeof(*t));
        return NULL;
    }
    return t;
}

void
shared_table_unmap(struct shared_table *t)
{
    if (t != NULL)
        munmap(t, sizeof(*t));
}

/* ---- Places ------------------------------------------------------------------------------------------------------------- */

static uint64_t
hash_octets(const struct shared_table *t, const void *octets, size_t len)
{
    uint64_t hash;

    static_assert(sizeof(hash) == crypto_shorthash_BYTES, "a hash is 64 bits");
    crypto_shorthash((unsigned char *)&hash, octets, len, t->key);
    return hash;
}

uint64_t
shared_hash(const struct shared_table *t, enum shared_kind kind, struct slice first, struct slice second)
{
    const uint64_t parts[] = { (uint64_t)kind, hash_octets(t, first.data, first.len), hash_octets(t, second.data, second.len) };
    uint64_t       hash = hash_octets(t, parts, sizeof(parts));

    return hash == 0 ? 1 : hash;
}

static struct shared_place *
set_of(struct shared_table *t, enum shared_kind kind, uint64_t who)
{
    return &t->places[kind][who % (SHARED_PLACES / SHARED_WAYS) * SHARED_WAYS];
}

struct shared_place *
shared_find(struct shared_table *t, enum shared_kind kind, uint64_t who)
{
    struct shared_place *set = set_of(t, kind, who);

    for (unsigned i = 0; i < SHARED_WAYS; i++)
        if (atomic_load(&set[i].who) == who)
            return &set[i];
    return NULL;
}

struct shared_place *
shared_obtain(struct shared_table *t, enum shared_kind kind, uint64_t who)
{
    struct shared_place *place = shared_find(t, kind, who), *set = set_of(t, kind, who);
    uint64_t             before;

    if (place != NULL)
        return place;
    place = set;
    for (unsigned i = 1; i < SHARED_WAYS; i++)
        if (atomic_load(&set[i].value) < atomic_load(&place->value))
            place = &set[i];
    before = atomic_load(&place->who);
    if (!atomic_compare_exchange_strong(&place->who, &before, who))
        return NULL;
    atomic_store(&place->value, 0);
    return place;
}

bool
shared_take(struct shared_table *t, enum shared_kind kind, uint64_t who, uint64_t now_us, uint64_t interval_us, uint32_t burst)
{
    struct shared_place *place = NULL;
    uint64_t             before, earned;

    for (unsigned n = 0; place == NULL && n < TAKE_TRIES; n++)
        place = shared_obtain(t, kind, who);
    if (place == NULL)
        return true;    /* others fight for the same places: nobody is kept out for that */
    before = atomic_load(&place->value);
    for (unsigned n = 0; n < TAKE_TRIES; n++) {
        earned = before > now_us ? before : now_us;
        if (earned - now_us > (burst - 1) * interval_us)
            return false;
        if (atomic_compare_exchange_weak(&place->value, &before, earned + interval_us))
            return true;
    }
    return true;
}

/* ---- Sessions that are open ---------------------------------------------------------------------------------------------- */

static uint64_t
tag_of(uint64_t who)
{
    uint64_t tag = who & ~COUNT_MASK;

    return tag == 0 ? COUNT_MASK + 1 : tag;
}

static size_t
row_of(uint64_t who)
{
    return who % (SHARED_SESSION_PLACES / SHARED_WAYS) * SHARED_WAYS;
}

static bool
is_counted(uint32_t share)
{
    return share < SHARED_PROCESSES_MAX;
}

static void
note_share(struct shared_table *t, uint32_t share)
{
    uint32_t before = atomic_load(&t->shares_used);

    while (before <= share && !atomic_compare_exchange_weak(&t->shares_used, &before, share + 1))
        ;
}

/* Its row, else the one with the fewest sessions. */
static _Atomic uint64_t *
choose_row(_Atomic uint64_t *set, uint64_t tag)
{
    _Atomic uint64_t *least = set;

    for (unsigned i = 0; i < SHARED_WAYS; i++) {
        uint64_t word = atomic_load(&set[i]);

        if (word != 0 && (word & ~COUNT_MASK) == tag)
            return &set[i];
        if ((word & COUNT_MASK) < (atomic_load(least) & COUNT_MASK))
            least = &set[i];
    }
    return least;
}

void
shared_sessions_add(struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who)
{
    _Atomic uint64_t *row;
    uint64_t          word;

    if (!is_counted(share))
        return;
    note_share(t, share);
    row = choose_row(&t->shares[share].rows[scope][row_of(who)], tag_of(who));
    word = atomic_load(row);
    if (word == 0 || (word & ~COUNT_MASK) != tag_of(who))
        word = tag_of(who);
    if ((word & COUNT_MASK) < COUNT_MASK)
        atomic_store(row, word + 1);
}

void
shared_sessions_remove(struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who)
{
    _Atomic uint64_t *row;
    uint64_t          word;

    if (!is_counted(share))
        return;
    row = choose_row(&t->shares[share].rows[scope][row_of(who)], tag_of(who));
    word = atomic_load(row);
    if ((word & ~COUNT_MASK) == tag_of(who))            /* it had to give way otherwise */
        atomic_store(row, (word & COUNT_MASK) <= 1 ? 0 : word - 1);
}

uint64_t
shared_sessions_count(const struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who)
{
    uint32_t used = atomic_load(&t->shares_used);
    uint64_t sum = 0;

    for (uint32_t other = share % SHARED_ROLES; is_counted(share) && other < used && other < SHARED_PROCESSES_MAX; other += SHARED_ROLES) {
        const _Atomic uint64_t *set = &t->shares[other].rows[scope][row_of(who)];

        for (unsigned i = 0; i < SHARED_WAYS; i++) {
            uint64_t word = atomic_load(&set[i]);

            if (word != 0 && (word & ~COUNT_MASK) == tag_of(who))
                sum += word & COUNT_MASK;
        }
    }
    return sum;
}

void
shared_sessions_clear(struct shared_table *t, uint32_t share)
{
    if (!is_counted(share) || share >= atomic_load(&t->shares_used))
        return;
    for (unsigned scope = 0; scope < SHARED_SCOPE_COUNT; scope++)
        for (unsigned i = 0; i < SHARED_SESSION_PLACES; i++)
            if (atomic_load(&t->shares[share].rows[scope][i]) != 0)
                atomic_store(&t->shares[share].rows[scope][i], 0);
}
