#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H
/*
 * answer - the JSON that tells of a token and of a message, the same for the HTTP API and for `mailtestctl --json`; and
 * the verdict that a token's record means. docs/openapi.yaml describes each member.
 */

#include "lib/hop_delay.h"
#include "lib/emit.h"
#include "lib/record.h"

enum verdict {
    VERDICT_WAITING,        /* nothing yet, and the deadline, if there is one, is not over */
    VERDICT_ARRIVED,        /* a mail came in time (or none was expected by a deadline) */
    VERDICT_LATE,           /* a mail came, the first after the deadline */
    VERDICT_BOUNCED,        /* no mail, but a delivery status report that carries the token */
    VERDICT_AUTOREPLY,      /* nothing but an automatic reply */
    VERDICT_NOT_ARRIVED,    /* nothing, and the deadline is over */
    VERDICT_COUNT
};

/* "waiting", "arrived", "late", "bounced", "autoreply", "not-arrived". */
const char *verdict_name(enum verdict v);

/* record NULL: this service knows nothing of the token (a genuine one may have been minted offline), so it waits. */
enum verdict token_verdict(const struct token_record *record, uint64_t now_us);

/* All that is known of a token; everything is borrowed. */
struct token_answer {
    struct slice                 mailbox;                           /* name */
    struct token                 token;
    const struct token_record   *record;                            /* NULL: nothing */
    const struct message_record *messages[TOKEN_ARRIVALS_MAX];      /* of record->arrivals; NULL where the message has gone */
    uint64_t                     now_us;
};

/* As one object: the value of member key, or an element, or the document (NULL). Its found_in and hops are those of the first arrival. */
void answer_token(struct emit *j, const char *key, const struct token_answer *a);

/*
 * A message's facts in short, as lists and event streams show them, and all of them. mailbox: its name.
 * minted_us: of the record of the message's token, so that its hops have the delays of the token's answer; 0: not known.
 */
void answer_message_summary(struct emit *j, const char *key, uint64_t id, struct slice mailbox, const struct message_record *m);
void answer_message(struct emit *j, const char *key, uint64_t id, struct slice mailbox, const struct message_record *m, uint64_t minted_us);

/*
 * The hops of a message with their delays, newest (ours) first, at most HOP_DELAY_MAX. Our own hop is made from the session's facts
 * and the trace field that we put in front.
 * Texts borrow from m. sent_us: 0 where not known. Returns the count.
 */
struct message_hop {
    struct hop       hop;
    int64_t          time_us;       /* 0: unreadable */
    struct hop_delay delay;
};
unsigned message_hops(const struct message_record *m, int64_t sent_us, struct message_hop *out);

#endif
