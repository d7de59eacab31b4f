#include "lib/network.h"

#include "lib/error.h"

#include <arpa/inet.h>

enum { IP4_AT = 12, IP4_BITS_BEFORE = 96, IP6_BITS = 128, IP4_BITS = 32 };

static const unsigned char ip4_head[IP4_AT] = { [10] = 0xff, [11] = 0xff };

bool
ip_address_is_ip4(const struct ip_address *a)
{
    return memcmp(a->bytes, ip4_head, IP4_AT) == 0;
}

bool
ip_address_parse(struct slice text, struct ip_address *out)
{
    char           copy[INET6_ADDRSTRLEN];
    struct in_addr ip4;

    if (text.len == 0 || memchr(text.data, 0, text.len) != NULL || !slice_copy(copy, sizeof(copy), text))
        return false;
    if (inet_pton(AF_INET, copy, &ip4) == 1) {
        memcpy(out->bytes, ip4_head, IP4_AT);
        memcpy(out->bytes + IP4_AT, &ip4, sizeof(ip4));
        return true;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static void
cut(struct network *n)
{
    for (unsigned bit = n->prefix; bit < IP6_BITS; bit++)
        n->address.bytes[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
}

bool
network_parse(struct slice text, struct network *out)
{
    size_t            slash = slice_find(text, '/');
    struct ip_address address;
    uint64_t          prefix;
    unsigned          before, most;

    if (!ip_address_parse(slice_sub(text, 0, slash), &address))
        return false;
    before = slice_find(text, ':') == text.len ? IP4_BITS_BEFORE : 0;
    most = before == 0 ? IP6_BITS : IP4_BITS;
    prefix = most;
    if (slash < text.len && (slice_to_u64(slice_sub(text, slash + 1, text.len), most, &prefix) != MT_OK ||
                             (text.data[slash + 1] == '0' && slash + 2 < text.len)))
        return false;
    *out = (struct network){ .address = address, .prefix = before + (unsigned)prefix };
    cut(out);
    return memcmp(out->address.bytes, address.bytes, ADDRESS_BYTES) == 0;
}

bool
network_has(const struct network *n, const struct ip_address *a)
{
    struct network other = { .address = *a, .prefix = n->prefix };

    cut(&other);
    return memcmp(other.address.bytes, n->address.bytes, ADDRESS_BYTES) == 0;
}

struct network
network_of(const struct ip_address *a, unsigned prefix4, unsigned prefix6)
{
    struct network n = { .address = *a, .prefix = ip_address_is_ip4(a) ? IP4_BITS_BEFORE + prefix4 : prefix6 };

    cut(&n);
    return n;
}
