#ifndef LIB_STREAM_H
#define LIB_STREAM_H
/*
 * stream - the octets of one connection, in plain or by TLS: one way to read and write for both. Non-blocking; the caller waits
 * for the socket.
 */

#include "lib/tls_hello.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

struct stream {
    int  fd;            /* owned */
    SSL *ssl;           /* owned; NULL: plain */
    bool established;   /* the handshake is done */
    bool more;          /* of what was read from the socket, more may be given */
    struct tls_hello hello; /* while it is not */
};

/* The address of an accepted client in text, "unix" for others than IP. An IPv4 client of a socket that listens on IPv6 is shown as what it is. */
void stream_client_text(const struct sockaddr_storage *from, char *to, size_t size);

/* Takes over the socket. */
void stream_init(struct stream *s, int fd);

/* Says goodbye by TLS where that is spoken, and closes. */
void stream_close(struct stream *s);

/* No more will be written; the other side can still be read, to let it see the last reply (see session_settle). */
void stream_end_output(struct stream *s);

/*
 * Reads at most size octets. MT_OK with *got > 0, or
 * MT_EAGAIN     nothing is there yet
 * MT_ESHUTDOWN  the other side ended
 * MT_EIO        the connection or its TLS is broken
 */
int stream_read(struct stream *s, char *to, size_t size, size_t *got);

/*
 * Writes what fits; *sent may be less than all. last: stream_end_output or stream_close follows at once when all has left, so that
 * one packet carries both. MT_OK, MT_EAGAIN, MT_EIO.
 */
int stream_write(struct stream *s, struct slice bytes, bool last, size_t *sent);

/* Within a handshake: nothing came from the client that was not read yet. */
bool stream_is_silent(const struct stream *s);

/*
 * Octets have been read from the socket that stream_read would give back now: the socket may stay silent about them. A part of a TLS record
 * is none: the rest has to come first.
 */
bool stream_has_more(const struct stream *s);

/* Begins TLS as its server; protocol: what is spoken in it (lib/tls_protocol.h). 0 or MT_ENOMEM. */
int stream_begin_tls(struct stream *s, SSL_CTX *ctx, const char *protocol);

/* Goes on with the handshake: MT_OK it is done, MT_EAGAIN (*wants_write: until the socket takes more), MT_EPROTO, MT_ESHUTDOWN. */
int stream_handshake(struct stream *s, bool *wants_write);

/* Why TLS failed, for the log; static or thread-local text. */
const char *stream_tls_error(void);

#endif
