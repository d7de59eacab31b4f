#ifndef LIB_PAGES_ROWS_H
#define LIB_PAGES_ROWS_H
/*
 * pages_rows - gets the rows out of a data file of LMDB that is damaged. As pages.h, it trusts nothing; but where that one complains, this one
 * goes on with what is readable: a node, a page or a large value that does not fit is left out and counted. A row that it gives may be
 * damaged itself: its reader must check it.
 */

#include "lib/slice.h"

struct pages_rows;

/* key and value are valid during the call. */
typedef void pages_row_fn(void *arg, struct slice key, struct slice value);

/* Borrows fd. MT_ENOTFOUND, MT_EDAMAGED (neither meta page is readable), MT_EVERSION, MT_EIO, MT_ENOMEM. */
int  pages_rows_open(int fd, struct pages_rows **out);
void pages_rows_close(struct pages_rows *p);        /* NULL is fine */

/* The rows of the table of that name, in the order of the tree. value_max: larger values are left out. False: there is no such table (any more). */
bool pages_rows_table(struct pages_rows *p, const char *table, size_t value_max, pages_row_fn *row, void *arg);

/*
 * The rows of all leaves that no table led to and that the list of free pages does not have: what lies under a branch that is damaged. After all
 * tables were read. Where the list of free pages is damaged, too, rows that were deleted may be among them.
 */
void pages_rows_stray(struct pages_rows *p, size_t value_max, pages_row_fn *row, void *arg);

/* Pages, nodes and values so far that did not fit. */
uint64_t pages_rows_lost(const struct pages_rows *p);

#endif
