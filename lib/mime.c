/*
 * The walk goes line by line. At the start of a line it decides what the line is (LINE_START); where the piece ends too early
 * to tell, the begun line is gathered in a small buffer (LINE_GATHER) until it does. A body's octets are passed on in runs
 * over many lines; only the line end before a possible boundary is held back, since it belongs to the boundary.
 *
 * Open parts are a stack of frames. The top one is the part that octets belong to: w->in_header says to which half. A boundary
 * of a frame below ends all above it.
 */
#include "lib/mime.h"

#include "lib/error.h"
#include "lib/transfer.h"

#include <assert.h>
#include <stdlib.h>

enum { FRAMES_FIRST = 4, FRAMES_KEPT = 16, DECODED_BYTES = 4096 };

struct frame {
    struct mime_part part;
    uint32_t         fields;        /* header fields that were told */
    uint64_t         lines_at;      /* w->lines where its body began */
    bool             has_type;
    bool             has_encoding;
    bool             has_boundary;  /* found in its header, and opened */
    bool             is_digest;
};

enum line { LINE_START, LINE_WITHIN, LINE_GATHER, LINE_SKIP };

struct mime_walk {
    const struct mime_events *events;
    void                     *arg;
    struct frame             *frames;           /* the stack; its growth moves it */
    uint32_t                  frame_count;
    uint32_t                  frame_cap;
    uint32_t                  part_count;
    struct boundary_stack     boundaries;       /* owned by frames, by their place on the stack */
    struct header_fields      fields;
    uint64_t                  at;               /* offset of what is fed next */
    uint64_t                  lines;            /* line ends passed */
    enum line                 line;
    bool                      in_header;
    bool                      is_broken;
    bool                      is_cut;
    bool                      push_pending;     /* the line that is skipped opens a part */
    char                      eol[2];           /* the line end that was held back */
    size_t                    eol_len;
    uint64_t                  gathered_at;
    size_t                    gathered_len;
    char                      gathered[DELIMITER_CHARS];
    struct transfer           transfer;         /* of the top frame's body */
};

/* What a line is. */
enum verdict { IS_TEXT, IS_EMPTY, IS_DELIMITER, IS_UNKNOWN };

/* ---- Parts ------------------------------------------------------------------------------------------------------ */

static struct frame *
top(struct mime_walk *w)
{
    return &w->frames[w->frame_count - 1];
}

static bool
has_room(struct mime_walk *w)
{
    uint32_t      cap = w->frame_cap * 2 < MIME_DEPTH_MAX ? w->frame_cap * 2 : MIME_DEPTH_MAX;
    struct frame *more;

    if (w->frame_count < w->frame_cap)
        return true;
    if (cap == w->frame_cap || (more = realloc(w->frames, cap * sizeof(*more))) == NULL) {
        w->is_cut = true;
        return false;
    }
    w->frames = more;
    w->frame_cap = cap;
    return true;
}

/* Opens a part whose header begins at offset at. The caller made sure of has_room. */
static void
push(struct mime_walk *w, uint64_t at)
{
    struct frame *f;

    assert(w->frame_count < w->frame_cap);
    f = &w->frames[w->frame_count++];
    memset(f, 0, sizeof(*f));
    f->part.index = w->part_count++;
    f->part.parent = PARSED_NO_PARENT;
    f->part.header_at = at;
    if (w->frame_count > 1) {
        f->part.parent = f[-1].part.index;
        f->part.attached = f[-1].part.attached || f[-1].part.kind == MIME_MESSAGE;
    }
    w->in_header = true;
    w->line = LINE_START;
    w->events->part_begin(w->arg, &f->part);
}

/* A body ends: what its last base64 group carries where padding is missing may end a token. */
static void
end_decoding(struct mime_walk *w, const struct mime_part *p)
{
    char   out[2];
    bool   broken;
    size_t len = transfer_finish(&w->transfer, out, &broken);

    if (len > 0)
        w->events->body(w->arg, p, slice_make(out, len));
    if (broken)
        w->is_broken = true;
}

