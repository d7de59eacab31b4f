#ifndef FINDER_CONTAINER_H
#define FINDER_CONTAINER_H
/*
 * container - what a decoder of a container (gzip, zip, uuencode, yEnc, TNEF, PKCS #7, OLE compound files) tells of what it holds:
 * contents one behind the other, never one within another. What lies deeper is found when the content is opened in its turn.
 */

#include "finder/octets.h"

/* What a content is, where the container knows it; else it is told by its name and its first octets. */
enum content_kind {
    CONTENT_UNKNOWN,
    CONTENT_TEXT,           /* plain text, in any charset */
    CONTENT_HTML,
    CONTENT_RTF,            /* decompressed */
    CONTENT_MESSAGE,        /* a message or a MIME entity: header, empty line, body */
    CONTENT_FIELD,          /* the value of a header field, such as a subject or a Message-ID; any charset */
    CONTENT_TNEF,           /* a TNEF stream */
};

/* All three are called in this order for each content; none may be NULL. */
struct container_events {
    void (*begin)(void *arg, enum content_kind kind, struct slice name);   /* name: of the file in it, or empty; during the call only */
    void (*octets)(void *arg, struct slice octets);
    void (*end)(void *arg);
};

#endif
