/*
 * The decoders of containers: whatever comes in, contents are told one behind the other, are the same however the file is
 * cut into pieces, and are no more than the decoder's bounds allow. The first octet chooses the decoder, the second the cuts.
 */
#include "finder/compound_file.h"
#include "finder/gzip.h"
#include "finder/pkcs7.h"
#include "finder/tnef.h"
#include "finder/uuencode.h"
#include "finder/yenc.h"
#include "finder/zip.h"
#include "lib/error.h"

#include <assert.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BUDGET_BYTES = 100000, RTF_TIMES_MAX = 9, PIECE_BYTES_MAX = 100 };

/* What was told: how much, and a sum over it that does not depend on the pieces. */
struct told {
    XXH3_state_t *sum;
    bool          open;
    uint64_t      octets;           /* of all contents */
    uint64_t      content_octets;   /* of the open one */
    uint64_t      budget;
    bool          cut;
};

static void
on_begin(void *arg, enum content_kind kind, struct slice name)
{
    struct told *t = arg;
    uint8_t      head[2] = { (uint8_t)kind, (uint8_t)name.len };

    assert(!t->open && kind <= CONTENT_TNEF && name.len <= CONTENT_NAME_BYTES_MAX);
    t->open = true;
    t->content_octets = 0;
    XXH3_64bits_update(t->sum, head, sizeof(head));
    XXH3_64bits_update(t->sum, name.data, name.len);
}

static void
on_octets(void *arg, struct slice octets)
{
    struct told *t = arg;

    assert(t->open && octets.len > 0);
    t->octets += octets.len;
    t->content_octets += octets.len;
    XXH3_64bits_update(t->sum, octets.data, octets.len);
}

static void
on_end(void *arg)
{
    struct told *t = arg;

    assert(t->open);
    t->open = false;
    XXH3_64bits_update(t->sum, &t->content_octets, sizeof(t->content_octets));
}

static const struct container_events events = { on_begin, on_octets, on_end };

/* One loop for all: the next piece of in, as long as there is one. */
static bool
next_piece(struct slice *in, uint32_t *random, struct slice *piece)
{
    size_t len = in->len;

    if (*random != 0) {
        *random = *random * 1664525 + 1013904223;
        len = (*random >> 16) % PIECE_BYTES_MAX + 1;
        *random |= 1;
    }
    *piece = slice_take(in, len);
    return piece->len > 0;
}

#define DECODE(x, init, feed, finish) \
    do { \
        init; \
        while (next_piece(&in, &random, &piece)) \
            feed(&(x), piece); \
        finish; \
    } while (0)

static void
run_gzip(struct told *t, struct slice in, uint32_t random)
{
    struct slice piece;
    struct gzip  x;

    DECODE(x, gzip_init(&x, &events, t, &t->budget), gzip_feed, gzip_finish(&x));
    t->cut = x.cut;
    assert(t->octets + t->budget == BUDGET_BYTES);
}

static void
run_zip(struct told *t, struct slice in, uint32_t random)
{
    size_t       size = in.len;
    struct slice piece;
    struct zip   x;

    DECODE(x, zip_init(&x, &events, t, &t->budget), zip_feed, zip_finish(&x));
    t->cut = x.cut;
    assert(t->octets + t->budget <= BUDGET_BYTES + size);
}

static void
run_pkcs7(struct told *t, struct slice in, uint32_t random)
{
    size_t       size = in.len;
    struct slice piece;
    struct pkcs7 x;

    DECODE(x, pkcs7_init(&x, &events, t, &t->budget), pkcs7_feed, pkcs7_finish(&x));
    t->cut = x.cut;
    assert(t->octets + t->budget <= BUDGET_BYTES + size);
}

static void
run_uuencode(struct told *t, struct slice in, uint32_t random)
{
    size_t          size = in.len;
    struct slice    piece;
    struct uuencode x;

    DECODE(x, uuencode_init(&x, &events, t), uuencode_feed, uuencode_finish(&x));
    assert(t->octets <= UUENCODE_ZEROS_FIRST + size + size / 2);
}

static void
run_yenc(struct told *t, struct slice in, uint32_t random)
{
    size_t       size = in.len;
    struct slice piece;
    struct yenc  x;

    DECODE(x, yenc_init(&x, &events, t), yenc_feed, yenc_finish(&x));
    assert(t->octets <= size);
}

static void
run_tnef(struct told *t, struct slice in, uint32_t random)
{
    size_t       size = in.len;
    struct slice piece;
    struct tnef  x;

    DECODE(x, tnef_init(&x, &events, t), tnef_feed, tnef_finish(&x));
    assert(t->octets <= RTF_TIMES_MAX * size);
}

static void
run_compressed_rtf(struct told *t, struct slice in, uint32_t random)
{
    size_t                size = in.len;
    struct slice          piece;
    struct compressed_rtf x;

    on_begin(t, CONTENT_RTF, slice_make(NULL, 0));
    DECODE(x, compressed_rtf_init(&x, on_octets, t), compressed_rtf_feed, on_end(t));
    assert(t->octets <= RTF_TIMES_MAX * size);
}

static void
run_compound_file(struct told *t, struct slice in, uint32_t random)
{
    size_t               size = in.len;
    struct slice         piece;
    struct compound_file x;

    DECODE(x, compound_file_init(&x, &events, t), compound_file_feed, compound_file_finish(&x));
    t->cut = x.cut;
    assert(t->octets <= RTF_TIMES_MAX * size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const run[])(struct told *t, struct slice in, uint32_t random) = {
        run_gzip, run_zip, run_uuencode, run_yenc, run_tnef, run_compressed_rtf, run_pkcs7, run_compound_file,
    };
    static struct told whole, cut;

    if (size < 2)
        return 0;
    whole = (struct told){ .sum = whole.sum == NULL ? XXH3_createState() : whole.sum, .budget = BUDGET_BYTES };
    cut = (struct told){ .sum = cut.sum == NULL ? XXH3_createState() : cut.sum, .budget = BUDGET_BYTES };
    assert(whole.sum != NULL && cut.sum != NULL);
    XXH3_64bits_reset(whole.sum);
    XXH3_64bits_reset(cut.sum);
    run[data[0] % COUNT(run)](&whole, slice_make(data + 2, size - 2), 0);
    run[data[0] % COUNT(run)](&cut, slice_make(data + 2, size - 2), 1 + (uint32_t)data[1]);
    assert(!whole.open && !cut.open);
    assert(whole.octets == cut.octets && whole.budget == cut.budget && whole.cut == cut.cut);
    assert(XXH3_64bits_digest(whole.sum) == XXH3_64bits_digest(cut.sum));
    return 0;
}
