#ifndef SMTPD_DELIVER_H
#define SMTPD_DELIVER_H
/*
 * deliver - hands complete messages to store and brings its answers back to the sessions. Each session has at most one under
 * way and waits for it (session.waiting); it is not freed before its answer or the loss of the channel.
 */

#include "smtpd/session.h"

struct delivery_slot;

struct deliver {
    struct delivery_slot *slots;        /* what is under way; a request's number names its slot */
    uint32_t              slot_count;
    uint32_t              first_free;   /* UINT32_MAX: none */
    struct session_list   no_room;      /* sessions whose delivery the channel could not take yet, oldest first */
    struct recipient     *recipients;   /* DELIVERY_RECIPIENTS_MAX, for the turn of one session */
    struct buf            trace;        /* the same */
    struct event         *give_up;      /* timer: store was lost with messages under way, and is not back */
};

int  deliver_init(struct smtpd *smtpd); /* 0 or MT_ENOMEM */
void deliver_fini(struct deliver *d);

/*
 * Hands the session's message over. 0: it waits from now on; session_delivered is called later, not from inside. Else it does not
 * wait: MT_ESHUTDOWN (no store at the moment), MT_EFULL, MT_ENOMEM, MT_EIO, MT_ESIZE.
 */
int deliver_begin(struct session *s);

/* MSG_ANSWER has come. 0 or MT_EPROTO. */
int deliver_answered(struct smtpd *smtpd, uint64_t req, struct reader *r);

/* The channel takes more again. */
void deliver_room(struct smtpd *smtpd);

/*
 * The channel is lost. What was not handed over yet is refused. What was may have been stored or not, and a client must not hear a no of a
 * message that is kept: its session waits for store to be back, which is asked then. Where store stays away for DELIVER_GIVE_UP_MS, or cannot
 * tell, the session ends without a reply, and the client tries again as behind any broken connection.
 */
void deliver_store_lost(struct smtpd *smtpd);
void deliver_store_back(struct smtpd *smtpd);
#define DELIVER_GIVE_UP_MS 30000u

#endif
