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
#include "imapd/login_turn.h"

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
    struct login_turn turn;
    struct sasl       sasl;
    struct buf        pending;                      /* arguments of a login that waits for its turn; wiped */
    unsigned          enabled;                      /* enum imap_enabled bits; never taken back */
    bool              read_only;                    /* EXAMINE */
    bool              keeps_numbers;                /* the command under way: no EXPUNGE may be told */
    struct imap_view  view;
    struct imap_set   found;                        /* "$" (RFC 5182): UIDs */
    struct imap_task *task;                         /* NULL: none */
    struct imap_mark *mark;                         /* flags that store is to change; NULL: none (imap_mark.h) */
    struct imap_copy *copy;                         /* under way (imap_copy.h); NULL: none */
    struct imap_append *append;                     /* a message that comes in (imap_append.h); NULL: none */
    uint32_t          changing;                     /* folder that a DELETE is removing */
    struct imap_set   expunging;                    /* UIDs of a UID EXPUNGE under way */
    bool              expunges_only;                /* only these */
    bool              closes;                       /* the expunge under way is that of a CLOSE */
};

typedef void imap_handler_fn(struct connection *c, struct imap_reader *r);

struct imap_verb {
    const char      *name;          /* "UID FETCH" is one */
    unsigned         in;            /* enum imap_state bits */
    bool             keeps_numbers;
    imap_handler_fn *handle;
};

/* Each ended by a NULL name: imap_login.c, imap_folders.c, imap_folder_change.c, imap_fetch.c, imap_search.c, imap_change.c, imap_copy.c. */
extern const struct imap_verb imap_login_verbs[], imap_folder_verbs[], imap_folder_change_verbs[], imap_fetch_verbs[], imap_search_verbs[],
                              imap_change_verbs[], imap_copy_verbs[];

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

/* NO with the reason why the database could not be read. */
void imap_refuse_read(struct connection *c, int rc);

/* A string: quoted where it can be, else as a literal; NULL data: NIL. */
void imap_put_string(struct buf *b, struct slice s);
void imap_put_nstring(struct buf *b, struct slice s);

/* "(\Seen $Junk)". */
void imap_put_flags(struct buf *b, const struct entry *e);

/* Begins a task; takes it over. */
void imap_begin_task(struct connection *c, struct imap_task *t);

/* Tells what has changed in the folder. */
void imap_tell(struct connection *c, bool expunges);

/* The client's line behind a continuation. */
void imap_sasl_answer(struct connection *c, struct slice line);

/* The selected folder has changed: an idling client hears of it at once. */
void imap_changed(struct connection *c);

/* A login that waited goes on. */
void imap_login_go_on(struct connection *c);

/* The capabilities as they are now, separated by spaces. */
#define IMAP_CAPABILITIES_BYTES 1024u
const char *imap_capabilities(const struct connection *c, char text[IMAP_CAPABILITIES_BYTES]);

/* A folder's name as the client wrote it, in UTF-8 in text, of IMAP_NAME_BYTES + 1; a fault of the reader where it is none. */
struct slice imap_read_name(struct imap_reader *r, char *text);

/* The id of the folder of that name. MT_ENOTFOUND, MT_E… of the database. */
int imap_find_folder(struct connection *c, struct slice name, uint32_t *id);

/* No folder is selected any more. */
void imap_unselect(struct connection *c);

/* Indexes become UIDs, which stay right whatever happens while store works. False: out of memory. */
bool imap_uids_of(const struct imap_view *v, const struct imap_set *indexes, struct imap_set *uids);

/* The selected folder, or "$", as ranges of indexes (number - 1). False: refused. uids: the set is of UIDs. */
bool imap_read_set(struct connection *c, struct imap_reader *r, bool uids, struct imap_set *indexes);

#endif
