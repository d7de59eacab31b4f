/*
 * accept - accepts the clients of this process from the listening sockets that were handed over, as many as there is room for. From
 * limits.pressed_percent of access.sessions_max on the time for a login is short; where all places are taken, the client that has not
 * logged in for longest gives way to a new one. Who has logged in keeps his place.
 */
#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/pop3.h"

#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN  = 16,
    AGAIN_MS        = 100,      /* until the next accept behind a lack of descriptors */
    IDLE_MS         = 300,      /* a client that came later keeps its place: a round trip, so that some get through however many come */
    RELIEF          = 10,       /* pressure ends this many percent below where it began */
};

static bool
is_tls(enum listener kind)
{
    return kind == LISTEN_IMAPS || kind == LISTEN_POP3S;
}

static bool
is_pop3(enum listener kind)
{
    return kind == LISTEN_POP3 || kind == LISTEN_POP3S;
}

/* ---- Pressure ------------------------------------------------------------------------------------------------------------ */

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool
is_pressed(const struct imapd *imapd)
{
    uint64_t percent = imapd->config->limits.pressed_percent;
    uint64_t at = imapd->config->access.sessions_max * (imapd->pressed && percent > RELIEF ? percent - RELIEF : percent);

    return (uint64_t)imapd->connection_count * 100 >= at;
}

void
accept_changed(struct imapd *imapd)
{
    const struct config *config = imapd->config;
    bool                 pressed = is_pressed(imapd);
    uint32_t             limit_ms = least(config->access.login_timeout_ms, pressed ? config->access.pressed_timeout_ms : UINT32_MAX);

    if (pressed != imapd->pressed)
        log_warning("event=%s sessions=%u", pressed ? "pressure" : "pressure-over", imapd->connection_count);
    imapd->pressed = pressed;
    if (imapd->deadlines.limit_ms[DEADLINE_LOGIN] == limit_ms)
        return;
    deadlines_change(&imapd->deadlines, DEADLINE_LOGIN, limit_ms);
    deadlines_change(&imapd->deadlines, DEADLINE_TLS, limit_ms / 2);
}

static bool
is_unknown(const void *owner)
{
    const struct connection *c = owner;

    return !limits_knows(c->imapd->clients, &c->limit);
}

static bool
is_not_trusted(const void *owner)
{
    return !((const struct connection *)owner)->limit.trusted;
}

/* Ends a connection for a new one; false: none can be. */
static bool
make_room(struct imapd *imapd, const struct limit_client *newcomer)
{
    const struct deadlines *d = &imapd->deadlines;
    struct connection      *c = deadlines_oldest(d, DEADLINE_CLOSING, 0, NULL);

    if (c == NULL)
        c = deadlines_oldest(d, DEADLINE_LOGIN, IDLE_MS, is_unknown);
    if (c == NULL)
        c = deadlines_oldest(d, DEADLINE_TLS, IDLE_MS, is_unknown);
    if (c == NULL && limits_knows(imapd->clients, newcomer))
        c = deadlines_oldest(d, DEADLINE_LOGIN, IDLE_MS, is_not_trusted);
    if (c == NULL)
        return false;
    limits_reached(imapd->clients, &c->limit, c->client, LIMIT_SHED);
    connection_shed(c, c->protocol == &pop3_protocol ? "-ERR [SYS/TEMP] the place of this session is needed for others: try again later"
                                                     : "* BYE [UNAVAILABLE] the place of this session is needed for others: try again later");
    return true;
}

/* ---- Clients -------------------------------------------------------------------------------------------------------------- */

static const char *
words_for(enum limit limit)
{
    switch (limit) {
    case LIMIT_PER_ADDRESS:
        return "too many sessions from your address";
    case LIMIT_PER_NETWORK:
        return "too many sessions from your network";
    case LIMIT_RATE_NETWORK:
    case LIMIT_RATE:
        return "too many new sessions in a short time";
    default:
        return "too many sessions";
    }
}

