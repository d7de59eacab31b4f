#ifndef IMAPD_IMAP_FETCH_H
#define IMAPD_IMAP_FETCH_H
/*
 * imap_fetch - FETCH and UID FETCH (RFC 9051 section 6.4.5), in three files: imap_fetch_items reads what is asked for, imap_fetch_answer
 * says it of one message, imap_fetch goes from message to message. What is long is said in pieces: what a message was said so far, and
 * what comes next, is kept here between two turns.
 */

#include "imapd/imap.h"
#include "imapd/imap_binary.h"
#include "imapd/imap_fields.h"
#include "imapd/imap_message.h"
#include "imapd/imap_vanished.h"

#define IMAP_FETCH_ITEMS_MAX 64u

/* From ITEM_SECTION on: octets of the message are read, and the same kind may be asked for several times. */
enum imap_fetch_kind { ITEM_UID, ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_MODSEQ, ITEM_EMAILID, ITEM_THREADID, ITEM_SAVEDATE, ITEM_PREVIEW,
                       ITEM_ENVELOPE, ITEM_BODY, ITEM_BODYSTRUCTURE, ITEM_SECTION, ITEM_BINARY, ITEM_BINARY_SIZE };

struct imap_fetch_item {
    enum imap_fetch_kind kind;
    enum imap_section    section;
    bool                 by_fields, not_fields;     /* HEADER.FIELDS, HEADER.FIELDS.NOT */
    bool                 partial;
    uint32_t             path[IMAP_PATH_MAX];
    unsigned             path_len;
    struct imap_field_names names;
    uint64_t             offset, octets;            /* of a partial */
    const char          *label;                     /* RFC822, RFC822.HEADER, RFC822.TEXT; NULL: BODY[…] */
};

/* What is under way of an item that is not said at once. */
enum imap_fetch_stage {
    FETCH_ITEMS,                                    /* nothing: the next item comes */
    FETCH_OCTETS,                                   /* octets as they are stored are sent */
    FETCH_COUNTING,                                 /* a part is decoded, or a header's fields are chosen, for the size */
    FETCH_MADE,                                     /* the same once more, and sent */
};

struct imap_fetch {
    struct imap_task        task;
    char                   *text;                   /* owned: the command, that items point into */
    struct imap_reader      reader;
    struct imap_set         indexes;                /* of messages */
    uint32_t                range, index;           /* where it is */
    bool                    begun;                  /* index holds */
    bool                    uids;                   /* UID FETCH */
    bool                    marks;                  /* sets \Seen */
    uint64_t                changed_since;          /* CHANGEDSINCE; 0: not asked for */
    struct slice            set;                    /* as written: in text */
    struct imap_vanished    vanished;               /* VANISHED: still to be told, before all else */
    struct imap_fetch_item *items;                  /* owned; IMAP_FETCH_ITEMS_MAX of them */
    unsigned                count;
    unsigned                at;                     /* item of the message that comes next */
    bool                    said;                   /* of the message under way an item was said */
    uint64_t                message_id;             /* of the message under way; 0: none */
    enum imap_fetch_stage   stage;
    struct imap_range64     piece;                  /* octets of the item under way that are still to be read */
    struct imap_range64     whole;                  /* of the part or the header that is gone through */
    enum part_encoding      encoding;
    struct imap_binary      binary;
    struct imap_fields      fields;
    uint64_t                octets;                 /* of headers that this step has gone through */
    struct imap_set         seen;                   /* UIDs that are to be marked */
    bool                    gone, damaged, undecodable;     /* that came up: the tagged answer says so */
};

/* Reads the items, with the UID that UID FETCH has anyway, and the modifiers behind them. What does not fit is a fault of f->reader. */
void imap_fetch_read(struct connection *c, struct imap_fetch *f);

/* Whether an item needs the message's record; its octets as they are stored. */
bool imap_fetch_needs_record(const struct imap_fetch *f);
bool imap_fetch_needs_octets(const struct imap_fetch *f);

/*
 * Says the items of a message from f->at on, up to one that is long: f->stage is set then, and imap_fetch_go_on says it. With the last
 * item the message is over: f->message_id is 0. 0 or MT_E….
 */
int imap_fetch_say(struct connection *c, struct imap_fetch *f, struct imap_message *m, uint32_t uid, const struct entry *e);

/* A piece of the item under way; back to FETCH_ITEMS with the last. 0 or MT_E…. */
int imap_fetch_go_on(struct connection *c, struct imap_fetch *f, const struct db_view *view);

#endif
