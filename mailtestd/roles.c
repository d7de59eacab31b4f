/*
 * roles - which processes there are, what each is handed before it serves, and how they come to talk with store.
 */
#include "mailtestd/supervisor.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/signer_link.h"
#include "lib/shared_table.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Who listens on what. A role that nothing is configured for is not started. */
static const enum role listener_roles[LISTEN_COUNT] = {
    [LISTEN_SMTP] = ROLE_SMTPD,  [LISTEN_LMTP] = ROLE_SMTPD, [LISTEN_IMAP] = ROLE_IMAPD,  [LISTEN_IMAPS] = ROLE_IMAPD,
    [LISTEN_POP3] = ROLE_IMAPD,  [LISTEN_POP3S] = ROLE_IMAPD, [LISTEN_HTTP] = ROLE_LOOKUP, [LISTEN_CONTROL] = ROLE_STORE,
};

const char *
quote(struct quoted *out, const char *text)
{
    struct slice rest = slice_of(text);
    size_t       used = 0;

    out->chars[0] = '\0';
    while (rest.len > 0) {
        const char *piece = LOG_TEXT(slice_sub(rest, 0, LOG_TEXT_BYTES));
        size_t      len = strlen(piece);
        if (used + len >= sizeof(out->chars))
            break;
        memcpy(out->chars + used, piece, len + 1);
        used += len;
        rest = slice_sub(rest, LOG_TEXT_BYTES, rest.len);
    }
    return out->chars;
}

/* ---- Configuration ------------------------------------------------------------------------------------------------------ */

