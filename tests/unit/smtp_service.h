#ifndef TESTS_UNIT_SMTP_SERVICE_H
#define TESTS_UNIT_SMTP_SERVICE_H
/*
 * smtp_service - all of smtpd in the test's own process: its hooks, a real listening socket, and a store that is played by the test.
 * A client is a socket; every step runs the loop until nothing moves any more, so that no test waits for time to pass.
 */

#include "tests/unit/unit.h"

#include "lib/log.h"
#include "lib/role.h"
#include "lib/tls.h"
#include "smtpd/smtpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What clients say most. */
#define HELLO "EHLO client.test\r\n"
#define MAIL  "MAIL FROM:<a@client.test>\r\n"
#define RCPT  "RCPT TO:<acme@mailtest1.test>\r\n"
#define BEGIN HELLO MAIL RCPT "DATA\r\n"

/* The last delivery that store got; texts in memory of its own. */
struct delivered {
    unsigned count;
    char     body[256 * 1024];
    size_t   body_len;
    char     trace[4096];
    char     reverse_path[1100];
    char     recipients[4096];      /* "mailbox=address " each */
    char     id[32];
    char     protocol[32];
    char     helo[300];
    uint32_t flags;
    bool     by_memfd;
};

struct service {
    struct role_context  role;
    struct config       *config;
    struct role_listener listeners[2];
    struct channel      *store;         /* store's end; NULL: it was cut */
    char                 folder[64];
    int                  answer;        /* to each delivery */
    bool                 genuine;       /* each has a genuine token */
    bool                 hold;          /* do not answer yet */
    uint64_t             held[64];
    unsigned             held_count;
    bool                 done;          /* role_done was called */
    int                  serving;       /* listeners that were told to take mail, less those that were told not to any more */
    struct delivered     got;
    unsigned             asked;             /* MSG_DELIVERED that came */
    int                  answer_asked;      /* what they are told */
};

static struct service *the_service;     /* for role_done, which gets only the role */

/* Of lib/role.c smtpd needs this alone. */
void
role_done(struct role_context *r)
{
    (void)r;
    the_service->done = true;
}

struct client {
    struct service *service;
    int             fd;
    bool            ended;              /* the server has closed */
    char            in[300 * 1024];
    size_t          len;
};

/* ---- Store, played ---------------------------------------------------------------------------------------------- */

static inline void
store_answer(struct service *v, uint64_t req, int rc)
{
    struct buf *b = channel_begin(v->store, MSG_ANSWER, req);

    assert_non_null(b);
    write_u32(b, (uint32_t)rc);
    if (rc == MT_OK) {
        write_u64(b, 4711);
        write_u8(b, v->genuine);
    }
    assert_int_equal(channel_end(v->store, -1), MT_OK);
}

static inline void
keep_delivery(struct delivered *got, const struct delivery *d, int fd)
{
    char *at = got->recipients;

    got->count++;
    got->by_memfd = fd != -1;
    got->flags = d->session.flags;
    got->body_len = d->size_bytes;
    assert_true(d->size_bytes <= sizeof(got->body));
    if (fd != -1)
        assert_int_equal(pread(fd, got->body, sizeof(got->body), 0), (int)d->size_bytes);
    else
        memcpy(got->body, d->body.data, d->body.len);
    if (fd != -1)
        assert_true((fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) != 0);
    slice_copy(got->trace, sizeof(got->trace), d->trace);
    slice_copy(got->reverse_path, sizeof(got->reverse_path), d->reverse_path);
    slice_copy(got->id, sizeof(got->id), d->session.id);
    slice_copy(got->protocol, sizeof(got->protocol), d->session.protocol);
    slice_copy(got->helo, sizeof(got->helo), d->session.helo);
    *at = '\0';
    for (uint32_t i = 0; i < d->recipient_count; i++)
        at += snprintf(at, sizeof(got->recipients) - (size_t)(at - got->recipients), "%.*s=%.*s ", (int)d->recipients[i].mailbox.len,
                       d->recipients[i].mailbox.data, (int)d->recipients[i].address.len, d->recipients[i].address.data);
}

