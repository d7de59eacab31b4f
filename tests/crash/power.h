#ifndef TESTS_CRASH_POWER_H
#define TESTS_CRASH_POWER_H
/*
 * power - what the preloaded library (power.c) and the harness (control.py) share: a file that both map. Python reads and writes it by
 * these offsets, so each field is of 8 octets and in this order.
 */

#include <stdatomic.h>
#include <stdint.h>

/* Which processes a fault is for: bits of fault_roles. */
enum power_role { POWER_SUPERVISOR, POWER_STORE, POWER_SMTPD, POWER_IMAPD, POWER_LOOKUP, POWER_WEBHOOK };

/* What may fail: bits of fault_calls. Allocations are counted together. */
enum power_call { POWER_OPEN, POWER_WRITE, POWER_SYNC, POWER_TRUNCATE, POWER_ALLOCATE, POWER_MEMFD, POWER_MEMORY };

/* What is recorded of the files below the watched folder. */
enum power_op {
    POWER_OP_CREATE = 1,    /* a name and an empty file */
    POWER_OP_WRITE,
    POWER_OP_TRUNCATE,      /* offset: the new size */
    POWER_OP_SYNC,          /* all that was written to the file before is on the disk; of a folder: all names */
    POWER_OP_SYNC_RANGE,    /* the write of O_DSYNC that ended with this is on the disk */
    POWER_OP_RENAME,        /* the data are the new path */
    POWER_OP_UNLINK,
    POWER_OP_FOLDER,        /* was made */
};

struct power_control {
    _Atomic uint64_t recording;         /* 1: the log below grows */
    _Atomic uint64_t log_head;          /* octets used of the log */
    uint64_t         log_size;          /* set by the harness */
    _Atomic uint64_t log_full;          /* 1: something was not recorded */
    _Atomic uint64_t fault_roles;
    _Atomic uint64_t fault_calls;       /* 0: nothing fails */
    _Atomic uint64_t fault_error;       /* errno; 0: a write takes only half */
    _Atomic uint64_t fault_first;       /* the first call that fails, from 1 */
    _Atomic uint64_t fault_count;       /* so many fail */
    _Atomic uint64_t fault_seen;        /* calls that could have failed since the harness set this to 0 */
    _Atomic uint64_t fault_hits;        /* calls that did */
    _Atomic uint64_t clock_ns;          /* added to the clock of the day, in two's complement */
};

/* The log begins here, one record behind the other, each filled up to 8 octets. */
enum { POWER_LOG_AT = 4096, POWER_ALIGN = 8 };

struct power_record {
    _Atomic uint64_t bytes;             /* with this head; set last: 0 while it is being written */
    uint64_t         op;
    uint64_t         inode;
    uint64_t         offset;
    uint64_t         path_len;          /* octets of the path, which follow the head */
    uint64_t         data_len;          /* octets of the data, which follow the path */
};

#endif
