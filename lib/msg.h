#ifndef LIB_MSG_H
#define LIB_MSG_H
/*
 * msg - the messages between the roles: their types, who may send which, and the fixed head in front of each.
 * What follows the head is written and read with lib/wire.h; the comment at each type says which fields, or names the
 * function pair that writes and reads them. How messages travel is lib/channel.h.
 *
 * Direction: "S>r" supervisor to role, "r>S" back; "r>D" role to store (the database's owner), "D>r" back; "c>D" mailtestctl
 * to store. A request carries a req chosen by the asker (not 0); its answer is of type MSG_ANSWER or MSG_ROW with that req.
 */

#include "lib/wire.h"

#define MSG_VERSION 1

/* A delivery of this many octets or fewer travels inside its message; a larger one as a sealed memfd. */
#define MSG_INLINE_BODY_BYTES (64u * 1024)

/* What follows a head is at most this. A peer that announces more loses its channel. */
#define MSG_MAX_BYTES (512u * 1024)

/* Octets of a head on the wire: version u16, type u16, len_bytes u32, req u64. */
#define MSG_HEAD_BYTES 16u

enum role {
    ROLE_SUPERVISOR,
    ROLE_SMTPD,
    ROLE_IMAPD,
    ROLE_LOOKUP,
    ROLE_STORE,
    ROLE_CTL,           /* mailtestctl, over the control socket */
    ROLE_WEBHOOK,       /* posts events to where webhooks point (webhook/) */
    ROLE_SIGNER,        /* holds the private keys of TLS and signs with them (signer/) */
    ROLE_COUNT
};

/* "smtpd" and so on; NULL for a value out of range. */
const char *role_name(enum role role);

/* The bit of a role in a table of who may send a message. */
#define FROM(role) (1u << (role))

/* What a listening socket speaks. */
enum listener {
    LISTEN_SMTP,
    LISTEN_LMTP,
    LISTEN_IMAP,
    LISTEN_IMAPS,
    LISTEN_POP3,
    LISTEN_POP3S,
    LISTEN_HTTP,
    LISTEN_CONTROL,
    LISTEN_COUNT
};

const char *listener_name(enum listener kind);   /* "smtp" and so on */

enum msg_type {
    /* Supervisor and role. */
    MSG_LISTENER = 1,   /* S>r  u8 enum listener, string address; with the listening socket */
    MSG_METRICS,        /* S>r  u8 role, u16 index; with the memfd of that process's counters (lib/metrics.h). To each role its own; to lookup all */
    MSG_SHARED_TABLE,   /* S>smtpd,imapd,lookup  u32 the process's share; with the memfd of what all count together (lib/shared_table.h) */
    MSG_STORE,          /* S>r  empty; with the role's end of a new channel to store, at start and whenever store was restarted */
    MSG_SIGNER,         /* S>smtpd,imapd,lookup  empty; with the role's end of a new socket pair to signer (lib/signer_link.h), at start and whenever
                           signer was restarted */
    MSG_PEER,           /* S>store,signer  u8 role, u16 index; with store's end of a new channel to that role, or signer's of a new socket pair */
    MSG_GO,             /* S>r  empty: everything was handed over; give up rights, begin to serve, say MSG_READY */
    MSG_READY,          /* r>S  empty: serving */
    MSG_DRAIN,          /* S>r  u32 grace_ms, bool retire: no new sessions; end when those under way have ended, at the latest after grace_ms. retire:
                           others have taken over, sessions go on as they like until then. store: when its peers are gone */
    MSG_RELOAD,         /* S>store  empty; with a memfd of the new configuration's text. Answer: MSG_ANSWER */
    MSG_PING,           /* S>r, r>D  empty; answered at once with an empty MSG_ANSWER: a role that does not is killed and restarted */

    /* Answers. */
    MSG_ANSWER = 32,    /* u32 enum mt_error, then the fields named at the request's type (none when the error is not 0) */
    MSG_ROW,            /* one element of a list, fields named at the request's type; the list ends with a MSG_ANSWER */

    /* What store tells without being asked. */
    MSG_MAILBOX = 64,   /* D>smtpd  one mailbox's state, on start and on change: mailbox_state_write/read (lib/mailbox.h) */
    MSG_MAILBOX_GONE,   /* D>smtpd  string name */
    MSG_MAILBOXES_SENT, /* D>smtpd  empty: all mailboxes are known; from now on an unknown name is a 550 and not a 451 */
    MSG_CHANGED,        /* D>lookup, subscribed imapd and ctl: change_write/read (lib/change.h), after the commit. Those of mailboxes and agents go to
                           every imapd */
    MSG_FULL,           /* D>smtpd  bool: disk or map is full, so MAIL gets 452 4.3.1 until it is told otherwise */

