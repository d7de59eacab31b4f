#ifndef STORE_STORE_H
#define STORE_STORE_H
/*
 * store - what the parts of this process share. Who changes state queues a batch_op; everybody reads through a db_view that
 * ends before the callback returns.
 */

#include "lib/change.h"
#include "lib/channel.h"
#include "lib/config.h"
#include "lib/delivery.h"
#include "store/batch.h"
#include "store/keys.h"
#include "store/catalog.h"

struct expire;
struct posting;
struct room;
struct peers;
struct snapshots;
struct uptime;
struct usual;
struct verdicts;

struct store {
    struct event_base   *base;
    const struct config *config;        /* the one in force; a reload replaces it */
    struct config       *own_config;    /* the same after a reload, else NULL: the first one is the process's */
    char                *db_dir;
    int                  lock_fd;
    struct db           *db;            /* NULL while the file has failed and was not opened anew yet */
    struct keys         *keys;
    struct catalog      *catalog;
    struct batch        *batch;
    struct expire       *expire;
    struct room         *room;
    struct peers        *peers;
    struct snapshots    *snapshots;
    struct uptime       *uptime;
    struct verdicts     *verdicts;
    struct usual        *usual;
    struct posting      *posting;
    uint64_t             change_seq;
    int64_t              clock_ahead_us;        /* added to the clock; 0 but in unit tests */
    uint64_t             started_us;
    struct tx_counts     stored;                /* since then */
    uint64_t             message_count;         /* kept, in all mailboxes */
    uint64_t             checks[RESULT_STATES]; /* by the state of their newest result */
};

/*
 * Opens everything below config->state_dir: lock, database, keys, mailboxes. Makes what is missing on the first start. *s
 * must stay where it is. Errors are logged where they arise.
 */
int  store_open(struct store *s, struct event_base *base, const struct config *config);
void store_close(struct store *s);      /* what was queued is committed first; a half-open one is fine */

/* A new configuration, taken over by the store. */
void store_reload(struct store *s, struct config *config);

/* The database, or MT_EIO while it has failed: what a request for reading begins with. */
int store_view(struct store *s, struct db_view *v);

uint64_t store_now_us(const struct store *s);   /* microseconds since 1970 */

/* "postmaster" and "abuse": every domain must accept mail for them, so they are made where missing and never deleted. */
bool store_needs_mailbox(struct slice name);

#endif
