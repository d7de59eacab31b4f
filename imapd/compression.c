#include "imapd/compression.h"

#include "lib/error.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

/*
 * A window of 4 KiB and a small table of what was seen there: text of mail becomes a few per cent longer than with the largest ones,
 * which take six times the memory.
 */
enum {
    WINDOW_BITS = 12,
    MEMORY_LEVEL = 5,
    PIECE_BYTES = 16 * 1024,
};

struct compression {
    z_stream   inflater;
    z_stream   deflater;
    bool       inflating;       /* inflater is to be ended */
    bool       deflating;       /* deflater is to be ended */
    bool       filled;          /* the last piece was filled to the end: zlib may hold more */
    bool       ended;           /* the client has ended its stream */
    struct buf received;
    struct buf to_send;
};

struct compression *
compression_new(void)
{
    struct compression *z = calloc(1, sizeof(*z));

    if (z == NULL)
        return NULL;
    buf_init(&z->received, COMPRESSION_IN_BYTES_MAX);
    buf_init(&z->to_send, COMPRESSION_OUT_BYTES_MAX);
    z->inflating = inflateInit2(&z->inflater, -MAX_WBITS) == Z_OK;
    if (z->inflating)
        return z;
    compression_free(z);
    return NULL;
}

static void
end_deflater(struct compression *z)
{
    if (z->deflating)
        deflateEnd(&z->deflater);
    z->deflating = false;
}

void
compression_free(struct compression *z)
{
    if (z == NULL)
        return;
    if (z->inflating)
        inflateEnd(&z->inflater);
    end_deflater(z);
    buf_wipe(&z->received);
    buf_fini(&z->to_send);
    free(z);
}

/* ---- In ------------------------------------------------------------------------------------------------------------------ */

int
compression_receive(struct compression *z, struct slice octets)
{
    return buf_append_slice(&z->received, octets);
}

bool
compression_is_drained(const struct compression *z)
{
    return z->received.len == 0 && !z->filled;
}

int
compression_inflate(struct compression *z, struct buf *plain, size_t room)
{
    char *to;
    int   result;

    if (room == 0 || compression_is_drained(z))
        return MT_OK;
    if (z->ended)
        return MT_EPROTO;
    to = buf_reserve(plain, room);
    if (to == NULL)
        return plain->fault;
    z->inflater.next_in = (const Bytef *)z->received.data;
    z->inflater.avail_in = (uInt)z->received.len;
    z->inflater.next_out = (Bytef *)to;
    z->inflater.avail_out = (uInt)room;
    result = inflate(&z->inflater, Z_SYNC_FLUSH);
    buf_added(plain, room - z->inflater.avail_out);
    buf_consume(&z->received, z->received.len - z->inflater.avail_in);
    if (z->received.len == 0)
        buf_fini(&z->received);         /* who is idle keeps nothing */
    z->filled = z->inflater.avail_out == 0 && result == Z_OK;
    z->ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return MT_ENOMEM;
    /* Z_BUF_ERROR: there was nothing to be done, and it may go on. */
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? MT_OK : MT_EPROTO;
}

/* ---- Out ----------------------------------------------------------------------------------------------------------------- */

/*
 * A stream that was flushed ends at an octet, and none of its blocks is the last: another deflater, which knows nothing of what was
 * before, goes on behind it.
 */
static bool
begin_deflater(struct compression *z)
{
    if (!z->deflating) {
        z->deflater = (z_stream){ 0 };
        z->deflating = deflateInit2(&z->deflater, Z_BEST_SPEED, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    return z->deflating;
}

/* All that is in next_in, and all that deflate has kept back. */
static int
deflate_all(struct compression *z)
{
    do {
        char *to = buf_reserve(&z->to_send, PIECE_BYTES);

        if (to == NULL)
            return z->to_send.fault;
        z->deflater.next_out = (Bytef *)to;
        z->deflater.avail_out = PIECE_BYTES;
        deflate(&z->deflater, Z_SYNC_FLUSH);    /* fails only where there is nothing to be done */
        buf_added(&z->to_send, PIECE_BYTES - z->deflater.avail_out);
    } while (z->deflater.avail_out == 0);
    return MT_OK;
}

int
compression_deflate(struct compression *z, struct buf *plain)
{
    size_t len = plain->len < COMPRESSION_STEP_BYTES ? plain->len : COMPRESSION_STEP_BYTES;
    int    rc;

    if (len == 0)
        return MT_OK;
    if (!begin_deflater(z))
        return MT_ENOMEM;
    z->deflater.next_in = (const Bytef *)plain->data;
    z->deflater.avail_in = (uInt)len;
    rc = deflate_all(z);
    buf_consume(plain, len);
    return rc;
}

struct buf *
compression_to_send(struct compression *z)
{
    return &z->to_send;
}

void
compression_rest(struct compression *z)
{
    end_deflater(z);
    if (z->to_send.len == 0)
        buf_fini(&z->to_send);
}
