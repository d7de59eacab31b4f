/* smtp_client - see smtp_client.h. */

#include "bench/common/smtp_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_MAX = 1024, REPLY_MAX = 4096, TEXT_MAX = 120 };

/* Named after what is waited for. on_reply() makes each step but those of TLS and BODY. */
enum state {
    ST_CLOSED,
    ST_BANNER,
    ST_EHLO,
    ST_STARTTLS,
    ST_TLS,         /* the handshake: go_on() */
    ST_EHLO_TLS,
    ST_IDLE,        /* nothing: the owner decides */
    ST_MAIL,
    ST_RCPT,
    ST_DATA,
    ST_BODY,        /* room in the socket: go_on() */
    ST_DOT,
    ST_QUIT,
};

static const struct {
    const char *name;
    int         code;       /* the reply that leads on */
} expected[] = {
    [ST_CLOSED]   = { "closed", 0 },
    [ST_BANNER]   = { "banner", 220 },
    [ST_EHLO]     = { "ehlo", 250 },
    [ST_STARTTLS] = { "starttls", 220 },
    [ST_TLS]      = { "tls", 0 },
    [ST_EHLO_TLS] = { "ehlo", 250 },
    [ST_IDLE]     = { "idle", 0 },
    [ST_MAIL]     = { "mail", 250 },
    [ST_RCPT]     = { "rcpt", 250 },
    [ST_DATA]     = { "data", 354 },
    [ST_BODY]     = { "body", 0 },
    [ST_DOT]      = { "dot", 250 },
    [ST_QUIT]     = { "quit", 221 },
};

struct smtp_client {
    struct watch               watch;       /* first: the loop's callback casts back */
    const struct smtp_setting *setting;
    void                      *owner;
    SSL                       *ssl;
    enum state                 state;
    unsigned                   session;     /* counts the openings */

    /* A reply is read octet by octet, so that nothing has to be kept of it but this. */
    unsigned                   column;      /* in the reply's present line */
    int                        code;
    bool                       more;        /* "250-": another line follows */
    unsigned                   text_len;
    char                       text[TEXT_MAX];

    const char                *recipient;
    const char                *token;
    uint64_t                   serial;
    size_t                     body_sent;
    uint64_t                   heard;
    struct smtp_times          times;
    struct smtp_failure        failure;
};

static void on_ready(struct watch *w, bool readable);
static void take_replies(struct smtp_client *c);

struct smtp_client *
smtp_client_new(const struct smtp_setting *setting, void *owner)
{
    struct smtp_client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        err(1, "smtp_client");
    c->watch.fd = -1;
    c->watch.ready = on_ready;
    c->setting = setting;
    c->owner = owner;
    return c;
}

static void
drop(struct smtp_client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->watch.fd >= 0)
        close(c->watch.fd);
    c->watch.fd = -1;
    c->state = ST_CLOSED;
}

void
smtp_client_free(struct smtp_client *c)
{
    if (c == NULL)
        return;
    drop(c);
    free(c);
}

bool
smtp_client_is_open(const struct smtp_client *c)
{
    return c->state != ST_CLOSED;
}

const struct smtp_times *
smtp_client_times(const struct smtp_client *c)
{
    return &c->times;
}

const struct smtp_failure *
smtp_client_failure(const struct smtp_client *c)
{
    return &c->failure;
}

uint64_t
smtp_client_heard(const struct smtp_client *c)
{
    return c->heard;
}

static void
tell(struct smtp_client *c, enum smtp_event event)
{
    c->setting->on_event(c, event, c->owner);
}

static void
fail(struct smtp_client *c, int code, const char *what)
{
    c->failure = (struct smtp_failure){ .code = code, .what = what, .text = c->text };
    c->text[c->text_len] = '\0';
    drop(c);
    tell(c, SMTP_FAILED);
}

void
smtp_client_abandon(struct smtp_client *c, const char *what)
{
    c->text_len = 0;
    fail(c, 0, what);
}

/*
 * Octets moved; 0: not now; -1: the connection broke or ended. One call, so that both directions look the same with and
 * without TLS.
 */
