#ifndef FINDER_OUTLET_H
#define FINDER_OUTLET_H
/*
 * outlet - gathers the small pieces that a text decoder makes, so that what follows is called for some hundred octets at once.
 * The concatenation of what is passed on is what counts: where the pieces are cut says nothing.
 */

#include "finder/octets.h"

#define OUTLET_BYTES  512u
#define OUTLET_DIRECT 64u    /* from this length on, a piece is passed on without copying it */

struct outlet {
    octets_fn *out;
    void      *arg;
    size_t     len;
    char       room[OUTLET_BYTES];
};

static inline void
outlet_init(struct outlet *o, octets_fn *out, void *arg)
{
    o->out = out;
    o->arg = arg;
    o->len = 0;
}

static inline void
outlet_flush(struct outlet *o)
{
    if (o->len > 0)
        o->out(o->arg, slice_make(o->room, o->len));
    o->len = 0;
}

static inline void
outlet_put(struct outlet *o, char c)
{
    if (o->len == OUTLET_BYTES)
        outlet_flush(o);
    o->room[o->len++] = c;
}

static inline void
outlet_pass(struct outlet *o, struct slice octets)
{
    if (octets.len >= OUTLET_DIRECT) {
        outlet_flush(o);
        o->out(o->arg, octets);
        return;
    }
    if (octets.len > OUTLET_BYTES - o->len)
        outlet_flush(o);
    if (octets.len > 0)
        memcpy(o->room + o->len, octets.data, octets.len);
    o->len += octets.len;
}

/* A character as UTF-8 (RFC 3629); nothing for 0 and for what is no Unicode code point. A surrogate comes out as three octets. */
static inline void
outlet_put_character(struct outlet *o, uint32_t c)
{
    if (c == 0 || c > 0x10FFFF)
        return;
    if (c < 0x80) {
        outlet_put(o, (char)c);
        return;
    }
    if (c < 0x800) {
        outlet_put(o, (char)(0xC0 | c >> 6));
    } else {
        if (c < 0x10000) {
            outlet_put(o, (char)(0xE0 | c >> 12));
        } else {
            outlet_put(o, (char)(0xF0 | c >> 18));
            outlet_put(o, (char)(0x80 | (c >> 12 & 0x3F)));
        }
        outlet_put(o, (char)(0x80 | (c >> 6 & 0x3F)));
    }
    outlet_put(o, (char)(0x80 | (c & 0x3F)));
}

#endif
