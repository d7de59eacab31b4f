#ifndef CHECKER_SCHEDULE_H
#define CHECKER_SCHEDULE_H
/*
 * schedule - decides which check runs when. Pure: it is told the time, and tells by hooks what is to be started and kept; no socket, no file, no
 * clock. docs/checker.md explains the rules ("Schedule").
 *
 * Each check has a place of its own in its interval, a hash of its name, so that the load is even, and the same after each start and reload; a run
 * is due whenever the wall clock, as it was at the start and without its later jumps, comes to that place. Costs: starting and ending a run is
 * logarithmic in the number of checks; nothing else is done for a check that is not due. Memory: about 100 octets a check.
 */

#include "checker/checks.h"
#include "checker/moment.h"
#include "lib/buf.h"

struct schedule;

struct schedule_hooks {
    /* A run begins now. Called from schedule_turn alone; schedule_done may be called from inside. */
    void (*start)(void *arg, unsigned check);
    /* Its record (schedule_record) has changed: it is to be kept. NULL: nothing is kept. */
    void (*keep)(void *arg, unsigned check);
    void *arg;
};

struct schedule_stats {
    uint64_t started;
    uint64_t late;              /* of these: more than their interval after they were due */
    uint64_t confirming;        /* of these: after confirm_gap instead of the interval */
    uint64_t hastened;          /* of these: early, since somebody asked */
    uint64_t skipped;           /* were due while an earlier run went on, or still waited for its start */
    uint64_t missed;            /* were due while the program or the machine stood still */
    unsigned under_way, waiting;    /* now; waiting: due, but at a maximum */
    uint64_t longest_wait_us;   /* of those that wait now */
};

/* Borrows checks for as long as it lives. NULL: out of memory. */
struct schedule *schedule_new(const struct checks *checks, const struct schedule_hooks *hooks, struct moment now);
void             schedule_free(struct schedule *s);     /* NULL is fine */

/*
 * What is known of a check from before a restart or a reload: its record, and each of its runs that is taken up again (that will end with
 * schedule_done). Before the first turn. MT_EDAMAGED, MT_EVERSION: the record is left out, the check begins as a new one.
 */
int  schedule_restore(struct schedule *s, unsigned check, struct slice record);
void schedule_adopt(struct schedule *s, unsigned check);

/* Appends the record. At most SCHEDULE_RECORD_BYTES. */
#define SCHEDULE_RECORD_BYTES 64u
void schedule_record(const struct schedule *s, unsigned check, struct moment now, struct buf *out);

/*
 * Starts what is due and may start. Returns when to call again at the latest, on the clock that never jumps (UINT64_MAX: not before something ends).
 * To be called after schedule_done and schedule_hasten, too.
 */
uint64_t schedule_turn(struct schedule *s, struct moment now);

/* A run has ended. confirm: the next comes after the check's confirm_gap (incidents_take says so). */
void schedule_done(struct schedule *s, unsigned check, bool confirm, struct moment now);

/* It is wanted soon: now, or its confirm_gap after it began last. Nothing happens where it runs or waits. */
void schedule_hasten(struct schedule *s, unsigned check, struct moment now);

/* When it is due next, wall clock of now; 0: it is disabled. */
uint64_t schedule_next_us(const struct schedule *s, unsigned check, struct moment now);

void schedule_stats(const struct schedule *s, struct schedule_stats *out);

#endif
