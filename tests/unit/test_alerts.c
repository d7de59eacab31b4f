#include "tests/unit/unit.h"

#include "checker/alert_way.h"
#include "checker/alerts.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };

/* A queue in a folder of its own, with ways that run programs; what they were told lies in the file "told". */
struct queue {
    char               dir[64], script[160];
    struct alert_way   ways[3];
    struct checks      checks;
    struct alert_tools tools;
    struct state_file *state;
    struct alerts     *alerts;
};

static void
set_way(struct queue *q, unsigned i, const char *name, const char *script)
{
    q->ways[i] = (struct alert_way){ .name = name, .kind = ALERT_COMMAND, .command = { "/bin/sh", "-c", script, q->dir, NULL },
                                     .timeout_ms = PATIENCE_S * 1000, .give_up_ms = 86400000 };
}

static void
queue_open(struct queue *q)
{
    assert_int_equal(state_file_open(q->tools.base, q->dir, &q->state), MT_OK);
    assert_int_equal(alerts_open(&q->tools, q->state, &q->checks, &q->alerts), MT_OK);
}

static void
queue_close(struct queue *q)
{
    alerts_close(q->alerts);
    state_file_close(q->state);
}

static int
set_up(void **state)
{
    struct queue *q = calloc(1, sizeof(*q));

    assert_non_null(q);
    snprintf(q->dir, sizeof(q->dir), "/tmp/mailtest-alerts-XXXXXX");
    assert_non_null(mkdtemp(q->dir));
    q->tools.base = event_base_new();
    q->tools.credentials = credentials_new(q->tools.base);
    set_way(q, 0, "good", "cat >> \"$0/told\"; echo \" $MAILTEST_KIND\" >> \"$0/told\"");
    set_way(q, 1, "bad", "echo \"no way\" >&2; exit 3");
    set_way(q, 2, "late", "test -e \"$0/open\" && cat >> \"$0/told\"");
    q->checks = (struct checks){ .ways = q->ways, .ways_count = COUNT(q->ways) };
    queue_open(q);
    *state = q;
    return 0;
}

static int
tear_down(void **state)
{
    struct queue *q = *state;
    char          command[128];

    queue_close(q);
    credentials_free(q->tools.credentials);
    event_base_free(q->tools.base);
    snprintf(command, sizeof(command), "rm -r %s", q->dir);
    assert_int_equal(system(command), 0);
    free(q);
    return 0;
}

static void
put(struct queue *q, uint64_t id, uint64_t incident, enum notice_kind kind, unsigned way)
{
    struct notice_check check = { .name = "acme", .state = STATE_CRITICAL, .since_us = 1, .verdict = "v", .step = "s", .host = "h", .reply = "r",
                                  .reason = "why" };
    struct notice       n = { .kind = kind, .incident = incident, .id = id, .cause = "c", .state = STATE_CRITICAL, .now_us = 2, .since_us = 1,
                              .checks = &check, .checks_told = 1, .checks_count = 1 };

    assert_int_equal(alerts_put(q->alerts, &n, &way, 1), MT_OK);
}

static struct alerts_stats
stats(const struct queue *q)
{
    struct alerts_stats s;

    alerts_stats(q->alerts, &s);
    return s;
}

/* Runs the loop until so many attempts have ended, one way or the other. */
static void
run_until(struct queue *q, uint64_t attempts)
{
    struct alerts_stats s = stats(q);

    alarm(PATIENCE_S);      /* a test that hangs ends */
    while (s.taken_total + s.failures_total < attempts) {
        event_base_loop(q->tools.base, EVLOOP_ONCE);
        s = stats(q);
    }
    alarm(0);
}

static const char *
told(const struct queue *q)
{
    static char text[16384];
    char        name[96];
    FILE       *file;
    size_t      len = 0;

    snprintf(name, sizeof(name), "%s/told", q->dir);
    file = fopen(name, "r");
    if (file != NULL) {
        len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
    }
    text[len] = '\0';
    return text;
}

static void
touch(const struct queue *q, const char *file)
{
    char  name[96];
    FILE *f;

    snprintf(name, sizeof(name), "%s/%s", q->dir, file);
    f = fopen(name, "w");
    assert_non_null(f);
    fclose(f);
}

static void
what_a_way_took_is_gone(void **state)
{
    struct queue *q = *state;

    put(q, 1, 5, NOTICE_PROBLEM, 0);
    assert_int_equal(stats(q).waiting, 1);
    run_until(q, 1);
    assert_int_equal(stats(q).taken_total, 1);
    assert_int_equal(stats(q).waiting, 0);
    assert_non_null(strstr(told(q), "\"first_line\":\"CRITICAL acme: failed at s since"));
    assert_non_null(strstr(told(q), "} problem\n"));
    queue_close(q);
    queue_open(q);
    assert_int_equal(stats(q).waiting, 0);
}

