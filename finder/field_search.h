#ifndef FINDER_FIELD_SEARCH_H
#define FINDER_FIELD_SEARCH_H
/*
 * field_search - looks for tokens in header fields: as they stand without their folds; with encoded-words (RFC 2047) decoded; in
 * the views (views.h) of that; and in the parameters of MIME fields that are continued or encoded (RFC 2231), joined.
 *
 * Folds are taken out with their white space, so that a token folded in its middle is found: what a fold joins may begin or end
 * in other text, and a token is found whatever stands around it. Linear.
 */

#include "finder/search.h"
#include "lib/header_field.h"

struct field_search;

/* NULL: out of memory. */
struct field_search *field_search_new(search_found_fn *found, void *arg);
void                 field_search_free(struct field_search *s);     /* NULL is fine */

/* A field or a piece of it, in order; what is found in it is told with places. */
void field_search_feed(struct field_search *s, const struct header_field *field, uint32_t places);

#endif
