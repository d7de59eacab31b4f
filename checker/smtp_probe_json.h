#ifndef CHECKER_SMTP_PROBE_JSON_H
#define CHECKER_SMTP_PROBE_JSON_H
/* smtp_probe_json - what a probe by SMTP found, as JSON. docs/checker.md lists the members. */

#include "checker/checks.h"
#include "checker/outcome.h"
#include "checker/sender.h"
#include "lib/resolver.h"

/* One address and its dialogue. NULL: out of memory. */
json_t *smtp_probe_host(const struct outcome *found, const struct target *target, const struct sender_result *result);

/*
 * All of it; hosts is an array of the above, of which "steps", "tls" and "certificate" of the decisive one are told at the top, too. NULL: out of
 * memory.
 */
json_t *smtp_probe_document(const struct check *check, const struct outcome *o, const struct route *route, uint64_t lookup_us, json_t *hosts);

#endif
