#ifndef LIB_SLICE_H
#define LIB_SLICE_H
/*
 * slice - some bytes that somebody else owns: a pointer and a length, no terminating NUL. Passed by value.
 * Comparisons without case fold the ASCII letters only, whatever the locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;   /* may be NULL when len is 0 */
    size_t      len;    /* octets */
};

static inline struct slice
slice_make(const void *data, size_t len)
{
    return (struct slice){ .data = data, .len = len };
}

/* The bytes of a C string without its NUL; NULL gives the empty slice. */
static inline struct slice
slice_of(const char *string)
{
    return slice_make(string, string == NULL ? 0 : strlen(string));
}

/* The part from offset on, at most len octets; both are cut to what is there. */
struct slice slice_sub(struct slice s, size_t offset, size_t len);

bool slice_equal(struct slice a, struct slice b);
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, const char *prefix);
bool slice_starts_nocase(struct slice s, const char *prefix);
bool slice_ends_nocase(struct slice s, const char *suffix);

/* Offset of the first octet c, or s.len where there is none. */
size_t slice_find(struct slice s, char c);

/* Offset of the first occurrence of a (not empty) needle without case, or s.len. At most s.len * needle.len steps. */
size_t slice_find_nocase(struct slice s, struct slice needle);

/* Without leading and trailing SP, HT, CR and LF. */
struct slice slice_trim(struct slice s);

/* Copies as a C string, cut to size - 1 octets; returns whether all fitted. size > 0. */
bool slice_copy(char *to, size_t size, struct slice s);

/* An unsigned decimal number that fills the whole slice; MT_ESYNTAX where it is none or over max. */
int slice_to_u64(struct slice s, uint64_t max, uint64_t *out);

/* ASCII only, whatever the locale. */
static inline char
ascii_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

#endif
