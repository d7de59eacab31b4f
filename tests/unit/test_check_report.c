#include "tests/unit/unit.h"

#include "checker/report.h"

#include <stdio.h>
#include <string.h>

#define TOKEN "mt10123456789abcdefghjkmnpqrstvwxyz01234567"

static const char answer[] =
    "{\"token\":\"" TOKEN "\",\"verdict\":\"arrived\",\"arrival_count\":1,\"arrivals\":[{\"kind\":\"arrived\",\"client\":{\"address\":"
    "\"192.0.2.9\"}}],\"found_in\":[\"subject\",\"text\"],\"hops\":[{\"by\":\"mx.mailtest1.test\",\"from\":\"mx1.customer.test\",\"with\":\"ESMTPS\","
    "\"time\":\"2026-11-21T03:30:01Z\",\"delay_s\":0.5,\"skewed\":false},{\"by\":\"mx1.customer.test\",\"from\":\"\\u001b[31mme\",\"time\":null,"
    "\"delay_s\":null,\"skewed\":true}]}";

static void
plan_init(struct plan *plan)
{
    *plan = (struct plan){ .scenario = 2, .mailbox = "acme", .to = "user@customer.test", .window_ms = 600000 };
    assert_int_equal(range_parse(slice_of("95"), &plan->warning), MT_OK);
    assert_int_equal(range_parse(slice_of("300"), &plan->critical), MT_OK);
}

/* Minted after 2 ms, one attempt from 3 ms on, each step 1 ms. */
static struct story *
story_with_attempt(void)
{
    struct story   *s = story_new();
    struct attempt *a;
    uint64_t        now = 3000;

    assert_non_null(s);
    s->started_wall_us = 1795231800000000;
    memcpy(s->token, TOKEN, sizeof(TOKEN));
    snprintf(s->address, sizeof(s->address), "acme@mailtest1.test");
    s->minted_us = s->mint_took_us = 2000;
    s->send_at_us = s->lookup_at_us = 2000;
    s->lookup_took_us = 1000;
    s->looked_up = true;
    s->attempts_made = s->attempts_kept = 1;
    a = &s->attempts[0];
    *a = (struct attempt){ .at_us = 3000, .took_us = 8000,
                           .target = { .host = "mx1.customer.test", .address = "192.0.2.1", .port = 25, .preference = 10 } };
    s->route = (struct route){ .by_mx = true, .count = 1, .targets = { a->target } };
    steps_begin(&a->result.steps, STEP_CONNECT, now);
    steps_connected(&a->result.steps, now += 1000);
    steps_reply(&a->result.steps, now += 1000, slice_of("220 mx1"));
    steps_command(&a->result.steps, now, slice_of("MAIL FROM:<x@y>"));
    steps_reply(&a->result.steps, now += 1000, slice_of("250 ok"));
    steps_command(&a->result.steps, now, slice_of("DATA"));
    return s;
}

static struct story *
arrived_story(void)
{
    struct story   *s = story_with_attempt();
    struct attempt *a = &s->attempts[0];

    steps_reply(&a->result.steps, 7000, slice_of("354 go"));
    steps_reply(&a->result.steps, 8000, slice_of("250 taken"));
    a->result.accepted = true;
    s->sent = true;
    s->sent_us = 8000;
    s->answer = json_loads(answer, 0, NULL);
    s->arrived = true;
    s->answered_us = s->arrived_us = 1836000;
    s->verdict = TRIP_ARRIVED;
    s->state = STATE_OK;
    s->deleted = true;
    snprintf(s->reason, sizeof(s->reason), "arrived after 1.834 s");
    return s;
}

static struct story *
refused_story(void)
{
    struct story   *s = story_with_attempt();
    struct attempt *a = &s->attempts[0];

    steps_reply(&a->result.steps, 7000, slice_of("550 5.7.1 no | thanks\x1b[31m"));
    a->result.code = 550;
    snprintf(a->result.reason, sizeof(a->result.reason), "%s", "550 5.7.1 no | thanks");
    s->verdict = TRIP_NOT_SENT;
    s->state = STATE_CRITICAL;
    snprintf(s->reason, sizeof(s->reason), "%s", "DATA to mx1.customer.test[192.0.2.1]:25 refused: 550 5.7.1 no | thanks\n\x1b[31m");
    return s;
}

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
