#ifndef MAILTESTD_SUPERVISOR_H
#define MAILTESTD_SUPERVISOR_H
/*
 * supervisor - reads the configuration, binds the ports, makes the role processes and keeps them alive; reload and stop. It parses nothing
 * that comes from a network.
 *
 * supervisor.c has its life from start to stop, roles.c makes the processes and brings them together, reload.c brings a new configuration in.
 */

#include "mailtestd/listeners.h"
#include "mailtestd/process.h"

/* Runs the service in the foreground until it is told to stop. Returns the exit code (sysexits.h); every error was told. */
int supervisor_run(const char *config_file);

/* ---- Between the files of this folder ---------------------------------------------------------------------------------- */

/* One configuration and the processes that were made with it. */
struct generation {
    struct config *config;
    unsigned       number;          /* from 1 */
    int            config_fd;       /* sealed memfd with its text */
    unsigned       stages_started;  /* of roles_advance */
};

/*
 *     STORE ──store is ready──▶ ROLES ──all are ready──▶ SERVING ──stop──▶ ENDING_ROLES ──all are gone──▶ ENDING_STORE ──▶ over
 *       └─────────────────────────┴───── a role cannot start ───────────────────▲
 */
enum phase { PHASE_STORE, PHASE_ROLES, PHASE_SERVING, PHASE_ENDING_ROLES, PHASE_ENDING_STORE };

struct supervisor {
    const char        *config_file;
    struct event_base *base;
    struct event      *on_terminate, *on_interrupt, *on_hangup, *on_child;
    struct event      *watch;               /* timer, every WATCH_MS */
    struct event      *alive;               /* timer: tells systemd's watchdog */
    struct event      *too_late;            /* timer: what has not ended yet is killed */
    struct listeners   listeners;
    struct generation *current;
    struct generation *next;                /* while a reload brings it up */
    struct process    *processes;
    struct page       *pages;
    enum phase         phase;
    unsigned           last_generation;
    uint64_t           started_ms, stopped_ms;
    uint64_t           reload_req;          /* of the MSG_RELOAD that waits for its answer; 0: none */
    uint64_t           last_req;
    int                shared_fd;           /* what all processes count together (lib/shared_table.h); -1: not made yet */
    struct shared_table *shared;            /* the same, mapped */
    int                state_lock;
    int                exit_code;
    bool               reload_again;        /* a SIGHUP came while a reload was under way */
};

/* Looks whether the phase, or a reload, is complete and takes the next step. After each change of a process. */
void supervisor_settle(struct supervisor *s);

/* The start failed, or a stop is wanted: ends all roles, then store, then the loop. */
void supervisor_stop(struct supervisor *s, int exit_code, uint32_t grace_ms);

/* roles.c ---- */

/* Reads and checks the file. 0, or MT_E… with *error set. */
int  generation_read(struct supervisor *s, struct generation **out, struct config_error *error);
void generation_free(struct generation *g);     /* NULL is fine */

/* The group of Unix sockets: that of store's user when root, else -1. */
int roles_socket_group(const struct config *config);

/* Makes store. 0, MT_EIO or MT_ENOMEM (logged). */
int roles_start_store(struct supervisor *s);

/*
 * Makes the processes of a generation in stages, each when those of the stage before are ready: signer; who serves mail, and needs it for TLS;
 * lookup, which tells whether the service is ready. *complete: all are ready. As roles_start_store.
 */
int roles_advance(struct supervisor *s, struct generation *g, bool *complete);

/* A process has ended, for whatever reason: what it counted in the shared table goes. */
void roles_ended(struct supervisor *s, const struct process *p);

/* A process died unexpectedly: it is made again after its pause. */
void roles_restart_later(struct process *p);

/* Store serves (again): every role gets a new channel to it. */
void roles_connect_store(struct supervisor *s);

struct process *roles_store(const struct supervisor *s);        /* NULL where there is none */

/* Takes a process out of the list and frees it. */
void roles_remove(struct supervisor *s, struct process *p);

void roles_free(struct supervisor *s);

/* Writes a quoted value for a log line: all of text, with quotes and backslashes escaped. */
struct quoted {
    char chars[4096];
};
const char *quote(struct quoted *out, const char *text);
#define QUOTE(text) quote(&(struct quoted){ .chars = "" }, (text))

/* reload.c ---- */

/* SIGHUP. */
void reload_begin(struct supervisor *s);

/* Store answered MSG_RELOAD. */
void reload_stored(struct supervisor *s, int rc);

/* A process of the new generation is ready. When all are, it takes over. */
void reload_advance(struct supervisor *s);

/* Something went wrong: the old configuration stays. */
void reload_abandon(struct supervisor *s, const char *reason);

#endif
