#ifndef IMAPD_COMPRESSION_H
#define IMAPD_COMPRESSION_H
/*
 * compression - the octets of a connection on which both sides compress (RFC 4978: deflate, RFC 1951, without a head), between the socket
 * or its TLS and what is said. Pure: no I/O.
 *
 * What the client compressed waits here as it came, and is inflated piece by piece, only as far as there is room: however much it would
 * become, memory does not grow with it.
 *
 * Each answer is compressed on its own: nothing that was said before helps to compress it, and between answers no memory is held for
 * that. So lengths tell less of what stands in other answers, too.
 *
 * Memory of each: what zlib needs to inflate with the client's window of up to 32 KiB, about 40 KiB; while an answer is made about 40 KiB
 * more, and what waits to be sent.
 */

#include "lib/buf.h"

#define COMPRESSION_IN_BYTES_MAX  (64u * 1024)      /* received and not inflated yet */
#define COMPRESSION_OUT_BYTES_MAX (5u * 1024 * 1024)    /* more than may be said, as it is, before the compression begins (imapd/connection.h) */
#define COMPRESSION_STEP_BYTES    (256u * 1024)

struct compression;

/* NULL: out of memory. */
struct compression *compression_new(void);
void                compression_free(struct compression *z);    /* NULL is fine; wipes what came in */

/* Takes over octets as they came from the client. 0, MT_ENOMEM, MT_ESIZE. */
int compression_receive(struct compression *z, struct slice octets);

/* Nothing more can be inflated before more has come in. */
bool compression_is_drained(const struct compression *z);

/* Appends at most room octets to *plain. 0; MT_EPROTO: that is not deflate, or it goes on behind its end; MT_ENOMEM, MT_ESIZE. */
int compression_inflate(struct compression *z, struct buf *plain, size_t room);

/*
 * Compresses the first COMPRESSION_STEP_BYTES of *plain, or all, and removes them there; the client can read them as soon as what is to be
 * sent has come. 0, MT_ENOMEM, MT_ESIZE.
 */
int compression_deflate(struct compression *z, struct buf *plain);

/* What is to be sent, in front of which what was said before the compression began goes as it is. The caller consumes it. */
struct buf *compression_to_send(struct compression *z);

/* An answer is over, and all was sent: frees what only the next one needs. */
void compression_rest(struct compression *z);

#endif
