#ifndef SMTPD_CLIENT_NAME_H
#define SMTPD_CLIENT_NAME_H
/*
 * client_name - names of clients by reverse look-up: a PTR name counts only where it has the client's address among its own (A or
 * AAAA), since anybody may put any name into the zone of his addresses. Nobody waits for a name: it is asked for when a client
 * connects, and taken as far as it is known when a message is stored.
 *
 * What was learned is kept for a while, at most CLIENT_NAMES_KEPT addresses, so that a client that comes often costs few
 * questions. What DNS answers is hostile: names are checked (dns_is_host_name), of each address the first CLIENT_NAME_TRIES are
 * looked at, no answer is kept for longer than CLIENT_NAME_KEEP_S. One per process. Memory: 330 octets an address, and 1 KiB a
 * look-up under way.
 */

#include "lib/slice.h"

#include <event2/event.h>

#define CLIENT_NAMES_KEPT    4096u
#define CLIENT_NAME_TRIES    3u
#define CLIENT_NAME_KEEP_S   3600u  /* at most; else as the name's own address record says */
#define CLIENT_NAME_LEAST_S  60u    /* at least */
#define CLIENT_NAME_NONE_S   300u   /* that there is no name, or none that is confirmed */
#define CLIENT_NAME_FAILED_S 30u    /* that no server answered in time */

struct client_names;

/*
 * servers: "192.0.2.1:53,…"; DNS_SYSTEM_SERVERS: those of /etc/resolv.conf, which is read now. timeout_ms > 0: for a whole
 * look-up; one that is given up counts as under way until c-ares is done with it. queries_max: look-ups under way at a time,
 * below CLIENT_NAMES_KEPT. NULL: out of memory, or servers cannot be read.
 */
struct client_names *client_names_new(struct event_base *base, const char *servers, uint32_t timeout_ms, uint32_t queries_max);
void                 client_names_free(struct client_names *n);     /* NULL is fine */

/*
 * A client connects: its name is looked up unless it is known, or being looked up, or there are look-ups enough. NULL for n is
 * fine: none is.
 */
void client_names_ask(struct client_names *n, const char *address);

/* The name as far as it is known now, else empty; valid until the loop goes on. NULL for n is fine. */
struct slice client_names_find(struct client_names *n, const char *address);

#endif
