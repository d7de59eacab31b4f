/*
 * fuzz_smtp_data - the octets of a message: one for the mode and the size of the pieces, then what the client sends. The reader is
 * compared with the rule as RFC 5321 states it, written down in the plainest way and for the whole input at once.
 */
#include "lib/error.h"
#include "lib/data.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    char  *data;
    size_t len, room;
};

static void
append(void *arg, struct slice bytes)
{
    struct text *t = arg;

    assert(bytes.len > 0 && bytes.len <= t->room - t->len);
    memcpy(t->data + t->len, bytes.data, bytes.len);
    t->len += bytes.len;
}

static struct text
text_new(size_t in_len)
{
    struct text t = { .room = 2 * in_len + 2 };

    t.data = malloc(t.room);
    assert(t.data != NULL);
    return t;
}

static bool
is_at(struct slice in, size_t at, const char *what)
{
    return slice_starts(slice_sub(in, at, in.len), what);
}

/* Offset of the "." of the line that ends the data; in.len: there is none. */
static size_t
find_end(struct slice in)
{
    for (size_t i = 0; i < in.len; i++)
        if (is_at(in, i, ".\r\n") && (i == 0 || (i >= 2 && is_at(in, i - 2, "\r\n"))))
            return i;
    return in.len;
}

/* What is stored of the octets before the end, dots undone when dotted. */
static struct text
expect(struct slice in, bool dotted)
{
    struct text out = text_new(in.len);

    for (size_t i = 0; i < in.len; i++) {
        bool line_start = i == 0 || (i >= 2 && is_at(in, i - 2, "\r\n"));

        if (dotted && line_start && in.data[i] == '.')
            continue;
        if (in.data[i] == '\n' && (i == 0 || in.data[i - 1] != '\r'))
            append(&out, slice_make("\r\n", 2));
        else
            append(&out, slice_sub(in, i, 1));
    }
    return out;
}

static size_t
feed(struct data_reader *r, struct slice in, size_t piece, struct text *out)
{
    size_t used = 0;

    while (used < in.len && !data_reader_ended(r))
        used += data_reader_feed(r, slice_sub(in, used, piece), append, out);
    return used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice       in = slice_make(data + 1, size == 0 ? 0 : size - 1);
    bool               dotted = size > 0 && data[0] < 128;
    size_t             end = dotted ? find_end(in) : in.len;
    bool               ended = dotted && end < in.len;
    struct text        want, got;
    struct data_reader r;
    size_t             used;

    if (size == 0)
        return 0;
    want = expect(slice_sub(in, 0, end), dotted);
    got = text_new(in.len);
    data_reader_init(&r, dotted ? DATA_DOTTED : DATA_CHUNKED);
    used = feed(&r, in, data[0] % 128 + 1u, &got);
    assert(used == (ended ? end + 3 : in.len) && data_reader_ended(&r) == ended);
    /* A "." or "." CR at the very end is held back until it is known what it is. */
    assert(got.len <= want.len && want.len - got.len <= (ended ? 0u : 1u));
    assert(memcmp(got.data, want.data, got.len) == 0 && r.size_bytes == got.len);
    free(got.data);
    free(want.data);
    return 0;
}
