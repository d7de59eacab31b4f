#ifndef LIB_DNS_H
#define LIB_DNS_H
/* dns - a channel of c-ares on a libevent loop. */

#include <ares.h>
#include <event2/event.h>
#include <stdbool.h>

struct dns;

#define DNS_TRY_MS 3000u
#define DNS_TRIES  3u

enum dns_strictness {
    /* SERVFAIL and the like send c-ares on to the next server; when all say so, the error is that of servers that say nothing. */
    DNS_NEXT_SERVER,
    /* The first answer counts, whatever it is. */
    DNS_ANY_ANSWER,
};

/* The system's servers, but not its hosts file: nothing is read from disk later than in dns_new. */
#define DNS_SYSTEM_SERVERS ""

/*
 * servers: "192.0.2.1:53,…" instead of the system's, and no hosts file; DNS_SYSTEM_SERVERS; NULL: all as the system has it.
 * Returns NULL when out of memory, or when servers cannot be read. try_ms: how long a server's answer is waited for at first;
 * each is asked DNS_TRIES times, the wait doubles each time. 0: DNS_TRY_MS.
 */
struct dns *dns_new(struct event_base *base, const char *servers, enum dns_strictness strictness, unsigned try_ms);

/*
 * Whether it is a host's name as one may be shown, stored and asked for: labels of at most 63 letters, digits, '-' and '_' (which
 * some hosts have, though RFC 1123 section 2.1 has not), 253 octets in all. What DNS answers may hold anything.
 */
#define DNS_HOST_BYTES 254u     /* with a NUL */
bool dns_is_host_name(const char *name);

/* Ends all queries: their callbacks get ARES_EDESTRUCTION. NULL is fine. */
void dns_free(struct dns *d);

/* To ask with; dns_asked() after each query sees to its time limit. */
ares_channel dns_channel(struct dns *d);
void         dns_asked(struct dns *d);

#endif
