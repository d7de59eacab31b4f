#ifndef LIB_SHAPE_H
#define LIB_SHAPE_H
/*
 * shape - gathers the parts of a message (struct part of lib/parsed.h) from the events of the walk, in which a part begins
 * before and ends after the parts within it. The first PARSED_PARTS_MAX are kept.
 */

#include "lib/mime.h"

#define SHAPE_TYPES_BYTES (48u * 1024)  /* of the content types of all parts; beyond that, a part's type is left empty */

struct shape_part;

struct shape {
    struct shape_part *parts;   /* private */
    uint32_t           count;
    uint32_t           cap;
    bool               is_cut;
    struct buf         types;
    struct buf         written;
};

void shape_init(struct shape *s);
void shape_fini(struct shape *s);

/* Empties it; keeps a little memory. */
void shape_clear(struct shape *s);

/* To be called in the events of the walk with these names. */
void shape_begin(struct shape *s, const struct mime_part *p);
void shape_header_end(struct shape *s, const struct mime_part *p);
void shape_end(struct shape *s, const struct mime_part *p);

/* When all parts have ended: part_write() of each, in the order of the walk; borrowed until shape_clear. *whole: none was left out. */
struct slice shape_write(struct shape *s, bool *whole);

#endif
