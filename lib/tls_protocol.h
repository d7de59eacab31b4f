#ifndef LIB_TLS_PROTOCOL_H
#define LIB_TLS_PROTOCOL_H
/*
 * tls_protocol - which protocol is spoken within TLS (ALPN, RFC 7301). A client that names protocols, and not ours, is not let in: a browser that
 * somebody on the way has led from a web server to a mail server with the same certificate says "http/1.1" (ALPACA, 2021). One that names none is.
 */

#include <openssl/ssl.h>

/* Has the context's connections answer as above. */
void tls_protocol_check(SSL_CTX *ctx);

/* What a connection speaks: "smtp", "imap", "pop3" or "http/1.1". Borrowed for as long as the connection. Without it any name is let in. */
void tls_protocol_set(SSL *ssl, const char *name);

#endif
