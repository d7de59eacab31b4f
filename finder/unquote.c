#include "finder/unquote.h"

#include "lib/transfer.h"

enum { UNICODE_DIGITS = 4, HEX_DIGITS = 2 };

void
unquote_init(struct unquote *u, octets_fn *out, void *arg)
{
    u->line_start = true;
    u->len = 0;
    outlet_init(&u->outlet, out, arg);
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void
release(struct unquote *u)
{
    outlet_pass(&u->outlet, slice_make(u->held, u->len));
    u->len = 0;
}

static void
take_text(struct unquote *u, char c)
{
    u->line_start = c == '\n' || (u->line_start && (c == ' ' || c == '\t' || c == '>'));
    if (c == '\\')
        u->held[u->len++] = c;
    else
        outlet_put(&u->outlet, c);
}

/* One octet where a line starts. */
static void
take_start(struct unquote *u, char c)
{
    if (is_letter(c) && u->len < UNQUOTE_INITIALS) {
        u->held[u->len++] = c;
        return;
    }
    if (c == '>')
        u->len = 0;
    u->line_start = u->len == 0;
    release(u);
    take_text(u, c);
}

/* One octet behind a backslash. */
static void
take_escape(struct unquote *u, char c)
{
    unsigned want = u->len > 1 && u->held[1] == 'u' ? 2 + UNICODE_DIGITS : 2 + HEX_DIGITS;
    uint32_t value = 0;

    if (u->len == 1 ? c != 'u' && c != 'x' : hex_value(c) < 0) {
        release(u);
        take_text(u, c);
        return;
    }
    u->held[u->len++] = c;
    if (u->len == 2 || u->len < want)
        return;
    for (unsigned i = 2; i < want; i++)
        value = value << 4 | (uint32_t)hex_value(u->held[i]);
    u->len = 0;
    outlet_put_character(&u->outlet, value);
}

void
unquote_feed(struct unquote *u, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (u->len > 0 && u->held[0] == '\\')
            take_escape(u, text.data[i]);
        else if (u->line_start)
            take_start(u, text.data[i]);
        else
            take_text(u, text.data[i]);
    }
}

void
unquote_finish(struct unquote *u)
{
    release(u);
    outlet_flush(&u->outlet);
    u->line_start = true;
}
