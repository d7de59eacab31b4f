/* mail_client - see mail_client.h. */

#include "bench/common/mail_client.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, LINE_BYTES = 512, TEXT_BYTES = 160, TAIL_BYTES = 24 };

struct mail_client {
    struct watch               watch;       /* first: the loop's callback casts back */
    const struct mail_setting *setting;
    void                      *owner;
    SSL                       *ssl;
    bool                       established; /* nothing is in the way of commands */
    bool                       waiting;     /* an answer is read */
    enum mail_answer           answer;
    unsigned                   opened;      /* a callback that reopens ends the reading that it was called from */
    uint64_t                   literal;     /* octets of it that are still to come */
    uint64_t                   octets;
    size_t                     line_len;    /* of the line that comes in, all told */
    char                       line[LINE_BYTES];    /* its begin */
    char                       tail[TAIL_BYTES];    /* its end, where it is longer than that */
    bool                       has_first;
    char                       first[TEXT_BYTES];
    char                       last[TEXT_BYTES];
    char                       failure[TEXT_BYTES];
};

/* One for all: reading never stops in the middle of a callback. */
static char *
read_buffer(void)
{
    static char bytes[READ_BYTES];

    return bytes;
}

struct mail_client *
mail_client_new(const struct mail_setting *setting, void *owner)
{
    struct mail_client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        err(1, "calloc");
    c->setting = setting;
    c->owner = owner;
    c->watch.fd = -1;
    return c;
}

void
mail_client_drop(struct mail_client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->watch.fd >= 0)
        close(c->watch.fd);
    c->watch.fd = -1;
    c->opened++;
    c->waiting = c->established = false;
}

void
mail_client_free(struct mail_client *c)
{
    if (c == NULL)
        return;
    mail_client_drop(c);
    free(c);
}

bool
mail_client_is_open(const struct mail_client *c)
{
    return c->watch.fd >= 0;
}

