#ifndef CTL_FACTS_H
#define CTL_FACTS_H
/*
 * facts - what store says of tokens and messages, as the text of the same JSON that the HTTP API answers (lib/answer.h).
 */

#include "lib/wire.h"

#define FACTS_MAX_BYTES (16u * 1024 * 1024)     /* a limit for out in which everything fits */

/*
 * From the fields of an answer to MSG_TOKEN_SHOW. 0, MT_EPROTO, MT_EDAMAGED, MT_EVERSION, MT_ESYNTAX (token_text is no token),
 * MT_ENOMEM. Appends to out.
 */
int facts_token(struct reader *r, const char *mailbox, const char *token_text, uint64_t now_us, struct buf *out);

/* From a message record: all its facts, or in short as in lists. As above. */
int facts_message(struct slice record, uint64_t id, struct slice mailbox, bool in_short, struct buf *out);

/* The mailbox id of a message record. As above. */
int facts_message_mailbox(struct slice record, uint32_t *out);

#endif
