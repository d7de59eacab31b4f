#ifndef FINDER_CONTENT_H
#define FINDER_CONTENT_H
/*
 * content - what a content is, and so how it is searched: told by what declared it (a MIME part's type and file name, or the
 * container that it came out of) and by its first octets, since labels are often generic or wrong. Magic numbers count most,
 * then what was declared, then what the octets look like. Pure functions.
 */

#include "finder/container.h"
#include "lib/mime.h"

#define CONTENT_BEGIN_BYTES 256u    /* first octets that are looked at */
#define CONTENT_NAME_CHARS  31u     /* of a file name, from its end: its suffix is what counts */

/* How it is read. */
enum content_form {
    FORM_OCTETS,            /* unknown: searched as it stands, and as text */
    FORM_BINARY,            /* nothing that a person could read: searched as it stands alone */
    FORM_TEXT,
    FORM_HTML,              /* and other mark-up: XML, text/enriched */
    FORM_RTF,
    FORM_FIELD,             /* the value of a header field */
    FORM_MESSAGE,           /* header, empty line, body; also a header alone */
    FORM_GZIP,
    FORM_ZIP,
    FORM_TNEF,
    FORM_PKCS7,
    FORM_COMPOUND_FILE,
    FORM_BASE64,            /* although its label says otherwise: base64 within base64, or without the field that says so */
};

/* What is declared of a content. */
struct content {
    enum content_kind kind;                     /* CONTENT_UNKNOWN where no container said it */
    char              type[CONTENT_TYPE_CHARS + 1];     /* "text/plain" in lower case, or empty */
    char              name[CONTENT_NAME_CHARS + 1];     /* the end of its file name, or empty */
};

void content_set(struct content *c, enum content_kind kind, const char *type, struct slice name);

/* begin: its first CONTENT_BEGIN_BYTES octets, or all of them where there are fewer. */
enum content_form content_form(const struct content *c, struct slice begin);

/* The place (enum place, one bit) where a token stands that is found in the text of it. */
uint32_t content_place(const struct content *c, enum content_form form);

/* It is an attached message, or the header of one, so that all in it is attached. */
bool content_is_attached(const struct content *c, enum content_form form);

#endif
