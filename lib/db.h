#ifndef LIB_DB_H
#define LIB_DB_H
/*
 * db - the LMDB environment: its tables and keys, and reading. store opens it for writing; imapd, lookup and `mailtestctl
 * verify` open it read-only. Changing it is store's alone (store/).
 *
 * Reading goes through a snapshot: struct db_view. A view must end before the callback that began it returns, so that a slow
 * client never pins old pages. What is read borrows from the map and ends with the view.
 */

#include "lib/folder_name.h"
#include "lib/pattern.h"
#include "lib/record.h"
#include "lib/webhook.h"

#include <lmdb.h>

#define DB_SCHEMA_VERSION   4u
#define DB_SCHEMA_OLDEST    2u          /* from which store converts (store/convert.h) */
#define DB_DIR              "db"        /* below state_dir, and below the folder of a backup */
#define DB_FILE             "data.mdb"
#define DB_LOCK_FILE        "lock"      /* below state_dir: db_lock */
#define DB_RESTORED_FILE    "restored"  /* below the database's folder, made by a restore: see below */

/*
 * A restore puts an older state in place: it holds db_lock, checks the backup with db_verify, copies data.mdb under another
 * name, makes an empty DB_RESTORED_FILE, syncs, and renames data.mdb last. At its next start store sees that file, gives
 * every folder a new UIDVALIDITY and new messages ids that were never used, since clients may have seen what came after the
 * backup, and removes it.
 */

/* A chunk of a body that fills one overflow page of LMDB exactly: 4096 less the page's head. */
#define DB_CHUNK_BYTES      4080u

/* The rest of a body, behind its last whole chunk, is cut into pieces of at most this many octets, of which a leaf page takes
 * eight with nothing left over; a rest over DB_REST_BYTES takes a page of its own. */
#define DB_PIECE_BYTES      488u
#define DB_REST_BYTES       3500u

enum table {
    TABLE_META,         /* name -> bytes: DB_META_… below */
    TABLE_MAILBOX,      /* mailbox id u32 -> mailbox_record */
    TABLE_MAILBOX_NAME, /* name -> mailbox id u32 */
    TABLE_FOLDER,       /* mailbox id u32, folder id u32 -> folder_record */
    TABLE_ENTRY,        /* mailbox id u32, folder id u32, UID u32 -> entry */
    TABLE_MESSAGE,      /* message id u64 -> message_record; ids only grow */
    TABLE_BODY,         /* body id u64, chunk number u32 -> octets */
    TABLE_BODY_REF,     /* body id u64 -> body_ref: messages that share it; only where more than one ever did, or one was moved */
    TABLE_TOKEN,        /* 25 octets -> token_record */
    TABLE_EXPIRY,       /* enum expiry u8, time u64 (Unix seconds, when it came), message id u64, token 25 octets or check id u32 -> empty */
    TABLE_API_KEY,      /* id u32 -> api_key_record */
    TABLE_RESULT,       /* check id u32, when it began u64 (microseconds) -> result_record (lib/result.h) */
    TABLE_DEADLINE,     /* deadline u64 (Unix seconds), token 25 octets -> empty: tokens that wait for their verdict */
    TABLE_SERVED,       /* u64 microseconds -> served_record: from when on which listeners served (lib/served.h) */
    TABLE_PATTERN,      /* mailbox id u32 -> pattern_record: how its mail usually comes, and how far its forward is set up */
    TABLE_EVENT,        /* id u64 -> event_record (lib/event.h); ids only grow */
    TABLE_WEBHOOK,      /* id u32 -> webhook_record (lib/webhook.h) */
    TABLE_POST,         /* webhook id u32, event id u64 -> post_record: to be posted, or dead */
    TABLE_POST_DUE,     /* webhook id u32, due u64 (microseconds), event id u64 -> empty: the posts that are not dead */
    TABLE_AGENT,        /* id u32 -> agent_record */
    TABLE_AGENT_NAME,   /* name -> agent id u32 */
    TABLE_SUBSCRIPTION, /* mailbox id u32, name of a folder -> empty: it is subscribed to, but there is no such folder (any more) */
    TABLE_CHECK,        /* id u32 -> check_record (lib/result.h) */
    TABLE_CHECK_NAME,   /* mailbox id u32 (0: of none), name -> check id u32 */
    TABLE_RESULT_SUM,   /* check id u32, hour since 1970 u32 -> result_sum: all results of that hour, expired or not */
    TABLE_COUNT
};

/*
 * What expires by which setting. The time in the key is when the thing came, not when it goes, so that a changed setting
 * holds for what is there, too. The kind stands in front, so that the oldest of each kind is the first of its range.
 */
enum expiry {
    EXPIRY_INBOX = 1,
    EXPIRY_UNMATCHED = 2,
    EXPIRY_TOKEN = 3,
    EXPIRY_RESULT = 4,          /* the results of a check in the hour that begins then */
    EXPIRY_RESULT_SUM = 5,      /* the sum of that hour */
};