    /* Requests to store. */
    MSG_DELIVER = 96,   /* smtpd>D  delivery_write/read (lib/delivery.h), body inline or as memfd. Answer: u64 message id of the first copy, bool whether it
                           has a genuine token of one of its mailboxes */
    MSG_MINT,           /* lookup,ctl>D  string mailbox, u64 deadline_unix (0: not expected). Answer: string token, string address, u64 issued_unix */
    MSG_TOKEN_SHOW,     /* ctl>D  string mailbox, string token. Answer: bytes token record (empty: nothing is known), count, and for each kept arrival bytes message record (empty: it has gone) (lib/record.h) */
    MSG_TOKEN_FORGET,   /* lookup,ctl>D  string mailbox, string token: delete its record and messages. Answer: u32 messages deleted */
    MSG_MESSAGE_DELETE, /* lookup,ctl>D  u64 message id. Answer: empty */
    MSG_MESSAGE_LIST,   /* ctl>D  string mailbox, u64 before_id (0: newest), u32 limit. MSG_ROW: u64 id, bytes message record, bytes folder's name */
    MSG_MESSAGE_SHOW,   /* ctl>D  u64 message id. Answer: bytes message record, bytes folder's name */
    MSG_MESSAGE_RAW,    /* ctl>D  u64 message id. MSG_ROW: bytes (pieces of the message in order) */
    MSG_MAILBOX_ADD,    /* ctl>D  string name, string domain (empty: the first). Answer: string address, string user, string secret */
    MSG_MAILBOX_LIST,   /* ctl>D  empty. MSG_ROW: bytes mailbox record, bytes folder record of INBOX, bytes folder record of Unmatched */
    MSG_MAILBOX_SHOW,   /* ctl>D  string name. Answer: as the row above */
    MSG_MAILBOX_ENABLE, /* ctl>D  string name, bool enabled. Answer: empty */
    MSG_MAILBOX_DELETE, /* ctl>D  string name. Answer: u32 messages deleted */
    MSG_MAILBOX_SECRET, /* ctl>D  string name: a new secret. Answer: string user, string secret */
    MSG_MAILBOX_CHOSEN, /* ctl>D  string name, bytes salt (16), bytes argon2id hash (32) of a secret that a person chose (lib/secret.h), which itself stays with
                           the asker. Answer: string user */
    MSG_MAILBOX_KEY,    /* ctl>D  string name: the mailbox's token key, for a checker that mints offline. Answer: string key in hexadecimal */
    MSG_KEY_ROTATE,     /* ctl>D  empty: a new master key; the old ones verify until retired. Answer: u32 new key id */
    MSG_KEY_LIST,       /* ctl>D  empty. MSG_ROW: u32 id, u64 created_unix, bool active */
    MSG_KEY_RETIRE,     /* ctl>D  u32 id. Answer: empty */
    MSG_API_KEY_ADD,    /* ctl>D  string name, string mailbox (empty: all). Answer: u32 id, string key */
    MSG_API_KEY_LIST,   /* ctl>D  empty. MSG_ROW: u32 id, bytes api key record */
    MSG_API_KEY_REVOKE, /* ctl>D  u32 id. Answer: empty */
    MSG_AGENT_ADD,      /* ctl>D  string name, bool all mailboxes, u32 count (to AGENT_MAILBOXES_MAX), string mailboxes. Answer: string name, string secret.
                           MT_EEXIST; MT_ENOTFOUND: one of the mailboxes */
    MSG_AGENT_LIST,     /* ctl>D  empty. MSG_ROW: bytes agent record */
    MSG_AGENT_SHOW,     /* ctl>D  string name. Answer: bytes agent record */
    MSG_AGENT_REMOVE,   /* ctl>D  string name. Answer: empty */
    MSG_AGENT_ENABLE,   /* ctl>D  string name, bool enabled. Answer: empty */
    MSG_AGENT_SECRET,   /* ctl>D  string name: a new secret. Answer: string name, string secret */
    MSG_AGENT_CHOSEN,   /* ctl>D  as MSG_MAILBOX_CHOSEN */
    MSG_AGENT_GRANT,    /* ctl>D  string name, bool all mailboxes, u32 count, string mailboxes: may read these, too. Answer: empty. MT_ESIZE: AGENT_MAILBOXES_MAX */
    MSG_AGENT_REVOKE,   /* ctl>D  as MSG_AGENT_GRANT: may not read these any more; all: none. Answer: empty. MT_EINVALID: single ones of an agent for all */
    MSG_STATUS,         /* ctl>D  empty. MSG_ROW: string name, u64 value. */
    MSG_SUBSCRIBE,      /* imapd,ctl>D  empty: wants MSG_CHANGED from now on. Answer: empty */
    MSG_BACKUP,         /* ctl>D  u8 what (0 the database, 1 the token keys); with a descriptor open for writing. Answer when it is written and synced: u64 octets */
    MSG_SERVING,        /* smtpd>D  u8 enum listener, string address, bool: a listener takes mail from now on, or does not any more. No answer */
    MSG_WEBHOOK_ADD,    /* ctl>D  string mailbox (empty: all), u32 kinds (bits 1 << enum event_kind; 0: all), string url. Answer: u32 id, string secret */
    MSG_WEBHOOK_LIST,   /* ctl>D  empty. MSG_ROW: u32 id, string mailbox (empty: all), bytes webhook record with an empty secret, u64 posts waiting, u64 posts dead */
    MSG_WEBHOOK_REMOVE, /* ctl>D  u32 id: with its posts. Answer: empty */
    MSG_WEBHOOK_TEST,   /* ctl>D  u32 id: an event of kind test for it alone. Answer: u64 event id */
    MSG_POST_LIST,      /* ctl>D  u32 webhook id (0: all), bool dead only. MSG_ROW: u32 webhook id, u64 event id, bytes post record, bytes event record (empty: it has gone) */
    MSG_POST_RETRY,     /* ctl>D  u32 webhook id, u64 event id (0: all dead ones of it, at most 10000): due at once. Answer: u32 posts */
    MSG_POST_READY,     /* webhook>D  u32 posts that it can take at a time: sends MSG_POST from now on. No answer */
    MSG_POST,           /* D>webhook  u32 webhook id, u64 event id, u32 attempt (from 1), string url, string secret, bytes event record */
    MSG_POST_DONE,      /* webhook>D  u32 webhook id, u64 event id, u16 HTTP status (0: no answer), string error (empty: taken). No answer */
    MSG_PATTERN,        /* ctl>D  string mailbox. Answer: bytes pattern record (empty: none yet) */
    MSG_MESSAGES_DELETE, /* imapd>D  u32 mailbox id, u32 count (to MSG_MESSAGES_DELETE_MAX), u64 message ids: those of that mailbox, in one transaction; what has gone counts not. Answer: u32 deleted */
    MSG_FLAGS,          /* imapd>D  u32 mailbox id, u32 folder id, u8 enum msg_flags_op, u32 flags (enum entry_flag), string keywords, u64 unchanged since
                           (UINT64_MAX: in any case), u32 count (to MSG_MESSAGES_DELETE_MAX), u32 UIDs. What has gone is passed over. Answer: u64 modseq
                           (0: nothing was changed), u32 count, u32 UIDs that were changed since */
    MSG_FOLDER_CREATE,  /* imapd>D  u32 mailbox id, string name (lib/folder_name.h): with the folders around it that are missing. Answer: u32 folder id.
                           MT_EEXIST; MT_EINVALID: no name for a folder; MT_ESIZE: DB_FOLDERS_MAX */
    MSG_FOLDER_DELETE,  /* imapd>D  u32 mailbox id, u32 folder id: at most MSG_MESSAGES_DELETE_MAX of its messages, and when it is empty, the folder.
                           Answer: bool whether it has gone. MT_EBUSY: there are folders below it; MT_EINVALID: INBOX and Unmatched stay */
    MSG_FOLDER_RENAME,  /* imapd>D  u32 mailbox id, u32 folder id, string name: with the folders below it. The old names stay subscribed to. Answer: empty.
                           Errors as of MSG_FOLDER_CREATE */
    MSG_FOLDER_SUBSCRIBE, /* imapd>D  u32 mailbox id, string name, bool. Answer: empty. MT_ENOTFOUND: there is no such folder to subscribe to */
    MSG_COPY,           /* imapd>D  u32 mailbox id, u32 folder id, u32 folder id to copy to, bool move, u32 count (to MSG_MESSAGES_DELETE_MAX), u32 UIDs, rising: all
                           or none, but what has gone is passed over. Answer: u32 UIDVALIDITY there, u32 count, for each u32 UID, u32 UID there. MT_EQUOTA */
    MSG_APPEND,         /* imapd>D  u32 mailbox id, u32 folder id, u32 count (1 to MSG_APPEND_MESSAGES_MAX), for each message u64 its octets, u32 those of
                           its fields; then bytes: for each message its octets and its fields, one behind the other (empty: they are over
                           MSG_INLINE_BODY_BYTES, and in a sealed memfd). Fields: u32 flags, bytes keywords, u64 internal date in microseconds, session
                           facts (lib/delivery.h), parsed (lib/parsed.h) without candidates. All or none. Answer: u32 UIDVALIDITY, u32 UID of the
                           first; the others' follow it. MT_EQUOTA, MT_ENOTFOUND */
    MSG_RECENT,         /* imapd>D  u32 mailbox id, u32 folder id, u32 UID: a session that may write was told of the messages below it. Answer: u32 the first
                           UID that none was told of before; nothing is written where that is not below it */
    MSG_DELIVERED,      /* smtpd>D  string transaction id, u64 received_us of a MSG_DELIVER whose answer was lost with the channel. Answer: as to it, or MT_ENOTFOUND:
                           nothing of it is there, nor will be */
    MSG_RESULTS,        /* lookup>D  bool whether who posts them may make checks of one mailbox alone, u32 count (1 to RESULTS_A_POST), u64 octets, bytes: for each
                           u32 mailbox id (0: of none), string check, bytes result record (lib/result.h) (empty: they are over MSG_INLINE_BODY_BYTES, and
                           in a sealed memfd). Answer: u8 enum result_done for each */
    MSG_CHECK_LIST,     /* ctl>D  string mailbox (here and below: empty: any; "-": of none). MSG_ROW: string mailbox (empty: of none), bytes check record, bytes
                           record of its newest result without its document (empty: it has gone). MT_ENOTFOUND: the mailbox */
    MSG_CHECK_SHOW,     /* ctl>D  string mailbox, string check, u64 microseconds (0: now). Answer: string mailbox, bytes check record, bytes record of the last
                           result that began then or before (empty: there is none). MT_EEXIST: several mailboxes have a check of that name */
    MSG_RESULT_LIST,    /* ctl>D  string mailbox, string check, u64 from, u64 before (microseconds), u32 limit (to RESULT_ROWS_MAX). MSG_ROW, newest
                           first: bytes result record without its document. As above */
    MSG_RESULT_SUMS,    /* ctl>D  string mailbox, string check, u32 from, u32 before (hours since 1970), u32 limit (as above). MSG_ROW, newest first: u32 hour, bytes result
                           sum record. As above */
    MSG_CHECK_DELETE,   /* ctl>D  string mailbox, string check: with its results. Answer: u32 results. As above */
    MSG_TYPE_LIMIT
};

