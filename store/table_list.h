#ifndef STORE_TABLE_LIST_H
#define STORE_TABLE_LIST_H
/* table_list - answers a request with a row for each record of a table whose keys are ids, in their order, as the channel takes them. */

#include "store/peer.h"

#include "lib/db.h"

/* Sends one row. MT_EFULL: the channel takes no more now; MT_EDAMAGED: the record is left out, and the list ends with that. */
typedef int table_row_fn(struct channel *c, uint64_t req, uint32_t id, struct slice record);

/* The whole answer, for a handler. Each turn reads in a snapshot of its own. */
int table_list_serve(struct peer *p, uint64_t req, enum table table, table_row_fn *send);

#endif
