#include "lib/date.h"

#include "lib/error.h"

/* A date's words: "Mon", "2", "15:04:05", "+0100"; commas, spaces and comments lie between them. */
enum { WORDS_MAX = 8, WORDS_ROOM = WORDS_MAX + 6, TEXT_CHARS_MAX = 100 };

struct words {
    char         text[TEXT_CHARS_MAX];
    size_t       len;
    struct slice comment;       /* the last one: "(CET)" */
    struct slice word[WORDS_ROOM];      /* those behind the last are empty */
    size_t       count;
};

struct moment {
    int64_t year;
    int64_t month;      /* 1 to 12 */
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t zone;       /* minutes east of UTC */
    bool    has_zone;   /* it stood in an unusual place */
};

static bool
is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

/* Adds to the text what stands outside of comments; there is no space at its begin, beside a colon, and behind another. */
static void
add_char(struct words *w, char c)
{
    char last = w->len == 0 ? ' ' : w->text[w->len - 1];

    if (is_between(c))
        c = ' ';
    if (c == ' ' && (last == ' ' || last == ':'))
        return;
    if (c == ':' && last == ' ' && w->len > 0)
        w->len--;
    if (w->len < sizeof(w->text))
        w->text[w->len++] = c;
}

/* Splits text; further words than a date can have are left out. */
static void
split(struct slice text, struct words *out)
{
    unsigned     depth = 0;
    size_t       opened = 0;
    struct slice rest;

    out->len = 0;
    out->count = 0;
    out->comment = slice_make(NULL, 0);
    memset(out->word, 0, sizeof(out->word));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (depth > 0 && c == '\\')
            i++;
        else if (c == '(' && depth++ == 0)
            opened = i + 1;
        else if (c == ')' && depth > 0 && --depth == 0)
            out->comment = slice_trim(slice_sub(text, opened, i - opened));
        else if (depth == 0)
            add_char(out, c);
        if (depth == 1 && c == '(')
            add_char(out, ' ');
    }
    for (rest = slice_make(out->text, out->len); rest.len > 0 && out->count < WORDS_MAX; out->count++) {
        size_t len = slice_find(rest, ' ');

        out->word[out->count] = slice_sub(rest, 0, len);
        rest = slice_sub(rest, len + 1, rest.len);
    }
}

/* An unsigned number of at most max, which fills the word. */
static bool
number(struct slice word, int64_t max, int64_t *out)
{
    uint64_t value;

    if (slice_to_u64(word, (uint64_t)max, &value) != MT_OK)
        return false;
    *out = (int64_t)value;
    return true;
}

