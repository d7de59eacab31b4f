/* utf7 - between "+" and the first octet that is no digit of base64 stand units of UTF-16, big-endian (RFC 2152, rule 2). */
#include "finder/utf7.h"

#include "finder/base64_runs.h"

enum { DIGIT_BITS = 6, UNIT_BITS = 16 };

void
utf7_init(struct utf7 *u, octets_fn *out, void *arg)
{
    u->shifted = false;
    u->empty = false;
    u->bits = 0;
    u->bit_count = 0;
    outlet_init(&u->outlet, out, arg);
}

/* Behind "+". False: c does not belong to the section, which has ended. */
static bool
take_digit(struct utf7 *u, char c)
{
    int value = c == '-' || c == '_' ? -1 : base64_digit_value(c);      /* the digits of base64 alone, not of base64url */

    if (value < 0) {
        u->shifted = false;
        if (u->empty)
            outlet_put(&u->outlet, '+');
        return c == '-';
    }
    u->empty = false;
    u->bits = u->bits << DIGIT_BITS | (uint32_t)value;
    u->bit_count += DIGIT_BITS;
    if (u->bit_count >= UNIT_BITS) {
        u->bit_count -= UNIT_BITS;
        outlet_put_character(&u->outlet, u->bits >> u->bit_count & 0xFFFF);
    }
    return true;
}

void
utf7_feed(struct utf7 *u, struct slice text)
{
    const char *at = text.data, *end;

    if (text.len == 0)
        return;
    end = at + text.len;
    while (at < end) {
        const char *plus;

        if (u->shifted && take_digit(u, *at)) {
            at++;
            continue;
        }
        plus = memchr(at, '+', (size_t)(end - at));
        outlet_pass(&u->outlet, slice_make(at, (size_t)((plus == NULL ? end : plus) - at)));
        if (plus == NULL)
            break;
        at = plus + 1;
        u->shifted = true;
        u->empty = true;
        u->bits = 0;
        u->bit_count = 0;
    }
    outlet_flush(&u->outlet);
}

void
utf7_finish(struct utf7 *u)
{
    if (u->shifted && u->empty)
        outlet_put(&u->outlet, '+');
    u->shifted = false;
    outlet_flush(&u->outlet);
}
