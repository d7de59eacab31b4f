#ifndef CHECKER_SENDER_JSON_H
#define CHECKER_SENDER_JSON_H
/* sender_json - the parts of a dialogue with a server as JSON, the same for a round trip and for a check of a server alone. NULL: out of memory. */

#include "checker/sender.h"

#include <jansson.h>

/* at_us: since the beginning of what is told. code 0 and an empty reply: null. */
json_t *step_json(enum step_kind kind, uint64_t at_us, uint64_t took_us, bool done, unsigned code, struct slice reply);

/* Version, cipher and what the verification came to; null: it was without TLS. */
json_t *tls_json(const struct sender_result *r);

#endif
