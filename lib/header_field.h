#ifndef LIB_HEADER_FIELD_H
#define LIB_HEADER_FIELD_H
/*
 * header_field - puts one header field together from the octets of its lines (RFC 5322 section 2.2) and hands it out when it is
 * complete. A field of more than HEADER_FIELD_BYTES is handed out in pieces, so that none is too long to be read.
 */

#include "lib/buf.h"

#define HEADER_FIELD_BYTES      8192u   /* of a piece */
#define HEADER_FIELD_NAME_CHARS 80u     /* of a name, for pieces after the first */

/* A header field, or a piece of it. */
struct header_field {
    /* Without the colon, as written; empty for a line that is no field. Behind the first piece, cut to HEADER_FIELD_NAME_CHARS. */
    struct slice name;
    /* What stands behind the colon, with the line ends within (folds), without the last. Of a line that is no field: the line. */
    struct slice value;
    bool         first;     /* no piece of this field came before */
    bool         last;      /* none will follow */
};

/* The field is valid during the call only. */
typedef void header_field_fn(void *arg, const struct header_field *f);

struct header_fields {
    header_field_fn *out;           /* private, from here on */
    void            *arg;
    struct buf       text;          /* of the field that was begun */
    bool             goes_on;       /* pieces of it were handed out */
    size_t           name_len;
    char             name[HEADER_FIELD_NAME_CHARS];
};

/* MT_ENOMEM. Afterwards memory may run out: then pieces are smaller. */
int  header_fields_init(struct header_fields *h, header_field_fn *out, void *arg);
void header_fields_fini(struct header_fields *h);

/* Forgets what was begun; keeps the memory. */
void header_fields_reset(struct header_fields *h);

/* Adds octets of a line to the field that was begun, its line end included. */
void header_fields_add(struct header_fields *h, struct slice octets);

/* A line that does not continue the field begins, or the header ends: hands out what was begun, if anything. */
void header_fields_end(struct header_fields *h);

#endif
