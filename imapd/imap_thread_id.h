#ifndef IMAPD_IMAP_THREAD_ID_H
#define IMAPD_IMAP_THREAD_ID_H
/*
 * imap_thread_id - the THREADID of a message (RFC 8474 section 5.2): "T" and 16 hexadecimal digits, a hash of the Message-ID that its thread
 * began with. That is the first of References, else the first of In-Reply-To, else its own; of a message that has none, it is made
 * from the message's id. It follows from the header alone, so it is the same in every folder and after every restart.
 *
 * Linear in the header, of which IMAP_HEADER_BYTES_MAX octets are read. Nothing is allocated for longer than a call.
 */

#include "lib/db.h"

#define IMAP_THREAD_ID_CHARS 17u        /* without a NUL */

/* header: as served. id: of the message. */
uint64_t imap_thread_id_of(struct slice header, uint64_t id);

/* The same, with the header read from the store. 0 or MT_E…. */
int imap_thread_id(const struct db_view *view, const struct message_record *m, uint64_t id, uint64_t *out);

/* Reads "T0123456789abcdef", as SEARCH THREADID names it: exactly as FETCH shows it. False: no message of ours has it. */
bool imap_thread_id_read(struct slice text, uint64_t *out);

void imap_thread_id_put(struct buf *b, uint64_t thread_id);

#endif
