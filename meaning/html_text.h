#ifndef MEANING_HTML_TEXT_H
#define MEANING_HTML_TEXT_H
/*
 * html_text - turns HTML into plain lines as a stream, for reading what a mail says when it says it in HTML only: tags and the
 * content of style and script go, blocks begin a line, an a element's web link stands in angle brackets before its text, the named
 * characters that such mails use and numbered ASCII ones are decoded. Linear, no allocation, state of fixed size.
 */

#include "lib/slice.h"

#define HTML_LINK_CHARS 1024u   /* of one link target; longer ones are left out */
#define HTML_NAME_CHARS 10u     /* of the name of a tag, attribute or character */

/* Some octets of text in the part's charset. */
typedef void html_text_fn(void *arg, struct slice octets);

struct html_text {
    html_text_fn *out;          /* private, from here on */
    void         *arg;
    uint8_t       state;
    bool          skipping;     /* within style or script */
    bool          text_only;    /* see html_text_init_plain */
    bool          in_link;      /* the value is an a element's href */
    char          quote;        /* of the attribute's value; 0: none */
    unsigned      dashes;       /* "--" at the end of a comment */
    size_t        name_len, attribute_len, link_len;
    char          name[HTML_NAME_CHARS + 1];            /* of the tag or the character, with "/" where it closes */
    char          attribute[HTML_NAME_CHARS + 1];
    char          link[HTML_LINK_CHARS];
};

void html_text_init(struct html_text *h, html_text_fn *out, void *arg);

/* The same, but for showing the text: no links, no title, and characters that have a name or a number stay as they are written. */
void html_text_init_plain(struct html_text *h, html_text_fn *out, void *arg);

void html_text_feed(struct html_text *h, struct slice octets);

#endif
