#include "mailtestd/supervisor.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/shared_table.h"
#include "mailtestd/state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

enum {
    END_MARGIN_MS    = 5000,    /* behind a role's grace: then it is killed */
    STORE_GRACE_MS   = 60000,   /* for store to write what it was given */
    HASTENED_MS      = 2000,    /* behind a second signal */
    SAME_SIGNAL_MS   = 500,     /* a signal to the process and to its group is one wish, not two */
    STORE_BUSY_MS    = 10000,   /* the store of an instance that was killed may still write its last commit */
};

/* ---- Ending ------------------------------------------------------------------------------------------------------------ */

static void
set_too_late(struct supervisor *s, uint32_t ms)
{
    struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(s->too_late, &tv);
}

static void
end_process(struct supervisor *s, struct process *p, uint32_t grace_ms)
{
    if (p->pid == 0)
        roles_remove(s, p);
    else
        process_drain(p, grace_ms);
}

static void
end_roles(struct supervisor *s, uint32_t grace_ms)
{
    for (struct process *p = s->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->role != ROLE_STORE)
            end_process(s, p, grace_ms);
    }
    set_too_late(s, grace_ms + END_MARGIN_MS);
}

static void
end_store(struct supervisor *s)
{
    struct process *store = roles_store(s);

    s->phase = PHASE_ENDING_STORE;
    if (store != NULL)
        end_process(s, store, STORE_GRACE_MS);
    set_too_late(s, STORE_GRACE_MS + END_MARGIN_MS);
}

void
supervisor_stop(struct supervisor *s, int exit_code, uint32_t grace_ms)
{
    if (s->phase == PHASE_ENDING_STORE)
        return;
    if (s->phase != PHASE_ENDING_ROLES) {
        s->exit_code = exit_code;
        s->stopped_ms = now_ms();
        sd_notify(0, "STOPPING=1\nSTATUS=Ending sessions");
        log_info("event=stopping grace_ms=%u", grace_ms);
        listeners_close(&s->listeners);
        generation_free(s->next);
        s->next = NULL;
        s->reload_again = false;
        s->phase = PHASE_ENDING_ROLES;
    }
    end_roles(s, grace_ms);
    supervisor_settle(s);
}

static void
on_too_late(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)fd;
    (void)what;
    for (struct process *p = s->processes; p != NULL; p = p->next)
        if ((p->role == ROLE_STORE) == (s->phase == PHASE_ENDING_STORE))
            process_kill(p, "it did not end in time");
}

static void
on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)what;
    if (s->stopped_ms != 0 && now_ms() - s->stopped_ms < SAME_SIGNAL_MS)
        return;
    log_info("event=signal name=%s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    if (s->phase < PHASE_ENDING_ROLES) {
        supervisor_stop(s, EX_OK, s->current->config->processes.drain_ms);
        return;
    }
    if (s->phase == PHASE_ENDING_ROLES)
        supervisor_stop(s, EX_OK, 0);
    set_too_late(s, HASTENED_MS);
}

/* ---- Life -------------------------------------------------------------------------------------------------------------- */

static void
announce_ready(struct supervisor *s)
{
    unsigned count = 0;

    for (struct process *p = s->processes; p != NULL; p = p->next)
        count++;
    s->phase = PHASE_SERVING;
    sd_notifyf(0, "READY=1\nSTATUS=Serving with %u processes", count);
    log_info("event=ready processes=%u ms=%llu", count, (unsigned long long)(now_ms() - s->started_ms));
    if (s->reload_again)
        reload_begin(s);
}

/* Whether no process but store is left. */
static bool
is_only_store(const struct supervisor *s)
{
    for (struct process *p = s->processes; p != NULL; p = p->next)
        if (p->role != ROLE_STORE)
            return false;
    return true;
}

void
supervisor_settle(struct supervisor *s)
{
    struct process *store = roles_store(s);
    bool            complete = false;
    int             rc = MT_OK;

    if (s->phase == PHASE_STORE && store != NULL && store->state == PROCESS_READY)
        s->phase = PHASE_ROLES;
    if (s->phase == PHASE_ROLES && (rc = roles_advance(s, s->current, &complete)) == MT_OK && complete)
        announce_ready(s);
    if (rc != MT_OK)
        supervisor_stop(s, EX_OSERR, 0);
    if (s->phase == PHASE_SERVING && s->next != NULL && s->reload_req == 0)
        reload_advance(s);
    if (s->phase == PHASE_ENDING_ROLES && is_only_store(s))
        end_store(s);
    if (s->phase == PHASE_ENDING_STORE && s->processes == NULL)
        event_base_loopbreak(s->base);
}

