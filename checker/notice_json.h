#ifndef CHECKER_NOTICE_JSON_H
#define CHECKER_NOTICE_JSON_H
/* notice_json - a notice as JSON: what webhooks and commands are given (docs/checker.md), and what lies in the queue of alerts. */

#include "checker/notice.h"

/* NULL: out of memory. */
json_t *notice_to_json(const struct notice *n);

/* A notice that was read; the texts belong to the JSON. */
struct notice_read {
    struct notice       notice;
    struct notice_check checks[NOTICE_CHECKS_MAX];
};

/* MT_ESYNTAX: it is none. json is borrowed as long as out is used. */
int notice_from_json(const json_t *json, struct notice_read *out);

#endif
