#ifndef FINDER_SEARCH_H
#define FINDER_SEARCH_H
/*
 * search - looks for tokens in one text, whatever it is: as it stands, and in the views (views.h) of what a reader sees of it
 * and of the links in it.
 *
 *   SEARCH_PLAIN    as it stands alone: pictures, sound
 *   SEARCH_OCTETS   and as a text
 *   SEARCH_TEXT     and each link in it ("https://…") as a link, and encoded-words (RFC 2047) decoded
 *   SEARCH_HTML     as it stands, its text, its attribute values
 *   SEARCH_RTF      as it stands, its text, the HTML within it, its field instructions
 *
 * Time: linear. Memory: at most SEARCH_MEMORY_BYTES, allocated when a text first needs it and kept.
 */

#include "lib/parsed.h"

#define SEARCH_MEMORY_BYTES (24u * 1024)

enum search_kind { SEARCH_PLAIN, SEARCH_OCTETS, SEARCH_TEXT, SEARCH_HTML, SEARCH_RTF };

/* A look-alike stood at places (enum place). */
typedef void search_found_fn(void *arg, const struct token *t, uint32_t places);

struct search;

/* NULL: out of memory. */
struct search *search_new(search_found_fn *found, void *arg);
void           search_free(struct search *s);       /* NULL is fine */

/* A text begins; what is found in it is told with places, in a link with PLACE_LINK besides. */
void search_begin(struct search *s, enum search_kind kind, uint32_t places);
void search_feed(struct search *s, struct slice octets);

/* It ended. False: memory had run out, and it was not searched in all ways. */
bool search_end(struct search *s);

#endif
