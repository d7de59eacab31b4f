/* run_metrics - what the scheduler's own HTTP port tells. */
#include "checker/run_parts.h"

static void
row(void *arg, unsigned check, struct check_metrics_row *out)
{
    const struct run      *r = arg;
    const struct last_run *l = &r->last[check];
    const struct check    *c = &r->generation->checks->checks[check];

    *out = (struct check_metrics_row){
        .name = c->name, .state = l->state, .known = l->known, .last_success_us = l->last_success_us, .total_us = l->total_us,
        .interval_ms = c->enabled ? c->interval_ms : 0,
    };
}

static void
put_schedule(const struct run *r, struct buf *out)
{
    struct schedule_stats s;

    schedule_stats(r->schedule, &s);
    check_metrics_one(out, "checks", "gauge", "checks in the file", r->generation->checks->checks_count);
    check_metrics_one(out, "started_total", "counter", "runs that were started", (double)s.started);
    check_metrics_one(out, "late_starts_total", "counter", "runs that were started more than an interval after they were due", (double)s.late);
    check_metrics_one(out, "confirming_total", "counter", "runs that were started to confirm a failure", (double)s.confirming);
    check_metrics_one(out, "skipped_total", "counter", "runs that were due while an earlier one went on", (double)s.skipped);
    check_metrics_one(out, "missed_total", "counter", "runs that were due while the program or the machine stood still", (double)s.missed);
    check_metrics_one(out, "under_way", "gauge", "runs that go on", r->under_way);
    check_metrics_one(out, "waiting", "gauge", "runs that are due, but wait for a maximum", s.waiting);
    check_metrics_one(out, "longest_wait_seconds", "gauge", "how long one of them has waited", (double)s.longest_wait_us / 1e6);
}

static void
put_incidents(const struct run *r, struct buf *out)
{
    struct incidents_stats s;

    incidents_stats(r->incidents, &s);
    check_metrics_one(out, "incidents", "gauge", "incidents that are open", s.open);
    check_metrics_one(out, "failing", "gauge", "checks whose failure is confirmed", s.failing);
    check_metrics_one(out, "suspected", "gauge", "checks that failed, but not often enough to be confirmed", s.suspected);
    buf_append_string(out, "# HELP mailtest_check_notices_total notices to people\n# TYPE mailtest_check_notices_total counter\n");
    for (unsigned kind = NOTICE_PROBLEM; kind < NOTICE_TEST; kind++)
        buf_printf(out, "mailtest_check_notices_total{notice=\"%s\"} %llu\n", notice_kind_name((enum notice_kind)kind),
                   (unsigned long long)s.told[kind]);
}

static void
put_alerts(const struct run *r, struct buf *out)
{
    struct alerts_stats s;

    alerts_stats(r->alerts, &s);
    check_metrics_one(out, "alerts_waiting", "gauge", "notices that wait for their way", s.waiting);
    check_metrics_one(out, "alerts_dead", "gauge", "notices that no way took in time", s.dead);
    check_metrics_one(out, "alerts_taken_total", "counter", "notices that a way took", (double)s.taken_total);
    check_metrics_one(out, "alert_failures_total", "counter", "attempts to hand a notice to its way that failed", (double)s.failures_total);
}

static void
put_results(const struct run *r, struct buf *out)
{
    struct result_sender_stats s;

    if (r->sender != NULL) {
        result_sender_stats(r->sender, &s);
        check_metrics_one(out, "results_waiting", "gauge", "results that the service has not taken yet", s.waiting);
        check_metrics_one(out, "results_taken_total", "counter", "results that the service took", (double)s.taken_total);
        check_metrics_one(out, "results_refused_total", "counter", "results that the service refused", (double)s.refused_total);
        check_metrics_one(out, "results_dropped_total", "counter", "results that were dropped, since the service took none for too long",
                          (double)s.dropped_total);
        check_metrics_one(out, "result_failures_total", "counter", "requests with results that failed", (double)s.failures_total);
    }
    if (r->lines != NULL)
        check_metrics_one(out, "result_lines_dropped_total", "counter", "lines of results that could not be written",
                          (double)result_lines_dropped(r->lines));
    check_metrics_one(out, "late_waiting", "gauge", "mails that are still waited for after their window", late_waiting(r->late));
}

static void
put_state(const struct run *r, struct buf *out)
{
    struct state_stats  s;
    struct hosted_state h;

    state_file_stats(r->state, &s);
    check_metrics_one(out, "state_commits_total", "counter", "transactions of the state", (double)s.commits);
    check_metrics_one(out, "state_commit_failures_total", "counter", "transactions of the state that failed", (double)s.commit_failures);
    check_metrics_one(out, "state_pending", "gauge", "writes of the state that are not on disk yet", (double)s.pending);
    check_metrics_one(out, "reloads_total", "counter", "readings of the file while it ran", (double)r->reloads);
    check_metrics_one(out, "reload_failures_total", "counter", "of these, those that were refused since the file was wrong", (double)r->reload_failures);
    if (tools_hosted(r->tools) == NULL)
        return;
    hosted_state(tools_hosted(r->tools), &h);
    check_metrics_one(out, "stream_connected", "gauge", "1 while the service's stream of events is open", h.connected);
    check_metrics_one(out, "stream_connections_total", "counter", "connections to it that were made, or tried", (double)h.connections);
    check_metrics_one(out, "stream_events_total", "counter", "events that were heard", (double)h.events);
}

static void
write_metrics(void *arg, struct buf *out)
{
    struct run *r = arg;

    put_schedule(r, out);
    put_incidents(r, out);
    put_alerts(r, out);
    put_results(r, out);
    put_state(r, out);
    check_metrics_write(r->metrics, r->generation->checks->checks_count, row, r, out);
}

static bool
is_ready(void *arg, const char **reason)
{
    struct run         *r = arg;
    struct state_stats  s;
    struct hosted_state h = { .connected = true };

    state_file_stats(r->state, &s);
    if (tools_hosted(r->tools) != NULL)
        hosted_state(tools_hosted(r->tools), &h);
    *reason = s.failing ? "the state cannot be written" : "the service's stream of events is not open";
    return !s.failing && h.connected;
}

const struct metrics_port_hooks run_metrics_hooks = { .write = write_metrics, .ready = is_ready };
