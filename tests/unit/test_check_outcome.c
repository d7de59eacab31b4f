#include "tests/unit/stories.h"

#include "checker/conclusion.h"
#include "checker/outcome_json.h"
#include "checker/outcome_story.h"

/* A story that has not come to its end, as it would be without a step that failed. */
static struct story *
open_story(bool sent)
{
    struct story *s = sent ? arrived_story() : refused_story();

    s->verdict = TRIP_RUNNING;
    s->arrived = sent;
    s->reason[0] = '\0';
    return s;
}

static void
conclude_sent_refused(struct story *s, const struct plan *p)
{
    (void)p;
    conclude_not_sent(s, &(struct conclusion_sending){ .fault = "DATA to mx1 refused", .now_us = 9000 });
}

static void
conclude_two_copies(struct story *s, const struct plan *p)
{
    s->copies = 2;
    conclude_arrived(s, p);
}

static void
conclude_two_copies_of_ours(struct story *s, const struct plan *p)
{
    s->copies = 2;
    s->doubled_here = true;
    conclude_arrived(s, p);
}

static void
conclude_junk(struct story *s, const struct plan *p)
{
    s->junk = true;
    snprintf(s->folder, sizeof(s->folder), "Junk");
    conclude_arrived(s, p);
}

static void
conclude_slow(struct story *s, const struct plan *p)
{
    s->arrived_us = s->arrived_after_us = 100000000;
    conclude_arrived(s, p);
}

static void
conclude_late(struct story *s, const struct plan *p)
{
    s->arrived_us = s->arrived_after_us = 700000000;
    conclude_arrived(s, p);
}

static void
conclude_lost(struct story *s, const struct plan *p)
{
    s->arrived = false;
    conclude_window_ended(s, p, &(struct conclusion_sending){ .fault = "" }, "");
}

static void
conclude_autoreply(struct story *s, const struct plan *p)
{
    s->autoreply = true;
    conclude_lost(s, p);
}

static void
conclude_receiver_down(struct story *s, const struct plan *p)
{
    json_object_set_new(s->answer, "verdict", json_string("not-arrived-receiver-down"));
    json_object_set_new(s->answer, "receiver_down_ms", json_integer(60000));
    conclude_lost(s, p);
}

static void
conclude_service_gone(struct story *s, const struct plan *p)
{
    s->arrived = false;
    conclude_window_ended(s, p, &(struct conclusion_sending){ .fault = "" }, "connection refused");
}

static void
conclude_bounce(struct story *s, const struct plan *p)
{
    s->arrived = false;
    json_object_set_new(s->answer, "report", json_pack("{s:s, s:s, s:s}", "status", "5.7.520", "diagnostic", "550 no \x1b[31mforward", "host", "mx1.customer.test"));
    conclude_bounced(s, p);
}

static void
conclude_account(struct story *s, const struct plan *p)
{
    s->arrived = false;
    snprintf(s->fetch_step, sizeof(s->fetch_step), "login");
    snprintf(s->fetch_host, sizeof(s->fetch_host), "imap.customer.test[192.0.2.7]:993");
    snprintf(s->fetch_reason, sizeof(s->fetch_reason), "NO wrong password");
    conclude_not_fetched(s, p);
}

static void
conclude_no_secret(struct story *s, const struct plan *p)
{
    s->fetch_own = true;
    conclude_account(s, p);
}

static void
conclude_resolver(struct story *s, const struct plan *p)
{
    (void)p;
    conclude_own_trouble(s, OWN_RESOLVER, "no name server can be reached");
}