/* What MSG_FLAGS does with the flags and keywords. */
enum msg_flags_op { MSG_FLAGS_SET, MSG_FLAGS_ADD, MSG_FLAGS_REMOVE, MSG_FLAGS_OPS };

/* Messages that one request may delete: more would hold up deliveries. */
#define MSG_MESSAGES_DELETE_MAX 500u

/* Messages that one MSG_APPEND may bring in. */
#define MSG_APPEND_MESSAGES_MAX 500u

/* "MSG_DELIVER" and so on, for the log; "unknown" for others. */
const char *msg_name(unsigned type);

struct msg_head {
    uint16_t version;       /* MSG_VERSION; a difference closes the channel */
    uint16_t type;          /* enum msg_type */
    uint32_t len_bytes;     /* what follows, at most MSG_MAX_BYTES */
    uint64_t req;           /* chosen by the asker, repeated in the answer; 0 where no answer is wanted */
};

/* Appends a head to b; len_bytes may be set later with msg_head_patch, at the offset where the head was written. */
void msg_head_write(struct buf *b, const struct msg_head *head);
void msg_head_patch(struct buf *b, size_t head_offset, uint32_t len_bytes);

/*
 * Reads a head from the first MSG_HEAD_BYTES of in.
 * MT_EAGAIN  fewer octets are there
 * MT_EPROTO  another version, an unknown type, or over MSG_MAX_BYTES
 */
int msg_head_read(struct slice in, struct msg_head *out);

#endif
