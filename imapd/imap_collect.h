#ifndef IMAPD_IMAP_COLLECT_H
#define IMAPD_IMAP_COLLECT_H
/*
 * imap_collect - reads, in steps, what SORT and THREAD need of each message that was found; the memory that all sessions together put
 * into that has a bound.
 */

#include "imapd/imap_seek.h"

#define IMAP_COLLECT_BYTES_MAX (256u * 1024 * 1024)     /* of all sessions */

/* One message. header: empty where it was not asked for. 0 or MT_E…. */
typedef int imap_collect_fn(void *arg, uint32_t uid, const struct message_record *m, struct slice header);

struct imap_collect {
    uint32_t range, offset;         /* how far it is in what was found */
    bool     headers;               /* they are needed */
    uint64_t bytes;                 /* counted in imapd->collecting_bytes */
};

/* A step: tells some more messages; those that have gone are left out. *more: there are more. 0 or MT_E…, those of take included. */
int imap_collect_step(struct connection *c, struct imap_collect *l, const struct imap_seek *f, imap_collect_fn *take, void *arg, bool *more);

/* So many octets are in use now. MT_ESIZE: all sessions together have too many. */
int imap_collect_count(struct imapd *imapd, struct imap_collect *l, uint64_t bytes);

/* The tagged NO for what went wrong. */
void imap_collect_refuse(struct connection *c, const struct imap_seek *f, int rc);

/* When the message was sent (RFC 5256 section 2.2): Date, else INTERNALDATE; seconds. */
int64_t imap_sent_date(const struct message_record *m);

#endif
