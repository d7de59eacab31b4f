#include "store/handed.h"

#include "lib/error.h"
#include "lib/msg.h"
#include "lib/record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Text that goes into a header field: one line, no NUL. */
static bool
is_one_line(struct slice s)
{
    return slice_find(s, '\r') == s.len && slice_find(s, '\n') == s.len && slice_find(s, '\0') == s.len;
}

/* Whole header fields: each line ends with CRLF, and none is empty, for that would end the header. */
static bool
is_header(struct slice s)
{
    while (s.len > 0) {
        size_t end = slice_find(s, '\r');

        if (end == 0 || end + 1 >= s.len || s.data[end + 1] != '\n' || !is_one_line(slice_sub(s, 0, end)))
            return false;
        s = slice_sub(s, end + 2, s.len);
    }
    return true;
}

bool
handed_fits(const struct parsed *parsed, uint64_t size_bytes)
{
    struct reader r;
    struct part   part;

    reader_init(&r, parsed->parts);
    while (part_next(&r, &part))
        if (part.end_at > size_bytes)
            return false;
    return true;
}

static bool
is_well_formed(const struct delivery *d)
{
    if (!is_one_line(d->reverse_path) || !is_header(d->trace) || !handed_fits(&d->parsed, d->size_bytes))
        return false;
    for (uint32_t i = 0; i < d->recipient_count; i++)
        if (!is_one_line(d->recipients[i].address))
            return false;
    return true;
}

/* Sealed, so that it can neither change under the checksum nor shrink under the mapping, which would kill the process. */
static int
map_sealed(int fd, uint64_t size_bytes, struct slice *out)
{
    const int   seals = F_SEAL_WRITE | F_SEAL_SHRINK;
    int         found = fd == -1 ? -1 : fcntl(fd, F_GET_SEALS);
    struct stat st;
    void       *map;

    if (found == -1 || (found & seals) != seals || fstat(fd, &st) != 0 || (uint64_t)st.st_size != size_bytes)
        return MT_EPROTO;
    map = mmap(NULL, (size_t)size_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return MT_ENOMEM;
    *out = slice_make(map, (size_t)size_bytes);
    return MT_OK;
}

int
handed_octets_take(struct handed_octets *h, struct slice inline_octets, uint64_t size_bytes, int fd)
{
    char *copy;

    if (inline_octets.len == 0) {
        int rc = map_sealed(fd, size_bytes, &h->all);

        h->mapped = rc == MT_OK;
        return rc;
    }
    if (inline_octets.len != size_bytes)
        return MT_EPROTO;
    copy = malloc(inline_octets.len);
    if (copy == NULL)
        return MT_ENOMEM;
    memcpy(copy, inline_octets.data, inline_octets.len);
    h->all = slice_make(copy, inline_octets.len);
    return MT_OK;
}

void
handed_octets_fini(struct handed_octets *h)
{
    void *octets = (void *)(uintptr_t)h->all.data;

    if (h->mapped)
        munmap(octets, h->all.len);
    else
        free(octets);
    *h = (struct handed_octets){ .mapped = false };
}

static int
map_body(struct handed *h, int fd)
{
    int rc = map_sealed(fd, h->d.size_bytes, &h->body);

    if (rc == MT_OK)
        h->map = (void *)(uintptr_t)h->body.data;
    return rc;
}

int
handed_open(struct handed *h, struct slice fields, const int *fd)
{
    struct reader r;
    int           rc;

    *h = (struct handed){ .map = NULL };
    reader_init(&r, fields);
    rc = delivery_read(&r, &h->d);
    if (rc != MT_OK)
        return rc;
    h->body = h->d.body;
    if (!is_well_formed(&h->d))
        rc = MT_EPROTO;
    else if (h->d.size_bytes > MSG_INLINE_BODY_BYTES)
        rc = map_body(h, *fd);
    if (rc != MT_OK) {
        handed_close(h);
        return rc;
    }
    h->body_sum = checksum(h->body);
    return MT_OK;
}

void
handed_close(struct handed *h)
{
    if (h->map != NULL)
        munmap(h->map, h->body.len);
    h->map = NULL;
    delivery_fini(&h->d);
}
