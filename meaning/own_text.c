#include "meaning/own_text.h"

#include "meaning/meaning.h"

enum { TEXT_KEPT_BYTES = 4096 };

/* Lines are told apart here, since utf8_text drops line ends. */
static void
add_lines(void *arg, struct slice octets)
{
    struct own_text *t = arg;

    while (octets.len > 0 && !t->text.full) {
        size_t len = slice_find(octets, '\n');

        utf8_text_feed(&t->text, t->charset, slice_sub(octets, 0, len));
        if (len < octets.len) {
            utf8_text_finish(&t->text);
            /* At the limit, the next character finds no room either. */
            (void)buf_append_byte(t->text.to, '\n');
        }
        octets = slice_sub(octets, len + 1, octets.len);
    }
}

void
own_text_init(struct own_text *t)
{
    *t = (struct own_text){ .charset = CHARSET_UTF8 };
    buf_init(&t->plain, MEANING_TEXT_BYTES);
    buf_init(&t->html, MEANING_TEXT_BYTES);
    utf8_text_init(&t->text, &t->plain);
    html_text_init(&t->tags, add_lines, t);
}

void
own_text_fini(struct own_text *t)
{
    buf_fini(&t->plain);
    buf_fini(&t->html);
}

static void
clear(struct buf *b)
{
    buf_clear(b);
    if (b->cap > TEXT_KEPT_BYTES)
        buf_fini(b);
}

void
own_text_clear(struct own_text *t)
{
    clear(&t->plain);
    clear(&t->html);
}

void
own_text_begin(struct own_text *t, bool is_html, const char *charset)
{
    utf8_text_init(&t->text, is_html ? &t->html : &t->plain);
    html_text_init(&t->tags, add_lines, t);
    t->charset = utf8_charset_of(charset);
}

void
own_text_feed(struct own_text *t, bool is_html, struct slice octets)
{
    if (t->text.full)
        return;
    if (is_html)
        html_text_feed(&t->tags, octets);
    else
        add_lines(t, octets);
}

void
own_text_end(struct own_text *t)
{
    if (t->text.full)
        return;
    utf8_text_finish(&t->text);
    (void)buf_append_byte(t->text.to, '\n');
}

struct slice
own_text_said(const struct own_text *t)
{
    struct slice plain = slice_trim(buf_slice(&t->plain));

    return plain.len > 0 ? plain : slice_trim(buf_slice(&t->html));
}
