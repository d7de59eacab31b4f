#ifndef LIB_BOUNDARY_H
#define LIB_BOUNDARY_H
/*
 * boundary - the boundaries of the multiparts that are open at a place of a message (RFC 2046 section 5.1.1), outermost first.
 * A line is compared with each at most once, and there are at most BOUNDARY_OPEN_MAX.
 */

#include "lib/buf.h"

#define BOUNDARY_OPEN_MAX 100u
#define BOUNDARY_CHARS    200u      /* of one; the RFC allows 70 */

/* "--", a boundary, "--": of a line no more octets count. */
#define DELIMITER_CHARS (2 + BOUNDARY_CHARS + 2)

struct boundary_stack {
    struct buf text;                /* all of them, one behind the other */
    uint32_t   count;
    struct {
        uint32_t owner;             /* number that the caller gave to its multipart, rising */
        uint32_t len;
    } open[BOUNDARY_OPEN_MAX];
};

struct delimiter {
    uint32_t owner;                 /* the multipart it belongs to */
    bool     closes;                /* it is the last one: "--boundary--" */
};

void boundary_stack_init(struct boundary_stack *s);
void boundary_stack_fini(struct boundary_stack *s);

/* Opens the boundary of a multipart within all others. text: 1 to BOUNDARY_CHARS octets. MT_ESIZE: too many; MT_ENOMEM. */
int boundary_open(struct boundary_stack *s, uint32_t owner, struct slice text);

/* Closes the owner's boundary, if it is open, and all within it. Returns whether it was. */
bool boundary_close(struct boundary_stack *s, uint32_t owner);

/*
 * Whether a line, of which the first DELIMITER_CHARS octets are enough, begins with "--" and an open boundary. Of several that
 * fit, the longest counts (one may begin with another), then the innermost.
 */
bool boundary_find(const struct boundary_stack *s, struct slice line, struct delimiter *out);

#endif
