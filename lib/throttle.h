#ifndef LIB_THROTTLE_H
#define LIB_THROTTLE_H
/*
 * throttle - how often passwords may be tried: from one address at most once in THROTTLE_ADDRESS_MS, however many processes serve it, and
 * on one name at most once in THROTTLE_NAME_MS by addresses that have not logged in to that name lately. Whoever has is not held up by
 * others: neither by those who try that name from elsewhere, nor by those who try other names from his address. A wrong secret ends that.
 *
 * The rows are in the table that all processes share (lib/shared_table.h): each is claimed by one atomic step, and an address or a name that
 * is not tried any more gives its place to another. An IPv6 client counts as its /64 network.
 *
 * Times are of monotonic_ms() (lib/deadline.h), which is the same in all processes.
 */

#include "lib/shared_table.h"

#define THROTTLE_ADDRESS_MS 1000u
#define THROTTLE_NAME_MS    100u
#define THROTTLE_KNOWN_MS   (7u * 24 * 3600 * 1000)     /* how long a login is remembered */

/* A try under way: who tries what. claim is the table's. */
struct throttle_try {
    struct slice client;        /* address in text */
    struct slice name;          /* of the mailbox or agent, in its one form (login_name) */
    uint64_t     claim;
};

/* Whether the try may be made now. False: ask again later. */
bool throttle_begin(struct shared_table *t, struct throttle_try *y, uint64_t now_ms);

/* What came of it; dropped: no secret was looked at. */
void throttle_failed(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms);
void throttle_passed(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms);
void throttle_dropped(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms);

#endif
