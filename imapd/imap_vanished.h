#ifndef IMAPD_IMAP_VANISHED_H
#define IMAPD_IMAP_VANISHED_H
/*
 * imap_vanished - VANISHED (EARLIER) (RFC 7162 section 3.2.10): tells which UIDs of a set are not in the selected folder. When a message
 * went is not kept, so each of them counts, below UIDNEXT, whenever that was; section 3.2 allows a server not to remember.
 *
 * Told in turns: some ranges at a time. What is in memory is the set as the client wrote it.
 */

#include "imapd/imap_view.h"

struct connection;
struct imap_reader;

/* All zero: there is nothing to tell. */
struct imap_vanished {
    struct imap_set set;            /* owned; UIDs that are asked for, rising */
    uint32_t        range;          /* of the set, that comes next */
    uint32_t        next;           /* UIDs below it are not told, or were told before */
};

/*
 * For UID FETCH with VANISHED behind CHANGEDSINCE (section 3.2.6): text is the set as written, "*" is the highest UID that ever was. Nothing is told
 * where nothing happened since. Where the session may not ask for it, that is a fault of the reader.
 */
void imap_vanished_read(struct connection *c, struct imap_reader *r, struct slice text, uint64_t changed_since, struct imap_vanished *out);
void imap_vanished_fini(struct imap_vanished *v);

/* Says one line of it; false when there is no more to say. */
bool imap_vanished_say(struct connection *c, struct imap_vanished *v);

/* The next range of UIDs of the set that are not in the folder; false: there is none. Linear in the messages over all calls. */
bool imap_vanished_next(struct imap_vanished *v, const struct imap_view *view, struct imap_range *out);

/*
 * What the client says it knows: that the messages with these numbers have these UIDs, the sets having as many members. Returns the highest of
 * these UIDs for which that is so still: up to there nothing vanished (section 3.2.5.2). 0: none.
 */
uint32_t imap_vanished_known(const struct imap_view *view, const struct imap_set *numbers, const struct imap_set *uids);

#endif
