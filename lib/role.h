#ifndef LIB_ROLE_H
#define LIB_ROLE_H
/*
 * role - what every role process has in common: its event loop, its channels to the supervisor and to store, its listeners,
 * and the order of its life: configuration → open what needs rights → MSG_GO → give up rights → MSG_READY → serve → drain → exit.
 */

#include "lib/channel.h"
#include "lib/config.h"

struct role_context;

/* One listening socket that was handed over. The role accepts from it. */
struct role_listener {
    enum listener kind;
    int           fd;
    char          address[128];
};

/* What a role gives; NULL where it needs none of it. */
struct role_hooks {
    /* Before rights are given up: open files, database, keys. 0 or MT_E… (logged by the callee; the process ends with EX_CONFIG). */
    int (*open)(struct role_context *r);
    /* Rights are gone, the loop is about to run: begin to accept. */
    int (*start)(struct role_context *r);
    /* A message from store (or, in store, see store/peer.h). As channel_message_fn. */
    channel_message_fn *on_store_message;
    /* The channel to store was made (again), or was lost: until then requests fail with 4xx. */
    void (*on_store)(struct role_context *r, bool connected);
    /* No new sessions; call role_done() when the last has ended, at the latest after grace_ms. */
    void (*drain)(struct role_context *r, uint32_t grace_ms);
    /* Only store: MSG_PEER and MSG_RELOAD. */
    channel_message_fn *on_supervisor_message;
    void (*close)(struct role_context *r);
};

struct role_context {
    enum role             role;
    unsigned              index;
    struct event_base    *base;             /* with two priorities: 0 for input, 1 for work that waits for its turn to end */
    const struct config  *config;
    struct channel       *supervisor;
    struct channel       *store;            /* NULL while there is none, and in store */
    struct role_listener *listeners;
    unsigned              listener_count;
    struct metrics      **metrics;          /* only lookup: of every process */
    struct role_metrics_owner { enum role role; unsigned index; } *metrics_owners;
    unsigned              metrics_count;
    bool                  draining;
    void                 *own;              /* the role's own state */
};

/* Runs a role to its end; argc/argv are those of `mailtestd --role NAME INDEX` (the supervisor's child). Returns the exit code. */
int role_run(enum role role, unsigned index, const struct role_hooks *hooks);

/* Everything ended: leaves the loop. */
void role_done(struct role_context *r);

/* Descriptors that the supervisor leaves open in a role: its channel, and the configuration's text (a sealed memfd). */
enum { ROLE_FD_SUPERVISOR = 3, ROLE_FD_CONFIG = 4 };

/* Each role's hooks, defined in its folder. */
extern const struct role_hooks smtpd_hooks, imapd_hooks, lookup_hooks, store_hooks;

#endif
