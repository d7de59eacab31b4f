/* loop - see loop.h. */

#include "bench/common/loop.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000, BATCH = 256 };

struct loop {
    int                epoll;
    struct epoll_event events[BATCH];
};

uint64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

struct loop *
loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL || (loop->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        err(1, "epoll");
    return loop;
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll);
    free(loop);
}

void
loop_add(struct loop *loop, struct watch *w)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = w };

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, w->fd, &ev) < 0)
        err(1, "epoll_ctl");
}

void
loop_run(struct loop *loop, tick_fn *tick, void *arg)
{
    uint64_t now, next;

    while ((next = tick(arg, now = now_ns())) != LOOP_END) {
        uint64_t        wait = next > now ? next - now : 0;
        struct timespec ts = { .tv_sec = (time_t)(wait / NS_PER_S), .tv_nsec = (long)(wait % NS_PER_S) };
        int             n = epoll_pwait2(loop->epoll, loop->events, BATCH, &ts, NULL);

        if (n < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < n; i++) {
            struct watch *w = loop->events[i].data.ptr;

            w->ready(w, (loop->events[i].events & ~(uint32_t)EPOLLOUT) != 0);
        }
    }
}
