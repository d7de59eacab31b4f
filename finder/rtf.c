/* rtf - a state for each place in control words, control symbols and text (RTF specification 1.9.1, "RTF Syntax"). */
#include "finder/rtf.h"

#include "lib/error.h"
#include "lib/transfer.h"

enum state { STATE_TEXT, STATE_BACKSLASH, STATE_WORD, STATE_NUMBER, STATE_HEX, STATE_HEX_SECOND, STATE_BINARY };

enum kind { KIND_TEXT, KIND_HTML, KIND_ASIDE };

enum { NUMBER_MAX = 100000000, REPLACEMENTS_MAX = 255, UNITS = 0x10000 };

/* Octets that matter in text. */
static const bool matters[256] = { ['\\'] = true, ['{'] = true, ['}'] = true, ['\r'] = true, ['\n'] = true, ['\0'] = true };

/* Control words that stand for a character. */
static const struct {
    const char *word;
    char        c;
} characters[] = {
    { "par", '\n' }, { "line", '\n' }, { "sect", '\n' }, { "page", '\n' }, { "column", '\n' }, { "row", '\n' },
    { "nestrow", '\n' }, { "softline", '\n' }, { "lbr", '\n' }, { "tab", '\t' }, { "cell", '\t' }, { "nestcell", '\t' }, { "emspace", ' ' },
    { "enspace", ' ' }, { "qmspace", ' ' },
};

void
rtf_init(struct rtf *r, const struct rtf_events *events, void *arg)
{
    *r = (struct rtf){ .groups = { { .replacements = 1 } } };
    outlet_init(&r->text, events->text, arg);
    outlet_init(&r->html, events->html, arg);
    outlet_init(&r->aside, events->aside, arg);
}

static struct rtf_group *
group_of(struct rtf *r)
{
    return &r->groups[r->depth < RTF_DEPTH_KEPT ? r->depth : RTF_DEPTH_KEPT - 1];
}

/* ---- Text ------------------------------------------------------------------------------------------------------- */

static void
pass(struct rtf *r, struct slice octets)
{
    if (r->kind == KIND_ASIDE) {
        outlet_pass(&r->aside, octets);
        return;
    }
    if (r->kind == KIND_TEXT)
        outlet_pass(&r->text, octets);
    if (r->kind == KIND_HTML || (r->from_html && !group_of(r)->rtf_only))
        outlet_pass(&r->html, octets);
}

/* One character, which may only stand for a \uN. */
static void
put(struct rtf *r, char c)
{
    if (r->skip > 0)
        r->skip--;
    else
        pass(r, slice_make(&c, 1));
}

static void
put_unicode(struct rtf *r)
{
    struct outlet character;
    uint32_t      unit = r->negative && r->number <= UNITS ? UNITS - r->number : r->number;

    outlet_init(&character, NULL, NULL);
    outlet_put_character(&character, unit);
    pass(r, slice_make(character.room, character.len));
    r->skip = group_of(r)->replacements;
}

/* ---- Groups and destinations ------------------------------------------------------------------------------------ */

static void
begin_group(struct rtf *r)
{
    struct rtf_group group = *group_of(r);

    r->skip = 0;
    r->star = false;
    if (r->depth < UINT32_MAX)
        r->depth++;
    *group_of(r) = group;
}

static void
end_group(struct rtf *r)
{
    r->skip = 0;
    r->star = false;
    if (r->depth == 0)
        return;
    if (r->kind != KIND_TEXT && r->depth == r->kind_depth) {
        if (r->kind == KIND_ASIDE)
            outlet_put(&r->aside, ' ');
        r->kind = KIND_TEXT;
    }
    r->depth--;
}

/* What follows in this group is not text. Within such a group it does not matter. */
static void
begin_destination(struct rtf *r, enum kind kind)
{
    if (r->kind != KIND_TEXT || r->depth == 0)
        return;
    r->kind = (uint8_t)kind;
    r->kind_depth = r->depth;
}

/* ---- Control words ---------------------------------------------------------------------------------------------- */

static bool
is_word(const struct rtf *r, const char *word)
{
    return slice_equal(slice_make(r->word, r->word_len), slice_of(word));
}

static void
put_character_word(struct rtf *r)
{
    for (size_t i = 0; i < COUNT(characters); i++) {
        if (is_word(r, characters[i].word)) {
            put(r, characters[i].c);
            return;
        }
    }
}

/* The control word is complete, with its number if it has one. */
static void
end_word(struct rtf *r)
{
    r->state = STATE_TEXT;
    if (r->star) {
        r->star = false;
        r->from_html = r->from_html || is_word(r, "htmltag");
        begin_destination(r, is_word(r, "htmltag") ? KIND_HTML : KIND_ASIDE);
    } else if (is_word(r, "fldinst")) {
        begin_destination(r, KIND_ASIDE);
    } else if (is_word(r, "u") && r->has_number) {
        put_unicode(r);
    } else if (is_word(r, "uc") && r->has_number) {
        group_of(r)->replacements = (uint8_t)(r->number < REPLACEMENTS_MAX ? r->number : REPLACEMENTS_MAX);
    } else if (is_word(r, "bin") && r->number > 0 && !r->negative) {
        r->binary_left = r->number;
        r->state = STATE_BINARY;
    } else if (is_word(r, "htmlrtf")) {
        group_of(r)->rtf_only = !r->has_number || r->number != 0;
    } else if (is_word(r, "fromhtml")) {
        r->from_html = !r->has_number || r->number != 0;
    } else {
        put_character_word(r);
    }
    if (r->negative && !r->has_number)
        put(r, '-');            /* no sign */
}

