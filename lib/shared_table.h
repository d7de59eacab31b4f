#ifndef LIB_SHARED_TABLE_H
#define LIB_SHARED_TABLE_H
/*
 * shared_table - what all processes of the service count together about clients: one memfd of fixed size, made by the supervisor, which
 * keeps it for as long as the service runs and hands it to each process that serves clients. So a limit holds for a client however many
 * processes serve it, and a reload or the death of a process makes nothing be forgotten.
 *
 * No locks: each place is changed by atomic steps alone, so a process that dies holds up nobody. Places are chosen by a keyed hash: nobody
 * chooses with whom he shares one. Whoever comes gets a place; where all that he can have are taken, the one with the lowest value (the
 * oldest time, the fewest sessions) gives way. So a flood of addresses makes the table forget its coldest rows, and locks nobody out.
 *
 * A process that was taken over can write what it likes into the table: it makes limits useless or turns clients away, and no more. Nothing
 * in it is followed as an address or as a length.
 */

#include "lib/slice.h"

#include <stdatomic.h>

#define SHARED_PLACES          16384u       /* of each kind */
#define SHARED_WAYS            4u           /* places that one can have */
#define SHARED_PROCESSES_MAX   1024u        /* that count sessions at a time */
#define SHARED_SESSION_PLACES  8192u        /* of each process, for addresses and for networks, each */

enum shared_kind {
    SHARED_TRY_ADDRESS,         /* tries of passwords (lib/throttle.h) */
    SHARED_TRY_NAME,
    SHARED_TRY_KNOWN,
    SHARED_SESSIONS,            /* new sessions of a network */
    SHARED_SESSIONS_ALL,        /* new sessions of a role */
    SHARED_MAILS_ADDRESS,
    SHARED_MAILS_MAILBOX,
    SHARED_KNOWN_CLIENT,        /* until when a client counts as known */
    SHARED_LOGGED,              /* lines of the log about one address */
    SHARED_KIND_COUNT
};

/* value: what its kind is about; it only matters that a lower one is colder. */
struct shared_place {
    _Atomic uint64_t who;       /* hash; 0: free */
    _Atomic uint64_t value;
};

struct shared_table;

/* A new table; -1 and errno where the kernel refuses. */
int shared_table_create(void);

/* Maps a table that was handed over; the descriptor stays the caller's. NULL: not such a table. */
struct shared_table *shared_table_map(int fd);
void                 shared_table_unmap(struct shared_table *t);    /* NULL is fine */

/* Never 0. Both parts count, and so does where one ends. */
uint64_t shared_hash(const struct shared_table *t, enum shared_kind kind, struct slice first, struct slice second);

/* NULL: it has none. */
struct shared_place *shared_find(struct shared_table *t, enum shared_kind kind, uint64_t who);

/* Its place, perhaps a new one with the value 0. NULL: another process took the place meanwhile. */
struct shared_place *shared_obtain(struct shared_table *t, enum shared_kind kind, uint64_t who);

/*
 * Takes one of what is given out every interval_us, of which up to burst may have been saved up (GCRA: the place's value is the time at which
 * all that was taken is earned). False: there is none yet, and nothing was taken.
 */
bool shared_take(struct shared_table *t, enum shared_kind kind, uint64_t who, uint64_t now_us, uint64_t interval_us, uint32_t burst);

/* ---- Sessions that are open -------------------------------------------------------------------------------------------- */

/* One process's share of the counts, which it alone writes. Those of one role are SHARED_ROLES apart. */
enum shared_scope { SHARED_ADDRESS, SHARED_NETWORK, SHARED_SCOPE_COUNT };
enum { SHARED_ROLES = 3 };
#define SHARED_NO_SHARE UINT32_MAX      /* its sessions are not counted: over SHARED_PROCESSES_MAX */

/* One more or one less session of who in that process. */
void shared_sessions_add(struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who);
void shared_sessions_remove(struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who);

/* Sessions of who in all processes of share's role. Time: one look-up for each of these. */
uint64_t shared_sessions_count(const struct shared_table *t, uint32_t share, enum shared_scope scope, uint64_t who);

/* The process has ended: it has no sessions. */
void shared_sessions_clear(struct shared_table *t, uint32_t share);

#endif
