#include "smtpd/client_name.h"

#include "lib/dns.h"
#include "lib/record.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

enum { BUCKETS = 2048, ADDRESSES_MAX = 64 };

struct address {
    int     family;         /* AF_INET, AF_INET6 */
    int     len;            /* octets */
    uint8_t octets[16];
};

/* One address. Its name is empty until it is known, and where there is none. */
struct known {
    TAILQ_ENTRY(known) use;         /* in used, while nothing is asked: the least recently used first */
    struct known      *next;        /* in its bucket */
    struct address     address;
    bool               asking;
    int64_t            until_ms;    /* what is known holds until then */
    char               name[DNS_HOST_BYTES];
};

TAILQ_HEAD(known_list, known);

/* A look-up under way: first the names of the address, then of one name after the other its addresses. */
struct lookup {
    struct client_names *owner;
    struct known        *known;
    int64_t              end_ms;
    bool                 failed;        /* of one name no server told the addresses */
    unsigned             count;         /* names */
    unsigned             tried;
    char                 names[CLIENT_NAME_TRIES][DNS_HOST_BYTES];
};

struct client_names {
    struct dns       *dns;
    uint32_t          timeout_ms;
    uint32_t          lookups_max;
    uint32_t          lookups;
    struct known_list used;
    unsigned          known_count;      /* in use, of known */
    struct known     *buckets[BUCKETS];
    struct known      known[CLIENT_NAMES_KEPT];
};

static int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- What is known ---------------------------------------------------------------------------------------------- */

/* False: it is none, such as "unix". */
static bool
address_read(const char *text, struct address *out)
{
    *out = (struct address){ .family = AF_INET, .len = 4 };
    if (inet_pton(AF_INET, text, out->octets) == 1)
        return true;
    *out = (struct address){ .family = AF_INET6, .len = 16 };
    return inet_pton(AF_INET6, text, out->octets) == 1;
}

static struct known **
bucket_of(struct client_names *n, const struct address *address)
{
    return &n->buckets[checksum(slice_make(address->octets, sizeof(address->octets))) % BUCKETS];
}

static struct known *
known_find(struct client_names *n, const struct address *address)
{
    struct known *e = *bucket_of(n, address);

    while (e != NULL && (e->address.family != address->family || memcmp(e->address.octets, address->octets, sizeof(address->octets)) != 0))
        e = e->next;
    return e;
}

static void
known_forget(struct client_names *n, struct known *e)
{
    struct known **at = bucket_of(n, &e->address);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    TAILQ_REMOVE(&n->used, e, use);
}

/* For an address that has none. It takes the place of the one that was not asked for the longest. */
static struct known *
known_new(struct client_names *n, const struct address *address)
{
    struct known **bucket = bucket_of(n, address), *e;

    if (n->known_count < CLIENT_NAMES_KEPT) {
        e = &n->known[n->known_count++];
    } else {
        e = TAILQ_FIRST(&n->used);
        assert(e != NULL);              /* look-ups are fewer than these */
        known_forget(n, e);
    }
    *e = (struct known){ .address = *address, .next = *bucket };
    *bucket = e;
    TAILQ_INSERT_TAIL(&n->used, e, use);
    return e;
}

/* ---- A look-up -------------------------------------------------------------------------------------------------- */

static void
settle(struct lookup *l, const char *name, uint32_t keep_s)
{
    struct client_names *n = l->owner;
    struct known        *e = l->known;

    slice_copy(e->name, sizeof(e->name), slice_of(name));
    e->until_ms = now_ms() + (int64_t)keep_s * 1000;
    e->asking = false;
    TAILQ_INSERT_TAIL(&n->used, e, use);
    n->lookups--;
    free(l);
}

static bool
is_late(const struct lookup *l)
{
    return now_ms() >= l->end_ms;
}

/* The server said that there is nothing, instead of nothing at all. */
static bool
is_answer(int status)
{
    return status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

/* Whether the answer has the address; how long it holds. */
static bool
answer_confirms(const struct address *address, const unsigned char *answer, int len, uint32_t *keep_s)
{
    struct ares_addrttl  ip4[ADDRESSES_MAX];
    struct ares_addr6ttl ip6[ADDRESSES_MAX];
    int                  count = ADDRESSES_MAX;
    int                  rc = address->family == AF_INET ? ares_parse_a_reply(answer, len, NULL, ip4, &count)
                                                         : ares_parse_aaaa_reply(answer, len, NULL, ip6, &count);

    for (int i = 0; rc == ARES_SUCCESS && i < count; i++) {
        const void *octets = address->family == AF_INET ? (const void *)&ip4[i].ipaddr : (const void *)&ip6[i].ip6addr;
        int         ttl_s = address->family == AF_INET ? ip4[i].ttl : ip6[i].ttl;

        if (memcmp(octets, address->octets, (size_t)address->len) != 0)
            continue;
        *keep_s = ttl_s < (int)CLIENT_NAME_LEAST_S ? CLIENT_NAME_LEAST_S : (uint32_t)ttl_s;
        if (*keep_s > CLIENT_NAME_KEEP_S)
            *keep_s = CLIENT_NAME_KEEP_S;
        return true;
    }
    return false;
}

static void try_name(struct lookup *l);

static void
on_addresses(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct lookup *l = arg;
    uint32_t       keep_s;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION) {
        free(l);
        return;
    }
    if (is_late(l)) {
        settle(l, "", CLIENT_NAME_FAILED_S);
    } else if (status == ARES_SUCCESS && answer_confirms(&l->known->address, answer, len, &keep_s)) {
        settle(l, l->names[l->tried - 1], keep_s);
    } else {
        l->failed = l->failed || !is_answer(status);
        try_name(l);
    }
}

