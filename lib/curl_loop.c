#include "lib/curl_loop.h"

#include "lib/error.h"

#include <stdlib.h>

struct curl_loop {
    struct event_base *base;
    CURLM             *multi;
    struct event      *timer;
};

/* Tells the owners of what has ended. */
static void
reap(struct curl_loop *loop)
{
    CURLMsg *message;
    int      left;

    while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        struct curl_transfer *t = NULL;
        CURLcode              result = message->data.result;    /* message is gone after the removal */

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        if (!t->stays)
            curl_loop_remove(loop, t);
        t->done(t->arg, result);
    }
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *loop = arg;
    int               running, action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

    curl_multi_socket_action(loop->multi, fd, action, &running);
    reap(loop);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *loop = arg;
    int               running;

    (void)fd;
    (void)what;
    curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(loop);
}

/* libcurl wants to know when a socket is ready; its event hangs on the socket in libcurl. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_loop *loop = arg;
    struct event     *event = socket_arg;
    short             wanted = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

    (void)easy;
    if (event != NULL)
        event_free(event);
    event = what == CURL_POLL_REMOVE ? NULL : event_new(loop->base, fd, (short)(wanted | EV_PERSIST), on_socket, loop);
    curl_multi_assign(loop->multi, fd, event);
    return what != CURL_POLL_REMOVE && (event == NULL || event_add(event, NULL) != 0) ? -1 : 0;
}

static int
set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *loop = arg;
    struct timeval    after = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

    (void)multi;
    if (timeout_ms < 0)
        return event_del(loop->timer);
    return event_add(loop->timer, &after);
}

struct curl_loop *
curl_loop_new(struct event_base *base)
{
    struct curl_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->base = base;
    loop->multi = curl_multi_init();
    loop->timer = evtimer_new(base, on_timer, loop);
    if (loop->multi == NULL || loop->timer == NULL) {
        curl_loop_free(loop);
        return NULL;
    }
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    return loop;
}

void
curl_loop_free(struct curl_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->multi != NULL)
        curl_multi_cleanup(loop->multi);
    if (loop->timer != NULL)
        event_free(loop->timer);
    free(loop);
}

int
curl_loop_add(struct curl_loop *loop, struct curl_transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    if (curl_multi_add_handle(loop->multi, t->easy) != CURLM_OK)
        return MT_ENOMEM;
    t->running = true;
    return MT_OK;
}

void
curl_loop_remove(struct curl_loop *loop, struct curl_transfer *t)
{
    if (!t->running)
        return;
    t->running = false;
    curl_multi_remove_handle(loop->multi, t->easy);
}
