#include "smtpd/smtpd.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/proxy.h"
#include "lib/tls_server.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* More than smtp.resolvers can be long. */
enum { RESOLVERS_BYTES_MAX = 4096 };

/* Every deadline's owner is a session, but for the one of the pass. */
static void
on_deadline(void *owner, enum deadline_kind kind)
{
    if (kind == DEADLINE_PASS)
        flight_pass_expired(owner);
    else
        session_expired(owner, kind);
}

static void
on_flight_resume(void *owner)
{
    session_resume(owner);
}

static void
on_flight_evict(void *owner)
{
    session_evict(owner);
}

static void
on_grace_over(evutil_socket_t fd, short what, void *arg)
{
    struct smtpd   *smtpd = arg;
    struct session *s, *next;

    (void)fd;
    (void)what;
    smtpd->forced = true;
    for (s = TAILQ_FIRST(&smtpd->sessions); s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        session_stop(s, true);
    }
}

uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- Start ---------------------------------------------------------------------------------------------------- */

static int
write_extensions(struct buf *out, const struct config *config)
{
    buf_init(out, 1024);
    buf_printf(out, "250-SIZE %llu\r\n", (unsigned long long)config->smtp.message_max_bytes);
    buf_printf(out, "250-LIMITS MAILMAX=%u RCPTMAX=%u\r\n", config->smtp.transactions_max, config->smtp.recipients_max);
    return buf_append_string(out, "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n");
}

static void
set_limits(struct smtpd *smtpd)
{
    const struct config *config = smtpd->config;
    uint32_t            *limit_ms = smtpd->deadlines.limit_ms;

    smtpd->limits = (struct transaction_limits){
        .message_max_bytes = config->smtp.message_max_bytes,
        .line_max_bytes = config->smtp.header_line_max_bytes,
        .received_max = config->smtp.received_max,
        .recipients_max = config->smtp.recipients_max,
        .refuse_bare_newline = config->smtp.refuse_bare_newline,
    };
    limit_ms[DEADLINE_TLS] = config->smtp.tls_timeout_ms;
    limit_ms[DEADLINE_CLOSING] = SESSION_CLOSING_MS;
    limit_ms[DEADLINE_PASS] = FLIGHT_PASS_MS;
    pressure_changed(smtpd);
}

/* All that needs memory. */
static int
make_parts(struct smtpd *smtpd)
{
    struct event_base *base = smtpd->role->base;
    int                rc;

    smtpd->mailboxes = mailboxes_new();
    smtpd->scratch = malloc(READ_BYTES);
    smtpd->grace_over = evtimer_new(base, on_grace_over, smtpd);
    if (smtpd->mailboxes == NULL || smtpd->scratch == NULL || smtpd->grace_over == NULL ||
        event_priority_set(smtpd->grace_over, 0) != 0)
        return MT_ENOMEM;
    if ((rc = deadlines_init(&smtpd->deadlines, base, on_deadline)) != MT_OK ||
        (rc = flight_init(&smtpd->flight, base, smtpd->config->smtp.in_flight_max_bytes, &smtpd->deadlines, on_flight_resume,
                          on_flight_evict)) != MT_OK ||
        (rc = deliver_init(smtpd)) != MT_OK)
        return rc;
    set_limits(smtpd);
    return write_extensions(&smtpd->extensions, smtpd->config);
}

/* The system's name servers are read from its file here, as long as there are files. */
static int
open_names(struct smtpd *smtpd)
{
    const struct config  *config = smtpd->config;
    const struct strings *servers = &config->smtp.resolvers;
    struct buf            list;
    int                   rc = MT_OK;

    if (config->smtp.client_name_timeout_ms == 0)
        return MT_OK;
    buf_init(&list, RESOLVERS_BYTES_MAX);
    for (unsigned i = 0; i < servers->count; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : ",", servers->items[i]);
    buf_append(&list, "", 1);
    if ((rc = list.fault) == MT_OK) {
        smtpd->names = client_names_new(smtpd->role->base, list.data, config->smtp.client_name_timeout_ms,
                                        config->smtp.client_name_queries_max);
        rc = smtpd->names == NULL ? MT_ENOMEM : MT_OK;
    }
    buf_fini(&list);
    return rc;
}

static int
open_tls(struct smtpd *smtpd)
{
    int rc = tls_server_new(smtpd->config, smtpd->role->signer, &smtpd->tls);

    if (rc == MT_OK)
        metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, (uint64_t)tls_server_expires_unix(smtpd->tls));
    return rc;
}

static void
smtpd_close(struct role_context *r)
{
    struct smtpd   *smtpd = r->own;
    struct session *s;

    if (smtpd == NULL)
        return;
    r->own = NULL;
    listen_stop(smtpd);
    while ((s = TAILQ_FIRST(&smtpd->sessions)) != NULL)
        session_free(s);
    deliver_fini(&smtpd->deliver);
    transaction_pool_fini(&smtpd->pool);
    flight_fini(&smtpd->flight);
    deadlines_fini(&smtpd->deadlines);
    mailboxes_free(smtpd->mailboxes);
    client_names_free(smtpd->names);
    proxies_free(smtpd->proxies);
    limits_free(smtpd->clients);
    tls_server_free(smtpd->tls);
    buf_fini(&smtpd->extensions);
    free(smtpd->scratch);
    if (smtpd->grace_over != NULL)
        event_free(smtpd->grace_over);
    free(smtpd);
}

