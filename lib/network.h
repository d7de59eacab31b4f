#ifndef LIB_NETWORK_H
#define LIB_NETWORK_H
/* network - addresses of clients as octets, and networks of them (CIDR, RFC 4632 and RFC 4291 section 2.3). Pure. */

#include "lib/slice.h"

#define ADDRESS_BYTES 16u

/* An IPv4 address is kept as IPv6 has it (::ffff:a.b.c.d), so that both are one kind. */
struct ip_address {
    unsigned char bytes[ADDRESS_BYTES];
};

/* The first prefix bits of an address; the rest is 0. */
struct network {
    struct ip_address address;
    unsigned          prefix;       /* 0 to 128; of an IPv4 network 96 to 128 */
};

/* An address in text. False: it is none, such as "unix". */
bool ip_address_parse(struct slice text, struct ip_address *out);
bool ip_address_is_ip4(const struct ip_address *a);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. Bits behind the prefix must be 0. */
bool network_parse(struct slice text, struct network *out);
bool network_has(const struct network *n, const struct ip_address *a);

/* The network that an address is in: so many bits of it. An IPv4 address counts its own 32. */
struct network network_of(const struct ip_address *a, unsigned prefix4, unsigned prefix6);

#endif
