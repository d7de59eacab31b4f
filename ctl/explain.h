#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H
/* explain - the words for a person of `message explain`: what was found where, what was lost, the kind and why, the way. */

#include "ctl/ctl.h"

/* document: members message and tokens (what is known of each of the message's, in its order; null: nothing). */
void explain_show(const struct ctl *ctl, const json_t *document);

#endif
