#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H
/*
 * message - the rows that make up one stored message, written and removed together: record, entry in its folder, row in the
 * expiry table, body, and the counters of folder and mailbox.
 */

#include "store/tx.h"

/* A body of more chunks than this is not removed at once but in steps, so that no removal holds up a delivery. */
#define MESSAGE_CHUNKS_AT_ONCE 64u

/* Writes the chunks of a body under a new id. copies: messages that will share it. */
void message_write_body(struct tx *tx, uint64_t body_id, struct slice body, uint32_t copies);

/*
 * Writes the message under id, into the folder: gives it the UID and counts it. In *record all but uid, mailbox_id and
 * folder_id is filled in by the caller.
 */
void message_write(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record);

/* As message_write, for mail that is no arrival, with flags and keywords; the record's may not lie in the database, which changes meanwhile. */
void message_write_flagged(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, uint64_t id, struct message_record *record, uint32_t flags,
                           struct slice keywords);

/*
 * Another message with the same body in the folder to, under a new id, with flags, keywords and all times; tells the readers. move: the
 * old one goes, and the arrivals that tokens' records keep follow it. *uid: its UID. room: for what is read meanwhile; emptied.
 * MT_EDAMAGED: the record cannot be read; nothing was written.
 */
int message_copy(struct tx *tx, struct tx_mailbox *m, struct tx_folder *to, const struct entry *e, bool move, struct buf *room, uint32_t *uid);

/* Tells the readers of a message that was brought in and is no arrival. */
void message_tell_new(struct tx *tx, const struct tx_mailbox *m, const struct tx_folder *f, uint64_t id, uint32_t uid);

/*
 * Removes it and tells the readers. Arrivals that tokens' records keep stay. A record that is damaged is logged and removed
 * as far as it goes. MT_ENOTFOUND: no such message.
 */
int message_remove(struct tx *tx, uint64_t id);

/* Removes at most max chunks of a body that no message has any more; returns how many it was. Fewer than max: it is gone. */
unsigned message_purge_body(struct tx *tx, uint64_t body_id, unsigned max);

#endif
