#ifndef FINDER_LAYERS_H
#define FINDER_LAYERS_H
/*
 * layers - contents within contents: the mail, its parts, what is packed in these, what is packed in that. Each level has one
 * content open at a time, which is a message (and walked through), a container (and unpacked), or a text (and searched); the
 * contents of a message or a container are the next level's, one behind the other.
 *
 *   level 0               the mail itself
 *   1 to LAYERS_DEEPEST   a part of the mail, a file in a zip, an attached message that was encoded, a part of that, …
 *
 * An attached message that is not encoded, and multiparts, are no levels: the walk opens these (MIME_DEPTH_MAX). The contents of
 * level LAYERS_DEEPEST are searched and not opened; layers_is_cut() then.
 *
 * There is no recursion: levels are an array, and octets pass from one to the next; so the stack has a fixed bound, too.
 * Time: linear in the octets of the mail and those decompressed from it, of which there are at most LAYERS_UNPACKED_BYTES, with
 * at most LAYERS_DEEPEST times that many passed from level to level. Memory: allocated as parts need it, at most LAYERS_MEMORY_BYTES.
 */

#include "finder/search.h"
#include "lib/mime.h"

#define LAYERS_DEEPEST        7u
#define LAYERS_UNPACKED_BYTES (16u * 1024 * 1024)
#define LAYERS_MEMORY_BYTES   (2u * 1024 * 1024)

struct layers;

/*
 * events: of the walk through the mail itself. found: a look-alike stood at places (enum place). Borrows events; arg is passed to
 * all. NULL: out of memory.
 */
struct layers *layers_new(const struct mime_events *events, search_found_fn *found, void *arg);
void           layers_free(struct layers *l);       /* NULL is fine */

/* Ready for another mail; keeps its memory up to a small bound. */
void layers_reset(struct layers *l);

void layers_feed(struct layers *l, struct slice octets);

/* The mail is complete. */
void layers_finish(struct layers *l);

/* Its MIME did not fit the standard: that of the mail itself, or a multipart had not been announced. */
bool layers_is_broken(const struct layers *l);

/* A bound was reached, or memory ran out. */
bool layers_is_cut(const struct layers *l);

/* Octets that all decoders and searches were fed so far: what the work is linear in. For tests. */
uint64_t layers_work_bytes(const struct layers *l);

/* The place that a header field is. */
uint32_t layers_place_of_field(struct slice name);

#endif
