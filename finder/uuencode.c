#include "finder/uuencode.h"

#define BEGIN        "begin "
#define BEGIN_BASE64 "begin-base64 "
#define END          "end"
#define END_BASE64   "===="

enum {
    DIGITS = 64,
    FIRST_DIGIT = ' ',          /* the digits are the characters from here on, and ... */
    LAST_DIGIT = '`',           /* ... this one, which is another zero */
    GROUP_DIGITS = 4,           /* make ... */
    GROUP_OCTETS = 3,
    LINE_OCTETS_MAX = 63,
    CHECKSUM_DIGITS_MAX = 2,    /* that some writers add to a line */
};

/*
 *   OUTSIDE --begin line--> BLOCK  --"end"-->  OUTSIDE
 *                  \------> BASE64 --"===="--> OUTSIDE          (another begin line: a new block)
 */
enum { OUTSIDE, BLOCK, BASE64 };

void
uuencode_init(struct uuencode *u, const struct container_events *events, void *arg)
{
    *u = (struct uuencode){ .events = events, .arg = arg, .state = OUTSIDE, .zeros_left = UUENCODE_ZEROS_FIRST };
}

static void
tell(struct uuencode *u, const char *octets, size_t len)
{
    if (!u->open)
        u->events->begin(u->arg, CONTENT_UNKNOWN, slice_make(u->name, u->name_len));
    u->open = true;
    if (len > 0)
        u->events->octets(u->arg, slice_make(octets, len));
}

static void
end_block(struct uuencode *u)
{
    char   rest[2];
    size_t len = u->state == BASE64 ? base64_finish(&u->base64, rest) : 0;

    if (len > 0)
        tell(u, rest, len);
    if (u->open)
        u->events->end(u->arg);
    u->open = false;
    u->state = OUTSIDE;
}

/* The name in a begin line with this prefix: behind the mode, which has three or four octal digits. */
static bool
begin_name(struct slice line, const char *prefix, struct slice *name)
{
    struct slice rest = slice_sub(line, strlen(prefix), line.len);
    size_t       digits = 0;

    if (!slice_starts(line, prefix))
        return false;
    while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '7')
        digits++;
    if (digits < 3 || digits > 4 || digits == rest.len || rest.data[digits] != ' ')
        return false;
    *name = slice_trim(slice_sub(rest, digits, rest.len));
    return name->len > 0;
}

static bool
take_begin(struct uuencode *u, struct slice line)
{
    struct slice name;
    uint8_t      state;

    if (begin_name(line, BEGIN, &name))
        state = BLOCK;
    else if (begin_name(line, BEGIN_BASE64, &name))
        state = BASE64;
    else
        return false;
    end_block(u);
    u->state = state;
    name = slice_sub(name, 0, sizeof(u->name));
    memcpy(u->name, name.data, name.len);
    u->name_len = name.len;
    base64_init(&u->base64);
    return true;
}

/* How many octets a line with so many digits of data makes: as many as it states, with zeros for blanks that were cut off. */
static size_t
octets_of(struct uuencode *u, size_t stated, size_t digits)
{
    size_t present = (digits + GROUP_DIGITS - 1) / GROUP_DIGITS * GROUP_OCTETS;

    if (present >= stated) {
        u->zeros_left += stated;
        return stated;
    }
    u->zeros_left += present;
    if (u->zeros_left < stated - present)
        return present;
    u->zeros_left -= stated - present;
    return stated;
}

/* The first digit tells how many octets the line has, each four others are three octets. */
static void
take_digits(struct uuencode *u, struct slice line)
{
    char   out[LINE_OCTETS_MAX + GROUP_OCTETS];
    size_t len = 0, octets;

    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] < FIRST_DIGIT || line.data[i] > LAST_DIGIT)
            return;
    octets = (size_t)(line.data[0] - FIRST_DIGIT) % DIGITS;
    if (line.len > 1 + (octets + GROUP_OCTETS - 1) / GROUP_OCTETS * GROUP_DIGITS + CHECKSUM_DIGITS_MAX)
        return;
    octets = octets_of(u, octets, line.len - 1);
    for (size_t at = 1; len < octets; at += GROUP_DIGITS) {
        uint32_t group = 0;

        for (size_t i = at; i < at + GROUP_DIGITS; i++)
            group = group << 6 | (i < line.len ? (uint32_t)(line.data[i] - FIRST_DIGIT) % DIGITS : 0);
        out[len++] = (char)(group >> 16);
        out[len++] = (char)(group >> 8);
        out[len++] = (char)group;
    }
    if (octets > 0)
        tell(u, out, octets);
}

static void
take_base64(struct uuencode *u, struct slice line)
{
    char   out[BASE64_ROOM(UUENCODE_LINE_BYTES_MAX)];
    size_t len = base64_decode(&u->base64, line, out);

    if (len > 0)
        tell(u, out, len);
}

/* A line without its end; whole: not only the front or the rest of an overlong one. */
static void
take_line(struct uuencode *u, struct slice line, bool whole)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 || (whole && take_begin(u, line)))
        return;
    if (u->state == BASE64 && whole && slice_equal(line, slice_of(END_BASE64)))
        end_block(u);
    else if (u->state == BLOCK && whole && slice_equal(slice_trim(line), slice_of(END)))
        end_block(u);
    else if (u->state == BLOCK && whole)
        take_digits(u, line);
    else if (u->state == BASE64)
        take_base64(u, line);
}

void
uuencode_feed(struct uuencode *u, struct slice octets)
{
    while (octets.len > 0) {
        size_t room = sizeof(u->line) - u->line_len;
        size_t len = slice_find(slice_sub(octets, 0, room), '\n');

        memcpy(u->line + u->line_len, octets.data, len);
        u->line_len += len;
        if (len < octets.len && len < room) {
            take_line(u, slice_make(u->line, u->line_len), !u->overlong);
            len++;
            u->overlong = false;
            u->line_len = 0;
        } else if (len == room) {
            take_line(u, slice_make(u->line, u->line_len), false);
            u->overlong = true;
            u->line_len = 0;
        }
        octets = slice_sub(octets, len, octets.len);
    }
}

void
uuencode_finish(struct uuencode *u)
{
    take_line(u, slice_make(u->line, u->line_len), !u->overlong);
    u->line_len = 0;
    end_block(u);
}
