#include "meaning/html_text.h"

#include "lib/error.h"

#include <stdlib.h>

/*
 * TEXT -'<'-> NAME -' '-> ATTRIBUTES -letter-> ATTRIBUTE -'='-> VALUE_BEGIN -> VALUE -> ATTRIBUTES; '>' leads back to TEXT from
 * each, but from a quoted value. TEXT -'&'-> CHARACTER -> TEXT. NAME "!--" -> COMMENT, which "-->" ends.
 */
enum state { TEXT, CHARACTER, NAME, ATTRIBUTES, ATTRIBUTE, VALUE_BEGIN, VALUE, COMMENT };

void
html_text_init(struct html_text *h, html_text_fn *out, void *arg)
{
    *h = (struct html_text){ .out = out, .arg = arg, .state = TEXT };
}

void
html_text_init_plain(struct html_text *h, html_text_fn *out, void *arg)
{
    html_text_init(h, out, arg);
    h->text_only = true;
}

static void
tell(struct html_text *h, struct slice octets)
{
    if (!h->skipping && octets.len > 0)
        h->out(h->arg, octets);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The character that h->name names, or nothing: then what stood there is passed as it is. */
static struct slice
named_character(const char *name, char one[1])
{
    static const struct {
        const char *name, *text;
    } characters[] = {
        { "amp", "&" }, { "lt", "<" }, { "gt", ">" }, { "quot", "\"" }, { "apos", "'" }, { "nbsp", " " }, { "shy", "" },
    };
    unsigned long code;

    for (size_t i = 0; i < COUNT(characters); i++)
        if (strcmp(name, characters[i].name) == 0)
            return slice_of(characters[i].text);
    if (name[0] != '#')
        return slice_make(NULL, 0);
    code = name[1] == 'x' ? strtoul(&name[2], NULL, 16) : strtoul(&name[1], NULL, 10);
    one[0] = code >= ' ' && code < 127 ? (char)code : '?';
    return slice_make(one, 1);
}

/* Link targets write "&" as a named character, too. */
static size_t
decode_link(char *link, size_t len)
{
    size_t to = 0;

    for (size_t at = 0; at < len; at++) {
        struct slice rest = slice_make(link + at, len - at);

        link[to++] = link[at];
        if (slice_starts_nocase(rest, "&amp;"))
            at += strlen("&amp;") - 1;
    }
    return to;
}

static void
end_tag(struct html_text *h)
{
    static const char *const blocks[] = { "br", "p", "/p", "div", "/div", "tr", "/tr", "li", "h1", "h2", "h3", "/h1", "/h2", "/h3",
                                          "table", "/table", "hr", "td", "pre", "/pre" };
    bool title = h->text_only && (strcmp(h->name, "title") == 0 || strcmp(h->name, "/title") == 0);

    if (title || strcmp(h->name, "style") == 0 || strcmp(h->name, "script") == 0)
        h->skipping = h->name[0] != '/';
    else if (strcmp(h->name, "/style") == 0 || strcmp(h->name, "/script") == 0)
        h->skipping = false;
    for (size_t i = 0; i < COUNT(blocks); i++)
        if (strcmp(h->name, blocks[i]) == 0)
            tell(h, slice_of("\n"));
    if (!h->text_only && h->link_len < HTML_LINK_CHARS && slice_starts_nocase(slice_make(h->link, h->link_len), "http")) {
        tell(h, slice_of(" <"));
        tell(h, slice_make(h->link, decode_link(h->link, h->link_len)));
        tell(h, slice_of("> "));
    }
    h->link_len = 0;
    h->state = TEXT;
}

static void
add_name(char *name, size_t *len, char c)
{
    if (*len < HTML_NAME_CHARS)
        name[(*len)++] = ascii_lower(c);
    name[*len] = '\0';
}

/* Passes a run of text; returns its length. */
static size_t
feed_text(struct html_text *h, struct slice s)
{
    size_t len = 0;

    while (len < s.len && s.data[len] != '<' && (s.data[len] != '&' || h->text_only))
        len++;
    tell(h, slice_sub(s, 0, len));
    if (len == s.len)
        return len;
    h->state = s.data[len] == '<' ? NAME : CHARACTER;
    h->name_len = 0;
    h->name[0] = '\0';
    return len + 1;
}

/* Returns whether c was taken. */
static bool
feed_character(struct html_text *h, char c)
{
    bool         ends = c == ';' || c == '<' || c == '&' || is_blank(c) || h->name_len == HTML_NAME_CHARS;
    char         one[1];
    struct slice text;

    if (!ends) {
        add_name(h->name, &h->name_len, c);
        return true;
    }
    h->state = TEXT;
    text = named_character(h->name, one);
    if (text.data == NULL) {
        tell(h, slice_of("&"));
        tell(h, slice_of(h->name));
        return false;
    }
    tell(h, text);
    return c == ';';
}

static void
feed_name(struct html_text *h, char c)
{
    if (c == '>')
        end_tag(h);
    else if (is_blank(c))
        h->state = ATTRIBUTES;
    else if (c == '<')
        h->name_len = 0;            /* what stood before it was no tag, as within a script */
    else
        add_name(h->name, &h->name_len, c);
    if (h->state == NAME && strcmp(h->name, "!--") == 0) {
        h->state = COMMENT;
        h->dashes = 0;
    }
}

static void
feed_attribute(struct html_text *h, char c)
{
    if (c == '>') {
        end_tag(h);
    } else if (c == '=' && h->state == ATTRIBUTE) {
        h->state = VALUE_BEGIN;
        h->in_link = strcmp(h->name, "a") == 0 && strcmp(h->attribute, "href") == 0;
    } else if (!is_blank(c)) {
        if (h->state == ATTRIBUTES)
            h->attribute_len = 0;
        h->state = ATTRIBUTE;
        add_name(h->attribute, &h->attribute_len, c);
    }
}

static void
feed_value(struct html_text *h, char c)
{
    if (h->state == VALUE_BEGIN && is_blank(c))
        return;
    if (h->state == VALUE_BEGIN) {
        h->state = VALUE;
        h->quote = c == '"' || c == '\'' ? c : '\0';
        if (h->quote != '\0')
            return;
    }
    if (h->quote == '\0' && c == '>') {
        end_tag(h);
    } else if (h->quote == '\0' ? is_blank(c) : c == h->quote) {
        h->state = ATTRIBUTES;
    } else if (h->in_link && !is_blank(c) && h->link_len < HTML_LINK_CHARS) {
        h->link[h->link_len++] = c;
    }
}

static void
feed_comment(struct html_text *h, char c)
{
    if (c == '>' && h->dashes >= 2)
        h->state = TEXT;
    h->dashes = c == '-' ? h->dashes + 1 : 0;
}

void
html_text_feed(struct html_text *h, struct slice octets)
{
    for (size_t at = 0; at < octets.len;) {
        char c = octets.data[at];

        switch ((enum state)h->state) {
        case TEXT:
            at += feed_text(h, slice_sub(octets, at, octets.len));
            break;
        case CHARACTER:
            at += feed_character(h, c) ? 1 : 0;
            break;
        case NAME:
            feed_name(h, c);
            at++;
            break;
        case ATTRIBUTES:
        case ATTRIBUTE:
            feed_attribute(h, c);
            at++;
            break;
        case VALUE_BEGIN:
        case VALUE:
            feed_value(h, c);
            at++;
            break;
        case COMMENT:
            feed_comment(h, c);
            at++;
            break;
        }
    }
}
