#include "lib/resolver.h"

#include "lib/dns.h"
#include "lib/error.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Each question is put to the first of these. When no server gives a usable answer, it is put to the second as well, so that a broken
 * zone of the customer (SERVFAIL) is told from name servers of ours that are down. When no answer comes at all, the third is asked for
 * the root, which every name server knows: where that has an answer, it is the servers of the zone that are silent.
 */
enum { FIRST, SECOND, ROOT, CHANNELS };

enum { ROOT_TRY_MS = 500 };             /* for the first try of the root's question: servers of ours have the answer at hand */

struct resolver {
    struct event_base *base;
    struct dns        *dns[CHANNELS];
    int                family;          /* AF_… */
};

/* One MX host. */
struct host {
    struct resolution *owner;
    char               name[ROUTE_HOST_BYTES];
    uint16_t           preference;
    uint32_t           lot;             /* decides among equal preferences (RFC 5321 section 5.1) */
    unsigned           count;
    char               addresses[ROUTE_TARGETS_MAX][ROUTE_ADDRESS_BYTES];
};

struct resolution {
    struct resolver  *resolver;
    resolver_done_fn *done;             /* NULL: cancelled */
    void             *arg;
    struct event     *finished;
    char              domain[ROUTE_HOST_BYTES];
    uint16_t          port;
    int               channel;          /* FIRST or SECOND */
    unsigned          pending;          /* queries of c-ares that will call back */
    bool              over;             /* finished was made active */
    int               last_status;      /* the last failure of an address look-up: ARES_… */
    struct host       hosts[ROUTE_HOSTS_MAX];
    unsigned          host_count;
    struct route      route;
};

struct resolver *
resolver_new(struct event_base *base, const char *servers, enum family family)
{
    static const int families[] = { [FAMILY_ANY] = AF_UNSPEC, [FAMILY_IPV4] = AF_INET, [FAMILY_IPV6] = AF_INET6 };
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->base = base;
    r->family = families[family];
    r->dns[FIRST] = dns_new(base, servers, DNS_NEXT_SERVER, 0);
    r->dns[SECOND] = dns_new(base, servers, DNS_ANY_ANSWER, 0);
    r->dns[ROOT] = dns_new(base, servers, DNS_ANY_ANSWER, ROOT_TRY_MS);
    if (r->dns[FIRST] == NULL || r->dns[SECOND] == NULL || r->dns[ROOT] == NULL) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

void
resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < CHANNELS; i++)
        dns_free(r->dns[i]);            /* calls back, which frees the resolutions */
    free(r);
}

/* ---- The end of a resolution ------------------------------------------------------------------------------------ */

static void
resolution_free(struct resolution *q)
{
    event_free(q->finished);
    free(q);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct resolution *q = arg;

    (void)fd;
    (void)what;
    if (q->done != NULL)
        q->done(q->arg, &q->route);
    resolution_free(q);
}

static void
finish(struct resolution *q)
{
    q->over = true;
    event_active(q->finished, EV_TIMEOUT, 0);
}

static void
note_fault(struct resolution *q, enum route_fault fault, const char *what, const char *detail)
{
    q->route.fault = fault;
    q->route.count = 0;
    snprintf(q->route.reason, sizeof(q->route.reason), "%.200s: %s%s", q->domain, what, detail);
}

static void
fail(struct resolution *q, enum route_fault fault, const char *what)
{
    note_fault(q, fault, what, "");
    finish(q);
}

void
resolution_cancel(struct resolution *q)
{
    if (q == NULL)
        return;
    q->done = NULL;             /* what c-ares still has to say is waited for */
    if (q->over && q->pending == 0)
        resolution_free(q);
}

static enum route_fault
fault_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return ROUTE_REFUSED;
    case ARES_ECONNREFUSED:
        return ROUTE_NO_DNS;
    default:
        return ROUTE_LATER;
    }
}

static void
on_root(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct resolution *q = arg;

    (void)timeouts;
    (void)answer;
    (void)len;
    q->pending--;
    if (status == ARES_EDESTRUCTION || q->done == NULL) {
        resolution_free(q);
        return;
    }
    if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED)
        q->route.fault = ROUTE_NO_DNS;
    finish(q);
}

