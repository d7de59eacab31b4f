#ifndef LIB_DB_RESULT_H
#define LIB_DB_RESULT_H
/*
 * db_result - reading checks, their results and the sums of hours (lib/result.h) from the database. What is read borrows from the view. Errors as
 * of lib/db.h.
 */

#include "lib/db.h"
#include "lib/result.h"

/* Keys, as those of lib/db.h. */
#define DB_CHECK_NAME_KEY_MAX (4u + CHECK_TEXT_MAX)
struct slice db_key_check_name(void *to, uint32_t mailbox_id, struct slice name);       /* 4 and the name, which is cut to fit */
struct slice db_key_result(void *to, uint32_t check_id, uint64_t started_us);           /* 12 */
struct slice db_key_result_sum(void *to, uint32_t check_id, uint32_t hour);             /* 8 */
#define DB_RESULT_EXPIRY_BYTES 13u
struct slice db_key_result_expiry(void *to, enum expiry kind, uint32_t hour, uint32_t check_id);    /* DB_RESULT_EXPIRY_BYTES */

int db_check(const struct db_view *v, uint32_t id, struct check_record *out);
int db_check_by_name(const struct db_view *v, uint32_t mailbox_id, struct slice name, struct check_record *out);
int db_result(const struct db_view *v, uint32_t check_id, uint64_t started_us, struct result_record *out);
int db_result_sum(const struct db_view *v, uint32_t check_id, uint32_t hour, struct result_sum *out);

/*
 * The check of that name in whatever mailbox, or in none. MT_EEXIST: there are several. Takes a step for each mailbox that has
 * checks.
 */
int db_check_anywhere(const struct db_view *v, struct slice name, struct check_record *out);

/*
 * Walks the checks in the order of their mailboxes' ids and their names, those of one mailbox (any false) or all, from behind the check with the
 * id after (0: from the first; one that is not there: MT_ENOTFOUND). Calls fn until it returns false. One that is damaged is left out, and makes
 * the result MT_EDAMAGED.
 */
struct check_scope {
    bool     any;
    uint32_t mailbox_id;
};
typedef bool db_check_fn(void *arg, const struct check_record *c);
int db_checks(const struct db_view *v, struct check_scope scope, uint32_t after, db_check_fn *fn, void *arg);

/*
 * Walks the results of a check that began at from_us or later and before before_us, newest first. Calls fn until it returns false. One that is
 * damaged is left out, and makes the result MT_EDAMAGED.
 */
typedef bool db_result_fn(void *arg, const struct result_record *r);
int db_results(const struct db_view *v, uint32_t check_id, uint64_t from_us, uint64_t before_us, db_result_fn *fn, void *arg);

/* The same with the sums of the hours from from_hour on and before before_hour. */
typedef bool db_result_sum_fn(void *arg, uint32_t hour, const struct result_sum *s);
int db_result_sums(const struct db_view *v, uint32_t check_id, uint32_t from_hour, uint32_t before_hour, db_result_sum_fn *fn, void *arg);

/* The last one that began before before_us. MT_ENOTFOUND: there is none. Those that are damaged are passed over. */
int db_result_newest(const struct db_view *v, uint32_t check_id, uint64_t before_us, struct result_record *out);

/* The sum of an hour, counted from the results of it that are there. Errors as those of db_results. */
int db_result_count(const struct db_view *v, uint32_t check_id, uint32_t hour, struct result_sum *out);

#endif
