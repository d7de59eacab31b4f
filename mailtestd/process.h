#ifndef MAILTESTD_PROCESS_H
#define MAILTESTD_PROCESS_H
/*
 * process - one role process as the supervisor sees it: made, handed what it needs, watched, restarted with growing pauses.
 *
 *     PAUSED ──process_start──▶ STARTING ──MSG_READY──▶ READY ──process_drain──▶ DRAINING ──▶ gone
 *        ▲                          │                     │
 *        └──────process_pause───────┴─────────────────────┘  it died
 */

#include "lib/channel.h"
#include "lib/config.h"
#include "lib/metrics.h"

#include <sys/types.h>

enum process_state { PROCESS_PAUSED, PROCESS_STARTING, PROCESS_READY, PROCESS_DRAINING };

/* The counters of a role and index, whichever process counts at the moment. */
struct page {
    struct page    *next;
    struct metrics *metrics;
    enum role       role;
    unsigned        index;
    int             fd;
};

struct process {
    struct process    *next;
    struct supervisor *supervisor;
    struct channel    *channel;         /* NULL while PAUSED, or when the process closed it */
    struct event      *pause;           /* timer of PAUSED */
    struct page       *page;            /* borrowed */
    enum role          role;
    unsigned           index;
    unsigned           generation;
    enum process_state state;
    pid_t              pid;             /* 0 while PAUSED */
    uint32_t           pause_ms;        /* of the last pause */
    unsigned           unanswered;      /* turns of the watch that a MSG_PING waits for its answer */
    unsigned           turns;           /* of the watch, since the state changed */
    uint64_t           since_ms;        /* of the state, monotonic */
    bool               was_ready;
    char               name[32];        /* "smtpd/0", "store" */
};

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);

/* PAUSED. on_pause_over is called with it. NULL: out of memory. */
struct process *process_new(struct supervisor *s, struct event_base *base, enum role role, unsigned index, unsigned generation,
                            event_callback_fn on_pause_over);
void            process_free(struct process *p);    /* what process_ended leaves */

/*
 * Makes the process (fork, and exec of this program) with its channel and the configuration's text. Its state becomes STARTING.
 * 0, MT_EIO or MT_ENOMEM (logged): it stays PAUSED.
 */
int process_start(struct process *p, struct event_base *base, int config_fd, channel_message_fn *on_message,
                  channel_closed_fn *on_closed);

/* A message with a descriptor (a copy of fd goes; -1: none). Blocks while too many descriptors wait. MT_ESHUTDOWN: the channel is over. */
int process_send(struct process *p, enum msg_type type, uint64_t req, struct slice fields, int fd);

/* MSG_READY came. */
void process_set_ready(struct process *p);

/* No new sessions, and an end after grace_ms at the latest. Also a second time, with a shorter grace. */
void process_drain(struct process *p, uint32_t grace_ms);

/* The same when others have taken over: sessions go on as they like. Once, and only before process_drain. */
void process_retire(struct process *p, uint32_t grace_ms);

/* The process has ended: closes what belonged to it and clears its gauges. */
void process_ended(struct process *p);

/*
 * PAUSED; the pauses grow from 0.1 s while the process keeps dying: to 0.4 s where it came to serve each time, to 30 s where it does not, and
 * begin anew when it lived for a minute.
 */
void process_pause(struct process *p);

void process_kill(struct process *p, const char *reason);

/* One turn of the watch, every WATCH_MS: asks for a sign of life, and kills what gave none for too long. */
enum { WATCH_MS = 5000 };
void process_watch(struct process *p);

#endif