/* The look-up ended with an error of c-ares. When nobody answered, it has to be found out whose fault that is. */
static void
fail_by(struct resolution *q, const char *what, int status)
{
    struct dns *dns = q->resolver->dns[ROOT];

    note_fault(q, fault_of(status), what, ares_strerror(status));
    if (status != ARES_ETIMEOUT) {
        finish(q);
        return;
    }
    q->pending++;
    ares_query(dns_channel(dns), ".", ns_c_in, ns_t_ns, on_root, q);
    dns_asked(dns);
}

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

static int
compare_hosts(const void *a, const void *b)
{
    const struct host *x = a, *y = b;

    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static void find_addresses(struct resolution *q);

/* Whether the question is put once more, to the second channel. */
static bool
asks_again(struct resolution *q, int status)
{
    if (status != ARES_ECONNREFUSED || q->channel == SECOND)
        return false;
    q->channel = SECOND;
    return true;
}

/* All addresses are known, or known not to be. */
static void
collect(struct resolution *q)
{
    struct route *route = &q->route;

    qsort(q->hosts, q->host_count, sizeof(q->hosts[0]), compare_hosts);
    for (unsigned h = 0; h < q->host_count; h++)
        for (unsigned a = 0; a < q->hosts[h].count && route->count < ROUTE_TARGETS_MAX; a++) {
            struct target *t = &route->targets[route->count++];

            *t = (struct target){ .port = q->port, .preference = q->hosts[h].preference };
            slice_copy(t->host, sizeof(t->host), slice_of(q->hosts[h].name));
            slice_copy(t->address, sizeof(t->address), slice_of(q->hosts[h].addresses[a]));
        }
    if (route->count > 0)
        finish(q);
    else if (asks_again(q, q->last_status))
        find_addresses(q);
    else if (fault_of(q->last_status) == ROUTE_REFUSED)
        fail(q, ROUTE_REFUSED, route->by_mx ? "none of its mail servers has an address" : "there is no such host, or it has no address");
    else
        fail_by(q, "no address found: ", q->last_status);
}

static void
on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct host       *host = arg;
    struct resolution *q = host->owner;

    (void)timeouts;
    q->pending--;
    if (status != ARES_SUCCESS && fault_of(status) != ROUTE_REFUSED)
        q->last_status = status;
    for (const struct ares_addrinfo_node *n = found == NULL ? NULL : found->nodes; n != NULL; n = n->ai_next) {
        char *to = host->addresses[host->count];

        if (getnameinfo(n->ai_addr, n->ai_addrlen, to, ROUTE_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) == 0 &&
            ++host->count == ROUTE_TARGETS_MAX)
            break;
    }
    if (found != NULL)
        ares_freeaddrinfo(found);
    if (q->pending > 0)
        return;
    if (status == ARES_EDESTRUCTION || q->done == NULL)
        resolution_free(q);
    else
        collect(q);
}

static void
find_addresses(struct resolution *q)
{
    struct ares_addrinfo_hints hints = { .ai_family = q->resolver->family, .ai_socktype = SOCK_STREAM };
    struct dns                *dns = q->resolver->dns[q->channel];
    unsigned                   count = q->host_count;

    /* All at once; one of the hosts may call back before the next is asked for. */
    q->last_status = ARES_ENOTFOUND;
    q->pending += count;
    for (unsigned i = 0; i < count; i++) {
        q->hosts[i].owner = q;
        ares_getaddrinfo(dns_channel(dns), q->hosts[i].name, NULL, &hints, on_addresses, &q->hosts[i]);
    }
    dns_asked(dns);
}

/* ---- MX --------------------------------------------------------------------------------------------------------- */

static void
add_host(struct resolution *q, const char *name, uint16_t preference)
{
    struct host *h;

    if (!dns_is_host_name(name))
        return;
    if (q->host_count == ROUTE_HOSTS_MAX) {
        /* The worst one gives way. */
        qsort(q->hosts, q->host_count, sizeof(q->hosts[0]), compare_hosts);
        if (q->hosts[ROUTE_HOSTS_MAX - 1].preference <= preference)
            return;
        q->host_count--;
    }
    h = &q->hosts[q->host_count++];
    *h = (struct host){ .preference = preference, .lot = randombytes_random() };
    slice_copy(h->name, sizeof(h->name), slice_of(name));
}

