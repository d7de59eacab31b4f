#ifndef LIB_DB_SALVAGE_ROWS_H
#define LIB_DB_SALVAGE_ROWS_H
/* db_salvage_rows - what the files of db_salvage share, and nobody else: the work's state, and the functions that put one row in order. */

#include "lib/db_salvage.h"

struct salvage {
    struct db                *db;
    MDB_txn                  *txn;
    unsigned                  rows;         /* in this transaction */
    int                       fault;        /* the first failure of a write */
    enum table                table;        /* that is read */
    db_salvage_fn            *tell;
    void                     *arg;
    struct db_salvage_counts *counts;
    uint64_t                  schema;       /* of the old database; 0: not seen */
    uint64_t                  last_id;      /* greatest id of a message or body */
    struct buf                scratch;
};

/* Changes or removes one row of the new database. The key is a copy. */
typedef void salvage_row_fn(struct salvage *s, struct slice key, struct slice value);

void salvage_tell(struct salvage *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps the first failure of a write; MT_OK is none. */
void salvage_fail(struct salvage *s, int rc);

/* False: it could not be written, or there is such a row, and flags (of mdb_put) say not to replace it. */
bool salvage_put(struct salvage *s, enum table table, struct slice key, struct slice value, unsigned flags);

/* The same with the record in s->scratch, replacing what is there. */
void salvage_put_record(struct salvage *s, enum table table, struct slice key);

void salvage_drop(struct salvage *s, enum table table, struct slice key);

/* For what was read before the next write: it borrows from the page that is about to be written. Cut to size - 1. */
struct slice salvage_copy(char *to, size_t size, struct slice from);

/* What is written so far. */
struct db_view salvage_view(const struct salvage *s);
bool           salvage_exists(const struct salvage *s, enum table table, struct slice key);

/* One of a mailbox that is lost, or of a name that another has, goes with its results. What is left is counted anew from them. */
salvage_row_fn salvage_check;

/* Of TABLE_RESULT: one whose check is gone goes. */
salvage_row_fn salvage_result;

/* Of TABLE_RESULT: a result whose hour has lost its sum. It is begun anew, and counted by salvage_sum. */
salvage_row_fn salvage_need_sum;

/* Of TABLE_RESULT_SUM. */
salvage_row_fn salvage_sum;

#endif
