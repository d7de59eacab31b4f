#include "checker/run.h"

#include "checker/quiet.h"
#include "checker/run_parts.h"
#include "lib/error.h"
#include "lib/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

enum { API_TIMEOUT_MS = 30000 };

static const int signal_numbers[] = { SIGTERM, SIGINT, SIGHUP };

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct run *r = arg;

    (void)what;
    if (number == SIGHUP) {
        run_reload(r);
        return;
    }
    log_info("event=stop signal=%d under_way=%u", (int)number, r->under_way);
    sd_notify(0, "STOPPING=1\nSTATUS=Writing down what is under way");
    event_base_loopbreak(tools_base(r->tools));
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    sd_notify(0, "WATCHDOG=1");
}

/* Half of the time that systemd waits for a sign of life. */
static int
watch_ourselves(struct run *r)
{
    uint64_t       span_us = 0;
    struct timeval half;

    if (sd_watchdog_enabled(0, &span_us) <= 0)
        return MT_OK;
    half = (struct timeval){ .tv_sec = (time_t)(span_us / 2000000), .tv_usec = (suseconds_t)(span_us / 2 % 1000000) };
    r->watchdog = event_new(tools_base(r->tools), -1, EV_PERSIST, on_watchdog, r);
    return r->watchdog == NULL || event_add(r->watchdog, &half) != 0 ? MT_ENOMEM : MT_OK;
}

static int
watch_signals(struct run *r)
{
    for (size_t i = 0; i < COUNT(r->signals); i++) {
        r->signals[i] = evsignal_new(tools_base(r->tools), signal_numbers[i], on_signal, r);
        if (r->signals[i] == NULL || event_add(r->signals[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------------- */

static int
open_tools(struct run *r, const struct checks *c)
{
    const struct tools_settings wanted = {
        .api_url = c->api_url, .api_key_file = c->api_key_file, .api_ca_file = c->api_ca_file, .api_insecure = c->api_insecure,
        .timeout_ms = API_TIMEOUT_MS, .dns = c->dns, .family = FAMILY_ANY, .scheduled = true,
    };
    char error[TOOLS_ERROR_BYTES];
    int  rc = tools_open(&wanted, &r->tools, error, sizeof(error));

    if (rc != MT_OK) {
        log_error("event=start reason=\"%s\"", error);
        return rc;
    }
    r->runner_tools = (struct runner_tools){ .trips = tools_for_round_trips(r->tools), .probes = tools_for_probes(r->tools) };
    r->turn = event_new(tools_base(r->tools), -1, 0, run_on_turn, r);
    r->metrics = check_metrics_new();
    return r->turn == NULL || r->metrics == NULL ? MT_ENOMEM : MT_OK;
}

/* What works on the state and the loop; the checks are in use already. */
static int
open_workers(struct run *r)
{
    const struct round_trip_tools *trips = &r->runner_tools.trips;
    const struct alert_tools       alerts = {
        .base = trips->base, .loop = tools_curl_loop(r->tools), .resolver = trips->resolver, .credentials = trips->credentials,
    };
    int rc = alerts_open(&alerts, r->state, r->generation->checks, &r->alerts);

    if (rc == MT_OK && trips->api != NULL)
        rc = result_sender_open(trips->base, trips->api, r->state, NULL, &r->sender);
    if (rc == MT_OK)
        rc = late_open(trips->base, trips->hosted, trips->api, r->state, run_on_late, r, &r->late);
    if (rc == MT_OK)
        rc = run_open_outputs(r, NULL);
    if (rc == MT_OK)
        rc = run_take_up(r);
    if (rc == MT_OK)
        rc = watch_signals(r);
    return rc == MT_OK ? watch_ourselves(r) : rc;
}

/* Takes over checks. */
static int
run_open(struct run *r, struct checks *checks)
{
    int rc = open_tools(r, checks);

    if (rc == MT_OK)
        rc = state_file_open(tools_base(r->tools), checks->state_dir, &r->state);
    if (rc != MT_OK) {
        checks_free(checks);
        return rc;
    }
    rc = run_use(r, checks);
    if (rc != MT_OK)
        return rc;
    r->first = r->generation;
    r->first->users++;
    return open_workers(r);
}

static void
run_close(struct run *r)
{
    run_put_away(r);
    late_close(r->late);
    result_sender_close(r->sender);
    alerts_close(r->alerts);
    result_lines_close(r->lines);
    metrics_port_close(r->port);
    schedule_free(r->schedule);
    incidents_free(r->incidents);
    for (unsigned i = 0; r->last != NULL && i < r->generation->checks->checks_count; i++)
        last_run_clear(&r->last[i]);
    free(r->last);
    generation_release(r->generation);
    state_file_close(r->state);
    check_metrics_free(r->metrics);
    for (size_t i = 0; i < COUNT(r->signals); i++)
        if (r->signals[i] != NULL)
            event_free(r->signals[i]);
    if (r->watchdog != NULL)
        event_free(r->watchdog);
    if (r->turn != NULL)
        event_free(r->turn);
    tools_close(r->tools);
    generation_release(r->first);
}

/* As many descriptors as are allowed: each connection wants one. */
static void
raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int
exit_code(int rc)
{
    switch (rc) {
    case MT_OK:
        return EX_OK;
    case MT_EBUSY:
        return EX_TEMPFAIL;
    case MT_EDENIED:
        return EX_NOPERM;
    case MT_ENOTFOUND:
    case MT_ESYNTAX:
    case MT_EINVALID:
    case MT_EVERSION:
        return EX_CONFIG;
    default:
        return EX_OSERR;
    }
}

int
run_main(const char *file)
{
    struct config_error error = { .text = "" };
    struct checks      *checks = NULL;
    struct run          r = { .file = file };
    int                 rc;

    log_open("mailtest-check", LOG_LEVEL_INFO);
    TAILQ_INIT(&r.running);
    signal(SIGHUP, SIG_IGN);        /* until there is something to read anew */
    rc = checks_read_file(file, &checks, &error);
    if (rc != MT_OK) {
        log_error("event=start reason=\"%s\"", error.text);
        return EX_CONFIG;
    }
    raise_limit();
    rc = quiet_use_zone(checks->quiet_zone);
    if (rc == MT_OK)
        rc = run_open(&r, checks);
    else
        checks_free(checks);
    if (rc == MT_OK) {
        log_info("event=started checks=%u", r.generation->checks->checks_count);
        sd_notifyf(0, "READY=1\nSTATUS=%u checks", r.generation->checks->checks_count);
        run_turn_soon(&r);
        rc = event_base_dispatch(tools_base(r.tools)) < 0 ? MT_EIO : MT_OK;
    }
    if (rc != MT_OK)
        log_error("event=end reason=\"%s\"", mt_strerror(rc));
    run_close(&r);
    if (rc == MT_OK)
        log_info("event=ended");
    return exit_code(rc);
}
