#include "ctl/output.h"

#include "lib/display.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_LIMIT = 16 * 1024, GAP = 2, REAL_DIGITS = 15, WIDTH_LEAST = 40 };

json_t *
output_string(struct slice s)
{
    struct buf valid;
    json_t    *string = NULL;

    buf_init(&valid, s.len * 3 + 1);
    display_utf8(&valid, s);
    if (valid.fault == MT_OK)
        string = json_stringn(valid.len > 0 ? valid.data : "", valid.len);
    buf_fini(&valid);
    return string;
}

json_t *
output_time_unix(uint64_t seconds)
{
    char   text[RFC3339_TEXT_BYTES];
    size_t len = seconds == 0 ? 0 : rfc3339_text(seconds, text);

    return len == 0 ? json_null() : json_stringn(text, len);
}

json_t *
output_parsed(const struct buf *json)
{
    return json_loadb(json->data, json->len, JSON_ALLOW_NUL, NULL);
}

void
output_slice(FILE *to, struct slice s)
{
    if (s.len > 0)
        fwrite(s.data, 1, s.len, to);
}

void
output_json(FILE *to, const json_t *document)
{
    json_dumpf(document, to, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(REAL_DIGITS));
    fputc('\n', to);
}

static void
put_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
    double                   value = (double)bytes;
    size_t                   unit = 0;

    if (bytes < 10000) {
        buf_printf(out, "%llu B", (unsigned long long)bytes);
        return;
    }
    for (value /= 1024; value >= 1000 && unit + 1 < COUNT(units); unit++)
        value /= 1024;
    buf_printf(out, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void
put_time(struct buf *out, const char *rfc3339)
{
    uint64_t  us;
    time_t    seconds;
    struct tm tm;
    char      text[40];

    if (rfc3339_parse(slice_of(rfc3339), &us) != MT_OK) {
        buf_append_string(out, "-");
        return;
    }
    seconds = (time_t)(us / 1000000);
    if (localtime_r(&seconds, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
        text[0] = '\0';
    buf_append_string(out, text);
    if (strchr(rfc3339, '.') != NULL)
        buf_printf(out, ".%03d", (int)(us / 1000 % 1000));
}

static void
put_seconds(struct buf *out, double s)
{
    if (s > -1 && s < 1)
        buf_printf(out, "%.1f ms", s * 1000);
    else
        buf_printf(out, "%.3f s", s);
}

static void
put_text(struct buf *out, const json_t *value, size_t max)
{
    if (json_is_string(value) && json_string_length(value) > 0)
        display_text(out, slice_make(json_string_value(value), json_string_length(value)), max);
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        buf_append_string(out, json_is_true(value) ? "yes" : "no");
    else
        buf_append_string(out, "-");
}

static void
put_words(struct buf *out, const json_t *array)
{
    size_t  i;
    json_t *word;

    if (json_array_size(array) == 0)
        buf_append_string(out, "-");
    json_array_foreach (array, i, word) {
        if (i > 0)
            buf_append_string(out, ", ");
        put_text(out, word, OUTPUT_TEXT_MAX);
    }
}

static bool
is_word(const json_t *word, const char *wanted)
{
    return json_is_string(word) && strcmp(json_string_value(word), wanted) == 0;
}

static bool
has_word(const json_t *array, const char *wanted)
{
    size_t  i;
    json_t *word;

    json_array_foreach (array, i, word)
        if (is_word(word, wanted))
            return true;
    return false;
}

/* The places in an attached message are told apart from the recipient, which is never one of these. */
static void
put_places(struct buf *out, const json_t *places)
{
    size_t      i;
    json_t     *place;
    const char *joint = "";

    if (!has_word(places, "attached")) {
        put_words(out, places);
        return;
    }
    if (has_word(places, "recipient"))
        buf_append_string(out, "recipient; ");
    buf_append_string(out, "in the attached message: ");
    if (json_array_size(places) == 1 + (size_t)has_word(places, "recipient"))
        buf_append_string(out, "-");
    json_array_foreach (places, i, place) {
        if (is_word(place, "attached") || is_word(place, "recipient"))
            continue;
        buf_append_string(out, joint);
        put_text(out, place, OUTPUT_TEXT_MAX);
        joint = ", ";
    }
}

void
output_lost_by(json_t *arrival)
{
    const json_t *lost = json_object_get(arrival, "lost");

    if (!is_word(json_object_get(arrival, "kind"), "arrived")) {
        json_object_set_new(arrival, "lost", json_null());
        return;
    }
    if (!has_word(json_object_get(arrival, "found_in"), "attached") || !json_is_array(lost))
        return;
    if (json_array_size(lost) == 0) {
        json_object_set_new(arrival, "lost", json_pack("[s]", "nothing of the attached message"));
    } else {
        json_t *told = json_copy((json_t *)(uintptr_t)lost);

        json_array_append_new(told, json_string("attached"));
        json_object_set_new(arrival, "lost", told);
    }
}

void
output_value(struct buf *out, const json_t *value, enum format format)
{
    bool number = json_is_integer(value);

    if (format == AS_WORDS)
        put_words(out, value);
    else if (format == AS_PLACES)
        put_places(out, value);
    else if (format == AS_ENABLED && json_is_boolean(value))
        buf_append_string(out, json_is_true(value) ? "enabled" : "disabled");
    else if (format == AS_SCOPE && json_is_null(value))
        buf_append_string(out, "all");
    else if (format == AS_BYTES && number)
        put_bytes(out, (uint64_t)json_integer_value(value));
    else if (format == AS_TIME && json_is_string(value))
        put_time(out, json_string_value(value));
    else if (format == AS_SECONDS && json_is_number(value))
        put_seconds(out, json_number_value(value));
    else
        put_text(out, value, format == AS_SHORT ? OUTPUT_SHORT_MAX : format == AS_LONG ? OUTPUT_LONG_MAX : OUTPUT_TEXT_MAX);
}

/* The member at a path of names separated by dots; NULL: there is none. */
static const json_t *
member(const json_t *object, const char *path)
{
    while (object != NULL) {
        size_t len = strcspn(path, ".");
        char   name[64];

        if (!slice_copy(name, sizeof(name), slice_make(path, len)))
            return NULL;
        object = json_object_get(object, name);
        if (path[len] == '\0')
            return object;
        path += len + 1;
    }
    return NULL;
}

/* Characters, each taken as one column wide. */
static size_t
width_of(struct slice s)
{
    size_t width = 0;

    for (size_t i = 0; i < s.len; i++)
        width += (s.data[i] & 0xc0) != 0x80;
    return width;
}

static bool
is_number(enum format format, const json_t *value)
{
    return format == AS_BYTES || format == AS_SECONDS || (format == AS_TEXT && json_is_integer(value));
}

static void
pad(FILE *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fputc(' ', to);
}

/* One cell; the last of a line is not filled up behind. */
static void
put_cell(FILE *to, struct slice text, size_t width, bool right, bool last)
{
    size_t fill = width - width_of(text);

    if (right)
        pad(to, fill);
    output_slice(to, text);
    if (!right && !last)
        pad(to, fill);
    if (last)
        fputc('\n', to);
    else
        pad(to, GAP);
}

/* Numbers stand to the right if the first row has one there. */
static bool
column_is_right(const json_t *rows, const struct column *column)
{
    return is_number(column->format, member(json_array_get(rows, 0), column->path));
}

static size_t
column_width(const json_t *rows, const struct column *column)
{
    size_t     i, width = strlen(column->title);
    json_t    *row;
    struct buf text;

    buf_init(&text, VALUE_LIMIT);
    json_array_foreach (rows, i, row) {
        buf_clear(&text);
        output_value(&text, member(row, column->path), column->format);
        if (width_of(buf_slice(&text)) > width)
            width = width_of(buf_slice(&text));
    }
    buf_fini(&text);
    return width;
}

void
output_list(FILE *to, const json_t *rows, const struct column *columns, size_t count, const char *none_text)
{
    size_t    *widths = calloc(count, sizeof(*widths));
    size_t     i;
    json_t    *row;
    struct buf text;

    if (json_array_size(rows) == 0 || widths == NULL) {
        fprintf(to, "%s\n", widths == NULL ? mt_strerror(MT_ENOMEM) : none_text);
        free(widths);
        return;
    }
    for (size_t c = 0; c < count; c++) {
        widths[c] = column_width(rows, &columns[c]);
        put_cell(to, slice_of(columns[c].title), widths[c], column_is_right(rows, &columns[c]), c + 1 == count);
    }
    buf_init(&text, VALUE_LIMIT);
    json_array_foreach (rows, i, row)
        for (size_t c = 0; c < count; c++) {
            buf_clear(&text);
            output_value(&text, member(row, columns[c].path), columns[c].format);
            put_cell(to, buf_slice(&text), widths[c], column_is_right(rows, &columns[c]), c + 1 == count);
        }
    buf_fini(&text);
    free(widths);
}

static size_t
terminal_width(FILE *to)
{
    struct winsize size;
    int            fd = fileno(to);

    if (fd == -1 || isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return OUTPUT_WIDTH;
    return size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
}

void
output_wrapped(FILE *to, struct slice text, size_t indent)
{
    size_t width = terminal_width(to), column = indent;

    while (text.len > 0) {
        struct slice word = slice_sub(text, 0, slice_find(text, ' '));
        bool         first = column == indent;

        if (!first && column + 1 + width_of(word) > width) {
            fputc('\n', to);
            pad(to, indent);
            column = indent;
        } else if (!first) {
            fputc(' ', to);
            column++;
        }
        output_slice(to, word);
        column += width_of(word);
        text = slice_sub(text, word.len + 1, text.len);
    }
}

void
output_paragraph(FILE *to, const char *text)
{
    output_wrapped(to, slice_of(text), 0);
    fputc('\n', to);
}

static bool
may_be_long(enum format format)
{
    return format == AS_LONG || format == AS_WORDS || format == AS_PLACES;
}

void
output_fields(FILE *to, const json_t *object, const struct column *columns, size_t count)
{
    size_t     width = 0;
    struct buf text;

    for (size_t c = 0; c < count; c++)
        if (strlen(columns[c].title) > width)
            width = strlen(columns[c].title);
    buf_init(&text, VALUE_LIMIT);
    for (size_t c = 0; c < count; c++) {
        const json_t *value = member(object, columns[c].path);

        if (value == NULL || json_is_null(value))
            continue;
        buf_clear(&text);
        output_value(&text, value, columns[c].format);
        fprintf(to, "%-*s  ", (int)width, columns[c].title);
        if (may_be_long(columns[c].format))
            output_wrapped(to, buf_slice(&text), width + GAP);
        else
            output_slice(to, buf_slice(&text));
        fputc('\n', to);
    }
    buf_fini(&text);
}
