#include "tests/unit/unit.h"

#include "checker/result_sender.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A service on the same loop: answers as a script says, one line a request; the last line stays. */
struct service {
    struct event_base *base;
    struct curl_loop  *loop;
    struct api        *api;
    struct evhttp     *http;
    struct state_file *state;
    char               dir[64];
    char               url[64];
    const char *const *script;      /* "200": all stored; "200 r0": the first refused; "200 l0": the first later; "503"; NULL at the end */
    unsigned           requests;
    unsigned           counts[20];  /* results in each */
    char               last[64];    /* the last result of the last request */
};

static void
put_answer(struct service *s, struct evbuffer *out, const char *line, unsigned count)
{
    const char *which = strchr(line, ' ');

    (void)s;
    evbuffer_add_printf(out, "{\"results\":[");
    for (unsigned i = 0; i < count; i++) {
        bool this = which != NULL && strtoul(which + 2, NULL, 10) == i;
        evbuffer_add_printf(out, "%s{\"check\":\"c\",\"result\":\"%s\"%s}", i > 0 ? "," : "", this ? "refused" : "stored",
                            !this ? "" : which[1] == 'l' ? ",\"status\":503,\"detail\":\"no room\"" : ",\"status\":404,\"detail\":\"no mailbox\"");
    }
    evbuffer_add_printf(out, "]}");
}

static void
on_request(struct evhttp_request *request, void *arg)
{
    struct service  *s = arg;
    struct evbuffer *in = evhttp_request_get_input_buffer(request), *out = evbuffer_new();
    json_t          *body = json_loadb((const char *)evbuffer_pullup(in, -1), evbuffer_get_length(in), 0, NULL);
    const json_t    *results = json_object_get(body, "results");
    const char      *line = s->script[0];
    unsigned         count = (unsigned)json_array_size(results);

    assert_string_equal(evhttp_request_get_uri(request), "/v1/results");
    assert_true(count > 0 && s->requests < COUNT(s->counts));
    s->counts[s->requests++] = count;
    snprintf(s->last, sizeof(s->last), "%s", json_string_value(json_object_get(json_array_get(results, count - 1), "id")));
    if (s->script[1] != NULL)
        s->script++;
    if (strncmp(line, "200", 3) == 0)
        put_answer(s, out, line, count);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
    evhttp_send_reply(request, (int)strtol(line, NULL, 10), "x", out);
    evbuffer_free(out);
    json_decref(body);
}

