#ifndef CTL_DOCUMENT_H
#define CTL_DOCUMENT_H
/* document - JSON of whatever form laid out for people, where no table says which members there are. Text passes lib/display.h. */

#include <jansson.h>
#include <stdio.h>

/*
 * Member by member, what is within another below it and further to the right; a group without others within it in one line, which goes on below
 * itself where the terminal's width ends. Left out: what is null, empty groups, and what lies deeper than a dozen of them.
 */
void document_show(FILE *to, const json_t *document);

/* A single text as such a line. */
void document_show_text(FILE *to, const json_t *text);

#endif
