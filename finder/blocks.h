#ifndef FINDER_BLOCKS_H
#define FINDER_BLOCKS_H
/*
 * blocks - finds what stands in the lines of a text and is more than text: uuencoded and yEnc files, and the parts of a multipart
 * that no header announces or announces wrongly (a line "--x", and a line "Content-…" behind it). The text itself is searched
 * by others, all of it. One block is read at a time; a multipart lasts to the end of the text.
 *
 * Time: linear; a line that can begin no block costs the search for its end. Memory: the struct, and that of the uuencode or yEnc
 * decoder from the first line on that looks like a begin of theirs.
 */

#include "finder/container.h"
#include "finder/uuencode.h"
#include "finder/yenc.h"
#include "lib/boundary.h"

#define BLOCKS_PROBE "Content-"     /* what must stand behind a boundary that was not announced, in any case */

struct blocks {
    const struct container_events *events;      /* private, all of it */
    void                          *arg;
    uint8_t                        state;
    bool                           open;        /* the unannounced multipart was told of */
    uint8_t                        probe_len;
    char                           probe[sizeof(BLOCKS_PROBE)];
    size_t                         line_len;
    char                           line[2 + BOUNDARY_CHARS];   /* "--", a boundary */
    struct uuencode               *uuencode;    /* NULL: not needed yet */
    struct yenc                   *yenc;
};

/*
 * Borrows events. A multipart is told as a content CONTENT_MESSAGE, with a header that announces it in front of its octets; a
 * file as CONTENT_UNKNOWN with its name.
 */
void blocks_init(struct blocks *b, const struct container_events *events, void *arg);
void blocks_fini(struct blocks *b);

void blocks_feed(struct blocks *b, struct slice text);

/* The text ended. Then it is ready for another. */
void blocks_finish(struct blocks *b);

#endif
