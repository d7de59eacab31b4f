#ifndef LIB_BUF_H
#define LIB_BUF_H
/*
 * buf - a growing run of bytes with a fixed upper limit; the one buffer type of the project outside of libevent's network
 * buffers. Appending past the limit changes nothing and says so, so that no input can size an allocation without a bound.
 */

#include "lib/slice.h"

#include <stdarg.h>

struct buf {
    char  *data;        /* owned; not NUL-terminated; NULL while empty and never grown */
    size_t len;         /* octets in use */
    size_t cap;         /* octets allocated */
    size_t limit;       /* len never exceeds this */
    int    fault;       /* the first error of an append (MT_ESIZE, MT_ENOMEM), kept until buf_clear; 0 when all fitted */
    bool   secret;      /* the owner may set it: octets that leave the buffer, by whichever function, are wiped */
};

/* Allocates nothing yet. */
void buf_init(struct buf *b, size_t limit);

/* Frees the memory; the buffer can be used again with the same limit, and is secret still if it was. */
void buf_fini(struct buf *b);

/* As buf_fini, but the memory is wiped first: for secrets. */
void buf_wipe(struct buf *b);

/* Empties it and forgets the fault, keeps the memory. */
void buf_clear(struct buf *b);

/*
 * Each appends and returns 0, or returns MT_ESIZE (over the limit) or MT_ENOMEM, sets b->fault, and leaves the content as it
 * was. After a fault further appends do nothing and return that fault: a caller may check once at the end.
 */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_slice(struct buf *b, struct slice s);
int buf_append_byte(struct buf *b, char c);
int buf_append_string(struct buf *b, const char *string);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Room for len more octets; returns a pointer to it, or NULL as above. What is written there counts after buf_added. */
char *buf_reserve(struct buf *b, size_t len);
void  buf_added(struct buf *b, size_t len);

/* Removes the first len octets (at most all). Moves the rest: meant for small rests. */
void buf_consume(struct buf *b, size_t len);

static inline struct slice
buf_slice(const struct buf *b)
{
    return slice_make(b->data, b->len);
}

#endif
