#ifndef CHECKER_CHANGE_H
#define CHECKER_CHANGE_H
/*
 * change - what is another than in the run before: the server that took the mail (or those that were looked at), its TLS and certificate, the hosts
 * on the way, the client that delivered to us and its TLS, what the hosts say of the sender's authentication. Pure: a run's document is reduced to
 * its traits, a small object of texts, which is kept and compared with that of the next run.
 */

#include <jansson.h>

/* Of struct outcome.document; what the run did not come to has no member. NULL: out of memory. */
json_t *change_traits(const json_t *document);

/* One sentence for each trait that both have and that differs: an array of texts. NULL: out of memory. */
json_t *change_list(const json_t *before, const json_t *now);

/* before becomes what now says, and keeps what now does not tell. -1: out of memory. */
int change_take(json_t *before, const json_t *now);

#define CHANGE_TEXT_BYTES 400u      /* of one trait; cut */

#endif
