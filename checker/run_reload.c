/* run_reload - the file is read anew while runs go on. What a check was, and the runs under way, stay by its name. */
#include "checker/run_parts.h"

#include "lib/error.h"
#include "lib/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct generation *
generation_new(struct checks *checks)
{
    struct generation *g = calloc(1, sizeof(*g));

    if (g != NULL)
        *g = (struct generation){ .checks = checks, .users = 1 };
    return g;
}

void
generation_release(struct generation *g)
{
    if (g == NULL || --g->users > 0)
        return;
    checks_free(g->checks);
    free(g);
}

/* ---- Outputs ----------------------------------------------------------------------------------------------------------- */

static bool
is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int
open_lines(struct run *r, const struct checks *c, bool changed)
{
    struct result_lines *lines = NULL;
    int                  rc = MT_OK;

    if (!changed) {
        if (r->lines != NULL)
            result_lines_reopen(r->lines);
        return MT_OK;
    }
    if (c->results_file != NULL)
        rc = result_lines_open(tools_base(r->tools), c->results_file, &lines);
    if (rc == MT_OK) {
        result_lines_close(r->lines);
        r->lines = lines;
    }
    return rc;
}

static int
open_port(struct run *r, const struct checks *c, bool changed)
{
    struct metrics_port_hooks hooks = run_metrics_hooks;
    struct metrics_port      *port = NULL;
    int                       rc = MT_OK;

    if (!changed)
        return MT_OK;
    hooks.arg = r;
    if (c->metrics_listen != NULL)
        rc = metrics_port_open(tools_base(r->tools), c->metrics_listen, &hooks, &port);
    if (rc == MT_OK) {
        metrics_port_close(r->port);
        r->port = port;
    }
    return rc;
}

int
run_open_outputs(struct run *r, const struct checks *before)
{
    const struct checks *c = r->generation->checks;
    int                  rc = open_lines(r, c, before == NULL || !is_same(before->results_file, c->results_file));
    int                  of_port = open_port(r, c, before == NULL || !is_same(before->metrics_listen, c->metrics_listen));

    return rc != MT_OK ? rc : of_port;
}

/* ---- The file ------------------------------------------------------------------------------------------------------------ */

/* What is opened once. */
static void
warn_of_restart(const struct checks *before, const struct checks *c)
{
    const struct { const char *name; bool same; } settings[] = {
        { "state_dir", is_same(before->state_dir, c->state_dir) },
        { "api", is_same(before->api_url, c->api_url) && is_same(before->api_key_file, c->api_key_file) &&
                 is_same(before->api_ca_file, c->api_ca_file) && before->api_insecure == c->api_insecure },
        { "dns", is_same(before->dns, c->dns) },
        { "quiet_zone", is_same(before->quiet_zone, c->quiet_zone) },
    };

    for (size_t i = 0; i < COUNT(settings); i++)
        if (!settings[i].same)
            log_warning("event=reload setting=%s reason=\"it is another one: that wants a restart\"", settings[i].name);
}

/* Runs of checks that are gone, disabled or of another kind end without a result. */
static void
move_runs(struct run *r)
{
    struct running *g, *next;

    for (g = TAILQ_FIRST(&r->running); g != NULL; g = next) {
        int index = checks_find(r->generation->checks, g->check->name);
        next = TAILQ_NEXT(g, link);
        if (index == -1 || !r->generation->checks->checks[index].enabled || r->generation->checks->checks[index].kind != g->check->kind) {
            running_drop(g);
            continue;
        }
        g->index = (unsigned)index;
        schedule_adopt(r->schedule, g->index);
    }
}

/* The old parts, to go back to. */
struct parts {
    struct generation *generation;
    struct schedule   *schedule;
    struct incidents  *incidents;
    struct last_run   *last;
};

static void
parts_free(struct parts *p)
{
    schedule_free(p->schedule);
    incidents_free(p->incidents);
    for (unsigned i = 0; p->last != NULL && i < p->generation->checks->checks_count; i++)
        last_run_clear(&p->last[i]);
    free(p->last);
    generation_release(p->generation);
}

static int
make_parts(struct run *r, struct checks *checks)
{
    struct schedule_hooks  of_schedule = run_schedule_hooks;
    struct incidents_hooks of_incidents = run_incidents_hooks;
    struct moment          now = moment_now();

    of_schedule.arg = r;
    of_incidents.arg = r;
    r->generation = generation_new(checks);
    if (r->generation == NULL) {
        checks_free(checks);
        return MT_ENOMEM;
    }
    r->last = calloc(checks->checks_count + 1, sizeof(*r->last));
    r->schedule = schedule_new(checks, &of_schedule, now);
    r->incidents = incidents_new(checks, &of_incidents, now);
    if (r->last == NULL || r->schedule == NULL || r->incidents == NULL)
        return MT_ENOMEM;
    return run_take_state(r);
}

/* Takes over checks. */
int
run_use(struct run *r, struct checks *checks)
{
    struct parts old = { r->generation, r->schedule, r->incidents, r->last };
    int          rc;

    for (unsigned i = 0; old.generation != NULL && i < old.generation->checks->checks_count; i++)
        run_keep_schedule(r, i);
    r->generation = NULL;
    r->schedule = NULL;
    r->incidents = NULL;
    r->last = NULL;
    rc = make_parts(r, checks);
    if (rc != MT_OK) {
        struct parts failed = { r->generation, r->schedule, r->incidents, r->last };
        if (r->generation != NULL)
            parts_free(&failed);
        r->generation = old.generation;
        r->schedule = old.schedule;
        r->incidents = old.incidents;
        r->last = old.last;
        return rc;
    }
    if (r->alerts != NULL)
        alerts_configure(r->alerts, checks);
    move_runs(r);
    if (old.generation != NULL)
        parts_free(&old);
    return run_forget_gone(r);
}

void
run_reload(struct run *r)
{
    struct config_error error = { .text = "" };
    struct checks      *checks = NULL;
    struct generation  *before = r->generation;
    int                 rc;

    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us());
    before->users++;        /* until it has been compared with the new one */
    rc = checks_read_file(r->file, &checks, &error);
    if (rc == MT_OK && (rc = run_use(r, checks)) != MT_OK)
        snprintf(error.text, sizeof(error.text), "%s", mt_strerror(rc));
    r->reloads++;
    if (rc == MT_OK) {
        warn_of_restart(before->checks, r->generation->checks);
        run_open_outputs(r, before->checks);
        log_info("event=reloaded checks=%u", r->generation->checks->checks_count);
    } else {
        r->reload_failures++;
        log_error("event=reload-refused reason=\"%s\"", error.text);
        if (r->lines != NULL)
            result_lines_reopen(r->lines);
    }
    generation_release(before);
    sd_notifyf(0, "READY=1\nSTATUS=%u checks%s", r->generation->checks->checks_count, rc == MT_OK ? "" : "; the file that was read last is wrong");
    run_turn_soon(r);
}
