#ifndef FINDER_INFLATER_H
#define FINDER_INFLATER_H
/*
 * inflater - zlib's inflate for the decoders of containers: streaming, and never more than a budget of octets that all
 * decoders of a message share, so that a small mail cannot cost much work (decompression bombs).
 *
 * Time: linear in the octets fed and told. Memory: what zlib allocates, about 44 KiB from the first inflater_begin to
 * inflater_fini, and INFLATER_PIECE_BYTES on the stack while it is fed.
 */

#include "finder/octets.h"

#define ZLIB_CONST
#include <zlib.h>

#define INFLATER_PIECE_BYTES 8192u

/* What inflater_begin takes for the three formats of RFC 1951, 1950 and 1952. */
#define INFLATER_RAW  (-MAX_WBITS)
#define INFLATER_ZLIB MAX_WBITS
#define INFLATER_GZIP (MAX_WBITS + 16)

/* Must stay where it is from inflater_begin on: zlib points into it. */
struct inflater {
    z_stream  zlib;
    bool      ready;    /* zlib holds memory */
    uint64_t *budget;   /* borrowed: octets that may still be told */
};

enum inflater_result {
    INFLATER_MORE,      /* all was taken; the stream goes on */
    INFLATER_END,       /* the stream is complete; what is behind it was left in *in */
    INFLATER_BROKEN,    /* no such stream, or out of memory */
    INFLATER_CUT,       /* the budget is used up */
};

/* Allocates nothing yet. */
void inflater_init(struct inflater *f, uint64_t *budget);
void inflater_fini(struct inflater *f);

/* Ready for a new stream. False: out of memory. */
bool inflater_begin(struct inflater *f, int format);

/* Takes octets off the front of *in and tells what they decompress to. Only after INFLATER_MORE it can be fed again. */
enum inflater_result inflater_feed(struct inflater *f, struct slice *in, octets_fn *told, void *arg);

/* At the end of what there was to feed, behind INFLATER_MORE: whether the budget, and not the input, ended it. */
bool inflater_is_cut(const struct inflater *f);

#endif
