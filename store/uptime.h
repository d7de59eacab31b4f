#ifndef STORE_UPTIME_H
#define STORE_UPTIME_H
/*
 * uptime - keeps the log of when this receiver took mail (lib/served.h): the smtpds tell which of their listeners do, store itself
 * knows when it has no room. A change is written at once; what goes on is noted along with other commits, and by one of its own
 * where for store.heartbeat_s there was none.
 */

#include "lib/served.h"
#include "store/store.h"

struct uptime;

struct uptime *uptime_new(struct store *s);         /* NULL: out of memory */
void           uptime_free(struct uptime *u);       /* NULL is fine */

/* A listener of one peer takes mail from now on, or does not. peer is only compared. u NULL is fine, here and below. */
void uptime_listener(struct uptime *u, const void *peer, enum listener kind, const char *address, bool serving);
void uptime_peer_gone(struct uptime *u, const void *peer);

/* Whether there is room has changed. */
void uptime_changed(struct uptime *u);

/*
 * Brings the log up to the transaction's time: of what has changed always, else only where now is set or half a heartbeat has
 * passed since the last time. What it remembers follows with uptime_committed.
 */
void uptime_write(struct uptime *u, struct tx *tx, bool now);
void uptime_committed(struct uptime *u);
void uptime_failed(struct uptime *u);       /* time until the next one that succeeds counts as not served */

/* The last words: queues them, and nothing more after that. */
void uptime_close(struct uptime *u);

/* Since when mail is taken without a pause, microseconds since 1970; 0: it is not taken now. */
uint64_t uptime_since_us(const struct uptime *u);

/* As journal_is_due and journal_expire, of spans that ended before then; the last one stays. */
bool     uptime_is_due(const struct db_view *v, uint64_t before_us);
unsigned uptime_expire(struct tx *tx, uint64_t before_us, unsigned max);

#endif