/* ---- Deaths ------------------------------------------------------------------------------------------------------------- */

/* "exit code 78", "signal 11 (Segmentation fault)". */
static const char *
describe_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
    return out;
}

/* Either way somebody has to look at it. */
#define FILTERED                                                                                                                 \
    " hint=\"it made a system call that is not in its list (lib/system_calls.c): the machine's libraries need another one, or somebody else "  \
    "got into it; the kernel's log (type=1326) names the call by its number, and processes.system_call_filter: false goes without\""

/* A role that never served has said what is wrong; trying again would say it again. */
static void
start_failed(struct supervisor *s, struct process *p, int status)
{
    int exit_code = WIFEXITED(status) && WEXITSTATUS(status) != EX_OK ? WEXITSTATUS(status) : EX_SOFTWARE;

    if (exit_code == EX_TEMPFAIL && p->role == ROLE_STORE && now_ms() - s->started_ms < STORE_BUSY_MS) {
        roles_restart_later(p);
        return;
    }
    log_error("event=start-failed role=%s exit_code=%d", p->name, exit_code);
    roles_remove(s, p);
    supervisor_stop(s, exit_code, 0);
}

static void
on_death(struct supervisor *s, struct process *p, int status)
{
    char text[80], reason[160];
    bool expected = p->state == PROCESS_DRAINING, failed = status != 0, told_why = !p->was_ready && WIFEXITED(status);

    process_ended(p);
    roles_ended(s, p);
    describe_end(status, text, sizeof(text));
    if (expected && (!failed || told_why))      /* ended because another one did not start: most likely for the same reason */
        log_debug("event=role-ended role=%s", p->name);
    else if (expected || p->was_ready || WIFSIGNALED(status))
        log_error("event=role-died role=%s reason=\"%s\"%s", p->name, text, WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? FILTERED : "");
    if (p->role == ROLE_STORE && s->next != NULL && s->reload_req != 0)
        reload_abandon(s, "store ended meanwhile");
    if (expected || s->phase >= PHASE_ENDING_ROLES) {
        roles_remove(s, p);
    } else if (s->next != NULL && p->generation == s->next->number) {
        snprintf(reason, sizeof(reason), "%s did not start: %s%s", p->name, text, WIFEXITED(status) ? ", its own line says why" : "");
        roles_remove(s, p);
        reload_abandon(s, reason);
    } else if (s->phase < PHASE_SERVING && !p->was_ready) {
        start_failed(s, p, status);
        return;
    } else {
        roles_restart_later(p);
    }
    supervisor_settle(s);
}

static void
on_child(evutil_socket_t number, short what, void *arg)
{
    struct supervisor *s = arg;
    int                status;
    pid_t              pid;

    (void)number;
    (void)what;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *p = s->processes;
        while (p != NULL && p->pid != pid)
            p = p->next;
        if (p != NULL)
            on_death(s, p, status);
    }
}

/* ---- Signals and timers ---------------------------------------------------------------------------------------------------- */

static void
on_hangup(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    reload_begin(arg);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;

    (void)fd;
    (void)what;
    for (struct process *p = s->processes; p != NULL; p = p->next)
        process_watch(p);
}

static void
on_alive(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    sd_notify(0, "WATCHDOG=1");
}