static ssize_t
moved(const struct smtp_client *c, ssize_t n)
{
    if (c->ssl == NULL)
        return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    if (n > 0)
        return n;
    switch (SSL_get_error(c->ssl, (int)n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    default:
        ERR_clear_error();
        return -1;
    }
}

static ssize_t
give(struct smtp_client *c, const char *data, size_t len)
{
    if (c->ssl != NULL)
        return moved(c, SSL_write(c->ssl, data, (int)len));
    return moved(c, send(c->watch.fd, data, len, MSG_NOSIGNAL));
}

static ssize_t
take(struct smtp_client *c, char *data, size_t room)
{
    if (c->ssl != NULL)
        return moved(c, SSL_read(c->ssl, data, (int)room));
    return moved(c, recv(c->watch.fd, data, room, 0));
}

/* Everything before it was answered, so the socket is empty and a command fits: one that does not is as good as a broken line. */
static void __attribute__((format(printf, 3, 4)))
say(struct smtp_client *c, enum state next, const char *format, ...)
{
    char    command[COMMAND_MAX];
    va_list args;
    int     len;

    va_start(args, format);
    len = vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof(command));
    c->state = next;
    if (give(c, command, (size_t)len) != len)
        smtp_client_abandon(c, "closed");
}

static void
send_body(struct smtp_client *c)
{
    struct letter *letter = c->setting->letter;
    const char    *bytes = letter_with(letter, c->serial, c->token);
    size_t         size = letter_size(letter);

    while (c->body_sent < size) {
        ssize_t n = give(c, bytes + c->body_sent, size - c->body_sent);

        if (n == 0)
            return;
        if (n < 0) {
            take_replies(c);    /* perhaps it said why before it hung up */
            return;
        }
        c->body_sent += (size_t)n;
    }
    c->times.sent = now_ns();
    c->state = ST_DOT;
}

static void
handshake(struct smtp_client *c)
{
    int rc = SSL_connect(c->ssl);

    if (rc == 1) {
        c->times.tls_done = now_ns();
        say(c, ST_EHLO_TLS, "EHLO bench.test\r\n");
    } else if (moved(c, rc) < 0)
        smtp_client_abandon(c, "tls");
}

static void
start_tls(struct smtp_client *c)
{
    if ((c->ssl = SSL_new(c->setting->tls)) == NULL || SSL_set_fd(c->ssl, c->watch.fd) != 1)
        errx(1, "out of memory for TLS");
    c->state = ST_TLS;
    c->times.tls_started = now_ns();
    handshake(c);
}

/* A reply is complete: the next command goes out, or the owner is asked. */
static void
on_reply(struct smtp_client *c)
{
    enum state state = c->state;
    uint64_t   now = now_ns();

    c->heard = now;
    if (c->code != expected[state].code) {
        fail(c, c->code, expected[state].name);
        return;
    }
    switch (state) {
    case ST_BANNER:
        c->times.banner = now;
        say(c, ST_EHLO, "EHLO bench.test\r\n");
        break;
    case ST_EHLO:
        if (c->setting->tls != NULL) {
            say(c, ST_STARTTLS, "STARTTLS\r\n");
            break;
        }
        /* fall through */
    case ST_EHLO_TLS:
        c->state = ST_IDLE;
        tell(c, SMTP_READY);
        break;
    case ST_STARTTLS:
        start_tls(c);
        break;
    case ST_MAIL:
        c->state = ST_RCPT;
        if (!c->setting->pipeline)
            say(c, ST_RCPT, "RCPT TO:<%s>\r\n", c->recipient);
        break;
    case ST_RCPT:
        c->state = ST_DATA;
        if (!c->setting->pipeline)
            say(c, ST_DATA, "DATA\r\n");
        break;
    case ST_DATA:
        c->state = ST_BODY;
        send_body(c);
        break;
    case ST_DOT:
        c->times.accepted = now;
        c->state = ST_IDLE;
        tell(c, SMTP_ACCEPTED);
        break;
    case ST_QUIT:
        drop(c);
        tell(c, SMTP_CLOSED);
        break;
    case ST_CLOSED:
    case ST_TLS:
    case ST_IDLE:
    case ST_BODY:
        assert(false);      /* these expect no reply */
    }
}

