/*
 * listen - accepts the clients of this process from the listening sockets that were handed over.
 */
#include "smtpd/smtpd.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Pause where no descriptor or no memory is free: the sessions under way give some back. */
static const struct timeval accept_pause = { .tv_sec = 0, .tv_usec = 200 * 1000 };

/* For store to tell the mailboxes behind a start, which takes it milliseconds; without them a recipient gets a 451. */
static const struct timeval list_pause = { .tv_sec = 5 };

/* For each so many sessions, one more client is accepted in a turn. */
enum { SESSIONS_A_CLIENT = 500 };

struct listening {
    struct smtpd               *smtpd;
    const struct role_listener *listener;
    struct event               *event;
};

static void
turn_away(struct smtpd *smtpd, int fd, enum reply reply)
{
    struct buf out;

    buf_init(&out, 1024);
    reply_append(&out, reply, slice_of(smtpd->config->hostname));
    /* It fits into the socket's empty buffer, or it is lost: nobody waits for this client. */
    if (send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
    buf_fini(&out);
}

static enum reply
reply_to(enum limit limit)
{
    switch (limit) {
    case LIMIT_PER_ADDRESS:
        return REPLY_ADDRESS_BUSY;
    case LIMIT_PER_NETWORK:
        return REPLY_NETWORK_BUSY;
    case LIMIT_RATE_NETWORK:
    case LIMIT_RATE:
        return REPLY_TOO_FAST;
    default:
        return REPLY_BUSY;
    }
}

/* client: the address that counts, in text. own: it is a load balancer's that names nobody, so nothing is held against it. */
static void
admit(struct smtpd *smtpd, int fd, const char *client, bool own, bool lmtp)
{
    struct limit_client c;
    enum limit          limit;

    limits_client(smtpd->clients, client, &c);
    c.trusted = c.trusted || own;
    limit = limits_enter(smtpd->clients, &c);
    if (limit == LIMIT_NONE && smtpd->session_count >= smtpd->config->smtp.sessions_max && !pressure_make_room(smtpd, &c))
        limit = LIMIT_SESSIONS;
    if (limit == LIMIT_NONE) {
        session_open(smtpd, fd, client, &c, lmtp);
        return;
    }
    limits_leave(smtpd->clients, &c);
    limits_reached(smtpd->clients, &c, client, limit);
    turn_away(smtpd, fd, reply_to(limit));
}

static void
on_proxy_header(void *arg, unsigned tag, int fd, const char *client, bool own)
{
    struct smtpd *smtpd = arg;

    if (client != NULL)
        admit(smtpd, fd, client, own, tag == LISTEN_LMTP);
    else
        turn_away(smtpd, fd, REPLY_PROXY_EXPECTED);
}

static bool
is_lack(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void
stop_for(struct smtpd *smtpd, const struct timeval *pause)
{
    for (unsigned i = 0; i < smtpd->role->listener_count; i++)
        if (smtpd->listening[i].event != NULL)
            event_del(smtpd->listening[i].event);
    evtimer_add(smtpd->accept_again, pause);
}

static void
pause_accepting(struct smtpd *smtpd, int err)
{
    log_warning("event=accept-paused reason=\"%s\" sessions=%u", strerror(err), smtpd->session_count);
    stop_for(smtpd, &accept_pause);
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    struct smtpd *smtpd = arg;

    (void)fd;
    (void)what;
    for (unsigned i = 0; smtpd->listening != NULL && i < smtpd->role->listener_count; i++)
        event_add(smtpd->listening[i].event, NULL);
}

/* False: the queue is empty, or nothing can be taken from it now. */
static bool
accept_one(const struct listening *l)
{
    struct smtpd           *smtpd = l->smtpd;
    enum listener           kind = l->listener->kind;
    struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
    socklen_t               len = sizeof(from);
    char                    client[INET6_ADDRSTRLEN];
    int                     accepted = accept4(l->listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (accepted == -1) {
        if (is_lack(errno))
            pause_accepting(smtpd, errno);
        return false;       /* another process took it, or the client has gone already */
    }
    stream_client_text(&from, client, sizeof(client));
    if (!proxies_expect(smtpd->proxies, client))
        admit(smtpd, accepted, client, false, kind == LISTEN_LMTP);
    else if (proxies_wait(smtpd->proxies, accepted, client, kind) == NULL)
        turn_away(smtpd, accepted, REPLY_BUSY);
    return true;
}

/*
 * One client a turn: sessions under way get their turn, too, and nobody asks for the end of a queue that mostly holds one. A turn is as
 * long as the sessions under way are many, and so is what is taken from the queue in it: whoever comes waits no longer for that.
 */
static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
    const struct listening *l = arg;
    unsigned                batch = 1 + l->smtpd->session_count / SESSIONS_A_CLIENT;

    (void)fd;
    (void)what;
    while (accept_one(l) && --batch > 0)
        ;
}

/* Accepted sockets inherit this: a reply must not wait for the acknowledgement of the one before it. */
static void
set_no_delay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));      /* not for Unix sockets, and they need none */
}

