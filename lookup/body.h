#ifndef LOOKUP_BODY_H
#define LOOKUP_BODY_H
/*
 * body - JSON that clients send: parsed with jansson, and its members read one by one with clear complaints.
 */

#include "lookup/call.h"

#include <jansson.h>

/*
 * The request's body as an object; an empty body is an empty object. names: all members that may be there, up to the NULL. When it
 * returns NULL, a problem was replied. Freed with json_decref.
 */
json_t *body_object(struct call *c, const char *const *names);

/* The same where texts of peers are within, in which there may be a NUL (\u0000). */
json_t *body_object_with_nul(struct call *c, const char *const *names);

/*
 * A span of time: "10m", "90s", or a number of seconds. Absent or null leaves *out as it is. MT_ESYNTAX, MT_ESIZE (over max_ms).
 */
int body_span_ms(const json_t *value, uint64_t max_ms, uint64_t *out);

/* A moment: RFC 3339 text or Unix seconds as a number. As above. MT_ESYNTAX. */
int body_time_unix(const json_t *value, uint64_t *out);

#endif
