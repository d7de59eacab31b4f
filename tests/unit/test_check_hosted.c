#include "tests/unit/unit.h"

#include "checker/hosted.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* A service that says what the test tells it to, on the loop of who listens to it. */
#define STREAMS_MAX 8
#define LIMIT_S     20

#define TOKEN_A "mt10123456789abcdefghjkmnpqrstvwxyz0123456a"
#define TOKEN_B "mt10123456789abcdefghjkmnpqrstvwxyz0123456b"
#define TOKEN_C "mt10123456789abcdefghjkmnpqrstvwxyz0123456c"

struct fake {
    struct event_base     *base;
    struct evhttp         *http;
    struct curl_loop      *loop;
    struct api            *api;
    struct hosted         *hosted;
    struct evhttp_request *stream;          /* open */
    unsigned               streams;         /* that were asked for */
    unsigned               refuse_streams;  /* so many are answered with 503 */
    char                   after[STREAMS_MAX][32];      /* Last-Event-ID of each */
    unsigned               lookups;
    unsigned               refuse_lookups;  /* so many are answered with 413 */
    size_t                 asked_most;      /* tokens in one request */
    unsigned               asked;           /* tokens in all */
    const char            *verdict_of_b;    /* what a look-up says */
};

/* What who waits was told. */
struct heard {
    struct hosted_wait *wait;
    unsigned            count;
    char                names[100];
    bool                ends;               /* stops waiting when it is told */
    struct heard       *ends_other;
    struct api         *asks;               /* asks the service something when it is told */
    unsigned            answers;
};

static void
on_answer(void *arg, const struct api_reply *reply)
{
    assert_non_null(reply->body);
    ((struct heard *)arg)->answers++;
}

static void
on_heard(void *arg, const struct hosted_event *event)
{
    struct heard *h = arg;
    size_t        len = strlen(h->names);

    assert_true(event->heard_us > 0);
    h->count++;
    snprintf(h->names + len, sizeof(h->names) - len, "%s ", event->name);
    if (h->ends_other != NULL) {
        hosted_wait_end(h->ends_other->wait);
        h->ends_other->wait = NULL;
    }
    if (h->asks != NULL)
        assert_non_null(api_request(h->asks, "POST", "/v1/lookup", slice_of("{\"tokens\":[]}"), on_answer, h));
    if (h->ends) {
        hosted_wait_end(h->wait);
        h->wait = NULL;
    }
}

static void
on_stream_closed(struct evhttp_connection *c, void *arg)
{
    struct fake *f = arg;

    (void)c;
    f->stream = NULL;
}

static void
serve_stream(struct evhttp_request *req, void *arg)
{
    struct fake *f = arg;
    const char  *after = evhttp_find_header(evhttp_request_get_input_headers(req), "Last-Event-ID");

    if (f->refuse_streams > 0) {
        f->refuse_streams--;
        evhttp_send_error(req, 503, "Service Unavailable");
        return;
    }
    assert_true(f->streams < STREAMS_MAX);
    snprintf(f->after[f->streams++], sizeof(f->after[0]), "%s", after != NULL ? after : "");
    f->stream = req;
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_stream_closed, f);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "text/event-stream");
    evhttp_send_reply_start(req, 200, "OK");
}

static void
say(struct fake *f, const char *text)
{
    struct evbuffer *out = evbuffer_new();

    assert_non_null(f->stream);
    evbuffer_add_printf(out, "%s", text);
    evhttp_send_reply_chunk(f->stream, out);
    evbuffer_free(out);
}

static void
end_stream(struct fake *f)
{
    struct evhttp_request *req = f->stream;

    f->stream = NULL;
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
    evhttp_send_reply_end(req);
}

static void
serve_lookup(struct evhttp_request *req, void *arg)
{
    struct fake     *f = arg;
    struct evbuffer *in = evhttp_request_get_input_buffer(req), *out = evbuffer_new();
    size_t           len = evbuffer_get_length(in), i;
    json_t          *body = json_loadb((const char *)evbuffer_pullup(in, -1), len, 0, NULL), *tokens = json_object_get(body, "tokens"), *token;

    f->lookups++;
    assert_true(json_is_array(tokens));
    if (f->refuse_lookups > 0) {
        f->refuse_lookups--;
        evhttp_send_reply(req, 413, "Content Too Large", out);
    } else {
        f->asked_most = json_array_size(tokens) > f->asked_most ? json_array_size(tokens) : f->asked_most;
        f->asked += (unsigned)json_array_size(tokens);
        evbuffer_add_printf(out, "{\"complete\":false,\"answers\":[");
        json_array_foreach (tokens, i, token)
            evbuffer_add_printf(out, "%s{\"token\":\"%s\",\"verdict\":\"%s\"}", i > 0 ? "," : "", json_string_value(token),
                                strcmp(json_string_value(token), TOKEN_B) == 0 && f->verdict_of_b != NULL ? f->verdict_of_b : "waiting");
        evbuffer_add_printf(out, "]}");
        evhttp_send_reply(req, 200, "OK", out);
    }
    evbuffer_free(out);
    json_decref(body);
}

