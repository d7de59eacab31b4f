#include "imapd/imap_fields.h"

#include "lib/error.h"

#include <string.h>

/*
 * LINE -blank-> FIELD (of the field before), -LF-> END, -CR-> EMPTY, -else-> NAME; NAME -':'-> FIELD, -LF-> LINE (no field);
 * FIELD -LF-> LINE; EMPTY -LF-> END, -else-> NAME.
 */
enum state { LINE, EMPTY, NAME, FIELD, END };

/* ---- Names ------------------------------------------------------------------------------------------------------------------------ */

/* Shorter ones first. Equal without case: 0. */
static int
compare_names(struct slice a, struct slice b)
{
    size_t at = 0;

    if (a.len != b.len)
        return a.len > b.len ? 1 : -1;
    while (at < a.len && ascii_lower(a.data[at]) == ascii_lower(b.data[at]))
        at++;
    return at == a.len ? 0 : ascii_lower(a.data[at]) > ascii_lower(b.data[at]) ? 1 : -1;
}

/* Where in the sorted names it is, or would be. */
static unsigned
find_name(const struct imap_field_names *n, struct slice name, bool *found)
{
    unsigned from = 0, to = n->count;

    *found = false;
    while (from < to && !*found) {
        unsigned at = from + (to - from) / 2;
        int      order = compare_names(name, n->names[n->sorted[at]]);

        *found = order == 0;
        if (order > 0)
            from = at + 1;
        else
            to = at;
    }
    return to;
}

bool
imap_field_names_add(struct imap_field_names *n, struct slice name)
{
    unsigned at;
    bool     found;

    if (n->count == IMAP_FIELD_NAMES_MAX)
        return false;
    at = find_name(n, name, &found);
    memmove(n->sorted + at + 1, n->sorted + at, n->count - at);
    n->sorted[at] = (uint8_t)n->count;
    n->names[n->count++] = name;
    return true;
}

/* ---- Fields ----------------------------------------------------------------------------------------------------------------------- */

void
imap_fields_begin(struct imap_fields *f, const struct imap_field_names *names, bool except, struct imap_partial partial)
{
    *f = (struct imap_fields){ .partial = partial, .names = names, .except = except, .state = LINE };
}

static bool
is_named(const struct imap_fields *f)
{
    bool found;

    find_name(f->names, slice_trim(slice_make(f->name, f->name_len)), &found);
    return found;
}

/* The name is complete, or too long to be one that was asked for. */
static void
begin_field(struct imap_fields *f, bool complete, struct buf *to)
{
    f->state = FIELD;
    if (complete && slice_trim(slice_make(f->name, f->name_len)).len == 0)
        f->chosen = false;
    else
        f->chosen = (complete && is_named(f)) != f->except;
    if (f->chosen)
        imap_partial_take(&f->partial, slice_make(f->name, f->name_len), to);
}

/* One octet outside of a field's value. False: it is the first of the value, and still to be taken. */
static bool
take(struct imap_fields *f, char c, struct buf *to)
{
    if (f->state == LINE) {
        f->name_len = 0;
        f->state = c == ' ' || c == '\t' ? FIELD : c == '\n' ? END : c == '\r' ? EMPTY : NAME;
        if (f->state == FIELD)
            return false;
        if (f->state == END)
            return true;
    } else if (c == '\n') {
        f->chosen = false;
        f->state = f->state == EMPTY ? END : LINE;
        return true;
    }
    if (f->state == EMPTY && f->name_len > 0)
        f->state = NAME;
    if (c == ':' || f->name_len == sizeof(f->name)) {
        begin_field(f, c == ':', to);
        return false;
    }
    f->name[f->name_len++] = c;
    return true;
}

int
imap_fields_feed(struct imap_fields *f, struct slice octets, struct buf *to)
{
    while (octets.len > 0 && f->state != END) {
        size_t len = 1;

        if (f->state == FIELD) {
            len = slice_find(octets, '\n');
            if (len < octets.len) {
                len++;
                f->state = LINE;
            }
            if (f->chosen)
                imap_partial_take(&f->partial, slice_sub(octets, 0, len), to);
        } else if (!take(f, octets.data[0], to)) {
            len = 0;
        }
        octets = slice_sub(octets, len, octets.len);
    }
    return to == NULL ? MT_OK : to->fault;
}

int
imap_fields_finish(struct imap_fields *f, struct buf *to)
{
    return imap_partial_take(&f->partial, slice_of("\r\n"), to);
}
