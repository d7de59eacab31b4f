#ifndef STORE_RESULT_H
#define STORE_RESULT_H
/*
 * result - writes what checks came to (lib/result.h): the runs, the sums of their hours, which are kept up to date with every run and are
 * exact whatever is replaced, and the records of the checks. Removes runs, and later sums, in small steps; a check of which nothing is left
 * goes with them.
 *
 * An hour of a check that has begun to expire is closed (check_record.closed_us): nothing of it is taken or replaced any more, so its sum
 * stays what it was.
 */

#include "store/store.h"

/* What is due after some results were stored, once for many of them. Zero it before the first. */
#define RESULT_CHORES_MAX (2u * RESULTS_A_POST)
struct result_chores {
    unsigned count;
    struct {
        uint32_t check_id;
        uint32_t hour;          /* to count anew; UINT32_MAX: since when the check has its state */
    } list[RESULT_CHORES_MAX];
};

/*
 * Stores one run of the check of that name. mailbox_id 0: of none. scoped: who posts it may make checks in that mailbox alone, up to
 * CHECKS_OF_A_KEY. bytes: the record, which r was read from. Borrows neither. A fault of the transaction is told by tx_fault.
 */
struct result_post {
    uint32_t                    mailbox_id;
    bool                        scoped;
    struct slice                check;
    struct slice                bytes;
    const struct result_record *r;
};
enum result_done result_store(struct store *s, struct tx *tx, const struct result_post *post, struct result_chores *chores);

/* To be called once, behind the last of them and in the same transaction. */
void result_chores_do(struct tx *tx, const struct result_chores *chores);

/* Whether runs or sums are too old; removes at most max rows of those that are. Returns how many. */
bool     result_is_due(const struct store *s, const struct db_view *v);
unsigned result_expire(const struct store *s, struct tx *tx, unsigned max);

/* Removes a check: its record at once, the rest with result_purge. MT_ENOTFOUND, MT_EDAMAGED: nothing was written. */
int result_remove_check(struct tx *tx, uint32_t check_id);

/* At most max checks of a mailbox. Returns how many. */
unsigned result_remove_checks_of(struct tx *tx, uint32_t mailbox_id, unsigned max);

/* Removes at most max rows of a check that was removed. Returns how many. */
unsigned result_purge(struct tx *tx, uint32_t check_id, unsigned max);

/* How many checks there are by the state of their newest result. 0, or the store's error. */
int result_count_checks(const struct db_view *v, uint64_t out[RESULT_STATES]);

#endif
