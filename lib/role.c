#include "lib/role.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/sandbox.h"
#include "lib/shared_table.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    SUPERVISOR_OUT_BYTES = 256 * 1024,
    STORE_OUT_BYTES      = 16 * 1024 * 1024,    /* deliveries up to MSG_INLINE_BODY_BYTES travel inside it */
    LISTENERS_MAX        = 1024,
    METRICS_MAX          = 4096,
    ORPHAN_GRACE_MS      = 2000,                /* for sessions under way when the supervisor is gone */
    LATE_GRACE_MS        = 30000,               /* for those that are still there long after a new generation took over */
    PULSE_MS             = 2000,                /* between two signs of life that store is asked for */
};

/* What role_run knows beside what the role may see. */
struct role_process {
    struct role_context      context;
    const struct role_hooks *hooks;
    struct config           *config;
    struct event            *late;              /* timer: retired for long enough */
    struct event            *pulse;             /* timer, every PULSE_MS */
    unsigned                 unanswered;        /* turns of it that a MSG_PING waits for store's answer */
    char                     name[32];
    struct signer_link       signer;
    int                      store_fd;          /* handed over before MSG_GO: nothing is heard from store until the role serves; -1: none */
    bool                     opened;            /* hooks->open was called */
    bool                     running;           /* MSG_READY was said */
    bool                     ended;             /* what left the loop is known: a second reason changes nothing */
    int                      exit_code;
};

static void
leave(struct role_process *p, int exit_code)
{
    if (!p->ended)
        p->exit_code = exit_code;
    p->ended = true;
    event_base_loopbreak(p->context.base);
}

void
role_done(struct role_context *r)
{
    leave((struct role_process *)r, EX_OK);
}

int
role_exit_code(int rc)
{
    switch (rc) {
    case MT_OK:
        return EX_OK;
    case MT_ENOTFOUND:
        return EX_NOINPUT;
    case MT_EDENIED:
        return EX_NOPERM;
    case MT_EDAMAGED:
    case MT_EVERSION:
        return EX_DATAERR;
    case MT_EBUSY:
        return EX_TEMPFAIL;
    case MT_EIO:
        return EX_IOERR;
    case MT_EFULL:
        return EX_CANTCREAT;
    case MT_ENOMEM:
        return EX_OSERR;
    default:
        return EX_CONFIG;
    }
}

/* Who connects from now on gets a refusal at once, or another process that has the socket too. */
static void
close_listeners(struct role_process *p)
{
    for (unsigned i = 0; i < p->context.listener_count; i++) {
        if (p->context.listeners[i].fd != -1)
            close(p->context.listeners[i].fd);
        p->context.listeners[i].fd = -1;
    }
}

static void
drain(struct role_process *p, uint32_t grace_ms)
{
    p->context.draining = true;
    if (p->running && p->hooks->drain != NULL)
        p->hooks->drain(&p->context, grace_ms);
    else
        role_done(&p->context);
    close_listeners(p);
}

/* ---- Channels ------------------------------------------------------------------------------------------------------ */

static void
drop_store(struct role_process *p)
{
    channel_free(p->context.store);
    p->context.store = NULL;
    if (p->running && p->hooks->on_store != NULL)
        p->hooks->on_store(&p->context, false);
}

static void
on_store_closed(void *arg, int rc)
{
    struct role_process *p = arg;

    log_warning("event=store-lost reason=\"%s\"", rc == MT_OK ? "it ended" : mt_strerror(rc));
    drop_store(p);
}

/* No other request has this number. */
#define PULSE_REQ UINT64_MAX

static int
on_store_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_process *p = arg;

    if (head->type != MSG_ANSWER || head->req != PULSE_REQ)
        return p->hooks->on_store_message(&p->context, head, in, fd);
    if (p->context.store_silent)
        log_info("event=store-answers");
    p->unanswered = 0;
    p->context.store_silent = false;
    return MT_OK;
}

