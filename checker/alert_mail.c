/* A way that sends a mail through a relay: the first that takes it, and those that the alert itself is about last. */

#include "checker/alert_way.h"

#include "checker/alert_letter.h"
#include "checker/alert_text.h"
#include "checker/clock.h"
#include "checker/dispatch.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RELAYS_MAX = COUNT(((struct alert_way *)NULL)->relays) };

struct mail {
    const struct alert_attempt *attempt;
    struct buf                  message;
    char                        helo[ROUTE_HOST_BYTES];
    const struct server        *relays[RELAYS_MAX];     /* in the order in which they are tried */
    unsigned                    next;
    struct plan                 plan;
    struct story               *story;
    struct dispatch            *dispatch;
    struct event               *moved_on;               /* the next relay, outside of the last one's call */
    char                        reason[ALERT_REASON_BYTES];
};

bool
alert_is_about(const struct notice *n, const struct server *relay)
{
    char prefix[ROUTE_HOST_BYTES + 32];
    int  len = snprintf(prefix, sizeof(prefix), "server %s:%u", relay->host, relay->port);

    return strncmp(n->cause, prefix, (size_t)len) == 0 && (n->cause[len] == ' ' || n->cause[len] == '\0');
}

static void
order_relays(struct mail *m)
{
    const struct alert_way *way = m->attempt->task.way;
    unsigned                count = 0;

    for (int suspect = 0; suspect <= 1; suspect++)
        for (unsigned i = 0; i < way->relays_count; i++)
            if (alert_is_about(m->attempt->task.notice, &way->relays[i]) == (suspect == 1))
                m->relays[count++] = &way->relays[i];
}

/* ---- One relay after the other ------------------------------------------------------------------------------------ */

static void
give_up(struct mail *m)
{
    m->attempt->done(m->attempt->arg, ALERT_LATER, m->reason);
}

static void
on_changed(void *arg)
{
    struct mail        *m = arg;
    enum dispatch_state state = dispatch_state(m->dispatch);

    if (state == DISPATCH_UNDER_WAY)
        return;
    if (state == DISPATCH_SENT) {
        m->attempt->done(m->attempt->arg, ALERT_TAKEN, "");
        return;
    }
    slice_copy(m->reason, sizeof(m->reason), slice_of(dispatch_fault(m->dispatch)));
    event_active(m->moved_on, EV_TIMEOUT, 0);
}

static bool
try_relay(struct mail *m)
{
    const struct alert_way *way = m->attempt->task.way;
    struct dispatch_task    task;

    dispatch_free(m->dispatch);
    story_free(m->story);
    m->dispatch = NULL;
    m->story = story_new();
    if (m->story == NULL)
        return false;
    slice_copy(m->story->from, sizeof(m->story->from), slice_of(way->from));
    m->plan = (struct plan){
        .send = SEND_HOST, .server = *m->relays[m->next++], .receive = RECEIVE_NONE, .to = m->attempt->task.recipient, .from = way->from,
        .helo = m->helo, .window_ms = way->timeout_ms, .timeout_ms = way->timeout_ms,
    };
    task = (struct dispatch_task){
        .base = m->attempt->tools->base, .resolver = m->attempt->tools->resolver, .credentials = m->attempt->tools->credentials,
        .plan = &m->plan, .message = buf_slice(&m->message), .start_us = monotonic_us(), .end_us = (uint64_t)way->timeout_ms * 1000,
    };
    m->dispatch = dispatch_start(&task, m->story, on_changed, m);
    return m->dispatch != NULL;
}

static void
on_moved_on(evutil_socket_t fd, short what, void *arg)
{
    struct mail *m = arg;

    (void)fd, (void)what;
    if (m->next == m->attempt->task.way->relays_count) {
        give_up(m);
    } else if (!try_relay(m)) {
        slice_copy(m->reason, sizeof(m->reason), slice_of(mt_strerror(MT_ENOMEM)));
        give_up(m);
    }
}

/* ---- Beginning and end -------------------------------------------------------------------------------------------- */

static bool
begin(struct mail *m)
{
    const struct alert_task *task = &m->attempt->task;
    const struct alert_way  *way = task->way;

    if (gethostname(m->helo, sizeof(m->helo) - 1) != 0 || m->helo[0] == '\0')
        slice_copy(m->helo, sizeof(m->helo), slice_of("localhost"));
    alert_letter_write(&m->message, &(struct alert_letter){
        .from = way->from, .to = task->recipient, .subject = way->subject != NULL ? way->subject : alert_subject_template,
        .text = way->text != NULL ? way->text : task->notice->kind == NOTICE_TEST ? alert_test_template : alert_body_template, .notice = task->notice, .now_unix = wall_us() / 1000000,
    });
    order_relays(m);
    m->moved_on = event_new(m->attempt->tools->base, -1, 0, on_moved_on, m);
    return m->message.fault == MT_OK && m->moved_on != NULL && try_relay(m);
}

void *
alert_mail_begin(const struct alert_attempt *attempt)
{
    struct mail *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->attempt = attempt;
    buf_init(&m->message, ALERT_LETTER_MAX_BYTES);
    if (!begin(m)) {
        alert_mail_end(m);
        return NULL;
    }
    return m;
}

void
alert_mail_end(void *object)
{
    struct mail *m = object;

    dispatch_free(m->dispatch);
    story_free(m->story);
    if (m->moved_on != NULL)
        event_free(m->moved_on);
    buf_fini(&m->message);
    free(m);
}
