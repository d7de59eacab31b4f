#ifndef IMAPD_IMAP_BINARY_H
#define IMAPD_IMAP_BINARY_H
/*
 * imap_binary - decodes a body as FETCH BINARY and BINARY.SIZE show it (RFC 3516, RFC 9051 section 6.4.5): all of it, or a partial, whose
 * offsets count decoded octets. It goes through the body twice, once to count, since a literal begins with its length, and once to send;
 * both take the same steps, so they agree. Streaming: the struct is all the memory; linear.
 */

#include "imapd/imap_partial.h"

#include "lib/transfer.h"

struct imap_binary {
    struct imap_partial partial;        /* what is wanted of the result */
    struct transfer     transfer;       /* private */
};

void imap_binary_begin(struct imap_binary *b, enum part_encoding encoding, struct imap_partial partial);

/* The next octets of the body as they are stored. to: gets the wanted ones decoded; NULL: they are counted only. 0 or to's fault. */
int imap_binary_feed(struct imap_binary *b, struct slice in, struct buf *to);

/* The body has ended. */
int imap_binary_finish(struct imap_binary *b, struct buf *to);

#endif
