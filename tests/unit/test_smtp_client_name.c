#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "smtpd/client_name.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_BYTES = 1024, QUESTIONS_MAX = 200, HEAD_BYTES = 12, TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28 };

/* A name server on the test's own loop. Its table: a question in text, and the values of the answer; other questions' names do not exist. */
struct record {
    const char *question;               /* "A mx.client.test" */
    const char *values[5];              /* names, or addresses */
};

struct fixture {
    struct event_base   *base;
    struct event        *asked;
    int                  fd;
    const struct record *records;
    bool                 silent;
    unsigned             stop_after;    /* answers, then the loop is left; 0: it goes on */
    unsigned             question_count;
    char                 questions[QUESTIONS_MAX][300];
    char                 server[40];
};

static void
append_name(struct buf *out, const char *name)
{
    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        buf_append_byte(out, (char)len);
        buf_append(out, name, len);
        name += len + (name[len] == '.');
    }
    buf_append_byte(out, '\0');
}

static void
append_value(struct buf *out, int type, const char *value)
{
    static const uint8_t head[] = { 0xc0, HEAD_BYTES, 0, 0, 0, 1, 0, 0, 1, 0x2c };
    uint8_t              address[16];
    struct buf           data;

    buf_init(&data, PACKET_BYTES);
    if (type == TYPE_PTR)
        append_name(&data, value);
    else if (inet_pton(type == TYPE_A ? AF_INET : AF_INET6, value, address) == 1)
        buf_append(&data, address, type == TYPE_A ? 4 : 16);
    buf_append(out, head, 2);
    buf_append_byte(out, '\0');
    buf_append_byte(out, (char)type);
    buf_append(out, head + 4, sizeof(head) - 4);
    buf_append_byte(out, '\0');
    buf_append_byte(out, (char)data.len);
    buf_append_slice(out, buf_slice(&data));
    buf_fini(&data);
}

/* The question as text; returns its type, and behind it. */
static int
read_question(const uint8_t *packet, char *text, size_t size, size_t *end)
{
    char   name[256] = "";
    size_t at = HEAD_BYTES;
    int    type;

    while (packet[at] != 0) {
        snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%.*s", name[0] == '\0' ? "" : ".", (int)packet[at],
                 (const char *)packet + at + 1);
        at += 1u + packet[at];
    }
    type = packet[at + 2];
    *end = at + 5;
    snprintf(text, size, "%s %s", type == TYPE_A ? "A" : type == TYPE_PTR ? "PTR" : "AAAA", name);
    return type;
}

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
    struct fixture         *f = arg;
    uint8_t                 packet[PACKET_BYTES];
    struct sockaddr_storage from;
    socklen_t               from_len = sizeof(from);
    ssize_t                 got = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);
    const struct record    *r = f->records;
    struct buf              out;
    size_t                  end;
    int                     type;

    (void)what;
    assert_true(got > HEAD_BYTES && f->question_count < QUESTIONS_MAX);
    type = read_question(packet, f->questions[f->question_count], sizeof(f->questions[0]), &end);
    while (r->question != NULL && strcmp(r->question, f->questions[f->question_count]) != 0)
        r++;
    f->question_count++;
    if (f->silent) {
        if (f->question_count == f->stop_after)
            event_base_loopbreak(f->base);
        return;
    }
    buf_init(&out, PACKET_BYTES);
    buf_append(&out, packet, end);
    out.data[2] = (char)0x81;
    out.data[3] = r->question == NULL ? (char)0x83 : (char)0x80;
    memset(out.data + 6, 0, 6);
    for (; r->question != NULL && r->values[(uint8_t)out.data[7]] != NULL; out.data[7]++)
        append_value(&out, type, r->values[(uint8_t)out.data[7]]);
    assert_int_equal(out.fault, MT_OK);
    sendto(fd, out.data, out.len, 0, (struct sockaddr *)&from, from_len);
    buf_fini(&out);
}

static int
make_fixture(void **state)
{
    static struct fixture f;
    struct sockaddr_in    in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t             len = sizeof(in);

    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
    event_base_priority_init(f.base, 2);
    f.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(getsockname(f.fd, (struct sockaddr *)&in, &len), 0);
    snprintf(f.server, sizeof(f.server), "127.0.0.1:%u", ntohs(in.sin_port));
    f.asked = event_new(f.base, f.fd, EV_READ | EV_PERSIST, on_question, &f);
    event_add(f.asked, NULL);
    *state = &f;
    return 0;
}

static int
free_fixture(void **state)
{
    struct fixture *f = *state;

    event_free(f->asked);
    event_base_free(f->base);
    close(f->fd);
    return 0;
}

/* Until the question count is reached and its answer was read: the loop has nothing to do then. */
static void
run(struct fixture *f, unsigned questions)
{
    while (f->question_count < questions)
        event_base_loop(f->base, EVLOOP_ONCE);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(f->question_count, questions);
}