/* What the roles read; nobody can change it any more. -1 and errno. */
static int
sealed_copy(struct slice text)
{
    int fd = memfd_create("mailtest-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    for (size_t at = 0; at < text.len;) {
        ssize_t n = write(fd, text.data + at, text.len - at);
        if (n < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int
generation_read(struct supervisor *s, struct generation **out, struct config_error *error)
{
    struct generation *g = calloc(1, sizeof(*g));
    struct buf         text;
    int                rc;

    if (g == NULL) {
        snprintf(error->text, sizeof(error->text), "%s", mt_strerror(MT_ENOMEM));
        return MT_ENOMEM;
    }
    g->config_fd = -1;
    buf_init(&text, CONFIG_MAX_BYTES);
    rc = config_read_text(s->config_file, &text, error);
    if (rc == MT_OK)
        rc = config_parse(buf_slice(&text), s->config_file, &g->config, error);
    if (rc == MT_OK && (g->config_fd = sealed_copy(buf_slice(&text))) < 0) {
        rc = mt_from_errno(errno);
        snprintf(error->text, sizeof(error->text), "cannot copy the configuration: %s", strerror(errno));
    }
    buf_fini(&text);
    if (rc != MT_OK) {
        generation_free(g);
        return rc;
    }
    g->number = ++s->last_generation;
    *out = g;
    return MT_OK;
}

void
generation_free(struct generation *g)
{
    if (g == NULL)
        return;
    config_free(g->config);
    if (g->config_fd != -1)
        close(g->config_fd);
    free(g);
}

int
roles_socket_group(const struct config *config)
{
    unsigned uid, gid;

    return geteuid() == 0 && sandbox_user(ROLE_STORE, config, &uid, &gid) == MT_OK ? (int)gid : -1;
}

/* ---- Which ---------------------------------------------------------------------------------------------------------------- */

struct process *
roles_store(const struct supervisor *s)
{
    for (struct process *p = s->processes; p != NULL; p = p->next)
        if (p->role == ROLE_STORE)
            return p;
    return NULL;
}

void
roles_remove(struct supervisor *s, struct process *p)
{
    for (struct process **at = &s->processes; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            process_free(p);
            return;
        }
    }
}

static struct page *
page_of(struct supervisor *s, enum role role, unsigned index)
{
    struct page *page;

    for (page = s->pages; page != NULL; page = page->next)
        if (page->role == role && page->index == index)
            return page;
    if ((page = calloc(1, sizeof(*page))) == NULL)
        return NULL;
    *page = (struct page){ .next = s->pages, .role = role, .index = index, .fd = metrics_create() };
    if (page->fd < 0 || (page->metrics = metrics_map(page->fd)) == NULL) {
        if (page->fd >= 0)
            close(page->fd);
        free(page);
        return NULL;
    }
    s->pages = page;
    if (role == ROLE_SUPERVISOR)
        metrics_use(page->metrics);
    return page;
}

void
roles_free(struct supervisor *s)
{
    while (s->processes != NULL) {
        process_ended(s->processes);
        roles_remove(s, s->processes);
    }
    while (s->pages != NULL) {
        struct page *page = s->pages;
        s->pages = page->next;
        metrics_unmap(page->metrics);
        close(page->fd);
        free(page);
    }
}

/* The lowest number that no living process of the role has: two that live at once must not count in one page. */
static unsigned
free_index(const struct supervisor *s, enum role role)
{
    for (unsigned index = 0;; index++) {
        bool taken = false;
        for (struct process *p = s->processes; p != NULL; p = p->next)
            taken = taken || (p->role == role && p->index == index);
        if (!taken)
            return index;
    }
}

static unsigned
core_count(void)
{
    cpu_set_t cores;

    return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
}

static bool
role_listens(const struct supervisor *s, enum role role)
{
    bool listens = false;

    for (unsigned i = 0; i < s->listeners.count; i++)
        listens = listens || (s->listeners.items[i].planned && listener_roles[s->listeners.items[i].kind] == role);
    return listens;
}

static unsigned
wanted_count(const struct supervisor *s, const struct config *config, enum role role)
{
    if (role == ROLE_WEBHOOK)
        return config->webhook.posts_max > 0 ? 1 : 0;
    if (role == ROLE_SIGNER)
        return role_listens(s, ROLE_SMTPD) || role_listens(s, ROLE_IMAPD) || (config->tls.http && role_listens(s, ROLE_LOOKUP)) ? 1 : 0;
    if (!role_listens(s, role))
        return 0;
    if (role == ROLE_SMTPD)
        return config->processes.smtpd > 0 ? config->processes.smtpd : core_count();
    if (role == ROLE_IMAPD)
        return config->processes.imapd > 0 ? config->processes.imapd : core_count();
    return 1;
}

/* ---- What they are handed -------------------------------------------------------------------------------------------------- */

static int
hand_over_listeners(const struct supervisor *s, struct process *p)
{
    int rc = MT_OK;

    for (unsigned i = 0; rc == MT_OK && i < s->listeners.count; i++) {
        const struct bound *b = &s->listeners.items[i];
        struct buf          fields;
        if (!b->planned || listener_roles[b->kind] != p->role)
            continue;
        buf_init(&fields, sizeof(b->address) + 16);
        write_u8(&fields, (uint8_t)b->kind);
        write_string(&fields, b->address);
        rc = fields.fault != MT_OK ? fields.fault : process_send(p, MSG_LISTENER, 0, buf_slice(&fields), b->fd);
        buf_fini(&fields);
    }
    return rc;
}

static int
hand_over_metrics(const struct supervisor *s, struct process *p)
{
    int rc = MT_OK;

    for (const struct page *page = s->pages; rc == MT_OK && page != NULL; page = page->next) {
        struct buf fields;
        if (page != p->page && p->role != ROLE_LOOKUP)
            continue;
        buf_init(&fields, 16);
        write_u8(&fields, (uint8_t)page->role);
        write_u16(&fields, (uint16_t)page->index);
        rc = fields.fault != MT_OK ? fields.fault : process_send(p, MSG_METRICS, 0, buf_slice(&fields), page->fd);
        buf_fini(&fields);
    }
    return rc;
}

/* Which share of the shared table is the process's: two that live at once never have the same. */
static uint32_t
share_of(const struct process *p)
{
    static const uint32_t first[ROLE_COUNT] = { [ROLE_SMTPD] = 0, [ROLE_IMAPD] = 1, [ROLE_LOOKUP] = 2 };
    uint32_t              share = first[p->role] + p->index * SHARED_ROLES;

    return share < SHARED_PROCESSES_MAX ? share : SHARED_NO_SHARE;
}

static bool
has_share(const struct process *p)
{
    return p->role == ROLE_SMTPD || p->role == ROLE_IMAPD || p->role == ROLE_LOOKUP;
}

/* One table for all that ever live: a reload does not make it forget. */
static int
hand_over_shared(struct supervisor *s, struct process *p)
{
    struct buf fields;
    int        rc;

    if (!has_share(p))
        return MT_OK;
    if (s->shared_fd == -1 && ((s->shared_fd = shared_table_create()) == -1 || (s->shared = shared_table_map(s->shared_fd)) == NULL)) {
        log_error("event=shared-table-failed reason=\"%s\"", strerror(errno));
        return MT_ENOMEM;
    }
    buf_init(&fields, sizeof(uint32_t));
    write_u32(&fields, share_of(p));
    rc = fields.fault != MT_OK ? fields.fault : process_send(p, MSG_SHARED_TABLE, 0, buf_slice(&fields), s->shared_fd);
    buf_fini(&fields);
    return rc;
}

/* Whatever it counted, its sessions have ended with it. */
void
roles_ended(struct supervisor *s, const struct process *p)
{
    if (s->shared != NULL && has_share(p))
        shared_sessions_clear(s->shared, share_of(p));
}

/* Both ends leave this process: from now on the two talk without it. */
static int
introduce(struct process *server, struct process *client, enum msg_type told, const int fds[2])
{
    struct buf fields;
    int        rc;

    buf_init(&fields, 16);
    write_u8(&fields, (uint8_t)client->role);
    write_u16(&fields, (uint16_t)client->index);
    rc = fields.fault != MT_OK ? fields.fault : process_send(server, MSG_PEER, 0, buf_slice(&fields), fds[0]);
    if (rc == MT_OK)
        rc = process_send(client, told, 0, slice_make("", 0), fds[1]);
    buf_fini(&fields);
    close(fds[0]);
    close(fds[1]);
    return rc;
}

static int
connect_store(const struct supervisor *s, struct process *p)
{
    struct process *store = roles_store(s);
    int             fds[2], rc;

    if (store == NULL || store->state != PROCESS_READY || p->role == ROLE_STORE || p->role == ROLE_SIGNER)
        return MT_OK;
    if ((rc = channel_pair(fds)) != MT_OK)
        return rc;
    return introduce(store, p, MSG_STORE, fds);
}

/* Of its own generation, since that one has the keys of its certificates. */
static int
connect_signer(const struct supervisor *s, struct process *p)
{
    struct process *signer = s->processes;
    int             fds[2], rc;

    if (p->role != ROLE_SMTPD && p->role != ROLE_IMAPD && p->role != ROLE_LOOKUP)
        return MT_OK;
    while (signer != NULL && (signer->role != ROLE_SIGNER || signer->generation != p->generation || signer->state != PROCESS_READY))
        signer = signer->next;
    if (signer == NULL)
        return MT_OK;
    if ((rc = signer_link_pair(fds)) != MT_OK)
        return rc;
    return introduce(signer, p, MSG_SIGNER, fds);
}

/* A signer serves (again): who has its generation's certificates gets a new pair. */
static void
connect_askers(struct supervisor *s, const struct process *signer)
{
    for (struct process *p = s->processes; p != NULL; p = p->next)
        if (p->channel != NULL && p->generation == signer->generation)
            connect_signer(s, p);       /* a channel that is over shows as a death of its own */
}

void
roles_connect_store(struct supervisor *s)
{
    for (struct process *p = s->processes; p != NULL; p = p->next)
        if (p->channel != NULL)
            connect_store(s, p);        /* a channel that is over shows as a death of its own */
}

/* ---- From the roles --------------------------------------------------------------------------------------------------------- */

static void
on_ready(struct process *p)
{
    struct supervisor *s = p->supervisor;

    process_set_ready(p);
    log_info("event=role-ready role=%s process=%d generation=%u", p->name, (int)p->pid, p->generation);
    if (p->role == ROLE_STORE)
        roles_connect_store(s);
    if (p->role == ROLE_SIGNER)
        connect_askers(s, p);
    supervisor_settle(s);
}

static int
on_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct process *p = arg;
    uint32_t        rc;

    (void)fd;
    if (head->type == MSG_READY) {
        if (!read_end(r) || (p->state != PROCESS_STARTING && p->state != PROCESS_DRAINING))
            return MT_EPROTO;
        if (p->state == PROCESS_STARTING)
            on_ready(p);
        return MT_OK;
    }
    if (head->type != MSG_ANSWER)
        return MT_EPROTO;
    read_u32(r, &rc);
    if (!read_end(r) || rc >= MT_ERROR_COUNT)
        return MT_EPROTO;
    p->unanswered = 0;
    if (p->role == ROLE_STORE && head->req == p->supervisor->reload_req && head->req != 0)
        reload_stored(p->supervisor, (int)rc);
    return MT_OK;
}

/* The process is ending, which SIGCHLD will tell, or it broke the protocol. */
static void
on_closed(void *arg, int rc)
{
    struct process *p = arg;

    channel_free(p->channel);
    p->channel = NULL;
    p->turns = 0;
    if (rc != MT_OK)
        process_kill(p, mt_strerror(rc));
}

/* ---- Making ------------------------------------------------------------------------------------------------------------------ */

static int
start(struct supervisor *s, struct process *p, const struct generation *g)
{
    int rc = process_start(p, s->base, g->config_fd, on_message, on_closed);

    if (rc != MT_OK)
        return rc;
    if ((rc = hand_over_listeners(s, p)) != MT_OK || (rc = hand_over_metrics(s, p)) != MT_OK || (rc = hand_over_shared(s, p)) != MT_OK ||
         (rc = connect_store(s, p)) != MT_OK || (rc = connect_signer(s, p)) != MT_OK ||
        (rc = process_send(p, MSG_GO, 0, slice_make("", 0), -1)) != MT_OK)
        process_kill(p, mt_strerror(rc));       /* its death is treated as any other */
    return MT_OK;
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct process    *p = arg;
    struct supervisor *s = p->supervisor;

    (void)fd;
    (void)what;
    if (start(s, p, s->current) != MT_OK)
        process_pause(p);
}

void
roles_restart_later(struct process *p)
{
    metric_add(METRIC_ROLE_RESTARTS_TOTAL, 1);
    process_pause(p);
    log_warning("event=role-restart role=%s pause_ms=%u", p->name, p->pause_ms);
}

static struct process *
add(struct supervisor *s, enum role role, const struct generation *g)
{
    struct process *p = process_new(s, s->base, role, free_index(s, role), g->number, on_pause_over);

    if (p == NULL)
        return NULL;
    if ((p->page = page_of(s, role, p->index)) == NULL) {
        process_free(p);
        return NULL;
    }
    p->next = s->processes;
    s->processes = p;
    return p;
}

int
roles_start_store(struct supervisor *s)
{
    struct process *store;

    if (page_of(s, ROLE_SUPERVISOR, 0) == NULL || (store = add(s, ROLE_STORE, s->current)) == NULL) {
        log_error("event=role-not-started role=store reason=\"%s\"", mt_strerror(MT_ENOMEM));
        return MT_ENOMEM;
    }
    return start(s, store, s->current);
}

/* The processes of one role, as many as are wanted. */
static int
start_role(struct supervisor *s, const struct generation *g, enum role role)
{
    for (unsigned n = wanted_count(s, g->config, role); n > 0; n--) {
        struct process *p = add(s, role, g);
        int             rc;
        if (p == NULL) {
            log_error("event=role-not-started role=%s reason=\"%s\"", role_name(role), mt_strerror(MT_ENOMEM));
            return MT_ENOMEM;
        }
        if ((rc = start(s, p, g)) != MT_OK)
            return rc;
    }
    return MT_OK;
}

int
roles_advance(struct supervisor *s, struct generation *g, bool *complete)
{
    static const struct {
        enum role role;
        unsigned  stage;
    } roles[] = { { ROLE_SIGNER, 0 }, { ROLE_SMTPD, 1 }, { ROLE_IMAPD, 1 }, { ROLE_WEBHOOK, 1 }, { ROLE_LOOKUP, 2 } };
    const unsigned stages = roles[COUNT(roles) - 1].stage + 1;
    int            rc = MT_OK;

    for (;;) {
        *complete = false;
        for (struct process *p = s->processes; p != NULL; p = p->next)
            if (p->generation == g->number && p->state != PROCESS_READY)
                return MT_OK;
        *complete = g->stages_started == stages;
        if (*complete)
            return MT_OK;
        for (size_t i = 0; rc == MT_OK && i < COUNT(roles); i++)
            if (roles[i].stage == g->stages_started)
                rc = start_role(s, g, roles[i].role);
        if (rc != MT_OK)
            return rc;
        g->stages_started++;
    }
}
