#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H
/*
 * answer - the JSON that tells of a token and of a message, the same for the HTTP API and for `mailtestctl --json`; and
 * the verdict that a token's record means. docs/openapi.yaml describes each member.
 */

#include "lib/emit.h"
#include "lib/record.h"

enum verdict {
    VERDICT_WAITING,        /* nothing yet, and the deadline, if there is one, is not over */
    VERDICT_ARRIVED,        /* a mail came in time (or none was expected by a deadline) */
    VERDICT_LATE,           /* a mail came, the first after the deadline */
    VERDICT_BOUNCED,        /* no mail, but a delivery status report that carries the token */
    VERDICT_AUTOREPLY,      /* nothing but an automatic reply */
    VERDICT_NOT_ARRIVED,    /* nothing, and the deadline is over */
    VERDICT_RECEIVER_DOWN,  /* as VERDICT_NOT_ARRIVED, but this receiver itself was down or refusing in the window (lib/served.h) */
    VERDICT_COUNT
};

/* "waiting", "arrived", "late", "bounced", "autoreply", "not-arrived", "not-arrived-receiver-down". */
const char *verdict_name(enum verdict v);

/* For so long behind the last second of the deadline the verdict waits for store to decide it, which knows what nobody else does. */
#define VERDICT_GRACE_S 3u

/*
 * The verdict that store decided, or, for a token that is not expected or not decided yet, what its arrivals mean at now_us: before
 * the deadline a bounce shows at once, and an arrival still wins over it; docs/verdicts.md has the rules.
 * record NULL: this service knows nothing of the token (a genuine one may have been minted offline), so it waits.
 */
enum verdict token_verdict(const struct token_record *record, uint64_t now_us);

/* What the arrivals alone mean once the deadline is over: what store decides by. VERDICT_NOT_ARRIVED where there is none that counts. */
enum verdict token_verdict_at_end(const struct token_record *record);

/* All that is known of a token; everything is borrowed. */
struct token_answer {
    struct slice                 mailbox;                           /* name */
    struct token                 token;
    const struct token_record   *record;                            /* NULL: nothing */
    const struct message_record *messages[TOKEN_ARRIVALS_MAX];      /* of record->arrivals; NULL where the message has gone */
    uint64_t                     now_us;
};

/* As one object: the value of member key, or an element, or the document (NULL). Its found_in and hops are those of its first mail. */
void answer_token(struct emit *j, const char *key, const struct token_answer *a);

/*
 * A message's facts in short, as lists and event streams show them, and all of them. mailbox, folder: their names; folder empty: not known.
 * minted_us: of the record of the message's token, so that its hops have the delays of the token's answer; 0: not known.
 */
void answer_message_summary(struct emit *j, const char *key, uint64_t id, struct slice mailbox, struct slice folder, const struct message_record *m);
void answer_message(struct emit *j, const char *key, uint64_t id, struct slice mailbox, struct slice folder, const struct message_record *m,
                    uint64_t minted_us);

#endif
