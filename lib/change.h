#ifndef LIB_CHANGE_H
#define LIB_CHANGE_H
/*
 * change - what store tells the readers after a commit (MSG_CHANGED), so that a waiting lookup and an idling client hear of it
 * at once. A reader that gets it finds the change in a new read transaction.
 */

#include "lib/mailbox.h"
#include "lib/token.h"

enum change_kind {
    CHANGE_ARRIVED = 1,     /* a message was stored */
    CHANGE_DELETED,         /* a message went (deleted, expired) */
    CHANGE_FLAGS,           /* flags of a message changed */
    CHANGE_TOKEN,           /* a token was minted or forgotten, or got its verdict at the deadline */
    CHANGE_MAILBOX,         /* a mailbox was added, enabled, disabled or removed, or its secret replaced */
    CHANGE_API_KEY,         /* an API key was added or revoked */
    CHANGE_EVENT,           /* an event was written (lib/event.h); event_id holds */
    CHANGE_FOLDER,          /* a folder was renamed or removed */
    CHANGE_AGENT,           /* an agent was changed or removed; its name stands in mailbox */
    CHANGE_KIND_LIMIT
};

struct change {
    enum change_kind kind;
    uint64_t         seq;           /* grows by one with each change since store started */
    uint64_t         message_id;    /* 0 where none */
    uint64_t         event_id;      /* 0 where none */
    uint64_t         modseq;        /* of the folder after the change; 0 where none */
    uint32_t         mailbox_id;
    uint32_t         folder_id;     /* 0 where none */
    uint32_t         uid;           /* 0 where none */
    bool             has_token;
    struct token     token;         /* the genuine token of the message; a message with several gives a change for each */
    char             mailbox[MAILBOX_NAME_MAX + 1];
};

void change_write(struct buf *b, const struct change *c);
void change_read(struct reader *r, struct change *out);     /* an unknown kind is a fault */

#endif
