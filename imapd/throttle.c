#include "imapd/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>

void
throttle_init(struct throttle *t, uint32_t pause_ms)
{
    *t = (struct throttle){ .pause_ms = pause_ms };
    randombytes_buf(t->key, sizeof(t->key));
}

static uint64_t
hash_of(const struct throttle *t, const char *address)
{
    enum { NETWORK_BYTES = 8 };
    struct in6_addr ip6;
    unsigned char   out[crypto_shorthash_BYTES];
    uint64_t        hash;

    if (inet_pton(AF_INET6, address, &ip6) == 1)
        crypto_shorthash(out, ip6.s6_addr, NETWORK_BYTES, t->key);
    else
        crypto_shorthash(out, (const unsigned char *)address, strlen(address), t->key);
    memcpy(&hash, out, sizeof(hash));
    return hash == 0 ? 1 : hash;
}

static struct throttle_place *
set_of(const struct throttle *t, uint64_t hash)
{
    return (struct throttle_place *)&t->places[hash % (THROTTLE_PLACES / THROTTLE_WAYS) * THROTTLE_WAYS];
}

bool
throttle_is_hot(const struct throttle *t, const char *address, uint64_t now_ms)
{
    uint64_t                     hash = hash_of(t, address);
    const struct throttle_place *set = set_of(t, hash);

    for (unsigned i = 0; i < THROTTLE_WAYS; i++)
        if (set[i].address == hash)
            return now_ms < set[i].until_ms;
    return false;
}

void
throttle_failed(struct throttle *t, const char *address, uint64_t now_ms)
{
    uint64_t               hash = hash_of(t, address);
    struct throttle_place *set = set_of(t, hash);
    struct throttle_place *place = set;

    for (unsigned i = 0; i < THROTTLE_WAYS; i++) {
        if (set[i].address == hash) {
            place = &set[i];
            break;
        }
        if (set[i].until_ms < place->until_ms)
            place = &set[i];
    }
    *place = (struct throttle_place){ .address = hash, .until_ms = now_ms + t->pause_ms };
}

void
throttle_passed(struct throttle *t, const char *address)
{
    uint64_t               hash = hash_of(t, address);
    struct throttle_place *set = set_of(t, hash);

    for (unsigned i = 0; i < THROTTLE_WAYS; i++)
        if (set[i].address == hash)
            set[i] = (struct throttle_place){ 0 };
}
