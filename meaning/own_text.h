#ifndef MEANING_OWN_TEXT_H
#define MEANING_OWN_TEXT_H
/*
 * own_text - the beginning of what a mail says itself: its text parts (not attachments, nothing of attached messages), one
 * behind the other, as UTF-8 lines ending in LF. Plain text and HTML are kept apart, MEANING_TEXT_BYTES of each at most.
 */

#include "lib/utf8.h"
#include "meaning/html_text.h"

struct own_text {
    struct buf        plain, html;      /* what was read; html: without its tags (html_text.h) */
    struct html_text  tags;             /* private, from here on */
    struct utf8_text  text;
    enum utf8_charset charset;
};

void own_text_init(struct own_text *t);
void own_text_fini(struct own_text *t);
void own_text_clear(struct own_text *t);

/* A text part begins, ends; charset as its Content-Type names it. */
void own_text_begin(struct own_text *t, bool is_html, const char *charset);
void own_text_feed(struct own_text *t, bool is_html, struct slice octets);
void own_text_end(struct own_text *t);

/* The plain text, or the HTML where there is no plain text. Borrows. */
struct slice own_text_said(const struct own_text *t);

#endif
