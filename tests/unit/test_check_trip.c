#include "tests/unit/unit.h"

#include "checker/clock.h"
#include "checker/round_trip.h"
#include "checker/trip_record.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <sodium.h>
#include <stdio.h>

/* Round trips with a service that says what the test tells it to, on the same loop, and a mail server that is not there. */
#define LIMIT_S 20
#define TOKEN   "mt10123456789abcdefghjkmnpqrstvwxyz01234567"

static const char waiting[] = "{\"token\":\"" TOKEN "\",\"verdict\":\"waiting\",\"arrival_count\":0,\"arrivals\":[]}";
static const char lost[] = "{\"token\":\"" TOKEN "\",\"verdict\":\"not-arrived\",\"arrival_count\":0,\"arrivals\":[]}";
static const char twice[] = "{\"token\":\"" TOKEN "\",\"verdict\":\"arrived\",\"arrival_count\":2,\"arrivals\":[{\"kind\":\"arrived\"},{\"kind\":\"arrived\"}]}";

struct fake {
    struct event_base       *base;
    struct evhttp           *http;
    struct curl_loop        *loop;
    struct round_trip_tools  tools;
    const char              *shown;         /* what becomes of the token */
    unsigned                 mints, shows, forgets, changes;
    char                     url[64];
    /* Of the round trip that ended last. */
    enum verdict_kind        verdict;
    enum state               state;
    char                     reason[512];
    uint64_t                 send_at_us, ended_us, started_us;
    unsigned                 attempts_made, copies;
    bool                     done, resumed, sent;
};

static void
answer(struct evhttp_request *req, const char *text)
{
    struct evbuffer *out = evbuffer_new();

    evbuffer_add_printf(out, "%s", text);
    evhttp_send_reply(req, 200, "OK", out);
    evbuffer_free(out);
}

static void
serve(struct evhttp_request *req, void *arg)
{
    struct fake *f = arg;

    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_POST:
        f->mints++;
        answer(req, "{\"token\":\"" TOKEN "\",\"address\":\"acme@mailtest1.test\"}");
        break;
    case EVHTTP_REQ_DELETE:
        f->forgets++;
        answer(req, "{\"messages_deleted\":1}");
        break;
    default:
        f->shows++;
        answer(req, f->shown);
    }
}

static void
on_done(void *arg, const struct story *s)
{
    struct fake *f = arg;

    f->done = true;
    f->verdict = s->verdict;
    f->state = s->state;
    snprintf(f->reason, sizeof(f->reason), "%s", s->reason);
    f->send_at_us = s->send_at_us;
    f->ended_us = s->ended_us;
    f->started_us = s->started_wall_us;
    f->attempts_made = s->attempts_made;
    f->copies = s->copies;
    f->resumed = s->resumed;
    f->sent = s->sent;
    event_base_loopbreak(f->base);
}

static void
on_changed(void *arg)
{
    ((struct fake *)arg)->changes++;
}

static void
open_service(struct fake *f, const char *shown)
{
    struct evhttp_bound_socket *bound;
    struct sockaddr_storage     address;
    socklen_t                   len = sizeof(address);
    struct api_settings         settings = { .key = "mtk_1_x", .timeout_ms = 5000 };

    *f = (struct fake){ .base = event_base_new(), .shown = shown };
    f->http = evhttp_new(f->base);
    evhttp_set_gencb(f->http, serve, f);
    bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", 0);
    assert_non_null(bound);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len), 0);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", ntohs(((struct sockaddr_in *)&address)->sin_port));
    f->loop = curl_loop_new(f->base);
    settings.url = f->url;
    f->tools = (struct round_trip_tools){ .base = f->base, .api = api_new(f->loop, &settings), .credentials = credentials_new(f->base),
                                          .resolver = resolver_new(f->base, NULL, FAMILY_ANY), .changed = on_changed };
    assert_non_null(f->tools.api);
    assert_non_null(f->tools.resolver);
}