static void
service_open(struct service *s)
{
    static const char *const     nothing[] = { "200", NULL };
    struct evhttp_bound_socket  *bound;
    ev_uint16_t                  port;
    struct sockaddr_in           address;
    socklen_t                    len = sizeof(address);
    struct api_settings          settings = { .url = s->url, .key = "k", .timeout_ms = 10000 };

    *s = (struct service){ .base = event_base_new(), .script = nothing };
    snprintf(s->dir, sizeof(s->dir), "/tmp/test_sender.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->http = evhttp_new(s->base);
    bound = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", 0);
    assert_non_null(bound);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", port);
    evhttp_set_gencb(s->http, on_request, s);
    s->loop = curl_loop_new(s->base);
    s->api = api_new(s->loop, &settings);
    assert_int_equal(state_file_open(s->base, s->dir, &s->state), MT_OK);
}

static void
service_close(struct service *s)
{
    char name[100];

    state_file_close(s->state);
    api_free(s->api);
    curl_loop_free(s->loop);
    evhttp_free(s->http);
    event_base_free(s->base);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const files[] = { "data.mdb", "lock.mdb", "lock" };
        snprintf(name, sizeof(name), "%s/%s", s->dir, files[i]);
        unlink(name);
    }
    rmdir(s->dir);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Until so few wait. */
static void
run_until_waiting(struct service *s, struct result_sender *sender, unsigned wanted)
{
    struct timeval             limit = { .tv_sec = 20 };
    bool                       over = false;
    struct event              *timer = evtimer_new(s->base, on_limit, &over);
    struct result_sender_stats stats;

    event_add(timer, &limit);
    for (result_sender_stats(sender, &stats); stats.waiting != wanted; result_sender_stats(sender, &stats)) {
        if (over)
            fail_msg("%u wait, want %u", stats.waiting, wanted);
        event_base_loop(s->base, EVLOOP_ONCE);
    }
    event_free(timer);
}

static void
put_many(struct result_sender *sender, unsigned first, unsigned count)
{
    char text[64];

    for (unsigned i = first; i < first + count; i++) {
        snprintf(text, sizeof(text), "{\"id\":\"%06u\"}", i);
        assert_int_equal(result_sender_put(sender, slice_of(text)), MT_OK);
    }
}

/* ---- The tests --------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *label;
    const char *script[6];
    unsigned    put, requests, counts[6];
    unsigned    taken, refused, failures;
} cases[] = {
    { "all at once",                     { "200" },                     3,    1, { 3 },           3,    0, 0 },
    { "no more than the service takes",  { "200" },                     1200, 3, { 500, 500, 200 }, 1200, 0, 0 },
    { "one refused for good",            { "200 r1" },                  3,    1, { 3 },           2,    1, 0 },
    { "one later",                       { "200 l0", "200" },           3,    2, { 3, 1 },        3,    0, 0 },
    { "away, then back",                 { "503", "200" },              2,    2, { 2, 2 },        2,    0, 1 },
    { "too large at once",               { "413", "200" },              8,    3, { 8, 4, 4 },     8,    0, 0 },
    { "one that is too large by itself", { "413", "413", "413", "200" }, 4,   5, { 4, 2, 1, 1, 2 }, 3, 1, 0 },
};

static void
results_wait_until_the_service_has_answered_for_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct service             s;
        struct result_sender      *sender = NULL;
        struct result_sender_stats stats;

        service_open(&s);
        s.script = cases[i].script;
        assert_int_equal(result_sender_open(s.base, s.api, s.state, NULL, &sender), MT_OK);
        put_many(sender, 0, cases[i].put);
        run_until_waiting(&s, sender, 0);
        result_sender_stats(sender, &stats);
        if (s.requests != cases[i].requests || memcmp(s.counts, cases[i].counts, sizeof(unsigned) * s.requests) != 0)
            fail_msg("%s: %u requests: %u, %u, %u", cases[i].label, s.requests, s.counts[0], s.counts[1], s.counts[2]);
        if (stats.taken_total != cases[i].taken || stats.refused_total != cases[i].refused || stats.failures_total != cases[i].failures)
            fail_msg("%s: %u taken, %u refused, %u failures", cases[i].label, (unsigned)stats.taken_total, (unsigned)stats.refused_total,
                     (unsigned)stats.failures_total);
        assert_int_equal(stats.waiting_bytes, 0);
        result_sender_close(sender);
        service_close(&s);
    }
}

/* What waited when it was closed is sent by the next one, before what comes then. */
static void
results_outlive_a_restart_in_their_order(void **state)
{
    static const char *const   away[] = { "503", NULL }, *const back[] = { "200", NULL };
    struct service             s;
    struct result_sender      *sender = NULL;
    struct result_sender_stats stats;

    (void)state;
    service_open(&s);
    s.script = away;
    assert_int_equal(result_sender_open(s.base, s.api, s.state, NULL, &sender), MT_OK);
    put_many(sender, 0, 5);
    while (s.requests == 0)
        event_base_loop(s.base, EVLOOP_ONCE);
    result_sender_close(sender);
    state_file_close(s.state);
    assert_int_equal(state_file_open(s.base, s.dir, &s.state), MT_OK);
    assert_int_equal(result_sender_open(s.base, s.api, s.state, NULL, &sender), MT_OK);
    result_sender_stats(sender, &stats);
    assert_int_equal(stats.waiting, 5);
    s.script = back;
    put_many(sender, 5, 1);
    run_until_waiting(&s, sender, 0);
    assert_string_equal(s.last, "000005");
    result_sender_close(sender);
    service_close(&s);
}

static void
oldest_are_dropped_beyond_the_bounds(void **state)
{
    static const struct result_sender_limits few = { .count = 10, .bytes = 1000 }, small = { .count = 1000, .bytes = 60 };
    static const char *const                 away[] = { "503", NULL };
    struct service                           s;
    struct result_sender                    *sender = NULL;
    struct result_sender_stats               stats;

    (void)state;
    service_open(&s);
    s.script = away;
    assert_int_equal(result_sender_open(s.base, s.api, s.state, &few, &sender), MT_OK);
    put_many(sender, 0, 25);
    result_sender_stats(sender, &stats);
    assert_int_equal(stats.waiting, 10);
    assert_int_equal(stats.dropped_total, 15);
    while (s.requests == 0)
        event_base_loop(s.base, EVLOOP_ONCE);
    assert_int_equal(s.counts[0], 10);
    assert_string_equal(s.last, "000024");
    result_sender_close(sender);
    assert_int_equal(result_sender_open(s.base, s.api, s.state, &small, &sender), MT_OK);
    put_many(sender, 25, 1);
    result_sender_stats(sender, &stats);
    assert_int_equal(stats.waiting, 60 / strlen("{\"id\":\"000025\"}"));
    result_sender_close(sender);
    service_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_wait_until_the_service_has_answered_for_each),
        cmocka_unit_test(results_outlive_a_restart_in_their_order),
        cmocka_unit_test(oldest_are_dropped_beyond_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
