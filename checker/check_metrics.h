#ifndef CHECKER_CHECK_METRICS_H
#define CHECKER_CHECK_METRICS_H
/*
 * check_metrics - what the scheduler counts, and its text for Prometheus. What is counted by kind and step is bounded by METRIC_STEPS_MAX; what is
 * told by check is bounded by the file. Pure, but for memory.
 */

#include "checker/checks.h"
#include "checker/outcome.h"
#include "lib/buf.h"

struct check_metrics;

#define METRIC_STEPS_MAX    48u     /* pairs of a step and a kind; further ones are not counted */
#define METRIC_VERDICTS_MAX 48u     /* pairs of a verdict and a kind */

/* NULL: out of memory. */
struct check_metrics *check_metrics_new(void);
void                  check_metrics_free(struct check_metrics *m);      /* NULL is fine */

/* A run has ended. */
void check_metrics_take(struct check_metrics *m, enum check_kind kind, const struct outcome *outcome);

/* Text of one check, as told by whoever knows it. */
struct check_metrics_row {
    const char *name;
    enum state  state;              /* of the last run; only when known */
    bool        known;
    uint64_t    last_success_us;    /* wall clock; 0: none */
    uint64_t    total_us;           /* of the last run; 0: not known */
    uint32_t    interval_ms;        /* 0: it is disabled, which takes it out of rules about what did not come in time */
};
typedef void check_metrics_row_fn(void *arg, unsigned check, struct check_metrics_row *out);

/* Appends the families about runs, and those by check. */
void check_metrics_write(const struct check_metrics *m, unsigned checks, check_metrics_row_fn *row, void *arg, struct buf *out);

/* Appends one family with one value: "# HELP …", "# TYPE …" and the line. name is without "mailtest_check_". */
void check_metrics_one(struct buf *out, const char *name, const char *type, const char *help, double value);

#endif
