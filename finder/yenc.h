#ifndef FINDER_YENC_H
#define FINDER_YENC_H
/*
 * yenc - finds yEnc files in text (yEnc draft 1.3): blocks from "=ybegin line= size= name=" to "=yend", with "=ypart" lines in
 * between. Only their contents are told; the text is not kept from whoever else searches it. A block without an end is told
 * as far as it goes. Checksums are not looked at.
 *
 * Time: linear. Memory: the struct, less than 1 KiB.
 */

#include "finder/container.h"
#include "finder/gather.h"

/* Of a longer keyword line this much counts. */
#define YENC_LINE_BYTES_MAX 512u

/* Private. */
struct yenc {
    const struct container_events *events;
    void                          *arg;
    uint8_t                        state;
    bool                           open;        /* a content is open: data follows */
    char                           line[YENC_LINE_BYTES_MAX];      /* a keyword line, or what may be one */
    size_t                         line_len;
};

/* Borrows events. */
void yenc_init(struct yenc *y, const struct container_events *events, void *arg);

/* Text with its transfer encoding undone, and no charset converted: the data has octets of any value. */
void yenc_feed(struct yenc *y, struct slice octets);
void yenc_finish(struct yenc *y);

/* A block was begun, and did not end yet. */
static inline bool
yenc_is_within(const struct yenc *y)
{
    return y->open;
}

#endif
