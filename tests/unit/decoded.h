#ifndef TESTS_UNIT_DECODED_H
#define TESTS_UNIT_DECODED_H
/* decoded - what a decoder of finder/ passed on, put together again; for tests that feed the same in pieces of several sizes. */

#include "tests/unit/unit.h"

enum { DECODED_MAX = 64 * 1024 };

struct decoded {
    size_t len;
    char   data[DECODED_MAX];
};

static inline void
decoded_add(void *arg, struct slice octets)
{
    struct decoded *d = arg;

    assert_true(octets.len > 0);
    assert_true(octets.len <= sizeof(d->data) - d->len);
    memcpy(d->data + d->len, octets.data, octets.len);
    d->len += octets.len;
}

static inline struct slice
decoded_slice(const struct decoded *d)
{
    return slice_make(d->data, d->len);
}

/* A string literal with NULs in it. */
#define LITERAL(string) { (string), sizeof(string) - 1 }

/* Cuts that a decoder must not care about; 0: none. */
static const size_t piece_sizes[] = { 0, 1, 2, 3, 5, 7, 16, 61 };

/* The piece of text that starts at offset. */
static inline struct slice
piece_at(struct slice text, size_t offset, size_t piece_size)
{
    return slice_sub(text, offset, piece_size == 0 ? text.len : piece_size);
}

/* It has the form of a token; its MAC is of no account here. */
#define SOME_TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

#endif
