#ifndef CHECKER_JSON_PUT_H
#define CHECKER_JSON_PUT_H
/*
 * json_put - values for the JSON that the checker makes, beside those of jansson. Each is a new reference, NULL: out of memory. What servers
 * say may be anything: octets that are not UTF-8, and a character that was cut, become U+FFFD.
 */

#include "lib/slice.h"

#include <jansson.h>

/* A member that is new; a value of NULL is left out. */
#define PUT(object, key, value) json_object_set_new((object), (key), (value))

/* null for an empty text, and for NULL. */
json_t *json_text_or_null(const char *text);
json_t *json_slice_or_null(struct slice text);

/* null for 0, as for the code of a reply that never came. */
json_t *json_code_or_null(unsigned code);

/* Microseconds as seconds. */
json_t *json_seconds(uint64_t us);

/* A time, microseconds since 1970, as RFC 3339 text in UTC with microseconds. */
json_t *json_time_us(uint64_t us);

#endif