/* Keys of TABLE_META. */
#define DB_META_SCHEMA          "schema"            /* u32: DB_SCHEMA_VERSION */
#define DB_META_INSTANCE        "instance"          /* 16 random octets */
#define DB_META_NEXT_MESSAGE    "next-message-id"   /* u64 */
#define DB_META_NEXT_MAILBOX    "next-mailbox-id"   /* u32 */
#define DB_META_NEXT_API_KEY    "next-api-key-id"   /* u32 */
#define DB_META_NEXT_EVENT      "next-event-id"     /* u64 */
#define DB_META_NEXT_WEBHOOK    "next-webhook-id"   /* u32 */
#define DB_META_NEXT_AGENT      "next-agent-id"     /* u32 */
#define DB_META_NEXT_CHECK      "next-check-id"     /* u32 */
#define DB_META_CONVERT         "convert"           /* schema u32, table u8, key: how far a conversion from that schema came (store/convert.h) */
#define DB_META_PURGE_MAILBOX   "purge-mailbox-"    /* and a mailbox id u32 -> empty: its record is gone, its messages are being removed */
#define DB_META_PURGE_BODY      "purge-body-"       /* and a body id u64 -> empty: no message has it any more, its chunks are being removed */
#define DB_META_PURGE_WEBHOOK   "purge-webhook-"    /* and a webhook id u32 -> empty: its record is gone, its posts are being removed */
#define DB_META_PURGE_CHECK     "purge-check-"      /* and a check id u32 -> empty: its record is gone, its results and sums are being removed */

#define DB_FOLDERS_MAX          64u                 /* of one mailbox */
#define DB_SUBSCRIPTIONS_MAX    64u                 /* of one mailbox, to folders that are not there */

struct db;

struct db_options {
    const char *dir;            /* must exist */
    uint64_t    map_bytes;      /* upper limit of the file; the same in every process */
    unsigned    readers_max;    /* reader slots */
    bool        read_only;
    bool        no_sync;        /* only for benchmarks of the code beside the disk; never set from the configuration */
};

/*
 * MT_EVERSION   a newer schema, or one that is too old; read-only also one that store has to convert yet
 * MT_EDAMAGED   not an LMDB file, or its meta pages or table meta do not fit
 * MT_ENOTFOUND  read-only, and there is no database yet
 * MT_EFULL MT_EIO MT_EDENIED MT_ENOMEM. The reason is logged here with the directory.
 */
int  db_open(const struct db_options *options, struct db **out);
void db_close(struct db *db);               /* NULL and a half-open db are fine; no view may be open */

/*
 * Makes the caller the one instance that may change what is in state_dir, for as long as *fd is open.
 * MT_EBUSY: another one has it; MT_EDENIED, MT_ENOTFOUND, MT_EIO. The reason is logged here.
 */
int db_lock(const char *state_dir, int *fd);

MDB_env *db_env(const struct db *db);
MDB_dbi  db_table(const struct db *db, enum table table);
const char *db_table_name(enum table table);

/* MDB_NOTFOUND: MT_ENOTFOUND; MDB_MAP_FULL, ENOSPC: MT_EFULL; MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID: MT_EDAMAGED; … */
int mt_from_mdb(int rc);

/* A snapshot. The reader slot is kept between uses (MDB_NOTLS, reset and renew), so beginning one costs no lock. */
struct db_view {
    struct db *db;
    MDB_txn   *txn;
};
int  db_view_begin(struct db *db, struct db_view *v);   /* MT_EFULL: no reader slot. v needs no preparation */
void db_view_end(struct db_view *v);

/* Any table's value by key. MT_ENOTFOUND; here and below also MT_EDAMAGED, MT_EVERSION, MT_EIO. */
int db_get(const struct db_view *v, enum table table, struct slice key, struct slice *value);

int db_mailbox_by_id(const struct db_view *v, uint32_t id, struct mailbox_record *out);
int db_mailbox_by_name(const struct db_view *v, struct slice name, struct mailbox_record *out);    /* in lower case */
int db_agent_by_id(const struct db_view *v, uint32_t id, struct agent_record *out);
int db_agent_by_name(const struct db_view *v, struct slice name, struct agent_record *out);        /* in lower case */
int db_folder(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, struct folder_record *out);
int db_message(const struct db_view *v, uint64_t id, struct message_record *out);
int db_token(const struct db_view *v, const struct token *t, struct token_record *out);
int db_api_key(const struct db_view *v, uint32_t id, struct api_key_record *out);
int db_event(const struct db_view *v, uint64_t id, struct event_record *out);
int db_webhook(const struct db_view *v, uint32_t id, struct webhook_record *out);
int db_post(const struct db_view *v, uint32_t webhook_id, uint64_t event_id, struct post_record *out);
int db_pattern(const struct db_view *v, uint32_t mailbox_id, struct pattern_record *out);

