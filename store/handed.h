#ifndef STORE_HANDED_H
#define STORE_HANDED_H
/*
 * handed - a message as smtpd or imapd hands it over (lib/delivery.h): its fields and its octets, which are inside of the fields or in
 * a sealed memfd, checked before anything relies on them.
 */

#include "lib/delivery.h"

struct handed {
    struct delivery d;              /* borrows from the fields */
    struct slice    body;           /* inline or mapped */
    void           *map;            /* NULL: inline */
    uint64_t        body_sum;
};

/*
 * Reads them. fields must stay. *fd: the sealed memfd of a body that is not inline; it stays the caller's.
 * MT_EPROTO: it breaks the contract of lib/delivery.h; MT_ENOMEM. Nothing is to be closed then.
 */
int  handed_open(struct handed *h, struct slice fields, const int *fd);
void handed_close(struct handed *h);

/* Octets that come inline in a request, or in a sealed memfd beside it, and outlive the request. Begins as zeros. */
struct handed_octets {
    struct slice all;
    bool         mapped;
};

/* fd, of exactly so many octets (more than none), when inline_octets is empty. MT_EPROTO: it is none, or not so many octets; MT_ENOMEM. */
int  handed_octets_take(struct handed_octets *h, struct slice inline_octets, uint64_t size_bytes, int fd);
void handed_octets_fini(struct handed_octets *h);

/* Whether the parts end inside of a message of so many octets. */
bool handed_fits(const struct parsed *parsed, uint64_t size_bytes);

#endif
