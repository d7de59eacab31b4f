#ifndef IMAPD_IMAP_APPEND_H
#define IMAPD_IMAP_APPEND_H
/*
 * imap_append - APPEND (RFC 9051 section 6.3.12, RFC 7889 for its limit) of one message or several (RFC 3502), of which some may be binary
 * (RFC 3516 section 4.4) or UTF-8 (RFC 6855 section 4): they stream from the client through the finder into memory or a memfd, and go to store
 * when all are whole, in one request. What is refused before it comes is refused before the client is asked for it; a literal that does
 * not wait is read and thrown away. A client that goes away in the middle leaves nothing.
 *
 * Bounds: the connection's input buffer, the finder (finder/finder.h), MSG_APPEND_MESSAGES_MAX messages of IMAP_APPEND_BYTES_MAX octets in
 * a command (one message may have more, where that is configured), and IMAP_APPENDING_BYTES_MAX announced octets of all clients.
 */

#include "lib/slice.h"

struct connection;
struct imapd;
struct imap_append;

#define IMAP_APPEND_BYTES_MAX    (UINT64_C(64) << 20)
#define IMAP_APPENDING_BYTES_MAX (UINT64_C(256) << 20)

/* command: up to the message's literal, with its line end. literal: octets that follow. */
void imap_append_begin(struct connection *c, struct slice command, uint64_t literal, bool synchronising);

/* Takes a step with what was read. False: it needs more octets, or waits. */
bool imap_append_step(struct connection *c, struct slice *in);

void imap_append_free(struct imapd *imapd, struct imap_append *a);      /* NULL is fine */

#endif
