#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H
/*
 * output - how mailtestctl shows what it learned. A command builds one JSON document; with --json it is printed as it is,
 * otherwise its members are laid out for people by a table of columns. Text that came by mail passes lib/display.h.
 */

#include "lib/slice.h"

#include <jansson.h>
#include <stdio.h>

enum format {
    AS_TEXT,        /* a string, or a number as digits; null: "-" */
    AS_SHORT,       /* as AS_TEXT, cut to OUTPUT_SHORT_MAX characters */
    AS_LONG,        /* as AS_TEXT, cut to OUTPUT_LONG_MAX characters */
    AS_WORDS,       /* an array of strings, separated by ", " */
    AS_PLACES,      /* where a token stood (found_in, lost): as AS_WORDS, those within an attached message told as such */
    AS_BYTES,       /* octets: "1834", "1.2 MiB" */
    AS_TIME,        /* RFC 3339 text, shown in local time, with milliseconds where it has decimals */
    AS_SECONDS,     /* a time span in seconds: "3.2 ms", "1.834 s" */
    AS_ENABLED,     /* a boolean: "enabled", "disabled" */
    AS_SCOPE,       /* a name; null: "all" */
    AS_YES,         /* a boolean: "yes", "no" */
};

struct column {
    const char *title;
    const char *path;       /* member of the row; "a.b" the member b of its member a */
    enum format format;
};

/* The rows (an array of objects) under their titles, numbers to the right. Without rows: none_text. */
void output_list(FILE *to, const json_t *rows, const struct column *columns, size_t count, const char *none_text);

/*
 * One object: a line for each column, "title   value"; those that are absent or null are left out. What may be long (AS_LONG,
 * AS_WORDS, AS_PLACES) goes on below itself where the terminal's width ends.
 */
void output_fields(FILE *to, const json_t *object, const struct column *columns, size_t count);

/*
 * A text in lines of at most the width of the terminal, OUTPUT_WIDTH where there is none: broken at blanks, a longer word left whole.
 * indent: blanks before each line but the first, whose first indent columns are written already.
 */
void output_wrapped(FILE *to, struct slice text, size_t indent);

/* The same with a line end behind it, from the beginning of a line. */
void output_paragraph(FILE *to, const char *text);

/*
 * Has member lost of an arrival (with found_in, kind) say what its places are those of, where found_in tells of an attached message;
 * null where the mail did not arrive, of which nothing is said to be lost.
 */
void output_lost_by(json_t *arrival);

/* The document in one line. */
void output_json(FILE *to, const json_t *document);

/* What lib/answer wrote, as a document; NULL: out of memory. */
struct buf;
json_t *output_parsed(const struct buf *json);

/* Octets as they are. */
void output_slice(FILE *to, struct slice s);

/* A JSON string of bytes that may be anything (not UTF-8 is replaced). */
json_t *output_string(struct slice s);

/* A time as RFC 3339 text in UTC, of seconds since 1970; 0 gives null. */
json_t *output_time_unix(uint64_t seconds);

/* One value by its format into a buffer. */
void output_value(struct buf *out, const json_t *value, enum format format);

/* Characters of a text that are shown to people. */
#define OUTPUT_TEXT_MAX  200u
#define OUTPUT_SHORT_MAX 40u
#define OUTPUT_LONG_MAX  2000u

#define OUTPUT_WIDTH 80u        /* columns */

#endif
