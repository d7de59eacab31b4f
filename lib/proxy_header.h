#ifndef LIB_PROXY_HEADER_H
#define LIB_PROXY_HEADER_H
/*
 * proxy_header - the header that a load balancer sends in front of a connection to say whose it is: the PROXY protocol, versions 1 (a line of
 * text) and 2 (octets), as HAProxy's specification has them. Pure.
 */

#include "lib/slice.h"

#define PROXY_HEADER_V1_MAX 107u        /* octets of a line with its CRLF */
#define PROXY_HEADER_V2_MAX 4096u       /* octets with addresses and the fields behind them; the specification asks senders to keep to 536 */
#define PROXY_ADDRESS_CHARS 46u         /* INET6_ADDRSTRLEN */

enum proxy_source {
    PROXY_CLIENT,       /* address is the client's */
    PROXY_UNKNOWN,      /* of somebody whom the load balancer does not name: UNKNOWN, UNIX, UNSPEC */
    PROXY_LOCAL,        /* the load balancer's own, such as a check of health */
};

struct proxy_header {
    enum proxy_source source;
    char              address[PROXY_ADDRESS_CHARS];     /* in text; an IPv4 address that came as IPv6 (::ffff:a.b.c.d) as what it is */
};

/*
 * Reads the header at the beginning of in. Bounds: PROXY_HEADER_V2_MAX octets are looked at.
 * MT_OK      *len: octets of the header
 * MT_EAGAIN  all of in belongs to the header, and more is to come
 * MT_EPROTO  no such header
 */
int proxy_header_parse(struct slice in, struct proxy_header *out, size_t *len);

#endif
