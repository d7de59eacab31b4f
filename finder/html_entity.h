#ifndef FINDER_HTML_ENTITY_H
#define FINDER_HTML_ENTITY_H
/*
 * html_entity - the character references of HTML (WHATWG HTML standard, section 13.5) as a stream: "&#109;", "&#x6D;", and those
 * with a name that matter in a search: ASCII characters, spaces, and what is invisible. All others stand for characters that
 * are in no token, so they stay as they are. Numbers, and the names amp, lt, gt, quot, nbsp and shy (also AMP, LT, GT, QUOT), may
 * go without ";", other names only before an octet that is no letter or digit. "&amp;#109;" was encoded twice, and is "m".
 */

#include "finder/outlet.h"

#define HTML_ENTITY_NAME_CHARS 32u      /* more than any name has that is known */

struct html_entity {
    uint8_t  state;                     /* private, all of it; all zero: not begun */
    uint8_t  name_len;
    char     name[HTML_ENTITY_NAME_CHARS];
    uint32_t value;
};

/* Behind "&". */
void html_entity_begin(struct html_entity *e);

bool html_entity_is_begun(const struct html_entity *e);

/* The next octet. False: it does not belong to the entity, which has ended. What comes of the entity goes to out. */
bool html_entity_takes(struct html_entity *e, char c, struct outlet *out);

/* The text ended: passes on what was held back, if it is begun. */
void html_entity_finish(struct html_entity *e, struct outlet *out);

/* The character that a name (without "&" and ";") stands for, or 0. Case counts. */
uint32_t html_entity_find(struct slice name);

#endif
