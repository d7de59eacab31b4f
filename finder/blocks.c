#include "finder/blocks.h"

#include "lib/buf.h"

#include <assert.h>
#include <stdlib.h>

/*
 *   START --"b"--> UUENCODE_LINE --LF--> in a block: IN_UUENCODE --its end--> START; else START
 *     |  --"="--> YENC_LINE      --LF--> in a block: IN_YENC     --its end--> START; else START
 *     |  --"-"--> BOUNDARY_LINE  --LF--> PROBE --"Content-"--> IN_MULTIPART for good; else START
 *     \--other--> OTHER_LINE     --LF--> START
 */
enum state { START, OTHER_LINE, UUENCODE_LINE, YENC_LINE, BOUNDARY_LINE, PROBE, IN_UUENCODE, IN_YENC, IN_MULTIPART };

void
blocks_init(struct blocks *b, const struct container_events *events, void *arg)
{
    b->events = events;
    b->arg = arg;
    b->state = START;
    b->open = false;
    b->uuencode = NULL;
    b->yenc = NULL;
}

void
blocks_fini(struct blocks *b)
{
    free(b->uuencode);
    free(b->yenc);
    b->uuencode = NULL;
    b->yenc = NULL;
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static bool
has_uuencode(struct blocks *b)
{
    if (b->uuencode == NULL && (b->uuencode = malloc(sizeof(*b->uuencode))) != NULL)
        uuencode_init(b->uuencode, b->events, b->arg);
    return b->uuencode != NULL;
}

static bool
has_yenc(struct blocks *b)
{
    if (b->yenc == NULL && (b->yenc = malloc(sizeof(*b->yenc))) != NULL)
        yenc_init(b->yenc, b->events, b->arg);
    return b->yenc != NULL;
}

/* Octets of one line, ends: with its end. */
static void
feed_uuencode(struct blocks *b, struct slice octets, bool ends)
{
    uuencode_feed(b->uuencode, octets);
    if (ends)
        b->state = uuencode_is_within(b->uuencode) ? IN_UUENCODE : START;
}

static void
feed_yenc(struct blocks *b, struct slice octets, bool ends)
{
    yenc_feed(b->yenc, octets);
    if (ends)
        b->state = yenc_is_within(b->yenc) ? IN_YENC : START;
}

/* ---- The multipart that was not announced ----------------------------------------------------------------------- */

static void
feed_boundary(struct blocks *b, struct slice octets, bool ends)
{
    size_t len = octets.len - ends;

    if (len > sizeof(b->line) - b->line_len || (b->line_len == 1 && len > 0 && octets.data[0] != '-')) {
        b->state = ends ? START : OTHER_LINE;
        return;
    }
    memcpy(b->line + b->line_len, octets.data, len);
    b->line_len += len;
    if (!ends)
        return;
    while (b->line_len > 0 && (b->line[b->line_len - 1] == '\r' || b->line[b->line_len - 1] == ' '))
        b->line_len--;
    b->state = b->line_len > 2 && memchr(b->line, '"', b->line_len) == NULL && memchr(b->line, '\\', b->line_len) == NULL
                   ? PROBE : START;
    b->probe_len = 0;
}

static void
tell(struct blocks *b, const char *octets, size_t len)
{
    b->events->octets(b->arg, slice_make(octets, len));
}

static void
open_multipart(struct blocks *b)
{
    static const char head[] = "Content-Type: multipart/mixed; boundary=\"", tail[] = "\"\r\n\r\n";

    b->state = IN_MULTIPART;
    b->open = true;
    b->events->begin(b->arg, CONTENT_MESSAGE, slice_make("", 0));
    tell(b, head, sizeof(head) - 1);
    tell(b, b->line + 2, b->line_len - 2);
    tell(b, tail, sizeof(tail) - 1);
    tell(b, b->line, b->line_len);
    tell(b, "\r\n", 2);
    tell(b, b->probe, b->probe_len);
}

static void start_line(struct blocks *b, char c);

/* Compares one octet behind a possible boundary; what does not fit begins a line like any other. */
static void
feed_probe(struct blocks *b, char c)
{
    uint8_t len = b->probe_len;

    if (ascii_lower(c) == ascii_lower(BLOCKS_PROBE[len])) {
        b->probe[b->probe_len++] = c;
        if (b->probe_len == strlen(BLOCKS_PROBE))
            open_multipart(b);
        return;
    }
    if (len == 0)
        start_line(b, c);
    else
        b->state = c == '\n' ? START : OTHER_LINE;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------ */

/* The first octet of a line. */
static void
start_line(struct blocks *b, char c)
{
    b->state = c == '\n' ? START : OTHER_LINE;
    if (c == 'b' && has_uuencode(b)) {
        b->state = UUENCODE_LINE;
        uuencode_feed(b->uuencode, slice_make(&c, 1));
    } else if (c == '=' && has_yenc(b)) {
        b->state = YENC_LINE;
        yenc_feed(b->yenc, slice_make(&c, 1));
    } else if (c == '-') {
        b->state = BOUNDARY_LINE;
        b->line[0] = c;
        b->line_len = 1;
    }
}

void
blocks_feed(struct blocks *b, struct slice text)
{
    while (text.len > 0) {
        struct slice line = text;
        bool         ends;

        if (b->state == START || b->state == PROBE) {
            if (b->state == START)
                start_line(b, text.data[0]);
            else
                feed_probe(b, text.data[0]);
            text = slice_sub(text, 1, text.len);
            continue;
        }
        if (b->state == IN_MULTIPART) {
            tell(b, text.data, text.len);
            return;
        }
        line.len = slice_find(text, '\n');
        ends = line.len < text.len;
        line.len += ends;
        if (b->state == UUENCODE_LINE || b->state == IN_UUENCODE)
            feed_uuencode(b, line, ends);
        else if (b->state == YENC_LINE || b->state == IN_YENC)
            feed_yenc(b, line, ends);
        else if (b->state == BOUNDARY_LINE)
            feed_boundary(b, line, ends);
        else if (ends)
            b->state = START;
        text = slice_sub(text, line.len, text.len);
    }
}

void
blocks_finish(struct blocks *b)
{
    if (b->uuencode != NULL)
        uuencode_finish(b->uuencode);
    if (b->yenc != NULL)
        yenc_finish(b->yenc);
    if (b->open)
        b->events->end(b->arg);
    b->open = false;
    b->state = START;
}
