/*
 * search - the sides of a text, each with views of its own: what is read, and its links. HTML within RTF goes on to the html
 * decoder; what that tells, and what the RTF tells itself, comes interleaved, so each is a side.
 */
#include "finder/search.h"

#include "finder/html.h"
#include "finder/rtf.h"
#include "finder/views.h"
#include "lib/encoded_word.h"

#include <assert.h>
#include <stdlib.h>

struct side {
    struct search *search;
    uint32_t       places;
    bool           begun;           /* something was passed to views since the text, or the link, began */
    size_t         held_len;        /* what is shorter than a token is not searched: most attribute values */
    char           held[TOKEN_CHARS];
    struct views  *views;           /* NULL: not needed yet */
};

enum link_state { LINK_NONE, LINK_COLON, LINK_SLASH, LINK_WITHIN };

struct search {
    search_found_fn    *found;
    void               *arg;
    enum search_kind    kind;
    uint32_t            places;
    bool                out_of_memory;
    struct token_scan   plain;
    struct side         text, link;
    struct side         rtf_text, rtf_aside;
    enum link_state     link_state;     /* of a link in plain text */
    bool                words_begun;    /* "=?" came, and all from there on is decoded */
    bool                equals;         /* the last octet was "=" */
    struct encoded_word words;          /* in plain text: the header of a mail that is quoted as it stands */
    struct token_scan   from_words;
    bool                html_begun, rtf_begun;
    struct html        *html;
    struct rtf         *rtf;
};

static void
on_found(void *arg, const struct token *t)
{
    struct search *s = arg;

    s->found(s->arg, t, s->places);
}

/* ---- Sides ------------------------------------------------------------------------------------------------------ */

static void
on_side_found(void *arg, const struct token *t)
{
    struct side *side = arg;

    side->search->found(side->search->arg, t, side->places);
}

static void
side_pass(struct side *side, struct slice text)
{
    if (side->views == NULL) {
        side->views = malloc(sizeof(*side->views));
        if (side->views == NULL) {
            side->search->out_of_memory = true;
            return;
        }
        views_init(side->views, on_side_found, side);
    }
    side->begun = true;
    views_feed(side->views, text);
}

static void
side_feed(struct side *side, struct slice text)
{
    if (!side->begun && text.len < sizeof(side->held) - side->held_len) {
        memcpy(side->held + side->held_len, text.data, text.len);
        side->held_len += text.len;
        return;
    }
    if (side->held_len > 0)
        side_pass(side, slice_make(side->held, side->held_len));
    side->held_len = 0;
    side_pass(side, text);
}

static void
side_finish(struct side *side)
{
    if (side->begun && side->views != NULL)
        views_finish(side->views);
    side->begun = false;
    side->held_len = 0;
}

/* ---- Links in plain text ---------------------------------------------------------------------------------------- */

static bool
ends_link(char c)
{
    return (c >= 0 && c <= ' ') || c == '<' || c == '>' || c == '"';
}

/* Feeds what follows each "://", up to a blank or a bracket. */
static void
feed_links(struct search *s, struct slice text)
{
    while (text.len > 0) {
        size_t len = 0;

        if (s->link_state == LINK_NONE) {
            len = slice_find(text, ':');
            s->link_state = len < text.len ? LINK_COLON : LINK_NONE;
            len++;
        } else if (s->link_state != LINK_WITHIN) {
            if (text.data[0] == '/')
                s->link_state = s->link_state == LINK_COLON ? LINK_SLASH : LINK_WITHIN;
            else
                s->link_state = text.data[0] == ':' ? LINK_COLON : LINK_NONE;
            len = 1;
        } else {
            while (len < text.len && !ends_link(text.data[len]))
                len++;
            side_feed(&s->link, slice_sub(text, 0, len));
            if (len < text.len) {
                side_finish(&s->link);
                s->link_state = LINK_NONE;
            }
        }
        text = slice_sub(text, len, text.len);
    }
}

/* ---- Encoded-words in plain text -------------------------------------------------------------------------------- */

static void
on_word(void *arg, const char *charset, struct slice octets)
{
    struct search *s = arg;

    (void)charset;
    token_scan_feed(&s->from_words, octets);
}

static void
feed_words(struct search *s, struct slice text)
{
    while (!s->words_begun && text.len > 0) {
        if (s->equals && text.data[0] == '?') {
            s->words_begun = true;
            encoded_word_feed(&s->words, slice_of("="));
        } else {
            size_t equals = slice_find(text, '=');

            s->equals = equals < text.len;
            text = slice_sub(text, equals + 1, text.len);
        }
    }
    if (s->words_begun)
        encoded_word_feed(&s->words, text);
}

