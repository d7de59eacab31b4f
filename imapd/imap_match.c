#include "imapd/imap_match.h"

#include <assert.h>

void
imap_match_init(struct imap_match *m, struct slice needle)
{
    size_t fits = 0;

    assert(needle.len <= IMAP_MATCH_BYTES);
    m->needle = needle;
    m->back[0] = 0;
    for (size_t i = 1; i < needle.len; i++) {
        while (fits > 0 && ascii_lower(needle.data[i]) != ascii_lower(needle.data[fits]))
            fits = m->back[fits - 1];
        fits += ascii_lower(needle.data[i]) == ascii_lower(needle.data[fits]);
        m->back[i] = (uint16_t)fits;
    }
    imap_match_reset(m);
}

void
imap_match_reset(struct imap_match *m)
{
    m->at = 0;
    m->found = m->needle.len == 0;
}

void
imap_match_break(struct imap_match *m)
{
    m->at = 0;
}

void
imap_match_feed(struct imap_match *m, struct slice text)
{
    for (size_t i = 0; i < text.len && !m->found; i++) {
        char c = ascii_lower(text.data[i]);

        while (m->at > 0 && c != ascii_lower(m->needle.data[m->at]))
            m->at = m->back[m->at - 1];
        m->at += c == ascii_lower(m->needle.data[m->at]);
        m->found = m->at == m->needle.len;
    }
}
