#ifndef BENCH_COMMON_LOOP_H
#define BENCH_COMMON_LOOP_H
/*
 * loop - epoll, edge-triggered, and nothing more. The generators share two cores with what they measure, so a connection is
 * registered once, for both directions, and costs no further system call than epoll_wait.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watch;

/*
 * Called when the watched file may be writable, and readable (or ended, or broken) where it says so. It is not told twice: the
 * callback reads until less came than asked for, or EAGAIN. It may close its own and other files; a call for one just closed is
 * possible.
 */
typedef void watch_fn(struct watch *w, bool readable);

/* Part of what owns the file; closing the file ends the watch. */
struct watch {
    int       fd;
    watch_fn *ready;
};

/* Called after each batch of events. Returns when to be called again at the latest, or LOOP_END. */
typedef uint64_t tick_fn(void *arg, uint64_t now_ns);
#define LOOP_END UINT64_MAX

struct loop *loop_new(void);                                /* exits with a message when the kernel refuses */
void         loop_free(struct loop *loop);                  /* NULL is fine */
void         loop_add(struct loop *loop, struct watch *w);
void         loop_run(struct loop *loop, tick_fn *tick, void *arg);

/* Monotonic. */
uint64_t now_ns(void);

#endif
