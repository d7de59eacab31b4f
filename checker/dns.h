#ifndef CHECKER_DNS_H
#define CHECKER_DNS_H
/* dns - a channel of c-ares on a libevent loop. */

#include <ares.h>
#include <event2/event.h>

struct dns;

enum dns_strictness {
    /* SERVFAIL and the like send c-ares on to the next server; when all say so, the error is that of servers that say nothing. */
    DNS_NEXT_SERVER,
    /* The first answer counts, whatever it is. */
    DNS_ANY_ANSWER,
};

/*
 * servers: "192.0.2.1:53,…" instead of the system's, and no hosts file; NULL: the system's. Returns NULL when out of memory, or
 * when servers cannot be read.
 */
struct dns *dns_new(struct event_base *base, const char *servers, enum dns_strictness strictness);

/* Ends all queries: their callbacks get ARES_EDESTRUCTION. NULL is fine. */
void dns_free(struct dns *d);

/* To ask with; dns_asked() after each query sees to its time limit. */
ares_channel dns_channel(struct dns *d);
void         dns_asked(struct dns *d);

#endif
