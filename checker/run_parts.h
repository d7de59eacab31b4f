#ifndef CHECKER_RUN_PARTS_H
#define CHECKER_RUN_PARTS_H
/* run_parts - what the files of run share: run.c opens and ends all, run_turn.c starts runs and takes their results, run_reload.c changes the file. */

#include "checker/alerts.h"
#include "checker/check_metrics.h"
#include "checker/incidents.h"
#include "checker/last_run.h"
#include "checker/late.h"
#include "checker/metrics_port.h"
#include "checker/result_lines.h"
#include "checker/result_sender.h"
#include "checker/runner.h"
#include "checker/schedule.h"
#include "checker/state.h"
#include "checker/tools.h"

#include <sys/queue.h>

#define RUN_ID_CHARS    32u                 /* random octets in hexadecimal digits: the name of one run */
#define RUN_KEY_PREFIX  "run/"              /* in STATE_TABLE_RUN: "run/CHECK/ID", what runner_save wrote */
#define LAST_KEY_PREFIX "last/"             /* in STATE_TABLE_META: "last/CHECK", a last_run */
#define RUN_KEY_BYTES   (sizeof(RUN_KEY_PREFIX) + CHECK_NAME_MAX + 1 + RUN_ID_CHARS)

/* The checks of one reading of the file: they stay as long as a run of theirs goes on. */
struct generation {
    struct checks *checks;
    unsigned       users;
};

/* A run under way. */
struct running {
    TAILQ_ENTRY(running) link;
    struct run          *run;
    struct generation   *generation;
    const struct check  *check;             /* in that generation */
    unsigned             index;             /* of the check in the generation of now */
    struct runner       *runner;
    char                 id[RUN_ID_CHARS + 1];
};

TAILQ_HEAD(running_list, running);

struct run {
    const char           *file;
    struct tools         *tools;
    struct runner_tools   runner_tools;
    struct state_file    *state;
    struct generation    *generation;
    struct generation    *first;            /* whose texts tools borrow */
    struct schedule      *schedule;
    struct incidents     *incidents;
    struct alerts        *alerts;
    struct check_metrics *metrics;
    struct metrics_port  *port;             /* NULL: none */
    struct result_sender *sender;           /* NULL: there is no service */
    struct result_lines  *lines;            /* NULL: none */
    struct late          *late;
    struct last_run      *last;             /* for each check of the generation of now */
    struct running_list   running;
    unsigned              under_way;
    struct event         *turn;             /* the next time that schedule or incidents want to be asked */
    struct event         *signals[3];
    struct event         *watchdog;         /* NULL: systemd wants none */
    uint64_t              reloads, reload_failures;
};

/* ---- run_turn ------------------------------------------------------------------------------------------------------------- */

/* Schedule and incidents are asked soon, from the loop. */
void run_turn_soon(struct run *r);
void run_on_turn(evutil_socket_t fd, short what, void *arg);

extern const struct schedule_hooks  run_schedule_hooks;     /* arg is to be set */
extern const struct incidents_hooks run_incidents_hooks;

late_fn run_on_late;

/* Takes up what was under way when the state was last closed. Before the first turn. MT_ENOMEM, MT_EIO. */
int run_take_up(struct run *r);

/* Writes down what is under way, and ends it here. */
void run_put_away(struct run *r);

/* Ends a run without a result, and forgets it. */
void running_drop(struct running *g);

/* ---- run_state: schedule, incidents and last runs from the state ------------------------------------------------------------ */

/* For the generation of now; schedule and incidents are empty before. MT_ENOMEM, MT_EIO. */
int  run_take_state(struct run *r);
void run_keep_last(struct run *r, unsigned check);
void run_keep_schedule(struct run *r, unsigned check);

/* Whatever is kept of checks that the file has no more. */
int  run_forget_gone(struct run *r);

/* ---- run_reload ----------------------------------------------------------------------------------------------------------------- */

void run_reload(struct run *r);

/* Takes over checks, and makes schedule and incidents for them; what was before stays where this fails. MT_ENOMEM, MT_EIO. */
int run_use(struct run *r, struct checks *checks);

void generation_release(struct generation *g);      /* NULL is fine */
struct generation *generation_new(struct checks *checks);

/* Opens what a file names for results and metrics, or closes it, where that is another than before (NULL: nothing was open). */
int run_open_outputs(struct run *r, const struct checks *before);

extern const struct metrics_port_hooks run_metrics_hooks;   /* run_metrics.c; arg is to be set */

#endif