/* The next name; c-ares may answer from inside. */
static void
try_name(struct lookup *l)
{
    ares_channel channel = dns_channel(l->owner->dns);

    if (l->tried == l->count)
        settle(l, "", l->failed ? CLIENT_NAME_FAILED_S : CLIENT_NAME_NONE_S);
    else
        ares_query(channel, l->names[l->tried++], ns_c_in, l->known->address.family == AF_INET ? ns_t_a : ns_t_aaaa, on_addresses, l);
}

static void
add_name(struct lookup *l, const char *name)
{
    if (name == NULL || l->count == CLIENT_NAME_TRIES || !dns_is_host_name(name))
        return;
    for (unsigned i = 0; i < l->count; i++)
        if (slice_equal_nocase(slice_of(l->names[i]), slice_of(name)))
            return;
    slice_copy(l->names[l->count++], DNS_HOST_BYTES, slice_of(name));
}

static void
on_names(void *arg, int status, int timeouts, struct hostent *found)
{
    struct lookup *l = arg;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION) {
        free(l);
        return;
    }
    if (status == ARES_SUCCESS && found != NULL) {
        for (char **alias = found->h_aliases; alias != NULL && *alias != NULL; alias++)
            add_name(l, *alias);
        add_name(l, found->h_name);         /* mostly one of these; not the first */
    }
    l->failed = !is_answer(status);
    if (is_late(l))
        settle(l, "", CLIENT_NAME_FAILED_S);
    else
        try_name(l);
}

/* ---- What others see -------------------------------------------------------------------------------------------- */

struct client_names *
client_names_new(struct event_base *base, const char *servers, uint32_t timeout_ms, uint32_t queries_max)
{
    struct client_names *n = calloc(1, sizeof(*n));

    assert(timeout_ms > 0 && queries_max < CLIENT_NAMES_KEPT);
    if (n == NULL)
        return NULL;
    TAILQ_INIT(&n->used);
    n->timeout_ms = timeout_ms;
    n->lookups_max = queries_max;
    n->dns = dns_new(base, servers, DNS_NEXT_SERVER, timeout_ms / DNS_TRIES + 1);
    if (n->dns == NULL) {
        free(n);
        return NULL;
    }
    return n;
}

void
client_names_free(struct client_names *n)
{
    if (n == NULL)
        return;
    dns_free(n->dns);       /* calls back, which frees the look-ups */
    free(n);
}

void
client_names_ask(struct client_names *n, const char *address)
{
    struct address where;
    struct lookup *l;
    struct known  *e;

    if (n == NULL || !address_read(address, &where))
        return;
    e = known_find(n, &where);
    if (e != NULL && e->asking)
        return;
    if (e != NULL) {
        TAILQ_REMOVE(&n->used, e, use);
        TAILQ_INSERT_TAIL(&n->used, e, use);
        if (now_ms() < e->until_ms)
            return;
    }
    l = n->lookups < n->lookups_max ? calloc(1, sizeof(*l)) : NULL;
    if (e == NULL && l != NULL)
        e = known_new(n, &where);
    if (e != NULL)
        e->name[0] = '\0';      /* what was known holds no longer */
    if (l == NULL)
        return;
    *l = (struct lookup){ .owner = n, .known = e, .end_ms = now_ms() + n->timeout_ms };
    TAILQ_REMOVE(&n->used, e, use);
    e->asking = true;
    n->lookups++;
    ares_gethostbyaddr(dns_channel(n->dns), where.octets, where.len, where.family, on_names, l);    /* may answer from inside */
    dns_asked(n->dns);
}

struct slice
client_names_find(struct client_names *n, const char *address)
{
    struct address where;
    struct known  *e;

    if (n == NULL || !address_read(address, &where) || (e = known_find(n, &where)) == NULL)
        return slice_make(NULL, 0);
    return slice_of(e->name);
}
