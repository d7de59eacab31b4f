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

/* Maps a sealed memfd of exactly so many octets (more than none); *out is to be unmapped. MT_EPROTO: it is none; MT_ENOMEM. */
int handed_map(int fd, uint64_t size_bytes, struct slice *out);

/* Whether the parts end inside of a message of so many octets. */
bool handed_fits(const struct parsed *parsed, uint64_t size_bytes);

#endif
