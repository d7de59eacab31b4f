#include "finder/field_search.h"

#include "finder/views.h"
#include "lib/content_type.h"
#include "lib/encoded_word.h"

#include <stdlib.h>

struct field_search {
    search_found_fn    *found;
    void               *arg;
    uint32_t            places;         /* of the field that is searched now */
    bool                in_fold;        /* the field's last octets were a line end, or white space behind one */
    struct token_scan   unfolded;
    struct token_scan   decoded;        /* encoded-words */
    struct token_scan   joined_words;   /* the same, base64 cut without regard to its groups */
    struct token_scan   joined;         /* parameters */
    struct encoded_word words, joining;
    struct views        views;
};

static void
on_found(void *arg, const struct token *t)
{
    struct field_search *s = arg;

    s->found(s->arg, t, s->places);
}

static void
on_decoded(void *arg, const char *charset, struct slice octets)
{
    struct field_search *s = arg;

    (void)charset;
    token_scan_feed(&s->decoded, octets);
    views_feed(&s->views, octets);
}

static void
on_joined_word(void *arg, const char *charset, struct slice octets)
{
    struct field_search *s = arg;

    (void)charset;
    token_scan_feed(&s->joined_words, octets);
}

struct field_search *
field_search_new(search_found_fn *found, void *arg)
{
    struct field_search *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->found = found;
    s->arg = arg;
    token_scan_init(&s->unfolded, on_found, s);
    token_scan_init(&s->decoded, on_found, s);
    token_scan_init(&s->joined, on_found, s);
    token_scan_init(&s->joined_words, on_found, s);
    encoded_word_init(&s->words, on_decoded, s);
    encoded_word_init_joining(&s->joining, on_joined_word, s);
    views_init(&s->views, on_found, s);
    return s;
}

void
field_search_free(struct field_search *s)
{
    free(s);
}

/* Searches a field's octets without its folds. */
static void
scan_unfolded(struct field_search *s, struct slice text)
{
    while (text.len > 0) {
        size_t       len = 0;
        struct slice line;

        while (s->in_fold && len < text.len && (text.data[len] == ' ' || text.data[len] == '\t'))
            len++;
        text = slice_sub(text, len, text.len);
        s->in_fold = s->in_fold && text.len == 0;
        len = slice_find(text, '\n');
        line = slice_sub(text, 0, len);
        if (len < text.len) {
            s->in_fold = true;
            if (line.len > 0 && line.data[line.len - 1] == '\r')
                line.len--;
        }
        token_scan_feed(&s->unfolded, line);
        text = slice_sub(text, len + 1, text.len);
    }
}

static void
on_joined(void *arg, bool begins, struct slice octets)
{
    struct field_search *s = arg;

    if (begins) {
        token_scan_break(&s->joined);
        views_finish(&s->views);
    }
    token_scan_feed(&s->joined, octets);
    views_feed(&s->views, octets);
}

/* Whether "; name=" begins here: then another parameter does, and no word of the one before goes on. */
static bool
begins_parameter(struct slice text)
{
    size_t at = 1;

    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t' || text.data[at] == '\r' || text.data[at] == '\n'))
        at++;
    for (size_t begin = at; at < text.len; at++) {
        char c = text.data[at];

        if (c == '=')
            return at > begin;
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_' || c == '.' || c == '*'))
            return false;
    }
    return false;
}

/*
 * The value of a field with parameters in all views, each parameter by itself: squeezed together, a continued one ("name*0=…; name*1=…")
 * would give look-alikes with its own name within. What is continued is searched as it is put together.
 */
static void
view_parameters(struct field_search *s, struct slice value)
{
    while (value.len > 0) {
        size_t len = 1;

        while (len < value.len && !(value.data[len] == ';' && begins_parameter(slice_sub(value, len, value.len))))
            len++;
        if (len >= TOKEN_CHARS) {               /* no decoding makes it longer */
            views_feed(&s->views, slice_sub(value, 0, len));
            views_finish(&s->views);
        }
        value = slice_sub(value, len, value.len);
    }
}

void
field_search_feed(struct field_search *s, const struct header_field *field, uint32_t places)
{
    bool is_whole = field->first && field->last, has_parameters = is_whole && slice_starts_nocase(field->name, "Content-");

    if (is_whole && field->value.len < TOKEN_CHARS)
        return;                     /* no decoding makes it longer */
    s->places = places;
    if (field->first) {
        token_scan_break(&s->unfolded);
        token_scan_break(&s->decoded);
        token_scan_break(&s->joined_words);
        s->in_fold = false;
    }
    scan_unfolded(s, field->value);
    /* A piece may end within the mark of an encoded-word, so a field in pieces is decoded in any case. */
    if (!is_whole || memmem(field->value.data, field->value.len, "=?", 2) != NULL) {
        encoded_word_feed(&s->words, field->value);
        encoded_word_feed(&s->joining, field->value);
        if (field->last) {
            encoded_word_finish(&s->words);
            encoded_word_finish(&s->joining);
        }
    } else if (has_parameters) {
        view_parameters(s, field->value);
    } else {
        views_feed(&s->views, field->value);
    }
    if (field->last)
        views_finish(&s->views);
    if (has_parameters) {
        content_type_joined(field->value, on_joined, s);
        views_finish(&s->views);
    }
}
