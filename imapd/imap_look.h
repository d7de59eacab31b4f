#ifndef IMAPD_IMAP_LOOK_H
#define IMAPD_IMAP_LOOK_H
/*
 * imap_look - whether one message is what a SEARCH looks for. Reads of it what the keys need, and nothing twice: its entry, its
 * record, its header, its octets.
 */

#include "imapd/imap_criteria.h"

#include "lib/db.h"

struct imap_look {
    const struct db_view       *view;
    const struct imap_criteria *criteria;
    uint32_t                    number, uid;
    uint64_t                    modseq;     /* of the message; afterwards */
    uint64_t                    octets;     /* that were read of it; afterwards */
};

/* A message that has gone or cannot be read is not found. */
bool imap_look(struct imap_look *l, uint32_t mailbox_id, uint32_t folder_id);

#endif
