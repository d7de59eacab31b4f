#include "lib/proxy.h"

#include "lib/buf.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/network.h"
#include "lib/proxy_header.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct proxy_wait {
    TAILQ_ENTRY(proxy_wait) link;
    struct proxies         *proxies;
    struct event           *readable;
    struct deadline         deadline;
    struct buf              in;             /* what of the header has come */
    int                     fd;
    unsigned                tag;
    char                    from[PROXY_ADDRESS_CHARS];
};

struct proxies {
    struct event_base            *base;
    const struct config          *config;
    proxy_ready_fn               *ready;
    void                         *arg;
    struct deadlines              deadlines;
    TAILQ_HEAD(, proxy_wait)      waits;
    unsigned                      count;
    unsigned                      network_count;
    struct network                networks[];
};

static void
wait_free(struct proxy_wait *w)
{
    deadline_stop(&w->proxies->deadlines, &w->deadline);
    if (w->readable != NULL)
        event_free(w->readable);
    buf_fini(&w->in);
    TAILQ_REMOVE(&w->proxies->waits, w, link);
    w->proxies->count--;
    free(w);
}

/* The end of a wait. client NULL: of one that came to nothing. */
static void
end(struct proxy_wait *w, const char *client, bool own)
{
    struct proxies *p = w->proxies;
    unsigned        tag = w->tag;
    int             fd = w->fd;
    char            name[PROXY_ADDRESS_CHARS];

    slice_copy(name, sizeof(name), slice_of(client));
    wait_free(w);
    p->ready(p->arg, tag, fd, client != NULL ? name : NULL, own);
}

static void
refuse(struct proxy_wait *w, const char *reason)
{
    metric_add(METRIC_PROXY_REFUSED_TOTAL, 1);
    log_warning("event=proxy-refused client=%s reason=\"%s\"", w->from, reason);
    end(w, NULL, false);
}

/* Takes what belongs to the header, and no octet more. MT_EAGAIN: more is to come. */
static int
read_header(struct proxy_wait *w, struct proxy_header *header)
{
    char    peeked[PROXY_HEADER_V2_MAX];
    size_t  had = w->in.len, len;
    ssize_t n = recv(w->fd, peeked, sizeof(peeked) - had, MSG_PEEK);
    int     rc;

    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? MT_EAGAIN : MT_EIO;
    if (n == 0)
        return MT_ESHUTDOWN;
    if (buf_append(&w->in, peeked, (size_t)n) != MT_OK)
        return MT_ENOMEM;
    rc = proxy_header_parse(buf_slice(&w->in), header, &len);
    if (rc == MT_EAGAIN)
        len = w->in.len;
    if (rc == MT_EPROTO || recv(w->fd, peeked, len - had, 0) != (ssize_t)(len - had))
        return MT_EPROTO;
    return rc;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct proxy_wait  *w = arg;
    struct proxy_header header;
    char                from[PROXY_ADDRESS_CHARS];

    (void)fd;
    (void)what;
    switch (read_header(w, &header)) {
    case MT_EAGAIN:
        break;
    case MT_OK:
        slice_copy(from, sizeof(from), slice_of(w->from));
        end(w, header.source == PROXY_CLIENT ? header.address : from, header.source != PROXY_CLIENT);
        break;
    case MT_ESHUTDOWN:      /* a check whether the port is open */
        end(w, NULL, false);
        break;
    case MT_EPROTO:
        refuse(w, "the connection does not begin with a PROXY header");
        break;
    default:
        refuse(w, "the connection is broken");
        break;
    }
}

static void
on_expired(void *owner, enum deadline_kind kind)
{
    (void)kind;
    refuse(owner, "no whole PROXY header came in proxy.timeout_ms");
}

struct proxies *
proxies_new(struct event_base *base, const struct config *config, proxy_ready_fn *ready, void *arg)
{
    const struct strings *from = &config->proxy.from;
    struct proxies       *p = calloc(1, sizeof(*p) + from->count * sizeof(p->networks[0]));

    if (p == NULL)
        return NULL;
    p->base = base;
    p->config = config;
    p->ready = ready;
    p->arg = arg;
    TAILQ_INIT(&p->waits);
    if (deadlines_init(&p->deadlines, base, on_expired) != MT_OK) {
        free(p);
        return NULL;
    }
    p->deadlines.limit_ms[DEADLINE_COMMAND] = config->proxy.timeout_ms;
    for (unsigned i = 0; i < from->count; i++)
        if (network_parse(slice_of(from->items[i]), &p->networks[p->network_count]))
            p->network_count++;
    return p;
}

void
proxies_free(struct proxies *p)
{
    struct proxy_wait *w;

    if (p == NULL)
        return;
    while ((w = TAILQ_FIRST(&p->waits)) != NULL)
        wait_free(w);
    deadlines_fini(&p->deadlines);
    free(p);
}

bool
proxies_expect(const struct proxies *p, const char *from)
{
    struct ip_address a;

    if (p->network_count == 0 || !ip_address_parse(slice_of(from), &a))
        return false;
    for (unsigned i = 0; i < p->network_count; i++)
        if (network_has(&p->networks[i], &a))
            return true;
    return false;
}

struct proxy_wait *
proxies_wait(struct proxies *p, int fd, const char *from, unsigned tag)
{
    struct proxy_wait *w = p->count >= p->config->proxy.waiting_max ? NULL : calloc(1, sizeof(*w));

    if (w == NULL) {
        metric_add(METRIC_PROXY_REFUSED_TOTAL, 1);
        log_warning("event=proxy-refused client=%s reason=\"%u connections wait for their header already\"", from, p->count);
        return NULL;
    }
    w->proxies = p;
    w->fd = fd;
    w->tag = tag;
    slice_copy(w->from, sizeof(w->from), slice_of(from));
    buf_init(&w->in, PROXY_HEADER_V2_MAX);
    deadline_init(&w->deadline, w);
    TAILQ_INSERT_TAIL(&p->waits, w, link);
    p->count++;
    w->readable = event_new(p->base, fd, EV_READ | EV_PERSIST, on_readable, w);
    if (w->readable == NULL || event_priority_set(w->readable, 0) != 0 || event_add(w->readable, NULL) != 0) {
        wait_free(w);
        return NULL;
    }
    deadline_start(&p->deadlines, &w->deadline, DEADLINE_COMMAND);
    return w;
}

void
proxy_wait_cancel(struct proxy_wait *w)
{
    wait_free(w);
}

void
proxies_give_up(struct proxies *p)
{
    struct proxy_wait *w;

    while ((w = TAILQ_FIRST(&p->waits)) != NULL)
        end(w, NULL, false);
}
