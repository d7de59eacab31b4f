#ifndef IMAPD_IMAP_PARTIAL_H
#define IMAPD_IMAP_PARTIAL_H
/*
 * imap_partial - of octets that are made as a stream, those of a partial (RFC 9051 section 6.4.5, "<offset.octets>"): passes them on, or
 * only counts them, since a literal begins with its length.
 */

#include "lib/buf.h"

struct imap_partial {
    uint64_t skip;          /* octets in front of those that are wanted */
    uint64_t left;          /* that are wanted still; 0: all have come */
    uint64_t octets;        /* wanted ones that came so far */
    bool     has_nul;       /* one of them is NUL */
};

/* The next octets. to: gets the wanted ones; NULL: they are counted only. 0 or to's fault. */
static inline int
imap_partial_take(struct imap_partial *p, struct slice made, struct buf *to)
{
    size_t skipped = p->skip < made.len ? (size_t)p->skip : made.len;

    p->skip -= skipped;
    made = slice_sub(made, skipped, made.len);
    if (made.len > p->left)
        made.len = (size_t)p->left;
    if (made.len > 0) {
        p->left -= made.len;
        p->octets += made.len;
        p->has_nul = p->has_nul || memchr(made.data, '\0', made.len) != NULL;
    }
    return to == NULL ? 0 : buf_append_slice(to, made);
}

#endif
