#include "checker/check_metrics.h"

#include "checker/outcome_json.h"
#include "lib/error.h"

#include <stdlib.h>

/* Upper ends in milliseconds: a step of SMTP takes some of the first, a way through a mail system some of the last. */
static const uint32_t ends_ms[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000, 600000, 3600000 };
enum { BUCKETS = COUNT(ends_ms) + 1 };

struct histogram {
    char            step[16];
    enum check_kind kind;
    uint64_t        buckets[BUCKETS];   /* each by itself; the last has no end */
    uint64_t        sum_us, count;
};

struct verdict_count {
    char            verdict[24];
    enum check_kind kind;
    enum state      state;
    uint64_t        count;
};

struct check_metrics {
    struct histogram     steps[METRIC_STEPS_MAX];
    unsigned             steps_count;
    struct verdict_count verdicts[METRIC_VERDICTS_MAX];
    unsigned             verdicts_count;
};

struct check_metrics *
check_metrics_new(void)
{
    return calloc(1, sizeof(struct check_metrics));
}

void
check_metrics_free(struct check_metrics *m)
{
    free(m);
}

/* ---- Counting ------------------------------------------------------------------------------------------------------------ */

static void
take_time(struct check_metrics *m, enum check_kind kind, const struct outcome_time *t)
{
    struct histogram *h = NULL;
    unsigned          bucket = 0;

    for (unsigned i = 0; i < m->steps_count && h == NULL; i++)
        if (m->steps[i].kind == kind && strcmp(m->steps[i].step, t->name) == 0)
            h = &m->steps[i];
    if (h == NULL && m->steps_count == METRIC_STEPS_MAX)
        return;
    if (h == NULL) {
        h = &m->steps[m->steps_count++];
        h->kind = kind;
        slice_copy(h->step, sizeof(h->step), slice_of(t->name));
    }
    while (bucket < COUNT(ends_ms) && t->us > (uint64_t)ends_ms[bucket] * 1000)
        bucket++;
    h->buckets[bucket]++;
    h->sum_us += t->us;
    h->count++;
}

void
check_metrics_take(struct check_metrics *m, enum check_kind kind, const struct outcome *outcome)
{
    struct verdict_count *v = NULL;

    for (unsigned i = 0; i < outcome->times_count; i++)
        take_time(m, kind, &outcome->times[i]);
    for (unsigned i = 0; i < m->verdicts_count && v == NULL; i++)
        if (m->verdicts[i].kind == kind && m->verdicts[i].state == outcome->state && strcmp(m->verdicts[i].verdict, outcome->verdict) == 0)
            v = &m->verdicts[i];
    if (v == NULL && m->verdicts_count == METRIC_VERDICTS_MAX)
        return;
    if (v == NULL) {
        v = &m->verdicts[m->verdicts_count++];
        v->kind = kind;
        v->state = outcome->state;
        slice_copy(v->verdict, sizeof(v->verdict), slice_of(outcome->verdict));
    }
    v->count++;
}

/* ---- Text: https://prometheus.io/docs/instrumenting/exposition_formats/ ------------------------------------------------- */

static void
put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP mailtest_check_%s %s\n# TYPE mailtest_check_%s %s\n", name, help, name, type);
}

void
check_metrics_one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    put_head(out, name, type, help);
    buf_printf(out, "mailtest_check_%s %.15g\n", name, value);
}

static void
put_histogram(struct buf *out, const struct histogram *h)
{
    const char *kind = check_kind_name(h->kind);
    uint64_t    below = 0;

    for (unsigned i = 0; i < COUNT(ends_ms); i++) {
        below += h->buckets[i];
        buf_printf(out, "mailtest_check_step_seconds_bucket{kind=\"%s\",step=\"%s\",le=\"%g\"} %llu\n", kind, h->step, ends_ms[i] / 1000.0,
                   (unsigned long long)below);
    }
    buf_printf(out, "mailtest_check_step_seconds_bucket{kind=\"%s\",step=\"%s\",le=\"+Inf\"} %llu\n", kind, h->step, (unsigned long long)h->count);
    buf_printf(out, "mailtest_check_step_seconds_sum{kind=\"%s\",step=\"%s\"} %.6f\n", kind, h->step, (double)h->sum_us / 1e6);
    buf_printf(out, "mailtest_check_step_seconds_count{kind=\"%s\",step=\"%s\"} %llu\n", kind, h->step, (unsigned long long)h->count);
}

void
check_metrics_write(const struct check_metrics *m, unsigned checks, check_metrics_row_fn *row, void *arg, struct buf *out)
{
    struct check_metrics_row r;

    put_head(out, "step_seconds", "histogram", "time that each step of a run took");
    for (unsigned i = 0; i < m->steps_count; i++)
        put_histogram(out, &m->steps[i]);
    put_head(out, "runs_total", "counter", "runs that have ended");
    for (unsigned i = 0; i < m->verdicts_count; i++)
        buf_printf(out, "mailtest_check_runs_total{kind=\"%s\",state=\"%s\",verdict=\"%s\"} %llu\n", check_kind_name(m->verdicts[i].kind),
                   state_name(m->verdicts[i].state), m->verdicts[i].verdict, (unsigned long long)m->verdicts[i].count);
    put_head(out, "state", "gauge", "state of the last run: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN");
    for (unsigned i = 0; i < checks; i++) {
        row(arg, i, &r);
        if (r.known)
            buf_printf(out, "mailtest_check_state{check=\"%s\"} %d\n", r.name, (int)r.state);
    }
    put_head(out, "last_success_timestamp_seconds", "gauge", "when the last run that was OK or WARNING began");
    for (unsigned i = 0; i < checks; i++) {
        row(arg, i, &r);
        if (r.last_success_us > 0)
            buf_printf(out, "mailtest_check_last_success_timestamp_seconds{check=\"%s\"} %.3f\n", r.name, (double)r.last_success_us / 1e6);
    }
    put_head(out, "total_seconds", "gauge", "time from the sending to the arrival, of the last run, where that came to it");
    for (unsigned i = 0; i < checks; i++) {
        row(arg, i, &r);
        if (r.total_us > 0)
            buf_printf(out, "mailtest_check_total_seconds{check=\"%s\"} %.6f\n", r.name, (double)r.total_us / 1e6);
    }
    put_head(out, "interval_seconds", "gauge", "time from one run to the next, of checks that are enabled");
    for (unsigned i = 0; i < checks; i++) {
        row(arg, i, &r);
        if (r.interval_ms > 0)
            buf_printf(out, "mailtest_check_interval_seconds{check=\"%s\"} %.15g\n", r.name, r.interval_ms / 1000.0);
    }
}