static bool
month(struct slice word, int64_t *out)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (word.len < 3)
        return false;
    for (int64_t i = 0; i < 12; i++) {
        if (slice_equal_nocase(slice_sub(word, 0, 3), slice_make(names + 3 * i, 3))) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

/* RFC 5322 section 4.3: two digits up to 49 mean this century, other short years are counted from 1900. */
static bool
year(struct slice word, int64_t *out)
{
    if (word.len < 2 || !number(word, 9999, out))
        return false;
    if (word.len == 2 && *out < 50)
        *out += 2000;
    else if (word.len <= 3)
        *out += 1900;
    return *out >= 1900;
}

/* "15:04" or "15:04:05", as some write it "15.04.05"; decimals of a second are left out. */
static bool
time_of_day(struct slice word, struct moment *m)
{
    char         mark = slice_find(word, ':') < word.len ? ':' : '.';
    size_t       colon = slice_find(word, mark);
    struct slice rest = slice_sub(word, colon + 1, word.len);
    size_t       second = slice_find(rest, mark);
    struct slice seconds = slice_sub(rest, second + 1, rest.len);

    m->second = 0;
    if (colon == word.len || !number(slice_sub(word, 0, colon), 23, &m->hour) ||
        !number(slice_sub(rest, 0, second), 59, &m->minute))
        return false;
    if (second == rest.len)
        return true;
    if (!number(slice_sub(seconds, 0, slice_find(seconds, '.')), 60, &m->second))
        return false;
    if (m->second == 60)
        m->second = 59;
    return true;
}

/* "+0100", "+01:00". */
static bool
zone_offset(struct slice word, int64_t *out)
{
    struct slice hours = slice_sub(word, 1, 2);
    struct slice minutes = slice_sub(word, word.len == 6 && word.data[3] == ':' ? 4 : 3, word.len);
    int64_t      h, m;

    if (word.len < 5 || minutes.len != 2 || !number(hours, 23, &h) || !number(minutes, 59, &m))
        return false;
    *out = (h * 60 + m) * (word.data[0] == '-' ? -1 : 1);
    return true;
}

/* A zone that has one meaning only, whoever writes it; RFC 5322 section 4.3 has those of North America. */
static bool
zone_name(struct slice word, int64_t *out)
{
    static const struct {
        const char *name;
        int         minutes;
    } names[] = {
        { "EST", -300 }, { "EDT", -240 }, { "CST", -360 }, { "CDT", -300 }, { "MST", -420 }, { "MDT", -360 },
        { "PST", -480 }, { "PDT", -420 }, { "GMT", 0 },    { "UTC", 0 },    { "UT", 0 },     { "WET", 0 },
        { "WEST", 60 },  { "CET", 60 },   { "CEST", 120 }, { "MET", 60 },   { "MEST", 120 }, { "MEZ", 60 },
        { "MESZ", 120 }, { "EET", 120 },  { "EEST", 180 }, { "MSK", 180 },  { "JST", 540 },  { "KST", 540 },
        { "HKT", 480 },  { "SGT", 480 },  { "AEST", 600 }, { "AEDT", 660 }, { "NZST", 720 }, { "NZDT", 780 },
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal_nocase(word, slice_of(names[i].name))) {
            *out = names[i].minutes;
            return true;
        }
    return false;
}

/* RFC 5322 section 4.3: of other names, and of military letters, the offset is not known: UTC. "GMT+0100" is an offset. */
static bool
zone(struct slice word, int64_t *out)
{
    size_t letters = 0;

    *out = 0;
    while (letters < word.len && ascii_lower(word.data[letters]) >= 'a' && ascii_lower(word.data[letters]) <= 'z')
        letters++;
    if (letters < word.len)
        return (word.data[letters] == '+' || word.data[letters] == '-') && zone_offset(slice_sub(word, letters, word.len), out);
    zone_name(word, out);
    return word.len > 0;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar, whose years are counted from March so that leap days come last. */
static int64_t
days_since_1970(int64_t y, int64_t m, int64_t d)
{
    int64_t from_march = (m + 9) % 12;

    y -= m <= 2;
    return y * 365 + y / 4 - y / 100 + y / 400 + (from_march * 153 + 2) / 5 + d - 1 - 719468;
}

static bool
day_exists(const struct moment *m)
{
    static const int64_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool                 leap = (m->year % 4 == 0 && m->year % 100 != 0) || m->year % 400 == 0;

    return m->day >= 1 && m->day <= days[m->month - 1] + (m->month == 2 && leap);
}

/* "AM" and "PM" behind a time of twelve hours. */
static bool
half_day(struct slice word, struct moment *m)
{
    bool am = slice_equal_nocase(word, slice_of("AM")), pm = slice_equal_nocase(word, slice_of("PM"));

    if ((am || pm) && m->hour >= 1 && m->hour <= 12)
        m->hour = m->hour % 12 + (pm ? 12 : 0);
    return am || pm;
}

/* "15:04:05", "15:04:05 +0100", "15:04:05+0100", "03:04:05 PM +0100" from word *i on, and *i behind them. */
static bool
time_and_zone(const struct words *w, size_t *i, struct moment *m)
{
    struct slice word = w->word[*i];
    size_t       plus = slice_find(word, '+'), minus = slice_find(word, '-'), at = plus < minus ? plus : minus;

    (*i)++;
    if (!time_of_day(slice_sub(word, 0, at), m))
        return false;
    if (at < word.len) {
        m->has_zone = true;
        return zone(slice_sub(word, at, word.len), &m->zone);
    }
    if (*i < w->count && half_day(w->word[*i], m))
        (*i)++;
    return true;
}

/* "02-Jan-2024" (RFC 850). */
static bool
day_with_dashes(struct slice word, struct moment *m)
{
    size_t       first = slice_find(word, '-');
    struct slice rest = slice_sub(word, first + 1, word.len);
    size_t       second = slice_find(rest, '-');

    return second < rest.len && number(slice_sub(word, 0, first), 31, &m->day) && month(slice_sub(rest, 0, second), &m->month) &&
           year(slice_sub(rest, second + 1, rest.len), &m->year);
}

/*
 * "2 Jan 2006 15:04:05 +0100", "2-Jan-2006 15:04:05 +0100", "Jan 2 15:04:05 2006 +0100" or "Jan 2 15:04:05 CET 2006" from word i
 * on. Behind the last word the array has empty ones, which are nothing that is looked for.
 */
static bool
read_words(const struct words *w, size_t i, struct moment *m)
{
    *m = (struct moment){ .year = 0 };
    if (day_with_dashes(w->word[i], m)) {
        i++;
        if (!time_and_zone(w, &i, m))
            return false;
    } else if (month(w->word[i], &m->month)) {
        if (!number(w->word[i + 1], 31, &m->day))
            return false;
        i += 2;
        if (!time_and_zone(w, &i, m))
            return false;
        if (!year(w->word[i], &m->year)) {
            m->has_zone = true;
            if (!zone(w->word[i], &m->zone) || !year(w->word[++i], &m->year))
                return false;
        }
        i++;
    } else {
        if (!number(w->word[i], 31, &m->day) || !month(w->word[i + 1], &m->month) || !year(w->word[i + 2], &m->year))
            return false;
        i += 3;
        if (!time_and_zone(w, &i, m))
            return false;
    }
    if (m->has_zone)
        return true;
    if (i < w->count)
        return zone(w->word[i], &m->zone);
    zone_name(w->comment, &m->zone);        /* where nothing else is written */
    return true;
}

int
date_parse_zone(struct slice text, int64_t *out_unix, int64_t *zone_s)
{
    struct words  w;
    struct moment m = { .year = 0 };

    split(text, &w);
    /* The day of the week tells nothing. Where it is written, the day or the month stands second. */
    if (!read_words(&w, 0, &m) && !read_words(&w, 1, &m))
        return MT_ESYNTAX;
    if (!day_exists(&m))
        return MT_ESYNTAX;
    *out_unix = days_since_1970(m.year, m.month, m.day) * 86400 + m.hour * 3600 + m.minute * 60 + m.second - m.zone * 60;
    *zone_s = m.zone * 60;
    return MT_OK;
}

int
date_parse(struct slice text, int64_t *out_unix)
{
    int64_t zone_s;

    return date_parse_zone(text, out_unix, &zone_s);
}
