#ifndef LIB_ROLE_H
#define LIB_ROLE_H
/*
 * role - what every role process has in common: its event loop, its channels to the supervisor and to store, its listeners,
 * and the order of its life: configuration → open what needs rights → MSG_GO → give up rights → MSG_READY → serve → drain → exit.
 */

#include "lib/channel.h"
#include "lib/config.h"
#include "lib/signer_link.h"

struct role_context;

/* One listening socket that was handed over. The role accepts from it. */
struct role_listener {
    enum listener kind;
    int           fd;           /* -1: a role that gave it to somebody who closes it himself, or after drain */
    char          address[128];
};

/* What a role gives; NULL where it needs none of it. */
struct role_hooks {
    /*
     * Before rights are given up: open files, database, keys. 0 or MT_E… (logged by the callee; the process ends with
     * role_exit_code() of it). In store rights are gone already: all that it opens belongs to its user.
     */
    int (*open)(struct role_context *r);
    /* Rights are gone, the loop is about to run: begin to accept. 0 or MT_E… as above. */
    int (*start)(struct role_context *r);
    /* A message from store, arg is the role_context (in store, see store/peer.h). As channel_message_fn. */
    channel_message_fn *on_store_message;
    /* The channel to store was made (again), or was lost: until then requests fail with 4xx. First called after start. */
    void (*on_store)(struct role_context *r, bool connected);
    /*
     * No new sessions: events on the listeners are removed, role closes them when this returns. Call role_done() when the last session has
     * ended, at the latest after grace_ms. Called again, with a shorter grace_ms, when the end is hastened.
     */
    void (*drain)(struct role_context *r, uint32_t grace_ms);
    /*
     * A new generation has taken over: no new sessions, as in drain, but those under way go on as if nothing had happened. Call role_done()
     * when the last has ended; after a long time drain is called. NULL: drain is called at once.
     */
    void (*retire)(struct role_context *r);
    /* Only store and signer: MSG_PEER and MSG_RELOAD, after start; arg is the role_context. */
    channel_message_fn *on_supervisor_message;
    /* The loop has ended. Free what open and start made; r->base and the channels are there still. Also after a failed open. */
    void (*close)(struct role_context *r);
};

struct role_context {
    enum role             role;
    unsigned              index;
    struct event_base    *base;             /* with two priorities: 0 for input, 1 for work that waits for its turn to end */
    const struct config  *config;
    struct channel       *supervisor;
    struct channel       *store;            /* NULL while there is none, and in store */
    struct signer_link   *signer;           /* who signs in TLS handshakes; only smtpd, imapd and lookup, else NULL */
    struct role_listener *listeners;
    unsigned              listener_count;
    struct metrics      **metrics;          /* only lookup: of every process */
    struct shared_table  *shared;           /* what all processes count together (lib/shared_table.h); NULL before MSG_SHARED_TABLE, and in others than
                                               smtpd, imapd and lookup */
    uint32_t              share;            /* this process's share of it, for its sessions */
    struct role_metrics_owner { enum role role; unsigned index; } *metrics_owners;
    unsigned              metrics_count;
    bool                  store_silent;     /* store is connected, but has not answered for ROLE_SILENT_MS: it hangs, or its disk does */
    bool                  draining;         /* drain was called */
    bool                  retired;          /* retire was called */
    void                 *own;              /* the role's own state */
};

/* How long store may take to give a sign of life before nothing new is asked of it. */
#define ROLE_SILENT_MS 6000u

/*
 * Runs a role to its end, in a process that the supervisor made (`mailtestd --role NAME INDEX`). Returns the exit code (sysexits.h).
 * SIGTERM, SIGINT and SIGHUP are ignored: an interrupt at the terminal and systemd reach every process, but the supervisor decides.
 * When the supervisor is gone, the role drains by itself.
 */
int role_run(enum role role, unsigned index, const struct role_hooks *hooks);

/*
 * The exit code that tells the supervisor why a role did not start: EX_NOINPUT (MT_ENOTFOUND), EX_NOPERM (MT_EDENIED), EX_DATAERR (MT_EDAMAGED,
 * MT_EVERSION), EX_TEMPFAIL (MT_EBUSY), EX_IOERR (MT_EIO), EX_CANTCREAT (MT_EFULL), EX_OSERR (MT_ENOMEM), EX_CONFIG for others; EX_OK for MT_OK.
 */
int role_exit_code(int rc);

/* Everything ended: leaves the loop. */
void role_done(struct role_context *r);

/* Descriptors that the supervisor leaves open in a role: its channel, and the configuration's text (a sealed memfd). */
enum { ROLE_FD_SUPERVISOR = 3, ROLE_FD_CONFIG = 4 };

/* Each role's hooks, defined in its folder. */
extern const struct role_hooks smtpd_hooks, imapd_hooks, lookup_hooks, store_hooks, webhook_hooks, signer_hooks;

#endif
