#include "imapd/password_check.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

/* The thread calls few functions, none of them deep; a small stack keeps an idle process small. */
enum { STACK_BYTES = 128 * 1024 };

struct password_check {
    TAILQ_ENTRY(password_check) link;
    uint8_t              salt[16];
    uint8_t              hash[32];
    char                *secret;        /* sodium_malloc */
    size_t               len;
    password_checked_fn *checked;       /* NULL: cancelled while it was under way */
    void                *arg;
    bool                 right;
};

TAILQ_HEAD(check_queue, password_check);

struct password_checks {
    struct check_queue     waiting;     /* the loop's alone */
    unsigned               count, max;
    struct event          *done;
    int                    done_fd;     /* eventfd: the thread has an answer */
    pthread_t              thread;
    pthread_mutex_t        lock;        /* of what follows */
    pthread_cond_t         wake;
    struct password_check *current;     /* the thread's until finished is set */
    bool                   finished;
    bool                   ends;
};

static void
check_free(struct password_check *check)
{
    sodium_free(check->secret);         /* wipes it */
    sodium_memzero(check, sizeof(*check));
    free(check);
}

/* ---- The thread ----------------------------------------------------------------------------------------------------------- */

static void *
run(void *arg)
{
    struct password_checks *p = arg;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct password_check *check = p->current;

        if (p->ends)
            break;
        if (check == NULL || p->finished) {
            pthread_cond_wait(&p->wake, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        check->right = secret_matches_chosen(slice_make(check->secret, check->len), check->salt, check->hash);
        sodium_memzero(check->secret, check->len);
        pthread_mutex_lock(&p->lock);
        p->finished = true;
        eventfd_write(p->done_fd, 1);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- The loop ------------------------------------------------------------------------------------------------------------- */

static void
hand_over(struct password_checks *p)
{
    struct password_check *next = TAILQ_FIRST(&p->waiting);

    pthread_mutex_lock(&p->lock);
    if (p->current == NULL && next != NULL) {
        TAILQ_REMOVE(&p->waiting, next, link);
        p->current = next;
        p->finished = false;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
}

static void
on_done(evutil_socket_t fd, short what, void *arg)
{
    struct password_checks *p = arg;
    struct password_check  *check = NULL;
    eventfd_t               count;

    (void)what;
    eventfd_read(fd, &count);
    pthread_mutex_lock(&p->lock);
    if (p->finished) {
        check = p->current;
        p->current = NULL;
        p->finished = false;
    }
    pthread_mutex_unlock(&p->lock);
    if (check == NULL)
        return;
    p->count--;
    hand_over(p);
    if (check->checked != NULL)
        check->checked(check->arg, check->right);
    check_free(check);
}

bool
password_checks_are_full(const struct password_checks *p)
{
    return p->count >= p->max;
}

struct password_check *
password_check_begin(struct password_checks *p, struct slice typed, const struct credentials *credentials, password_checked_fn *checked, void *arg)
{
    struct password_check *check = password_checks_are_full(p) ? NULL : calloc(1, sizeof(*check));

    if (check == NULL)
        return NULL;
    check->len = typed.len < SECRET_CHOSEN_BYTES ? typed.len : SECRET_CHOSEN_BYTES + 1;     /* longer ones are as wrong */
    check->secret = sodium_malloc(check->len + 1);
    if (check->secret == NULL) {
        free(check);
        return NULL;
    }
    memcpy(check->secret, typed.len == 0 ? "" : typed.data, check->len < typed.len ? check->len : typed.len);
    memcpy(check->salt, credentials->salt, sizeof(check->salt));
    memcpy(check->hash, credentials->secret_hash, sizeof(check->hash));
    check->checked = checked;
    check->arg = arg;
    TAILQ_INSERT_TAIL(&p->waiting, check, link);
    p->count++;
    hand_over(p);
    return check;
}

void
password_check_cancel(struct password_checks *p, struct password_check *check)
{
    bool under_way;

    pthread_mutex_lock(&p->lock);
    under_way = p->current == check;
    pthread_mutex_unlock(&p->lock);
    check->checked = NULL;
    if (under_way)
        return;                 /* on_done frees it */
    TAILQ_REMOVE(&p->waiting, check, link);
    p->count--;
    check_free(check);
}

/* ---- Begin and end --------------------------------------------------------------------------------------------------------- */

/* Signals are the loop's. */
static int
start_thread(struct password_checks *p)
{
    pthread_attr_t attributes;
    sigset_t       all, before;
    int            rc;

    if (pthread_attr_init(&attributes) != 0)
        return ENOMEM;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&p->thread, &attributes, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc;
}

static void
release(struct password_checks *p)
{
    if (p->done != NULL)
        event_free(p->done);
    if (p->done_fd >= 0)
        close(p->done_fd);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    free(p);
}

int
password_checks_open(struct event_base *base, unsigned waiting_max, struct password_checks **out)
{
    struct password_checks *p = calloc(1, sizeof(*p));
    int                     err = 0;

    if (p == NULL)
        return MT_ENOMEM;
    TAILQ_INIT(&p->waiting);
    p->max = waiting_max;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->done_fd < 0)
        err = errno;
    else if ((p->done = event_new(base, p->done_fd, EV_READ | EV_PERSIST, on_done, p)) == NULL || event_priority_set(p->done, 0) != 0 ||
             event_add(p->done, NULL) != 0)
        err = ENOMEM;
    else
        err = start_thread(p);
    if (err == 0) {
        *out = p;
        return MT_OK;
    }
    log_error("event=password-checks-failed reason=\"%s\"", strerror(err));
    release(p);
    return err == ENOMEM ? MT_ENOMEM : MT_EIO;
}

void
password_checks_close(struct password_checks *p)
{
    struct password_check *check;

    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    if (p->current != NULL)
        check_free(p->current);
    while ((check = TAILQ_FIRST(&p->waiting)) != NULL) {
        TAILQ_REMOVE(&p->waiting, check, link);
        check_free(check);
    }
    release(p);
}
