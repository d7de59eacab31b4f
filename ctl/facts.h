#ifndef CTL_FACTS_H
#define CTL_FACTS_H
/*
 * facts - what store says of tokens and messages, as the text of the same JSON that the HTTP API answers (lib/answer.h).
 */

#include "lib/token.h"
#include "lib/wire.h"

#define FACTS_MAX_BYTES (16u * 1024 * 1024)     /* a limit for out in which everything fits */

/*
 * From the fields of an answer to MSG_TOKEN_SHOW. 0, MT_EPROTO, MT_EDAMAGED, MT_EVERSION, MT_ESYNTAX (token_text is no token),
 * MT_ENOMEM. Appends to out. *minted_us: when it was minted here, 0 where it was not.
 */
int facts_token(struct reader *r, const char *mailbox, const char *token_text, uint64_t now_us, struct buf *out, uint64_t *minted_us);

/* From a message record and the names of where it lies: in short as in lists; or all its facts, minted_us being that of its token. As above. */
int facts_message_summary(struct slice record, uint64_t id, struct slice mailbox, struct slice folder, struct buf *out);
int facts_message(struct slice record, uint64_t id, struct slice mailbox, struct slice folder, uint64_t minted_us, struct buf *out);

/* Where a message record belongs to: its mailbox's id, and the text of its first token, empty where it has none. As above. */
int facts_message_owner(struct slice record, uint32_t *mailbox_id, char token_text[TOKEN_CHARS + 1]);

/* A mailbox from its records; pattern and confirmation (the message of its confirmation_id) empty: there is none. As above. */
struct mailbox_records {
    struct slice mailbox, inbox, unmatched, pattern, confirmation;
};
int facts_mailbox(const struct mailbox_records *records, uint64_t now_us, struct buf *out);

/* The message that holds the request to confirm a forwarding; 0: none. As above. */
int facts_pattern_confirmation(struct slice pattern, uint64_t *message_id);

/* From the fields of a row of MSG_WEBHOOK_LIST, and of MSG_POST_LIST. As above. */
int facts_webhook(struct reader *r, struct buf *out);
int facts_post(struct reader *r, struct buf *out);

#endif