/* A turn, not a time: when the whole machine slept, store gets its chance to answer before the next turn. */
static void
on_pulse(evutil_socket_t fd, short what, void *arg)
{
    struct role_process *p = arg;
    struct role_context *r = &p->context;

    (void)fd;
    (void)what;
    if (r->store == NULL)
        return;
    if (p->unanswered == 0)
        channel_send(r->store, MSG_PING, PULSE_REQ, slice_make("", 0), -1);
    if (p->unanswered++ < ROLE_SILENT_MS / PULSE_MS || r->store_silent)
        return;
    log_warning("event=store-silent waited_ms=%u", ROLE_SILENT_MS);
    r->store_silent = true;
}

/* Roles that serve people must not let them wait for a store that hangs. */
static int
start_pulse(struct role_process *p)
{
    const struct timeval every = { .tv_sec = PULSE_MS / 1000 };

    if (p->hooks->on_store_message == NULL || p->context.role == ROLE_STORE)
        return MT_OK;
    p->pulse = event_new(p->context.base, -1, EV_PERSIST, on_pulse, p);
    return p->pulse == NULL || event_add(p->pulse, &every) != 0 ? MT_ENOMEM : MT_OK;
}

static int
open_store(struct role_process *p)
{
    struct role_context *r = &p->context;

    if (r->store != NULL)
        drop_store(p);
    r->store = channel_new(r->base, p->store_fd, STORE_OUT_BYTES, on_store_message, on_store_closed, p);
    if (r->store == NULL)
        return MT_ENOMEM;
    p->unanswered = 0;
    r->store_silent = false;
    p->store_fd = -1;
    return MT_OK;
}

static void
tell_store(struct role_process *p)
{
    if (p->context.store != NULL && p->hooks->on_store != NULL)
        p->hooks->on_store(&p->context, true);
}

static int
take_store(struct role_process *p, int *fd)
{
    int rc = MT_OK;

    if (*fd == -1 || p->hooks->on_store_message == NULL)
        return MT_EPROTO;
    if (p->store_fd != -1)
        close(p->store_fd);
    p->store_fd = *fd;
    *fd = -1;
    if (p->running && (rc = open_store(p)) == MT_OK)
        tell_store(p);
    return rc;
}

/* The new pair counts from the next handshake on. */
static int
take_signer(struct role_process *p, struct reader *in, int *fd)
{
    if (!read_end(in) || *fd == -1 || p->context.signer == NULL)
        return MT_EPROTO;
    signer_link_set(p->context.signer, *fd);
    *fd = -1;
    return MT_OK;
}

static int
take_listener(struct role_process *p, struct reader *in, int *fd)
{
    struct role_context  *r = &p->context;
    struct role_listener  listener = { .fd = *fd }, *more;
    uint8_t               kind;

    read_u8(in, &kind);
    read_string(in, listener.address, sizeof(listener.address));
    if (!read_end(in) || kind >= LISTEN_COUNT || *fd == -1 || r->listener_count == LISTENERS_MAX)
        return MT_EPROTO;
    if ((more = reallocarray(r->listeners, r->listener_count + 1, sizeof(*more))) == NULL)
        return MT_ENOMEM;
    listener.kind = kind;
    r->listeners = more;
    r->listeners[r->listener_count++] = listener;
    *fd = -1;
    return MT_OK;
}

/* One's own page is counted in; lookup is given all, its own among them. */
static int
take_metrics(struct role_process *p, struct reader *in, const int *fd)
{
    struct role_context       *r = &p->context;
    struct role_metrics_owner *owners;
    struct metrics           **pages, *m;
    uint8_t                    role;
    uint16_t                   index;

    read_u8(in, &role);
    read_u16(in, &index);
    if (!read_end(in) || role >= ROLE_COUNT || *fd == -1 || r->metrics_count == METRICS_MAX || (m = metrics_map(*fd)) == NULL)
        return MT_EPROTO;
    if ((owners = reallocarray(r->metrics_owners, r->metrics_count + 1, sizeof(*owners))) != NULL)
        r->metrics_owners = owners;
    if ((pages = reallocarray(r->metrics, r->metrics_count + 1, sizeof(struct metrics *))) != NULL)
        r->metrics = pages;
    if (owners == NULL || pages == NULL) {
        metrics_unmap(m);
        return MT_ENOMEM;
    }
    r->metrics_owners[r->metrics_count] = (struct role_metrics_owner){ .role = role, .index = index };
    r->metrics[r->metrics_count++] = m;
    if (role == r->role && index == r->index)
        metrics_use(m);
    return MT_OK;
}

