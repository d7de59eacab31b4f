#ifndef LIB_SERVED_H
#define LIB_SERVED_H
/*
 * served - when this receiver took mail: records of table served, one for each span of time in which nothing changed. Each is keyed by
 * its first microsecond; no two overlap. Time that no row covers is time in which store did not run. From this a mail that did not
 * arrive while nobody could take it is told apart from one that did not arrive.
 *
 * While it runs, store moves the end of the last span on with its commits, and at least each store.heartbeat_s seconds. So after a
 * crash the time without service seems to begin up to that much too early, never too late.
 */

#include "lib/db.h"
#include "lib/msg.h"

#define SERVED_LISTENERS_MAX 128u       /* distinct ones; more are not told apart */
#define SERVED_ADDRESS_BYTES 127u

enum served_state {
    SERVED_SERVING = 1,     /* at least one listener took mail */
    SERVED_FULL,            /* there was no room, and each mail got a 452 */
    SERVED_NO_LISTENER,     /* store ran, and no listener of SMTP or LMTP did */
    SERVED_STATE_LIMIT
};

/* "serving", "full", "no-listener". */
const char *served_state_name(enum served_state state);

struct served_listener {
    enum listener kind;
    struct slice  address;
};

struct served_record {
    enum served_state state;
    uint64_t          until_us;         /* known to have held so long */
    struct slice      listeners;        /* served_listener_write() each: those that took mail */
};

void served_listener_write(struct buf *b, const struct served_listener *l);
bool served_listener_next(struct reader *r, struct served_listener *out);      /* false at the end or at a fault */

/* As the records of lib/record.h. MT_EDAMAGED, MT_EVERSION. */
void served_record_write(struct buf *b, const struct served_record *s);
int  served_record_read(struct slice bytes, struct served_record *out);

/*
 * How long of the time from from_us to to_us nobody took mail. Costs a step for each row in that time. Damaged rows count as time
 * without service. MT_EIO, MT_ENOMEM.
 */
int served_refused_us(const struct db_view *v, uint64_t from_us, uint64_t to_us, uint64_t *out);

/*
 * The rule by which a mail that did not arrive is laid on this receiver: in its window nobody took mail for 30 seconds or more, or, in a
 * window shorter than 300 s, for a tenth of it or more. A sender that is turned away tries again minutes later, so even a short
 * pause may push a mail out of its window; a restart of some seconds is what listening sockets bridge.
 */
#define SERVED_REFUSED_US UINT64_C(30000000)
bool served_is_cause(uint64_t refused_us, uint64_t window_us);

#endif