static void
fail(struct mail_client *c, const char *what)
{
    snprintf(c->failure, sizeof(c->failure), "%s", what);
    mail_client_drop(c);
    c->setting->on_event(c, MAIL_FAILED, c->owner);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* The octets that a line which ends with "{n}" announces; 0: it does not. */
static uint64_t
literal_of(const char *line, size_t len)
{
    size_t   at = len;
    uint64_t value;

    if (len < 3 || line[len - 1] != '}')
        return 0;
    while (at > 0 && line[at - 1] != '{')
        at--;
    value = at == 0 ? 0 : strtoull(line + at, NULL, 10);
    return value;
}

static void
keep(char to[TEXT_BYTES], const char *line, size_t len)
{
    if (len >= TEXT_BYTES)
        len = TEXT_BYTES - 1;
    memcpy(to, line, len);
    to[len] = '\0';
}

/* begin: at least the first LINE_BYTES of the line, or all; end: its last octets. Whether the answer is whole. */
static bool
take_line(struct mail_client *c, const char *begin, size_t begin_len, const char *end, size_t end_len)
{
    bool refused, first = !c->has_first;

    if (begin_len > 0 && begin[begin_len - 1] == '\r')
        begin_len--;
    if (end_len > 0 && end[end_len - 1] == '\r')
        end_len--;
    if (first)
        keep(c->first, begin, begin_len);
    c->has_first = true;
    switch (c->answer) {
    case MAIL_TAGGED:
        c->literal = literal_of(end, end_len);
        if (begin_len < 2 || begin[0] != 'a' || begin[1] != ' ')
            return false;
        break;
    case MAIL_DOT:
        refused = first && begin_len > 0 && begin[0] == '-';
        if (!refused && (begin_len != 1 || begin[0] != '.'))
            return false;
        break;
    default:
        break;
    }
    keep(c->last, begin, begin_len);
    return true;
}

static void
gather(struct mail_client *c, const char *bytes, size_t len)
{
    size_t room = c->line_len < LINE_BYTES ? LINE_BYTES - c->line_len : 0;
    size_t kept = len < TAIL_BYTES ? len : TAIL_BYTES;

    memcpy(c->line + c->line_len, bytes, len < room ? len : room);
    memmove(c->tail, c->tail + kept, TAIL_BYTES - kept);
    memcpy(c->tail + TAIL_BYTES - kept, bytes + len - kept, kept);
    c->line_len += len;
}

static bool
end_line(struct mail_client *c, const char *bytes, size_t len)
{
    size_t line_len;

    if (c->line_len == 0)
        return take_line(c, bytes, len, bytes, len);
    gather(c, bytes, len);
    line_len = c->line_len;
    c->line_len = 0;
    if (line_len <= LINE_BYTES)
        return take_line(c, c->line, line_len, c->line, line_len);
    return take_line(c, c->line, LINE_BYTES, c->tail, TAIL_BYTES);
}

static void
take_octets(struct mail_client *c, const char *bytes, size_t len)
{
    unsigned opened = c->opened;

    while (len > 0 && c->opened == opened) {
        const char *end;
        size_t      used = c->literal < len ? (size_t)c->literal : len;

        if (used > 0) {
            c->literal -= used;
        } else if ((end = memchr(bytes, '\n', len)) == NULL) {
            gather(c, bytes, used = len);
        } else {
            used = (size_t)(end - bytes) + 1;
            if (end_line(c, bytes, used - 1) && c->waiting) {
                c->octets += used;
                c->waiting = c->answer == MAIL_EVERY;
                c->setting->on_event(c, MAIL_ANSWERED, c->owner);
                bytes += used;
                len -= used;
                continue;
            }
        }
        c->octets += used;
        bytes += used;
        len -= used;
    }
}

/* ---- The connection ------------------------------------------------------------------------------------------------ */

static void
handshake(struct mail_client *c)
{
    int rc = SSL_connect(c->ssl);

    if (rc == 1) {
        c->established = true;
        c->setting->on_event(c, MAIL_CONNECTED, c->owner);
        return;
    }
    rc = SSL_get_error(c->ssl, rc);
    if (rc != SSL_ERROR_WANT_READ && rc != SSL_ERROR_WANT_WRITE)
        fail(c, "TLS handshake");
}

/* Octets; 0: none now; -1: the end; -2: broken. */
static ssize_t
read_some(struct mail_client *c, char *bytes)
{
    ssize_t n;

    if (c->ssl != NULL) {
        int rc = SSL_read(c->ssl, bytes, READ_BYTES);

        if (rc > 0)
            return rc;
        rc = SSL_get_error(c->ssl, rc);
        return rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE ? 0 : rc == SSL_ERROR_ZERO_RETURN ? -1 : -2;
    }
    n = recv(c->watch.fd, bytes, READ_BYTES, 0);
    if (n > 0)
        return n;
    return n == 0 ? -1 : errno == EAGAIN ? 0 : -2;
}

static void
on_ready(struct watch *w, bool readable)
{
    struct mail_client *c = (struct mail_client *)w;
    unsigned            opened = c->opened;
    ssize_t             n;

    if (c->watch.fd < 0)
        return;
    if (c->ssl != NULL && !c->established)
        handshake(c);
    else if (!c->established) {
        c->established = true;
        c->setting->on_event(c, MAIL_CONNECTED, c->owner);
    }
    if (!readable || c->opened != opened || !c->established)
        return;
    while ((n = read_some(c, read_buffer())) > 0) {
        take_octets(c, read_buffer(), (size_t)n);
        /* Less than asked for: there is no more for now. The end comes as an event of its own, or with the next read. */
        if (c->opened != opened || (c->ssl == NULL && n < READ_BYTES))
            return;
    }
    if (n == -1) {
        mail_client_drop(c);
        c->setting->on_event(c, MAIL_CLOSED, c->owner);
    } else if (n == -2) {
        fail(c, "connection broke");
    }
}

void
mail_client_open(struct mail_client *c, unsigned source)
{
    const struct mail_setting *s = c->setting;
    const int                  on = 1;

    c->opened++;
    c->literal = 0;
    c->line_len = 0;
    c->watch.ready = on_ready;
    c->watch.fd = socket(s->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->watch.fd < 0)
        err(1, "socket");
    setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (s->sources > 0) {
        struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source % s->sources) };

        setsockopt(c->watch.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(c->watch.fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
            err(1, "bind");
    }
    if (s->tls != NULL) {
        if ((c->ssl = SSL_new(s->tls)) == NULL || SSL_set_fd(c->ssl, c->watch.fd) != 1)
            errx(1, "TLS: %s", ERR_error_string(ERR_get_error(), NULL));
        SSL_set_connect_state(c->ssl);
    }
    if (connect(c->watch.fd, (const struct sockaddr *)&s->server, s->server_len) < 0 && errno != EINPROGRESS) {
        fail(c, "connect");
        return;
    }
    loop_add(s->loop, &c->watch);
}

void
mail_client_await(struct mail_client *c, enum mail_answer answer)
{
    c->answer = answer;
    c->waiting = true;
    c->has_first = false;
    c->octets = 0;
    c->first[0] = c->last[0] = '\0';
}

/* A command is small and the socket's buffer empty, so it goes out whole. */
void
mail_client_send(struct mail_client *c, const char *command, size_t len, enum mail_answer answer)
{
    ssize_t n;

    mail_client_await(c, answer);
    n = c->ssl != NULL ? SSL_write(c->ssl, command, (int)len) : send(c->watch.fd, command, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len)
        fail(c, "sending");
}

const char *
mail_client_line(const struct mail_client *c)
{
    return c->last;
}

const char *
mail_client_first(const struct mail_client *c)
{
    return c->first;
}

uint64_t
mail_client_octets(const struct mail_client *c)
{
    return c->octets;
}

const char *
mail_client_failure(const struct mail_client *c)
{
    return c->failure;
}

bool
mail_setting_resolve(struct mail_setting *setting, const char *host, const char *port)
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
