#ifndef CHECKER_OUTCOME_JSON_H
#define CHECKER_OUTCOME_JSON_H
/* outcome_json - an outcome as JSON: what is sent to the service (POST /v1/results) and written as JSON lines. docs/checker.md lists the members. */

#include "checker/checks.h"
#include "checker/outcome.h"

/* What an outcome does not know of itself. Borrowed. */
struct outcome_about {
    const char     *id;             /* unique; of a late arrival that of its run */
    const char     *check;
    enum check_kind kind;
    unsigned        scenario;       /* 0: null */
    const char     *mailbox;        /* NULL: null */
    json_t         *changes;        /* an array of texts: what differs from the run before; NULL: nothing */
};

/* "round-trip", "smtp", "blacklist". */
const char *check_kind_name(enum check_kind kind);

/* Shares the outcome's document. NULL: out of memory. */
json_t *outcome_json(const struct outcome *o, const struct outcome_about *about);

#endif