/* The top part ends at offset end; lines is the count of line ends up to there. */
static void
pop(struct mime_walk *w, uint64_t end, uint64_t lines)
{
    struct frame *f = top(w);

    f->part.end_at = end > f->part.body_at ? end : f->part.body_at;
    f->part.lines = (uint32_t)(lines > f->lines_at ? lines - f->lines_at : 0);
    if (boundary_close(&w->boundaries, w->frame_count - 1))
        w->is_broken = true;
    if (f->part.kind == MIME_LEAF)
        end_decoding(w, &f->part);
    w->events->part_end(w->arg, &f->part);
    w->frame_count--;
}

/* ---- Header fields ---------------------------------------------------------------------------------------------- */

static void
read_type(struct mime_walk *w, struct frame *f, struct slice value)
{
    char boundary[BOUNDARY_CHARS + 1];

    f->has_type = true;
    if (!content_type_name(value, f->part.type)) {
        w->is_broken = true;
        return;
    }
    if (!slice_starts(slice_of(f->part.type), "multipart/"))
        return;
    f->is_digest = strcmp(f->part.type, "multipart/digest") == 0;
    if (!content_type_parameter(value, "boundary", boundary, sizeof(boundary))) {
        w->is_broken = true;
        return;
    }
    /* Open from here on: it may end this very header where the empty line is missing. */
    if (!has_room(w))
        return;
    if (boundary_open(&w->boundaries, w->frame_count - 1, slice_of(boundary)) != MT_OK)
        w->is_cut = true;
    else
        top(w)->has_boundary = true;
}

static void
read_encoding(struct mime_walk *w, struct frame *f, struct slice value)
{
    f->has_encoding = true;
    f->part.encoding = content_encoding(value);
    if (f->part.encoding == ENCODING_UNKNOWN)
        w->is_broken = true;
}

/* A line that an mbox file or a careless program left in front of the header; it does no harm. */
static bool
is_from_line(const struct frame *f, struct slice line)
{
    return f->fields == 0 && (slice_starts(line, "From ") || slice_starts(line, ">From "));
}

static void
on_field(void *arg, const struct header_field *field)
{
    struct mime_walk *w = arg;
    struct frame     *f = top(w);

    if (field->first) {
        if (field->name.len == 0 && !is_from_line(f, field->value))
            w->is_broken = true;
        f->fields++;
        if (!f->has_type && slice_equal_nocase(field->name, slice_of("Content-Type")))
            read_type(w, f, field->value);
        else if (!f->has_encoding && slice_equal_nocase(field->name, slice_of("Content-Transfer-Encoding")))
            read_encoding(w, f, field->value);
    }
    w->events->field(w->arg, &top(w)->part, field);
}

/* ---- From header to body ---------------------------------------------------------------------------------------- */

static bool
is_message(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0;
}

/* The header of the top part is complete, and its body begins at offset at. An attached message's header may begin there. */
static void
end_header(struct mime_walk *w, uint64_t at)
{
    struct frame *f;
    bool          in_digest;

    header_fields_end(&w->fields);
    f = top(w);
    in_digest = w->frame_count > 1 && f[-1].is_digest;
    if (f->part.type[0] == '\0')
        slice_copy(f->part.type, sizeof(f->part.type), slice_of(in_digest ? "message/rfc822" : "text/plain"));
    f->part.body_at = at;
    f->lines_at = w->lines;
    f->part.kind = f->has_boundary ? MIME_MULTIPART : MIME_LEAF;
    if (is_message(f->part.type) && transfer_is_identity(f->part.encoding) && has_room(w)) {
        f = top(w);
        f->part.kind = MIME_MESSAGE;
    }
    if (f->part.kind != MIME_LEAF && !transfer_is_identity(f->part.encoding))
        w->is_broken = true;
    transfer_init(&w->transfer, f->part.encoding);
    w->in_header = false;
    w->line = LINE_START;
    w->eol_len = 0;
    w->events->header_end(w->arg, &f->part);
    if (f->part.kind == MIME_MESSAGE)
        push(w, at);
}

