#include "finder/inflater.h"

/* zlib counts in unsigned int. */
#define INPUT_BYTES_MAX (1u << 30)

void
inflater_init(struct inflater *f, uint64_t *budget)
{
    *f = (struct inflater){ .budget = budget };
}

void
inflater_fini(struct inflater *f)
{
    if (f->ready)
        inflateEnd(&f->zlib);
    f->ready = false;
}

bool
inflater_begin(struct inflater *f, int format)
{
    if (f->ready)
        return inflateReset2(&f->zlib, format) == Z_OK;
    f->zlib = (z_stream){ .next_in = NULL };
    f->ready = inflateInit2(&f->zlib, format) == Z_OK;
    return f->ready;
}

enum inflater_result
inflater_feed(struct inflater *f, struct slice *in, octets_fn *told, void *arg)
{
    unsigned char out[INFLATER_PIECE_BYTES];
    uInt          given, room, took, made;
    int           rc;

    do {
        given = in->len < INPUT_BYTES_MAX ? (uInt)in->len : INPUT_BYTES_MAX;
        room = *f->budget < sizeof(out) ? (uInt)*f->budget : (uInt)sizeof(out);
        f->zlib.next_in = (const Bytef *)in->data;
        f->zlib.avail_in = given;
        f->zlib.next_out = out;
        f->zlib.avail_out = room;
        rc = inflate(&f->zlib, Z_NO_FLUSH);
        took = given - f->zlib.avail_in;
        made = room - f->zlib.avail_out;
        *in = slice_sub(*in, took, in->len);
        *f->budget -= made;
        if (made > 0)
            told(arg, slice_make(out, made));
        if (rc == Z_STREAM_END)
            return INFLATER_END;
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return INFLATER_BROKEN;
    } while (took > 0 || made > 0);
    return in->len == 0 ? INFLATER_MORE : INFLATER_CUT;
}

bool
inflater_is_cut(const struct inflater *f)
{
    return *f->budget == 0;
}