static const struct record table[] = {
    { "PTR 1.2.0.192.in-addr.arpa", { "mx.client.test" } },
    { "A mx.client.test",           { "192.0.2.9", "192.0.2.1" } },
    { "PTR 2.2.0.192.in-addr.arpa", { "liar.test" } },
    { "A liar.test",                { "192.0.2.1" } },
    { "PTR 3.2.0.192.in-addr.arpa", { "liar.test", "LIAR.test", "right.client.test" } },
    { "A right.client.test",        { "192.0.2.3" } },
    { "PTR 4.2.0.192.in-addr.arpa", { "a b.test" } },
    { "A a b.test",                 { "192.0.2.4" } },
    { "PTR 8.2.0.192.in-addr.arpa", { "a/b.test" } },
    { "A a/b.test",                 { "192.0.2.8" } },
    { "PTR 9.2.0.192.in-addr.arpa", { "ok_1.client.test" } },
    { "A ok_1.client.test",         { "192.0.2.9" } },
    { "PTR 5.2.0.192.in-addr.arpa", { "a.liar.test", "b.liar.test", "c.liar.test", "right.test" } },
    { "A right.test",               { "192.0.2.5" } },
    { "PTR 6.2.0.192.in-addr.arpa", { "noaddress.test" } },
    { "PTR 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", { "six.client.test" } },
    { "AAAA six.client.test",       { "2001:db8::1" } },
    { NULL, { NULL } },
};

static const struct {
    const char *label, *address, *want;
    unsigned    questions;
} cases[] = {
    { "confirmed",                          "192.0.2.1",   "mx.client.test",    2 },
    { "confirmed, IPv6",                    "2001:db8::1", "six.client.test",   2 },
    { "a name of another",                  "192.0.2.2",   "",                  2 },
    { "the second name",                    "192.0.2.3",   "right.client.test", 3 },
    { "a name with a space is not asked",   "192.0.2.4",   "",                  1 },
    { "a name with a slash is not asked",   "192.0.2.8",   "",                  1 },
    { "a name with an underscore",          "192.0.2.9",   "ok_1.client.test",  2 },
    { "too many names",                     "192.0.2.5",   "",                  4 },
    { "a name without an address",          "192.0.2.6",   "",                  2 },
    { "no name",                            "192.0.2.7",   "",                  1 },
    { "no address",                         "unix",        "",                  0 },
};

static void
names_count_only_where_they_are_confirmed(void **state)
{
    struct fixture *f = *state;

    f->records = table;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client_names *n = client_names_new(f->base, f->server, 60000, 10);

        f->question_count = 0;
        assert_non_null(n);
        client_names_ask(n, cases[i].address);
        assert_slice(cases[i].label, client_names_find(n, cases[i].address), "");
        run(f, cases[i].questions);
        assert_slice(cases[i].label, client_names_find(n, cases[i].address), cases[i].want);
        /* What is known is not asked again, nor that there is nothing. */
        client_names_ask(n, cases[i].address);
        run(f, cases[i].questions);
        assert_slice(cases[i].label, client_names_find(n, cases[i].address), cases[i].want);
        client_names_free(n);
    }
}

static void
each_address_has_a_name_of_its_own(void **state)
{
    struct fixture      *f = *state;
    struct client_names *n = client_names_new(f->base, f->server, 60000, 10);

    f->records = table;
    client_names_ask(n, "192.0.2.1");
    client_names_ask(n, "192.0.2.2");
    client_names_ask(n, "2001:db8::1");
    run(f, 6);
    assert_slice("4", client_names_find(n, "192.0.2.1"), "mx.client.test");
    assert_slice("liar", client_names_find(n, "192.0.2.2"), "");
    assert_slice("6", client_names_find(n, "2001:db8::1"), "six.client.test");
    client_names_free(n);
}

/* What is under way ends with the process, and a client that comes meanwhile asks nothing. */
static void
look_ups_are_bounded_while_no_server_answers(void **state)
{
    struct fixture      *f = *state;
    struct client_names *n = client_names_new(f->base, f->server, 60000, 5);
    char                 address[20];

    f->records = table;
    f->silent = true;
    f->stop_after = 5;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(address, sizeof(address), "192.0.2.%u", i % 10);
        client_names_ask(n, address);
        assert_slice(address, client_names_find(n, address), "");
    }
    event_base_dispatch(f->base);
    run(f, 5);
    client_names_free(n);
}

/* The clients that were not there for the longest are forgotten. */
static void
what_is_kept_is_bounded(void **state)
{
    struct fixture      *f = *state;
    struct client_names *n = client_names_new(f->base, f->server, 60000, 10);
    char                 address[20];
    unsigned             asked = 0;

    f->records = table;
    client_names_ask(n, "192.0.2.1");
    run(f, 2);
    for (unsigned i = 0; i < CLIENT_NAMES_KEPT + 10; i++) {
        if (i == CLIENT_NAMES_KEPT - 2)
            client_names_ask(n, "192.0.2.1");       /* known, so not asked for, but used */
        f->question_count = 0;
        snprintf(address, sizeof(address), "10.1.%u.%u", i / 256, i % 256);
        client_names_ask(n, address);
        run(f, 1);
        asked++;
    }
    assert_int_equal(asked, CLIENT_NAMES_KEPT + 10);
    assert_slice("used", client_names_find(n, "192.0.2.1"), "mx.client.test");
    f->question_count = 0;
    client_names_ask(n, "10.1.0.0");                /* forgotten */
    run(f, 1);
    client_names_free(n);
}

static void
without_any_all_is_empty(void **state)
{
    (void)state;
    client_names_ask(NULL, "192.0.2.1");
    assert_int_equal(client_names_find(NULL, "192.0.2.1").len, 0);
    client_names_free(NULL);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(names_count_only_where_they_are_confirmed),
        WITH_FIXTURE(each_address_has_a_name_of_its_own),
        WITH_FIXTURE(look_ups_are_bounded_while_no_server_answers),
        WITH_FIXTURE(what_is_kept_is_bounded),
        cmocka_unit_test(without_any_all_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
