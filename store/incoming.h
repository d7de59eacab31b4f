#ifndef STORE_INCOMING_H
#define STORE_INCOMING_H
/*
 * incoming - takes over a message from smtpd: decides by its genuine tokens what it counts as and which folder it goes to,
 * and writes one copy for each recipient, all in one transaction.
 */

#include "store/store.h"

/* Candidates are checked against each recipient's keys; a message that brings more work than this is checked in part. */
#define INCOMING_CHECKS_MAX 16384u

/* A token issued further in the future than this is none: seconds. */
#define INCOMING_FUTURE_MAX_S 86400u

/* Told once; MT_OK: on disk, with the id of the first copy. genuine: at least one of the mailboxes got a token of its own with it. */
typedef void incoming_done_fn(void *arg, int rc, uint64_t message_id, bool genuine);

/*
 * Queues one. r: the fields of MSG_DELIVER, which are copied. *fd: the sealed memfd of a body that is not inline, taken over
 * by setting it to -1.
 * MT_EPROTO  it breaks the contract of lib/delivery.h
 * MT_ENOMEM MT_EIO
 * done is called later, unless an error is returned, with MT_OK; MT_ENOTFOUND, MT_EDISABLED, MT_EQUOTA: of one of the
 * recipients, and no copy was stored; MT_EFULL, MT_EIO, MT_ESHUTDOWN.
 */
int incoming_queue(struct store *s, struct reader *r, int *fd, incoming_done_fn *done, void *arg);

/*
 * Whether the message of that transaction of smtpd is there: for an smtpd that store died under. Looks at what was committed since it was
 * received, newest first, INCOMING_LOOK_MAX messages at most; a clock that was set back in between hides it.
 * MT_OK         with the id of its first copy
 * MT_ENOTFOUND  it is not
 * MT_EFULL      too many to look at: not known. MT_EIO, MT_EDAMAGED: not known either
 */
int incoming_find(struct store *s, struct slice id, uint64_t received_us, uint64_t *message_id);
#define INCOMING_LOOK_MAX 20000u

#endif
