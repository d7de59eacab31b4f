#ifndef FINDER_GATHER_H
#define FINDER_GATHER_H
/*
 * gather - puts a header of fixed size together from pieces of any size, and reads the little-endian fields in it.
 */

#include "lib/slice.h"

#include <assert.h>

#define GATHER_BYTES_MAX 64u

/* A longer name of a file within a container is cut to this. */
#define CONTENT_NAME_BYTES_MAX 255u

struct gather {
    unsigned char octets[GATHER_BYTES_MAX];
    size_t        have, want;
};

/* From here on the next want octets, at most GATHER_BYTES_MAX, are wanted. */
static inline void
gather_begin(struct gather *g, size_t want)
{
    assert(want <= GATHER_BYTES_MAX);
    g->have = 0;
    g->want = want;
}

/* Takes what is missing from the front of *in, as far as that goes; returns whether all is there. */
static inline bool
gather_take(struct gather *g, struct slice *in)
{
    size_t len = g->want - g->have < in->len ? g->want - g->have : in->len;

    if (len > 0)
        memcpy(g->octets + g->have, in->data, len);
    g->have += len;
    *in = slice_sub(*in, len, in->len);
    return g->have == g->want;
}

static inline uint16_t
get_le16(const unsigned char *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t
get_le32(const unsigned char *from)
{
    return get_le16(from) | (uint32_t)get_le16(from + 2) << 16;
}

static inline uint64_t
get_le64(const unsigned char *from)
{
    return get_le32(from) | (uint64_t)get_le32(from + 4) << 32;
}

/* Takes at most max octets off the front of *in. */
static inline struct slice
slice_take(struct slice *in, uint64_t max)
{
    struct slice taken = slice_sub(*in, 0, max < in->len ? (size_t)max : in->len);

    *in = slice_sub(*in, taken.len, in->len);
    return taken;
}

#endif
