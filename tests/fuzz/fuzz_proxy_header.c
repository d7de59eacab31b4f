/* Headers of load balancers: the PROXY protocol, both versions, as they come in pieces; and the networks of the configuration. */

#include "lib/error.h"
#include "lib/network.h"
#include "lib/proxy_header.h"

#include <assert.h>
#include <stdlib.h>

/* What was taken for whole, or given up, is so for good; a part of it waits for more. */
static void
look_at_parts(struct slice in, int rc, size_t len)
{
    struct proxy_header part;
    size_t              part_len;

    for (size_t at = 0; rc == MT_OK && at < len; at++)
        assert(proxy_header_parse(slice_sub(in, 0, at), &part, &part_len) == MT_EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice        in = slice_make(data, size);
    struct proxy_header header;
    struct ip_address   address;
    struct network      network;
    size_t              len;
    int                 rc = proxy_header_parse(in, &header, &len);

    assert(rc == MT_OK || rc == MT_EAGAIN || rc == MT_EPROTO);
    assert(rc != MT_OK || (len > 0 && len <= in.len && len <= PROXY_HEADER_V2_MAX));
    assert(rc != MT_OK || (header.source == PROXY_CLIENT) == ip_address_parse(slice_of(header.address), &address));
    assert(rc != MT_EAGAIN || in.len < PROXY_HEADER_V2_MAX);
    look_at_parts(in, rc, len);
    if (network_parse(in, &network))
        assert(network.prefix <= 128 && network_has(&network, &network.address));
    return 0;
}
