#ifndef LIB_ANSWER_EVENT_H
#define LIB_ANSWER_EVENT_H
/*
 * answer_event - the JSON of events, of what a message says of itself, of a mailbox with how far its forward is set up, and of webhooks
 * with their posts: the same for the HTTP API, the posts themselves and `mailtestctl --json`. docs/openapi.yaml describes each member.
 */

#include "lib/emit.h"
#include "lib/event.h"
#include "lib/pattern.h"
#include "lib/record.h"
#include "lib/webhook.h"

/* ---- Events ------------------------------------------------------------------------------------------------------- */

#define ANSWER_EVENT_BYTES (8u * 1024)      /* any event fits */

/* One event: the value of member key, or an element, or the document (NULL). */
void answer_event(struct emit *j, const char *key, uint64_t id, const struct event_record *e);

/* "arrived,missed" to bits 1u << enum event_kind. MT_ESYNTAX: another word, or none. */
int event_kinds_parse(struct slice text, uint32_t *out);

/* All that happens by itself: every kind but EVENT_TEST. */
#define EVENT_KINDS_ALL ((((1u << EVENT_KIND_LIMIT) - 1) & ~1u) & ~(1u << EVENT_TEST))

/* ---- What a message says of itself --------------------------------------------------------------------------------- */

/* The member "claims": what the hosts on its way wrote of a mail's authentication. */
void answer_claims(struct emit *j, struct slice facts);

/* Of a message's object the members why (the reason of its kind), report, confirmation, forward, claims, lost and changes. */
void answer_facts(struct emit *j, const struct message_record *m);

/* The same without why, for one that says it in words of its own. */
void answer_facts_found(struct emit *j, const struct message_record *m);

/* The reason of its kind, in words; at most ANSWER_WHY_BYTES. */
#define ANSWER_WHY_BYTES 2048u
void answer_why(struct buf *out, const struct message_record *m);

/* What a delivery status report says; null where the facts hold none. */
void answer_report(struct emit *j, const char *key, struct slice facts);

/* The places (enum place) as an array of their names. */
void answer_places(struct emit *j, const char *key, uint32_t places);

/* ---- Mailboxes ------------------------------------------------------------------------------------------------------ */

struct mailbox_answer {
    const struct mailbox_record *mailbox;
    const struct folder_record  *inbox, *unmatched;
    const struct pattern_record *pattern;           /* NULL: none yet */
    const struct message_record *confirmation;      /* the message of pattern_request(pattern); NULL: none, or it has gone */
    uint64_t                     now_us;
};
void answer_mailbox(struct emit *j, const char *key, const struct mailbox_answer *a);

/* A sentence or two for a person: what to do next for the forward of a mailbox. Empty where nothing is to be done. */
void setup_hint(struct buf *out, const struct mailbox_answer *a);

/*
 * Appends what to say of a mail whose facts name no provider that is recognised (fact_is_recognised): that it pretends to be a request to
 * confirm, who sends it, and that nobody shall act on it. Empty facts: the mail has gone.
 */
void confirmation_warning(struct buf *out, struct slice facts);

/* ---- Webhooks -------------------------------------------------------------------------------------------------------- */

struct webhook_answer {
    uint32_t                     id;
    struct slice                 mailbox;           /* empty: all */
    const struct webhook_record *webhook;           /* its secret is not shown */
    uint64_t                     waiting, dead;     /* posts */
};
void answer_webhook(struct emit *j, const char *key, const struct webhook_answer *a);

/* event NULL: it has gone. */
void answer_post(struct emit *j, const char *key, uint32_t webhook_id, uint64_t event_id, const struct post_record *p,
                 const struct event_record *event);

#endif
