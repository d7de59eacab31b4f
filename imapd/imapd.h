#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H
/*
 * imapd - the process of IMAP and POP3. It reads the database through a read-only map, each time in a snapshot that ends with
 * the turn of the loop, and changes nothing itself: it asks store (imapd/store_ask.h).
 */

#include "imapd/store_ask.h"
#include "imapd/connection.h"
#include "imapd/imap_view.h"
#include "imapd/password_check.h"

#include "lib/charset.h"
#include "lib/db.h"
#include "lib/limits.h"
#include "lib/proxy.h"
#include "lib/role.h"

#define IMAPD_READ_BYTES    (16u * 1024)    /* at a time, of one connection */
#define IMAPD_WATCH_BUCKETS 1024u
#define IMAPD_COMPRESSING_MAX 1000u         /* clients that compress at a time: about 40 KiB each while they are idle (imapd/compression.h) */

struct imapd {
    struct role_context   *role;
    const struct config   *config;
    struct db             *db;
    struct tls_server     *tls;             /* NULL: no certificate is configured */
    struct event         **accepting;       /* one for each listener */
    struct event          *accept_again;
    struct limits         *clients;         /* what each client may have */
    struct proxies        *proxies;
    bool                   pressed;         /* there are many connections: time limits before the login are short */
    struct event          *too_late;        /* timer: a stop waits no longer for answers under way */
    struct connection_list connections;
    unsigned               connection_count;
    unsigned               compressing;     /* of these, clients that compress */
    uint32_t               last_number;
    struct deadlines       deadlines;
    struct store_asks      asks;
    uint64_t               subscribe_req;   /* of the request to be told of changes; 0: not asked yet */
    LIST_HEAD(, imap_view) watches[IMAPD_WATCH_BUCKETS];     /* selected folders */
    struct imap_uids_kept  uids;            /* of folders that were selected lately */
    struct charset_modules *charsets;       /* kept open */
    uint64_t               collecting_bytes;    /* of all clients whose SORT or THREAD is under way (imap_collect.h) */
    uint64_t               appending_bytes; /* announced by all clients that are bringing in messages (imap_append.h) */
    struct password_checks *checks;
    char                   scratch[IMAPD_READ_BYTES];
};

/* From now on the view hears of changes of its folder, until imap_view_close. */
void imapd_watch(struct imapd *imapd, struct imap_view *v);

/*
 * Below which UID other sessions of this process have claimed the messages of the view's folder as recent; 0: none has. Looks no further than
 * to one that has claimed all below enough.
 */
uint32_t imapd_claimed(const struct imapd *imapd, const struct imap_view *v, uint32_t enough);

/* From accept.c. */
int  accept_start(struct imapd *imapd);     /* begins to accept: 0 or MT_ENOMEM */
void accept_stop(struct imapd *imapd);      /* for good */
void accept_free(struct imapd *imapd);
void accept_changed(struct imapd *imapd);   /* there is one connection more or less */

/* A connection was freed: when the process drains and it was the last, the process ends. */
void imapd_connection_gone(struct imapd *imapd);

#endif
