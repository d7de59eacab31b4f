#ifndef LIB_WIRE_H
#define LIB_WIRE_H
/*
 * wire - how fields become bytes, in messages between roles and in the records and keys of the store alike.
 * Integers are big-endian, so that keys sort by value; byte strings are a 32-bit length and the bytes. Nothing is aligned.
 *
 * A reader treats what it reads as hostile: it keeps the first fault, every later read then gives zero or an empty slice,
 * and only read_end() says whether all was well. So a decoder reads all its fields in a row and checks once.
 */

#include "lib/buf.h"

/* Writing appends to a buf, whose fault tells at the end whether all fitted. */
void write_u8(struct buf *b, uint8_t v);
void write_u16(struct buf *b, uint16_t v);
void write_u32(struct buf *b, uint32_t v);
void write_u64(struct buf *b, uint64_t v);
void write_bytes(struct buf *b, struct slice s);                    /* with its length in front */
void write_string(struct buf *b, const char *s);                    /* as write_bytes; NULL counts as empty */
void write_fixed(struct buf *b, const void *data, size_t len);      /* a field whose length both sides know */

struct reader {
    struct slice rest;      /* what was not read yet */
    bool         faulty;    /* something was too short, too long or out of range */
};

void reader_init(struct reader *r, struct slice bytes);

void read_u8(struct reader *r, uint8_t *out);
void read_u16(struct reader *r, uint16_t *out);
void read_u32(struct reader *r, uint32_t *out);
void read_u64(struct reader *r, uint64_t *out);
void read_bool(struct reader *r, bool *out);                        /* one octet, 0 or 1; others are a fault */
void read_bytes(struct reader *r, struct slice *out, size_t max);   /* borrowed from the input; over max octets is a fault */
void read_string(struct reader *r, char *out, size_t size);         /* NUL-terminated copy; a NUL inside, or over size - 1 octets, is a fault */
void read_fixed(struct reader *r, void *out, size_t len);

/*
 * Microseconds, since 1970 or of a span: more than until the end of the year 9999, the last that RFC 3339 can tell, is a fault. So what
 * is reckoned with a few of them does not overflow.
 */
#define TIME_US_MAX UINT64_C(253402300799999999)
void read_time_us(struct reader *r, uint64_t *out);

/* An element count of at most max, each element taking at least min_bytes (> 0) of what is left: bounds any loop or allocation. */
void read_count(struct reader *r, uint32_t *out, uint32_t max, size_t min_bytes);

/* Lets a decoder add a fault of its own, such as an unknown enum value. */
void read_fail(struct reader *r);

/* True when everything was read without a fault and nothing is left over. */
bool read_end(const struct reader *r);

/* True when there was no fault so far. */
static inline bool
read_ok(const struct reader *r)
{
    return !r->faulty;
}

/* For keys built without a buf: value to the 4 or 8 octets at to, and back. */
void     put_u32(void *to, uint32_t v);
void     put_u64(void *to, uint64_t v);
uint32_t get_u32(const void *from);
uint64_t get_u64(const void *from);

#endif
