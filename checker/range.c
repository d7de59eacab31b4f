#include "checker/range.h"

#include "lib/error.h"

#include <math.h>
#include <stdlib.h>

const char *
state_name(enum state state)
{
    static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

    return names[state];
}

/* One end of a range: a decimal number that fills the text. */
static int
parse_number(struct slice text, double *out)
{
    char  copy[64], *end;
    bool  digit = false;

    if (text.len == 0 || !slice_copy(copy, sizeof(copy), text))
        return MT_ESYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';

        if (!is_digit && text.data[i] != '.' && !(i == 0 && text.data[i] == '-'))
            return MT_ESYNTAX;
        digit = digit || is_digit;
    }
    *out = strtod(copy, &end);      /* the locale is "C": nobody sets another */
    return digit && *end == '\0' && isfinite(*out) ? MT_OK : MT_ESYNTAX;
}

int
range_parse(struct slice text, struct range *out)
{
    struct range r = { .low = 0, .high = INFINITY };
    size_t       colon;
    int          rc = MT_OK;

    if (!slice_copy(r.text, sizeof(r.text), text))
        return MT_ESYNTAX;
    if (text.len == 0) {
        *out = r;
        return MT_OK;
    }
    r.set = true;
    if (slice_starts(text, "@")) {
        r.inside = true;
        text = slice_sub(text, 1, text.len);
    }
    colon = slice_find(text, ':');
    if (colon == text.len)
        rc = parse_number(text, &r.high);
    else {
        struct slice low = slice_sub(text, 0, colon), high = slice_sub(text, colon + 1, text.len);

        if (slice_equal(low, slice_of("~")))
            r.low = -INFINITY;
        else
            rc = parse_number(low, &r.low);
        if (rc == MT_OK && high.len > 0)
            rc = parse_number(high, &r.high);
    }
    if (rc != MT_OK)
        return rc;
    if (r.low > r.high)
        return MT_EINVALID;
    *out = r;
    return MT_OK;
}

bool
range_alerts(const struct range *r, double value)
{
    bool in = value >= r->low && value <= r->high;

    return r->set && in == r->inside;
}

enum state
range_state(const struct range *warning, const struct range *critical, double value)
{
    if (range_alerts(critical, value))
        return STATE_CRITICAL;
    return range_alerts(warning, value) ? STATE_WARNING : STATE_OK;
}
