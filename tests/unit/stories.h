#ifndef TESTS_UNIT_STORIES_H
#define TESTS_UNIT_STORIES_H
/* stories - round trips that were, for the tests of what is told of them. */

#include "tests/unit/unit.h"

#include "checker/story.h"

#include <stdio.h>
#include <string.h>

#define TOKEN "mt10123456789abcdefghjkmnpqrstvwxyz01234567"

static const char story_answer[] =
    "{\"token\":\"" TOKEN "\",\"verdict\":\"arrived\",\"arrival_count\":1,\"arrivals\":[{\"kind\":\"arrived\",\"client\":{\"address\":"
    "\"192.0.2.9\"}}],\"found_in\":[\"subject\",\"text\"],\"hops\":[{\"by\":\"mx.mailtest1.test\",\"from\":\"mx1.customer.test\",\"with\":\"ESMTPS\","
    "\"time\":\"2026-11-21T03:30:01Z\",\"delay_s\":0.5,\"skewed\":false},{\"by\":\"mx1.customer.test\",\"from\":\"\\u001b[31mme\",\"time\":null,"
    "\"delay_s\":null,\"skewed\":true}]}";

static inline void
plan_init(struct plan *plan)
{
    *plan = (struct plan){ .scenario = 2, .mailbox = "acme", .to = "user@customer.test", .window_ms = 600000 };
    assert_int_equal(range_parse(slice_of("95"), &plan->warning), MT_OK);
    assert_int_equal(range_parse(slice_of("300"), &plan->critical), MT_OK);
}

/* Minted after 2 ms, one attempt from 3 ms on, each step 1 ms. */
static inline struct story *
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
    a = story_new_attempt(s);
    assert_non_null(a);
    *a = (struct attempt){ .at_us = 3000, .took_us = 8000,
                           .target = { .host = "mx1.customer.test", .address = "192.0.2.1", .port = 25, .preference = 10 } };
    assert_int_equal(story_take_route(s, &(struct route){ .by_mx = true, .count = 1, .targets = { a->target } }), MT_OK);
    steps_begin(&a->result.steps, STEP_CONNECT, now);
    steps_connected(&a->result.steps, now += 1000);
    steps_reply(&a->result.steps, now += 1000, slice_of("220 mx1"));
    steps_command(&a->result.steps, now, slice_of("MAIL FROM:<x@y>"));
    steps_reply(&a->result.steps, now += 1000, slice_of("250 ok"));
    steps_command(&a->result.steps, now, slice_of("DATA"));
    return s;
}

static inline struct story *
arrived_story(void)
{
    struct story   *s = story_with_attempt();
    struct attempt *a = &s->attempts[0];

    steps_reply(&a->result.steps, 7000, slice_of("354 go"));
    steps_reply(&a->result.steps, 8000, slice_of("250 taken"));
    a->result.accepted = true;
    s->sent = true;
    s->sent_us = 8000;
    s->answer = json_loads(story_answer, 0, NULL);
    s->arrived = true;
    s->copies = 1;
    s->answered_us = s->arrived_us = s->arrived_after_us = 1836000;
    s->verdict = TRIP_ARRIVED;
    s->state = STATE_OK;
    s->deleted = true;
    snprintf(s->reason, sizeof(s->reason), "arrived after 1.834 s");
    return s;
}

static inline struct story *
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

#endif
