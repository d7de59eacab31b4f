#ifndef IMAPD_IMAP_MESSAGE_ID_H
#define IMAPD_IMAP_MESSAGE_ID_H
/*
 * imap_message_id - the message ids in Message-ID, References and In-Reply-To, made the same where they mean the same (RFC 5256 section 3,
 * "normalized": quotes that are not needed go). Pure, linear.
 */

#include "lib/buf.h"

/*
 * The next valid one, "left@right" without its angle brackets, in out, which is cleared first; *value then begins behind it. What is none,
 * or is longer than out's limit, is passed over. False: there is none any more.
 */
bool imap_next_message_id(struct slice *value, struct buf *out);

#endif
