#ifndef IMAPD_IMAP_VIEW_H
#define IMAPD_IMAP_VIEW_H
/*
 * imap_view - the selected folder as one session has been told of it: which UID has which message number. What happens meanwhile
 * gathers, and is told at the moments that RFC 9051 section 5.5 allows (imap_view_tell). Four octets a message.
 *
 * It also knows which messages are recent for the session (RFC 3501 section 2.3.2), and which keywords it was told of.
 */

#include "imapd/imap_set.h"
#include "imapd/imap_uids.h"

#include "lib/change.h"
#include "lib/db.h"

#include <sys/queue.h>

struct connection;

#define IMAP_VIEW_QUEUE 64u             /* changes that gather; more of them, and the whole folder is compared */

/* When the folder is compared, so much is told at once, and the rest at the next moment: what a session is told of has a bound. */
#define IMAP_VIEW_EXPUNGES_MAX 100000u
#define IMAP_VIEW_FLAGS_MAX    500u

/* So many messages are looked at for the first without \Seen: a SELECT costs the same whatever the size of the folder. */
#define IMAP_VIEW_UNSEEN_LOOKED_AT 500u

#define IMAP_VIEW_RECENT_RANGES 256u    /* what is recent for one session; more of them flow together */

struct imap_queued {
    enum change_kind kind;
    uint32_t         uid;
    uint64_t         modseq;
};

struct imap_view {
    LIST_ENTRY(imap_view) link;         /* in the watches of imapd */
    struct connection *connection;
    bool        watched;                /* link is used */
    uint32_t    mailbox_id;
    uint32_t    folder_id;              /* 0: none is selected */
    uint32_t    uidvalidity;
    uint32_t    uidnext;                /* all below it were told of, or had gone before */
    uint64_t    modseq;                 /* the highest that the session was told of */
    uint32_t    count;                  /* messages that it was told of */
    uint32_t   *uids;                   /* rising; message number 1 is the first. Of list, which others may use, too: never written to */
    struct imap_uids      *list;
    struct imap_uids_kept *kept;        /* of the process; set before a folder is opened. NULL: each view reads all of its folder */
    uint32_t    first_unseen;           /* number of the first message without \Seen when the folder was opened; 0: there was none among the first
                                           IMAP_VIEW_UNSEEN_LOOKED_AT */
    bool        claims;                 /* the session may write: what it is told of is recent for no other one */
    uint32_t    recent_next;            /* below it, it is known what is recent */
    struct imap_set recent;             /* UIDs; some may have gone */
    uint64_t    keywords_sum;           /* checksum of the folder's keywords that the client was told of */
    bool        compare;                /* changes were missed: compare everything */
    uint64_t    compared;               /* flags changed up to here were told, whatever the queue says */
    uint64_t    own_modseq;             /* of the last change of this session's own */
    uint32_t    flags_from;             /* from this UID on the flags are still to be compared; 0: they are not */
    uint64_t    flags_since;            /* flags changed after this modseq are told then */
    unsigned    queued;
    struct imap_queued queue[IMAP_VIEW_QUEUE];
};

/* What is told, one call each, in the order in which the client has to hear it. arg: the session. */
struct imap_view_events {
    void (*expunged)(void *arg, uint32_t number, uint32_t uid);
    void (*changed)(void *arg, uint32_t number, uint32_t uid, const struct entry *e);
    /* f: the folder as it is now; what imap_view_add_recent adds here is recent before the client hears of it. */
    void (*exists)(void *arg, uint32_t count, const struct folder_record *f);
    void (*keywords)(void *arg, struct slice keywords);     /* those in use are others now */
};

/* Selects a folder: reads the UIDs. 0 or MT_E…; then nothing is selected. */
int  imap_view_open(struct imap_view *v, const struct db_view *db, const struct folder_record *f);
void imap_view_close(struct imap_view *v);      /* all zero is fine */

/* A change of its folder. */
void imap_view_change(struct imap_view *v, const struct change *c);

/* Tells what has changed. expunges: message numbers may move now; else what went is kept for later. 0 or MT_E… from the database. */
int imap_view_tell(struct imap_view *v, struct db *db, bool expunges, const struct imap_view_events *events, void *arg);

/* The own changes of this session, which it answers itself, are not told again. */
void imap_view_forget_flags(struct imap_view *v, uint64_t modseq);

/*
 * Up to which modseq everything was told. Right behind an imap_view_tell that imap_view_compare had asked to compare everything: what comes by the
 * queue lags behind the database.
 */
uint64_t imap_view_told_modseq(const struct imap_view *v);
void     imap_view_compare(struct imap_view *v);

/* The keywords in use: true when they are not those that the client was told of last; from now on they are. */
bool imap_view_take_keywords(struct imap_view *v, struct slice keywords);

/*
 * The UIDs from first on, below next, are recent for the session. Rising. Out of memory: they are not. imap_view_count_recent counts
 * those that are there still.
 */
void     imap_view_add_recent(struct imap_view *v, uint32_t first, uint32_t next);
bool     imap_view_is_recent(const struct imap_view *v, uint32_t uid);
uint32_t imap_view_count_recent(const struct imap_view *v);

/* Index of the UID, or of the first one behind it (count: none); *exact: it is there. */
uint32_t imap_view_find(const struct imap_view *v, uint32_t uid, bool *exact);

#endif
