#include "tests/unit/unit.h"

#include "webhook/post.h"
#include "webhook/signature.h"

#include <curl/curl.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeee"

/* A server that notes what it gets and answers what it is told to, and the posts to it, on one loop. */
struct world {
    struct event_base *base;
    struct evhttp     *server;
    unsigned           port;
    struct config      config;
    X509_STORE        *certificates;
    struct posts      *posts;
    /* What the server answers: 0: nothing ever. */
    int                status;
    const char        *location;
    size_t             answer_bytes;
    /* What it got. */
    unsigned           requests;
    char               type[64], agent[64], id[64], timestamp[64], signature[128], path[64], body[4096];
    /* How posts ended. */
    unsigned           ended, wanted;
    uint32_t           webhook_id;
    uint64_t           event_id;
    uint16_t           http_status;
    char               error[400];
};

static void
note(const struct evkeyvalq *headers, const char *name, char *to, size_t size)
{
    const char *value = evhttp_find_header(headers, name);

    snprintf(to, size, "%s", value == NULL ? "" : value);
}

static void
on_request(struct evhttp_request *req, void *arg)
{
    struct world     *w = arg;
    struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
    struct evbuffer  *body = evhttp_request_get_input_buffer(req), *answer;
    size_t            len = evbuffer_get_length(body);

    w->requests++;
    note(headers, "Content-Type", w->type, sizeof(w->type));
    note(headers, "User-Agent", w->agent, sizeof(w->agent));
    note(headers, "Mailtest-Event-Id", w->id, sizeof(w->id));
    note(headers, "Mailtest-Timestamp", w->timestamp, sizeof(w->timestamp));
    note(headers, "Mailtest-Signature", w->signature, sizeof(w->signature));
    snprintf(w->path, sizeof(w->path), "%s", evhttp_request_get_uri(req));
    assert_true(len < sizeof(w->body));
    evbuffer_copyout(body, w->body, len);
    w->body[len] = '\0';
    if (w->status == 0)
        return;
    if (w->location != NULL)
        evhttp_add_header(evhttp_request_get_output_headers(req), "Location", w->location);
    answer = evbuffer_new();
    for (size_t i = 0; i < w->answer_bytes; i++)
        evbuffer_add(answer, "x", 1);
    evhttp_send_reply(req, w->status, NULL, answer);
    evbuffer_free(answer);
}

static void
on_done(void *arg, uint32_t webhook_id, uint64_t event_id, uint16_t http_status, struct slice error)
{
    struct world *w = arg;

    w->webhook_id = webhook_id;
    w->event_id = event_id;
    w->http_status = http_status;
    slice_copy(w->error, sizeof(w->error), error);
    if (++w->ended == w->wanted)
        event_base_loopbreak(w->base);
}

static int
setup(void **state)
{
    struct world              *w = calloc(1, sizeof(*w));
    struct evhttp_bound_socket *socket;
    struct sockaddr_in          address;
    socklen_t                   len = sizeof(address);

    w->base = event_base_new();
    w->server = evhttp_new(w->base);
    socket = evhttp_bind_socket_with_handle(w->server, "127.0.0.1", 0);
    getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &len);
    w->port = ntohs(address.sin_port);
    evhttp_set_gencb(w->server, on_request, w);
    w->config.webhook.timeout_ms = 20000;
    w->config.webhook.allow_private = true;
    w->certificates = X509_STORE_new();
    w->posts = posts_new(w->base, &w->config, w->certificates, on_done, w);
    w->status = 200;
    *state = w;
    return w->posts == NULL;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    posts_free(w->posts);
    X509_STORE_free(w->certificates);
    evhttp_free(w->server);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void
begin(struct world *w, const char *url, uint64_t event_id)
{
    struct post_order order = {
        .webhook_id = 7,
        .event_id = event_id,
        .url = slice_of(url),
        .secret = slice_of(SECRET),
        .event = { .kind = EVENT_MISSED, .at_us = 1795231800000000u, .mailbox_id = 1, .mailbox = slice_of("acme"),
                   .detail = slice_of("nothing came by the deadline") },
    };

    assert_int_equal(posts_begin(w->posts, &order), MT_OK);
}

/* Posts to a path of the server, or to a URL, and waits for the end. */
static void
post(struct world *w, const char *to)
{
    char url[200];

    if (to[0] == '/')
        snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", w->port, to);
    else
        snprintf(url, sizeof(url), "%s", to);
    w->wanted = w->ended + 1;
    begin(w, url, 42);
    assert_int_equal(w->ended + 1, w->wanted);      /* never from inside the call */
    event_base_dispatch(w->base);
    assert_int_equal(w->ended, w->wanted);
    assert_int_equal(posts_count(w->posts), 0);
}

