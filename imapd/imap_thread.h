#ifndef IMAPD_IMAP_THREAD_H
#define IMAPD_IMAP_THREAD_H
/*
 * imap_thread - puts messages into threads by ORDEREDSUBJECT or REFERENCES (RFC 5256 section 3), in steps. Pure: headers go in, the text of
 * the answer comes out. No step recurses; whether a link would make a loop is asked of a forest that answers in logarithmic time (Sleator
 * and Tarjan's link-cut trees), however deep a chain of references is.
 */

#include "imapd/imap_order.h"

#define IMAP_THREAD_NODES_MAX      400000u  /* messages, and those that are only named in References, together */
#define IMAP_THREAD_REFERENCES_MAX 1000u    /* of one message; of more, the last ones */
#define IMAP_THREAD_ID_BYTES       1000u    /* of a Message-ID; longer ones are none */

enum imap_thread_algorithm { IMAP_ORDERED_SUBJECT, IMAP_REFERENCES };

struct imap_threads;

/* NULL: out of memory. */
struct imap_threads *imap_threads_new(enum imap_thread_algorithm algorithm);
void                 imap_threads_free(struct imap_threads *t);     /* NULL is fine */

/*
 * A message, in the order of the mailbox. number (not 0): what the answer calls it. sent: seconds (RFC 5256 section 2.2).
 * MT_ESIZE: over IMAP_THREAD_NODES_MAX; MT_ENOMEM.
 */
int imap_threads_add(struct imap_threads *t, uint32_t number, struct slice header, int64_t sent);

/* When all have been added. False: the threads are made. MT_ENOMEM, MT_ESIZE go to *rc. */
bool imap_threads_step(struct imap_threads *t, int *rc);

/* Afterwards: appends some more of "(1 2)(3 (4)(5))", about 16 KiB. False: that was all. */
typedef uint32_t imap_threads_show_fn(void *arg, uint32_t number);
bool imap_threads_put(struct imap_threads *t, struct buf *out, imap_threads_show_fn *show, void *arg);

/* Octets allocated. */
uint64_t imap_threads_bytes(const struct imap_threads *t);

#endif