/* Where TLS would come first there is nothing to say it in. */
static void
turn_away(int fd, enum listener kind, const char *why)
{
    char line[128];
    int  len = snprintf(line, sizeof(line), is_pop3(kind) ? "-ERR [SYS/TEMP] %s: try again later\r\n" : "* BYE [LIMIT] %s: try again later\r\n",
                        why);

    if (!is_tls(kind) && send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

/* own: the address is a load balancer's that names nobody, so nothing is held against it. */
static void
admit(struct imapd *imapd, struct accepted *a, enum listener kind, bool own)
{
    enum limit limit;

    a->protocol = is_pop3(kind) ? &pop3_protocol : &imap_protocol;
    a->tls = is_tls(kind);
    limits_client(imapd->clients, a->client, &a->limit);
    a->limit.trusted = a->limit.trusted || own;
    limit = limits_enter(imapd->clients, &a->limit);
    if (limit == LIMIT_NONE && imapd->connection_count >= imapd->config->access.sessions_max && !make_room(imapd, &a->limit))
        limit = LIMIT_SESSIONS;
    if (limit == LIMIT_NONE) {
        connection_open(imapd, a);
        return;
    }
    limits_leave(imapd->clients, &a->limit);
    limits_reached(imapd->clients, &a->limit, a->client, limit);
    turn_away(a->fd, kind, words_for(limit));
}

static void
on_proxy_header(void *arg, unsigned tag, int fd, const char *client, bool own)
{
    if (client == NULL)
        turn_away(fd, tag, "a PROXY header is expected from your address");
    else
        admit(arg, &(struct accepted){ .fd = fd, .client = client, .proxied = true }, tag, own);
}

static void
take_client(struct imapd *imapd, int fd, const struct sockaddr_storage *from, enum listener kind)
{
    char client[INET6_ADDRSTRLEN];

    stream_client_text(from, client, sizeof(client));
    if (!proxies_expect(imapd->proxies, client))
        admit(imapd, &(struct accepted){ .fd = fd, .client = client }, kind, false);
    else if (proxies_wait(imapd->proxies, fd, client, kind) == NULL)
        turn_away(fd, kind, "too many sessions");
}

/* ---- Accepting ------------------------------------------------------------------------------------------------------------ */

static void
set_accepting(struct imapd *imapd, bool on)
{
    for (unsigned i = 0; imapd->accepting != NULL && i < imapd->role->listener_count; i++) {
        if (on)
            event_add(imapd->accepting[i], NULL);
        else
            event_del(imapd->accepting[i]);
    }
}

static void
on_connection(evutil_socket_t listener, short what, void *arg)
{
    const struct timeval again = { .tv_usec = AGAIN_MS * 1000 };
    struct imapd        *imapd = arg;
    enum listener        kind = LISTEN_IMAP;

    (void)what;
    for (unsigned i = 0; i < imapd->role->listener_count; i++)
        if (imapd->role->listeners[i].fd == listener)
            kind = imapd->role->listeners[i].kind;
    for (unsigned n = 0; n < ACCEPTS_A_TURN; n++) {
        struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
        socklen_t               len = sizeof(from);
        int                     fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            set_accepting(imapd, false);
            event_add(imapd->accept_again, &again);
        }
        if (fd < 0)
            return;
        take_client(imapd, fd, &from, kind);
    }
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    set_accepting(arg, true);
}

static int
make_limits(struct imapd *imapd)
{
    const struct config     *config = imapd->config;
    const struct limit_rules rules = {
        .protocol = "access",
        .sessions_per_address = config->access.sessions_per_address,
        .sessions_per_network = config->access.sessions_per_network,
        .new_per_second = config->access.new_per_second,
        .new_per_second_network = config->access.new_per_second_network,
    };

    imapd->clients = limits_new(config, imapd->role->shared, imapd->role->share, &rules);
    imapd->proxies = proxies_new(imapd->role->base, config, on_proxy_header, imapd);
    return imapd->clients == NULL || imapd->proxies == NULL ? MT_ENOMEM : MT_OK;
}

int
accept_start(struct imapd *imapd)
{
    const struct role_context *r = imapd->role;

    if (make_limits(imapd) != MT_OK)
        return MT_ENOMEM;
    imapd->accepting = calloc(r->listener_count + 1, sizeof(struct event *));
    imapd->accept_again = evtimer_new(r->base, on_accept_again, imapd);
    if (imapd->accepting == NULL || imapd->accept_again == NULL)
        return MT_ENOMEM;
    for (unsigned i = 0; i < r->listener_count; i++) {
        imapd->accepting[i] = event_new(r->base, r->listeners[i].fd, EV_READ | EV_PERSIST, on_connection, imapd);
        if (imapd->accepting[i] == NULL || event_priority_set(imapd->accepting[i], 0) != 0 || event_add(imapd->accepting[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

void
accept_stop(struct imapd *imapd)
{
    set_accepting(imapd, false);
    event_del(imapd->accept_again);
    proxies_give_up(imapd->proxies);
}

void
accept_free(struct imapd *imapd)
{
    for (unsigned i = 0; imapd->accepting != NULL && i < imapd->role->listener_count; i++)
        if (imapd->accepting[i] != NULL)
            event_free(imapd->accepting[i]);
    free(imapd->accepting);
    if (imapd->accept_again != NULL)
        event_free(imapd->accept_again);
    proxies_free(imapd->proxies);
    limits_free(imapd->clients);
}