static const struct {
    const char  *label;
    bool         sent;
    void       (*conclude)(struct story *s, const struct plan *p);
    const char  *verdict;
    enum state   state;
    const char  *cause, *step, *host;
    unsigned     code;
    const char  *reason;        /* begins so */
} cases[] = {
    { "in time",       true,  conclude_arrived,        "arrived",     STATE_OK,       "",                                "",        "", 0, "arrived after 1.834 s" },
    { "slow",          true,  conclude_slow,           "arrived",     STATE_WARNING,  "delay customer.test",             "arrival", "", 0, "arrived after 99.998 s (warning: 95)" },
    { "late",          true,  conclude_late,           "late",        STATE_CRITICAL, "delay customer.test",             "arrival", "", 0, "arrived after 699.998 s, too late for the window of 600 s" },
    { "junk",          true,  conclude_junk,           "junk",        STATE_WARNING,  "junk customer.test",              "arrival", "", 0, "arrived after 1.834 s, but in the folder for junk, Junk" },
    { "two copies",    true,  conclude_two_copies,     "arrived",     STATE_WARNING,  "copies customer.test",            "arrival", "", 0, "arrived after 1.834 s; it came 2 times" },
    { "sent twice",    true,  conclude_two_copies_of_ours, "arrived", STATE_OK,       "",                                "",        "", 0, "arrived after 1.834 s; it came 2 times, but may have been sent twice" },
    { "refused",       false, conclude_sent_refused,   "not-sent",    STATE_CRITICAL, "server mx1.customer.test:25 data", "data",   "mx1.customer.test[192.0.2.1]:25", 550, "DATA to mx1 refused" },
    { "lost",          true,  conclude_lost,           "not-arrived", STATE_CRITICAL, "arrival customer.test",           "arrival", "", 0, "not arrived within 10 min 0 s, though mx1.customer.test[192.0.2.1]:25 took" },
    { "only a reply",  true,  conclude_autoreply,      "autoreply",   STATE_CRITICAL, "arrival customer.test",           "arrival", "", 0, "not arrived within 10 min 0 s" },
    { "receiver down", true,  conclude_receiver_down,  "unknown",     STATE_UNKNOWN,  "receiver",                        "",        "", 0, "not arrived within 10 min 0 s, but the service's own receiver was down" },
    { "service gone",  true,  conclude_service_gone,   "unknown",     STATE_UNKNOWN,  "service",                         "",        "", 0, "the service could not be asked whether the mail arrived: connection refused" },
    { "bounced",       true,  conclude_bounce,         "bounced",     STATE_CRITICAL, "bounce customer.test",            "arrival", "mx1.customer.test", 0, "the mail was taken, but came back as undeliverable: 5.7.520" },
    { "wrong password", true, conclude_account,        "failed",      STATE_CRITICAL, "account imap.customer.test:993 login", "login", "imap.customer.test[192.0.2.7]:993", 0, "login of imap.customer.test[192.0.2.7]:993 failed: NO wrong password" },
    { "no password",   true,  conclude_no_secret,      "unknown",     STATE_UNKNOWN,  "login imap.customer.test:993",    "",        "", 0, "login of the account at imap.customer.test:993 failed here: NO" },
    { "no resolver",   false, conclude_resolver,       "unknown",     STATE_UNKNOWN,  "resolver",                        "",        "", 0, "no name server can be reached" },
};

static void
same(const char *label, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s is \"%s\", not \"%s\"", label, what, got, want);
}

static void
each_end_has_its_verdict_state_cause_and_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan    plan;
        struct story  *s = open_story(cases[i].sent);
        struct outcome o;

        plan_init(&plan);
        plan.account = (struct server){ .host = "imap.customer.test", .port = 993 };
        cases[i].conclude(s, &plan);
        outcome_init(&o);
        outcome_from_story(&o, &plan, s);
        same(cases[i].label, "verdict", o.verdict, cases[i].verdict);
        same(cases[i].label, "state", state_name(o.state), state_name(cases[i].state));
        same(cases[i].label, "cause", o.cause, cases[i].cause);
        same(cases[i].label, "step", o.step, cases[i].step);
        same(cases[i].label, "host", o.host, cases[i].host);
        if (!slice_starts(slice_of(o.reason), cases[i].reason))
            fail_msg("%s: reason is \"%s\"", cases[i].label, o.reason);
        if (o.code != cases[i].code || o.own_trouble != (cases[i].state == STATE_UNKNOWN) || strchr(o.reply, '\x1b') != NULL || o.document == NULL)
            fail_msg("%s: code %u, reply \"%s\"", cases[i].label, o.code, o.reply);
        outcome_clear(&o);
        story_free(s);
    }
}

static uint64_t
time_of(const struct outcome *o, const char *name)
{
    for (unsigned i = 0; i < o->times_count; i++)
        if (strcmp(o->times[i].name, name) == 0)
            return o->times[i].us;
    return UINT64_MAX;
}

static void
the_times_of_all_steps_and_shares_are_told(void **state)
{
    struct plan    plan;
    struct story  *s = open_story(true);
    struct outcome o;

    (void)state;
    plan_init(&plan);
    json_object_set_new(s->answer, "time_shares", json_pack("{s:f, s:n, s:f}", "customer_s", 1.25, "forwarding_s", "receiver_s", 0.5));
    conclude_arrived(s, &plan);
    outcome_init(&o);
    outcome_from_story(&o, &plan, s);
    assert_int_equal(time_of(&o, "lookup"), 1000);
    assert_int_equal(time_of(&o, "connect"), 1000);
    assert_int_equal(time_of(&o, "end"), 1000);
    assert_int_equal(time_of(&o, "send"), 6000);
    assert_int_equal(time_of(&o, "transit"), 1828000);
    assert_int_equal(time_of(&o, "total"), 1834000);
    assert_int_equal(time_of(&o, "customer"), 1250000);
    assert_int_equal(time_of(&o, "receiver"), 500000);
    assert_true(time_of(&o, "forwarding") == UINT64_MAX);
    assert_string_equal(o.client, "192.0.2.9");
    assert_int_equal(o.started_us, s->started_wall_us);
    outcome_clear(&o);
    story_free(s);
}

