#include "lib/dns.h"

#include <stdlib.h>
#include <string.h>

enum { SOCKETS_MAX = 32, LABEL_CHARS_MAX = 63 };

struct watch {
    ares_socket_t fd;
    struct event *event;
};

struct dns {
    struct event_base *base;
    ares_channel       channel;
    int                ready;               /* channel was made */
    struct event      *timer;
    struct watch       watches[SOCKETS_MAX];
};

ares_channel
dns_channel(struct dns *d)
{
    return d->channel;
}

void
dns_asked(struct dns *d)
{
    struct timeval after, *next = ares_timeout(d->channel, NULL, &after);

    if (next == NULL)
        event_del(d->timer);
    else
        event_add(d->timer, next);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dns *d = arg;

    (void)fd;
    (void)what;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_asked(d);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct dns *d = arg;

    ares_process_fd(d->channel, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    dns_asked(d);
}

static void
watch(struct dns *d, ares_socket_t fd, short wanted)
{
    for (struct watch *w = d->watches; w < d->watches + SOCKETS_MAX; w++)
        if (w->event == NULL) {
            w->fd = fd;
            w->event = event_new(d->base, fd, (short)(wanted | EV_PERSIST), on_ready, d);
            if (w->event != NULL) {
                event_priority_set(w->event, 0);        /* as input, or others' input keeps it waiting */
                event_add(w->event, NULL);
            }
            return;
        }
}

/* c-ares tells which of its sockets it waits for. One that finds no room is found out by the query's time limit. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = arg;

    for (struct watch *w = d->watches; w < d->watches + SOCKETS_MAX; w++)
        if (w->event != NULL && w->fd == fd) {
            event_free(w->event);
            w->event = NULL;
        }
    if (readable || writable)
        watch(d, fd, (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0)));
}

bool
dns_is_host_name(const char *name)
{
    size_t len = 0;

    do {
        size_t label = strspn(name + len, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

        len += label;
        if (label == 0 || label > LABEL_CHARS_MAX)
            return false;
    } while (name[len++] == '.');
    return len <= DNS_HOST_BYTES && name[len - 1] == '\0';
}

struct dns *
dns_new(struct event_base *base, const char *servers, enum dns_strictness strictness, unsigned try_ms)
{
    struct dns         *d = calloc(1, sizeof(*d));
    char                lookups[] = "b";    /* DNS alone */
    struct ares_options options = { .flags = ARES_FLAG_NOSEARCH, .tries = DNS_TRIES, .lookups = lookups };
    int                 mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    if (d == NULL)
        return NULL;
    d->base = base;
    d->timer = evtimer_new(base, on_timer, d);
    if (d->timer != NULL)
        event_priority_set(d->timer, 0);
    options.timeout = (int)(try_ms > 0 ? try_ms : DNS_TRY_MS);
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = d;
    if (strictness == DNS_ANY_ANSWER)
        options.flags |= ARES_FLAG_NOCHECKRESP;
    if (servers != NULL)
        mask |= ARES_OPT_LOOKUPS;
    d->ready = ares_init_options(&d->channel, &options, mask) == ARES_SUCCESS;
    if (d->timer == NULL || !d->ready ||
        (servers != NULL && servers[0] != '\0' && ares_set_servers_ports_csv(d->channel, servers) != ARES_SUCCESS)) {
        dns_free(d);
        return NULL;
    }
    return d;
}

void
dns_free(struct dns *d)
{
    if (d == NULL)
        return;
    if (d->ready)
        ares_destroy(d->channel);
    for (struct watch *w = d->watches; w < d->watches + SOCKETS_MAX; w++)
        if (w->event != NULL)
            event_free(w->event);
    if (d->timer != NULL)
        event_free(d->timer);
    free(d);
}