static int
take_shared_table(struct role_process *p, struct reader *in, const int *fd)
{
    struct role_context *r = &p->context;

    read_u32(in, &r->share);
    if (!read_end(in) || *fd == -1 || r->shared != NULL || (r->shared = shared_table_map(*fd)) == NULL)
        return MT_EPROTO;
    return MT_OK;
}

/* Gives up rights and begins to serve. */
static int
begin(struct role_process *p)
{
    struct role_context *r = &p->context;
    bool                 first = r->role == ROLE_STORE;     /* opens nothing that is not its user's */
    int                  rc = MT_OK;

    if (p->opened)
        return MT_EPROTO;
    if (first)
        rc = sandbox_enter(r->role, r->config);
    p->opened = rc == MT_OK;
    if (rc == MT_OK && p->hooks->open != NULL)
        rc = p->hooks->open(r);
    if (rc == MT_OK && !first)
        rc = sandbox_enter(r->role, r->config);
    if (rc == MT_OK && p->store_fd != -1)
        rc = open_store(p);
    if (rc == MT_OK)
        rc = start_pulse(p);
    if (rc == MT_OK && p->hooks->start != NULL)
        rc = p->hooks->start(r);
    if (rc != MT_OK) {
        leave(p, role_exit_code(rc));
        return MT_OK;
    }
    p->running = true;
    tell_store(p);
    return channel_send(r->supervisor, MSG_READY, 0, slice_make("", 0), -1);
}

static void
on_retired_for_long(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    drain(arg, LATE_GRACE_MS);
}

static int
retire(struct role_process *p, uint32_t grace_ms)
{
    struct role_context *r = &p->context;
    struct timeval       grace = { .tv_sec = grace_ms / 1000, .tv_usec = grace_ms % 1000 * 1000 };

    if (r->retired || r->draining)
        return MT_EPROTO;
    r->retired = true;
    if (!p->running || p->hooks->retire == NULL) {
        drain(p, grace_ms);
        return MT_OK;
    }
    if ((p->late = evtimer_new(r->base, on_retired_for_long, p)) == NULL || event_add(p->late, &grace) != 0)
        return MT_ENOMEM;
    p->hooks->retire(r);
    close_listeners(p);
    return MT_OK;
}

static int
take_drain(struct role_process *p, struct reader *in)
{
    uint32_t grace_ms;
    bool     wants_retire;

    read_u32(in, &grace_ms);
    read_bool(in, &wants_retire);
    if (!read_end(in))
        return MT_EPROTO;
    log_debug("event=%s grace_ms=%u", wants_retire ? "retire" : "drain", grace_ms);
    if (wants_retire)
        return retire(p, grace_ms);
    drain(p, grace_ms);
    return MT_OK;
}

static int
on_supervisor_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_process *p = arg;

    switch (head->type) {
    case MSG_LISTENER:
        return take_listener(p, in, fd);
    case MSG_METRICS:
        return take_metrics(p, in, fd);
    case MSG_SHARED_TABLE:
        return take_shared_table(p, in, fd);
    case MSG_STORE:
        return read_end(in) ? take_store(p, fd) : MT_EPROTO;
    case MSG_SIGNER:
        return take_signer(p, in, fd);
    case MSG_GO:
        return read_end(in) ? begin(p) : MT_EPROTO;
    case MSG_DRAIN:
        return take_drain(p, in);
    case MSG_PING:
        return read_end(in) ? channel_answer(p->context.supervisor, head->req, MT_OK) : MT_EPROTO;
    case MSG_PEER:
    case MSG_RELOAD:
        if (p->running && p->hooks->on_supervisor_message != NULL)
            return p->hooks->on_supervisor_message(&p->context, head, in, fd);
        return MT_EPROTO;
    default:
        return MT_EPROTO;
    }
}

