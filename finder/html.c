/*
 * html - a state for each place in the markup. What stands between two octets that matter in a state goes out as one piece.
 *
 *                     "<" letter, "/"        ">"
 *            TEXT ───────────────▶ TAG… ───────────▶ TEXT, or RAW behind <style>, <script>, <param>, until their end tag
 *              │ "<!", "<?"
 *              ├──▶ MARKUP ──▶ COMMENT until "-->" · DECLARATION until ">"
 *              └──▶ ESCAPE ──▶ DOUBLE until the next ESC or line end: text of two octets a character, in which nothing matters
 *
 * An entity is not a state: it may stand in text and in values, and goes to whichever it is in (finder/html_entity.h).
 */
#include "finder/html.h"

#include "lib/error.h"
#include "lib/token.h"

enum state {
    STATE_TEXT,
    STATE_ESCAPE,           /* behind ESC in text */
    STATE_DOUBLE,           /* behind ESC $ */
    STATE_OPEN,             /* behind "<" */
    STATE_TAG_NAME,
    STATE_GAP,              /* in a tag, before an attribute's name */
    STATE_NAME,
    STATE_NAME_END,         /* before "=", if there is one */
    STATE_EQUALS,           /* behind "=" */
    STATE_VALUE_DOUBLE,     /* in double quotes */
    STATE_VALUE_SINGLE,
    STATE_VALUE_BARE,
    STATE_MARKUP,           /* behind "<!" */
    STATE_COMMENT_DASH,     /* behind "<!-" */
    STATE_COMMENT_START,    /* behind "<!--" */
    STATE_COMMENT,
    STATE_DECLARATION,
    STATE_BRACKET,          /* behind "<![": a conditional comment or a CDATA section */
    STATE_RAW,
};

enum raw { RAW_NONE, RAW_STYLE, RAW_SCRIPT, RAW_PARAM };

enum { ESCAPE = 0x1B };

static const char *const raw_ends[] = { [RAW_STYLE] = "</style", [RAW_SCRIPT] = "</script", [RAW_PARAM] = "</param" };

/* For each octet, the states in which it matters. In states that are not listed every octet does. */
#define IN(state) (1u << (state))
static const uint32_t matters[256] = {
    ['<'] = IN(STATE_TEXT) | IN(STATE_RAW),
    ['&'] = IN(STATE_TEXT) | IN(STATE_VALUE_DOUBLE) | IN(STATE_VALUE_SINGLE) | IN(STATE_VALUE_BARE),
    [ESCAPE] = IN(STATE_TEXT) | IN(STATE_DOUBLE),
    ['\r'] = IN(STATE_DOUBLE) | IN(STATE_VALUE_BARE),
    ['\n'] = IN(STATE_DOUBLE) | IN(STATE_VALUE_BARE),
    ['\t'] = IN(STATE_VALUE_BARE),
    ['\f'] = IN(STATE_VALUE_BARE),
    [' '] = IN(STATE_VALUE_BARE),
    ['"'] = IN(STATE_VALUE_DOUBLE),
    ['\''] = IN(STATE_VALUE_SINGLE),
    ['>'] = IN(STATE_VALUE_BARE) | IN(STATE_COMMENT) | IN(STATE_DECLARATION) | IN(STATE_BRACKET),
    ['-'] = IN(STATE_COMMENT),
    ['!'] = IN(STATE_COMMENT),
    ['['] = IN(STATE_BRACKET),
};
#define WITH_RUNS (IN(STATE_TEXT) | IN(STATE_DOUBLE) | IN(STATE_VALUE_DOUBLE) | IN(STATE_VALUE_SINGLE) | IN(STATE_VALUE_BARE) | \
                   IN(STATE_COMMENT) | IN(STATE_DECLARATION) | IN(STATE_BRACKET) | IN(STATE_RAW))
#define IN_TEXT   (IN(STATE_TEXT) | IN(STATE_ESCAPE) | IN(STATE_DOUBLE))
#define IN_VALUE  (IN(STATE_VALUE_DOUBLE) | IN(STATE_VALUE_SINGLE) | IN(STATE_VALUE_BARE))
#define UNBOUND   (IN(STATE_TEXT) | IN(STATE_ESCAPE))
#define IN_ASIDE  (IN(STATE_COMMENT) | IN(STATE_DECLARATION) | IN(STATE_BRACKET) | IN(STATE_RAW))

