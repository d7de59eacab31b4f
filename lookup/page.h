#ifndef LOOKUP_PAGE_H
#define LOOKUP_PAGE_H
/*
 * page - what people and Prometheus look at: pure functions from numbers to text.
 */

#include "lib/metrics.h"
#include "lookup/certificates.h"

/* The counters of one process, as values: so that tests need no shared memory. */
struct page_process {
    enum role role;
    unsigned  index;
    uint64_t  values[METRIC_COUNT];
};

/*
 * Prometheus text format 0.0.4: each metric with its help and type once, then one sample for each process that has it: metric_is_of, or
 * another value than 0.
 */
void metrics_page(struct buf *out, const struct page_process *processes, unsigned count);

/* Whether each process of a role shows this metric, also while it is 0. */
bool metric_is_of(enum metric m, enum role role);

struct status_facts {
    const char                *hostname;
    bool                       ready;
    bool                       store_connected;
    bool                       draining;
    uint64_t                   started_us;      /* of this role */
    uint64_t                   now_us;
    const struct page_process *processes;
    unsigned                   count;
    const struct certificates *certificates;    /* NULL: nothing is said of them */
    uint32_t                   expiry_warning_days;
};

/* An HTML page without any customer's data. */
void status_page(struct buf *out, const struct status_facts *facts);

#endif
