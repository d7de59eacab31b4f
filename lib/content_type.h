#ifndef LIB_CONTENT_TYPE_H
#define LIB_CONTENT_TYPE_H
/*
 * content_type - reads the values of the fields Content-Type (RFC 2045 section 5.1), folded or not, comments anywhere, and
 * Content-Transfer-Encoding (section 6). Content-Disposition has the same parameters as the first. Linear, no allocation.
 * Parameters that are continued or encoded (RFC 2231) are put together; of a field, the first CONTENT_TYPE_PIECES such pieces count.
 */

#include "lib/parsed.h"

#define CONTENT_TYPE_CHARS  127u
#define CONTENT_TYPE_PIECES 64u

/* "type/subtype" in lower case. False: there is none that can be read, or it is longer. */
bool content_type_name(struct slice value, char out[CONTENT_TYPE_CHARS + 1]);

/*
 * The first parameter of that name (without case), without its quotes; where there is none, the one put together from its pieces,
 * decoded, its charset left out. False: there is none, or it is too long or has a NUL in it; then out is spoiled.
 */
bool content_type_parameter(struct slice value, const char *name, char *out, size_t size);

/* Some decoded octets of a parameter; begins: they are its first. */
typedef void content_type_octets_fn(void *arg, bool begins, struct slice octets);

/* Tells each parameter that is continued or encoded, its pieces in the order of their numbers, up to the first that is missing. */
void content_type_joined(struct slice value, content_type_octets_fn *out, void *arg);

/* Of a Content-Transfer-Encoding field; ENCODING_UNKNOWN where it is none of the standard's. */
enum part_encoding content_encoding(struct slice value);

#endif