/* Attributes that hold links, in HTML and as mail systems add them. */
static const char *const link_names[] = {
    "href", "src", "action", "background", "cite", "content", "data", "data-saferedirecturl", "formaction", "longdesc", "lowsrc",
    "originalsrc", "ping", "poster", "srcset", "xlink:href",
};

static inline bool
is_in(const struct html *h, uint32_t states)
{
    return (IN(h->state) & states) != 0;
}

static inline bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static inline bool
is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static void
pass_value(void *arg, struct slice octets)
{
    const struct html *h = arg;

    h->events->value(h->arg, h->link, octets);
}

void
html_init(struct html *h, const struct html_events *events, void *arg)
{
    *h = (struct html){ .events = events, .arg = arg };
    outlet_init(&h->text, events->text, arg);
    outlet_init(&h->aside, events->aside, arg);
    outlet_init(&h->value, pass_value, h);
}

/* Where the octets of a state with runs go. */
static inline struct outlet *
outlet_of(struct html *h)
{
    return is_in(h, IN_TEXT) ? &h->text : is_in(h, IN_VALUE) ? &h->value : &h->aside;
}

static void
end_value(struct html *h)
{
    outlet_flush(&h->value);
    h->events->value_end(h->arg);
    h->link = false;
    h->left = HTML_UNCLOSED_MAX;
}

/* ---- Tags ------------------------------------------------------------------------------------------------------- */

static void
begin_name(struct html *h, enum state state)
{
    h->state = (uint8_t)state;
    h->name_len = 0;
    h->name_passed = false;
    h->link = false;
}

/* A name that is too long to be known might be text: it goes out as a value. */
static void
take_name(struct html *h, char c)
{
    if (h->name_len < HTML_NAME_KEPT) {
        h->name[h->name_len++] = c;
        return;
    }
    if (!h->name_passed)
        outlet_pass(&h->value, slice_make(h->name, h->name_len));
    h->name_passed = true;
    outlet_put(&h->value, c);
}

static void
end_name(struct html *h)
{
    if (!h->name_passed && h->name_len >= TOKEN_CHARS)
        outlet_pass(&h->value, slice_make(h->name, h->name_len));
    else if (!h->name_passed)
        return;
    end_value(h);
}

static bool
is_name(const struct html *h, const char *name)
{
    return !h->name_passed && slice_equal_nocase(slice_make(h->name, h->name_len), slice_of(name));
}

static void
end_tag_name(struct html *h)
{
    end_name(h);
    h->raw = RAW_NONE;
    if (!h->end_tag)
        h->raw = is_name(h, "style") ? RAW_STYLE : is_name(h, "script") ? RAW_SCRIPT : is_name(h, "param") ? RAW_PARAM : RAW_NONE;
}

static void
end_attribute_name(struct html *h)
{
    end_name(h);
    h->link = false;
    for (size_t i = 0; i < COUNT(link_names) && !h->link; i++)
        h->link = is_name(h, link_names[i]);
}

static void
end_tag(struct html *h)
{
    h->state = h->raw == RAW_NONE ? STATE_TEXT : STATE_RAW;
    h->matched = 0;
    h->left = HTML_UNCLOSED_MAX;
}

static void
begin_value(struct html *h, enum state state)
{
    h->state = (uint8_t)state;
    h->left = HTML_UNCLOSED_MAX;
}

/* "<" or "</" was text. */
static void
end_open(struct html *h)
{
    h->state = STATE_TEXT;
    outlet_pass(&h->text, slice_of(h->end_tag ? "</" : "<"));
}

/* Behind "<". False: it was text, and c is to be taken as such. */
static bool
take_open(struct html *h, char c)
{
    if (is_letter(c)) {
        begin_name(h, STATE_TAG_NAME);
        take_name(h, c);
    } else if (c == '/' && !h->end_tag) {
        h->end_tag = true;
    } else if (c == '!') {
        h->state = STATE_MARKUP;
    } else if (c == '?') {
        h->state = STATE_DECLARATION;
    } else {
        end_open(h);
        return false;
    }
    return true;
}

