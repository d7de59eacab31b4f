#ifndef CHECKER_METRICS_PORT_H
#define CHECKER_METRICS_PORT_H
/*
 * metrics_port - the checker's own HTTP port: /metrics for Prometheus, /healthz (the loop turns) and /readyz (it does its work). GET and HEAD alone, small
 * requests, a time limit, at most 64 connections, of which the oldest gives way; no secret is told.
 */

#include "lib/buf.h"

#include <event2/event.h>

struct metrics_port;

struct metrics_port_hooks {
    /* Appends the text of /metrics. */
    void (*write)(void *arg, struct buf *out);
    /* Whether it does its work; else *reason is set to one line. */
    bool (*ready)(void *arg, const char **reason);
    void *arg;
};

#define METRICS_TEXT_MAX        (64u * 1024 * 1024)

/* listen: "127.0.0.1:9725", "[::1]:9725". MT_EIO (logged): the address cannot be bound; MT_ENOMEM. */
int  metrics_port_open(struct event_base *base, const char *listen, const struct metrics_port_hooks *hooks, struct metrics_port **out);
void metrics_port_close(struct metrics_port *p);    /* NULL is fine */

#endif