/* Turns the loop until it holds. */
static void
turn_until(struct fake *f, bool (*holds)(struct fake *f, void *arg), void *arg, const char *what)
{
    struct timeval tick = { .tv_usec = 10000 }, begun, now;

    evutil_gettimeofday(&begun, NULL);
    while (!holds(f, arg)) {
        evutil_gettimeofday(&now, NULL);
        if (now.tv_sec - begun.tv_sec > LIMIT_S)
            fail_msg("in %d s it never came to this: %s", LIMIT_S, what);
        event_base_loopexit(f->base, &tick);
        event_base_dispatch(f->base);
    }
}

static bool
has_streams(struct fake *f, void *arg)
{
    struct hosted_state state;

    hosted_state(f->hosted, &state);
    return f->stream != NULL && f->streams == *(unsigned *)arg;
}

static bool
is_connected(struct fake *f, void *arg)
{
    struct hosted_state state;

    (void)arg;
    hosted_state(f->hosted, &state);
    return state.connected;
}

static bool
has_heard(struct fake *f, void *arg)
{
    (void)f;
    return ((struct heard *)arg)->count > 0;
}

static bool
has_answers(struct fake *f, void *arg)
{
    (void)f;
    return ((struct heard *)arg)->answers > 0;
}

static bool
has_asked(struct fake *f, void *arg)
{
    return f->asked >= *(unsigned *)arg;
}

static void
open_service(struct fake *f, const char *last_event_id)
{
    struct evhttp_bound_socket *bound;
    struct sockaddr_storage     address;
    socklen_t                   len = sizeof(address);
    static char                 url[64];
    struct api_settings         settings = { .url = url, .key = "mtk_1_x", .timeout_ms = 5000 };

    *f = (struct fake){ .base = event_base_new() };
    f->http = evhttp_new(f->base);
    evhttp_set_cb(f->http, "/v1/events", serve_stream, f);
    evhttp_set_cb(f->http, "/v1/lookup", serve_lookup, f);
    bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", 0);
    assert_non_null(bound);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(((struct sockaddr_in *)&address)->sin_port));
    f->loop = curl_loop_new(f->base);
    f->api = api_new(f->loop, &settings);
    f->hosted = hosted_new(f->base, f->api, last_event_id);
    assert_non_null(f->hosted);
}

static void
close_service(struct fake *f)
{
    hosted_free(f->hosted);
    api_free(f->api);
    curl_loop_free(f->loop);
    evhttp_free(f->http);
    event_base_free(f->base);
}

/* Up to the moment where the stream stands. */
static void
connect_stream(struct fake *f, unsigned number)
{
    turn_until(f, has_streams, &number, "the stream is asked for");
    say(f, ":\n\n");
    turn_until(f, is_connected, NULL, "the stream stands");
}

#define EVENT(id, name, token, mailbox) \
    "id: " id "\nevent: " name "\ndata: {\"event\":\"" name "\",\"token\":\"" token "\",\"mailbox\":\"" mailbox "\",\"verdict\":\"" name "\"}\n\n"

static void
events_reach_who_waits_for_their_token_or_mailbox(void **state)
{
    struct fake  f;
    struct heard a = { 0 }, b = { 0 }, mailbox = { 0 }, other = { 0 };

    (void)state;
    open_service(&f, "1");
    a.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &a);
    b.wait = hosted_wait_token(f.hosted, TOKEN_B, on_heard, &b);
    mailbox.wait = hosted_wait_mailbox(f.hosted, "Acme", on_heard, &mailbox);
    other.wait = hosted_wait_mailbox(f.hosted, "other", on_heard, &other);
    connect_stream(&f, 1);
    say(&f, EVENT("2", "arrived", TOKEN_C, "acme") "id: 3\nevent: silent\ndata: {\"token\":null,\"mailbox\":\"acme\"}\n\n"
            EVENT("4", "bounced", "MT10123456789ABCDEFGHJKMNPQRSTVWXYZ0123456A", "third"));
    turn_until(&f, has_heard, &a, "a is told");
    assert_string_equal(a.names, "bounced ");
    assert_string_equal(mailbox.names, "arrived ");
    assert_int_equal(b.count + other.count, 0);
    assert_int_equal(f.lookups, 0);     /* it goes on behind an event: nothing was missed */
    assert_string_equal(hosted_last_event_id(f.hosted), "4");
    hosted_wait_end(a.wait);
    hosted_wait_end(b.wait);
    hosted_wait_end(mailbox.wait);
    hosted_wait_end(other.wait);
    close_service(&f);
}

static void
what_came_before_the_first_connection_is_asked_for(void **state)
{
    struct fake  f;
    struct heard a = { 0 }, b = { 0 };

    (void)state;
    open_service(&f, "");
    f.verdict_of_b = "not-arrived-receiver-down";
    a.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &a);
    b.wait = hosted_wait_token(f.hosted, TOKEN_B, on_heard, &b);
    connect_stream(&f, 1);
    turn_until(&f, has_heard, &b, "b is told");
    assert_string_equal(b.names, "missed ");
    assert_int_equal(a.count, 0);       /* nothing is known of it: nothing is said */
    assert_int_equal(f.lookups, 1);
    hosted_wait_end(a.wait);
    hosted_wait_end(b.wait);
    close_service(&f);
}