static int
add_events(struct supervisor *s)
{
    const struct timeval watch = { .tv_sec = WATCH_MS / 1000 };
    struct timeval       alive;
    uint64_t             alive_us = 0;

    s->on_terminate = evsignal_new(s->base, SIGTERM, on_stop_signal, s);
    s->on_interrupt = evsignal_new(s->base, SIGINT, on_stop_signal, s);
    s->on_hangup = evsignal_new(s->base, SIGHUP, on_hangup, s);
    s->on_child = evsignal_new(s->base, SIGCHLD, on_child, s);
    s->watch = event_new(s->base, -1, EV_PERSIST, on_watch, s);
    s->alive = event_new(s->base, -1, EV_PERSIST, on_alive, s);
    s->too_late = evtimer_new(s->base, on_too_late, s);
    if (s->on_terminate == NULL || s->on_interrupt == NULL || s->on_hangup == NULL || s->on_child == NULL || s->watch == NULL ||
        s->alive == NULL || s->too_late == NULL || event_add(s->on_terminate, NULL) != 0 || event_add(s->on_interrupt, NULL) != 0 ||
        event_add(s->on_hangup, NULL) != 0 || event_add(s->on_child, NULL) != 0 || event_add(s->watch, &watch) != 0)
        return MT_ENOMEM;
    if (sd_watchdog_enabled(0, &alive_us) > 0) {
        alive = (struct timeval){ .tv_sec = (time_t)(alive_us / 2000000), .tv_usec = (suseconds_t)(alive_us / 2 % 1000000) };
        event_add(s->alive, &alive);
    }
    return MT_OK;
}

static void
free_events(struct supervisor *s)
{
    struct event **events[] = { &s->on_terminate, &s->on_interrupt, &s->on_hangup, &s->on_child, &s->watch, &s->alive, &s->too_late };

    for (size_t i = 0; i < COUNT(events); i++)
        if (*events[i] != NULL)
            event_free(*events[i]);
}

/* ---- Start --------------------------------------------------------------------------------------------------------------------- */

/* The one line for whoever has started the service. */
static int
refuse_start(const char *text, int exit_code)
{
    if (text[0] != '\0')
        fprintf(stderr, "%smailtestd: %s\n", getenv("JOURNAL_STREAM") != NULL ? "<3>" : "", text);
    return exit_code;
}

static int
open_resources(struct supervisor *s)
{
    struct config_error config_error;
    struct listen_error listen_error = { .text = "" };
    struct state_error  state_error = { .text = "" };
    int                 rc = generation_read(s, &s->current, &config_error);

    if (rc != MT_OK)
        return refuse_start(config_error.text, rc == MT_ENOTFOUND ? EX_NOINPUT : rc == MT_EDENIED ? EX_NOPERM :
                                               rc == MT_ESYNTAX ? EX_CONFIG : EX_OSERR);
    log_set_level(s->current->config->log.level);
    log_info("event=start version=" MAILTEST_VERSION " configuration=\"%s\"", QUOTE(s->config_file));
    if (state_check(s->current->config, true, &state_error) != MT_OK ||
        state_open(s->current->config, &s->state_lock, &state_error) != MT_OK)
        return refuse_start(state_error.text, state_error.exit_code);
    if (listeners_inherit(&s->listeners, &listen_error) != MT_OK ||
        listeners_plan(&s->listeners, s->current->config, roles_socket_group(s->current->config), &listen_error) != MT_OK)
        return refuse_start(listen_error.text, listen_error.exit_code);
    listeners_commit(&s->listeners);
    if ((s->base = event_base_new()) == NULL || add_events(s) != MT_OK || roles_start_store(s) != MT_OK)
        return refuse_start("cannot start store: out of memory or processes", EX_OSERR);
    metric_set(METRIC_SERVICE_STARTED_UNIX, (uint64_t)time(NULL));
    return EX_OK;
}

/* One more signal must not turn an orderly end into a death by it while the handlers are taken down. */
static void
block_signals(void)
{
    sigset_t stop;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGHUP);
    sigprocmask(SIG_BLOCK, &stop, NULL);
}

int
supervisor_run(const char *config_file)
{
    struct supervisor s = { .config_file = config_file, .state_lock = -1, .shared_fd = -1, .started_ms = now_ms() };

    log_open("mailtestd", LOG_LEVEL_INFO);
    signal(SIGPIPE, SIG_IGN);
    s.exit_code = sandbox_supervise() == MT_OK ? open_resources(&s) : EX_OSERR;
    if (s.exit_code == EX_OK) {
        event_base_dispatch(s.base);
        block_signals();
        log_info("event=stopped exit_code=%d", s.exit_code);
    }
    listeners_close(&s.listeners);
    roles_free(&s);
    generation_free(s.next);
    generation_free(s.current);
    free_events(&s);
    if (s.base != NULL)
        event_base_free(s.base);
    shared_table_unmap(s.shared);
    if (s.shared_fd != -1)
        close(s.shared_fd);
    if (s.state_lock != -1)
        close(s.state_lock);
    return s.exit_code;
}
