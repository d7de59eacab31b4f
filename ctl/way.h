#ifndef CTL_WAY_H
#define CTL_WAY_H
/* way - a mail's way for people: its hops, the slowest of them, and whose time it was. */

#include <jansson.h>
#include <stdio.h>

/* d: an arrival's or a message's document. The hops oldest first, with the delay at each; nothing where there are none. */
void way_show(FILE *to, const json_t *d);

#endif
