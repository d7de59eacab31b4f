/*
 * percent - a mark and two hexadecimal digits are an octet. Where that octet is "%" again, it is a mark in its turn: so however
 * often a link was encoded, it comes out at once. "=3D" is to "=" what "%25" is to "%".
 */
#include "finder/percent.h"

#include "lib/transfer.h"

static const uint8_t mark_bits[256] = {
    ['%'] = PERCENT_MARK_PERCENT,
    ['-'] = PERCENT_MARK_MINUS,
    ['='] = PERCENT_MARK_EQUALS,
};

static inline bool
is_mark(const struct percent *p, char c)
{
    return (mark_bits[(unsigned char)c] & p->marks) != 0;
}

void
percent_init(struct percent *p, unsigned marks, octets_fn *out, void *arg)
{
    p->marks = marks;
    p->mark = 0;
    p->digit = 0;
    outlet_init(&p->outlet, out, arg);
}

/* What was read is no escape. */
static void
release(struct percent *p)
{
    if (p->mark != 0)
        outlet_put(&p->outlet, p->mark);
    if (p->digit != 0)
        outlet_put(&p->outlet, p->digit);
    p->mark = 0;
    p->digit = 0;
}

/* Behind a mark. False: c does not belong to it, and the mark is no more. */
static bool
take_digit(struct percent *p, char c)
{
    char octet;

    if (hex_value(c) < 0) {
        release(p);
        return false;
    }
    if (p->digit == 0) {
        p->digit = c;
        return true;
    }
    octet = (char)(hex_value(p->digit) << 4 | hex_value(c));
    p->digit = 0;
    if (octet == '%' || (octet == '=' && p->mark == '=')) {
        p->mark = octet;
    } else {
        p->mark = 0;
        outlet_put(&p->outlet, octet);
    }
    return true;
}

void
percent_feed(struct percent *p, struct slice text)
{
    const char *at = text.data, *end;

    if (text.len == 0)
        return;
    end = at + text.len;
    while (at < end) {
        const char *start = at;

        if (p->mark != 0 && take_digit(p, *at)) {
            at++;
            continue;
        }
        while (at < end && !is_mark(p, *at))
            at++;
        outlet_pass(&p->outlet, slice_make(start, (size_t)(at - start)));
        if (at < end)
            p->mark = *at++;
    }
    outlet_flush(&p->outlet);
}

void
percent_finish(struct percent *p)
{
    release(p);
    outlet_flush(&p->outlet);
}