/*
 * Appends len octets of the message as served (head, then body) from offset on, cut at its end. The body's checksum can only
 * be checked over the whole: db_message_check does. Missing or misfit chunks: MT_EDAMAGED.
 */
int db_message_read(const struct db_view *v, const struct message_record *m, uint64_t offset, size_t len, struct buf *out);
int db_message_check(const struct db_view *v, const struct message_record *m);

/*
 * Walks the messages of a mailbox (all folders), newest first, beginning below before_id (0: the newest). Calls fn with each
 * until it returns false. Uses the entry table, so costs what it visits; relies on message ids that grow with the UIDs of
 * each folder (a message that is moved gets a new id). A message whose record is damaged is left out and makes the result
 * MT_EDAMAGED.
 */
typedef bool db_message_fn(void *arg, uint64_t id, const struct message_record *m);
int db_messages(const struct db_view *v, uint32_t mailbox_id, uint64_t before_id, db_message_fn *fn, void *arg);

/*
 * Walks the entries of a folder in the order of their UIDs, from from_uid on. Calls fn with each until it returns false. An entry
 * that is damaged is left out.
 */
typedef bool db_entry_fn(void *arg, uint32_t uid, const struct entry *e);
int db_entries(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, uint32_t from_uid, db_entry_fn *fn, void *arg);

/*
 * Walks the UIDs of a folder, rising, from from_uid on (0: all). Calls fn with each until it returns false. Entries themselves are not looked at, so
 * one that is damaged has its place: db_entry tells. f: the folder as it is in this view; where all are walked and as many lie between its first
 * UID and its last one as it has messages, none of the keys between is looked at either.
 */
typedef bool db_uid_fn(void *arg, uint32_t uid);
int db_uids(const struct db_view *v, const struct folder_record *f, uint32_t from_uid, db_uid_fn *fn, void *arg);

/* One entry. MT_ENOTFOUND. */
int db_entry(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid, struct entry *out);

/* The folder of that name: INBOX without case, others as they are. MT_ENOTFOUND. */
int db_folder_by_name(const struct db_view *v, uint32_t mailbox_id, struct slice name, struct folder_record *out);

/* The name of a folder; empty where it cannot be read. INBOX and Unmatched have theirs for good: for them nothing is read. */
struct slice db_folder_name(const struct db_view *v, uint32_t mailbox_id, uint32_t folder_id);

/* Calls fn with each folder of a mailbox in the order of the ids, until it returns false. */
typedef bool db_folder_fn(void *arg, const struct folder_record *f);
int db_folders(const struct db_view *v, uint32_t mailbox_id, db_folder_fn *fn, void *arg);

/* Calls fn with each name that is subscribed to without being a folder, in the order of the octets, until it returns false. */
typedef bool db_subscription_fn(void *arg, struct slice name);
int db_subscriptions(const struct db_view *v, uint32_t mailbox_id, db_subscription_fn *fn, void *arg);

/* How a body of size octets is cut: number of chunks, and where chunk i begins and how long it is. */
uint32_t db_chunk_count(uint64_t size);
void     db_chunk(uint64_t size, uint32_t i, uint64_t *offset, size_t *len);

/* Keys. Each writes exactly the stated octets and returns the slice over them. */
#define DB_KEY_MAX 40u
struct slice db_key_u32(void *to, uint32_t a);                              /* 4 */
struct slice db_key_u64(void *to, uint64_t a);                              /* 8 */
struct slice db_key_folder(void *to, uint32_t mailbox_id, uint32_t folder_id);              /* 8 */
struct slice db_key_entry(void *to, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid); /* 12 */
#define DB_SUBSCRIPTION_KEY_MAX (4u + FOLDER_NAME_BYTES)
struct slice db_key_subscription(void *to, uint32_t mailbox_id, struct slice name);         /* 4 and the name, which is cut to fit */
struct slice db_key_body(void *to, uint64_t body_id, uint32_t chunk);       /* 12 */
struct slice db_key_expiry_message(void *to, enum expiry kind, uint64_t at_unix, uint64_t id);  /* 17 */
struct slice db_key_expiry_token(void *to, uint64_t at_unix, const struct token *t);        /* 34 */
struct slice db_key_deadline(void *to, uint64_t deadline_unix, const struct token *t);      /* 33 */
struct slice db_key_post(void *to, uint32_t webhook_id, uint64_t event_id);                 /* 12 */
struct slice db_key_post_due(void *to, uint32_t webhook_id, uint64_t due_us, uint64_t event_id);    /* 20 */

/* The keys of a message's and a token's row in the expiry table, from their records. */
struct slice db_key_message_expiry(void *to, uint64_t id, const struct message_record *m);
struct slice db_key_token_expiry(void *to, const struct token *t, const struct token_record *record);

#endif