/* What store keeps of when this receiver took mail; a pause of milliseconds or some seconds, in which clients wait in the queue, is none. */
static void
tell(struct smtpd *smtpd, const struct role_listener *listener, bool serving)
{
    struct buf *b = smtpd->role->store == NULL ? NULL : channel_begin(smtpd->role->store, MSG_SERVING, 0);

    if (b == NULL)
        return;     /* without the channel store knows that this process takes no mail */
    write_u8(b, (uint8_t)listener->kind);
    write_string(b, listener->address);
    write_u8(b, serving);
    channel_end(smtpd->role->store, -1);
}

void
listen_tell(struct smtpd *smtpd)
{
    for (unsigned i = 0; smtpd->listening != NULL && i < smtpd->role->listener_count; i++)
        tell(smtpd, &smtpd->role->listeners[i], true);
}

static int
make_limits(struct smtpd *smtpd)
{
    const struct config    *config = smtpd->config;
    const struct limit_rules rules = {
        .protocol = "smtp",
        .sessions_per_address = config->smtp.sessions_per_address,
        .sessions_per_network = config->smtp.sessions_per_network,
        .new_per_second = config->smtp.new_per_second,
        .new_per_second_network = config->smtp.new_per_second_network,
        .mails_per_minute_address = config->smtp.mails_per_minute_address,
        .mails_per_minute_mailbox = config->smtp.mails_per_minute_mailbox,
    };

    smtpd->clients = limits_new(config, smtpd->role->shared, smtpd->role->share, &rules);
    smtpd->proxies = proxies_new(smtpd->role->base, config, on_proxy_header, smtpd);
    return smtpd->clients == NULL || smtpd->proxies == NULL ? MT_ENOMEM : MT_OK;
}

int
listen_start(struct smtpd *smtpd)
{
    struct role_context *role = smtpd->role;

    if (make_limits(smtpd) != MT_OK)
        return MT_ENOMEM;
    smtpd->accept_again = evtimer_new(role->base, on_accept_again, smtpd);
    smtpd->listening = calloc(role->listener_count + 1, sizeof(struct listening));
    if (smtpd->accept_again == NULL || smtpd->listening == NULL || event_priority_set(smtpd->accept_again, 0) != 0)
        return MT_ENOMEM;
    for (unsigned i = 0; i < role->listener_count; i++) {
        struct listening *l = &smtpd->listening[i];

        *l = (struct listening){ .smtpd = smtpd, .listener = &role->listeners[i] };
        evutil_make_socket_nonblocking(l->listener->fd);
        set_no_delay(l->listener->fd);
        l->event = event_new(role->base, l->listener->fd, EV_READ | EV_PERSIST, on_accept, l);
        /* In turn with the sessions, so that those who flood keep nobody out. */
        if (l->event == NULL || event_priority_set(l->event, 0) != 0 || event_add(l->event, NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

void
listen_wait(struct smtpd *smtpd)
{
    if (smtpd->listening != NULL)
        stop_for(smtpd, &list_pause);
}

void
listen_go_on(struct smtpd *smtpd)
{
    if (smtpd->accept_again == NULL || !evtimer_pending(smtpd->accept_again, NULL))
        return;
    evtimer_del(smtpd->accept_again);
    on_accept_again(-1, EV_TIMEOUT, smtpd);
}

void
listen_stop(struct smtpd *smtpd)
{
    for (unsigned i = 0; smtpd->listening != NULL && i < smtpd->role->listener_count; i++)
        if (smtpd->listening[i].event != NULL) {
            event_free(smtpd->listening[i].event);
            tell(smtpd, smtpd->listening[i].listener, false);
        }
    if (smtpd->accept_again != NULL)
        event_free(smtpd->accept_again);
    free(smtpd->listening);
    smtpd->listening = NULL;
    smtpd->accept_again = NULL;
    if (smtpd->proxies != NULL)
        proxies_give_up(smtpd->proxies);
}
