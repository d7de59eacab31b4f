#ifndef LIB_MIME_H
#define LIB_MIME_H
/*
 * mime - the one MIME walk: takes a message in pieces of any size and tells of its parts, header fields and decoded bodies as
 * they pass (RFC 5322, 2045, 2046). Streaming, without recursion. It serves the token finder and the shapes that IMAP shows.
 *
 * Its time is linear in the octets fed: a line is compared with each open boundary at most once, and no more than
 * MIME_DEPTH_MAX are open. Its memory has a fixed bound (see the limits below), whatever the message.
 *
 * Lenient where mail is broken, and then mime_walk_is_broken():
 *   - a multipart that is never closed ends with what is around it; without a boundary, it is one part
 *   - a header that meets a boundary, or the end, ends there; a line in it that is no field is told as a field without a name
 *     (so is a leading "From " line, which is not broken)
 *   - a boundary must stand at the start of a line; of several that fit, the longest counts, then the innermost
 *   - lines end in LF, with or without a CR before it
 * Deeper than MIME_DEPTH_MAX, multiparts and attached messages are not opened: their octets are one body.
 */

#include "lib/boundary.h"
#include "lib/content_type.h"
#include "lib/header_field.h"
#include "lib/parsed.h"

#define MIME_DEPTH_MAX BOUNDARY_OPEN_MAX    /* multiparts and messages within each other */

enum mime_kind {
    MIME_LEAF,          /* one body; its content was decoded */
    MIME_MULTIPART,     /* opened; its body is the preamble and the epilogue */
    MIME_MESSAGE,       /* message/rfc822 or message/global, opened: it has one child and no body */
};

/* What is known of a part; each event says from when on. */
struct mime_part {
    uint32_t           index;           /* from part_begin: its number in the order of the walk; 0 is the message itself */
    uint32_t           parent;          /* PARSED_NO_PARENT for part 0 */
    bool               attached;        /* within an attached message */
    uint64_t           header_at;       /* offset of its header */
    enum mime_kind     kind;            /* from header_end */
    enum part_encoding encoding;        /* as stated */
    uint64_t           body_at;         /* behind the empty line */
    uint64_t           end_at;          /* from part_end: without the line end that belongs to the boundary */
    uint32_t           lines;           /* line ends from body_at to end_at */
    char               type[CONTENT_TYPE_CHARS + 1];    /* from header_end; what holds where none is stated, too */
};

/* What the walk tells. All slices and parts are valid during the call only; none may be NULL but encoded. */
struct mime_events {
    void (*part_begin)(void *arg, const struct mime_part *p);
    void (*field)(void *arg, const struct mime_part *p, const struct header_field *f);
    void (*header_end)(void *arg, const struct mime_part *p);
    void (*body)(void *arg, const struct mime_part *p, struct slice octets);    /* base64 and quoted-printable decoded */
    void (*part_end)(void *arg, const struct mime_part *p);
    void (*encoded)(void *arg, const struct mime_part *p, struct slice octets); /* in front of body: what that is decoded from */
};

struct mime_walk;

/* Borrows events. NULL: out of memory. */
struct mime_walk *mime_walk_new(const struct mime_events *events, void *arg);
void              mime_walk_free(struct mime_walk *w);  /* NULL is fine */

/* Ready for another message; keeps its memory up to a small bound. */
void mime_walk_reset(struct mime_walk *w);

void mime_walk_feed(struct mime_walk *w, struct slice octets);

/* The message is complete: ends all parts. */
void mime_walk_finish(struct mime_walk *w);

/* A boundary, an encoding or a header did not fit its standard. */
bool mime_walk_is_broken(const struct mime_walk *w);

/* A part was not opened since it is too deep, or since memory ran out. */
bool mime_walk_is_cut(const struct mime_walk *w);

#endif
