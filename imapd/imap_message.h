#ifndef IMAPD_IMAP_MESSAGE_H
#define IMAPD_IMAP_MESSAGE_H
/*
 * imap_message - one stored message as IMAP sees it: its MIME parts by their numbers (RFC 9051 section 6.4.5.1), where each lies in
 * the message as served, and what BODY and BODYSTRUCTURE show. The parse was done at arrival; here its shape is read.
 *
 * Valid within the snapshot that it was read in.
 */

#include "lib/db.h"
#include "lib/mime.h"

#define IMAP_PATH_MAX (MIME_DEPTH_MAX + 2u)     /* numbers in a section, such as the three of 2.1.3: as many as a part that is shown may have */

struct imap_message {
    const struct db_view *view;     /* NULL: the octets are those of memory */
    struct slice          memory;   /* a message as served that is not in the database */
    struct message_record record;
    struct part          *parts;    /* owned; read at the first need */
    uint32_t             *child;    /* first child of each part, PARSED_NO_PARENT: none */
    uint32_t             *sibling;
    uint32_t              part_count;
    size_t                header_bytes_max;     /* of each header that is read for ENVELOPE and BODYSTRUCTURE; 0: none is */
};

/* Offsets in the message as served: our trace fields, then the octets as received. */
struct imap_range64 {
    uint64_t from, to;
};

int  imap_message_open(const struct db_view *view, uint64_t id, struct imap_message *out);    /* 0 or MT_E… */
void imap_message_close(struct imap_message *m);                    /* all zero is fine */

/* Reads the shape. 0 or MT_ENOMEM, MT_EDAMAGED. */
int imap_message_parts(struct imap_message *m);

/* The part of that path; PARSED_NO_PARENT: there is none. An empty path is the message itself. After imap_message_parts. */
uint32_t imap_message_find(const struct imap_message *m, const uint32_t *path, unsigned len);

/* Whether it is an attached message, whose header and text can be asked for. */
bool imap_message_is_message(const struct imap_message *m, uint32_t part);

enum imap_section { IMAP_SECTION_WHOLE, IMAP_SECTION_HEADER, IMAP_SECTION_TEXT, IMAP_SECTION_MIME };

/*
 * Where a section lies. part: 0 with an empty path, for the message itself. HEADER and TEXT of a part that is no message, and parts
 * that are not there: false.
 */
bool imap_message_range(const struct imap_message *m, const uint32_t *path, unsigned len, enum imap_section section, struct imap_range64 *out);

/*
 * How a part's octets are to be decoded. The message itself, and parts that hold other parts, are shown as they are (RFC 2045 section 6.4
 * allows them no other encoding). ENCODING_UNKNOWN: nobody knows how. The part is there.
 */
enum part_encoding imap_message_encoding(const struct imap_message *m, const uint32_t *path, unsigned len);

/* Appends the octets of a range, at most IMAP_HEADER_BYTES_MAX. 0 or MT_E…. */
int imap_message_read(const struct imap_message *m, struct imap_range64 range, struct buf *out);

/* Appends the ENVELOPE of the message itself, from header_bytes_max of its header. 0 or MT_E…; MT_ESIZE: over b's limit. */
int imap_put_message_envelope(struct buf *b, const struct imap_message *m);

/* Appends BODY (not extended) or BODYSTRUCTURE. 0 or MT_E…. */
int imap_put_structure(struct buf *b, const struct imap_message *m, bool extended);

#endif
