/* The turns of connections: who sends much at once does not keep others from being served. */

#include "imapd/imapd.h"

#include "tests/unit/unit.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 2, TAKEN_MAX = 64, LOOPS_MAX = 1000 };

/* What was done, in its order: a letter of the client's for each step, a capital for each piece of a long answer. */
struct service {
    struct config       config;
    struct role_context role;
    struct imapd        imapd;
    int                 clients[CLIENTS];
    char                taken[TAKEN_MAX + 1];
    unsigned            count;
    unsigned            left;               /* pieces of the long answer under way */
};

static struct service *service;

/* Longer than a turn, by the clock that turns go by: so each step and each piece is a turn of its own, however fast the machine is. */
static void
work(void)
{
    struct timespec began, now;

    clock_gettime(CLOCK_MONOTONIC, &began);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000000 + (now.tv_nsec - began.tv_nsec) / 1000 <= CONNECTION_TURN_US);
}

static void
take_note(char c)
{
    assert_true(service->count < TAKEN_MAX);
    service->taken[service->count++] = c;
    work();
}

static int
open_nothing(struct connection *c)
{
    (void)c;
    return 0;
}

static void
ignore(struct connection *c)
{
    (void)c;
}

static void
ignore_limit(struct connection *c, enum deadline_kind kind)
{
    (void)c;
    (void)kind;
}

/* An octet is a command; "+" asks for a long answer, of two pieces. */
static bool
step(struct connection *c, struct slice *in)
{
    if (in->len == 0)
        return false;
    if (in->data[0] == '+') {
        service->left = 2;
        connection_produce(c);
    } else {
        take_note(in->data[0]);
    }
    *in = slice_sub(*in, 1, in->len);
    return true;
}

static bool
produce(struct connection *c)
{
    (void)c;
    take_note('A');
    return --service->left > 0;
}

static const struct protocol protocol = {
    .name = "test", .open = open_nothing, .greet = ignore, .step = step, .produce = produce, .secured = ignore, .expired = ignore_limit,
    .stop = connection_end, .free = ignore,
};

static int
set_up(void **state)
{
    struct service *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    *state = service = s;
    s->config.access.sessions_max = 100;
    s->config.limits.pressed_percent = 80;
    s->role.base = event_base_new();
    event_base_priority_init(s->role.base, 2);
    s->imapd.role = &s->role;
    s->imapd.config = &s->config;
    TAILQ_INIT(&s->imapd.connections);
    assert_int_equal(deadlines_init(&s->imapd.deadlines, s->role.base, connection_expired), 0);
    for (unsigned i = 0; i < DEADLINE_KINDS; i++)
        s->imapd.deadlines.limit_ms[i] = 3600 * 1000;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct accepted accepted = { .client = "unix", .protocol = &protocol };
        int             ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        s->clients[i] = ends[0];
        accepted.fd = ends[1];
        connection_open(&s->imapd, &accepted);
    }
    return 0;
}

static int
tear_down(void **state)
{
    struct service *s = *state;

    while (!TAILQ_EMPTY(&s->imapd.connections))
        connection_free(TAILQ_FIRST(&s->imapd.connections));
    for (unsigned i = 0; i < CLIENTS; i++)
        if (s->clients[i] >= 0)
            close(s->clients[i]);
    deadlines_fini(&s->imapd.deadlines);
    event_base_free(s->role.base);
    free(s);
    return 0;
}

static void
say(unsigned client, const char *text)
{
    assert_int_equal(write(service->clients[client], text, strlen(text)), strlen(text));
}

/* Until so much was done. */
static const char *
run_until(unsigned count)
{
    for (unsigned loops = 0; service->count < count && loops < LOOPS_MAX; loops++)
        assert_int_equal(event_base_loop(service->role.base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
    assert_true(service->count >= count);
    return service->taken;
}

/* When what the second one sent has been taken, no more than two steps of the first one have. */
static void
commands_sent_at_once_take_turns_with_others(void **state)
{
    const char *taken;

    (void)state;
    say(0, "aaaaaaaaaa");
    say(1, "b");
    taken = run_until(11);
    assert_in_range(strcspn(taken, "b"), 0, 2);
    assert_int_equal(strlen(taken), 11);
}

static void
long_answers_asked_for_at_once_take_turns_with_others(void **state)
{
    const char *taken;

    (void)state;
    say(0, "+++++");
    say(1, "b");
    taken = run_until(11);
    assert_in_range(strcspn(taken, "b"), 0, 2);
}

/* Who hangs up behind his commands has had them all done. */
static void
all_commands_are_done_before_the_end_is_seen(void **state)
{
    (void)state;
    say(0, "aaaaa+a");
    assert_int_equal(shutdown(service->clients[0], SHUT_WR), 0);
    assert_string_equal(run_until(8), "aaaaaAAa");
}

/* A stop comes behind what was sent. */
static void
a_stop_waits_for_the_commands_under_way(void **state)
{
    (void)state;
    say(0, "aaaaaaaa");
    run_until(1);
    for (struct connection *c = TAILQ_FIRST(&service->imapd.connections), *next; c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        connection_stop(c);
    }
    assert_string_equal(run_until(8), "aaaaaaaa");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands_sent_at_once_take_turns_with_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_answers_asked_for_at_once_take_turns_with_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_commands_are_done_before_the_end_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_waits_for_the_commands_under_way, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
