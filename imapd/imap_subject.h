#ifndef IMAPD_IMAP_SUBJECT_H
#define IMAPD_IMAP_SUBJECT_H
/*
 * imap_subject - the base subject of a message (RFC 5256 section 2.1): the subject without "Re:", "Fwd:", "(fwd)", "[list]" and the
 * like, by which SORT and THREAD compare. Pure; linear but for "[fwd:" within one another; no recursion.
 */

#include "lib/buf.h"

#define IMAP_SUBJECT_BYTES 1024u    /* of the subject in UTF-8; what follows does not count */

/*
 * Appends the base subject of the field's value to out, in UTF-8 and mapped (lib/casemap.h). True: the message is a reply or a forward
 * by its subject.
 */
bool imap_base_subject(struct slice value, struct buf *out);

#endif