/* A boundary or the end came in a header; this also ends the headers that are about to begin, of attached messages. */
static void
end_headers(struct mime_walk *w, uint64_t at)
{
    while (w->in_header)
        end_header(w, at);
}

/* ---- Bodies ----------------------------------------------------------------------------------------------------- */

static void
tell_body(struct mime_walk *w, struct slice octets)
{
    const struct mime_part *p = &top(w)->part;
    char                    out[DECODED_BYTES];
    size_t                  len, read;

    if (octets.len > 0 && (p->kind != MIME_LEAF || transfer_is_identity(p->encoding))) {
        w->events->body(w->arg, p, octets);
        return;
    }
    if (octets.len > 0 && w->events->encoded != NULL)
        w->events->encoded(w->arg, p, octets);
    for (; octets.len > 0; octets = slice_sub(octets, read, octets.len)) {
        len = transfer_decode(&w->transfer, octets, out, sizeof(out), &read);
        if (len > 0)
            w->events->body(w->arg, p, slice_make(out, len));
    }
}

/* The line end that was held back does not belong to a boundary. */
static void
tell_eol(struct mime_walk *w)
{
    size_t len = w->eol_len;

    w->eol_len = 0;
    tell_body(w, slice_make(w->eol, len));
}

static void
hold_eol(struct mime_walk *w, struct slice eol)
{
    memcpy(w->eol, eol.data, eol.len);
    w->eol_len = eol.len;
}

/* Passes on a run of the body, holding back a line end, or a CR that may begin one, where a boundary can follow. */
static void
tell_run(struct mime_walk *w, struct slice run)
{
    size_t len = run.len;

    if (len == 0)
        return;
    if (w->boundaries.count > 0) {
        if (w->line == LINE_START)
            len--;
        if (len > 0 && run.data[len - 1] == '\r')
            len--;
    }
    tell_body(w, slice_sub(run, 0, len));
    if (len < run.len)
        hold_eol(w, slice_sub(run, len, run.len));
}

/* ---- Boundaries ------------------------------------------------------------------------------------------------- */

/* What the line is that begins with these octets, of which there is at least one. */
static enum verdict
judge(const struct mime_walk *w, struct slice line, struct delimiter *out)
{
    size_t len;

    if (w->in_header && (line.data[0] == '\n' || slice_starts(line, "\r\n")))
        return IS_EMPTY;
    if (w->in_header && line.len == 1 && line.data[0] == '\r')
        return IS_UNKNOWN;
    if (line.data[0] != '-' || w->boundaries.count == 0 || (line.len > 1 && line.data[1] != '-'))
        return IS_TEXT;
    line = slice_sub(line, 0, DELIMITER_CHARS);
    len = slice_find(line, '\n');
    if (len == line.len && len < DELIMITER_CHARS)
        return IS_UNKNOWN;
    return boundary_find(&w->boundaries, slice_sub(line, 0, len), out) ? IS_DELIMITER : IS_TEXT;
}

