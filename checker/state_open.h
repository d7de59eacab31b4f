#ifndef CHECKER_STATE_OPEN_H
#define CHECKER_STATE_OPEN_H
/* state_open - the file below state.h: who has it, whether it can be read, how large it may become. Part of state alone. */

#include "checker/state.h"

#include <limits.h>
#include <lmdb.h>

/* All zero before state_env_lock, which also says where it lies. */
struct state_env {
    char     dir[PATH_MAX];
    int      lock;                          /* the lock file's descriptor, plus one: 0 means none */
    MDB_env *env;                           /* NULL: not open */
    MDB_txn *reading;                       /* for reading, reset between uses */
    MDB_dbi  tables[STATE_TABLE_COUNT];
    MDB_dbi  own_table;                     /* the version of the file */
    size_t   map_bytes;
};

/*
 * Makes the folder where there is none, and this process its only user. MT_EBUSY, MT_EDENIED, MT_EFULL, MT_EIO, MT_ENOTFOUND, MT_EINVALID (logged).
 */
int  state_env_lock(struct state_env *e, const char *dir);
void state_env_unlock(struct state_env *e);

/*
 * Checks the file and opens it; one that is damaged is put aside first, and *begun_anew set. MT_EVERSION, MT_EDENIED, MT_EFULL, MT_EIO, MT_ENOMEM
 * (logged): then it is not open.
 */
int  state_env_open(struct state_env *e, bool *begun_anew);
void state_env_close(struct state_env *e);      /* not open is fine */

/* Twice as much room. LMDB's result. No transaction may be under way. */
int state_env_grow(struct state_env *e);

const char *state_table_name(enum state_table table);

#endif
