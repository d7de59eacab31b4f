#ifndef LIB_RESOLVER_H
#define LIB_RESOLVER_H
/* resolver - finds the servers for a domain: MX (RFC 5321 section 5.1, RFC 7505) and their addresses, by c-ares on a libevent loop. */

#include "lib/slice.h"

#include <event2/event.h>

#define ROUTE_HOST_BYTES    256u
#define ROUTE_ADDRESS_BYTES 46u
#define ROUTE_TARGETS_MAX   64u
#define ROUTE_HOSTS_MAX     20u     /* MX hosts that are looked at, best ones first */

/* One address to try. */
struct target {
    char     host[ROUTE_HOST_BYTES];
    char     address[ROUTE_ADDRESS_BYTES];
    uint16_t port;
    uint16_t preference;        /* of its MX; 0 where there is none */
};

enum route_fault {
    ROUTE_FOUND,
    ROUTE_REFUSED,      /* null MX, no such domain, no address at all: trying again is no use */
    ROUTE_LATER,        /* a name server failed, or those of the zone did not answer */
    ROUTE_NO_DNS,       /* no name server of ours can be reached, or none answers, not even for the root: our own trouble */
};

/* The targets in the order in which to try them. */
struct route {
    enum route_fault fault;
    char             reason[256];       /* why there is none; empty when found */
    bool             by_mx;             /* from MX records, not from the name's own addresses */
    unsigned         count;
    struct target    targets[ROUTE_TARGETS_MAX];
};

enum family { FAMILY_ANY, FAMILY_IPV4, FAMILY_IPV6 };

struct resolver;

/*
 * servers: as for dns_new (lib/dns.h). NULL: out of memory, or servers cannot be read. Lookups
 * of other objects may go on at once.
 */
struct resolver *resolver_new(struct event_base *base, const char *servers, enum family family);
void             resolver_free(struct resolver *r);    /* NULL is fine; lookups that are under way end without a call */

/* route is valid during the call. */
typedef void resolver_done_fn(void *arg, const struct route *route);

struct resolution;

/*
 * For a recipient's domain: its MX, or where there is none its own addresses, or the address of a domain literal. done is
 * called from the loop, never from inside this call. NULL: out of memory.
 */
struct resolution *resolver_find_mx(struct resolver *r, struct slice domain, uint16_t port, resolver_done_fn *done, void *arg);

/* For one server by name or address. */
struct resolution *resolver_find_host(struct resolver *r, struct slice host, uint16_t port, resolver_done_fn *done, void *arg);

/* No call any more. NULL is fine. */
void resolution_cancel(struct resolution *q);

#endif
