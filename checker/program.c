#include "checker/program.h"

#include "lib/buf.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_BYTES = 4096,
    PIPE_BYTES = 65536,         /* what a pipe holds: what a program wrote before its end is there in so many octets */
    ENVIRONMENT_MAX = 64,
    CANCEL_WAIT_MS = 100,
    FIRST_FREE_FD = 3,
};

/* The ends of three pipes, from here: to write its input, to read its output and its errors. */
enum { INPUT, OUTPUT, ERRORS, STREAMS };

struct stream {
    struct program *program;
    int             fd;             /* ours; -1: closed */
    struct event   *event;
    struct buf      kept;           /* INPUT: what is to be written; else what came */
};

struct program {
    program_done_fn      *done;
    void                 *arg;
    uint32_t              timeout_ms;
    pid_t                 pid;              /* 0: it has not started, or has ended and was waited for */
    int                   pidfd;            /* readable when it has ended */
    struct event         *ended, *patience;
    struct stream         streams[STREAMS];
    size_t                written;          /* of the input */
    int                   start_errno;
    bool                  timed_out;
    struct program_result result;
};

static void
close_stream(struct stream *s)
{
    if (s->event != NULL)
        event_free(s->event);
    s->event = NULL;
    if (s->fd != -1)
        close(s->fd);
    s->fd = -1;
}

static void
program_free(struct program *p)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        close_stream(&p->streams[i]);
        buf_wipe(&p->streams[i].kept);
    }
    if (p->ended != NULL)
        event_free(p->ended);
    if (p->patience != NULL)
        event_free(p->patience);
    if (p->pidfd != -1)
        close(p->pidfd);
    free(p);
}

/* With all that it started; and itself, where it has gone into another group. */
static void
kill_group(const struct program *p)
{
    if (p->pid <= 0)
        return;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL);
}

/* ---- What it reads and writes ------------------------------------------------------------------------------------ */

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
    struct stream  *s = arg;
    struct program *p = s->program;
    ssize_t         sent;

    (void)what;
    while (p->written < s->kept.len) {
        sent = write(fd, s->kept.data + p->written, s->kept.len - p->written);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent < 0)
            break;              /* it does not want to read all of it: its exit code tells whether that was right */
        p->written += (size_t)sent;
    }
    close_stream(s);
}

/* Reads once. False: there is no more, now or at all. */
static bool
read_some(struct stream *s)
{
    char    text[READ_BYTES];
    ssize_t got = s->fd == -1 ? 0 : read(s->fd, text, sizeof(text));
    size_t  room = s->kept.limit - s->kept.len;

    if (got > 0)
        buf_append(&s->kept, text, (size_t)got < room ? (size_t)got : room);       /* the rest is read so that it can go on */
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        close_stream(s);
    explicit_bzero(text, sizeof(text));
    return got > 0;
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_some(arg);
}

/* ---- How it ends ------------------------------------------------------------------------------------------------- */

/* Several lines become one. */
static void
show_errors(struct program *p)
{
    struct buf *raw = &p->streams[ERRORS].kept, safe;
    struct slice text;

    for (size_t i = 0; i < raw->len; i++)
        if (raw->data[i] == '\n' || raw->data[i] == '\r')
            raw->data[i] = ' ';
    text = slice_trim(buf_slice(raw));
    buf_init(&safe, (size_t)PROGRAM_ERRORS_BYTES * 4);
    display_text(&safe, text, PROGRAM_ERRORS_BYTES);
    slice_copy(p->result.errors, sizeof(p->result.errors), buf_slice(&safe));
    buf_fini(&safe);
}

static void
give_reason(struct program *p)
{
    struct program_result *r = &p->result;
    const char            *colon = r->errors[0] != '\0' ? ": " : "";
    const size_t           size = sizeof(r->reason);
    char                   limit[DURATION_TEXT_BYTES];

    if (!r->started)
        snprintf(r->reason, size, "it cannot be started: %.200s", strerror(p->start_errno));
    else if (r->timed_out)
        snprintf(r->reason, size, "it did not end within %s%s%.150s", duration_limit_text(p->timeout_ms, limit), colon, r->errors);
    else if (r->signal != 0)
        snprintf(r->reason, size, "it was ended by signal %d%s%.150s", r->signal, colon, r->errors);
    else if (r->exit_code < 0)
        snprintf(r->reason, size, "how it ended is not known");
    else if (r->exit_code > 0)
        snprintf(r->reason, size, "exit code %d%s%.200s", r->exit_code, colon, r->errors);
}

