#include "mailtestd/process.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    OUT_BYTES       = 1024 * 1024,
    FIRST_FREE_FD   = 16,       /* above what dup2 puts into place */
    PAUSE_FIRST_MS  = 100,
    PAUSE_SERVED_MS = 400,      /* at most for who had come to serve: everybody waits for it, within a second it is back */
    PAUSE_MAX_MS    = 30000,
    SETTLED_MS      = 60000,    /* who was ready for so long starts with the first pause again */
    ANSWER_TURNS    = 12,       /* a minute: a role's turn of the loop takes milliseconds */
    STORE_TURNS     = 60,       /* five minutes: store sits in an fsync as long as the disk takes */
    START_TURNS     = 24,       /* two minutes; store may check a large database for longer, and is not killed for it */
    CLOSED_TURNS    = 2,        /* who closed its channel is about to end */
};

uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct process *
process_new(struct supervisor *s, struct event_base *base, enum role role, unsigned index, unsigned generation,
            event_callback_fn on_pause_over)
{
    struct process *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    *p = (struct process){ .supervisor = s, .role = role, .index = index, .generation = generation };
    p->pause = evtimer_new(base, on_pause_over, p);
    if (p->pause == NULL) {
        free(p);
        return NULL;
    }
    if (role == ROLE_STORE || role == ROLE_LOOKUP || role == ROLE_WEBHOOK || role == ROLE_SIGNER)
        snprintf(p->name, sizeof(p->name), "%s", role_name(role));
    else
        snprintf(p->name, sizeof(p->name), "%s/%u", role_name(role), index);
    return p;
}

void
process_free(struct process *p)
{
    if (p->pause != NULL)
        event_free(p->pause);
    free(p);
}

static void
set_state(struct process *p, enum process_state state)
{
    p->state = state;
    p->since_ms = now_ms();
    p->turns = p->unanswered = 0;
    if (state == PROCESS_READY)
        p->was_ready = true;
}

void
process_set_ready(struct process *p)
{
    set_state(p, PROCESS_READY);
}

/* ---- Making ------------------------------------------------------------------------------------------------------------- */

