#include "store/peer.h"

#include "lib/error.h"
#include "lib/log.h"
#include "store/posting.h"
#include "store/request.h"
#include "store/room.h"
#include "store/uptime.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What may wait to be sent: to a role, changes that it is slow to read; to mailtestctl, rows, which come as it reads them. */
enum { ROLE_OUT_BYTES = 16 * 1024 * 1024, CONTROL_OUT_BYTES = 2 * 1024 * 1024 };

struct stream {
    peer_stream_fn *step;
    void           *state;
    uint64_t        req;
};

struct peer {
    struct peers   *all;
    struct peer    *next;
    enum role       role;
    unsigned        index;
    struct channel *channel;        /* NULL: over */
    unsigned        holders;        /* the list while the channel lives, queued changes, a running backup */
    bool            subscribed;
    bool            telling;        /* smtpd: not all mailboxes were told yet */
    uint32_t        told_id;        /* of the last one that was */
    struct stream   stream;
};

struct peers {
    struct store  *store;
    struct peer   *first;
    struct event **listeners;
    unsigned       listener_count;
    unsigned       control_count;
    bool           draining;
    bool           closing;     /* nothing is begun any more */
    void         (*on_gone)(void *arg);
    void          *on_gone_arg;
};

static int  on_message(void *arg, const struct msg_head *head, struct reader *r, int *fd);
static void on_closed(void *arg, int rc);
static void on_room(void *arg);

struct peers *
peers_new(struct store *s)
{
    struct peers *ps = calloc(1, sizeof(*ps));

    if (ps != NULL)
        ps->store = s;
    return ps;
}

struct store *
peer_store(const struct peer *p)
{
    return p->all->store;
}

enum role
peer_role(const struct peer *p)
{
    return p->role;
}

struct channel *
peer_channel(const struct peer *p)
{
    return p->channel;
}

void
peer_hold(struct peer *p)
{
    p->holders++;
}

void
peer_release(struct peer *p)
{
    assert(p->holders > 0);
    if (--p->holders == 0)
        free(p);
}

void
peer_subscribe(struct peer *p)
{
    p->subscribed = true;
}

static void
tell_when_gone(struct peers *ps)
{
    if (ps->draining && ps->first == NULL && ps->on_gone != NULL)
        ps->on_gone(ps->on_gone_arg);
}

/* Ends the channel; the peer itself goes when nobody holds it any more. */
static void
end(struct peer *p)
{
    struct peer **at = &p->all->first;

    if (p->channel == NULL)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (p->role == ROLE_CTL)
        p->all->control_count--;
    channel_free(p->channel);
    p->channel = NULL;
    free(p->stream.state);
    p->stream = (struct stream){ 0 };
    uptime_peer_gone(p->all->store->uptime, p);
    posting_peer_gone(p->all->store->posting, p);
    tell_when_gone(p->all);
    peer_release(p);
}

void
peers_free(struct peers *ps)
{
    if (ps == NULL)
        return;
    ps->on_gone = NULL;
    for (struct peer *p = ps->first, *next; p != NULL; p = next) {
        next = p->next;
        end(p);
    }
    for (unsigned i = 0; i < ps->listener_count; i++)
        event_free(ps->listeners[i]);
    free(ps->listeners);
    free(ps);
}

static void
on_closed(void *arg, int rc)
{
    struct peer *p = arg;

    if (rc != MT_OK)
        log_warning("event=channel-lost role=%s index=%u reason=\"%s\"", role_name(p->role), p->index, mt_strerror(rc));
    end(p);
}

/* ---- Telling ---- */

/*
 * A peer that does not read until this much waits for it has stopped working: without this message it would be wrong for
 * ever, so it loses its channel, and the supervisor gives it another one with its restart.
 */
static void
push(struct peer *p, int rc)
{
    if (rc == MT_OK)
        return;
    log_warning("event=channel-cut role=%s index=%u reason=\"it does not read what it is told: %s\"", role_name(p->role), p->index, mt_strerror(rc));
    end(p);
}

static int
send_change(struct peer *p, const struct change *change)
{
    struct buf *b = channel_begin(p->channel, MSG_CHANGED, 0);

    if (b == NULL)
        return MT_EFULL;
    change_write(b, change);
    return channel_end(p->channel, -1);
}

/* What imapd has to know whether it looks at a folder or not. */
static bool
ends_sessions(const struct change *change)
{
    return change->kind == CHANGE_MAILBOX || change->kind == CHANGE_AGENT;
}

static void
tell_changes_to(struct peers *ps, enum role role, const struct change *changes, size_t count)
{
    for (struct peer *p = ps->first, *next; p != NULL; p = next) {
        int rc = MT_OK;

        next = p->next;
        if (p->role != role || (role == ROLE_CTL && !p->subscribed))
            continue;
        for (size_t i = 0; i < count && rc == MT_OK; i++)
            if (role == ROLE_LOOKUP || p->subscribed || ends_sessions(&changes[i]))
                rc = send_change(p, &changes[i]);
        push(p, rc);
    }
}

