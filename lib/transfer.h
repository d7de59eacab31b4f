#ifndef LIB_TRANSFER_H
#define LIB_TRANSFER_H
/*
 * transfer - decodes the content transfer encodings base64 and quoted-printable (RFC 2045 section 6) as a stream: pieces of any
 * size, a soft line break or a group of four may be cut anywhere. Lenient: what does not fit the encoding is skipped (base64)
 * or passed as it stands (quoted-printable), and noted in broken. White space at the ends of quoted-printable lines, which a
 * strict decoder deletes, is kept.
 */

#include "lib/parsed.h"

struct base64 {
    uint32_t bits;      /* of the group that was begun */
    unsigned digits;    /* how many of its four were read */
    bool     broken;    /* an octet was neither a digit, padding nor white space */
};

/* Ready for a new body; all zero is the same. */
void base64_init(struct base64 *b);

/* Octets that out must have room for when in.len octets are decoded. */
#define BASE64_ROOM(in_len) ((in_len) / 4 * 3 + 3)

/* Decodes in to out and returns the octets written. Padding ends a group; what follows begins a new one. */
size_t base64_decode(struct base64 *b, struct slice in, char *out);

/* At the end of a body: what the last group carries where its padding is missing. Then it is ready for another. */
size_t base64_finish(struct base64 *b, char out[2]);

struct quoted_printable {
    uint8_t state;      /* private */
    char    first;      /* the first hexadecimal digit of two */
    bool    broken;     /* "=" before something else than two digits or a line end */
};

void quoted_printable_init(struct quoted_printable *q);

#define QUOTED_PRINTABLE_ROOM(in_len) ((in_len) + 2)

/* As base64_decode. */
size_t quoted_printable_decode(struct quoted_printable *q, struct slice in, char *out);

/* The decoder of a body with any encoding. */
struct transfer {
    enum part_encoding      encoding;
    struct base64           base64;
    struct quoted_printable quoted_printable;
};

void transfer_init(struct transfer *t, enum part_encoding encoding);

/* The encodings that leave the octets as they are; these need no decoding. */
bool transfer_is_identity(enum part_encoding encoding);

/* Decodes in as far as out has room, at least TRANSFER_ROOM_MIN octets; returns the octets written and sets how many it read. */
#define TRANSFER_ROOM_MIN 64u
size_t transfer_decode(struct transfer *t, struct slice in, char *out, size_t room, size_t *read);

/* At the end of the body: as base64_finish. *broken: something did not fit the encoding. */
size_t transfer_finish(struct transfer *t, char out[2], bool *broken);

/* The value of a hexadecimal digit in either case, or -1. */
int hex_value(char c);

#endif
