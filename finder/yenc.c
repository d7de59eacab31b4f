#include "finder/yenc.h"

#define KEYWORD "=y"            /* begins a keyword line; in data it stands for nothing */
#define BEGIN   "=ybegin "
#define END     "=yend"

#define OFFSET         42       /* that was added to each octet */
#define ESCAPED_OFFSET 64       /* that was added to a critical one in addition */
#define PIECE_BYTES    512u

/*
 *   LINE_START --"=y"--> KEYWORD_LINE --LF--> LINE_START         its keyword opens or closes a block
 *        \---other---> WITHIN --LF--> LINE_START                 data in a block, text elsewhere
 *                         \--"=" in a block--> ESCAPE --> WITHIN
 */
enum { LINE_START, KEYWORD_LINE, WITHIN, ESCAPE };

void
yenc_init(struct yenc *y, const struct container_events *events, void *arg)
{
    *y = (struct yenc){ .events = events, .arg = arg, .state = LINE_START };
}

static void
end_block(struct yenc *y)
{
    if (y->open)
        y->events->end(y->arg);
    y->open = false;
}

static void
take_keyword_line(struct yenc *y)
{
    struct slice line = slice_make(y->line, y->line_len);
    size_t       name_at = slice_find_nocase(line, slice_of(" name="));
    struct slice before = slice_sub(line, 0, name_at);

    if (slice_starts(line, BEGIN) || slice_starts(line, END))
        end_block(y);
    if (slice_starts(line, BEGIN) && name_at < line.len && slice_find_nocase(before, slice_of(" line=")) < before.len &&
        slice_find_nocase(before, slice_of(" size=")) < before.len) {
        struct slice name = slice_trim(slice_sub(line, name_at + strlen(" name="), line.len));

        y->events->begin(y->arg, CONTENT_UNKNOWN, slice_sub(name, 0, CONTENT_NAME_BYTES_MAX));
        y->open = true;
    }
    y->line_len = 0;
}

/* Text outside of blocks, up to the end of its line. */
static struct slice
skip_text(struct yenc *y, struct slice in)
{
    size_t end = slice_find(in, '\n');

    if (end < in.len)
        y->state = LINE_START;
    return slice_sub(in, end + 1, in.len);
}

/* Data in a block, up to the end of its line. */
static struct slice
take_data(struct yenc *y, struct slice in)
{
    char   out[PIECE_BYTES];
    size_t len = 0, at = 0;

    while (at < in.len && len < sizeof(out) && y->state != LINE_START) {
        unsigned char c = (unsigned char)in.data[at++];

        if (c == '\n') {
            y->state = LINE_START;
        } else if (c == '\r') {
            continue;                   /* a critical octet, too: it is always part of a line's end */
        } else if (y->state == ESCAPE) {
            out[len++] = (char)(c - ESCAPED_OFFSET - OFFSET);
            y->state = WITHIN;
        } else if (c == KEYWORD[0]) {
            y->state = ESCAPE;
        } else {
            out[len++] = (char)(c - OFFSET);
        }
    }
    if (len > 0)
        y->events->octets(y->arg, slice_make(out, len));
    return slice_sub(in, at, in.len);
}

/* At the start of a line: one octet, until it is clear what the line is. */
static struct slice
take_start(struct yenc *y, struct slice in)
{
    if (in.data[0] != KEYWORD[y->line_len]) {
        y->state = y->line_len > 0 && y->open ? ESCAPE : WITHIN;
        y->line_len = 0;
        return in;
    }
    y->line[y->line_len++] = in.data[0];
    if (y->line_len == strlen(KEYWORD))
        y->state = KEYWORD_LINE;
    return slice_sub(in, 1, in.len);
}

static struct slice
take_keyword(struct yenc *y, struct slice in)
{
    size_t       end = slice_find(in, '\n');
    struct slice kept = slice_sub(slice_sub(in, 0, end), 0, sizeof(y->line) - y->line_len);

    if (kept.len > 0)
        memcpy(y->line + y->line_len, kept.data, kept.len);
    y->line_len += kept.len;
    if (end < in.len) {
        take_keyword_line(y);
        y->state = LINE_START;
    }
    return slice_sub(in, end + 1, in.len);
}

void
yenc_feed(struct yenc *y, struct slice octets)
{
    while (octets.len > 0) {
        if (y->state == LINE_START)
            octets = take_start(y, octets);
        else if (y->state == KEYWORD_LINE)
            octets = take_keyword(y, octets);
        else if (y->open)
            octets = take_data(y, octets);
        else
            octets = skip_text(y, octets);
    }
}

void
yenc_finish(struct yenc *y)
{
    if (y->state == KEYWORD_LINE)
        take_keyword_line(y);
    end_block(y);
    y->state = LINE_START;
    y->line_len = 0;
}