static void
finish(struct program *p)
{
    /* What it started itself may hold the pipes open for long; what it wrote by itself is there. */
    for (unsigned i = OUTPUT; i <= ERRORS; i++)
        for (unsigned reads = 0; reads <= PIPE_BYTES / READ_BYTES && read_some(&p->streams[i]); reads++)
            continue;
    show_errors(p);
    p->result.timed_out = p->timed_out && p->result.exit_code != 0;
    p->result.output = buf_slice(&p->streams[OUTPUT].kept);
    give_reason(p);
    p->done(p->arg, &p->result);
    program_free(p);
}

/* Its end; or, at once, that it could not be started. */
static void
on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct program *p = arg;
    int             status = 0;
    pid_t           got = p->pid > 0 ? waitpid(p->pid, &status, WNOHANG) : -1;

    (void)fd;
    (void)what;
    if (got == 0)
        return;
    if (got > 0 && WIFEXITED(status))
        p->result.exit_code = WEXITSTATUS(status);
    else if (got > 0 && WIFSIGNALED(status))
        p->result.signal = WTERMSIG(status);
    p->pid = 0;
    finish(p);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct program *p = arg;

    (void)fd;
    (void)what;
    p->timed_out = true;
    kill_group(p);              /* on_ended follows */
}

/* ---- How it starts ----------------------------------------------------------------------------------------------- */

/* Above 2, so that none is in the way when they become 0, 1 and 2 over there. */
static bool
open_pipe(int ends[2])
{
    ends[0] = ends[1] = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        int above = ends[i] < FIRST_FREE_FD ? fcntl(ends[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD) : ends[i];

        if (above != ends[i])
            close(ends[i]);
        ends[i] = above;
    }
    return ends[0] != -1 && ends[1] != -1;
}

/* Ours go into the streams, those of the program into theirs. */
static bool
open_pipes(struct program *p, int theirs[STREAMS])
{
    bool ok = true;

    for (unsigned i = 0; i < STREAMS; i++) {
        int      ends[2];
        unsigned ours = i == INPUT ? 1 : 0;

        ok = open_pipe(ends) && ok;
        p->streams[i].fd = ends[ours];
        theirs[i] = ends[1 - ours];
        ok = ok && fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
    }
    return ok;
}

/* PATH and so on of ours, then what the task gives. Borrows all. */
static bool
list_environment(const char *const *given, char lines[4][1024], char *out[ENVIRONMENT_MAX + 1])
{
    static const char *const names[] = { "PATH", "HOME", "LANG", "TZ" };
    unsigned                 count = 0;

    for (unsigned i = 0; i < COUNT(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && snprintf(lines[i], sizeof(lines[i]), "%s=%s", names[i], value) < (int)sizeof(lines[i]))
            out[count++] = lines[i];
    }
    for (; given != NULL && *given != NULL; given++) {
        if (count == ENVIRONMENT_MAX)
            return false;
        out[count++] = (char *)(uintptr_t)*given;       /* posix_spawn changes nothing in them */
    }
    out[count] = NULL;
    return true;
}

