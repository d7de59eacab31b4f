#ifndef LIB_CONTENT_TYPE_H
#define LIB_CONTENT_TYPE_H
/*
 * content_type - reads the values of the fields Content-Type (RFC 2045 section 5.1), folded or not, comments anywhere, and
 * Content-Transfer-Encoding (section 6). Content-Disposition has the same parameters as the first. Linear, no allocation.
 * Continued and encoded parameters (RFC 2231) are not put together.
 */

#include "lib/parsed.h"

#define CONTENT_TYPE_CHARS 127u

/* "type/subtype" in lower case. False: there is none that can be read, or it is longer. */
bool content_type_name(struct slice value, char out[CONTENT_TYPE_CHARS + 1]);

/*
 * The first parameter of that name (without case), without its quotes. False: there is none, or it is too long or has a NUL in
 * it; then out is spoiled.
 */
bool content_type_parameter(struct slice value, const char *name, char *out, size_t size);

/* Of a Content-Transfer-Encoding field; ENCODING_UNKNOWN where it is none of the standard's. */
enum part_encoding content_encoding(struct slice value);

#endif