static void
notices_of_one_incident_come_in_their_order(void **state)
{
    struct queue *q = *state;
    const char   *text;

    put(q, 1, 5, NOTICE_PROBLEM, 0);
    put(q, 2, 5, NOTICE_REMINDER, 0);
    put(q, 3, 5, NOTICE_RECOVERY, 0);
    assert_int_equal(stats(q).under_way, 1);
    run_until(q, 3);
    text = told(q);
    assert_non_null(strstr(text, " problem\n"));
    assert_true(strstr(text, " problem\n") < strstr(text, " reminder\n"));
    assert_true(strstr(text, " reminder\n") < strstr(text, " recovery\n"));
}

static void
what_fails_waits_and_does_not_hold_up_another_incident(void **state)
{
    struct queue *q = *state;

    put(q, 1, 5, NOTICE_PROBLEM, 1);
    put(q, 2, 5, NOTICE_RECOVERY, 1);
    put(q, 3, 6, NOTICE_PROBLEM, 1);
    run_until(q, 2);        /* the first ones of both incidents; the recovery waits behind its problem */
    assert_int_equal(stats(q).failures_total, 2);
    assert_int_equal(stats(q).waiting, 3);
    assert_int_equal(stats(q).dead, 0);
}

static void
a_restart_takes_up_what_waited(void **state)
{
    struct queue *q = *state;

    put(q, 1, 5, NOTICE_PROBLEM, 2);
    run_until(q, 1);
    assert_int_equal(stats(q).failures_total, 1);
    queue_close(q);
    touch(q, "open");
    queue_open(q);
    assert_int_equal(stats(q).waiting, 1);
    run_until(q, 1);
    assert_int_equal(stats(q).taken_total, 1);
    assert_int_equal(stats(q).waiting, 0);
    assert_non_null(strstr(told(q), "\"id\":1,\"incident\":5,\"kind\":\"problem\""));
}

static void
what_nobody_takes_in_time_is_dead_and_stays_to_be_seen(void **state)
{
    struct queue *q = *state;

    q->ways[1].give_up_ms = 0;
    put(q, 1, 5, NOTICE_PROBLEM, 1);
    run_until(q, 1);
    assert_int_equal(stats(q).waiting, 0);
    assert_int_equal(stats(q).dead, 1);
    queue_close(q);
    queue_open(q);
    assert_int_equal(stats(q).dead, 1);
    assert_int_equal(stats(q).waiting, 0);
}

static void
a_way_that_left_the_configuration_makes_its_notices_dead(void **state)
{
    struct queue *q = *state;
    struct checks fewer = { .ways = q->ways, .ways_count = 1 };

    put(q, 1, 5, NOTICE_PROBLEM, 1);
    alerts_configure(q->alerts, &fewer);
    event_base_loop(q->tools.base, EVLOOP_ONCE);
    assert_int_equal(stats(q).dead, 1);
    assert_int_equal(stats(q).waiting, 0);
    q->checks = fewer;
}

static void
a_queue_that_is_full_says_so(void **state)
{
    struct queue *q = *state;
    unsigned      way = 1;
    struct notice n = { .kind = NOTICE_TEST, .cause = "", .state = STATE_OK };

    for (unsigned i = 0; i < ALERTS_WAITING_MAX; i++) {
        n.id = n.incident = i;
        assert_int_equal(alerts_put(q->alerts, &n, &way, 1), MT_OK);
    }
    assert_int_equal(alerts_put(q->alerts, &n, &way, 1), MT_EFULL);
    assert_int_equal(stats(q).waiting, ALERTS_WAITING_MAX);
    assert_true(stats(q).under_way <= ALERTS_UNDER_WAY_WAY);
}

static void
a_relay_is_known_as_the_cause(void **state)
{
    static const struct {
        const char *cause;
        bool        about;
    } cases[] = {
        { "server relay.test:587 connect", true }, { "server relay.test:587", true },  { "server relay.test:5870 connect", false },
        { "server relay.test:25 connect", false }, { "server xrelay.test:587", false }, { "service", false }, { "", false },
    };
    const struct server relay = { .host = "relay.test", .port = 587 };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(alert_is_about(&(struct notice){ .cause = cases[i].cause }, &relay), cases[i].about);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relay_is_known_as_the_cause),
        cmocka_unit_test_setup_teardown(what_a_way_took_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notices_of_one_incident_come_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_waits_and_does_not_hold_up_another_incident, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_takes_up_what_waited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_takes_in_time_is_dead_and_stays_to_be_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_way_that_left_the_configuration_makes_its_notices_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_queue_that_is_full_says_so, set_up, tear_down),
    };

    signal(SIGPIPE, SIG_IGN);       /* a program may end without reading what it is told */
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