static void
close_service(struct fake *f)
{
    resolver_free(f->tools.resolver);
    credentials_free(f->tools.credentials);
    api_free(f->tools.api);
    curl_loop_free(f->loop);
    evhttp_free(f->http);
    event_base_free(f->base);
}

static void
run(struct fake *f)
{
    struct timeval limit = { .tv_sec = LIMIT_S };

    event_base_loopexit(f->base, &limit);
    event_base_dispatch(f->base);
    assert_true(f->done);
}

/* Port 1 of loopback: nobody listens there. */
static struct plan
make_plan(uint32_t window_ms)
{
    struct plan plan = { .scenario = 2, .send = SEND_HOST, .server = { .host = "127.0.0.1", .port = 1 }, .mailbox = "acme", .to = "user@customer.test",
                         .helo = "me.test", .label = "acme/mx", .window_ms = window_ms, .timeout_ms = 2000 };

    assert_int_equal(range_parse(slice_of("95"), &plan.warning), MT_OK);
    assert_int_equal(range_parse(slice_of("300"), &plan.critical), MT_OK);
    return plan;
}

static struct trip_record
make_record(uint64_t began_s_ago)
{
    return (struct trip_record){ .check = "acme/mx", .token = TOKEN, .address = "acme@mailtest1.test", .from = "acme+check@mailtest1.test",
                                 .started_us = wall_us() - began_s_ago * 1000000, .minted_us = 1000, .mint_took_us = 1000, .send_at_us = 2000, .begun = true,
                                 .attempts_made = 1, .target = { .host = "127.0.0.1", .address = "127.0.0.1", .port = 1 } };
}

static void
resume(struct fake *f, const struct plan *plan, const struct trip_record *record)
{
    struct round_trip *t;
    struct buf         saved;

    buf_init(&saved, TRIP_RECORD_MAX_BYTES);
    trip_record_write(&saved, record);
    assert_int_equal(round_trip_resume(&f->tools, plan, buf_slice(&saved), on_done, f, &t), MT_OK);
    buf_fini(&saved);
    run(f);
    round_trip_free(t);
}

static void
nobody_takes_it(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(60000);
    struct round_trip *t;

    (void)state;
    open_service(&f, waiting);
    t = round_trip_start(&f.tools, &plan, on_done, &f);
    assert_non_null(t);
    run(&f);
    assert_int_equal(f.verdict, TRIP_NOT_SENT);
    assert_int_equal(f.mints, 1);
    assert_int_equal(f.forgets, 0);
    assert_true(f.changes >= 1);
    assert_true(slice_starts(slice_of(f.reason), "connecting to 127.0.0.1:1 failed"));
    round_trip_free(t);
    close_service(&f);
}

static void
what_is_saved_has_the_name_and_the_token(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(60000);
    struct round_trip *t;
    struct buf         saved;
    struct trip_record r;
    char               name[CHECK_NAME_MAX + 1];
    uint64_t           started;

    (void)state;
    buf_init(&saved, ROUND_TRIP_SAVED_MAX);
    open_service(&f, waiting);
    plan.retry_gap_ms = 60000;          /* so that it goes on */
    plan.window_ms = 600000;
    t = round_trip_start(&f.tools, &plan, on_done, &f);
    while (f.changes < 3)               /* it has begun; an address was found; connecting to it has failed */
        event_base_loop(f.base, EVLOOP_ONCE);
    round_trip_save(t, &saved);
    assert_int_equal(round_trip_saved_name(buf_slice(&saved), name, &started), MT_OK);
    assert_string_equal(name, "acme/mx");
    assert_true(started <= wall_us() && started + LIMIT_S * 1000000 > wall_us());
    assert_int_equal(trip_record_read(buf_slice(&saved), &r), MT_OK);
    assert_true(r.begun && !r.sent && !r.sending && !r.maybe_taken && r.attempts_made == 1);
    assert_string_equal(r.token, TOKEN);
    assert_string_equal(r.target.address, "127.0.0.1");
    assert_true(slice_starts(slice_of(r.fault), "connecting to"));
    round_trip_free(t);
    buf_fini(&saved);
    close_service(&f);
}

