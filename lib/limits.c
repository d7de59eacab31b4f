#include "lib/limits.h"

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/metrics.h"

#include <stdlib.h>

enum {
    ADDRESS4_PREFIX = 32, ADDRESS6_PREFIX = 64,
    NETWORK4_PREFIX = 24, NETWORK6_PREFIX = 48,
    BURST_S         = 5,        /* new sessions of so many seconds may come at once */
    MINUTE_S        = 60,
    SECOND_US       = 1000000,
    DAY_MS          = 24 * 3600 * 1000,
};

struct limits {
    struct shared_table *table;
    uint32_t             share;
    struct limit_rules   rules;
    uint64_t             known_ms;
    uint64_t             log_interval_us;
    unsigned             trusted_count;
    struct network       trusted[];
};

static const struct {
    const char *name;
    enum metric metric;
} kinds[LIMIT_COUNT] = {
#define X(id, text) [LIMIT_##id] = { text, METRIC_LIMIT_##id##_TOTAL },
    LIMITS(X)
#undef X
};

const char *
limit_name(enum limit limit)
{
    return kinds[limit].name;
}

struct limits *
limits_new(const struct config *config, struct shared_table *table, uint32_t share, const struct limit_rules *rules)
{
    const struct strings *trusted = &config->limits.trusted;
    struct limits        *l = calloc(1, sizeof(*l) + trusted->count * sizeof(l->trusted[0]));

    if (l == NULL)
        return NULL;
    l->table = table;
    l->share = share;
    l->rules = *rules;
    l->known_ms = (uint64_t)config->limits.known_days * DAY_MS;
    l->log_interval_us = (uint64_t)config->limits.log_interval_s * SECOND_US;
    for (unsigned i = 0; i < trusted->count; i++)
        if (network_parse(slice_of(trusted->items[i]), &l->trusted[l->trusted_count]))
            l->trusted_count++;
    return l;
}

void
limits_free(struct limits *l)
{
    free(l);
}

/* ---- Clients ---------------------------------------------------------------------------------------------------------------- */

static uint64_t
hash_network(const struct limits *l, const struct network *n)
{
    const unsigned char prefix = (unsigned char)n->prefix;

    return shared_hash(l->table, SHARED_SESSIONS, slice_make((const char *)n->address.bytes, ADDRESS_BYTES),
                       slice_make((const char *)&prefix, sizeof(prefix)));
}

void
limits_client(const struct limits *l, const char *client, struct limit_client *out)
{
    struct ip_address a;
    struct network    address, network;

    *out = (struct limit_client){ .trusted = true };
    if (!ip_address_parse(slice_of(client), &a))
        return;         /* who reaches a Unix socket was let in by its folder */
    out->trusted = false;
    for (unsigned i = 0; i < l->trusted_count && !out->trusted; i++)
        out->trusted = network_has(&l->trusted[i], &a);
    if (l->table == NULL)
        return;
    address = network_of(&a, ADDRESS4_PREFIX, ADDRESS6_PREFIX);
    network = network_of(&a, NETWORK4_PREFIX, NETWORK6_PREFIX);
    out->who[SHARED_ADDRESS] = hash_network(l, &address);
    out->who[SHARED_NETWORK] = hash_network(l, &network);
}

static uint64_t
now_us(void)
{
    return monotonic_ms() * 1000;
}

/* ---- Sessions ---------------------------------------------------------------------------------------------------------------- */

static bool
has_room(const struct limits *l, const struct limit_client *c, enum shared_scope scope, uint32_t most)
{
    return most == 0 || shared_sessions_count(l->table, l->share, scope, c->who[scope]) < most;
}

static bool
take(struct limits *l, enum shared_kind kind, uint64_t who, uint32_t per_second)
{
    return per_second == 0 || shared_take(l->table, kind, who, now_us(), SECOND_US / per_second, per_second * BURST_S);
}

/* The rates of a protocol are its own. */
static uint64_t
of_protocol(const struct limits *l, uint64_t who)
{
    return shared_hash(l->table, SHARED_SESSIONS_ALL, slice_of(l->rules.protocol), slice_make((const char *)&who, sizeof(who)));
}

