#include "lib/duration.h"

#include "lib/error.h"

#include <stdio.h>

static const struct {
    const char *unit;
    uint64_t    ms;
} units[] = {
    { "",   1000     },
    { "ms", 1        },
    { "s",  1000     },
    { "m",  60000    },
    { "min", 60000   },
    { "h",  3600000  },
    { "d",  86400000 },
};

int
duration_parse(struct slice text, uint64_t max_ms, uint64_t *out_ms)
{
    uint64_t whole, thousandths = 0, scale = 100, total;
    size_t   i = 0;

    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9')
        i++;
    if (slice_to_u64(slice_sub(text, 0, i), UINT32_MAX, &whole) != MT_OK)
        return MT_ESYNTAX;
    if (i < text.len && text.data[i] == '.') {
        size_t first = ++i;

        for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++, scale /= 10)
            thousandths += (uint64_t)(text.data[i] - '0') * scale;
        if (i == first)
            return MT_ESYNTAX;
    }
    for (size_t u = 0; u < COUNT(units); u++)
        if (slice_equal(slice_sub(text, i, text.len), slice_of(units[u].unit))) {
            total = whole * units[u].ms + thousandths * units[u].ms / 1000;
            if (total > max_ms)
                return MT_ESIZE;
            *out_ms = total;
            return MT_OK;
        }
    return MT_ESYNTAX;
}

const char *
duration_text(uint64_t us, char out[DURATION_TEXT_BYTES])
{
    unsigned long long s = us / 1000000;

    if (us < 1000000)
        snprintf(out, DURATION_TEXT_BYTES, "%llu.%llu ms", (unsigned long long)us / 1000, (unsigned long long)us / 100 % 10);
    else if (s < 60)
        snprintf(out, DURATION_TEXT_BYTES, "%llu.%03llu s", s, (unsigned long long)us / 1000 % 1000);
    else if (s < 3600)
        snprintf(out, DURATION_TEXT_BYTES, "%llu min %llu s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, DURATION_TEXT_BYTES, "%llu h %llu min", s / 3600, s / 60 % 60);
    else
        snprintf(out, DURATION_TEXT_BYTES, "%llu d %llu h", s / 86400, s / 3600 % 24);
    return out;
}

const char *
duration_limit_text(uint32_t ms, char out[DURATION_TEXT_BYTES])
{
    if (ms % 1000 == 0)
        snprintf(out, DURATION_TEXT_BYTES, "%u s", ms / 1000);
    else
        snprintf(out, DURATION_TEXT_BYTES, "%u ms", ms);
    return out;
}