static void
a_broken_stream_goes_on_behind_the_last_event(void **state)
{
    struct fake  f;
    struct heard a = { 0 };

    (void)state;
    open_service(&f, "");
    connect_stream(&f, 1);
    a.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &a);
    say(&f, EVENT("17", "arrived", TOKEN_C, "acme") "id: 18\nevent: arr");
    turn_until(&f, is_connected, NULL, "still");
    end_stream(&f);
    connect_stream(&f, 2);
    assert_string_equal(f.after[0], "");
    assert_string_equal(f.after[1], "17");      /* 18 was not whole */
    say(&f, EVENT("18", "arrived", TOKEN_A, "acme"));
    turn_until(&f, has_heard, &a, "a is told");
    assert_int_equal(f.lookups, 0);
    hosted_wait_end(a.wait);
    close_service(&f);
}

static void
after_a_reset_each_waiting_token_is_asked_for_once(void **state)
{
    enum { MANY = 250 };
    struct fake   f;
    struct heard  b = { 0 };
    struct heard *many = calloc(MANY, sizeof(*many));
    unsigned      all = MANY + 1;

    (void)state;
    assert_non_null(many);
    open_service(&f, "5");
    f.verdict_of_b = "arrived";
    f.refuse_lookups = 1;               /* more than the service takes at once: half as many */
    for (unsigned i = 0; i < MANY; i++) {
        char token[TOKEN_CHARS + 1];

        snprintf(token, sizeof(token), "mt1%040u", i);
        many[i].wait = hosted_wait_token(f.hosted, token, on_heard, &many[i]);
    }
    b.wait = hosted_wait_token(f.hosted, TOKEN_B, on_heard, &b);
    connect_stream(&f, 1);
    say(&f, "event: reset\ndata: {\"after\":5,\"oldest\":90,\"newest\":99}\n\n");
    turn_until(&f, has_asked, &all, "all are asked for");
    turn_until(&f, has_heard, &b, "b is told");
    assert_string_equal(b.names, "arrived ");
    assert_int_equal(f.asked, all);
    assert_int_equal(f.asked_most, 50);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(many[i].count, 0);
        hosted_wait_end(many[i].wait);
    }
    hosted_wait_end(b.wait);
    free(many);
    close_service(&f);
}

static void
who_is_told_may_stop_waiting_and_stop_others(void **state)
{
    struct fake  f;
    struct heard second = { .ends = true }, first = { .ends = true, .ends_other = &second }, third = { 0 };

    (void)state;
    open_service(&f, "5");
    third.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &third);
    second.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &second);
    first.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &first);
    connect_stream(&f, 1);
    say(&f, EVENT("6", "arrived", TOKEN_A, "acme"));
    turn_until(&f, has_heard, &third, "the third is told");
    assert_int_equal(first.count + second.count, 1);    /* the second was ended by the first before its turn */
    assert_null(first.wait);
    assert_null(second.wait);
    hosted_wait_end(third.wait);
    close_service(&f);
}

static void
without_room_for_a_stream_tokens_are_asked_for(void **state)
{
    struct fake  f;
    struct heard b = { 0 };

    (void)state;
    open_service(&f, "5");
    f.refuse_streams = 1;
    f.verdict_of_b = "arrived";
    b.wait = hosted_wait_token(f.hosted, TOKEN_B, on_heard, &b);
    turn_until(&f, has_heard, &b, "b is told");
    assert_int_equal(f.streams, 0);
    connect_stream(&f, 1);
    hosted_wait_end(b.wait);
    close_service(&f);
}

/* libcurl takes no requests from inside of its callbacks, where the octets come. */
static void
who_is_told_may_ask_the_service(void **state)
{
    struct fake  f;
    struct heard a = { 0 };

    (void)state;
    open_service(&f, "5");
    a.asks = f.api;
    a.wait = hosted_wait_token(f.hosted, TOKEN_A, on_heard, &a);
    connect_stream(&f, 1);
    say(&f, EVENT("6", "arrived", TOKEN_A, "acme"));
    turn_until(&f, has_answers, &a, "the service has answered");
    hosted_wait_end(a.wait);
    close_service(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_reach_who_waits_for_their_token_or_mailbox),
        cmocka_unit_test(what_came_before_the_first_connection_is_asked_for),
        cmocka_unit_test(a_broken_stream_goes_on_behind_the_last_event),
        cmocka_unit_test(after_a_reset_each_waiting_token_is_asked_for_once),
        cmocka_unit_test(who_is_told_may_stop_waiting_and_stop_others),
        cmocka_unit_test(without_room_for_a_stream_tokens_are_asked_for),
        cmocka_unit_test(who_is_told_may_ask_the_service),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
