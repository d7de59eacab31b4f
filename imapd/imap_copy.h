#ifndef IMAPD_IMAP_COPY_H
#define IMAPD_IMAP_COPY_H
/*
 * imap_copy - copies or moves many messages to another folder: asks store, some hundred at a time, each all or none, waits for each
 * answer, and gives the tagged answer with COPYUID (RFC 4315, RFC 6851). For COPY, MOVE, and the RENAME of INBOX.
 *
 * A COPY that fails behind its first step deletes the copies again (RFC 9051 section 6.4.7), and waits for store some seconds for that.
 */

#include "imapd/imap_set.h"

struct connection;
struct imap_copy;

struct imap_copy_order {
    uint32_t    from_id, to_id;     /* folders */
    bool        move;
    const char *command;            /* of the tagged answer: "COPY" */
    bool        tells_uids;         /* COPYUID */
};

/* Takes over the set of UIDs. The connection waits until all is done. */
void imap_copy_begin(struct connection *c, struct imap_set *uids, const struct imap_copy_order *order);

void imap_copy_free(struct imap_copy *m);       /* NULL is fine */

#endif
