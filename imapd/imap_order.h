#ifndef IMAPD_IMAP_ORDER_H
#define IMAPD_IMAP_ORDER_H
/*
 * imap_order - puts many messages in order by keys of octets, in steps, so that no SORT keeps others waiting: a merge sort from below,
 * n log n comparisons whatever the keys. Equal ones stay in the order in which they were added.
 */

#include "lib/buf.h"

#define IMAP_ORDER_BYTES (64u * 1024 * 1024)    /* of all keys of one order; its rows have as much */

struct imap_order_row {
    uint32_t number;            /* the caller's */
    uint32_t at, len;           /* of its key in keys */
};

struct imap_order {
    struct imap_order_row *rows;        /* owned; in order once imap_order_step has said so */
    struct imap_order_row *other;       /* owned; what is merged to */
    uint32_t               count, cap;
    struct buf             keys;
    uint32_t               width;       /* private, from here on: of the runs that are in order; 0: not begun */
    uint32_t               from;        /* where the two runs begin that are merged */
    uint32_t               left, right, put;
    bool                   merging;
};

void imap_order_init(struct imap_order *o);
void imap_order_fini(struct imap_order *o);

/* The key is copied; keys are compared as memcmp does, shorter ones first. MT_ESIZE: over IMAP_ORDER_BYTES; MT_ENOMEM. */
int imap_order_add(struct imap_order *o, uint32_t number, struct slice key);

/* Some thousands of comparisons. False: all is in order. Nothing may be added once it has begun. MT_ENOMEM goes to *rc. */
bool imap_order_step(struct imap_order *o, int *rc);

/* Octets allocated. */
uint64_t imap_order_bytes(const struct imap_order *o);

/* Pieces of keys: each ends by itself, so that several make one key. reverse: the greatest comes first. */
void imap_order_put_number(struct buf *key, int64_t number, bool reverse);
void imap_order_put_text(struct buf *key, struct slice text, bool reverse);     /* its NULs are left out */

#endif