/* ---- HTML ------------------------------------------------------------------------------------------------------- */

static void
on_html_text(void *arg, struct slice octets)
{
    struct search *s = arg;

    side_feed(&s->text, octets);
}

/* It was searched as it stands, and a reader sees none of it. */
static void
on_html_aside(void *arg, struct slice octets)
{
    (void)arg, (void)octets;
}

static void
on_html_value(void *arg, bool link, struct slice octets)
{
    struct search *s = arg;

    s->link.places = s->places | (link ? PLACE_LINK : 0u);
    side_feed(&s->link, octets);
}

static void
on_html_value_end(void *arg)
{
    struct search *s = arg;

    side_finish(&s->link);
}

static const struct html_events html_events = {
    .text = on_html_text,
    .aside = on_html_aside,
    .value = on_html_value,
    .value_end = on_html_value_end,
};

static void
feed_html(struct search *s, struct slice octets)
{
    if (s->html == NULL) {
        s->html = malloc(sizeof(*s->html));
        if (s->html == NULL) {
            s->out_of_memory = true;
            return;
        }
        html_init(s->html, &html_events, s);
    }
    s->html_begun = true;
    html_feed(s->html, octets);
}

/* ---- RTF -------------------------------------------------------------------------------------------------------- */

static void
on_rtf_text(void *arg, struct slice octets)
{
    struct search *s = arg;

    side_feed(&s->rtf_text, octets);
}

static void
on_rtf_html(void *arg, struct slice octets)
{
    feed_html(arg, octets);
}

static void
on_rtf_aside(void *arg, struct slice octets)
{
    struct search *s = arg;

    side_feed(&s->rtf_aside, octets);
}

static const struct rtf_events rtf_events = { .text = on_rtf_text, .html = on_rtf_html, .aside = on_rtf_aside };

static void
feed_rtf(struct search *s, struct slice octets)
{
    if (s->rtf == NULL) {
        s->rtf = malloc(sizeof(*s->rtf));
        if (s->rtf == NULL) {
            s->out_of_memory = true;
            return;
        }
        rtf_init(s->rtf, &rtf_events, s);
    }
    s->rtf_begun = true;
    rtf_feed(s->rtf, octets);
}

/* ---- As a whole ------------------------------------------------------------------------------------------------- */

struct search *
search_new(search_found_fn *found, void *arg)
{
    struct search *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->found = found;
    s->arg = arg;
    s->text.search = s->link.search = s->rtf_text.search = s->rtf_aside.search = s;
    token_scan_init(&s->plain, on_found, s);
    token_scan_init(&s->from_words, on_found, s);
    encoded_word_init(&s->words, on_word, s);
    return s;
}

void
search_free(struct search *s)
{
    if (s == NULL)
        return;
    free(s->text.views);
    free(s->link.views);
    free(s->rtf_text.views);
    free(s->rtf_aside.views);
    free(s->html);
    free(s->rtf);
    free(s);
}

void
search_begin(struct search *s, enum search_kind kind, uint32_t places)
{
    assert(!s->text.begun && !s->link.begun && !s->html_begun && !s->rtf_begun);
    token_scan_break(&s->plain);
    s->kind = kind;
    s->places = places;
    s->text.places = s->rtf_text.places = places;
    s->link.places = s->rtf_aside.places = places | PLACE_LINK;
    s->link_state = LINK_NONE;
    s->words_begun = s->equals = false;
    token_scan_break(&s->from_words);
    s->out_of_memory = false;
}

void
search_feed(struct search *s, struct slice octets)
{
    token_scan_feed(&s->plain, octets);
    switch (s->kind) {
    case SEARCH_PLAIN:
        break;
    case SEARCH_OCTETS:
        side_feed(&s->text, octets);
        break;
    case SEARCH_TEXT:
        side_feed(&s->text, octets);
        feed_links(s, octets);
        feed_words(s, octets);
        break;
    case SEARCH_HTML:
        feed_html(s, octets);
        break;
    case SEARCH_RTF:
        feed_rtf(s, octets);
        break;
    }
}

bool
search_end(struct search *s)
{
    if (s->rtf_begun)
        rtf_finish(s->rtf);
    if (s->html_begun)
        html_finish(s->html);
    s->rtf_begun = s->html_begun = false;
    if (s->words_begun)
        encoded_word_finish(&s->words);
    side_finish(&s->text);
    side_finish(&s->link);
    side_finish(&s->rtf_text);
    side_finish(&s->rtf_aside);
    return !s->out_of_memory;
}
