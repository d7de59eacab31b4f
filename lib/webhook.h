#ifndef LIB_WEBHOOK_H
#define LIB_WEBHOOK_H
/*
 * webhook - where events are posted to, and the posts that are due or have failed for good: records of the tables webhook and
 * post. The queue is durable: a post is in it from the commit of its event until it was taken, or is dead.
 */

#include "lib/event.h"

#define WEBHOOK_URL_BYTES    2048u
#define WEBHOOK_SECRET_CHARS 43u        /* base64url of 32 random octets: the key of the HMAC is this text's octets */
#define WEBHOOK_SEALED_CHARS 113u       /* the same, sealed (store/keys.h): others can read the database */
#define WEBHOOK_ERROR_BYTES  256u
#define WEBHOOK_POSTS_MAX    256u       /* under way at once: the most that webhook.posts_max allows */
#define WEBHOOKS_MAX         256u       /* in all; each event costs a look at each */

/* Table webhook: id u32 -> this. */
struct webhook_record {
    uint32_t     mailbox_id;            /* 0: events of all mailboxes */
    uint32_t     kinds;                 /* bit 1u << enum event_kind: what is posted */
    uint64_t     created_unix;
    struct slice url;                   /* https://… or http://… */
    char         secret[WEBHOOK_SEALED_CHARS + 1];  /* sealed; of a hook that an older version made, until store starts, as it is */
};

/* Table post: webhook id u32, event id u64 -> this. */
struct post_record {
    uint64_t     first_us;              /* when the event was */
    uint64_t     due_us;                /* next attempt; 0: dead, nothing more is tried by itself */
    uint32_t     attempts;
    uint16_t     http_status;           /* of the last attempt; 0: there was no answer */
    struct slice error;                 /* of the last attempt, for a person; at most WEBHOOK_ERROR_BYTES */
};

void webhook_record_write(struct buf *b, const struct webhook_record *w);
int  webhook_record_read(struct slice bytes, struct webhook_record *out);
void post_record_write(struct buf *b, const struct post_record *p);
int  post_record_read(struct slice bytes, struct post_record *out);

#endif
