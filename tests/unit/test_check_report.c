#include "tests/unit/stories.h"

#include "checker/report.h"

static void
the_line_of_an_arrival_has_total_and_steps(void **state)
{
    struct plan   plan;
    struct story *s = arrived_story();
    struct buf    out;

    (void)state;
    plan_init(&plan);
    buf_init(&out, REPORT_MAX_BYTES);
    report_line(&out, &plan, s);
    assert_slice("line", buf_slice(&out),
                 "MAILTEST OK - scenario 2: arrived after 1.834 s, via mx1.customer.test[192.0.2.1]:25 | 'total'=1.834000s;95;300;0;600 "
                 "'send'=0.006000s;;;0 'transit'=1.828000s;;;0 'lookup'=0.001000s;;;0 'smtp_connect'=0.001000s;;;0 'smtp_banner'=0.001000s;;;0 "
                 "'smtp_mail'=0.001000s;;;0 'smtp_data'=0.001000s;;;0 'smtp_end'=0.001000s;;;0\n");
    buf_fini(&out);
    story_free(s);
}

static void
a_server_cannot_forge_performance_data_or_move_the_terminal(void **state)
{
    struct plan   plan;
    struct story *s = refused_story();
    struct buf    out;

    (void)state;
    plan_init(&plan);
    buf_init(&out, REPORT_MAX_BYTES);
    report_line(&out, &plan, s);
    assert_slice("line", buf_slice(&out),
                 "MAILTEST CRITICAL - scenario 2: DATA to mx1.customer.test[192.0.2.1]:25 refused: 550 5.7.1 no / thanks\\x0a\\x1b[31m | "
                 "'lookup'=0.001000s;;;0 'smtp_connect'=0.001000s;;;0 'smtp_banner'=0.001000s;;;0 'smtp_mail'=0.001000s;;;0 "
                 "'smtp_data'=0.001000s;;;0\n");
    buf_clear(&out);
    report_timeline(&out, s);
    assert_null(memchr(out.data, 0x1b, out.len));
    buf_fini(&out);
    story_free(s);
}

static void
a_run_that_never_sent_has_no_performance_data(void **state)
{
    struct plan   plan;
    struct story *s = story_new();
    struct buf    out;

    (void)state;
    plan_init(&plan);
    s->verdict = TRIP_OWN_TROUBLE;
    s->state = STATE_UNKNOWN;
    snprintf(s->reason, sizeof(s->reason), "minting a token: HTTP 401 Unauthorized");
    buf_init(&out, REPORT_MAX_BYTES);
    report_line(&out, &plan, s);
    assert_slice("line", buf_slice(&out), "MAILTEST UNKNOWN - scenario 2: minting a token: HTTP 401 Unauthorized\n");
    buf_clear(&out);
    report_timeline(&out, s);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    story_free(s);
}

static void
the_timeline_tells_steps_arrival_and_hops_in_order(void **state)
{
    static const char *const in_order[] = { "mint", "lookup", "10 mx1.customer.test[192.0.2.1]", "connect", "banner", "220 mx1", "mail", "data", "end",
                                            "250 taken", "arrived", "from 192.0.2.9, token found in subject, text", "Hops, oldest first",
                                            "\\x1b[31mme, its clock is wrong", "mx.mailtest1.test from mx1.customer.test with ESMTPS, +500.0 ms" };
    struct story *s = arrived_story();
    struct buf    out;
    const char   *at;

    (void)state;
    buf_init(&out, REPORT_MAX_BYTES);
    report_timeline(&out, s);
    buf_append(&out, "", 1);
    at = out.data;
    for (size_t i = 0; i < COUNT(in_order); i++) {
        at = strstr(at, in_order[i]);
        if (at == NULL)
            fail_msg("%s is missing or too early in:\n%s", in_order[i], out.data);
    }
    buf_fini(&out);
    story_free(s);
}

static void
json_tells_the_whole_story(void **state)
{
    struct plan   plan;
    struct story *s = arrived_story();
    json_t       *j, *step;
    double        total = 0, at = 0, took = 0;
    int           scenario = 0, code = -1, failure_is_null;

    (void)state;
    plan_init(&plan);
    j = report_json(&plan, s);
    assert_non_null(j);
    assert_int_equal(json_unpack(j, "{s:i, s:i, s:f}", "scenario", &scenario, "exit_code", &code, "total_s", &total), 0);
    assert_int_equal(scenario, 2);
    assert_int_equal(code, 0);
    assert_true(total > 1.8339 && total < 1.8341);
    assert_string_equal(json_string_value(json_object_get(j, "verdict")), "arrived");
    assert_string_equal(json_string_value(json_object_get(j, "sent_at")), "2026-11-21T03:30:00.008000Z");
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "server"), "host")), "mx1.customer.test");
    step = json_array_get(json_object_get(j, "steps"), 1);
    assert_int_equal(json_unpack(step, "{s:f, s:f}", "at_s", &at, "took_s", &took), 0);
    assert_string_equal(json_string_value(json_object_get(step, "name")), "connect");
    assert_true(at > 0.00299 && at < 0.00301 && took > 0.00099 && took < 0.00101);
    assert_int_equal(json_array_size(json_object_get(j, "hops")), 2);
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "arrival"), "verdict")), "arrived");
    failure_is_null = json_is_null(json_object_get(j, "failure"));
    assert_true(failure_is_null);
    json_decref(j);
    story_free(s);
}

static void
json_names_step_reply_host_and_reason_of_a_failure(void **state)
{
    struct plan   plan;
    struct story *s = refused_story();
    json_t       *j, *failure;

    (void)state;
    plan_init(&plan);
    j = report_json(&plan, s);
    failure = json_object_get(j, "failure");
    assert_string_equal(json_string_value(json_object_get(failure, "step")), "data");
    assert_string_equal(json_string_value(json_object_get(failure, "reply")), "550 5.7.1 no | thanks");
    assert_int_equal(json_integer_value(json_object_get(failure, "code")), 550);
    assert_string_equal(json_string_value(json_object_get(failure, "host")), "mx1.customer.test");
    assert_true(json_is_null(json_object_get(j, "total_s")));
    json_decref(j);
    story_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_of_an_arrival_has_total_and_steps),
        cmocka_unit_test(a_server_cannot_forge_performance_data_or_move_the_terminal),
        cmocka_unit_test(a_run_that_never_sent_has_no_performance_data),
        cmocka_unit_test(the_timeline_tells_steps_arrival_and_hops_in_order),
        cmocka_unit_test(json_tells_the_whole_story),
        cmocka_unit_test(json_names_step_reply_host_and_reason_of_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