static inline int
store_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct service *v = arg;
    struct delivery d;

    if (head->type == MSG_SERVING) {
        uint8_t kind;
        char    address[128];
        bool    is;

        read_u8(r, &kind);
        read_string(r, address, sizeof(address));
        read_bool(r, &is);
        assert_true(read_end(r));
        assert_true(head->req == 0 && (kind == LISTEN_SMTP || kind == LISTEN_LMTP));
        v->serving += is ? 1 : -1;
        return MT_OK;
    }
    if (head->type == MSG_DELIVERED) {
        char     id[SESSION_ID_CHARS + 1];
        uint64_t received_us;

        read_string(r, id, sizeof(id));
        read_u64(r, &received_us);
        assert_true(read_end(r) && received_us > 0);
        assert_string_equal(id, v->got.id);
        v->asked++;
        store_answer(v, head->req, v->answer_asked);
        return MT_OK;
    }
    assert_int_equal(head->type, MSG_DELIVER);
    assert_int_equal(delivery_read(r, &d), MT_OK);
    keep_delivery(&v->got, &d, *fd);
    delivery_fini(&d);
    if (v->hold)
        v->held[v->held_count++] = head->req;
    else
        store_answer(v, head->req, v->answer);
    return MT_OK;
}

static inline void
store_answer_held(struct service *v, int rc)
{
    for (unsigned i = 0; i < v->held_count; i++)
        store_answer(v, v->held[i], rc);
    v->held_count = 0;
}

static inline void
store_closed(void *arg, int rc)
{
    (void)arg;
    (void)rc;
}

static inline void
store_tells_mailbox(struct service *v, const char *name, bool enabled, bool over_quota)
{
    struct mailbox_state state = { .enabled = enabled, .over_quota = over_quota };
    struct buf          *b = channel_begin(v->store, MSG_MAILBOX, 0);

    slice_copy(state.name, sizeof(state.name), slice_of(name));
    mailbox_state_write(b, &state);
    assert_int_equal(channel_end(v->store, -1), MT_OK);
}

static inline void
store_tells_all(struct service *v)
{
    store_tells_mailbox(v, "acme", true, false);
    store_tells_mailbox(v, "second", true, false);
    store_tells_mailbox(v, "closed", false, false);
    store_tells_mailbox(v, "full", true, true);
    store_tells_mailbox(v, "postmaster", true, false);
    assert_int_equal(channel_send(v->store, MSG_MAILBOXES_SENT, 0, slice_make("", 0), -1), MT_OK);
}

static inline void
smtpd_store_closed(void *arg, int rc)
{
    struct role_context *r = arg;

    (void)rc;
    channel_free(r->store);
    r->store = NULL;
    smtpd_hooks.on_store(r, false);
}

/* Makes the channel between both, as role.c does. */
static inline void
service_connect_store(struct service *v, size_t room_bytes)
{
    int fds[2];

    assert_int_equal(channel_pair(fds), MT_OK);
    v->role.store = channel_new(v->role.base, fds[0], room_bytes, smtpd_hooks.on_store_message, smtpd_store_closed, &v->role);
    v->store = channel_new(v->role.base, fds[1], 1024 * 1024, store_message, store_closed, v);
    smtpd_hooks.on_store(&v->role, true);
}

/* Store dies: smtpd finds its channel closed. */
static inline void
store_die(struct service *v)
{
    channel_free(v->store);
    v->store = NULL;
    v->held_count = 0;
}

/* ---- The loop ------------------------------------------------------------------------------------------------------ */

/* Turns without anything to do are cheap; this many pass any message through both channels and back. */
static inline void
service_run(struct service *v)
{
    for (unsigned i = 0; i < 24; i++)
        event_base_loop(v->role.base, EVLOOP_NONBLOCK);
}

static inline void
service_listen(struct service *v, unsigned i, enum listener kind)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    v->listeners[i] = (struct role_listener){ .kind = kind, .fd = fd };
}

