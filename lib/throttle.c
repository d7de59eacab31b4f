#include "lib/throttle.h"

#include <arpa/inet.h>

/* An address, a name, or both. */
static uint64_t
hash_of(const struct shared_table *t, enum shared_kind kind, struct slice client, struct slice name)
{
    enum { NETWORK_BYTES = 8, ADDRESS_CHARS = 46 };
    char            text[ADDRESS_CHARS + 1];
    struct in6_addr ip6;

    if (slice_copy(text, sizeof(text), client) && inet_pton(AF_INET6, text, &ip6) == 1)
        return shared_hash(t, kind, slice_make((const char *)ip6.s6_addr, NETWORK_BYTES), name);
    return shared_hash(t, kind, client, name);
}

/* False: it has to wait, or another was faster. */
static bool
claim(struct shared_place *place, uint64_t now_ms, uint64_t until_ms)
{
    uint64_t before = atomic_load(&place->value);

    return now_ms >= before && atomic_compare_exchange_strong(&place->value, &before, until_ms);
}

static void
hold_up(struct shared_table *t, enum shared_kind kind, uint64_t who, uint64_t until_ms)
{
    struct shared_place *place = shared_obtain(t, kind, who);
    uint64_t             before;

    if (place == NULL)
        return;
    before = atomic_load(&place->value);
    while (before < until_ms && !atomic_compare_exchange_weak(&place->value, &before, until_ms))
        ;
}

static struct shared_place *
find(struct shared_table *t, enum shared_kind kind, struct slice client, struct slice name)
{
    return shared_find(t, kind, hash_of(t, kind, client, name));
}

static void
release(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms)
{
    struct shared_place *place = y->claim == 0 ? NULL : find(t, SHARED_TRY_ADDRESS, y->client, slice_make("", 0));
    uint64_t             before = y->claim;

    /* Where a wrong try came between, it stays as that left it. */
    if (place != NULL)
        atomic_compare_exchange_strong(&place->value, &before, now_ms);
}

/* ---- Tries -------------------------------------------------------------------------------------------------------------- */

bool
throttle_begin(struct shared_table *t, struct throttle_try *y, uint64_t now_ms)
{
    struct slice         none = slice_make("", 0);
    struct shared_place *known = find(t, SHARED_TRY_KNOWN, y->client, y->name);
    struct shared_place *name = find(t, SHARED_TRY_NAME, none, y->name);
    struct shared_place *address;

    y->claim = 0;
    if (known != NULL && now_ms < atomic_load(&known->value))
        return true;
    if (name != NULL && now_ms < atomic_load(&name->value))
        return false;
    address = shared_obtain(t, SHARED_TRY_ADDRESS, hash_of(t, SHARED_TRY_ADDRESS, y->client, none));
    if (address == NULL || !claim(address, now_ms, now_ms + THROTTLE_ADDRESS_MS))
        return false;
    y->claim = now_ms + THROTTLE_ADDRESS_MS;
    if (name == NULL || claim(name, now_ms, now_ms + THROTTLE_NAME_MS))
        return true;
    release(t, y, now_ms);
    y->claim = 0;
    return false;
}

void
throttle_failed(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms)
{
    struct slice         none = slice_make("", 0);
    struct shared_place *known = find(t, SHARED_TRY_KNOWN, y->client, y->name);

    if (known != NULL)
        atomic_store(&known->value, 0);
    hold_up(t, SHARED_TRY_ADDRESS, hash_of(t, SHARED_TRY_ADDRESS, y->client, none), now_ms + THROTTLE_ADDRESS_MS);
    hold_up(t, SHARED_TRY_NAME, hash_of(t, SHARED_TRY_NAME, none, y->name), now_ms + THROTTLE_NAME_MS);
}

void
throttle_passed(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms)
{
    release(t, y, now_ms);
    hold_up(t, SHARED_TRY_KNOWN, hash_of(t, SHARED_TRY_KNOWN, y->client, y->name), now_ms + THROTTLE_KNOWN_MS);
}

void
throttle_dropped(struct shared_table *t, const struct throttle_try *y, uint64_t now_ms)
{
    release(t, y, now_ms);
}
