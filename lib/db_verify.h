#ifndef LIB_DB_VERIFY_H
#define LIB_DB_VERIFY_H
/* db_verify - walks a whole database, in use or not, and tells what does not fit. Nothing is changed. */

#include "lib/db.h"

struct db_verify_counts {
    uint64_t problems;      /* told, or left out after DB_VERIFY_PROBLEMS_MAX */
    uint64_t mailboxes, messages, tokens, api_keys, events, webhooks, checks, results;
    uint64_t bytes;         /* of messages as served */
    uint64_t pages, free_pages, lost_pages;
};

#define DB_VERIFY_PROBLEMS_MAX 1000u

/* One thing that does not fit, such as "message 12: its body is damaged"; valid during the call. */
typedef void db_problem_fn(void *arg, const char *text);

/*
 * First the structure of the file, page by page, without trusting it; only where that is whole, every record: checksums of
 * records and bodies, entries and messages, counters of folders and mailboxes, shared bodies, expiry, tokens, their
 * arrivals and deadlines, names, events, webhooks and their posts, patterns, the log of service, checks with their
 * results and the sums of their hours, next ids. The second part reads in short snapshots, so a store in use goes on at its pace; the first pins
 * one as long as it takes to read the branches and leaves.
 *
 * MT_OK         all was looked at; counts->problems says how it was
 * MT_EDAMAGED   not a database, or its structure is damaged: problems were told, the records were not looked at
 * MT_EVERSION   a newer schema, or another format
 * MT_ENOTFOUND MT_EDENIED MT_EIO MT_ENOMEM MT_EFULL
 */
int db_verify(const struct db_options *options, db_problem_fn *problem, void *arg, struct db_verify_counts *counts);

#endif
