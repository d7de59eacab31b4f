/* html_entity - a state for each place in a reference; names by a binary search, since mail may be full of them. */
#include "finder/html_entity.h"

#include "lib/error.h"
#include "lib/transfer.h"

#include <stdlib.h>

enum state { STATE_NONE, STATE_AND, STATE_NAME, STATE_NUMBER, STATE_DECIMAL, STATE_X, STATE_HEXADECIMAL };

enum { VALUE_MAX = 0x110000 };          /* no character: what is larger comes to this, and to nothing */

struct entity {
    const char *name;
    uint32_t    character;
};

/* In the order of memcmp. ThickSpace is two characters, of which one will do. */
static const struct entity entities[] = {
    { "AMP", '&' }, { "ApplyFunction", 0x2061 }, { "DiacriticalGrave", '`' }, { "GT", '>' }, { "Hat", '^' },
    { "InvisibleComma", 0x2063 }, { "InvisibleTimes", 0x2062 }, { "LT", '<' }, { "MediumSpace", 0x205F },
    { "NegativeMediumSpace", 0x200B }, { "NegativeThickSpace", 0x200B }, { "NegativeThinSpace", 0x200B },
    { "NegativeVeryThinSpace", 0x200B }, { "NewLine", '\n' }, { "NoBreak", 0x2060 }, { "NonBreakingSpace", 0xA0 },
    { "QUOT", '"' }, { "Tab", '\t' }, { "ThickSpace", 0x205F }, { "ThinSpace", 0x2009 }, { "UnderBar", '_' },
    { "VerticalLine", '|' }, { "VeryThinSpace", 0x200A }, { "ZeroWidthSpace", 0x200B },
    { "af", 0x2061 }, { "amp", '&' }, { "apos", '\'' }, { "ast", '*' }, { "bsol", '\\' }, { "colon", ':' }, { "comma", ',' },
    { "commat", '@' }, { "dash", 0x2010 }, { "dollar", '$' }, { "emsp", 0x2003 }, { "emsp13", 0x2004 }, { "emsp14", 0x2005 },
    { "ensp", 0x2002 }, { "equals", '=' }, { "excl", '!' }, { "grave", '`' }, { "gt", '>' }, { "hairsp", 0x200A },
    { "hyphen", 0x2010 }, { "ic", 0x2063 }, { "it", 0x2062 }, { "lbrace", '{' }, { "lbrack", '[' }, { "lcub", '{' },
    { "lowbar", '_' }, { "lpar", '(' }, { "lrm", 0x200E }, { "lsqb", '[' }, { "lt", '<' }, { "midast", '*' }, { "nbsp", 0xA0 },
    { "num", '#' }, { "numsp", 0x2007 }, { "percnt", '%' }, { "period", '.' }, { "plus", '+' }, { "puncsp", 0x2008 },
    { "quest", '?' }, { "quot", '"' }, { "rbrace", '}' }, { "rbrack", ']' }, { "rcub", '}' }, { "rlm", 0x200F }, { "rpar", ')' },
    { "rsqb", ']' }, { "semi", ';' }, { "shy", 0xAD }, { "sol", '/' }, { "thinsp", 0x2009 }, { "verbar", '|' }, { "vert", '|' },
    { "zwj", 0x200D }, { "zwnj", 0x200C },
};

static const char *const without_semicolon[] = { "amp", "lt", "gt", "quot", "nbsp", "shy", "AMP", "LT", "GT", "QUOT" };

static int
compare(const void *key, const void *member)
{
    const struct slice  *name = key;
    const struct entity *e = member;
    size_t               len = strlen(e->name);
    int                  order = memcmp(name->data, e->name, name->len < len ? name->len : len);

    return order != 0 ? order : (name->len > len) - (name->len < len);
}

uint32_t
html_entity_find(struct slice name)
{
    const struct entity *found;

    if (name.len == 0)
        return 0;
    found = bsearch(&name, entities, COUNT(entities), sizeof(entities[0]), compare);
    return found == NULL ? 0 : found->character;
}

/* The same for the name at the start of text, of those that may go without ";"; and its length. */
static uint32_t
find_prefix(struct slice text, size_t *len)
{
    for (size_t i = 0; i < COUNT(without_semicolon); i++) {
        if (slice_starts(text, without_semicolon[i])) {
            *len = strlen(without_semicolon[i]);
            return html_entity_find(slice_of(without_semicolon[i]));
        }
    }
    return 0;
}

