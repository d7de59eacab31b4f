#ifndef IMAPD_IMAP_MARK_H
#define IMAPD_IMAP_MARK_H
/*
 * imap_mark - changes flags of many messages: asks store, some hundred at a time, waits for each answer, tells the client what the
 * flags are now, and gives the tagged answer. For STORE, and for a FETCH that sets \Seen.
 */

#include "imapd/imap_set.h"

#include "lib/record.h"

struct connection;
struct imap_reader;
struct imap_mark;

struct imap_mark_order {
    uint8_t      op;                /* enum msg_flags_op */
    uint32_t     flags;             /* enum entry_flag */
    char         keywords[ENTRY_KEYWORDS_BYTES + 1];    /* separated by spaces */
    bool         changes_nothing;   /* the folder was opened to be read: the flags are told as they are, also where silence was wanted */
    bool         silent;            /* the new flags are not told */
    bool         says_uid;          /* they are told with the UID */
    uint64_t     unchanged_since;   /* UINT64_MAX: in any case */
    const char  *command;           /* of the tagged answer: "STORE" */
    const char  *status, *text;     /* the tagged answer when all was changed; NULL: OK, and that it is completed */
};

/* Reads flags and keywords, in parentheses or not, into flags and keywords. */
void imap_mark_read_flags(struct imap_mark_order *order, struct imap_reader *r);

/* Takes over the set of UIDs. The connection waits until all is done. */
void imap_mark_begin(struct connection *c, struct imap_set *uids, const struct imap_mark_order *order);

void imap_mark_free(struct imap_mark *m);       /* NULL is fine */

#endif
