#ifndef LOOKUP_FRAMING_H
#define LOOKUP_FRAMING_H
/*
 * framing - whether a request says without doubt where it ends (RFC 9112 sections 3.2, 5.1, 6.1 and 6.3). A proxy in front that reads a
 * doubtful one in another way would take a part of it for the next request, with the rights of whoever sent that (request smuggling).
 * A pure function on the fields that evhttp has read; it is stricter than evhttp.
 */

#include "lib/slice.h"

#include <event2/http.h>
#include <event2/http_struct.h>

struct framing {
    const char *fault;          /* NULL: none; else why it is refused (400), static */
    bool        is_last;        /* nothing behind it on its connection may be taken for a request */
};

/* fields: of the whole request, those behind its last chunk among them. body_bytes: of the body that was read. Linear in the fields. */
struct framing framing_check(const struct evhttp_request *req, const struct evkeyvalq *fields, size_t body_bytes);

#endif
