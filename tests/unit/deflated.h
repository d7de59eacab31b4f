#ifndef TESTS_UNIT_DEFLATED_H
#define TESTS_UNIT_DEFLATED_H
/* deflated - compresses what a test is to find again, and puts the little-endian fields of containers together. */

#include "tests/unit/unit.h"

#include "finder/inflater.h"
#include "lib/buf.h"

/* Appends octets in one of the formats of finder/inflater.h; name: for gzip, or NULL. */
static inline void
put_deflated(struct buf *to, int format, struct slice octets, const char *name)
{
    unsigned char out[4096];
    gz_header     header = { .name = (Bytef *)(uintptr_t)name, .os = 3 };
    z_stream      z = { .next_in = (const Bytef *)octets.data, .avail_in = (uInt)octets.len };
    int           rc;

    assert_int_equal(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (format == INFLATER_GZIP)
        assert_int_equal(deflateSetHeader(&z, &header), Z_OK);
    do {
        z.next_out = out;
        z.avail_out = sizeof(out);
        rc = deflate(&z, Z_FINISH);
        buf_append(to, out, sizeof(out) - z.avail_out);
    } while (rc == Z_OK);
    assert_int_equal(rc, Z_STREAM_END);
    deflateEnd(&z);
    assert_int_equal(to->fault, MT_OK);
}

/* A little-endian number of so many octets. */
static inline void
put_le(struct buf *to, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_append_byte(to, (char)(i < sizeof(number) ? number >> 8 * i : 0));
}

#endif
