#ifndef MEANING_KINDS_H
#define MEANING_KINDS_H
/*
 * kinds - the kinds of mail that are no arrival, each in a file of its own. Each function looks at what was gathered of a complete
 * message, adds its facts, and returns the traits (enum trait), or 0 where the mail is not of its kind. docs/meaning.md has the
 * rules.
 */

#include "meaning/seen.h"

uint32_t report_judge(const struct seen *s, struct buf *facts);         /* a delivery status report */
uint32_t receipt_judge(const struct seen *s, struct buf *facts);        /* a read receipt */
uint32_t confirmation_judge(const struct seen *s, struct buf *facts);   /* a provider's request to confirm a forwarding */
uint32_t autoreply_judge(const struct seen *s, struct buf *facts);      /* an automatic reply */
uint32_t reply_judge(const struct seen *s, struct buf *facts);          /* a person's reply that quotes the token */

/* Adds how it was forwarded, where the evidence tells, and the evidence. is_arrival: none of the above. */
void forward_judge(const struct seen *s, bool is_arrival, struct buf *facts);

#endif
