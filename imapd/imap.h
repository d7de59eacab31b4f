#ifndef IMAPD_IMAP_H
#define IMAPD_IMAP_H
/*
 * imap - an IMAP session (RFC 9051, RFC 3501). docs/imap.md lists each command and extension.
 *
 *   (greeting) ──▶ CONNECTED ──LOGIN, AUTHENTICATE──▶ LOGGED_IN ──SELECT, EXAMINE──▶ SELECTED
 *                   │      ▲ STARTTLS                    ▲  └────CLOSE, UNSELECT──────────┘
 *                   └──────┘                             LOGOUT from everywhere
 *
 * A command is read whole, with its literals, then handled in one step. What takes longer than a step (a FETCH of many messages,
 * a SEARCH) becomes a task, which goes on as the client reads.
 */

#include "imapd/connection.h"
#include "imapd/imap_frame.h"
#include "imapd/imap_reader.h"
#include "imapd/imap_set.h"
#include "imapd/imap_view.h"
#include "imapd/login_try.h"

extern const struct protocol imap_protocol;

#define IMAP_TAG_BYTES 64u

enum imap_state {
    IMAP_CONNECTED = 1u << 0,
    IMAP_LOGGED_IN = 1u << 1,
    IMAP_SELECTED  = 1u << 2,
};
#define IMAP_ANY_STATE (IMAP_CONNECTED | IMAP_LOGGED_IN | IMAP_SELECTED)

/* What the client ENABLEd (RFC 5161), or used a command of. */
enum imap_enabled {
    IMAP_CONDSTORE = 1u << 0,           /* RFC 7162: MODSEQ in untagged FETCH */
    IMAP_QRESYNC   = 1u << 1,           /* RFC 7162: VANISHED instead of EXPUNGE; includes CONDSTORE */
    IMAP_UTF8      = 1u << 2,           /* RFC 6855: UTF-8 in quoted strings and in mailbox names */
    IMAP_REV2      = 1u << 3,           /* RFC 9051: ESEARCH instead of SEARCH, no RECENT, UTF-8 in mailbox names */
};

/* What the client's next line answers; IMAP_WAIT_COMMAND: nothing. */
enum imap_wait { IMAP_WAIT_COMMAND, IMAP_WAIT_SASL, IMAP_WAIT_DONE };

/* A command that takes several turns. Lives at the start of a struct of the command's own. */
struct imap_task {
    /* Says more. False: it has said its tagged answer and is over. */
    bool (*produce)(struct connection *c, struct imap_task *t);
    void (*free)(struct imap_task *t);
};

struct imap {
    enum imap_state   state;
    enum imap_wait    wait;
    struct imap_frame frame;
    char              tag[IMAP_TAG_BYTES + 1];      /* of the command under way */
    unsigned          errors;                       /* refused in a row */
    struct login      login;
    struct login_try *trying;                       /* a login under way; NULL: none */
    struct buf        pending;                      /* what a command keeps until store has answered */
    unsigned          enabled;                      /* enum imap_enabled bits; never taken back */
    bool              read_only;                    /* EXAMINE */
    char              selected[LOGIN_FOLDER_BYTES + 1];     /* the name by which the folder was selected */
    bool              keeps_numbers;                /* the command under way: no EXPUNGE may be told */
    struct imap_view  view;
    struct imap_set   found;                        /* "$" (RFC 5182): UIDs */
    struct imap_task *task;                         /* NULL: none */
    struct imap_select *select;                     /* a SELECT that waits for store (imap_select.c); NULL: none */
    struct imap_mark *mark;                         /* flags that store is to change; NULL: none (imap_mark.h) */
    struct imap_copy *copy;                         /* under way (imap_copy.h); NULL: none */
    struct imap_append *append;                     /* a message that comes in (imap_append.h); NULL: none */
    uint32_t          changing;                     /* folder that a DELETE is removing, or a RENAME renaming */
    char              deleting[LOGIN_FOLDER_BYTES + 1];     /* the name of the folder that a DELETE is removing */
    uint64_t          deleted;                      /* messages in it */
    char             *written;                      /* a name that a CREATE or RENAME has otherwise than it is kept; owned; NULL: none */
    struct imap_set   expunging;                    /* UIDs of a UID EXPUNGE under way */
    bool              expunges_only;                /* only these */
    bool              closes;                       /* the expunge under way is that of a CLOSE */
    uint64_t          expunged;                     /* messages, by it */
    uint32_t          expunge_next;                 /* UID from which it goes on */
};

typedef void imap_handler_fn(struct connection *c, struct imap_reader *r);

struct imap_verb {
    const char      *name;          /* "UID FETCH" is one */
    unsigned         in;            /* enum imap_state bits */
    bool             keeps_numbers;
    imap_handler_fn *handle;
};

/*
 * Each ended by a NULL name: imap_login.c, imap_select.c, imap_folder_list.c, imap_folder_change.c, imap_fetch.c,
 * imap_search.c, imap_sort.c, imap_threading.c, imap_change.c, imap_copy.c, imap_compress.c.
 */
