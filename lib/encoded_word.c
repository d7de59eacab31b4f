#include "lib/encoded_word.h"

/*
 *          =           ?             ?              B or Q       ?            ?         =
 *   TEXT ----> EQUALS ----> CHARSET ----> ENCODING --------> READY ----> DATA ----> END ----> AFTER
 *
 * AFTER is TEXT behind a word: white space waits there, since it counts only when no other word follows. From EQUALS to READY
 * whatever does not fit gives back what was held, as text. In DATA a Q octet may be under way: HEX, HEX_SECOND.
 */
enum { TEXT, EQUALS, CHARSET, ENCODING, READY, DATA, HEX, HEX_SECOND, END, AFTER };

/* Decoded octets are passed on in runs, not one by one. */
struct run {
    struct encoded_word *e;
    const char          *charset;
    size_t               len;
    char                 octets[256];
};

static void
run_flush(struct run *r)
{
    if (r->len > 0)
        r->e->out(r->e->arg, r->charset, slice_make(r->octets, r->len));
    r->len = 0;
}

static void
run_add(struct run *r, const char *charset, char c)
{
    if (r->charset != charset || r->len == sizeof(r->octets))
        run_flush(r);
    r->charset = charset;
    r->octets[r->len++] = c;
}

void
encoded_word_init(struct encoded_word *e, encoded_word_fn *out, void *arg)
{
    e->out = out;
    e->arg = arg;
    e->state = TEXT;
    e->held_len = 0;
    e->joins = false;
    e->blank = false;
    base64_init(&e->base64);
}

void
encoded_word_init_joining(struct encoded_word *e, encoded_word_fn *out, void *arg)
{
    encoded_word_init(e, out, arg);
    e->joins = true;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
hold(struct encoded_word *e, char c)
{
    e->held[e->held_len++] = c;
}

/* What was held is no encoded-word. */
static void
give_back(struct encoded_word *e, struct run *r)
{
    if (e->blank)
        run_add(r, "", ' ');
    for (size_t i = 0; i < e->held_len; i++)
        run_add(r, "", e->held[i]);
    e->blank = false;
    e->held_len = 0;
    e->state = TEXT;
    base64_init(&e->base64);        /* what follows is not adjacent */
}

static void
begin_word(struct encoded_word *e)
{
    size_t len = 0;

    for (size_t i = 2; e->held[i] != '?' && e->held[i] != '*'; i++)
        e->charset[len++] = e->held[i];
    e->charset[len] = '\0';
    e->held_len = 0;
    e->blank = false;
    if (!e->joins || e->encoding != 'b')
        base64_init(&e->base64);
    e->state = DATA;
}

/* One octet from EQUALS to READY. False: it does not fit, and is still to be taken. */
static bool
take_start(struct encoded_word *e, char c)
{
    bool fits = false;

    switch (e->state) {
    case EQUALS:
        fits = c == '?';
        e->state = CHARSET;
        break;
    case CHARSET:
        fits = c > ' ' && c != '=' && e->held_len < ENCODED_WORD_CHARSET_CHARS + 2;
        if (c == '?')
            e->state = ENCODING;
        break;
    case ENCODING:
        e->encoding = ascii_lower(c);
        fits = e->encoding == 'b' || e->encoding == 'q';
        e->state = READY;
        break;
    case READY:
        fits = c == '?';
        break;
    }
    if (!fits)
        return false;
    hold(e, c);
    if (c == '?' && e->state == READY)
        begin_word(e);
    return true;
}

/* One octet of a word's text. */
static void
take_data(struct encoded_word *e, struct run *r, char c)
{
    char   octets[BASE64_ROOM(1)];
    size_t len;

    if (c == '?') {
        len = e->joins ? 0 : base64_finish(&e->base64, octets);
        for (size_t i = 0; i < len; i++)
            run_add(r, e->charset, octets[i]);
        e->state = END;
    } else if (e->encoding == 'b') {
        len = base64_decode(&e->base64, slice_make(&c, 1), octets);
        for (size_t i = 0; i < len; i++)
            run_add(r, e->charset, octets[i]);
    } else if (c == '=') {
        e->state = HEX;
    } else if (c != '\r' && c != '\n') {
        run_add(r, e->charset, (char)(c == '_' ? ' ' : c));
    }
}

/* One octet behind "=" in Q text. False: it was no hexadecimal digit, and is still to be taken. */
static bool
take_hex(struct encoded_word *e, struct run *r, char c)
{
    if (hex_value(c) < 0) {
        run_add(r, e->charset, '=');
        if (e->state == HEX_SECOND)
            run_add(r, e->charset, e->digit);
        e->state = DATA;
        return false;
    }
    if (e->state == HEX) {
        e->digit = c;
        e->state = HEX_SECOND;
    } else {
        run_add(r, e->charset, (char)(hex_value(e->digit) << 4 | hex_value(c)));
        e->state = DATA;
    }
    return true;
}

/* One octet outside of a word. */
static void
take_text(struct encoded_word *e, struct run *r, char c)
{
    if (c == '=') {
        e->state = EQUALS;
        hold(e, c);
    } else if (e->state == AFTER && is_space(c)) {
        e->blank = true;
    } else {
        give_back(e, r);
        run_add(r, "", c);
    }
}

/* Returns false when c changed the state but is still to be taken. */
static bool
take(struct encoded_word *e, struct run *r, char c)
{
    switch (e->state) {
    case TEXT:
    case AFTER:
        take_text(e, r, c);
        return true;
    case DATA:
        take_data(e, r, c);
        return true;
    case HEX:
    case HEX_SECOND:
        return take_hex(e, r, c);
    case END:
        if (c == '=') {
            run_flush(r);           /* another word may have another charset at the same place */
            e->state = AFTER;
            return true;
        }
        if (e->encoding == 'q')
            run_add(r, e->charset, '?');
        e->state = DATA;
        return false;
    default:
        if (take_start(e, c))
            return true;
        give_back(e, r);
        return false;
    }
}

void
encoded_word_feed(struct encoded_word *e, struct slice text)
{
    struct run  r = { .e = e, .charset = "", .len = 0 };
    const char *at = text.data, *end = at + text.len;

    while (at < end) {
        if (e->state == TEXT) {
            const char *next = memchr(at, '=', (size_t)(end - at));
            size_t      len = (size_t)((next == NULL ? end : next) - at);

            if (len > 0) {
                run_flush(&r);
                e->out(e->arg, "", slice_make(at, len));
                at += len;
                continue;
            }
        }
        if (take(e, &r, *at))
            at++;
    }
    run_flush(&r);
}

void
encoded_word_finish(struct encoded_word *e)
{
    struct run r = { .e = e, .charset = "", .len = 0 };

    if (e->state >= EQUALS && e->state <= READY) {
        give_back(e, &r);
        run_flush(&r);
    }
    if (e->joins)
        encoded_word_init_joining(e, e->out, e->arg);
    else
        encoded_word_init(e, e->out, e->arg);
}
