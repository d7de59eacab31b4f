#include "tests/unit/unit.h"

#include "checker/outcome_line.h"

static void
the_line_is_that_of_a_plugin(void **state)
{
    static const struct {
        const char *label;
        enum state  worst;
        const char *reason, *times, *document, *line;
    } cases[] = {
        { "good", STATE_OK, "mx answered", "ct", NULL, "SMTP OK - mx answered | 'total'=1.500000s;5;10;0 'connect'=0.250000s;;;0\n" },
        { "no times", STATE_UNKNOWN, "no name server", "", NULL, "SMTP UNKNOWN - no name server\n" },
        { "without a total", STATE_CRITICAL, "lookup failed", "c", NULL, "SMTP CRITICAL - lookup failed | 'connect'=0.250000s;;;0\n" },
        { "the certificate", STATE_WARNING, "soon", "t", "{\"certificate\": {\"days_left\": 3}}", "SMTP WARNING - soon | 'total'=1.500000s;5;10;0 'certificate_days'=3\n" },
        { "what a server says", STATE_CRITICAL, "550 a|b\033[2J", "", NULL, "SMTP CRITICAL - 550 a/b\\x1b[2J\n" },
    };
    struct check check = { .name = "once", .kind = CHECK_SMTP };

    (void)state;
    assert_int_equal(range_parse(slice_of("5"), &check.plan.warning), MT_OK);
    assert_int_equal(range_parse(slice_of("10"), &check.plan.critical), MT_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome o;
        struct buf     out;

        outcome_init(&o);
        o.state = cases[i].worst;
        slice_copy(o.reason, sizeof(o.reason), slice_of(cases[i].reason));
        o.document = cases[i].document == NULL ? NULL : json_loads(cases[i].document, 0, NULL);
        for (const char *t = cases[i].times; *t != '\0'; t++)
            outcome_add_time(&o, *t == 'c' ? "connect" : "total", *t == 'c' ? 250000 : 1500000);
        buf_init(&out, 4096);
        outcome_line(&out, "SMTP", NULL, &check, &o);
        assert_slice(cases[i].label, buf_slice(&out), cases[i].line);
        buf_fini(&out);
        outcome_clear(&o);
    }
}

static void
a_round_trip_is_named_and_has_its_window(void **state)
{
    struct check   check = { .name = "a/b", .kind = CHECK_ROUND_TRIP, .plan.window_ms = 600000 };
    struct outcome o;
    struct buf     line;

    (void)state;
    assert_int_equal(range_parse(slice_of("95"), &check.plan.warning), MT_OK);
    assert_int_equal(range_parse(slice_of("10:300"), &check.plan.critical), MT_OK);
    outcome_init(&o);
    o.state = STATE_CRITICAL;
    outcome_add_time(&o, "connect", 1500000);
    outcome_add_time(&o, "total", 2000000);
    slice_copy(o.reason, sizeof(o.reason), slice_of("refused | 'x'=1\n\x1b[2J"));
    buf_init(&line, 10000);
    outcome_line(&line, "MAILTEST", "a/b", &check, &o);
    assert_slice("round trip", buf_slice(&line),
                 "MAILTEST CRITICAL - a/b: refused / 'x'=1\\x0a\\x1b[2J | 'total'=2.000000s;95;10:300;0;600 'smtp_connect'=1.500000s;;;0\n");
    buf_clear(&line);
    o.times_count = 0;
    o.reason[0] = '\0';
    slice_copy(o.verdict, sizeof(o.verdict), slice_of("not-sent"));
    outcome_line(&line, "MAILTEST", "a/b", &check, &o);
    assert_slice("without a reason and figures", buf_slice(&line), "MAILTEST CRITICAL - a/b: not-sent\n");
    buf_fini(&line);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_is_that_of_a_plugin),
        cmocka_unit_test(a_round_trip_is_named_and_has_its_window),
    };

    return cmocka_run_group_tests_name("outcome_line", tests, NULL, NULL);
}
