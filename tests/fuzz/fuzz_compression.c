/*
 * Octets of a client that compresses: the first two choose the pieces they come in and the room there is. However they are cut, the same is
 * inflated, never more than there is room for, and what was found to be no deflate stays so.
 */

#include "imapd/compression.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

/* More than this is not looked at: an octet may become a thousand. */
enum { PLAIN_BYTES_MAX = 256 * 1024 };

static int
inflate_all(struct slice octets, size_t piece, size_t room, struct buf *plain)
{
    struct compression *z = compression_new();
    int                 rc = MT_OK;

    assert(z != NULL);
    for (size_t at = 0; at < octets.len && rc == MT_OK; at += piece) {
        assert(compression_receive(z, slice_sub(octets, at, piece)) == MT_OK);
        while (rc == MT_OK && !compression_is_drained(z) && plain->len < PLAIN_BYTES_MAX) {
            size_t before = plain->len;

            rc = compression_inflate(z, plain, room);
            assert(plain->len - before <= room);
        }
        if (plain->len >= PLAIN_BYTES_MAX)
            break;
    }
    assert(rc == MT_OK || rc == MT_EPROTO);
    compression_free(z);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf   whole, cut;
    struct slice octets;
    int          rc_whole, rc_cut;

    if (size < 2 || size > COMPRESSION_IN_BYTES_MAX)
        return 0;
    octets = slice_make(data + 2, size - 2);
    buf_init(&whole, 2 * PLAIN_BYTES_MAX);
    buf_init(&cut, 2 * PLAIN_BYTES_MAX);
    rc_whole = inflate_all(octets, octets.len + 1, 4096, &whole);
    rc_cut = inflate_all(octets, 1 + data[0], 1 + data[1], &cut);
    if (whole.len < PLAIN_BYTES_MAX && cut.len < PLAIN_BYTES_MAX) {
        assert(rc_whole == rc_cut);
        assert(slice_equal(buf_slice(&whole), buf_slice(&cut)));
    }
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
