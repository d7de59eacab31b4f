#ifndef FINDER_GZIP_H
#define FINDER_GZIP_H
/*
 * gzip - decompresses a gzip file (RFC 1952) as a stream. A member with a name in its header is a content of its own; one
 * without a name goes on with the content before, as when a file was compressed in several members. What is behind the last
 * member (padding, anything else) is ignored. A file that breaks off or is damaged is told as far as it goes.
 *
 * Time: linear in the octets fed and told. Memory: the struct (less than 1 KiB) and an inflater's.
 */

#include "finder/container.h"
#include "finder/gather.h"
#include "finder/inflater.h"

/* Private but for cut. Must stay where it is while in use. */
struct gzip {
    const struct container_events *events;
    void                          *arg;
    struct inflater                inflater;
    gz_header                      header;
    char                           name[CONTENT_NAME_BYTES_MAX + 1];
    bool                           started;     /* inflater is in a member */
    bool                           begun;       /* the member was told of */
    bool                           open;        /* a content is open */
    bool                           done;        /* nothing more is told */
    bool                           cut;         /* the budget ended before the file */
};

/* Whether a file that begins with these octets may be one. */
bool gzip_is(struct slice first);

/* Borrows events and budget: the octets that may still be decompressed, shared by all decoders of a message. */
void gzip_init(struct gzip *g, const struct container_events *events, void *arg, uint64_t *budget);
void gzip_feed(struct gzip *g, struct slice octets);

/* The file is complete; frees what zlib holds. */
void gzip_finish(struct gzip *g);

/* Frees what zlib holds and tells nothing: for a file that is given up. Harmless behind gzip_finish. */
void gzip_fini(struct gzip *g);

#endif
