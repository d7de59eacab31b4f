/* What the supervisor does to a process that gives no sign of life, without waiting for it: the turns of the watch are called by hand. */
#include "tests/unit/unit.h"

#include "mailtestd/process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct event_base *base;

static int
make_base(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int
free_base(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static int
ignore_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    (void)arg;
    (void)head;
    (void)r;
    (void)fd;
    return MT_OK;
}

static void
ignore_close(void *arg, int rc)
{
    (void)arg;
    (void)rc;
}

static void
ignore_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* A process that sends back each octet that it gets through echo, and a channel to it that nobody reads. */
struct sleeper {
    struct process *process;
    int             channel, echo;
};

static struct sleeper
begin(enum role role)
{
    struct sleeper s = { .process = process_new(NULL, base, role, 3, 1, ignore_event) };
    int            channel[2], echo[2];
    char           c;

    assert_non_null(s.process);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, echo), 0);
    s.process->channel = channel_new(base, channel[0], 4096, ignore_message, ignore_close, s.process);
    s.process->pid = fork();
    if (s.process->pid == 0) {
        close(echo[0]);
        while (read(echo[1], &c, 1) == 1 && write(echo[1], &c, 1) == 1)
            continue;
        _exit(0);
    }
    close(echo[1]);
    s.channel = channel[1];
    s.echo = echo[0];
    return s;
}

/* Who has been sent SIGKILL dies before it could answer: no moment to wait for. */
static bool
is_alive(const struct sleeper *s)
{
    char c = 'x';

    return send(s->echo, &c, 1, MSG_NOSIGNAL) == 1 && recv(s->echo, &c, 1, 0) == 1;
}

static void
watch(struct sleeper *s, unsigned turns)
{
    for (unsigned turn = 0; turn < turns; turn++)
        process_watch(s->process);
}

static void
finish(struct sleeper *s)
{
    kill(s->process->pid, SIGKILL);
    waitpid(s->process->pid, NULL, 0);
    close(s->channel);
    close(s->echo);
    process_ended(s->process);
    assert_int_equal(s->process->pid, 0);
    process_free(s->process);
}

static void
who_answers_is_left_alone(void **state)
{
    struct sleeper s = begin(ROLE_SMTPD);

    (void)state;
    process_set_ready(s.process);
    for (unsigned turn = 0; turn < 1000; turn++) {
        watch(&s, 1);
        s.process->unanswered = 0;
    }
    assert_true(is_alive(&s));
    finish(&s);
}

static void
who_does_not_answer_is_killed(void **state)
{
    static const struct {
        const char *label;
        enum role   role;
        unsigned    turns;      /* one asks, the others wait */
    } cases[] = {
        { "smtpd after a minute",     ROLE_SMTPD, 14 },
        { "store after five minutes", ROLE_STORE, 62 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sleeper s = begin(cases[i].role);
        process_set_ready(s.process);
        watch(&s, cases[i].turns - 1);
        if (!is_alive(&s))
            fail_msg("%s: killed too early", cases[i].label);
        watch(&s, 1);
        if (is_alive(&s))
            fail_msg("%s: still alive", cases[i].label);
        finish(&s);
    }
}

static void
who_never_gets_ready_is_killed_unless_it_is_store(void **state)
{
    struct sleeper s = begin(ROLE_SMTPD);

    (void)state;
    s.process->state = PROCESS_STARTING;
    watch(&s, 24);
    assert_true(is_alive(&s));
    watch(&s, 1);
    assert_false(is_alive(&s));
    finish(&s);

    s = begin(ROLE_STORE);
    s.process->state = PROCESS_STARTING;
    watch(&s, 1000);
    assert_true(is_alive(&s));
    finish(&s);
}

static void
who_closed_its_channel_has_a_moment_to_end(void **state)
{
    struct sleeper s = begin(ROLE_SMTPD);

    (void)state;
    process_set_ready(s.process);
    channel_free(s.process->channel);
    s.process->channel = NULL;
    watch(&s, 2);
    assert_true(is_alive(&s));
    watch(&s, 1);
    assert_false(is_alive(&s));
    finish(&s);
}

static void
pauses_double_up_to_half_a_minute(void **state)
{
    static const uint32_t pauses[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000 };
    struct process       *p = process_new(NULL, base, ROLE_SMTPD, 0, 1, ignore_event);

    (void)state;
    assert_string_equal(p->name, "smtpd/0");
    for (size_t i = 0; i < COUNT(pauses); i++) {
        process_pause(p);
        assert_int_equal(p->pause_ms, pauses[i]);
        assert_int_equal(p->state, PROCESS_PAUSED);
        assert_true(evtimer_pending(p->pause, NULL));
    }
    /* Ready for a moment only: no new beginning. */
    process_set_ready(p);
    process_pause(p);
    assert_int_equal(p->pause_ms, 400);     /* it had come to serve: all wait for it */
    /* For over a minute. */
    process_set_ready(p);
    p->since_ms -= 60001;
    process_pause(p);
    assert_int_equal(p->pause_ms, 100);
    process_free(p);
}

static void
what_is_sent_to_a_closed_channel_is_said(void **state)
{
    struct process *p = process_new(NULL, base, ROLE_STORE, 0, 1, ignore_event);

    (void)state;
    assert_string_equal(p->name, "store");
    assert_int_equal(process_send(p, MSG_PING, 1, slice_make("", 0), -1), MT_ESHUTDOWN);
    process_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_answers_is_left_alone),
        cmocka_unit_test(who_does_not_answer_is_killed),
        cmocka_unit_test(who_never_gets_ready_is_killed_unless_it_is_store),
        cmocka_unit_test(who_closed_its_channel_has_a_moment_to_end),
        cmocka_unit_test(pauses_double_up_to_half_a_minute),
        cmocka_unit_test(what_is_sent_to_a_closed_channel_is_said),
    };
    return cmocka_run_group_tests(tests, make_base, free_base);
}
