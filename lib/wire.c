#include "lib/wire.h"

#include "lib/error.h"

void
put_u32(void *to, uint32_t v)
{
    unsigned char *p = to;

    for (int i = 3; i >= 0; i--, v >>= 8)
        p[i] = (unsigned char)v;
}

void
put_u64(void *to, uint64_t v)
{
    put_u32(to, (uint32_t)(v >> 32));
    put_u32((unsigned char *)to + 4, (uint32_t)v);
}

uint32_t
get_u32(const void *from)
{
    const unsigned char *p = from;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t
get_u64(const void *from)
{
    return (uint64_t)get_u32(from) << 32 | get_u32((const unsigned char *)from + 4);
}

void
write_u8(struct buf *b, uint8_t v)
{
    buf_append(b, &v, 1);
}

void
write_u16(struct buf *b, uint16_t v)
{
    unsigned char bytes[2] = { (unsigned char)(v >> 8), (unsigned char)v };

    buf_append(b, bytes, sizeof(bytes));
}

void
write_u32(struct buf *b, uint32_t v)
{
    unsigned char bytes[4];

    put_u32(bytes, v);
    buf_append(b, bytes, sizeof(bytes));
}

void
write_u64(struct buf *b, uint64_t v)
{
    unsigned char bytes[8];

    put_u64(bytes, v);
    buf_append(b, bytes, sizeof(bytes));
}

void
write_bytes(struct buf *b, struct slice s)
{
    write_u32(b, (uint32_t)s.len);
    buf_append_slice(b, s);
}

void
write_string(struct buf *b, const char *s)
{
    write_bytes(b, slice_of(s));
}

void
write_fixed(struct buf *b, const void *data, size_t len)
{
    buf_append(b, data, len);
}

void
reader_init(struct reader *r, struct slice bytes)
{
    *r = (struct reader){ .rest = bytes };
}

/* The next len octets, or NULL and a fault. */
static const void *
take(struct reader *r, size_t len)
{
    const void *at = r->rest.data;

    if (r->faulty || r->rest.len < len) {
        r->faulty = true;
        return NULL;
    }
    r->rest = slice_make(r->rest.data + len, r->rest.len - len);
    return at;
}

void
read_u8(struct reader *r, uint8_t *out)
{
    const unsigned char *p = take(r, 1);

    *out = p == NULL ? 0 : *p;
}

void
read_u16(struct reader *r, uint16_t *out)
{
    const unsigned char *p = take(r, 2);

    *out = p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

void
read_u32(struct reader *r, uint32_t *out)
{
    const void *p = take(r, 4);

    *out = p == NULL ? 0 : get_u32(p);
}

void
read_u64(struct reader *r, uint64_t *out)
{
    const void *p = take(r, 8);

    *out = p == NULL ? 0 : get_u64(p);
}

void
read_time_us(struct reader *r, uint64_t *out)
{
    read_u64(r, out);
    if (*out > TIME_US_MAX) {
        read_fail(r);
        *out = 0;
    }
}

void
read_bool(struct reader *r, bool *out)
{
    uint8_t v;

    read_u8(r, &v);
    if (v > 1)
        r->faulty = true;
    *out = v == 1;
}

void
read_bytes(struct reader *r, struct slice *out, size_t max)
{
    uint32_t    len;
    const void *p;

    *out = slice_make(NULL, 0);
    read_u32(r, &len);
    if (len > max)
        r->faulty = true;
    p = take(r, len);
    if (p != NULL)
        *out = slice_make(p, len);
}

void
read_string(struct reader *r, char *out, size_t size)
{
    struct slice s;

    read_bytes(r, &s, size - 1);
    if (slice_find(s, '\0') != s.len) {
        r->faulty = true;
        s.len = 0;
    }
    slice_copy(out, size, s);
}

void
read_fixed(struct reader *r, void *out, size_t len)
{
    const void *p = take(r, len);

    if (p == NULL)
        memset(out, 0, len);
    else
        memcpy(out, p, len);
}

void
read_count(struct reader *r, uint32_t *out, uint32_t max, size_t min_bytes)
{
    read_u32(r, out);
    if (*out > max || *out > r->rest.len / min_bytes) {
        r->faulty = true;
        *out = 0;
    }
}

void
read_fail(struct reader *r)
{
    r->faulty = true;
}

bool
read_end(const struct reader *r)
{
    return !r->faulty && r->rest.len == 0;
}