/* In the child: nothing of the supervisor's but standard streams, the channel and the configuration goes on into the role. */
static void
become_role(const struct process *p, int channel_fd, int config_fd, const sigset_t *old_mask)
{
    char  title[64], index[16];
    char *argv[] = { title, (char[]){ "--role" }, (char[]){ "" }, index, NULL };

    /* Ignored signals stay ignored over exec: a role that is only being made is not ended by an interrupt meant for the supervisor. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_SETMASK, old_mask, NULL);

    snprintf(title, sizeof(title), "mailtestd: %s", p->name);
    snprintf(index, sizeof(index), "%u", p->index);
    argv[2] = strdup(role_name(p->role));
    channel_fd = fcntl(channel_fd, F_DUPFD, FIRST_FREE_FD);
    config_fd = fcntl(config_fd, F_DUPFD, FIRST_FREE_FD);
    if (argv[2] == NULL || channel_fd < 0 || config_fd < 0 || dup2(channel_fd, ROLE_FD_SUPERVISOR) < 0 ||
        dup2(config_fd, ROLE_FD_CONFIG) < 0 || close_range(ROLE_FD_CONFIG + 1, ~0U, 0) != 0)
        _exit(EX_OSERR);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    execv("/proc/self/exe", argv);
    _exit(EX_OSERR);
}

int
process_start(struct process *p, struct event_base *base, int config_fd, channel_message_fn *on_message,
              channel_closed_fn *on_closed)
{
    sigset_t all, old_mask;
    int      fds[2], rc;

    if ((rc = channel_pair(fds)) != MT_OK)
        goto fail;
    if ((p->channel = channel_new(base, fds[0], OUT_BYTES, on_message, on_closed, p)) == NULL) {
        rc = MT_ENOMEM;
        close(fds[0]);
        close(fds[1]);
        goto fail;
    }
    /* Until exec the child has our handlers, and what they write to would be ours. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old_mask);
    p->pid = fork();
    if (p->pid == 0)
        become_role(p, fds[1], config_fd, &old_mask);
    sigprocmask(SIG_SETMASK, &old_mask, NULL);
    close(fds[1]);
    if (p->pid < 0) {
        rc = mt_from_errno(errno);
        p->pid = 0;
        channel_free(p->channel);
        p->channel = NULL;
        goto fail;
    }
    log_debug("event=role-started role=%s process=%d", p->name, (int)p->pid);
    set_state(p, PROCESS_STARTING);
    return MT_OK;
fail:
    log_error("event=role-not-started role=%s reason=\"%s\"", p->name, mt_strerror(rc));
    return rc;
}

/* ---- Talking ------------------------------------------------------------------------------------------------------------ */

int
process_send(struct process *p, enum msg_type type, uint64_t req, struct slice fields, int fd)
{
    int rc = MT_EFULL;

    for (int attempt = 0; rc == MT_EFULL && attempt < 2; attempt++) {
        int copy = -1;
        if (p->channel == NULL)
            return MT_ESHUTDOWN;
        if (attempt > 0)
            channel_flush(p->channel);
        if (fd != -1 && (copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
            return mt_from_errno(errno);
        rc = channel_send(p->channel, type, req, fields, copy);
    }
    return rc;
}

static void
send_drain(struct process *p, uint32_t grace_ms, bool retire)
{
    unsigned char fields[5];

    put_u32(fields, grace_ms);
    fields[4] = retire;
    process_send(p, MSG_DRAIN, 0, slice_make(fields, sizeof(fields)), -1);
    if (p->state != PROCESS_DRAINING)
        set_state(p, PROCESS_DRAINING);
}

void
process_drain(struct process *p, uint32_t grace_ms)
{
    send_drain(p, grace_ms, false);
}

void
process_retire(struct process *p, uint32_t grace_ms)
{
    if (p->state != PROCESS_DRAINING)
        send_drain(p, grace_ms, true);
}

void
process_kill(struct process *p, const char *reason)
{
    if (p->pid == 0)
        return;
    log_warning("event=role-killed role=%s process=%d reason=\"%s\"", p->name, (int)p->pid, reason);
    kill(p->pid, SIGKILL);
}

/* A turn, not a time: when the whole machine slept, each process gets its chance to answer before the next turn. */
void
process_watch(struct process *p)
{
    p->turns++;
    if (p->pid == 0)
        return;
    if (p->channel == NULL) {
        if (p->turns > CLOSED_TURNS)
            process_kill(p, "its channel is closed");
    } else if (p->state == PROCESS_STARTING) {
        if (p->turns > START_TURNS && p->role != ROLE_STORE)
            process_kill(p, "it was not ready in time");
    } else if (p->unanswered == 0) {
        if (process_send(p, MSG_PING, 1, slice_make("", 0), -1) == MT_OK)
            p->unanswered = 1;
    } else if (p->unanswered++ > (p->role == ROLE_STORE ? STORE_TURNS : ANSWER_TURNS)) {
        process_kill(p, "it does not answer");
    }
}

/* ---- Ending ------------------------------------------------------------------------------------------------------------- */

void
process_ended(struct process *p)
{
    channel_free(p->channel);
    p->channel = NULL;
    p->pid = 0;
    if (p->page != NULL)
        metrics_clear_gauges(p->page->metrics);
}

void
process_pause(struct process *p)
{
    uint32_t       max_ms = p->state == PROCESS_READY ? PAUSE_SERVED_MS : PAUSE_MAX_MS;
    struct timeval tv;

    if (p->state == PROCESS_READY && now_ms() - p->since_ms >= SETTLED_MS)
        p->pause_ms = 0;
    p->pause_ms = p->pause_ms == 0 ? PAUSE_FIRST_MS : p->pause_ms * 2 < max_ms ? p->pause_ms * 2 : max_ms;
    set_state(p, PROCESS_PAUSED);
    tv = (struct timeval){ .tv_sec = p->pause_ms / 1000, .tv_usec = p->pause_ms % 1000 * 1000 };
    event_add(p->pause, &tv);
}
