/*
 * reload - a new configuration without an interruption. A second generation of processes is made with it beside the first; when all of them
 * serve, the first generation takes no new sessions and ends with the last that it has. Whatever goes wrong before leaves all as it was.
 *
 *     SIGHUP ─▶ read and check ─▶ bind ─▶ store: MSG_RELOAD ─▶ make processes ─▶ all ready: finish
 *                    └──────────────┴────────────┴───────────────────┴─▶ abandon
 */
#include "mailtestd/supervisor.h"

#include "lib/error.h"
#include "lib/log.h"
#include "mailtestd/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

/* How long the sessions of an old generation may go on: longer than any message or wait that is under way. */
enum { OLD_GRACE_MS = 3600 * 1000 };

static void
tell_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

/* Back to serving, with whichever configuration. A SIGHUP that came meanwhile is heeded now. */
static void
end_reload(struct supervisor *s, const char *status)
{
    s->reload_req = 0;
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
    if (s->reload_again)
        reload_begin(s);
}

static void
refuse(struct supervisor *s, const char *reason)
{
    log_error("event=reload-refused reason=\"%s\"", QUOTE(reason));
    end_reload(s, "Serving with the old configuration: the new one was refused");
}

/* The name of a setting that differs and that what runs cannot take over; NULL where there is none. */
static const char *
find_fixed_change(const struct config *old, const struct config *new)
{
    if (strcmp(old->state_dir, new->state_dir) != 0)
        return "state_dir";
    if (strcmp(old->control_socket, new->control_socket) != 0)
        return "control_socket";
    if (strcmp(old->processes.user, new->processes.user) != 0)
        return "processes.user";
    if (old->store.map_bytes != new->store.map_bytes)
        return "store.map_bytes";
    if (old->store.readers_max != new->store.readers_max)
        return "store.readers_max";
    return NULL;
}

void
reload_begin(struct supervisor *s)
{
    struct config_error error;
    struct listen_error listen_error;
    struct state_error  state_error;
    struct process     *store = roles_store(s);
    const char         *fixed;
    char                text[512] = "";

    if (s->phase >= PHASE_ENDING_ROLES)
        return;
    s->reload_again = s->phase != PHASE_SERVING || s->next != NULL;
    if (s->reload_again)
        return;
    log_info("event=reload configuration=\"%s\"", QUOTE(s->config_file));
    tell_reloading();
    if (generation_read(s, &s->next, &error) != MT_OK) {
        refuse(s, error.text);
        return;
    }
    if ((fixed = find_fixed_change(s->current->config, s->next->config)) != NULL) {
        snprintf(text, sizeof(text), "%s has changed, which needs a restart", fixed);
    } else if (state_check(s->next->config, false, &state_error) != MT_OK) {
        slice_copy(text, sizeof(text), slice_of(state_error.text));
    } else if (listeners_plan(&s->listeners, s->next->config, roles_socket_group(s->next->config), &listen_error) != MT_OK) {
        slice_copy(text, sizeof(text), slice_of(listen_error.text));
    } else {
        s->reload_req = ++s->last_req + 1;      /* 1 is MSG_PING's */
        if (store == NULL || store->state != PROCESS_READY ||
            process_send(store, MSG_RELOAD, s->reload_req, slice_make("", 0), s->next->config_fd) != MT_OK)
            reload_abandon(s, "store is not there; try again when it is");
        return;
    }
    generation_free(s->next);
    s->next = NULL;
    refuse(s, text);
}

void
reload_stored(struct supervisor *s, int rc)
{
    s->reload_req = 0;
    if (s->next == NULL)
        return;
    if (rc != MT_OK)
        reload_abandon(s, "store refused the configuration");
    else
        supervisor_settle(s);
}

void
reload_abandon(struct supervisor *s, const char *reason)
{
    struct process *store = roles_store(s);
    unsigned        number = s->next->number;

    /* Those that serve already may have sessions. */
    for (struct process *p = s->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->generation != number)
            continue;
        if (p->pid == 0)
            roles_remove(s, p);
        else
            process_retire(p, OLD_GRACE_MS);
    }
    listeners_drop(&s->listeners);
    generation_free(s->next);
    s->next = NULL;
    /* Store may have the new one already; its answer changes nothing. */
    if (store != NULL && store->state == PROCESS_READY)
        process_send(store, MSG_RELOAD, ++s->last_req + 1, slice_make("", 0), s->current->config_fd);
    refuse(s, reason);
}

static void
finish(struct supervisor *s)
{
    unsigned old = s->current->number;

    for (struct process *p = s->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->generation != old)
            continue;
        if (p->role == ROLE_STORE)
            p->generation = s->next->number;
        else if (p->pid == 0)
            roles_remove(s, p);
        else
            process_retire(p, OLD_GRACE_MS);
    }
    listeners_commit(&s->listeners);
    generation_free(s->current);
    s->current = s->next;
    s->next = NULL;
    log_set_level(s->current->config->log.level);
    log_info("event=reloaded generation=%u", s->current->number);
    end_reload(s, "Serving with a reloaded configuration");
}

void
reload_advance(struct supervisor *s)
{
    bool complete;

    if (roles_advance(s, s->next, &complete) != MT_OK)
        reload_abandon(s, "a process could not be made");
    else if (complete)
        finish(s);
}
