#ifndef LIB_ANSWER_HOPS_H
#define LIB_ANSWER_HOPS_H
/* answer_hops - the hops of a message or of a token's first arrival with what was made of their times, and their JSON. */

#include "lib/emit.h"
#include "lib/record.h"
#include "lib/time_share.h"

/*
 * The hops of a message with their delays, newest (ours) first, at most HOP_DELAY_MAX. Our own hop is made from the session's
 * facts and the trace field that we put in front. Texts borrow from m. sent_us: 0 where not known. Returns the count.
 */
unsigned message_hops(const struct message_record *m, int64_t sent_us, struct message_hop *out);

/*
 * The same of a token's arrival whose message has gone, from what the token's record keeps: of its first mail the hops, ours
 * among them, without ids and recipients and perhaps not all; 0 for any other arrival.
 */
unsigned kept_hops(const struct token_record *t, uint32_t arrival, struct message_hop *out);

/* The member "hops". */
void answer_hops(struct emit *j, const struct message_hop *hops, unsigned count);

/* The member "slowest_hop". */
void answer_slowest_hop(struct emit *j, const struct message_hop *hops, unsigned count);

/*
 * The member "time_shares". m NULL, or of a kind that is no arrival: null, since its way is not that of a test mail. hops as
 * message_hops gave them.
 */
void answer_time_shares(struct emit *j, const struct message_record *m, int64_t sent_us, const struct message_hop *hops, unsigned count);

#endif
