#ifndef CHECKER_STATE_H
#define CHECKER_STATE_H
/*
 * state - what the checker must not forget when it ends: one LMDB environment in state_dir, with a few named tables of keys and values. One
 * process at a time has it (a lock; the message names the process that holds it).
 *
 * A write counts at once for whoever reads here, and lies in memory until the next commit: at most STATE_COMMIT_MS later, all writes of that
 * time in one transaction with one fsync; state_file_flush does it now. Where the disk is full or fails, what was written stays in memory, is read
 * from there, and is tried again with growing gaps, so that nothing but a crash loses it; each failure is logged and counted.
 *
 * Each value carries a checksum over itself and its key. A value that is damaged is logged, counted and left out; a file that is no
 * database any more is put aside ("data.mdb.damaged") and an empty one begun, since a monitor that does not start monitors nothing.
 *
 * What the values mean is their owners' affair: each begins with a version octet of its owner's (lib/wire.h makes the rest).
 */

#include "lib/slice.h"

#include <event2/event.h>

/* Tables. Owners: schedule CHECK, whoever runs the checks RUN and RESULT, incidents INCIDENT, alerts ALERT. META has odd things of all. */
enum state_table {
    STATE_TABLE_META,
    STATE_TABLE_CHECK,
    STATE_TABLE_RUN,
    STATE_TABLE_INCIDENT,
    STATE_TABLE_ALERT,
    STATE_TABLE_RESULT,
    STATE_TABLE_COUNT
};

#define STATE_VERSION       1u
#define STATE_FILE          "data.mdb"
#define STATE_LOCK_FILE     "lock"                      /* in state_dir; the number of the process that has it stands in it */
#define STATE_KEY_MAX       511u                        /* octets of a key, at least 1 (LMDB's bound) */
#define STATE_VALUE_MAX     (4u * 1024 * 1024)          /* octets of a value */
#define STATE_PENDING_MAX   (256u * 1024 * 1024)        /* octets that wait in memory for a commit */
#define STATE_COMMIT_MS     100u

struct state_file;

struct state_stats {
    uint64_t commits;
    uint64_t commit_failures;       /* each try */
    uint64_t commit_us;             /* time that all commits took */
    uint64_t refused;               /* writes that were refused since STATE_PENDING_MAX was reached */
    uint64_t damaged;               /* values that were found damaged */
    uint64_t pending;               /* writes in memory that are not on disk yet */
    bool     failing;               /* the last try to commit failed */
    bool     begun_anew;            /* the file was damaged and put aside when it was opened */
};

/*
 * dir is made (0700) where it does not exist; its parent must. base NULL: nothing is committed but by state_file_flush and state_file_close, for
 * tests and for tools. Each error is logged with its reason.
 * MT_EBUSY      another process has it
 * MT_EVERSION   written by a newer version
 * MT_EDENIED MT_EFULL MT_EIO MT_ENOMEM
 */
int  state_file_open(struct event_base *base, const char *dir, struct state_file **out);

/* Commits what waits. NULL is fine. */
void state_file_close(struct state_file *s);

/*
 * MT_EINVALID   a key or value that is too long, or an empty key
 * MT_EFULL      STATE_PENDING_MAX is reached, since the disk takes nothing: nothing was changed
 * MT_ENOMEM     nothing was changed
 */
int state_file_put(struct state_file *s, enum state_table table, struct slice key, struct slice value);
int state_file_delete(struct state_file *s, enum state_table table, struct slice key);   /* what is not there is deleted, too; errors as above */

/* *value is valid until the next call of any function here, or until the callback returns. MT_ENOTFOUND, MT_EDAMAGED (logged), MT_EIO. */
int state_file_get(struct state_file *s, enum state_table table, struct slice key, struct slice *value);

/*
 * Calls fn with each pair from the key from on (empty: the first), in the order of the keys' octets, until it returns false. Damaged ones are left
 * out (logged, counted). fn must not write and must not read otherwise: it notes what is to be done, or ends the walk. The slices are valid during
 * its call. MT_EIO, MT_ENOMEM.
 */
typedef bool state_pair_fn(void *arg, struct slice key, struct slice value);
int state_file_each(struct state_file *s, enum state_table table, struct slice from, state_pair_fn *fn, void *arg);

/* Commits now: on disk when this returns 0. MT_EFULL, MT_EIO, MT_ENOMEM: it stays in memory and is tried again. */
int state_file_flush(struct state_file *s);

void state_file_stats(const struct state_file *s, struct state_stats *out);

#endif
