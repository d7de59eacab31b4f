#ifndef LIB_WIPED_H
#define LIB_WIPED_H
/*
 * wiped - makes libevent overwrite memory before it gives it back, for a process that reads secrets of clients through libevent's own HTTP
 * parser: what it buffered and copied of them would lie in freed memory for as long as nobody else needs that.
 */

/* From now on, for all of libevent in this process; what it has already it frees in the same way. */
void wiped_by_libevent(void);

#endif
