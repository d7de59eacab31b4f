/* checks_quiet - times of the week as people write them: "Mon-Fri 22:00-06:00", "Sun", "22:00-06:00". Pure. */
#include "checker/checks_load.h"

#include "lib/error.h"

enum { DAY_MINUTES = 1440, WEEK_DAYS = 7, CLOCK_LETTERS = 5 };

/* "Mon", without case: 0. */
static int
parse_day(struct slice s, unsigned *day)
{
    static const char *const names[WEEK_DAYS] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

    for (*day = 0; *day < WEEK_DAYS; (*day)++)
        if (slice_equal_nocase(s, slice_of(names[*day])))
            return MT_OK;
    return MT_ESYNTAX;
}

/* "22:00" as minutes; "24:00" is the end of the day. */
static int
parse_clock(struct slice s, unsigned *minutes)
{
    uint64_t hour, minute;

    if (s.len != CLOCK_LETTERS || s.data[2] != ':' || slice_to_u64(slice_sub(s, 0, 2), 24, &hour) != MT_OK ||
        slice_to_u64(slice_sub(s, 3, 2), 59, &minute) != MT_OK)
        return MT_ESYNTAX;
    *minutes = (unsigned)(hour * 60 + minute);
    return *minutes <= DAY_MINUTES ? MT_OK : MT_ESYNTAX;
}

/* "Mon", "Mon-Fri". */
static int
parse_days(struct slice s, unsigned *first, unsigned *last)
{
    size_t dash = slice_find(s, '-');

    if (parse_day(slice_sub(s, 0, dash), first) != MT_OK)
        return MT_ESYNTAX;
    *last = *first;
    return dash == s.len ? MT_OK : parse_day(slice_sub(s, dash + 1, s.len), last);
}

int
quiet_parse(struct slice text, struct quiet *out, unsigned room, unsigned *count)
{
    bool         has_days = text.len > 0 && !(text.data[0] >= '0' && text.data[0] <= '9');
    size_t       blank = has_days ? slice_find(text, ' ') : 0;
    struct slice clock = slice_trim(slice_sub(text, blank, text.len));
    unsigned     first = 0, last = WEEK_DAYS - 1, from, to, days;

    *count = 0;
    if (has_days && parse_days(slice_sub(text, 0, blank), &first, &last) != MT_OK)
        return MT_ESYNTAX;
    if (clock.len == 0) {
        if (!has_days)
            return MT_ESYNTAX;
        if (room == 0)
            return MT_EFULL;
        out[(*count)++] = (struct quiet){ .from_minute = first * DAY_MINUTES, .to_minute = (last + 1) * DAY_MINUTES };
        return MT_OK;
    }
    if (clock.len != 2 * CLOCK_LETTERS + 1 || clock.data[CLOCK_LETTERS] != '-' || parse_clock(slice_sub(clock, 0, CLOCK_LETTERS), &from) != MT_OK ||
        parse_clock(slice_sub(clock, CLOCK_LETTERS + 1, CLOCK_LETTERS), &to) != MT_OK || from == to || from == DAY_MINUTES)
        return MT_ESYNTAX;
    days = (last + WEEK_DAYS - first) % WEEK_DAYS + 1;
    for (unsigned i = 0; i < days; i++) {
        unsigned start = (first + i) % WEEK_DAYS * DAY_MINUTES, end = start + to + (to < from ? DAY_MINUTES : 0);
        if (*count == room)
            return MT_EFULL;
        out[(*count)++] = (struct quiet){
            .from_minute = start + from, .to_minute = end > WEEK_DAYS * DAY_MINUTES ? end - WEEK_DAYS * DAY_MINUTES : end,
        };
    }
    return MT_OK;
}
