#ifndef LIB_DB_VERIFY_ROWS_H
#define LIB_DB_VERIFY_ROWS_H
/* db_verify_rows - what the files of db_verify share, and nobody else: the walk's state, and the functions that check one row of a table. */

#include "lib/db_verify.h"

typedef unsigned long long ull;

struct verify {
    struct db               *db;
    const struct db_view    *view;          /* that the row lies in */
    db_problem_fn           *problem;
    void                    *arg;
    struct db_verify_counts *counts;
    uint64_t                 bytes;         /* read in this view */
    uint64_t                 last_body;     /* the last body id looked at */
};

/* Checks one row against all that it must fit. */
typedef void verify_row_fn(struct verify *v, struct slice key, struct slice value);

/* Counts a problem and tells it, up to DB_VERIFY_PROBLEMS_MAX. */
void verify_complain(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool verify_exists(struct verify *v, enum table table, struct slice key);

/* Whether a row of meta, the prefix and an id of id_bytes (4 or 8), says that what has this id is being removed. */
bool verify_has_purge(struct verify *v, const char *prefix, uint64_t id, size_t id_bytes);

/* A deleted mailbox's messages are there until they are removed. */
bool verify_mailbox_is_known(struct verify *v, uint32_t id);

verify_row_fn verify_check, verify_check_name, verify_result, verify_result_sum;

/* A row of expiry for results, DB_RESULT_EXPIRY_BYTES long: an hour's row stands for its sum, which is there as long as the results are. */
void verify_result_expiry(struct verify *v, struct slice key);

#endif
