#ifndef FINDER_RTF_H
#define FINDER_RTF_H
/*
 * rtf - takes RTF apart for searching (RTF specification 1.9.1; HTML within RTF: MS-OXRTFEX). Control words and groups are taken
 * out without a trace, \'hh becomes its octet, \uN its character in UTF-8 (with the \ucN characters that stand for it left
 * out), \par, \line and their like a line end, \tab and the spaces with a name a space, \- nothing. It gives
 *
 *   text    the document's text, as an RTF reader shows it;
 *   html    where the document is HTML within RTF (\fromhtml or an \htmltag group): the HTML, to be fed to html; else nothing;
 *   aside   what a reader does not show: contents of groups that begin with \*, field instructions (HYPERLINK "…", so links, that
 *           percent should read), octets of \binN. Each with a space behind it.
 *
 * Text that is in the HTML as it is in the RTF goes to both. Control words are the only thing that is lost.
 *
 * Time: linear, one step an octet. Memory: the struct alone. Groups may nest to any depth: what \uc and \htmlrtf say is restored
 * at the end of a group up to RTF_DEPTH_KEPT, and stays beyond.
 */

#include "finder/outlet.h"

#define RTF_DEPTH_KEPT 64u
#define RTF_WORD_KEPT  16u          /* longer than any control word that is known */

struct rtf_events {
    octets_fn *text;
    octets_fn *html;
    octets_fn *aside;
};

struct rtf {
    uint8_t       state;            /* private, all of it */
    uint8_t       kind;             /* of the destination: text, html, aside */
    bool          from_html;
    bool          star;             /* "\*" was read; the next control word names the destination */
    bool          negative, has_number;
    uint8_t       word_len;
    char          word[RTF_WORD_KEPT];
    uint32_t      number;
    uint32_t      skip;             /* characters to leave out: they stand for a \uN */
    uint32_t      binary_left;
    char          digit;
    uint32_t      depth;
    uint32_t      kind_depth;       /* the depth of the group that is kind */
    struct rtf_group {
        uint8_t replacements;       /* \ucN */
        bool    rtf_only;           /* \htmlrtf */
    } groups[RTF_DEPTH_KEPT];
    struct outlet text;
    struct outlet html;
    struct outlet aside;
};

void rtf_init(struct rtf *r, const struct rtf_events *events, void *arg);
void rtf_feed(struct rtf *r, struct slice octets);

/* The text ended: passes on what was held back. Then it is ready for another. */
void rtf_finish(struct rtf *r);

#endif