static inline bool
is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static void
begin_word(struct rtf *r, char c)
{
    r->state = STATE_WORD;
    r->word[0] = c;
    r->word_len = 1;
    r->number = 0;
    r->has_number = false;
    r->negative = false;
}

/* False: c does not belong to the control word, which has ended. */
static bool
word_takes(struct rtf *r, char c)
{
    if (r->state == STATE_WORD && is_letter(c)) {
        if (r->word_len < RTF_WORD_KEPT)
            r->word[r->word_len++] = c;
        return true;
    }
    if (r->state == STATE_WORD && c == '-') {
        r->state = STATE_NUMBER;
        r->negative = true;
        return true;
    }
    if (c >= '0' && c <= '9') {
        r->state = STATE_NUMBER;
        r->has_number = true;
        if (r->number < NUMBER_MAX)
            r->number = r->number * 10 + (uint32_t)(c - '0');
        return true;
    }
    end_word(r);
    return c == ' ';
}

/* Behind a backslash. */
static void
take_symbol(struct rtf *r, char c)
{
    r->state = STATE_TEXT;
    switch (c) {
    case '\'':
        r->state = STATE_HEX;
        break;
    case '*':
        r->star = true;
        break;
    case '~':                   /* no-break space */
        put(r, ' ');
        break;
    case '_':                   /* no-break hyphen */
        put(r, '-');
        break;
    case '\r': case '\n':       /* the same as \par */
        put(r, '\n');
        break;
    case '-':                   /* optional hyphen */
        if (r->skip > 0)
            r->skip--;
        break;
    case '|': case ':':         /* of formulas and indexes */
        break;
    default:
        if (is_letter(c))
            begin_word(r, c);
        else
            put(r, c);
        break;
    }
}

/* Behind \'. False: c does not belong to it. */
static bool
hex_takes(struct rtf *r, char c)
{
    bool second = r->state == STATE_HEX_SECOND;

    r->state = STATE_TEXT;
    if (hex_value(c) < 0) {
        if (second)
            put(r, r->digit);
        return false;
    }
    if (second) {
        put(r, (char)(hex_value(r->digit) << 4 | hex_value(c)));
    } else {
        r->digit = c;
        r->state = STATE_HEX_SECOND;
    }
    return true;
}

/* ---- Feeding ---------------------------------------------------------------------------------------------------- */

static size_t
pass_run(struct rtf *r, const char *p, size_t len)
{
    size_t n = 0;

    while (n < len && !matters[(unsigned char)p[n]])
        n++;
    if (r->skip > 0 && n > 0) {
        n = n < r->skip ? n : r->skip;
        r->skip -= (uint32_t)n;
    } else if (n > 0) {
        pass(r, slice_make(p, n));
    }
    return n;
}

static size_t
pass_binary(struct rtf *r, const char *p, size_t len)
{
    size_t n = len < r->binary_left ? len : r->binary_left;

    outlet_pass(&r->aside, slice_make(p, n));
    r->binary_left -= (uint32_t)n;
    if (r->binary_left == 0) {
        outlet_put(&r->aside, ' ');
        r->state = STATE_TEXT;
    }
    return n;
}

/* An octet that matters in text. */
static void
take_in_text(struct rtf *r, char c)
{
    if (c == '\\')
        r->state = STATE_BACKSLASH;
    else if (c == '{')
        begin_group(r);
    else if (c == '}')
        end_group(r);
}

/* Takes at least one octet, or changes the state. Returns how many it took. */
static size_t
take(struct rtf *r, const char *p, size_t len)
{
    size_t n;

    switch (r->state) {
    case STATE_TEXT:
        if ((n = pass_run(r, p, len)) > 0)
            return n;
        take_in_text(r, *p);
        return 1;
    case STATE_BACKSLASH:
        take_symbol(r, *p);
        return 1;
    case STATE_WORD: case STATE_NUMBER:
        return word_takes(r, *p);
    case STATE_HEX: case STATE_HEX_SECOND:
        return hex_takes(r, *p);
    default:
        return pass_binary(r, p, len);
    }
}

void
rtf_feed(struct rtf *r, struct slice octets)
{
    while (octets.len > 0)
        octets = slice_sub(octets, take(r, octets.data, octets.len), octets.len);
    outlet_flush(&r->text);
    outlet_flush(&r->html);
    outlet_flush(&r->aside);
}

void
rtf_finish(struct rtf *r)
{
    struct rtf_events events = { .text = r->text.out, .html = r->html.out, .aside = r->aside.out };

    if (r->state == STATE_WORD || r->state == STATE_NUMBER)
        end_word(r);
    else if (r->state == STATE_HEX_SECOND)
        put(r, r->digit);
    outlet_flush(&r->text);
    outlet_flush(&r->html);
    outlet_flush(&r->aside);
    rtf_init(r, &events, r->text.arg);
}
