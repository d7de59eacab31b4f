#ifndef IMAPD_IMAP_PREVIEW_H
#define IMAPD_IMAP_PREVIEW_H
/*
 * imap_preview - the beginning of what a message says, for a list of messages (RFC 8970): of its first text part, of text/plain where the
 * text is there twice, in one line of UTF-8. HTML without its tags, white space and what is invisible pressed together, quoted lines left
 * out where there are others.
 *
 * Made when it is asked for, from at most IMAP_PREVIEW_OCTETS of the part, so in bounded time and memory (about 300 KiB for as long as
 * a call).
 */

#include "imapd/imap_message.h"

#define IMAP_PREVIEW_CHARACTERS 200u            /* RFC 8970 section 3.1: at most 256 */
#define IMAP_PREVIEW_OCTETS     (64u * 1024)    /* of the part as it is stored */

/* Appends the preview as a string; "" where the message has no text. 0 or MT_E…. */
int imap_put_preview(struct buf *b, struct imap_message *m);

/* Appends the preview of a text, in UTF-8. */
void imap_preview_text(struct buf *b, struct slice text, bool html);

#endif