static void
what_was_sent_is_waited_for_and_never_sent_again(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(600000);
    struct trip_record r = make_record(30);

    (void)state;
    open_service(&f, twice);
    r.sent = true;
    r.sent_us = 1000000;
    resume(&f, &plan, &r);
    assert_int_equal(f.verdict, TRIP_ARRIVED);
    assert_int_equal(f.copies, 2);
    assert_int_equal(f.state, STATE_WARNING);
    assert_true(f.resumed && f.sent && f.mints == 0 && f.forgets == 1 && f.attempts_made == 1);
    assert_int_equal(f.started_us, r.started_us);
    assert_true(f.ended_us >= 30 * 1000000ull && f.ended_us < (30 + LIMIT_S) * 1000000ull);     /* its clock went on meanwhile */
    close_service(&f);
}

/* Its end was not known: it may come twice by our own doing. */
static void
copies_of_what_may_have_been_sent_twice_are_no_warning(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(600000);
    struct trip_record r = make_record(5);

    (void)state;
    open_service(&f, twice);
    r.sending = true;
    plan.retry_gap_ms = 5000;
    resume(&f, &plan, &r);
    assert_int_equal(f.verdict, TRIP_ARRIVED);
    assert_int_equal(f.attempts_made, 1);       /* it was there before it would have been sent again */
    close_service(&f);
}

static void
a_window_that_ended_meanwhile_gets_its_last_look(void **state)
{
    static const struct { const char *label, *shown; bool sent; enum verdict_kind verdict; const char *reason; } rows[] = {
        { "sent and lost",    lost,  true,  TRIP_NOT_ARRIVED, "not arrived within 10.000 s, though 127.0.0.1:1 took" },
        { "sent and arrived", twice, true,  TRIP_LATE,        "arrived after" },
        { "not sent",         lost,  false, TRIP_NOT_SENT,    "RCPT to 127.0.0.1 deferred" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake        f;
        struct plan        plan = make_plan(10000);
        struct trip_record r = make_record(3600);

        open_service(&f, rows[i].shown);
        r.sent = rows[i].sent;
        r.sent_us = rows[i].sent ? 1000000 : 0;
        snprintf(r.fault, sizeof(r.fault), "%s", rows[i].sent ? "" : "RCPT to 127.0.0.1 deferred");
        resume(&f, &plan, &r);
        assert_int_equal(f.verdict, rows[i].verdict);
        if (!slice_starts(slice_of(f.reason), rows[i].reason))
            fail_msg("%s: %s", rows[i].label, f.reason);
        assert_int_equal(f.mints, 0);
        close_service(&f);
    }
}

static void
a_clock_that_was_set_back_makes_no_time_negative(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(600000);
    struct trip_record r = make_record(0);

    (void)state;
    open_service(&f, twice);
    r.started_us += 86400 * 1000000ull;         /* "tomorrow" */
    r.sent = true;
    r.sent_us = 7000000;
    resume(&f, &plan, &r);
    assert_int_equal(f.verdict, TRIP_ARRIVED);
    assert_true(f.ended_us >= r.sent_us && f.ended_us < r.sent_us + LIMIT_S * 1000000ull);
    close_service(&f);
}

static void
damaged_octets_are_refused(void **state)
{
    struct fake        f;
    struct plan        plan = make_plan(600000);
    struct round_trip *t;

    (void)state;
    open_service(&f, waiting);
    assert_int_equal(round_trip_resume(&f.tools, &plan, slice_of("\001nonsense"), on_done, &f, &t), MT_EDAMAGED);
    close_service(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_takes_it),
        cmocka_unit_test(what_is_saved_has_the_name_and_the_token),
        cmocka_unit_test(what_was_sent_is_waited_for_and_never_sent_again),
        cmocka_unit_test(copies_of_what_may_have_been_sent_twice_are_no_warning),
        cmocka_unit_test(a_window_that_ended_meanwhile_gets_its_last_look),
        cmocka_unit_test(a_clock_that_was_set_back_makes_no_time_negative),
        cmocka_unit_test(damaged_octets_are_refused),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