static void
take_mx(struct resolution *q, const struct ares_mx_reply *records)
{
    bool null_mx = false;

    for (const struct ares_mx_reply *mx = records; mx != NULL; mx = mx->next) {
        if (mx->host[0] == '\0' || strcmp(mx->host, ".") == 0)
            null_mx = true;
        else
            add_host(q, mx->host, mx->priority);
    }
    q->route.by_mx = true;
    if (q->host_count > 0)
        find_addresses(q);
    else if (null_mx)
        fail(q, ROUTE_REFUSED, "the domain takes no mail: it has a null MX (RFC 7505)");
    else
        fail(q, ROUTE_REFUSED, "its MX records name no valid host");
}

static void find_mx(struct resolution *q);

static void
on_mx(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct resolution    *q = arg;
    struct ares_mx_reply *records = NULL;

    (void)timeouts;
    q->pending--;
    if (status == ARES_EDESTRUCTION || q->done == NULL) {
        resolution_free(q);
        return;
    }
    if (status == ARES_SUCCESS)
        status = ares_parse_mx_reply(answer, len, &records);
    if (status == ARES_SUCCESS && records != NULL) {
        take_mx(q, records);
    } else if (status == ARES_ENODATA || status == ARES_SUCCESS) {
        add_host(q, q->domain, 0);      /* RFC 5321 section 5.1: no MX, so the domain itself */
        if (q->host_count > 0)
            find_addresses(q);
        else
            fail(q, ROUTE_REFUSED, "not a valid host name");
    } else if (status == ARES_ENOTFOUND) {
        fail(q, ROUTE_REFUSED, "there is no such domain");
    } else if (asks_again(q, status)) {
        find_mx(q);
    } else {
        fail_by(q, "MX look-up: ", status);
    }
    ares_free_data(records);
}

static void
find_mx(struct resolution *q)
{
    struct dns *dns = q->resolver->dns[q->channel];

    q->pending++;
    ares_query(dns_channel(dns), q->domain, ns_c_in, ns_t_mx, on_mx, q);
    dns_asked(dns);
}

/* ---- Starting --------------------------------------------------------------------------------------------------- */

static struct resolution *
resolution_new(struct resolver *r, struct slice domain, uint16_t port, resolver_done_fn *done, void *arg)
{
    struct resolution *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    *q = (struct resolution){ .resolver = r, .done = done, .arg = arg, .port = port };
    slice_copy(q->domain, sizeof(q->domain), domain);
    q->finished = event_new(r->base, -1, 0, on_finished, q);
    if (q->finished == NULL) {
        free(q);
        return NULL;
    }
    return q;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", or an address without brackets: a target without a look-up. */
static bool
take_literal(struct resolution *q)
{
    struct slice    text = slice_of(q->domain);
    struct target  *t = &q->route.targets[0];
    struct in6_addr in;
    char            address[ROUTE_ADDRESS_BYTES];

    if (slice_starts(text, "[") && text.data[text.len - 1] == ']')
        text = slice_sub(text, 1, text.len - 2);
    if (slice_starts_nocase(text, "IPv6:"))
        text = slice_sub(text, 5, text.len);
    if (!slice_copy(address, sizeof(address), text) ||
        (inet_pton(AF_INET, address, &in) != 1 && inet_pton(AF_INET6, address, &in) != 1))
        return false;
    *t = (struct target){ .port = q->port };
    slice_copy(t->host, sizeof(t->host), slice_of(address));
    slice_copy(t->address, sizeof(t->address), slice_of(address));
    q->route.count = 1;
    finish(q);
    return true;
}

struct resolution *
resolver_find_mx(struct resolver *r, struct slice domain, uint16_t port, resolver_done_fn *done, void *arg)
{
    struct resolution *q = resolution_new(r, domain, port, done, arg);

    if (q == NULL || take_literal(q))
        return q;
    find_mx(q);
    return q;
}

struct resolution *
resolver_find_host(struct resolver *r, struct slice host, uint16_t port, resolver_done_fn *done, void *arg)
{
    struct resolution *q = resolution_new(r, host, port, done, arg);

    if (q == NULL || take_literal(q))
        return q;
    add_host(q, q->domain, 0);
    if (q->host_count == 0) {
        fail(q, ROUTE_REFUSED, "not a valid host name");
        return q;
    }
    find_addresses(q);
    return q;
}
