#ifndef LIB_SESSION_ID_H
#define LIB_SESSION_ID_H
/*
 * session_id - the id of a transaction, in the log, in our Received field and in a message's facts: 12 characters of base32,
 * which carry microseconds since 1970 and the number of the process; unique as long as no process gives two for one microsecond.
 */

#include "lib/slice.h"

#define SESSION_ID_CHARS 12u

/* With a NUL. time_us: when the transaction began. */
void session_id_make(char out[SESSION_ID_CHARS + 1], uint64_t time_us, unsigned process);

/* When it began, microseconds since 1970; 0 where this is no such id. */
uint64_t session_id_time_us(struct slice id);

#endif
