#ifndef FINDER_FINDER_H
#define FINDER_FINDER_H
/*
 * finder - reads one message as it comes in, in pieces of any size, and gives back what it learned (lib/parsed.h): token
 * candidates with the places where they stood, in recipients, all header fields, and all parts, through whatever mail systems
 * pack, wrap and break (finder/layers.h); what kind of mail it is (meaning/meaning.h); excerpts, hops and the shape.
 *
 * Which octets count as which place, in which order and with which bounds they are searched, and what cannot be found: docs/token.md.
 *
 * No I/O, no recursion. Time: linear in the octets fed, and in those that are decompressed, at most LAYERS_UNPACKED_BYTES a
 * message. Memory: at most FINDER_MEMORY_BYTES for a message of any size and content, about 40 KiB for an ordinary one; what
 * does not fit is walked but not kept, and TRAIT_CUT_SHORT says so.
 */

#include "lib/parsed.h"

#define FINDER_MEMORY_BYTES (3u * 1024 * 1024)

struct finder;

/* Allocates little until fed. NULL: out of memory. */
struct finder *finder_new(void);
void           finder_free(struct finder *f);           /* NULL is fine */

/* Makes it ready for another message and keeps its memory up to a small bound. */
void finder_reset(struct finder *f);

/* One envelope recipient as given in RCPT, without angle brackets. Call before finder_finish, in any order with feeding. */
void finder_recipient(struct finder *f, struct slice address);

/* The envelope's reverse-path, without angle brackets; before finder_finish. */
void finder_reverse_path(struct finder *f, struct slice reverse_path);

/* The next octets of the message: line ends CRLF, dot-stuffing already undone. */
void finder_feed(struct finder *f, struct slice bytes);

/* The message is complete. *out borrows from the finder until finder_reset or finder_free. */
void finder_finish(struct finder *f, struct parsed *out);

/* Received fields seen so far in the top-level header, for refusing loops before the message ends. */
uint32_t finder_received_count(const struct finder *f);

/* Octets that were searched, unpacked or walked so far, those of every level (finder/layers.h) counted: what the time is linear in. */
uint64_t finder_work_bytes(const struct finder *f);

#endif
