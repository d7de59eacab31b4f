#ifndef IMAPD_IMAP_STATUS_H
#define IMAPD_IMAP_STATUS_H
/* imap_status - what STATUS tells of a folder (RFC 9051 section 6.3.11, 7162, 8438, 8474, 9208), for STATUS itself and for LIST. */

#include "imapd/imap_reader.h"

#include "lib/db.h"

/* "(MESSAGES UNSEEN)", as bits of its own; a fault of the reader where it is none. */
unsigned imap_status_items(struct imap_reader *r);

/* Appends the untagged answer. Some items count the messages of the folder one by one. */
void imap_status_say(struct buf *b, const struct db_view *view, const struct folder_record *f, unsigned items, bool utf8);

#endif
