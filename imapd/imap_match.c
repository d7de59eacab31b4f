#include "imapd/imap_match.h"

#include "lib/casemap.h"

#include <assert.h>

void
imap_match_init(struct imap_match *m, struct slice needle)
{
    assert(needle.len <= IMAP_MATCH_BYTES);
    m->needle = needle;
    m->ascii = true;
    for (size_t i = 0; i < needle.len; i++)
        m->ascii = m->ascii && (unsigned char)needle.data[i] < 0x80;
    imap_match_reset(m);
}

void
imap_match_reset(struct imap_match *m)
{
    m->len = m->begun_len = 0;
    m->found = m->needle.len == 0;
}

static void
search(struct imap_match *m)
{
    m->found = m->found || (m->len >= m->needle.len && memmem(m->window, m->len, m->needle.data, m->needle.len) != NULL);
}

/* Searches a full window; what may be the begin of the string stays. */
static void
make_room(struct imap_match *m)
{
    size_t keep = m->needle.len - 1 < m->len ? m->needle.len - 1 : m->len;

    search(m);
    memmove(m->window, m->window + m->len - keep, keep);
    m->len = keep;
}

/* Several octets at a time: the compiler makes vectors of it. */
static void
feed_ascii(struct imap_match *m, struct slice text)
{
    while (text.len > 0 && !m->found) {
        size_t room = IMAP_MATCH_WINDOW - m->len, len = text.len < room ? text.len : room;
        char  *to = m->window + m->len;

        for (size_t i = 0; i < len; i++)
            to[i] = (char)(text.data[i] - (text.data[i] >= 'a' && text.data[i] <= 'z' ? 'a' - 'A' : 0));
        m->len += len;
        text = slice_sub(text, len, text.len);
        if (m->len == IMAP_MATCH_WINDOW)
            make_room(m);
    }
}

static size_t
ascii_length(struct slice s)
{
    size_t len = 0;

    while (len < s.len && (unsigned char)s.data[len] < 0x80)
        len++;
    return len;
}

/* How many octets the UTF-8 character has that this octet begins; 1: it begins none. */
static size_t
stated_length(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 0xc2 || u > 0xf4 ? 1 : u < 0xe0 ? 2 : u < 0xf0 ? 3 : 4;
}

/* The character that text begins with. False: it goes on in the next piece. */
static bool
feed_char(struct imap_match *m, struct slice *text, bool last)
{
    if (!last && stated_length(text->data[0]) > text->len)
        return false;
    if (IMAP_MATCH_WINDOW - m->len < CASEMAP_CHAR_BYTES)
        make_room(m);
    m->len += casemap_next(text, m->window + m->len);
    return true;
}

/* What was begun, completed by text or not. */
static void
feed_begun(struct imap_match *m, struct slice *text, bool last)
{
    struct slice begun;

    while (m->begun_len > 0 && m->begun_len < stated_length(m->begun[0]) && text->len > 0) {
        m->begun[m->begun_len++] = text->data[0];
        *text = slice_sub(*text, 1, text->len);
    }
    begun = slice_make(m->begun, m->begun_len);
    if (begun.len > 0 && (last || begun.len >= stated_length(m->begun[0]))) {
        while (begun.len > 0)
            feed_char(m, &begun, true);
        m->begun_len = 0;
    }
}

void
imap_match_feed(struct imap_match *m, struct slice text)
{
    if (m->found)
        return;
    if (m->ascii) {
        feed_ascii(m, text);
        return;
    }
    feed_begun(m, &text, false);
    while (text.len > 0 && !m->found) {
        size_t ascii = ascii_length(text);

        feed_ascii(m, slice_sub(text, 0, ascii));
        text = slice_sub(text, ascii, text.len);
        if (text.len == 0 || feed_char(m, &text, false))
            continue;
        memcpy(m->begun, text.data, text.len);
        m->begun_len = text.len;
        return;
    }
}

bool
imap_match_found(struct imap_match *m)
{
    struct slice nothing = slice_make("", 0);

    if (!m->found) {
        feed_begun(m, &nothing, true);
        search(m);
    }
    return m->found;
}

void
imap_match_break(struct imap_match *m)
{
    imap_match_found(m);
    m->len = 0;
}
