#ifndef LOOKUP_CERTIFICATES_H
#define LOOKUP_CERTIFICATES_H
/*
 * certificates - what /metrics and the status page tell of each certificate: a name that it is for and when it expires. Read from the
 * files at the role's start, while there are files; a reload makes a new role. No key is read.
 */

#include "lib/config.h"

struct certificate {
    char    name[256];          /* the first of its names: printable, without quotes and backslashes; empty: it has none */
    int64_t expires_unix;       /* 0: unknown */
};

struct certificates {
    struct certificate *items;
    unsigned            count;
};

/* MT_ENOMEM. A file that cannot be read is passed over: who needs it says so. */
int  certificates_read(const struct config *config, struct certificates *out);
void certificates_fini(struct certificates *c);

/* In Prometheus' text format, one sample each, numbered in the order of the configuration. */
void certificates_metrics(struct buf *out, const struct certificates *c);

/* A table for people: the first, and of the others those that expire within so many days or have expired. */
void certificates_table(struct buf *out, const struct certificates *c, int64_t now_unix, uint32_t warning_days);

#endif
