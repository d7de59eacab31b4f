#ifndef FINDER_HTML_H
#define FINDER_HTML_H
/*
 * html - takes HTML apart for searching (tokenization after the WHATWG HTML standard, section 13.2.5, made lenient). It also
 * serves text/enriched (RFC 1896) and text/richtext. It gives
 *
 *   text    what stands between tags, entities decoded to UTF-8, the tags taken out without a trace: what a reader sees in one
 *           piece is in one piece, but for white space and invisible characters (squeeze takes these out). What Outlook's
 *           conditional comments hold, CDATA sections, titles and the like count as text;
 *   aside   comments, style sheets, scripts, declarations, parameters of text/enriched, as they stand, with a space behind each;
 *   value   attribute values, entities decoded, each followed by value_end; link tells whether the attribute's value is a link
 *           (or, as content of meta, may hold one). Also the names of tags and attributes where these are long enough for a token
 *           ("<mt1…@customer.test>" in text that nobody escaped), with link false.
 *
 * An entity whose "&" was itself an entity ("&amp;#109;") is decoded as well. NUL octets are ignored, so UTF-16 needs no
 * conversion. In text, "<" and "&" mean nothing between the escapes of ISO-2022-JP that switch to two octets a character.
 *
 * Nothing is lost: each octet but for the marks and short names of tags and attributes goes to one of the three. What is
 * broken ends: a tag without ">", a quote, comment, declaration, style sheet or script without an end becomes text again
 * HTML_UNCLOSED_MAX octets after its start, or, in a tag, after the start of the attribute's value or the end of the last one.
 *
 * Time: linear, one step an octet. Memory: the struct alone.
 */

#include "finder/html_entity.h"

#define HTML_UNCLOSED_MAX 8192u
#define HTML_NAME_KEPT    64u       /* octets of a tag's or attribute's name that are held back to tell what it is */

struct html_events {
    octets_fn *text;
    octets_fn *aside;
    void     (*value)(void *arg, bool link, struct slice octets);   /* in pieces; an empty value may give none */
    void     (*value_end)(void *arg);
};

struct html {
    const struct html_events *events;   /* private, all of it */
    void         *arg;
    uint8_t       state;
    uint8_t       raw;              /* which element without markup the tag begins */
    bool          end_tag;
    bool          link;
    bool          name_passed;      /* the name is too long to keep, and goes out as it comes */
    bool          conditional;      /* the comment began with "[" */
    uint8_t       matched;          /* octets of what ends a style sheet or script */
    unsigned      dashes;           /* before this octet, in a comment */
    size_t        left;             /* octets until what is open becomes text */
    size_t        name_len;
    char          name[HTML_NAME_KEPT];
    struct html_entity entity;      /* in text or in a value */
    struct outlet text;
    struct outlet aside;
    struct outlet value;
};

/* Borrows events. Keeps a pointer to itself: must not be moved. */
void html_init(struct html *h, const struct html_events *events, void *arg);
void html_feed(struct html *h, struct slice octets);

/* The text ended: passes on what was held back. Then it is ready for another. */
void html_finish(struct html *h);

#endif