extern const struct imap_verb imap_login_verbs[], imap_select_verbs[], imap_folder_list_verbs[], imap_folder_change_verbs[],
                              imap_fetch_verbs[], imap_search_verbs[], imap_sort_verbs[], imap_thread_verbs[],
                              imap_change_verbs[], imap_copy_verbs[], imap_compress_verbs[];

/* ---- Answers --------------------------------------------------------------------------------------------------------- */

/* Untagged: "* " in front, CRLF behind. */
void imap_say(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The tagged answer, behind what changed in the folder. status: "OK", "NO", "BAD"; a BAD counts as an error. The text may begin with a
 * response code.
 */
void imap_answer(struct connection *c, const char *status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* BAD with what the reader expected; true when there was a fault, and the command is over. */
bool imap_refuse_syntax(struct connection *c, struct imap_reader *r);

/* NO to an agent, who reads only (struct login). */
void imap_refuse_change(struct connection *c);

/* NO with the reason why the database could not be read. */
void imap_refuse_read(struct connection *c, int rc);

/* A string: quoted where it can be, else as a literal; NULL data: NIL. */
void imap_put_string(struct buf *b, struct slice s);
void imap_put_nstring(struct buf *b, struct slice s);

/* "(\Seen $Junk)" of a message of the selected folder. Where it has keywords, imap_tell_keywords comes first. */
void imap_put_flags(struct connection *c, uint32_t uid, const struct entry *e);

/* FLAGS and PERMANENTFLAGS with the keywords of the selected folder; imap_tell_keywords: where they are others than the client knows. */
void imap_say_flags(struct connection *c, struct slice keywords);
void imap_tell_keywords(struct connection *c, const struct db_view *view);

/* From this UID on messages of the selected folder are recent for this session, when it is told of them now. */
uint32_t imap_recent_from(struct connection *c, const struct folder_record *f);

/* Begins a task; takes it over. */
void imap_begin_task(struct connection *c, struct imap_task *t);

/* Tells what has changed in the folder. */
void imap_tell(struct connection *c, bool expunges);

/*
 * For the tagged OK of a command that removed messages: with QRESYNC, all there is to tell is told, and text is "[HIGHESTMODSEQ n] "; else it is
 * empty (RFC 7162 sections 3.2.7 and 3.2.9, RFC 6851 section 4.4).
 */
#define IMAP_VANISHED_CODE_BYTES 48u
const char *imap_vanished_code(struct connection *c, char text[IMAP_VANISHED_CODE_BYTES]);

/* The client's line behind a continuation. */
void imap_sasl_answer(struct connection *c, struct slice line);

/* The selected folder has changed: an idling client hears of it at once. */
void imap_changed(struct connection *c);

/* Whether COMPRESS is offered now (imap_compress.c). */
bool imap_may_compress(const struct connection *c);

/* The capabilities as they are now, separated by spaces. */
#define IMAP_CAPABILITIES_BYTES 1024u
const char *imap_capabilities(const struct connection *c, char text[IMAP_CAPABILITIES_BYTES]);

/* Whether the client is told what is recent: RFC 9051 has no such thing. */
static inline bool
imap_knows_recent(const struct imap *s)
{
    return (s->enabled & IMAP_REV2) == 0;
}

/* Whether names of mailboxes go to this client in UTF-8 (RFC 9051 section 5.1, RFC 6855 section 3). */
static inline bool
imap_speaks_utf8(const struct imap *s)
{
    return (s->enabled & (IMAP_UTF8 | IMAP_REV2)) != 0;
}

/*
 * A folder's name, in UTF-8 in text, of IMAP_NAME_BYTES + 1, with INBOX in capitals, also as its first level; a fault of the reader where it is none.
 * imap_read_written_name: as the client wrote it.
 */
struct slice imap_read_name(struct imap_reader *r, char *text);
struct slice imap_read_written_name(struct imap_reader *r, char *text);

/*
 * An untagged LIST of one folder, as SELECT answers it for IMAP4rev2 (RFC 9051 section 6.3.2). old_name: what the client called it, which is told
 * where it is called otherwise (section 6.3.9.7). Nothing where the folder has gone.
 */
void imap_say_folder(struct connection *c, uint32_t folder_id, const char *old_name);

/* The id of the folder of that name. MT_ENOTFOUND, MT_E… of the database. */
int imap_find_folder(struct connection *c, struct slice name, uint32_t *id);

/* No folder is selected any more. */
void imap_unselect(struct connection *c);
void imap_select_free(struct imap_select *w);      /* NULL is fine */

/* Indexes become UIDs, which stay right whatever happens while store works. False: out of memory. */
bool imap_uids_of(const struct imap_view *v, const struct imap_set *indexes, struct imap_set *uids);

/* The selected folder, or "$", as ranges of indexes (number - 1). False: refused. uids: the set is of UIDs. */
bool imap_read_set(struct connection *c, struct imap_reader *r, bool uids, struct imap_set *indexes);

#endif
