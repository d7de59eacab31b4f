#include "lib/rfc3339.h"

#include "lib/error.h"

#define DAY_S       86400u
#define LAST_SECOND 253402300799u   /* 9999-12-31T23:59:59Z */

/* The civil date of a day since 1970-01-01, counted from 0000-03-01 so that the leap day ends a year. */
static void
civil_of_day(uint32_t day, uint32_t *year, uint32_t *month, uint32_t *mday)
{
    uint32_t z = day + 719468;                              /* days since 0000-03-01 */
    uint32_t era = z / 146097, doe = z % 146097;            /* 400 years have 146097 days */
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;                      /* 0: March */

    *mday = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + era * 400 + (*month <= 2);
}

static uint32_t
day_of_civil(uint32_t year, uint32_t month, uint32_t mday)
{
    uint32_t y = month <= 2 ? year - 1 : year;
    uint32_t era = y / 400, yoe = y % 400;
    uint32_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + mday - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static char *
put_digits(char *at, uint32_t value, unsigned digits, char behind)
{
    for (unsigned i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[digits] = behind;
    return at + digits + 1;
}

/* "2026-11-21T03:30:00Z"; returns where the Z stands. */
static char *
put_time(uint64_t unix_s, char *out)
{
    uint32_t year, month, mday, second;

    if (unix_s > LAST_SECOND)
        unix_s = LAST_SECOND;
    second = (uint32_t)(unix_s % DAY_S);
    civil_of_day((uint32_t)(unix_s / DAY_S), &year, &month, &mday);
    out = put_digits(out, year, 4, '-');
    out = put_digits(out, month, 2, '-');
    out = put_digits(out, mday, 2, 'T');
    out = put_digits(out, second / 3600, 2, ':');
    out = put_digits(out, second / 60 % 60, 2, ':');
    return put_digits(out, second % 60, 2, 'Z') - 1;
}

size_t
rfc3339_text(uint64_t unix_s, char out[RFC3339_TEXT_BYTES])
{
    char *z = put_time(unix_s, out);

    z[1] = '\0';
    return (size_t)(z + 1 - out);
}

size_t
rfc3339_text_us(uint64_t us, char out[RFC3339_TEXT_BYTES])
{
    char *z = put_time(us / 1000000, out);

    *z = '.';
    z = put_digits(z + 1, (uint32_t)(us % 1000000), 6, 'Z');
    *z = '\0';
    return (size_t)(z - out);
}

/* Exactly this many digits, then the character that must follow; a fault empties s for good. */
static uint32_t
take_number(struct slice *s, size_t digits, const char *behind, bool *fault)
{
    uint64_t value = 0;

    if (s->len < digits + 1 || slice_to_u64(slice_sub(*s, 0, digits), 9999, &value) != MT_OK ||
        strchr(behind, s->data[digits]) == NULL || s->data[digits] == '\0') {
        *fault = true;
        *s = slice_make(NULL, 0);
        return 0;
    }
    *s = slice_sub(*s, digits + 1, s->len);
    return (uint32_t)value;
}

/* The decimals behind the seconds, if there are any: microseconds. Leaves the offset in s. */
static uint32_t
take_decimals(struct slice *s, bool *fault)
{
    uint32_t us = 0, scale = 100000;
    size_t   i = 0;

    for (; i < s->len && s->data[i] >= '0' && s->data[i] <= '9'; i++, scale /= 10)
        us += (uint32_t)(s->data[i] - '0') * scale;
    if (i == 0)
        *fault = true;
    *s = slice_sub(*s, i, s->len);
    return us;
}

/* "Z", "+02:00": seconds east of UTC. */
static int64_t
take_offset(struct slice s, bool *fault)
{
    uint64_t hours, minutes;

    if (s.len == 1 && (s.data[0] == 'Z' || s.data[0] == 'z'))
        return 0;
    if (s.len != 6 || (s.data[0] != '+' && s.data[0] != '-') || s.data[3] != ':' ||
        slice_to_u64(slice_sub(s, 1, 2), 23, &hours) != MT_OK || slice_to_u64(slice_sub(s, 4, 2), 59, &minutes) != MT_OK) {
        *fault = true;
        return 0;
    }
    return (s.data[0] == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
}

static bool
is_date(uint32_t year, uint32_t month, uint32_t mday)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool                 leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return year >= 1970 && month >= 1 && month <= 12 && mday >= 1 && mday <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

int
rfc3339_parse(struct slice text, uint64_t *out_us)
{
    bool     fault = false;
    uint32_t year = take_number(&text, 4, "-", &fault);
    uint32_t month = take_number(&text, 2, "-", &fault);
    uint32_t mday = take_number(&text, 2, "Tt ", &fault);
    uint32_t hour = take_number(&text, 2, ":", &fault);
    uint32_t minute = take_number(&text, 2, ":", &fault);
    uint64_t second = 0;
    uint32_t us = 0;
    int64_t  unix_s;

    if (slice_to_u64(slice_sub(text, 0, 2), 60, &second) != MT_OK || text.len < 3)
        return MT_ESYNTAX;
    text = slice_sub(text, 2, text.len);
    if (text.data[0] == '.') {
        text = slice_sub(text, 1, text.len);
        us = take_decimals(&text, &fault);
    }
    unix_s = -take_offset(text, &fault);
    if (fault || !is_date(year, month, mday) || hour > 23 || minute > 59)
        return MT_ESYNTAX;
    unix_s += (int64_t)day_of_civil(year, month, mday) * DAY_S + hour * 3600 + minute * 60 + (int64_t)second;
    if (unix_s < 0)
        return MT_ESYNTAX;
    *out_us = (uint64_t)unix_s * 1000000 + us;
    return MT_OK;
}
