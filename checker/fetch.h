#ifndef CHECKER_FETCH_H
#define CHECKER_FETCH_H
/*
 * fetch - one look into an account by IMAP (fetch_imap) or POP3 (fetch_pop3): connect, log in, find the mails of one token, judge them, delete
 * them, look for left-overs, say good-bye. watch_account makes looks one after the other.
 */

#include "checker/imap_response.h"
#include "checker/mail_judge.h"
#include "checker/mail_link.h"

#include <jansson.h>

#define FETCH_MAIL_BYTES    (256u * 1024)   /* of a mail, from its beginning, that are fetched */
#define FETCH_FOUND_MAX     16u             /* mails of one token that are fetched in one look at one folder */
#define FETCH_NEWEST_MAX    20u             /* IMAP: newest mails that are looked at when the search finds nothing */
#define FETCH_TOLD_MAX      32u             /* mails of one token that are told of, in one folder */
#define FETCH_LEFTOVERS_MAX 20u             /* mails that may be left over, in one look at one folder */
#define FETCH_POP3_MAX      50u             /* POP3: newest mails that are looked at */
#define FETCH_LIMIT_STEPS   6u              /* a look may take so many times the time of a step (plan.timeout_ms) */

enum fetch_folder { FETCH_INBOX, FETCH_JUNK, FETCH_FOLDERS };

/* What one look learns for the next: kept by the watch, zero at first. */
struct fetch_memory {
    bool     junk_known;                            /* IMAP: the server was asked for its Junk folder */
    char     junk[IMAP_FOLDER_BYTES];               /* its name on the wire; empty: there is none */
    uint32_t uidvalidity[FETCH_FOLDERS];
    uint32_t next_uid[FETCH_FOLDERS];               /* newest mails were looked at up to here */
    uint32_t told[FETCH_FOLDERS][FETCH_TOLD_MAX];   /* mails of the token that were told of */
    unsigned told_count[FETCH_FOLDERS];
    uint64_t seen[FETCH_POP3_MAX * 4];              /* POP3: UIDs (XXH3) that were looked at; the oldest gives way */
    unsigned seen_count, seen_at;
    bool     cleaned;                               /* left-overs were looked for */
};

/* All borrowed until the end of the look. */
struct fetch_task {
    struct event_base   *base;
    const struct plan   *plan;
    const struct auth   *auth;
    const struct route  *route;
    const char          *secret;                    /* valid during fetch_start; it is copied into locked memory */
    const char          *token;
    int64_t              since_unix;                /* no mail of this token is older, by any clock that is nearly right */
    struct mail_judge   *judge;
    struct fetch_memory *memory;
};

struct fetch_result {
    unsigned copies;                /* of the mail itself */
    bool     junk;                  /* they are in the Junk folder alone */
    char     folder[64];            /* where the first one was */
    bool     bounced, autoreply;
    json_t  *arrivals;              /* array; owned by the fetch */
    json_t  *report;                /* NULL: no report of a failure; owned by the fetch */
    unsigned deleted, leftovers_deleted;
    bool     looked;                /* the account was looked into: what is not found was not there */
    bool     hopeless;              /* as in struct watch_result */
    bool     own_trouble;           /* no descriptor, or no memory, for a connection: nothing is known of the account */
    bool     refused;               /* the server did not take the secret */
    char     step[16];              /* empty: nothing failed */
    char     host[ROUTE_HOST_BYTES];
    char     reason[MAIL_LINK_REASON_BYTES];
    char     tls_version[16], tls_verify[128];
};

struct fetch;

/* result is valid during the call; the fetch is freed after it. */
typedef void fetch_done_fn(void *arg, const struct fetch_result *result);

/* done is called from the loop, never from inside. NULL: out of memory. */
struct fetch *fetch_start(const struct fetch_task *task, fetch_done_fn *done, void *arg);

/* Without a call of done. NULL is fine. */
void fetch_cancel(struct fetch *f);

/* ---- For fetch_imap and fetch_pop3 alone -------------------------------------------------------------------------- */

struct sasl_client;

/* A protocol's part. */
struct fetch_protocol {
    void *(*start)(struct fetch *f);            /* NULL: out of memory */
    void (*opened)(void *dialogue);             /* the connection stands: speak */
    void (*octets)(void *dialogue);             /* take what is whole from mail_link_in */
    void (*free)(void *dialogue);
    const char *(*step)(const void *dialogue);  /* what is under way, when the connection breaks */
};
extern const struct fetch_protocol fetch_imap, fetch_pop3;

struct fetch {
    struct fetch_task            task;
    struct fetch_result          result;
    struct mail_link            *link;
    struct sasl_client          *sasl;          /* during the login */
    const char                  *mechanism;     /* its name */
    bool                         first_said;    /* its first message has gone out */
    char                        *secret;        /* sodium_malloc */
    const struct fetch_protocol *protocol;
    void                        *dialogue;
    fetch_done_fn               *done;
    void                        *arg;
    struct event                *finished;
    bool                         over;
};

/* Ends the look; nothing is sent or taken after it. */
void fetch_finish(struct fetch *f);

/* What went wrong, with the words of the server (empty: none). The first counts. fetch_note goes on, fetch_fail ends the look. */
void fetch_note(struct fetch *f, const char *step, const char *what, struct slice words);
void fetch_fail(struct fetch *f, const char *step, const char *what, struct slice words);

/* Judges a mail and writes down what it is. */
struct mail_verdict fetch_judge(struct fetch *f, enum fetch_folder folder, const struct mail_facts *mail);

/*
 * The login. offered: the server's mechanisms, with blanks between them; plain: a password may be said by the protocol's own command.
 * FETCH_LOGIN_NONE: it has failed already.
 */
enum fetch_login { FETCH_LOGIN_NONE, FETCH_LOGIN_SASL, FETCH_LOGIN_PLAIN };
enum fetch_login fetch_login_choose(struct fetch *f, struct slice offered, bool plain);

/* FETCH_LOGIN_SASL: sends "VERB MECHANISM", with the first message behind it where there is one and initial says that the server takes it so. */
void fetch_login_begin(struct fetch *f, const char *verb, bool initial);
void fetch_login_challenge(struct fetch *f, struct slice base64);

/* The server says that it is good, or not (words: what it says; healing: time may heal it). False: the look has ended. */
bool fetch_login_passed(struct fetch *f);
void fetch_login_refused(struct fetch *f, struct slice words, bool healing);

#endif
