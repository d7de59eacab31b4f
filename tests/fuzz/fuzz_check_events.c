/* fuzz_check_events - a stream of server-sent events, whole and cut into pieces: both must tell the same events. The first octet says how it is cut. */
#include "checker/sse.h"

#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEARD_MAX = 1 << 20 };

static void
note(void *arg, const struct sse_event *e)
{
    struct buf *heard = arg;

    assert(e->name[0] != '\0' && strlen(e->name) <= SSE_NAME_MAX && strlen(e->id) <= SSE_ID_MAX && e->data.len < SSE_DATA_MAX);
    buf_append_string(heard, e->name);
    buf_append_byte(heard, '\0');
    buf_append_string(heard, e->id);
    buf_append_byte(heard, '\0');
    buf_append_slice(heard, e->data);
    buf_append_byte(heard, '\0');
}

static int
read_all(struct slice in, size_t piece, struct buf *heard)
{
    struct sse s;
    int        rc = MT_OK;

    sse_init(&s);
    for (; in.len > 0 && rc == MT_OK; in = slice_sub(in, piece, in.len))
        rc = sse_feed(&s, slice_sub(in, 0, piece), note, heard);
    assert(rc == MT_OK || sse_feed(&s, slice_of("data: a\n\n"), note, heard) == MT_ESIZE);
    sse_fini(&s);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);
    struct buf   whole, cut;
    int          rc;

    if (size == 0)
        return 0;
    in = slice_sub(in, 1, in.len);
    buf_init(&whole, HEARD_MAX);
    buf_init(&cut, HEARD_MAX);
    rc = read_all(in, in.len, &whole);
    assert(read_all(in, 1u + data[0] % 16, &cut) == rc);
    assert(slice_equal(buf_slice(&whole), buf_slice(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
