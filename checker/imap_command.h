#ifndef CHECKER_IMAP_COMMAND_H
#define CHECKER_IMAP_COMMAND_H
/* imap_command - what a client says to an IMAP server (RFC 9051 section 6): strings, names of folders, sets of UIDs, searches. Pure; each appends. */

#include "lib/buf.h"

/* A quoted string. False: it cannot be one, since it has octets over 127, a line end or a NUL; nothing is appended. */
bool imap_put_quoted(struct buf *out, struct slice text);

/* A folder's name in UTF-8, in modified UTF-7 (RFC 9051 appendix A.1), quoted. Octets that are no UTF-8 stand as U+FFFD. */
void imap_put_folder(struct buf *out, struct slice name);

/* "5,7,9" */
void imap_put_uids(struct buf *out, const uint32_t *uids, size_t count);

/* "17-Jul-2026": the day of a time, in UTC. */
void imap_put_day(struct buf *out, int64_t time_unix);

/* Whether one that is called so, by the last level of its name, usually holds junk mail. name: as on the wire; delimiter 0: it has no levels. */
bool imap_is_junk_name(struct slice name, char delimiter);

#endif
