#ifndef LIB_WEBHOOK_URL_H
#define LIB_WEBHOOK_URL_H
/*
 * webhook_url - where a webhook points, taken apart (RFC 3986), and which addresses count as public. Pure, but for libcurl's parser.
 */

#include "lib/slice.h"

#define WEBHOOK_HOST_BYTES 256u

struct webhook_url {
    bool     tls;                       /* https */
    uint16_t port;
    char     host[WEBHOOK_HOST_BYTES];  /* a name, or an address: IPv6 in brackets */
};

/*
 * http:// or https:// with a host, of printable ASCII, at most WEBHOOK_URL_BYTES long. A user name, a password or a fragment is refused:
 * who may hear of an event is told by its signature, and the URL is shown in lists.
 * MT_ESYNTAX, and *why is set: what is wrong, a sentence for a person.
 */
int webhook_url_parse(struct slice url, struct webhook_url *out, const char **why);

/*
 * Whether an address in text is one of the public internet: not of loopback, of private or shared networks, link-local, multicast,
 * documentation or another special purpose (RFC 6890), also where IPv6 carries such an IPv4 address (mapped, NAT64, 6to4, Teredo).
 */
bool address_is_public(const char *address);

#endif
