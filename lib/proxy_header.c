#include "lib/proxy_header.h"

#include "lib/error.h"

#include <arpa/inet.h>

enum {
    V2_HEAD_BYTES    = 16,
    V2_VERSION_AT    = 12,
    V2_FAMILY_AT     = 13,
    V2_LENGTH_AT     = 14,
    V2_VERSION       = 0x20,    /* upper half of that octet; the lower one is the command */
    V2_LOCAL         = 0,
    V2_PROXY         = 1,
    V2_STREAM_IP4    = 0x11,    /* upper half the family, lower half the transport */
    V2_STREAM_IP6    = 0x21,
    V2_IP4_BYTES     = 12,      /* two addresses and two ports */
    V2_IP6_BYTES     = 36,
    V1_FIELDS        = 6,       /* PROXY, family, source, destination, and their ports */
    V2_FAMILY_MAX    = 3,       /* AF_UNIX */
    V2_TRANSPORT_MAX = 2,       /* DGRAM */
};

static const char v2_signature[V2_VERSION_AT] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_begin[] = "PROXY ";

/* Whether as much as there is of in is as much of begin. */
static bool
begins_like(struct slice in, struct slice begin)
{
    size_t len = in.len < begin.len ? in.len : begin.len;

    return len > 0 && memcmp(in.data, begin.data, len) == 0;
}

static int
set_address(struct proxy_header *out, int family, const void *bytes)
{
    struct in6_addr ip6;

    out->source = PROXY_CLIENT;
    if (family == AF_INET6) {
        memcpy(&ip6, bytes, sizeof(ip6));
        if (IN6_IS_ADDR_V4MAPPED(&ip6))
            return inet_ntop(AF_INET, ip6.s6_addr + 12, out->address, sizeof(out->address)) != NULL ? MT_OK : MT_EPROTO;
    }
    return inet_ntop(family, bytes, out->address, sizeof(out->address)) != NULL ? MT_OK : MT_EPROTO;
}

/* ---- Version 1 -------------------------------------------------------------------------------------------------------------- */

static bool
is_port(struct slice s)
{
    uint64_t port;

    return s.len > 0 && s.len <= 5 && slice_to_u64(s, UINT16_MAX, &port) == MT_OK && (s.data[0] != '0' || s.len == 1);
}

static bool
read_address(int family, struct slice s, unsigned char bytes[sizeof(struct in6_addr)])
{
    char text[PROXY_ADDRESS_CHARS];

    return memchr(s.data, '\0', s.len) == NULL && slice_copy(text, sizeof(text), s) && inet_pton(family, text, bytes) == 1;
}

/* The line without its CRLF. Fields are parted by one space each. */
static int
parse_line(struct slice line, struct proxy_header *out)
{
    struct slice  fields[V1_FIELDS];
    unsigned      count = 0;
    bool          more = true;
    unsigned char source[sizeof(struct in6_addr)], destination[sizeof(struct in6_addr)];
    int           family;

    for (; more && count < V1_FIELDS; count++) {
        size_t end = slice_find(line, ' ');

        more = end < line.len;
        fields[count] = slice_sub(line, 0, end);
        line = slice_sub(line, end + 1, line.len);
        if (fields[count].len == 0)
            return MT_EPROTO;
        if (count == 1 && slice_equal(fields[1], slice_of("UNKNOWN"))) {    /* whatever follows */
            out->source = PROXY_UNKNOWN;
            return MT_OK;
        }
    }
    if (count != V1_FIELDS || more)
        return MT_EPROTO;
    if (slice_equal(fields[1], slice_of("TCP4")))
        family = AF_INET;
    else if (slice_equal(fields[1], slice_of("TCP6")))
        family = AF_INET6;
    else
        return MT_EPROTO;
    if (!read_address(family, fields[2], source) || !read_address(family, fields[3], destination) || !is_port(fields[4]) || !is_port(fields[5]))
        return MT_EPROTO;
    return set_address(out, family, source);
}

static int
parse_v1(struct slice in, struct proxy_header *out, size_t *len)
{
    struct slice within = slice_sub(in, 0, PROXY_HEADER_V1_MAX);
    size_t       end = slice_find(within, '\n');

    if (end == within.len)
        return within.len < PROXY_HEADER_V1_MAX ? MT_EAGAIN : MT_EPROTO;
    if (end < sizeof(v1_begin) || within.data[end - 1] != '\r')
        return MT_EPROTO;
    *len = end + 1;
    return parse_line(slice_sub(within, 0, end - 1), out);
}

/* ---- Version 2 -------------------------------------------------------------------------------------------------------------- */

static int
parse_addresses(unsigned char family, struct slice rest, struct proxy_header *out)
{
    if (family >> 4 > V2_FAMILY_MAX || (family & 0x0f) > V2_TRANSPORT_MAX)
        return MT_EPROTO;
    if (family == V2_STREAM_IP4)
        return rest.len >= V2_IP4_BYTES ? set_address(out, AF_INET, rest.data) : MT_EPROTO;
    if (family == V2_STREAM_IP6)
        return rest.len >= V2_IP6_BYTES ? set_address(out, AF_INET6, rest.data) : MT_EPROTO;
    out->source = PROXY_UNKNOWN;
    return MT_OK;
}

/* The fields behind the addresses are passed over. */
static int
parse_v2(struct slice in, struct proxy_header *out, size_t *len)
{
    const unsigned char *head = (const unsigned char *)in.data;
    size_t               rest;

    if (in.len < V2_HEAD_BYTES)
        return MT_EAGAIN;
    rest = (size_t)head[V2_LENGTH_AT] << 8 | head[V2_LENGTH_AT + 1];
    if ((head[V2_VERSION_AT] & 0xf0) != V2_VERSION || (head[V2_VERSION_AT] & 0x0f) > V2_PROXY || V2_HEAD_BYTES + rest > PROXY_HEADER_V2_MAX)
        return MT_EPROTO;
    if (in.len < V2_HEAD_BYTES + rest)
        return MT_EAGAIN;
    *len = V2_HEAD_BYTES + rest;
    if ((head[V2_VERSION_AT] & 0x0f) == V2_LOCAL) {
        out->source = PROXY_LOCAL;
        return MT_OK;
    }
    return parse_addresses(head[V2_FAMILY_AT], slice_sub(in, V2_HEAD_BYTES, rest), out);
}

/* ---- Both -------------------------------------------------------------------------------------------------------------------- */

int
proxy_header_parse(struct slice in, struct proxy_header *out, size_t *len)
{
    *out = (struct proxy_header){ .source = PROXY_UNKNOWN };
    *len = 0;
    if (in.len == 0)
        return MT_EAGAIN;
    if (begins_like(in, slice_of(v1_begin)))
        return parse_v1(in, out, len);
    if (begins_like(in, slice_make(v2_signature, sizeof(v2_signature))))
        return parse_v2(in, out, len);
    return MT_EPROTO;
}
