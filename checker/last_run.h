#ifndef CHECKER_LAST_RUN_H
#define CHECKER_LAST_RUN_H
/*
 * last_run - what is remembered of a check's last run beside schedule and incidents: its state, when one was well, the client that delivered, and the
 * traits that the next run is compared with. Kept in the state, so that a restart does not make every check a new one.
 */

#include "checker/outcome.h"
#include "lib/buf.h"

struct last_run {
    bool       known;               /* false: it never ran */
    enum state state;
    uint64_t   started_us;          /* wall clock */
    uint64_t   last_success_us;     /* wall clock: the beginning of the last one that was OK or WARNING; 0: none */
    uint64_t   total_us;            /* how long it took from the sending to the arrival; 0: it did not come to that, or ran before a restart. Not kept */
    char       client[46];          /* empty: not known */
    json_t    *traits;              /* change.h; NULL: none. Owned */
};

void last_run_clear(struct last_run *l);

/* The run becomes the last one. Returns what differs from the one before: an array of texts, owned by the caller; NULL: out of memory. */
json_t *last_run_take(struct last_run *l, const struct outcome *outcome);

#define LAST_RUN_BYTES 8192u
void last_run_write(const struct last_run *l, struct buf *out);

/* MT_EDAMAGED: not such octets, or of a version that is not known; *out is one that never ran. */
int  last_run_read(struct slice octets, struct last_run *out);

#endif
