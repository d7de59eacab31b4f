#ifndef IMAPD_IMAP_SET_H
#define IMAPD_IMAP_SET_H
/*
 * imap_set - sequence sets (RFC 9051 section 9, sequence-set): "1:3,7,*", of message numbers or of UIDs. Kept as ranges that
 * rise and do not touch, so that a set that names a message a thousand times costs no more than one that does so once.
 */

#include "lib/buf.h"

#define IMAP_SET_RANGES_MAX 8192u       /* as written; more are refused */

struct imap_range {
    uint32_t first, last;               /* first <= last */
};

struct imap_set {
    struct imap_range *ranges;          /* owned */
    uint32_t           count;
};

/*
 * Reads the text. largest is what "*" means: 0 in an empty folder, where "*" then names nothing. 0, MT_ESYNTAX, MT_ESIZE (too
 * many ranges), MT_ENOMEM.
 */
int  imap_set_parse(struct slice text, uint32_t largest, struct imap_set *out);
void imap_set_fini(struct imap_set *s);         /* all zero is fine */

/* Adds a number that is larger than all in the set. False: out of memory. */
bool imap_set_append(struct imap_set *s, uint32_t number);

/* A copy of its own. False: out of memory. */
bool imap_set_copy(struct imap_set *to, const struct imap_set *from);

/* "1:3,7"; a range alone. */
void imap_set_put(struct buf *b, const struct imap_set *s);
void imap_put_range(struct buf *b, const struct imap_range *r);

bool imap_set_has(const struct imap_set *s, uint32_t number);      /* binary search */

#endif