/* A boundary stands at offset at: ends the parts within its multipart. The rest of its line is still to be passed. */
static void
take_delimiter(struct mime_walk *w, uint64_t at, const struct delimiter *d)
{
    uint64_t end = at - w->eol_len;
    uint64_t lines = w->lines - (w->eol_len > 0 && w->eol[w->eol_len - 1] == '\n');

    if (w->in_header && d->owner == w->frame_count - 1)
        w->is_broken = true;
    end_headers(w, at);
    while (w->frame_count > d->owner + 1)
        pop(w, end, lines);
    if (d->closes)
        boundary_close(&w->boundaries, d->owner);
    w->push_pending = !d->closes;
    w->eol_len = 0;
    w->line = LINE_SKIP;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------ */

/* The rest of a boundary's line, at offset at. Its end belongs to it, or to a boundary in the next line. */
static size_t
skip_line(struct mime_walk *w, uint64_t at, struct slice s)
{
    size_t len = slice_find(s, '\n');
    bool   has_cr = len > 0 ? s.data[len - 1] == '\r' : w->eol_len > 0;

    w->eol_len = 0;
    if (len == s.len) {
        hold_eol(w, slice_of(has_cr ? "\r" : ""));
        return len;
    }
    w->lines++;
    w->line = LINE_START;
    if (!w->push_pending)
        hold_eol(w, slice_of(has_cr ? "\r\n" : "\n"));
    else if (has_room(w))
        push(w, at + len + 1);
    w->push_pending = false;
    return len + 1;
}

/* Keeps a line's begin until there is enough to tell what it is. */
static size_t
gather(struct mime_walk *w, struct slice s)
{
    memcpy(w->gathered, s.data, s.len);
    w->gathered_len = s.len;
    w->line = LINE_GATHER;
    return s.len;
}

/* Passes header lines until the header ends or s does; returns the octets passed. */
static size_t
feed_header(struct mime_walk *w, struct slice s)
{
    struct delimiter d;
    size_t           at = 0;

    while (at < s.len) {
        struct slice rest = slice_sub(s, at, s.len);
        size_t       len;

        if (w->line == LINE_START && (rest.data[0] != ' ' && rest.data[0] != '\t')) {
            header_fields_end(&w->fields);
            switch (judge(w, rest, &d)) {
            case IS_EMPTY:
                len = rest.data[0] == '\n' ? 1 : 2;
                w->lines++;
                end_header(w, w->at + at + len);
                return at + len;
            case IS_DELIMITER:
                take_delimiter(w, w->at + at, &d);
                return at;
            case IS_UNKNOWN:
                w->gathered_at = w->at + at;
                return at + gather(w, rest);
            case IS_TEXT:
                break;
            }
        }
        len = slice_find(rest, '\n');
        w->line = LINE_WITHIN;
        if (len < rest.len) {
            len++;
            w->lines++;
            w->line = LINE_START;
        }
        header_fields_add(&w->fields, slice_sub(rest, 0, len));
        at += len;
    }
    return at;
}

/* What was held back before s: a CR may turn out to begin a line end. Returns how many octets of s that took. */
static size_t
settle_eol(struct mime_walk *w, struct slice s)
{
    if (w->line == LINE_WITHIN && s.data[0] == '\n') {
        hold_eol(w, slice_of("\r\n"));
        w->lines++;
        w->line = LINE_START;
        return 1;
    }
    if (w->line == LINE_WITHIN)
        tell_eol(w);
    return 0;
}

/* Passes lines of a body until a boundary or the end of s; returns the octets passed. */
static size_t
feed_body(struct mime_walk *w, struct slice s)
{
    struct delimiter d;
    size_t           run = w->eol_len > 0 ? settle_eol(w, s) : 0;
    size_t           at = run;

    while (at < s.len) {
        const char *end;

        if (w->line == LINE_START) {
            enum verdict v = s.data[at] == '-' ? judge(w, slice_sub(s, at, s.len), &d) : IS_TEXT;

            if (v != IS_TEXT) {
                tell_run(w, slice_sub(s, run, at - run));
                if (v == IS_DELIMITER) {
                    take_delimiter(w, w->at + at, &d);
                    return at;
                }
                w->gathered_at = w->at + at;
                return at + gather(w, slice_sub(s, at, s.len));
            }
            if (w->eol_len > 0)
                tell_eol(w);
            w->line = LINE_WITHIN;
        }
        end = memchr(s.data + at, '\n', s.len - at);
        if (end == NULL)
            break;
        w->lines++;
        w->line = LINE_START;
        at = (size_t)(end - s.data) + 1;
    }
    tell_run(w, slice_sub(s, run, s.len - run));
    return s.len;
}

/* What was gathered begins no boundary. */
static void
feed_text(struct mime_walk *w, struct slice line)
{
    w->line = LINE_WITHIN;
    if (w->in_header) {
        feed_header(w, line);
    } else {
        tell_eol(w);
        feed_body(w, line);
    }
}

/* Adds to the line that was gathered, and goes on with it as soon as it is known what it is. */
static size_t
feed_gathered(struct mime_walk *w, struct slice s)
{
    size_t           room = sizeof(w->gathered) - w->gathered_len;
    size_t           len = slice_find(slice_sub(s, 0, room), '\n');
    struct slice     line;
    struct delimiter d;

    len += len < s.len && len < room;
    memcpy(w->gathered + w->gathered_len, s.data, len);
    w->gathered_len += len;
    line = slice_make(w->gathered, w->gathered_len);
    switch (judge(w, line, &d)) {
    case IS_UNKNOWN:
        break;
    case IS_EMPTY:
        w->lines++;
        end_header(w, w->gathered_at + line.len);
        break;
    case IS_DELIMITER:
        take_delimiter(w, w->gathered_at, &d);
        skip_line(w, w->gathered_at, line);
        break;
    case IS_TEXT:
        feed_text(w, line);
        break;
    }
    return len;
}

/* ---- The walk as a whole ---------------------------------------------------------------------------------------- */

void
mime_walk_feed(struct mime_walk *w, struct slice octets)
{
    while (octets.len > 0) {
        size_t len;

        if (w->part_count == 0)
            push(w, 0);
        if (w->line == LINE_GATHER)
            len = feed_gathered(w, octets);
        else if (w->line == LINE_SKIP)
            len = skip_line(w, w->at, octets);
        else if (w->in_header)
            len = feed_header(w, octets);
        else
            len = feed_body(w, octets);
        w->at += len;
        octets = slice_sub(octets, len, octets.len);
    }
}

/* What was gathered is all there is of its line. */
static void
finish_gathered(struct mime_walk *w)
{
    struct slice     line = slice_make(w->gathered, w->gathered_len);
    struct delimiter d;

    if (boundary_find(&w->boundaries, line, &d))
        take_delimiter(w, w->gathered_at, &d);
    else
        feed_text(w, line);
}

void
mime_walk_finish(struct mime_walk *w)
{
    if (w->part_count == 0)
        push(w, 0);
    if (w->line == LINE_GATHER)
        finish_gathered(w);
    if (w->in_header)
        end_headers(w, w->at);
    else if (w->line != LINE_SKIP)
        tell_eol(w);
    while (w->frame_count > 0)
        pop(w, w->at, w->lines);
}

struct mime_walk *
mime_walk_new(const struct mime_events *events, void *arg)
{
    struct mime_walk *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->events = events;
    w->arg = arg;
    w->frames = calloc(FRAMES_FIRST, sizeof(*w->frames));
    w->frame_cap = FRAMES_FIRST;
    boundary_stack_init(&w->boundaries);
    if (header_fields_init(&w->fields, on_field, w) != MT_OK || w->frames == NULL) {
        mime_walk_free(w);
        return NULL;
    }
    return w;
}

void
mime_walk_free(struct mime_walk *w)
{
    if (w == NULL)
        return;
    free(w->frames);
    boundary_stack_fini(&w->boundaries);
    header_fields_fini(&w->fields);
    free(w);
}

/* What an unusual message made grow is given back. */
static void
shrink(struct mime_walk *w)
{
    struct frame *fewer;

    boundary_stack_fini(&w->boundaries);
    if (w->frame_cap <= FRAMES_KEPT || (fewer = realloc(w->frames, FRAMES_KEPT * sizeof(*fewer))) == NULL)
        return;
    w->frames = fewer;
    w->frame_cap = FRAMES_KEPT;
}

void
mime_walk_reset(struct mime_walk *w)
{
    if (w->part_count == 0)
        return;
    w->frame_count = 0;
    w->part_count = 0;
    w->boundaries.count = 0;
    w->boundaries.text.len = 0;
    header_fields_reset(&w->fields);
    w->at = 0;
    w->lines = 0;
    w->line = LINE_START;
    w->in_header = false;
    w->is_broken = false;
    w->is_cut = false;
    w->push_pending = false;
    w->eol_len = 0;
    w->gathered_len = 0;
    shrink(w);
}

bool
mime_walk_is_broken(const struct mime_walk *w)
{
    return w->is_broken;
}

bool
mime_walk_is_cut(const struct mime_walk *w)
{
    return w->is_cut;
}