/* Nobody would restart or stop this process any more. */
static void
on_supervisor_closed(void *arg, int rc)
{
    struct role_process *p = arg;

    channel_free(p->context.supervisor);
    p->context.supervisor = NULL;
    if (p->context.draining && rc == MT_OK)
        return;
    log_warning("event=supervisor-lost reason=\"%s\"", rc == MT_OK ? "it ended" : mt_strerror(rc));
    drain(p, ORPHAN_GRACE_MS);
}

/* ---- From start to end --------------------------------------------------------------------------------------------- */

static int
read_config(struct role_process *p)
{
    struct config_error error;
    int                 rc = config_parse_fd(ROLE_FD_CONFIG, &p->config, &error);

    if (rc != MT_OK)
        log_error("event=configuration-refused reason=\"%s\"", LOG_TEXT(slice_of(error.text)));
    close(ROLE_FD_CONFIG);
    p->context.config = p->config;
    return rc;
}

/*
 * Of libevent's backends epoll alone serves tens of thousands of sessions. Its change list saves system calls where an event is added and
 * removed in the same turn; it asks that no watched descriptor has a duplicate in this process, and none has.
 */
static struct event_base *
base_new(void)
{
    struct event_config *how = event_config_new();
    struct event_base   *base = NULL;

    if (how != NULL && event_config_require_features(how, EV_FEATURE_O1) == 0 &&
        event_config_set_flag(how, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        base = event_base_new_with_config(how);
    if (how != NULL)
        event_config_free(how);
    if (base != NULL && event_base_priority_init(base, 2) != 0) {
        event_base_free(base);
        return NULL;
    }
    return base;
}

static void
prepare(struct role_process *p)
{
    struct role_context *r = &p->context;
    char                 title[16];     /* what ps and top show of a thread */

    if (r->role == ROLE_STORE || r->role == ROLE_LOOKUP || r->role == ROLE_WEBHOOK || r->role == ROLE_SIGNER)
        snprintf(p->name, sizeof(p->name), "%s", role_name(r->role));
    else
        snprintf(p->name, sizeof(p->name), "%s/%u", role_name(r->role), r->index);
    snprintf(title, sizeof(title), "mailtest-%s", role_name(r->role));
    prctl(PR_SET_NAME, title, 0, 0, 0);
    log_open(p->name, LOG_LEVEL_INFO);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static void
finish(struct role_process *p)
{
    struct role_context *r = &p->context;

    if (r->store != NULL)
        channel_flush(r->store);
    if (p->opened && p->hooks->close != NULL)
        p->hooks->close(r);
    if (r->supervisor != NULL)
        channel_flush(r->supervisor);
    channel_free(r->store);
    channel_free(r->supervisor);
    metrics_use(NULL);
    for (unsigned i = 0; i < r->metrics_count; i++)
        metrics_unmap(r->metrics[i]);
    free(r->metrics);
    free(r->metrics_owners);
    shared_table_unmap(r->shared);
    close_listeners(p);
    signer_link_fini(&p->signer);
    free(r->listeners);
    if (p->late != NULL)
        event_free(p->late);
    if (p->pulse != NULL)
        event_free(p->pulse);
    if (r->base != NULL)
        event_base_free(r->base);
    config_free(p->config);
}

int
role_run(enum role role, unsigned index, const struct role_hooks *hooks)
{
    struct role_process  p = { .context = { .role = role, .index = index }, .hooks = hooks, .store_fd = -1,
                                 .exit_code = EX_SOFTWARE };
    struct role_context *r = &p.context;

    signer_link_init(&p.signer);
    if (role == ROLE_SMTPD || role == ROLE_IMAPD || role == ROLE_LOOKUP)
        r->signer = &p.signer;
    prepare(&p);
    if (read_config(&p) != MT_OK) {
        p.exit_code = EX_CONFIG;
    } else {
        log_set_level(p.config->log.level);
        if ((r->base = base_new()) == NULL ||
            (r->supervisor = channel_new(r->base, ROLE_FD_SUPERVISOR, SUPERVISOR_OUT_BYTES, on_supervisor_message, on_supervisor_closed,
                                         &p)) == NULL)
            p.exit_code = EX_OSERR;
        else
            event_base_dispatch(r->base);
    }
    finish(&p);
    return p.exit_code;
}
