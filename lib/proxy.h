#ifndef LIB_PROXY_H
#define LIB_PROXY_H
/*
 * proxy - connections of configured load balancers (proxy.from) wait here, on the loop, until their PROXY header has come, which says whose
 * they are. Exactly the header's octets are taken off the socket: what follows, be it a TLS handshake or a command, is the session's.
 * Bounds: proxy.timeout_ms for a header, proxy.waiting_max connections that wait, 4 KiB each at most.
 */

#include "lib/config.h"

#include <event2/event.h>

struct proxies;
struct proxy_wait;

/*
 * The header has come: client is the address that counts from now on. own: it is the load balancer's own address, whose header names no client.
 * client NULL: nothing that can be used came; it was logged, and the callee closes fd. The wait is over.
 */
typedef void proxy_ready_fn(void *arg, unsigned tag, int fd, const char *client, bool own);

/* NULL: out of memory. All is borrowed. */
struct proxies *proxies_new(struct event_base *base, const struct config *config, proxy_ready_fn *ready, void *arg);
void            proxies_free(struct proxies *p);    /* NULL is fine; closes none of the sockets that wait */

/* Whether a connection of this address has to begin with a header. */
bool proxies_expect(const struct proxies *p, const char *from);

/*
 * Waits for the header on fd, which stays the caller's; ready is called later with the tag. NULL: too many wait already, or out of memory (logged):
 * nothing is called, and the caller closes fd.
 */
struct proxy_wait *proxies_wait(struct proxies *p, int fd, const char *from, unsigned tag);
void               proxy_wait_cancel(struct proxy_wait *w);     /* without a call */

/* Ends all waits, each with a call of ready without a client. */
void proxies_give_up(struct proxies *p);

#endif