static int
spawn_with(struct program *p, const struct program_task *task, const int theirs[STREAMS], char **environment)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t          attributes;
    sigset_t                   all, none;
    int                        rc;

    if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return rc;
    }
    sigfillset(&all);
    sigemptyset(&none);
    for (int i = 0; i < STREAMS && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    if (rc == 0 && (rc = posix_spawn_file_actions_addclosefrom_np(&actions, FIRST_FREE_FD)) == 0 &&
        (rc = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 && (rc = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (rc = posix_spawnattr_setpgroup(&attributes, 0)) == 0 &&
        (rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)) == 0)
        rc = posix_spawnp(&p->pid, task->words[0], &actions, &attributes, (char *const *)(uintptr_t)task->words, environment);
    if (rc != 0)
        p->pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

/* 0, or why it does not run. */
static int
spawn(struct program *p, const struct program_task *task)
{
    int  theirs[STREAMS] = { -1, -1, -1 };
    char lines[4][1024];
    char *environment[ENVIRONMENT_MAX + 1];
    int  rc = EMFILE;

    if (open_pipes(p, theirs))
        rc = list_environment(task->environment, lines, environment) ? spawn_with(p, task, theirs, environment) : E2BIG;
    for (unsigned i = 0; i < STREAMS; i++)
        if (theirs[i] != -1)
            close(theirs[i]);
    return rc;
}

static bool
watch_program(struct program *p, struct event_base *base)
{
    static const short                   wanted[STREAMS] = { EV_WRITE | EV_PERSIST, EV_READ | EV_PERSIST, EV_READ | EV_PERSIST };
    static const event_callback_fn       tell[STREAMS] = { on_input, on_output, on_output };
    struct timeval                       after = { .tv_sec = p->timeout_ms / 1000, .tv_usec = p->timeout_ms % 1000 * 1000 };

    p->pidfd = pidfd_open(p->pid, 0);
    p->ended = p->pidfd == -1 ? NULL : event_new(base, p->pidfd, EV_READ | EV_PERSIST, on_ended, p);
    p->patience = evtimer_new(base, on_patience, p);
    if (p->ended == NULL || p->patience == NULL || event_add(p->ended, NULL) != 0 || event_add(p->patience, &after) != 0)
        return false;
    for (unsigned i = 0; i < STREAMS; i++) {
        p->streams[i].event = event_new(base, p->streams[i].fd, wanted[i], tell[i], &p->streams[i]);
        if (p->streams[i].event == NULL || event_add(p->streams[i].event, NULL) != 0)
            return false;
    }
    return true;
}

/* That it could not be started is told from the loop, too. */
static bool
tell_not_started(struct program *p, struct event_base *base)
{
    p->ended = event_new(base, -1, 0, on_ended, p);
    if (p->ended == NULL)
        return false;
    event_active(p->ended, EV_TIMEOUT, 0);
    return true;
}

struct program *
program_start(struct event_base *base, const struct program_task *task, program_done_fn *done, void *arg)
{
    struct program *p = calloc(1, sizeof(*p));
    bool            ok;

    assert(task->words != NULL && task->words[0] != NULL);
    if (p == NULL)
        return NULL;
    *p = (struct program){ .done = done, .arg = arg, .timeout_ms = task->timeout_ms, .pidfd = -1, .result = { .exit_code = -1 } };
    for (unsigned i = 0; i < STREAMS; i++) {
        p->streams[i] = (struct stream){ .program = p, .fd = -1 };
        buf_init(&p->streams[i].kept, i == INPUT ? task->input.len : i == OUTPUT ? task->output_max : PROGRAM_ERRORS_BYTES);
        p->streams[i].kept.secret = true;
    }
    ok = buf_append_slice(&p->streams[INPUT].kept, task->input) == MT_OK;
    if (ok) {
        p->start_errno = spawn(p, task);
        p->result.started = p->start_errno == 0;
        ok = p->result.started ? watch_program(p, base) : tell_not_started(p, base);
    }
    if (ok)
        return p;
    program_cancel(p);
    return NULL;
}

void
program_cancel(struct program *p)
{
    struct pollfd end;

    if (p == NULL)
        return;
    /* It is killed, so this is a moment; where the kernel does not let go of it, it stays a zombie until we end. */
    kill_group(p);
    if (p->pid > 0 && p->pidfd != -1) {
        end = (struct pollfd){ .fd = p->pidfd, .events = POLLIN };
        poll(&end, 1, CANCEL_WAIT_MS);
    }
    if (p->pid > 0)
        waitpid(p->pid, NULL, WNOHANG);
    program_free(p);
}
