#ifndef MEANING_LINK_H
#define MEANING_LINK_H
/*
 * link - finds https links in text and takes them apart exactly. A host is compared as a whole, so that "google.com.evil.example"
 * and "https://google.com@evil.example/" are not taken for google.com. Pure, linear.
 */

#include "lib/slice.h"

struct link {
    struct slice whole;     /* as it stands in the text */
    struct slice host;      /* without a port */
    struct slice path;      /* from the slash on, with its query; may be empty */
};

/* The next link of *rest, which goes behind it. False: there is none. Links with a user part or without a host are left out. */
bool link_next(struct slice *rest, struct link *out);

/* Whether the host is the domain or within it, without case. */
bool link_is_at(const struct link *l, const char *domain);

#endif
