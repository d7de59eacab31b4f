#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H
/*
 * imapd - the process of IMAP and POP3. It reads the database through a read-only map, each time in a snapshot that ends with
 * the turn of the loop, and changes nothing itself: it asks store (imapd/store_ask.h).
 */

#include "imapd/store_ask.h"
#include "imapd/connection.h"
#include "imapd/imap_view.h"
#include "imapd/throttle.h"

#include "lib/db.h"
#include "lib/role.h"

#define IMAPD_READ_BYTES    (16u * 1024)    /* at a time, of one connection */
#define IMAPD_WATCH_BUCKETS 1024u

struct imapd {
    struct role_context   *role;
    const struct config   *config;
    struct db             *db;
    SSL_CTX               *tls;             /* NULL: no certificate is configured */
    struct event         **accepting;       /* one for each listener */
    struct event          *accept_again;
    struct event          *too_late;        /* timer: a stop waits no longer for answers under way */
    struct connection_list connections;
    unsigned               connection_count;
    uint32_t               last_number;
    struct deadlines       deadlines;
    struct store_asks      asks;
    uint64_t               subscribe_req;   /* of the request to be told of changes; 0: not asked yet */
    LIST_HEAD(, imap_view) watches[IMAPD_WATCH_BUCKETS];     /* selected folders */
    uint64_t               appending_bytes; /* announced by all clients that are bringing in messages (imap_append.h) */
    struct throttle        throttle;
    uint8_t                decoy_key[32];   /* random: makes the salts that unknown users get */
    char                   scratch[IMAPD_READ_BYTES];
};

/* From now on the view hears of changes of its folder, until imap_view_close. */
void imapd_watch(struct imapd *imapd, struct imap_view *v);

/* A connection was freed: when the process drains and it was the last, the process ends. */
void imapd_connection_gone(struct imapd *imapd);

#endif
