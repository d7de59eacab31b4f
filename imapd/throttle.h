#ifndef IMAPD_THROTTLE_H
#define IMAPD_THROTTLE_H
/*
 * throttle - how often one address may try passwords: behind a wrong one, the next try waits. Clients at other addresses
 * notice nothing. An IPv6 client counts as its /64 network.
 *
 * Fixed memory: a table in which an address that is not tried from any more gives its place to another. When all places that an
 * address can have are taken by fresh ones, the oldest gives way.
 */

#include "lib/slice.h"

#define THROTTLE_PLACES 4096u
#define THROTTLE_WAYS   4u          /* places that one address can have */

struct throttle {
    struct throttle_place {
        uint64_t address;           /* hash; 0: free */
        uint64_t until_ms;          /* no try before; monotonic */
    } places[THROTTLE_PLACES];
    uint8_t  key[16];               /* random: nobody chooses who shares a place with whom */
    uint32_t pause_ms;              /* between tries behind a wrong one */
};

void throttle_init(struct throttle *t, uint32_t pause_ms);

/* Whether a try from that address (text) has to wait now. */
bool throttle_is_hot(const struct throttle *t, const char *address, uint64_t now_ms);

/* A try failed; or a login succeeded, and the address may go on. */
void throttle_failed(struct throttle *t, const char *address, uint64_t now_ms);
void throttle_passed(struct throttle *t, const char *address);

#endif
