#ifndef LIB_PAGES_H
#define LIB_PAGES_H
/*
 * pages - reads the pages of an LMDB data file (format 1 of LMDB 0.9) without LMDB, which trusts what it reads: a page
 * number or an offset that is wrong makes it crash. Here each is checked before it is used, so any file at all can be looked
 * at.
 */

#include "lib/slice.h"

struct pages_head {
    uint32_t page_bytes;
    uint64_t txn_id;        /* of the newest whole transaction */
    uint64_t last_page;     /* the highest page number in use */
    uint64_t needed_bytes;  /* what the file should have */
    uint64_t file_bytes;    /* what it has: at most 64 pages less than that */
};

/*
 * MT_ENOTFOUND  the file is empty: a new database
 * MT_EDAMAGED   not a data file of LMDB, or cut short; *reason says what is wrong
 * MT_EVERSION   another format of LMDB
 * MT_EIO        *reason too
 * *reason is a static text.
 */
int pages_head_read(int fd, struct pages_head *out, const char **reason);

struct pages_counts {
    uint64_t pages;         /* reached: tables, free list, both meta pages */
    uint64_t free;          /* of these in the free list */
    uint64_t lost;          /* neither reached nor free: no harm, a compacting backup gets them back */
    uint64_t entries;       /* keys in all tables */
};

/* Told of each thing that does not fit; text is valid during the call. */
typedef void pages_problem_fn(void *arg, const char *text);

enum pages_depth {
    PAGES_TABLES,           /* only the list of tables, which LMDB reads when it opens the file */
    PAGES_ALL
};

/*
 * Walks the pages of the snapshot txn_id (0: the newest): page numbers, sizes and order of keys, counts, overflow pages, the
 * free list. Each page must be reached once. The caller pins the snapshot by a read transaction where somebody may write.
 * 0, also when problems were told (at most PAGES_PROBLEMS_MAX); MT_EDAMAGED: not even the head is readable; MT_ENOTFOUND: no
 * such snapshot (any more); MT_EIO, MT_ENOMEM (a bit for each page).
 */
#define PAGES_PROBLEMS_MAX 100u
int pages_check(int fd, uint64_t txn_id, enum pages_depth depth, pages_problem_fn *problem, void *arg, struct pages_counts *out);

#endif
