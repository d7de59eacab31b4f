#ifndef STORE_CONVERT_H
#define STORE_CONVERT_H
/*
 * convert - brings a database of an older schema to the one of today, when store starts and before anybody else opens it. A step leads from
 * one schema to the next; it goes through the tables whose rows look different, some thousand rows in one transaction. The first of these
 * sets the new schema's number, so that an older version refuses the database from then on, and each notes how far it came, so that an
 * end in the middle costs nothing: the next start goes on there. The readers refuse the database until the last one.
 *
 * There is no way back: who may want one makes a backup before.
 */

#include "store/store.h"

/*
 * Nothing to do: MT_OK at once. MT_EFULL, MT_EIO, MT_ENOMEM, MT_EVERSION (no step leads on from its schema): logged. A row that was damaged
 * before is left as it is, and logged; verify tells of it.
 */
int convert_database(struct store *s);

#endif