/* ---- As a stream ------------------------------------------------------------------------------------------------ */

static inline bool
is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static inline bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void
html_entity_begin(struct html_entity *e)
{
    e->state = STATE_AND;
    e->name_len = 0;
    e->value = 0;
}

bool
html_entity_is_begun(const struct html_entity *e)
{
    return e->state != STATE_NONE;
}

static void
end_as_text(struct html_entity *e, struct slice text, struct outlet *out)
{
    e->state = STATE_NONE;
    outlet_put(out, '&');
    outlet_pass(out, text);
}

/* A name without ";" behind it. */
static void
end_name(struct html_entity *e, struct outlet *out)
{
    struct slice name = slice_make(e->name, e->name_len);
    uint32_t     character = html_entity_find(name);
    size_t       len = name.len;

    if (character == 0)
        character = find_prefix(name, &len);
    if (character == 0) {
        end_as_text(e, name, out);
        return;
    }
    e->state = STATE_NONE;
    outlet_put_character(out, character);
    outlet_pass(out, slice_sub(name, len, name.len));
}

void
html_entity_finish(struct html_entity *e, struct outlet *out)
{
    switch (e->state) {
    case STATE_AND:
        end_as_text(e, slice_of(NULL), out);
        break;
    case STATE_NUMBER:
        end_as_text(e, slice_of("#"), out);
        break;
    case STATE_X:
        end_as_text(e, slice_make(e->name, 2), out);
        break;
    case STATE_DECIMAL: case STATE_HEXADECIMAL:
        e->state = STATE_NONE;
        outlet_put_character(out, e->value);
        break;
    case STATE_NAME:
        end_name(e, out);
        break;
    default:
        break;
    }
}

/* ";". Where the entity was "&", another may begin with that. False: there was no entity. */
static bool
close_entity(struct html_entity *e, struct outlet *out)
{
    uint32_t character = e->value;

    if (e->state == STATE_NAME)
        character = html_entity_find(slice_make(e->name, e->name_len));
    else if (e->state != STATE_DECIMAL && e->state != STATE_HEXADECIMAL)
        return false;
    if (e->state == STATE_NAME && character == 0)
        return false;
    if (character == '&') {
        html_entity_begin(e);
        return true;
    }
    e->state = STATE_NONE;
    outlet_put_character(out, character);
    return true;
}

static bool
name_takes(struct html_entity *e, char c)
{
    if ((!is_letter(c) && !is_digit(c)) || e->name_len == HTML_ENTITY_NAME_CHARS)
        return false;
    e->name[e->name_len++] = c;
    return true;
}

static void
add_digit(struct html_entity *e, uint32_t base, int digit)
{
    e->value = e->value * base + (uint32_t)digit;
    if (e->value > VALUE_MAX)
        e->value = VALUE_MAX;
}

static bool
number_takes(struct html_entity *e, char c)
{
    if (e->state == STATE_NUMBER && ascii_lower(c) == 'x') {
        e->name[0] = '#';
        e->name[1] = c;
        e->state = STATE_X;
        return true;
    }
    if ((e->state == STATE_NUMBER || e->state == STATE_DECIMAL) && is_digit(c)) {
        e->state = STATE_DECIMAL;
        add_digit(e, 10, c - '0');
        return true;
    }
    if ((e->state == STATE_X || e->state == STATE_HEXADECIMAL) && hex_value(c) >= 0) {
        e->state = STATE_HEXADECIMAL;
        add_digit(e, 16, hex_value(c));
        return true;
    }
    return false;
}

bool
html_entity_takes(struct html_entity *e, char c, struct outlet *out)
{
    if (e->state == STATE_AND && (c == '#' || is_letter(c))) {
        e->state = c == '#' ? STATE_NUMBER : STATE_NAME;
        return c == '#' || name_takes(e, c);
    }
    if (e->state == STATE_NAME ? name_takes(e, c) : number_takes(e, c))
        return true;
    if (c == ';' && close_entity(e, out))
        return true;
    html_entity_finish(e, out);
    return false;
}
