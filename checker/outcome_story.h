#ifndef CHECKER_OUTCOME_STORY_H
#define CHECKER_OUTCOME_STORY_H
/* outcome_story - what the story of a round trip comes to, as every kind of check tells it. */

#include "checker/outcome.h"
#include "checker/story.h"

/*
 * Fills a fresh outcome. The causes are
 *   "service", "receiver", "resolver", "machine", "interrupted", "login HOST:PORT"      own trouble: the last is our secret, which cannot be had
 *   "server HOST:PORT STEP"         sending failed there, at a step up to MAIL, or at the data; a host that was given keeps that name
 *   "domain NAME lookup"            no server of the recipient's domain can be found
 *   "recipient ADDRESS"             it alone was refused
 *   "sendmail PATH"                 the local program failed
 *   "account HOST:PORT STEP"        the customer's account cannot be looked into
 *   "arrival DOMAIN", "bounce DOMAIN", "junk DOMAIN", "delay DOMAIN", "copies DOMAIN"   what became of mail to the recipient's domain; without a recipient
 *                                   that of the mailbox
 */
void outcome_from_story(struct outcome *o, const struct plan *plan, const struct story *story);

#endif