static void
post_has_the_event_and_its_signature(void **state)
{
    struct world *w = *state;
    char          mac[SIGNATURE_HEX_CHARS + 1], want[SIGNATURE_HEX_CHARS + 4];
    json_t       *event;

    post(w, "/hook?a=b");
    assert_int_equal(w->http_status, 200);
    assert_string_equal(w->error, "");
    assert_int_equal(w->webhook_id, 7);
    assert_int_equal(w->event_id, 42);
    assert_string_equal(w->path, "/hook?a=b");
    assert_string_equal(w->type, "application/json");
    assert_string_equal(w->agent, "Mailtest/" MAILTEST_VERSION);
    assert_string_equal(w->id, "42");
    signature_make(slice_of(SECRET), strtoull(w->timestamp, NULL, 10), slice_of(w->body), mac);
    snprintf(want, sizeof(want), "v1=%s", mac);
    assert_string_equal(w->signature, want);
    event = json_loads(w->body, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(event, "id")), 42);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "missed");
    assert_string_equal(json_string_value(json_object_get(event, "mailbox")), "acme");
    json_decref(event);
}

static const struct {
    const char *label;
    int         status;
    const char *location;
    size_t      answer_bytes;
    const char *error;          /* a part of it; "": taken */
} answers[] = {
    { "no content",            204, NULL, 0, "" },
    { "long answer",           200, NULL, 100000, "" },
    { "redirect",              302, "/other", 0, "no redirect is followed" },
    { "gone",                  410, NULL, 0, "the server answered 410" },
    { "broken",                500, NULL, 100, "the server answered 500" },
    { "broken at length",      503, NULL, 100000, "the server answered 503" },
};

static void
status_is_the_answer(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(answers); i++) {
        w->status = answers[i].status;
        w->location = answers[i].location;
        w->answer_bytes = answers[i].answer_bytes;
        w->requests = 0;
        post(w, "/hook");
        if (w->http_status != answers[i].status || w->requests != 1 || (w->error[0] == '\0') != (answers[i].error[0] == '\0') ||
            strstr(w->error, answers[i].error) == NULL)
            fail_msg("%s: %u after %u, \"%s\"", answers[i].label, w->http_status, w->requests, w->error);
    }
}

static void
what_cannot_be_reached_is_said(void **state)
{
    struct world *w = *state;
    char          url[100];

    post(w, "gopher://127.0.0.1/");
    assert_non_null(strstr(w->error, "neither with https:// nor with http://"));
    post(w, "http://-no-host-.invalid..name/");
    assert_int_equal(w->http_status, 0);
    assert_true(w->error[0] != '\0');
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", w->port);
    post(w, url);               /* no TLS there */
    assert_int_equal(w->http_status, 0);
    assert_true(w->error[0] != '\0');
    assert_int_equal(w->requests, 0);
}

static void
private_addresses_are_refused_where_they_are_not_allowed(void **state)
{
    struct world *w = *state;
    char          url[100];

    w->config.webhook.allow_private = false;
    post(w, "/hook");
    assert_non_null(strstr(w->error, "has no public address"));
    snprintf(url, sizeof(url), "http://localhost:%u/", w->port);
    post(w, url);               /* a name that leads there */
    assert_non_null(strstr(w->error, "has no public address"));
    assert_int_equal(w->requests, 0);
    w->config.webhook.allow_private = true;
    post(w, url);
    assert_int_equal(w->http_status, 200);
}

static void
server_that_never_answers_is_given_up(void **state)
{
    struct world *w = *state;

    w->status = 0;
    w->config.webhook.timeout_ms = 100;
    post(w, "/hook");
    assert_int_equal(w->http_status, 0);
    assert_string_equal(w->error, "no answer within 100 ms");
}

static void
many_are_under_way_at_once_and_cancelled_without_a_word(void **state)
{
    struct world *w = *state;
    char          url[100];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", w->port);
    w->wanted = 20;
    for (uint64_t id = 1; id <= 20; id++)
        begin(w, url, id);
    assert_int_equal(posts_count(w->posts), 20);
    event_base_dispatch(w->base);
    assert_int_equal(w->ended, 20);
    assert_int_equal(w->requests, 20);

    w->status = 0;
    for (uint64_t id = 21; id <= 40; id++)
        begin(w, url, id);
    while (w->requests < 40)
        event_base_loop(w->base, EVLOOP_ONCE);
    posts_cancel(w->posts);
    assert_int_equal(posts_count(w->posts), 0);
    assert_int_equal(w->ended, 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(post_has_the_event_and_its_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(status_is_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_reached_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(private_addresses_are_refused_where_they_are_not_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(server_that_never_answers_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(many_are_under_way_at_once_and_cancelled_without_a_word, setup, teardown),
    };

    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
