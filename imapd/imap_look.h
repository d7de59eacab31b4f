#ifndef IMAPD_IMAP_LOOK_H
#define IMAPD_IMAP_LOOK_H
/*
 * imap_look - whether one message is what a SEARCH looks for. Reads of it what the keys need: its entry, its record, its header,
 * its octets. What has to go through many octets is done in steps of IMAP_LOOK_OCTETS, so that no search keeps others waiting.
 */

#include "imapd/imap_criteria.h"

#include "lib/db.h"

#define IMAP_LOOK_OCTETS (512u * 1024)      /* that one step goes through, about */

struct imap_text_look;

struct imap_look {
    const struct db_view       *view;       /* of this step */
    const struct imap_criteria *criteria;
    uint32_t                    number, uid;
    bool                        recent;     /* the message; set by the caller behind imap_look_begin */
    uint64_t                    modseq;     /* of the message; afterwards */
    uint64_t                    octets;     /* that this step has read of it; set to 0 by the caller */
    unsigned                    key;        /* private, from here on: the key that comes next */
    unsigned                    depth;      /* of values */
    bool                        values[IMAP_KEYS_MAX];
    struct imap_text_look      *text;       /* what searches through octets; owned; kept from message to message */
};

enum imap_look_result { IMAP_LOOK_FOUND, IMAP_LOOK_OTHER, IMAP_LOOK_MORE };

/* Another message. */
void imap_look_begin(struct imap_look *l, uint32_t number, uint32_t uid);

/* A step. IMAP_LOOK_MORE: it is to be called again, with a newer view. A message that has gone or cannot be read is another. */
enum imap_look_result imap_look(struct imap_look *l, uint32_t mailbox_id, uint32_t folder_id);

/* Frees what is under way. All zero is fine. */
void imap_look_end(struct imap_look *l);

#endif
