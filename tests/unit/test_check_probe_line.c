#include "tests/unit/unit.h"

#include "checker/probe_line.h"

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
    struct range warning, critical;

    (void)state;
    assert_int_equal(range_parse(slice_of("5"), &warning), MT_OK);
    assert_int_equal(range_parse(slice_of("10"), &critical), MT_OK);
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
        probe_line(&out, "SMTP", &o, &warning, &critical);
        assert_slice(cases[i].label, buf_slice(&out), cases[i].line);
        buf_fini(&out);
        outcome_clear(&o);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_is_that_of_a_plugin),
    };

    return cmocka_run_group_tests_name("probe_line", tests, NULL, NULL);
}
