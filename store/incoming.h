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

/* Told once; MT_OK: on disk, with the id of the first copy. */
typedef void incoming_done_fn(void *arg, int rc, uint64_t message_id);

/*
 * Queues one. r: the fields of MSG_DELIVER, which are copied. *fd: the sealed memfd of a body that is not inline, taken over
 * by setting it to -1.
 * MT_EPROTO  it breaks the contract of lib/delivery.h
 * MT_ENOMEM MT_EIO
 * done is called later, unless an error is returned, with MT_OK; MT_ENOTFOUND, MT_EDISABLED, MT_EQUOTA: of one of the
 * recipients, and no copy was stored; MT_EFULL, MT_EIO, MT_ESHUTDOWN.
 */
int incoming_queue(struct store *s, struct reader *r, int *fd, incoming_done_fn *done, void *arg);

#endif