static enum limit
check_entry(struct limits *l, const struct limit_client *c)
{
    if (!has_room(l, c, SHARED_ADDRESS, l->rules.sessions_per_address))
        return LIMIT_PER_ADDRESS;
    if (!has_room(l, c, SHARED_NETWORK, l->rules.sessions_per_network))
        return LIMIT_PER_NETWORK;
    if (!take(l, SHARED_SESSIONS, of_protocol(l, c->who[SHARED_NETWORK]), l->rules.new_per_second_network))
        return LIMIT_RATE_NETWORK;
    /* Last, so that one network's flood is not counted here; and known ones get in through a flood from everywhere. */
    if (!limits_knows(l, c) && !take(l, SHARED_SESSIONS_ALL, of_protocol(l, 0), l->rules.new_per_second))
        return LIMIT_RATE;
    return LIMIT_NONE;
}

enum limit
limits_enter(struct limits *l, struct limit_client *c)
{
    enum limit limit;

    if (l->table == NULL || c->trusted)
        return LIMIT_NONE;
    if ((limit = check_entry(l, c)) != LIMIT_NONE)
        return limit;
    shared_sessions_add(l->table, l->share, SHARED_ADDRESS, c->who[SHARED_ADDRESS]);
    shared_sessions_add(l->table, l->share, SHARED_NETWORK, c->who[SHARED_NETWORK]);
    c->counted = true;
    return LIMIT_NONE;
}

void
limits_leave(struct limits *l, struct limit_client *c)
{
    if (!c->counted)
        return;
    shared_sessions_remove(l->table, l->share, SHARED_ADDRESS, c->who[SHARED_ADDRESS]);
    shared_sessions_remove(l->table, l->share, SHARED_NETWORK, c->who[SHARED_NETWORK]);
    c->counted = false;
}

/* ---- Mails -------------------------------------------------------------------------------------------------------------------- */

static bool
take_mail(struct limits *l, enum shared_kind kind, uint64_t who, uint32_t per_minute)
{
    return per_minute == 0 || shared_take(l->table, kind, who, now_us(), (uint64_t)MINUTE_S * SECOND_US / per_minute, per_minute);
}

bool
limits_mail(struct limits *l, const struct limit_client *c)
{
    return l->table == NULL || c->trusted ||
           take_mail(l, SHARED_MAILS_ADDRESS, c->who[SHARED_ADDRESS], l->rules.mails_per_minute_address);
}

bool
limits_mailbox(struct limits *l, const struct limit_client *c, struct slice mailbox)
{
    return l->table == NULL || limits_knows(l, c) ||
           take_mail(l, SHARED_MAILS_MAILBOX, shared_hash(l->table, SHARED_MAILS_MAILBOX, mailbox, slice_make("", 0)),
                     l->rules.mails_per_minute_mailbox);
}

/* ---- Known ones, and the log ---------------------------------------------------------------------------------------------------- */

void
limits_know(struct limits *l, const struct limit_client *c)
{
    struct shared_place *place;

    if (l->table == NULL || c->trusted)
        return;
    if ((place = shared_obtain(l->table, SHARED_KNOWN_CLIENT, c->who[SHARED_ADDRESS])) != NULL)
        atomic_store(&place->value, monotonic_ms() + l->known_ms);
}

bool
limits_knows(struct limits *l, const struct limit_client *c)
{
    const struct shared_place *place;

    if (l->table == NULL || c->trusted)
        return c->trusted;
    place = shared_find(l->table, SHARED_KNOWN_CLIENT, c->who[SHARED_ADDRESS]);
    return place != NULL && monotonic_ms() < atomic_load(&place->value);
}

bool
limits_may_log(struct limits *l, const struct limit_client *c)
{
    return l->table == NULL || shared_take(l->table, SHARED_LOGGED, of_protocol(l, c->who[SHARED_ADDRESS]), now_us(), l->log_interval_us, 1);
}

void
limits_reached_in_session(struct limits *l, const struct limit_client *c, const struct limit_session *session, enum limit limit)
{
    metric_add(kinds[limit].metric, 1);
    if (limits_may_log(l, c))
        log_info("s=%x event=limit-reached client=%s protocol=%s limit=%s.%s%s%s", session->number, session->client, session->protocol, l->rules.protocol,
                 kinds[limit].name, session->names[0] == '\0' ? "" : " ", session->names);
}

void
limits_reached(struct limits *l, const struct limit_client *c, const char *client, enum limit limit)
{
    metric_add(kinds[limit].metric, 1);
    if (limits_may_log(l, c))
        log_info("event=limit-reached client=%s protocol=%s limit=%s.%s", client, l->rules.protocol, l->rules.protocol, kinds[limit].name);
}
