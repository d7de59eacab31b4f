#ifndef CTL_VERIFY_H
#define CTL_VERIFY_H
/* verify - walks a database for the commands verify, backup and restore, and says on standard error what does not fit. */

#include "ctl/ctl.h"

struct verify_sum {
    uint64_t problems;      /* a file that is not what the manifest says counts as one */
    bool     walked;        /* the database was: the numbers below are known */
    uint64_t mailboxes;
    uint64_t messages;
    uint64_t tokens;
    uint64_t bytes;
};

/*
 * The database in state_dir or in a backup's folder. EX_OK, EX_DATAERR when something does not fit, or another exit code; what
 * is wrong was said.
 */
int verify_database(const struct ctl *ctl, const char *dir, struct verify_sum *sum);

/*
 * The manifest, the files and the database of a backup. As above; at a manifest or a file that does not fit it ends there, with
 * one problem.
 */
int verify_backup(const struct ctl *ctl, const char *dir, struct verify_sum *sum);

#endif
