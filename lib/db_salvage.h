#ifndef LIB_DB_SALVAGE_H
#define LIB_DB_SALVAGE_H
/*
 * db_salvage - makes a new database of what is whole in a damaged one. What can be had from the rest is made anew: names, counts, rows of expiry
 * and deadlines, entries of messages whose entry is damaged, folders and mailboxes whose record is (such a mailbox is called "lost-ID", is
 * disabled, and has a secret that nobody knows). A message whose body is not whole is left out.
 */

#include "lib/db.h"

struct db_salvage_counts {
    uint64_t mailboxes, messages, tokens;   /* in the new database */
    uint64_t rows_lost;                     /* records that were damaged */
    uint64_t messages_lost;                 /* of these messages, with those whose body was not whole */
    uint64_t places_lost;                   /* pages, nodes and large values of the file that could not be read */
    uint64_t made;                          /* mailboxes, folders and entries that had to be made anew */
};

/* What is lost, one line each; valid during the call. */
typedef void db_salvage_fn(void *arg, const char *text);

/*
 * Reads the data file behind fd, which nobody may write to meanwhile, and writes the new database into to->dir, which is there and empty.
 * Takes a bit of memory for each page. MT_EDAMAGED: neither meta page is readable, so nothing is; MT_EVERSION: of another schema; MT_ENOTFOUND MT_EFULL
 * MT_EIO MT_ENOMEM.
 */
int db_salvage(int fd, const struct db_options *to, db_salvage_fn *tell, void *arg, struct db_salvage_counts *counts);

#endif