static int
smtpd_open(struct role_context *r)
{
    struct smtpd *smtpd = calloc(1, sizeof(*smtpd));
    int           rc = MT_ENOMEM;

    if (smtpd == NULL)
        goto fail;
    r->own = smtpd;
    smtpd->role = r;
    smtpd->config = r->config;
    TAILQ_INIT(&smtpd->sessions);
    /* OpenSSL writes to sockets without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    if ((rc = make_parts(smtpd)) != MT_OK || (rc = open_names(smtpd)) != MT_OK || (rc = open_tls(smtpd)) != MT_OK)
        goto fail;
    return MT_OK;
fail:
    log_error("event=start-failed reason=\"%s\"", mt_strerror(rc));
    smtpd_close(r);
    return rc;
}

static int
smtpd_start(struct role_context *r)
{
    int rc = listen_start(r->own);

    if (rc == MT_OK && r->store != NULL)    /* which tells the mailboxes at once: until then clients are not turned away, but wait */
        listen_wait(r->own);
    return rc;
}

/* ---- Store ---------------------------------------------------------------------------------------------------- */

static void
on_room(void *arg)
{
    struct role_context *r = arg;

    deliver_room(r->own);
}

static void
smtpd_on_store(struct role_context *r, bool connected)
{
    struct smtpd *smtpd = r->own;

    smtpd->store_up = connected;
    smtpd->store_full = false;
    if (connected) {
        mailboxes_begin(smtpd->mailboxes);
        channel_on_room(r->store, on_room);
        deliver_store_back(smtpd);
        listen_tell(smtpd);
    } else {
        deliver_store_lost(smtpd);
    }
}

static int
on_mailbox(struct smtpd *smtpd, uint64_t req, struct reader *r)
{
    struct mailbox_state state;

    (void)req;
    mailbox_state_read(r, &state);
    return read_end(r) ? mailboxes_set(smtpd->mailboxes, &state) : MT_EPROTO;
}

static int
on_mailbox_gone(struct smtpd *smtpd, uint64_t req, struct reader *r)
{
    char name[MAILBOX_NAME_MAX + 1];

    (void)req;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    mailboxes_remove(smtpd->mailboxes, slice_of(name));
    return MT_OK;
}

static int
on_mailboxes_sent(struct smtpd *smtpd, uint64_t req, struct reader *r)
{
    (void)req;
    if (!read_end(r))
        return MT_EPROTO;
    mailboxes_complete(smtpd->mailboxes);
    listen_go_on(smtpd);
    log_info("event=mailboxes-known count=%zu", mailboxes_count(smtpd->mailboxes));
    return MT_OK;
}

static int
on_full(struct smtpd *smtpd, uint64_t req, struct reader *r)
{
    bool full;

    (void)req;
    read_bool(r, &full);
    if (!read_end(r))
        return MT_EPROTO;
    smtpd->store_full = full;
    log_warning("event=%s", full ? "store-full" : "store-has-room");
    return MT_OK;
}

static const struct {
    enum msg_type type;
    int         (*run)(struct smtpd *smtpd, uint64_t req, struct reader *r);
} messages[] = {
    { MSG_ANSWER,         deliver_answered  },
    { MSG_MAILBOX,        on_mailbox        },
    { MSG_MAILBOX_GONE,   on_mailbox_gone   },
    { MSG_MAILBOXES_SENT, on_mailboxes_sent },
    { MSG_FULL,           on_full           },
};

static int
smtpd_on_store_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct role_context *role = arg;

    (void)fd;
    for (size_t i = 0; i < COUNT(messages); i++)
        if (messages[i].type == head->type)
            return messages[i].run(role->own, head->req, r);
    return MT_EPROTO;
}

/* ---- Stop ----------------------------------------------------------------------------------------------------- */

void
smtpd_session_gone(struct smtpd *smtpd)
{
    if ((smtpd->role->draining || smtpd->role->retired) && smtpd->session_count == 0)
        role_done(smtpd->role);
}

static void
smtpd_retire(struct role_context *r)
{
    struct smtpd *smtpd = r->own;

    listen_stop(smtpd);
    if (smtpd->session_count == 0)
        role_done(r);
}

static void
smtpd_drain(struct role_context *r, uint32_t grace_ms)
{
    struct smtpd   *smtpd = r->own;
    struct timeval  grace = { .tv_sec = (time_t)(grace_ms / 1000), .tv_usec = (suseconds_t)(grace_ms % 1000 * 1000) };
    struct session *s, *next;

    r->draining = true;
    listen_stop(smtpd);
    log_info("event=drain sessions=%u grace_ms=%u", smtpd->session_count, grace_ms);
    if (smtpd->session_count == 0) {
        role_done(r);
        return;
    }
    evtimer_add(smtpd->grace_over, &grace);
    for (s = TAILQ_FIRST(&smtpd->sessions); s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        session_stop(s, false);
    }
}

const struct role_hooks smtpd_hooks = {
    .open = smtpd_open,
    .start = smtpd_start,
    .on_store_message = smtpd_on_store_message,
    .on_store = smtpd_on_store,
    .drain = smtpd_drain,
    .retire = smtpd_retire,
    .close = smtpd_close,
};