/* True at the end of a reply's last line. */
static bool
take_octet(struct smtp_client *c, char octet)
{
    if (c->column == 0) {
        c->code = 0;
        c->more = false;
        c->text_len = 0;
    }
    if (octet == '\n') {
        c->column = 0;
        return !c->more;
    }
    if (c->column < 3 && octet >= '0' && octet <= '9')
        c->code = c->code * 10 + (octet - '0');
    else if (c->column == 3)
        c->more = octet == '-';
    if (octet != '\r' && c->text_len < TEXT_MAX - 1)
        c->text[c->text_len++] = octet;
    c->column++;
    return false;
}

static void
on_end(struct smtp_client *c)
{
    if (c->state != ST_IDLE && c->state != ST_QUIT) {
        smtp_client_abandon(c, "closed");
        return;
    }
    drop(c);
    tell(c, SMTP_CLOSED);
}

/*
 * Reads until the socket is empty: edge-triggered, so what is left lying would never be told of again. A short read proves it
 * empty (epoll(7)) in plain text; TLS may hold back a part of a record.
 */
static void
take_replies(struct smtp_client *c)
{
    char       buffer[REPLY_MAX];
    const SSL *ssl = c->ssl;
    unsigned   session = c->session;
    ssize_t    n;

    do {
        n = take(c, buffer, sizeof(buffer));
        if (n < 0) {
            on_end(c);
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (!take_octet(c, buffer[i]))
                continue;
            if (c->state == ST_IDLE || c->state == ST_BODY) {   /* a 421, or a refusal in the middle of the data */
                fail(c, c->code, expected[c->state].name);
                return;
            }
            on_reply(c);
            /* Closed, opened again by the owner, or in the handshake: what follows in the buffer is of the past. */
            if (c->state == ST_CLOSED || c->session != session || c->ssl != ssl)
                return;
        }
    } while (n == (ssize_t)sizeof(buffer) || (n > 0 && c->ssl != NULL));
}

static void
on_ready(struct watch *w, bool readable)
{
    struct smtp_client *c = (struct smtp_client *)w;

    if (c->state == ST_TLS)
        handshake(c);
    else if (c->state == ST_BODY)
        send_body(c);
    if (readable && c->state != ST_CLOSED && c->state != ST_TLS)
        take_replies(c);
}

void
smtp_client_open(struct smtp_client *c)
{
    static unsigned turn;
    const int       on = 1;

    assert(c->state == ST_CLOSED);
    c->session++;
    memset(&c->times, 0, sizeof(c->times));
    c->column = 0;
    c->heard = c->times.opened = now_ns();
    c->watch.fd = socket(c->setting->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->watch.fd < 0)
        err(1, "socket");
    /* The rest of a large body must not wait for the acknowledgement of its beginning. */
    setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (c->setting->sources > 0) {
        struct sockaddr_in from = { .sin_family = AF_INET };

        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % c->setting->sources);
        setsockopt(c->watch.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(c->watch.fd, (struct sockaddr *)&from, sizeof(from)) < 0)
            err(1, "bind to a loopback address");
    }
    c->state = ST_BANNER;
    if (connect(c->watch.fd, (const struct sockaddr *)&c->setting->server, c->setting->server_len) < 0 &&
        errno != EINPROGRESS) {
        if (errno == EADDRNOTAVAIL)
            errx(1, "no local port is free: use --sources");
        smtp_client_abandon(c, "connect");
        return;
    }
    loop_add(c->setting->loop, &c->watch);
}

void
smtp_client_send(struct smtp_client *c, const char *recipient, const char *token, uint64_t serial)
{
    assert(c->state == ST_IDLE);
    c->recipient = recipient;
    c->token = token;
    c->serial = serial;
    c->body_sent = 0;
    if (c->setting->pipeline)
        say(c, ST_MAIL, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", c->setting->sender, recipient);
    else
        say(c, ST_MAIL, "MAIL FROM:<%s>\r\n", c->setting->sender);
}

void
smtp_client_quit(struct smtp_client *c)
{
    assert(c->state == ST_IDLE);
    say(c, ST_QUIT, "QUIT\r\n");
}

bool
smtp_setting_resolve(struct smtp_setting *setting, const char *host, const char *port)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    memcpy(&setting->server, found->ai_addr, found->ai_addrlen);
    setting->server_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}
