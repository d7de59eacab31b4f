#ifndef IMAPD_IMAP_FIELDS_H
#define IMAPD_IMAP_FIELDS_H
/*
 * imap_fields - of a header, the fields that HEADER.FIELDS and HEADER.FIELDS.NOT name, as they stand, and the empty line behind them
 * (RFC 9051 section 6.4.5). Streaming: a header of any length in pieces of any size; the struct is all the memory; linear in the
 * header, and each field's name is looked for among the n that are asked for in log n comparisons.
 */

#include "imapd/imap_partial.h"

#define IMAP_FIELD_NAME_BYTES 256u      /* of a name that can be asked for; a longer one is none of those that are */

#define IMAP_FIELD_NAMES_MAX  256u      /* that can be asked for at once */

/* Names that are asked for; the octets are borrowed. All zero: none. */
struct imap_field_names {
    struct slice names[IMAP_FIELD_NAMES_MAX];       /* as they were asked for */
    unsigned     count;
    uint8_t      sorted[IMAP_FIELD_NAMES_MAX];      /* private: their indexes, in the order of the names without case */
};

/* One more name. False: there are as many as there may be. */
bool imap_field_names_add(struct imap_field_names *n, struct slice name);

struct imap_fields {
    struct imap_partial partial;        /* what is wanted of the result */
    const struct imap_field_names *names;       /* private, from here on; borrowed */
    bool                except;         /* all others */
    bool                chosen;         /* the field under way */
    uint8_t             state;
    size_t              name_len;
    char                name[IMAP_FIELD_NAME_BYTES];
};

void imap_fields_begin(struct imap_fields *f, const struct imap_field_names *names, bool except, struct imap_partial partial);

/* The next octets of the header. to: gets what is wanted; NULL: it is counted only. 0 or to's fault. */
int imap_fields_feed(struct imap_fields *f, struct slice octets, struct buf *to);

/* The header has ended. */
int imap_fields_finish(struct imap_fields *f, struct buf *to);

#endif
