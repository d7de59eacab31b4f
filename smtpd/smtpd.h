#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H
/*
 * smtpd - the process that receives mail by SMTP and LMTP: what all of its sessions share.
 */

#include "lib/role.h"
#include "smtpd/client_name.h"
#include "smtpd/deliver.h"
#include "smtpd/mailboxes.h"
#include "smtpd/session.h"

/* Read from a socket at once. */
enum { READ_BYTES = 64 * 1024 };

struct listening;

struct smtpd {
    struct role_context      *role;
    const struct config      *config;
    struct tls_server        *tls;
    struct mailboxes         *mailboxes;
    struct client_names      *names;            /* NULL: none are looked up */
    struct limits            *clients;          /* what each client may have */
    struct proxies           *proxies;
    struct deadlines          deadlines;
    struct flight             flight;
    struct deliver            deliver;
    struct transaction_limits limits;
    struct transaction_pool   pool;
    struct session_list       sessions;
    unsigned                  session_count;
    struct listening         *listening;        /* one for each listener; NULL when stopping */
    struct event             *accept_again;     /* timer: behind a lack of descriptors */
    struct event             *grace_over;       /* timer: of a drain */
    struct buf                extensions;       /* EHLO's lines behind the first, but for STARTTLS */
    char                     *scratch;          /* READ_BYTES, for the turn of one session */
    uint32_t                  last_number;      /* of a session */
    uint64_t                  last_id_us;       /* of a transaction */
    bool                      pressed;          /* there are many sessions: time limits are short */
    bool                      crammed;          /* messages take all the memory that they may: those that stall have little time */
    bool                      store_up;         /* there is a channel to store */
    bool                      store_full;
    bool                      forced;           /* the grace of a drain is over */
};

/* Microseconds since 1970. */
uint64_t now_us(void);

/* A session has ended. */
void smtpd_session_gone(struct smtpd *smtpd);

/* From pressure.c. */
void pressure_changed(struct smtpd *smtpd);         /* there is one session more or less */
void pressure_of_messages(struct smtpd *smtpd);     /* messages under way take more or less memory than before */
bool pressure_make_room(struct smtpd *smtpd, const struct limit_client *newcomer);   /* ends an idle or slow session for a new one; false: none is */
void pressure_of_handshakes(struct smtpd *smtpd, const struct session *newcomer);    /* its handshake has begun: another may end for it */

/* From listen.c. */
int  listen_start(struct smtpd *smtpd);     /* begins to accept: 0 or MT_ENOMEM */
void listen_stop(struct smtpd *smtpd);      /* for good */
void listen_tell(struct smtpd *smtpd);      /* tells store, which was connected anew, which listeners take mail */

/* Clients wait in the sockets' queues until listen_go_on, at most some seconds. */
void listen_wait(struct smtpd *smtpd);
void listen_go_on(struct smtpd *smtpd);

#endif
