#include "lib/stream.h"

#include "lib/error.h"
#include "lib/tls_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

void
stream_init(struct stream *s, int fd)
{
    *s = (struct stream){ .fd = fd };
}

void
stream_close(struct stream *s)
{
    if (s->ssl != NULL) {
        ERR_clear_error();
        if (s->established)
            SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        s->ssl = NULL;
    }
    if (s->fd != -1)
        close(s->fd);
    s->fd = -1;
}

void
stream_end_output(struct stream *s)
{
    if (s->ssl != NULL && s->established) {
        ERR_clear_error();
        SSL_shutdown(s->ssl);
    }
    shutdown(s->fd, SHUT_WR);
}

/* What a call on the TLS connection meant that did not succeed. */
static int
tls_result(const struct stream *s, int ret)
{
    switch (SSL_get_error(s->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return MT_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return MT_ESHUTDOWN;
    default:
        return MT_EIO;
    }
}

/* Fills the buffer from as many TLS records as are there already; more than one read of the socket is not made. */
static int
read_tls(struct stream *s, char *to, size_t size, size_t *got)
{
    size_t total = 0;
    int    rc = MT_OK;

    ERR_clear_error();
    do {
        size_t part;
        int    ret = SSL_read_ex(s->ssl, to + total, size - total, &part);

        if (ret != 1) {
            rc = tls_result(s, ret);
            break;
        }
        total += part;
    } while (total < size && SSL_has_pending(s->ssl));
    s->more = rc == MT_OK && SSL_has_pending(s->ssl);
    *got = total;
    return total > 0 ? MT_OK : rc;
}

int
stream_read(struct stream *s, char *to, size_t size, size_t *got)
{
    ssize_t n;

    if (s->ssl != NULL)
        return read_tls(s, to, size, got);
    do
        n = recv(s->fd, to, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? MT_EAGAIN : MT_EIO;
    *got = (size_t)n;
    return n == 0 ? MT_ESHUTDOWN : MT_OK;
}

int
stream_write(struct stream *s, struct slice bytes, bool last, size_t *sent)
{
    ssize_t n;

    *sent = 0;
    if (s->ssl != NULL) {
        int ret;

        ERR_clear_error();
        ret = SSL_write_ex(s->ssl, bytes.data, bytes.len, sent);
        return ret == 1 ? MT_OK : tls_result(s, ret) == MT_EAGAIN ? MT_EAGAIN : MT_EIO;
    }
    do
        n = send(s->fd, bytes.data, bytes.len, MSG_NOSIGNAL | (last ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? MT_EAGAIN : MT_EIO;
    *sent = (size_t)n;
    return MT_OK;
}

bool
stream_is_silent(const struct stream *s)
{
    char octet;

    return recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool
stream_has_more(const struct stream *s)
{
    return s->more;
}

int
stream_begin_tls(struct stream *s, SSL_CTX *ctx, const char *protocol)
{
    s->ssl = SSL_new(ctx);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1)
        return MT_ENOMEM;
    tls_protocol_set(s->ssl, protocol);
    tls_hello_guard(s->ssl, &s->hello);
    SSL_set_accept_state(s->ssl);
    /* An idle connection holds no buffers; what cannot be written at once is offered again from another place in memory. */
    SSL_set_mode(s->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One read(2) takes a record whole, not its head and then its body. */
    SSL_set_read_ahead(s->ssl, 1);
    return MT_OK;
}

/*
 * TLS 1.3 ends with a message of the client that we have nothing to say to. Many a client sends its first command in a second
 * segment only when that message was acknowledged (RFC 896), and the kernel would hold that back for 40 ms (RFC 1122
 * section 4.2.3.2).
 */
static void
acknowledge_now(const struct stream *s)
{
    int on = 1;

    setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));  /* not for Unix sockets, and they need none */
}

int
stream_handshake(struct stream *s, bool *wants_write)
{
    int ret;
    int error;

    ERR_clear_error();
    ret = SSL_do_handshake(s->ssl);
    *wants_write = false;
    if (ret == 1) {
        s->established = true;
        s->more = SSL_has_pending(s->ssl);
        tls_hello_end(s->ssl);
        acknowledge_now(s);
        return MT_OK;
    }
    error = SSL_get_error(s->ssl, ret);
    *wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return MT_EAGAIN;
    return error == SSL_ERROR_SYSCALL ? MT_ESHUTDOWN : MT_EPROTO;
}

const char *
stream_tls_error(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    return reason != NULL ? reason : "the client ended the handshake";
}

void
stream_client_text(const struct sockaddr_storage *from, char *to, size_t size)
{
    const struct sockaddr_in  *ip4 = (const void *)from;
    const struct sockaddr_in6 *ip6 = (const void *)from;

    slice_copy(to, size, slice_of("unix"));
    if (from->ss_family == AF_INET)
        inet_ntop(AF_INET, &ip4->sin_addr, to, (socklen_t)size);
    else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr))
        inet_ntop(AF_INET, ip6->sin6_addr.s6_addr + 12, to, (socklen_t)size);
    else if (from->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &ip6->sin6_addr, to, (socklen_t)size);
}