static void
greylisting_is_told_as_such(void **state)
{
    static const struct { const char *label; unsigned code; bool sent, deferred; } rows[] = {
        { "deferred to the end", 450, false, true  },
        { "refused",             550, false, false },
        { "taken at last",       450, true,  true  },
        { "taken at once",       0,   true,  false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan     plan;
        struct story   *s = open_story(rows[i].sent);
        struct outcome  o;
        struct attempt *a;

        plan_init(&plan);
        s->attempts[0].result.code = rows[i].code;
        if (rows[i].sent && rows[i].code != 0) {
            a = story_new_attempt(s);
            *a = s->attempts[0];
            a->result.code = 0;
        }
        if (rows[i].sent)
            conclude_arrived(s, &plan);
        else
            conclude_not_sent(s, &(struct conclusion_sending){ .fault = "deferred" });
        outcome_init(&o);
        outcome_from_story(&o, &plan, s);
        if (o.deferred != rows[i].deferred)
            fail_msg("%s", rows[i].label);
        outcome_clear(&o);
        story_free(s);
    }
}

/* Of an account it is known between which looks the mail came: the gap between them is nobody's delay. */
static void
a_gap_between_two_looks_alarms_nobody(void **state)
{
    struct plan   plan;
    struct story *s = open_story(true);

    (void)state;
    plan_init(&plan);
    plan.receive = RECEIVE_IMAP;
    s->arrived_us = 110000000;
    s->arrived_after_us = 80000000;
    conclude_arrived(s, &plan);
    assert_int_equal(s->state, STATE_OK);
    story_free(s);
}

static void
only_the_first_conclusion_counts(void **state)
{
    struct plan   plan;
    struct story *s = open_story(true);

    (void)state;
    plan_init(&plan);
    conclude_arrived(s, &plan);
    conclude_own_trouble(s, OWN_INTERRUPTED, "terminated");
    conclude_bounced(s, &plan);
    assert_int_equal(s->verdict, TRIP_ARRIVED);
    story_free(s);
}

static void
json_has_the_members_that_the_service_takes(void **state)
{
    static const char *const members[] = { "id", "check", "kind", "scenario", "mailbox", "started_at", "took_s", "state", "verdict", "cause", "step",
                                           "host", "code", "reply", "reason", "deferred", "times", "changes", "document" };
    const struct outcome_about about = { .id = "7", .check = "acme/mx", .kind = CHECK_ROUND_TRIP, .scenario = 2, .mailbox = "acme" };
    struct plan                plan;
    struct story              *s = open_story(false);
    struct outcome             o;
    json_t                    *j;

    (void)state;
    plan_init(&plan);
    conclude_not_sent(s, &(struct conclusion_sending){ .fault = "x" });
    outcome_init(&o);
    outcome_from_story(&o, &plan, s);
    slice_copy(o.host, sizeof(o.host), slice_of("cut within a character: \xc3"));
    j = outcome_json(&o, &about);
    assert_non_null(j);
    assert_int_equal(json_object_size(j), COUNT(members));
    for (size_t i = 0; i < COUNT(members); i++)
        if (json_object_get(j, members[i]) == NULL)
            fail_msg("%s is missing", members[i]);
    assert_string_equal(json_string_value(json_object_get(j, "started_at")), "2026-11-21T03:30:00.000000Z");
    assert_string_equal(json_string_value(json_object_get(j, "kind")), "round-trip");
    assert_int_equal(json_integer_value(json_object_get(j, "code")), 550);
    assert_true(json_is_array(json_object_get(j, "changes")));
    json_decref(j);
    outcome_clear(&o);
    story_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_has_its_verdict_state_cause_and_step),
        cmocka_unit_test(the_times_of_all_steps_and_shares_are_told),
        cmocka_unit_test(greylisting_is_told_as_such),
        cmocka_unit_test(a_gap_between_two_looks_alarms_nobody),
        cmocka_unit_test(only_the_first_conclusion_counts),
        cmocka_unit_test(json_has_the_members_that_the_service_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