/* In a tag, outside of values. */
static bool
take_in_tag(struct html *h, char c)
{
    bool in_name = h->state == STATE_TAG_NAME || h->state == STATE_NAME;
    bool ends_name = is_blank(c) || c == '/' || c == '>' || (c == '=' && h->state == STATE_NAME);

    if (in_name && !ends_name) {
        take_name(h, c);
        return true;
    }
    if (h->state == STATE_TAG_NAME)
        end_tag_name(h);
    else if (h->state == STATE_NAME)
        end_attribute_name(h);
    if (c == '>') {
        end_tag(h);
    } else if (in_name) {
        h->state = h->state == STATE_TAG_NAME || c == '/' ? STATE_GAP : c == '=' ? STATE_EQUALS : STATE_NAME_END;
    } else if (h->state == STATE_NAME_END && c == '=') {
        h->state = STATE_EQUALS;
    } else if (!is_blank(c) && c != '/') {
        if (h->raw == RAW_PARAM)        /* of text/enriched it has no attributes; that of HTML does, and no content */
            h->raw = RAW_NONE;
        begin_name(h, STATE_NAME);
        take_name(h, c);
    }
    return true;
}

/* Behind "=". False: c is the first of a value without quotes. */
static bool
take_equals(struct html *h, char c)
{
    if (is_blank(c))
        return true;
    if (c == '>') {
        end_tag(h);
        return true;
    }
    begin_value(h, c == '"' ? STATE_VALUE_DOUBLE : c == '\'' ? STATE_VALUE_SINGLE : STATE_VALUE_BARE);
    return c == '"' || c == '\'';
}

/* An octet that matters in a value. */
static void
take_in_value(struct html *h, char c)
{
    if (c == '&') {
        html_entity_begin(&h->entity);
        return;
    }
    end_value(h);
    h->state = STATE_GAP;
    if (c == '>')
        end_tag(h);
}

/* ---- Comments, declarations, style sheets, scripts -------------------------------------------------------------- */

static void
end_aside(struct html *h)
{
    outlet_put(&h->aside, ' ');
    h->state = STATE_TEXT;
}

/* Behind "<!" and "<!-". False: c is the first of the declaration. */
static bool
take_markup(struct html *h, char c)
{
    bool dash = h->state == STATE_COMMENT_DASH;

    if (c == '-') {
        h->state = dash ? STATE_COMMENT_START : STATE_COMMENT_DASH;
        h->dashes = 2;          /* "<!-->" is a whole comment */
        return true;
    }
    h->state = c == '[' && !dash ? STATE_BRACKET : STATE_DECLARATION;
    return h->state == STATE_BRACKET;
}

/* An octet that matters in a comment: "-", "!", ">". */
static void
take_in_comment(struct html *h, char c)
{
    if (c == '>' && (h->dashes >= 2 || h->conditional)) {
        end_aside(h);
        return;
    }
    outlet_put(&h->aside, c);
    if (c == '-')
        h->dashes++;
    else if (c == '>' || h->dashes < 2)
        h->dashes = 0;
}

/* An octet of a style sheet, script or parameter that may belong to its end tag. */
static void
take_raw(struct html *h, char c)
{
    const char *end = raw_ends[h->raw];

    if (ascii_lower(c) == end[h->matched]) {
        h->matched++;
        if (end[h->matched] != '\0')
            return;
        end_aside(h);
        h->raw = RAW_NONE;
        h->state = STATE_GAP;       /* what else is in an end tag counts as attributes */
        h->left = HTML_UNCLOSED_MAX;
        return;
    }
    outlet_pass(&h->aside, slice_make(end, h->matched));
    h->matched = c == '<';
    if (c != '<')
        outlet_put(&h->aside, c);
}

/* ---- Feeding ---------------------------------------------------------------------------------------------------- */

/* An octet of text that matters: "<", "&", ESC; or any behind ESC. False: it is text after all. */
static bool
take_in_text(struct html *h, char c)
{
    if (h->state == STATE_ESCAPE) {
        h->state = c == '$' ? STATE_DOUBLE : STATE_TEXT;
        h->left = HTML_UNCLOSED_MAX;
        return false;
    }
    if (c == '<') {
        h->state = STATE_OPEN;
        h->end_tag = false;
        h->left = HTML_UNCLOSED_MAX;
    } else if (c == '&') {
        html_entity_begin(&h->entity);
    } else {
        h->state = c == ESCAPE ? STATE_ESCAPE : STATE_TEXT;
        outlet_put(&h->text, c);
    }
    return true;
}

