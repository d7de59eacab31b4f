#ifndef LIB_ANSWER_RESULT_H
#define LIB_ANSWER_RESULT_H
/*
 * answer_result - the JSON of checks, of what they came to and of the sums of their hours: the same for the HTTP API and `mailtestctl --json`.
 * docs/openapi.yaml describes each member.
 */

#include "lib/emit.h"
#include "lib/result.h"

/* A check. mailbox: its name; empty: of none. newest: its newest result; NULL: that has expired. */
void answer_check(struct emit *j, const char *key, const struct check_record *c, struct slice mailbox, const struct result_record *newest,
                  bool with_document);

/* A result. Where its document was too long to be kept, or is not asked for, the answer tells how long it was. */
void answer_result(struct emit *j, const char *key, const struct result_record *r, bool with_document);

/* The sum of an hour (since 1970), or, merged, of more of them, of which hour is the first. */
void answer_result_sum(struct emit *j, const char *key, uint32_t hour, const struct result_sum *s);

#endif
