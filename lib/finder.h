#ifndef LIB_FINDER_H
#define LIB_FINDER_H
/*
 * finder - reads one message as it comes in, in pieces of any size, and gives back what it learned (lib/parsed.h): it drives
 * the one MIME walk (lib/mime.h) and looks for token candidates in recipients, all header fields (unfolded, RFC 2047 decoded),
 * and all parts (base64 and quoted-printable decoded) through multiparts and attached messages.
 *
 * Which octets count as which place, and what is not searched: docs/token.md.
 *
 * No I/O, no recursion. Time: linear in the octets fed. Memory: at most FINDER_MEMORY_BYTES for a message of any size and
 * content; what does not fit is walked but not kept, and TRAIT_CUT_SHORT says so.
 */

#include "lib/parsed.h"

#define FINDER_MEMORY_BYTES (512u * 1024)

struct finder;

/* Allocates little until fed. NULL: out of memory. */
struct finder *finder_new(void);
void           finder_free(struct finder *f);           /* NULL is fine */

/* Makes it ready for another message and keeps its memory up to a small bound. */
void finder_reset(struct finder *f);

/* One envelope recipient as given in RCPT, without angle brackets. Call before finder_finish, in any order with feeding. */
void finder_recipient(struct finder *f, struct slice address);

/* The next octets of the message: line ends CRLF, dot-stuffing already undone. */
void finder_feed(struct finder *f, struct slice bytes);

/* The message is complete. *out borrows from the finder until finder_reset or finder_free. */
void finder_finish(struct finder *f, struct parsed *out);

/* Received fields seen so far in the top-level header, for refusing loops before the message ends. */
uint32_t finder_received_count(const struct finder *f);

#endif
