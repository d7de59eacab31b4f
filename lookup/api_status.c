/* api_status - what needs no key: metrics, probes, the page for people. No customer's data is in any of it. */
#include "lookup/call.h"
#include "lookup/page.h"

#include "lib/error.h"

#include <stdlib.h>

enum { RETRY_S = 1, PAGE_MAX_BYTES = 4 * 1024 * 1024 };

static bool
is_ready(const struct lookup *l)
{
    return l->connected && !l->role->store_silent && l->db != NULL && !l->role->draining;
}

/* A copy of all counters; NULL: out of memory. */
static struct page_process *
read_processes(const struct lookup *l)
{
    const struct role_context *r = l->role;
    struct page_process       *all = calloc(r->metrics_count + 1, sizeof(*all));

    for (unsigned i = 0; all != NULL && i < r->metrics_count; i++) {
        all[i].role = r->metrics_owners[i].role;
        all[i].index = r->metrics_owners[i].index;
        for (unsigned m = 0; m < METRIC_COUNT; m++)
            all[i].values[m] = metrics_value(r->metrics[i], (enum metric)m);
    }
    return all;
}

static void
reply_page(struct call *c, const char *type, struct buf *page)
{
    if (page->fault != MT_OK)
        reply_busy(c->exchange, RETRY_S, "the page could not be made: %s", mt_strerror(page->fault));
    else
        reply_send(c->exchange, 200, type, buf_slice(page));
    buf_fini(page);
}

void
api_metrics(struct call *c)
{
    struct page_process *processes = read_processes(c->lookup);
    struct buf           page;

    buf_init(&page, PAGE_MAX_BYTES);
    if (processes == NULL)
        page.fault = MT_ENOMEM;
    else
        metrics_page(&page, processes, c->lookup->role->metrics_count);
    certificates_metrics(&page, &c->lookup->certificates);
    free(processes);
    reply_page(c, "text/plain; version=0.0.4; charset=utf-8", &page);
}

void
api_status_page(struct call *c)
{
    struct lookup       *l = c->lookup;
    struct page_process *processes = read_processes(l);
    struct buf           page;
    struct status_facts  facts = {
         .hostname = l->config->hostname,
         .ready = is_ready(l),
         .store_connected = l->connected,
         .draining = l->role->draining,
         .started_us = l->started_us,
         .now_us = lookup_now_us(),
         .certificates = &l->certificates,
         .expiry_warning_days = l->config->tls.expiry_warning_days,
         .processes = processes,
         .count = l->role->metrics_count,
    };

    buf_init(&page, PAGE_MAX_BYTES);
    if (processes == NULL)
        page.fault = MT_ENOMEM;
    else
        status_page(&page, &facts);
    free(processes);
    reply_header(c->exchange, "Content-Security-Policy",
                 "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'");
    reply_page(c, "text/html; charset=utf-8", &page);
}

/* The process lives and its loop turns: nothing else is said. */
void
api_healthz(struct call *c)
{
    reply_send(c->exchange, 200, "text/plain; charset=utf-8", slice_of("ok\n"));
}

void
api_readyz(struct call *c)
{
    if (is_ready(c->lookup))
        reply_send(c->exchange, 200, "text/plain; charset=utf-8", slice_of("ready\n"));
    else if (c->lookup->role->draining)
        reply_busy(c->exchange, RETRY_S, "the service is stopping");
    else
        reply_busy(c->exchange, RETRY_S, c->lookup->connected ? "the store does not answer" : "the store is not connected");
}
