#ifndef LIB_EMIT_H
#define LIB_EMIT_H
/*
 * emit - writes JSON (RFC 8259) straight into a buf, members in the order of the calls. For what this project answers;
 * what others send is read with jansson. Commas are set by the writer; the caller opens and closes in pairs, and looks at
 * out->fault once at the end.
 *
 * key: the member's name (ASCII without anything to escape), or NULL for an array's element and the outermost value.
 */

#include "lib/buf.h"

struct emit {
    struct buf *out;        /* borrowed */
    bool        first;      /* the next value is the first of its object or array */
};

void emit_init(struct emit *j, struct buf *out);

void emit_object(struct emit *j, const char *key);
void emit_object_end(struct emit *j);
void emit_array(struct emit *j, const char *key);
void emit_array_end(struct emit *j);

void emit_string(struct emit *j, const char *key, const char *value);
void emit_slice(struct emit *j, const char *key, struct slice value);           /* octets that are not UTF-8 become U+FFFD */
void emit_slice_or_null(struct emit *j, const char *key, struct slice value);   /* null when empty */
void emit_u64(struct emit *j, const char *key, uint64_t value);
void emit_bool(struct emit *j, const char *key, bool value);
void emit_null(struct emit *j, const char *key);

/* Microseconds as seconds with as many decimals as they need, up to six: 1834 us -> 0.001834. */
void emit_seconds(struct emit *j, const char *key, int64_t us);

/* Writes a value once more that was written before: the octets of out from..to (offsets), which must be one whole value. */
void emit_repeat(struct emit *j, const char *key, size_t from, size_t to);

/* Writes a value that is JSON text already: one whole value, checked by the caller. */
void emit_json(struct emit *j, const char *key, struct slice value);

/* A time as RFC 3339 text in UTC, with microseconds or without; 0 gives null. */
void emit_time_us(struct emit *j, const char *key, uint64_t us);
void emit_time_unix(struct emit *j, const char *key, int64_t seconds);

#endif