/* tune changes settings before the start; NULL: the defaults. */
static inline struct service *
service_new(void (*tune)(struct config *))
{
    struct service     *v = calloc(1, sizeof(*v));
    struct config_error error;
    char                text[512];

    the_service = v;
    log_open("test", LOG_LEVEL_ERROR);
    snprintf(v->folder, sizeof(v->folder), "/tmp/smtp-test-XXXXXX");
    assert_non_null(mkdtemp(v->folder));
    snprintf(text, sizeof(text),
             "domains: [mailtest1.test, other.test]\nhostname: mx.mailtest1.test\nstate_dir: %s\n"
             "tls: {certificate: %s/c.pem, key: %s/k.pem}\nlisten: {smtp: [\"127.0.0.1:2525\"]}\n",
             v->folder, v->folder, v->folder);
    if (config_parse(slice_of(text), "test", &v->config, &error) != MT_OK)
        fail_msg("%s", error.text);
    assert_int_equal(tls_self_sign(v->config->tls.certificate, v->config->tls.key, (const char *const[]){ "mx.mailtest1.test" }, 1), MT_OK);
    if (tune != NULL)
        tune(v->config);
    v->role = (struct role_context){ .role = ROLE_SMTPD, .base = event_base_new(), .config = v->config, .listeners = v->listeners,
                                     .listener_count = 2 };
    event_base_priority_init(v->role.base, 2);
    service_listen(v, 0, LISTEN_SMTP);
    service_listen(v, 1, LISTEN_LMTP);
    assert_int_equal(smtpd_hooks.open(&v->role), MT_OK);
    assert_int_equal(smtpd_hooks.start(&v->role), MT_OK);
    service_connect_store(v, 1024 * 1024);
    store_tells_all(v);
    service_run(v);
    return v;
}

static inline void
service_free(struct service *v)
{
    smtpd_hooks.close(&v->role);
    channel_free(v->role.store);
    channel_free(v->store);
    close(v->listeners[0].fd);
    close(v->listeners[1].fd);
    event_base_free(v->role.base);
    unlink(v->config->tls.certificate);
    unlink(v->config->tls.key);
    rmdir(v->folder);
    config_free(v->config);
    free(v);
}

/* ---- Clients ------------------------------------------------------------------------------------------------------- */

static inline void
client_receive(struct client *c)
{
    ssize_t n;

    service_run(c->service);
    while ((n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, MSG_DONTWAIT)) > 0) {
        c->len += (size_t)n;
        service_run(c->service);
    }
    c->ended = c->ended || n == 0;
    c->in[c->len] = '\0';
}

static inline struct client *
client_new(struct service *v, enum listener kind)
{
    struct client     *c = calloc(1, sizeof(*c));
    struct sockaddr_in address;
    socklen_t          len = sizeof(address);
    int                on = 1;

    c->service = v;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getsockname(v->listeners[kind == LISTEN_LMTP].fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, len), 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    client_receive(c);
    return c;
}

static inline void
client_free(struct client *c)
{
    close(c->fd);
    service_run(c->service);
    free(c);
}

static inline void
client_send(struct client *c, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            bytes = slice_sub(bytes, (size_t)n, bytes.len);
        else if (errno != EAGAIN)
            break;
        service_run(c->service);
    }
}

static inline unsigned
service_sessions(const struct service *v)
{
    return ((const struct smtpd *)v->role.own)->session_count;
}

/* Sends, and gives all that came back. */
static inline const char *
client_say(struct client *c, const char *text)
{
    c->len = 0;
    client_send(c, slice_of(text));
    client_receive(c);
    return c->in;
}

/* The codes of the final lines of the replies, each with a blank behind it: "250 354 ". */
static inline const char *
codes(const char *replies)
{
    static char out[4096];
    size_t      len = 0;

    for (const char *line = replies; *line != '\0' && len + 5 < sizeof(out);) {
        const char *end = strstr(line, "\r\n");

        assert_non_null(end);
        if (line[3] == ' ') {
            memcpy(out + len, line, 4);
            len += 4;
        }
        line = end + 2;
    }
    out[len] = '\0';
    return out;
}

/* ---- Tests --------------------------------------------------------------------------------------------------------- */

static inline int
setup(void **state)
{
    *state = service_new(NULL);
    return 0;
}

static inline int
teardown(void **state)
{
    service_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