/* False: the state has changed, and c is to be taken in the new one. */
static bool
take_octet(struct html *h, char c)
{
    switch (h->state) {
    case STATE_TEXT: case STATE_ESCAPE: case STATE_DOUBLE:
        return take_in_text(h, c);
    case STATE_OPEN:
        return take_open(h, c);
    case STATE_TAG_NAME: case STATE_GAP: case STATE_NAME: case STATE_NAME_END:
        return take_in_tag(h, c);
    case STATE_EQUALS:
        return take_equals(h, c);
    case STATE_VALUE_DOUBLE: case STATE_VALUE_SINGLE: case STATE_VALUE_BARE:
        take_in_value(h, c);
        return true;
    case STATE_MARKUP: case STATE_COMMENT_DASH:
        return take_markup(h, c);
    case STATE_COMMENT_START:
        h->conditional = c == '[';
        h->state = STATE_COMMENT;
        return false;
    case STATE_COMMENT:
        take_in_comment(h, c);
        return true;
    case STATE_DECLARATION:
        end_aside(h);
        return true;
    case STATE_BRACKET:             /* "<![CDATA[" or "<![endif]>" */
        end_aside(h);
        return true;
    default:
        take_raw(h, c);
        return true;
    }
}

/* The bound is reached: what is open was no markup. */
static void
give_up(struct html *h)
{
    html_entity_finish(&h->entity, outlet_of(h));
    if (h->state == STATE_RAW)
        outlet_pass(&h->aside, slice_make(raw_ends[h->raw], h->matched));
    h->matched = 0;
    if (is_in(h, IN_VALUE))
        end_value(h);
    else if (h->state == STATE_TAG_NAME || h->state == STATE_NAME)
        end_name(h);
    else if (is_in(h, IN_ASIDE))
        end_aside(h);
    h->state = STATE_TEXT;
}

/* Passes on what does not matter in this state, and returns its length. */
static size_t
pass_run(struct html *h, const char *p, size_t len)
{
    uint32_t state = IN(h->state);
    size_t   n = 0;

    if ((state & WITH_RUNS) == 0 || html_entity_is_begun(&h->entity) || h->matched > 0)
        return 0;
    if (!is_in(h, UNBOUND) && len > h->left)
        len = h->left;
    while (n < len && (matters[(unsigned char)p[n]] & state) == 0)
        n++;
    if (n == 0)
        return 0;
    outlet_pass(outlet_of(h), slice_make(p, n));
    if (h->state == STATE_COMMENT)
        h->dashes = 0;
    return n;
}

/* Octets without NUL. */
static void
take_octets(struct html *h, const char *p, const char *end)
{
    while (p < end) {
        size_t n = pass_run(h, p, (size_t)(end - p));
        bool   counts = !is_in(h, UNBOUND);

        if (n == 0) {
            if (html_entity_is_begun(&h->entity))
                n = html_entity_takes(&h->entity, *p, outlet_of(h));
            else
                n = take_octet(h, *p);
        }
        p += n;
        if (!counts)
            continue;
        h->left -= n < h->left ? n : h->left;
        if (h->left == 0 && !is_in(h, UNBOUND))
            give_up(h);
    }
}

void
html_feed(struct html *h, struct slice octets)
{
    const char *p = octets.data, *end;

    if (octets.len == 0)
        return;
    end = p + octets.len;
    while (p < end) {
        const char *nul = memchr(p, '\0', (size_t)(end - p));

        take_octets(h, p, nul == NULL ? end : nul);
        p = nul == NULL ? end : nul + 1;
    }
    outlet_flush(&h->text);
    outlet_flush(&h->aside);
    outlet_flush(&h->value);
}

void
html_finish(struct html *h)
{
    if (h->state == STATE_OPEN)
        end_open(h);
    give_up(h);
    outlet_flush(&h->text);
    outlet_flush(&h->aside);
    html_init(h, h->events, h->arg);
}
