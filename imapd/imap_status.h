#ifndef IMAPD_IMAP_STATUS_H
#define IMAPD_IMAP_STATUS_H
/*
 * imap_status - what STATUS tells of a folder (RFC 9051 section 6.3.11, 7162, 8438, 8474, 9208), for STATUS itself and for LIST. Some items
 * need each message of the folder to be looked at, which is done in steps of at most IMAP_STATUS_ENTRIES. A folder of up to so many
 * messages is told as it is at one moment; of a larger one, a message that changes meanwhile is counted as it was or as it is.
 */

#include "imapd/imap_reader.h"

#include "lib/db.h"

/* "(MESSAGES UNSEEN)", as bits of its own; a fault of the reader where it is none. */
unsigned imap_status_items(struct imap_reader *r);

/* Whether HIGHESTMODSEQ is among them, which makes the client one that knows of CONDSTORE (RFC 7162 section 3.1). */
bool imap_status_has_modseq(unsigned items);

#define IMAP_STATUS_ENTRIES        4096u    /* that a step looks at */
#define IMAP_STATUS_RECORD_ENTRIES 16u      /* a message whose size is read counts as so many */

/* A STATUS under way. */
struct imap_status {
    unsigned items;
    uint32_t next_uid;                      /* private, from here on: to be looked at */
    uint32_t recent, unseen, deleted;
    uint64_t deleted_bytes;
};

void imap_status_begin(struct imap_status *n, unsigned items);

/* A step. False: it is to be called again, with a newer view; else all is counted. */
bool imap_status_step(struct imap_status *n, const struct db_view *view, const struct folder_record *f);

/* Appends the untagged answer. */
void imap_status_say(struct buf *b, const struct imap_status *n, const struct folder_record *f, bool utf8);

#endif