void
peers_tell_changes(struct peers *ps, const struct change *changes, size_t count)
{
    if (ps == NULL || count == 0)
        return;
    tell_changes_to(ps, ROLE_LOOKUP, changes, count);
    tell_changes_to(ps, ROLE_IMAPD, changes, count);
    tell_changes_to(ps, ROLE_CTL, changes, count);
}

static int
send_mailbox(struct peer *p, const struct mailbox_state *state)
{
    struct buf *b = channel_begin(p->channel, MSG_MAILBOX, 0);

    if (b == NULL)
        return MT_EFULL;
    mailbox_state_write(b, state);
    return channel_end(p->channel, -1);
}

static int
send_full(struct peer *p, bool full)
{
    struct buf *b = channel_begin(p->channel, MSG_FULL, 0);

    if (b == NULL)
        return MT_EFULL;
    write_u8(b, full);
    return channel_end(p->channel, -1);
}

static int
send_mailbox_gone(struct peer *p, const char *name)
{
    struct buf *b = channel_begin(p->channel, MSG_MAILBOX_GONE, 0);

    if (b == NULL)
        return MT_EFULL;
    write_string(b, name);
    return channel_end(p->channel, -1);
}

static struct peer *
next_smtpd(struct peer *p)
{
    while (p != NULL && p->role != ROLE_SMTPD)
        p = p->next;
    return p;
}

/* The smtpds, one after the other; the list may lose the one that is told. */
#define FOR_EACH_SMTPD(ps, p) \
    for (struct peer *p = next_smtpd((ps) == NULL ? NULL : (ps)->first), *next_; p != NULL && ((next_ = next_smtpd(p->next)), true); p = next_)

void
peers_tell_mailbox(struct peers *ps, const struct mailbox_state *state)
{
    FOR_EACH_SMTPD(ps, p)
        push(p, send_mailbox(p, state));
}

void
peers_tell_mailbox_gone(struct peers *ps, const char *name)
{
    FOR_EACH_SMTPD(ps, p)
        push(p, send_mailbox_gone(p, name));
}

void
peers_tell_full(struct peers *ps, bool full)
{
    FOR_EACH_SMTPD(ps, p)
        push(p, send_full(p, full));
}

/*
 * All that smtpd has to know before it can say 550 to anybody, as fast as it reads. What changes meanwhile is told as
 * always: to hear of a mailbox twice does no harm.
 */
static int
tell_more_mailboxes(struct peer *p)
{
    struct store           *s = p->all->store;
    struct catalog_mailbox *m;
    int                     rc = MT_OK;

    while (rc == MT_OK && (m = catalog_next(s->catalog, p->told_id)) != NULL) {
        struct mailbox_state state;

        catalog_state(m, s->config->quota.mailbox_bytes, &state);
        rc = send_mailbox(p, &state);
        if (rc == MT_OK)
            p->told_id = m->id;
    }
    if (rc == MT_OK)
        rc = channel_send(p->channel, MSG_MAILBOXES_SENT, 0, slice_make("", 0), -1);
    p->telling = rc == MT_EFULL;
    return rc == MT_EFULL ? MT_OK : rc;
}

static int
greet_smtpd(struct peer *p)
{
    int rc = room_is_full(p->all->store->room) ? send_full(p, true) : MT_OK;

    return rc == MT_OK ? tell_more_mailboxes(p) : rc;
}

unsigned
peers_count(const struct peers *ps, enum role role)
{
    unsigned count = 0;

    for (const struct peer *p = ps == NULL ? NULL : ps->first; p != NULL; p = p->next)
        count += p->role == role;
    return count;
}

/* ---- Being asked ---- */

void
peer_answer(struct peer *p, uint64_t req, int rc)
{
    if (p->channel != NULL)
        push(p, channel_answer(p->channel, req, rc));
}

struct buf *
peer_answer_begin(struct peer *p, uint64_t req)
{
    struct buf *b = p->channel == NULL ? NULL : channel_answer_begin(p->channel, req);

    if (b == NULL && p->channel != NULL)
        push(p, MT_EFULL);
    return b;
}

void
peer_answer_end(struct peer *p, uint64_t req)
{
    int rc = channel_end(p->channel, -1);

    if (rc == MT_ESIZE)
        peer_answer(p, req, rc);
    else
        push(p, rc);
}

