#ifndef STORE_TX_H
#define STORE_TX_H
/*
 * tx - one write transaction: LMDB's, and what is worth keeping in memory until its end. Records of mailboxes and folders
 * that change with each message are read once and written once; what to tell the readers is gathered and told after the
 * commit.
 *
 * The first failure of a write is kept (tx_fault): then nothing of the transaction may be committed, and further writes do
 * nothing. So a caller checks its own input first, then writes, and looks at the fault at the end.
 */

#include "lib/answer.h"
#include "lib/change.h"
#include "lib/db.h"
#include "lib/result.h"

struct tx;

/* Deltas for the metrics, and the sum for the log. */
struct tx_counts {
    uint64_t messages;      /* stored */
    uint64_t arrived;       /* of these with a genuine token */
    uint64_t expired;       /* removed by retention */
    uint64_t events;        /* written */
    uint64_t missed;        /* tokens whose deadline passed without their mail */
    uint64_t verdicts[VERDICT_COUNT];       /* of expected tokens, decided or amended */
    uint64_t results[RESULT_STATES];        /* of checks, stored or replaced, by their state */
    int64_t  checks[RESULT_STATES];         /* more checks whose newest result has that state */
};

struct tx_folder {
    struct folder_record record;    /* change its numbers, then set dirty; its name and keywords are the transaction's */
    struct buf           keywords;  /* where record.keywords lies */
    bool                 dirty;
    bool                 removed;
    struct tx_folder    *next;
};

struct tx_mailbox {
    struct mailbox_record record;   /* as above */
    bool                  dirty;
    bool                  removed;
    struct tx_folder     *folders;  /* those that were asked for */
    struct tx_mailbox    *next;     /* in order of first use */
    char                  name[MAILBOX_NAME_MAX + 1];
    char                  domain[256];
};

/* Begins one. MT_EIO, MT_ENOMEM, MT_EFULL (logged). now_us: microseconds since 1970, what the records say. */
int  tx_begin(struct db *db, uint64_t now_us, struct tx **out);

/*
 * Writes what is dirty and commits: on disk when this returns 0. Otherwise nothing was changed, and *file_failed tells whether
 * writing or syncing the file failed: then the environment must be opened anew. tx_free is still the caller's.
 */
int  tx_commit(struct tx *tx, bool *file_failed);
void tx_free(struct tx *tx);                        /* aborts what was not committed; NULL is fine */

int      tx_fault(const struct tx *tx);             /* MT_OK so far, or the first failure */
void     tx_fail(struct tx *tx, int rc);            /* adds one, such as a damaged record in the middle of a change */
uint64_t tx_now_us(const struct tx *tx);

/* To read what is there, what was written in this transaction included; slices are valid until its next write. */
const struct db_view *tx_view(const struct tx *tx);

/* flags of mdb_put; MDB_APPEND where keys only grow. A failure becomes the fault. */
void tx_put(struct tx *tx, enum table table, struct slice key, struct slice value, unsigned flags);
bool tx_delete(struct tx *tx, enum table table, struct slice key);     /* false: it was not there, or the transaction has a fault */

/* A buffer for building a value; empty at each call, gone with the next. */
struct buf *tx_scratch(struct tx *tx);

/* New ids, which only grow. */
uint64_t tx_next_message_id(struct tx *tx);
uint32_t tx_next_mailbox_id(struct tx *tx);
uint32_t tx_next_api_key_id(struct tx *tx);
uint64_t tx_next_event_id(struct tx *tx);
uint32_t tx_next_webhook_id(struct tx *tx);
uint32_t tx_next_agent_id(struct tx *tx);
uint32_t tx_next_check_id(struct tx *tx);

/* A cursor of the transaction. NULL: fault. Close it before the transaction ends. */
MDB_cursor *tx_cursor(struct tx *tx, enum table table);

/* MT_ENOTFOUND (also when it was removed in this transaction), MT_EDAMAGED (logged); lives until tx_free. */
int tx_mailbox(struct tx *tx, uint32_t id, struct tx_mailbox **out);
int tx_folder(struct tx *tx, struct tx_mailbox *m, uint32_t folder_id, struct tx_folder **out);

/* New ones; the record's slices are copied. */
int tx_mailbox_add(struct tx *tx, const struct mailbox_record *record, struct tx_mailbox **out);
int tx_folder_add(struct tx *tx, struct tx_mailbox *m, const struct folder_record *record, struct tx_folder **out);

/* Another name for a folder; it is copied. 0 or MT_ENOMEM, which is the fault then, too. */
int tx_folder_rename(struct tx *tx, struct tx_folder *f, struct slice name);

/*
 * A message in the folder has these keywords, separated by spaces: the folder's list has them from now on. Beyond FOLDER_KEYWORDS_BYTES a
 * keyword is not listed.
 */
void tx_folder_add_keywords(struct tx *tx, struct tx_folder *f, struct slice words);

/* No message is in the folder any more: its list begins anew. */
void tx_folder_clear_keywords(struct tx_folder *f);

/* Mailboxes in use, for who takes over their state after the commit. */
const struct tx_mailbox *tx_first_mailbox(const struct tx *tx);

/* Tells the readers after the commit; seq is filled in then. */
void tx_change(struct tx *tx, const struct change *change);
struct change *tx_changes(struct tx *tx, size_t *count);

struct tx_counts *tx_counts(struct tx *tx);

#endif