static int
on_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct peer          *p = arg;
    struct store         *s = p->all->store;
    const struct request *request = request_find(head->type, p->role);
    bool                  tells = request != NULL && (request->from & REQUEST_TELLS) != 0;
    int                   rc;

    if (request == NULL || (head->req == 0) != tells) {
        log_error("event=request-refused role=%s index=%u type=%s", role_name(p->role), p->index, msg_name(head->type));
        return MT_EPROTO;
    }
    if (p->all->closing) {
        if (!tells)
            peer_answer(p, head->req, MT_ESHUTDOWN);
        return MT_OK;
    }
    peer_hold(p);
    rc = request->run(p, head->req, r, fd);
    if (rc != MT_OK)
        log_error("event=request-broken role=%s index=%u type=%s reason=\"%s\"", role_name(p->role), p->index, msg_name(head->type),
                  mt_strerror(rc));
    /* With this much waiting, what else can be read waits in the sockets. */
    if (batch_is_full(s->batch))
        batch_commit(s->batch);
    peer_release(p);
    return rc;
}

static void
run_stream(struct peer *p)
{
    struct stream st = p->stream;
    int           rc;

    if (st.step == NULL)
        return;
    peer_hold(p);
    rc = st.step(p, st.req, st.state);
    if (rc != MT_EAGAIN && p->channel != NULL) {
        free(st.state);
        p->stream = (struct stream){ 0 };
        peer_answer(p, st.req, rc);
    }
    peer_release(p);
}

static void
on_room(void *arg)
{
    struct peer *p = arg;

    if (p->telling)
        push(p, tell_more_mailboxes(p));
    else
        run_stream(p);
}

int
peer_stream(struct peer *p, uint64_t req, peer_stream_fn *step, void *state)
{
    if (p->stream.step != NULL)
        return MT_EBUSY;
    p->stream = (struct stream){ .step = step, .state = state, .req = req };
    run_stream(p);
    return MT_OK;
}

/* ---- Coming ---- */

static struct peer *
find(const struct peers *ps, enum role role, unsigned index)
{
    for (struct peer *p = ps->first; p != NULL; p = p->next)
        if (p->role == role && p->index == index)
            return p;
    return NULL;
}

int
peers_add(struct peers *ps, enum role role, unsigned index, int fd)
{
    struct peer *p = role == ROLE_CTL ? NULL : find(ps, role, index);

    if (role != ROLE_SMTPD && role != ROLE_IMAPD && role != ROLE_LOOKUP && role != ROLE_WEBHOOK && role != ROLE_CTL)
        return MT_EINVALID;
    if (p != NULL)
        end(p);
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return MT_ENOMEM;
    *p = (struct peer){ .all = ps, .role = role, .index = index, .holders = 1 };
    p->channel = channel_new(ps->store->base, fd, role == ROLE_CTL ? CONTROL_OUT_BYTES : ROLE_OUT_BYTES, on_message, on_closed, p);
    if (p->channel == NULL) {
        free(p);
        return MT_ENOMEM;
    }
    channel_on_room(p->channel, on_room);
    p->next = ps->first;
    ps->first = p;
    if (role == ROLE_CTL)
        ps->control_count++;
    if (role == ROLE_SMTPD)
        push(p, greet_smtpd(p));
    return MT_OK;
}

/* The socket's mode keeps others out; this holds also where somebody has changed it. */
static bool
may_control(int fd)
{
    struct ucred who;
    socklen_t    len = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return false;
    if (who.uid == 0 || who.uid == geteuid())
        return true;
    log_warning("event=control-refused uid=%u reason=\"only root and the service's user may use it\"", (unsigned)who.uid);
    return false;
}

static void
on_control(evutil_socket_t listener, short what, void *arg)
{
    struct peers *ps = arg;
    int           fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (fd == -1)
        return;
    if (ps->control_count >= PEER_CONTROL_MAX || !may_control(fd) || peers_add(ps, ROLE_CTL, 0, fd) != MT_OK)
        close(fd);
}

int
peers_listen(struct peers *ps, int fd)
{
    struct event **more = reallocarray(ps->listeners, ps->listener_count + 1, sizeof(struct event *));
    struct event  *e;

    if (more == NULL)
        return MT_ENOMEM;
    ps->listeners = more;
    if (evutil_make_socket_nonblocking(fd) != 0)
        return MT_EIO;
    e = event_new(ps->store->base, fd, EV_READ | EV_PERSIST, on_control, ps);
    if (e == NULL || event_priority_set(e, 0) != 0 || event_add(e, NULL) != 0) {
        if (e != NULL)
            event_free(e);
        return MT_ENOMEM;
    }
    ps->listeners[ps->listener_count++] = e;
    return MT_OK;
}

void
peers_close(struct peers *ps)
{
    if (ps != NULL)
        ps->closing = true;
}

void
peers_drain(struct peers *ps, void (*on_gone)(void *arg), void *arg)
{
    for (unsigned i = 0; i < ps->listener_count; i++)
        event_del(ps->listeners[i]);
    ps->draining = true;
    ps->on_gone = on_gone;
    ps->on_gone_arg = arg;
    for (struct peer *p = ps->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->role == ROLE_CTL)
            end(p);
    }
    tell_when_gone(ps);
}
