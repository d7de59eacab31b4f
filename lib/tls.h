#ifndef LIB_TLS_H
#define LIB_TLS_H
/*
 * tls - server contexts of OpenSSL as this service wants them: TLS 1.2 and up, forward secrecy only, no renegotiation, no
 * compression, no session tickets, small buffers while idle. Which of several is chosen by name: lib/tls_server.h.
 */

#include "lib/slice.h"

#include <openssl/ssl.h>

/*
 * Reads the certificate chain and the key (PEM files). MT_ENOTFOUND, MT_EDENIED, MT_EINVALID (they do not belong together, or
 * are none): logged with the file and the reason. *out is freed with SSL_CTX_free.
 */
int tls_server_open(const char *certificate_file, const char *key_file, SSL_CTX **out);

/* The same without the key's file: the key is with signer. keys outlives the context. */
struct remote_keys;
int tls_server_open_remote(const char *certificate_file, struct remote_keys *keys, SSL_CTX **out);

/* Whether tls_server_open would do. As it, but the file and the reason go into text (cut at size) and nothing is logged. */
int tls_server_check(const char *certificate_file, const char *key_file, char *text, size_t size);

/* When the context's certificate expires, Unix seconds; 0 where unknown. */
int64_t tls_expires_unix(const SSL_CTX *ctx);

/* As tls_expires_unix of the first certificate in a file; its first name goes into name, cut at size. MT_EINVALID: there is none. */
int tls_certificate_read(const char *certificate_file, char *name, size_t size, int64_t *expires_unix);

/*
 * Calls take for each name that a certificate is for: the DNS names among its alternative names, or its common name where it has none
 * (RFC 6125 section 6.4.4). The slice is valid during the call. Stops when take returns false, and then returns it.
 */
typedef bool tls_name_fn(void *arg, struct slice name);
bool tls_certificate_names(const X509 *certificate, tls_name_fn *take, void *arg);

/* Makes a P-256 key and a self-signed certificate for the names, valid for ten years, mode 0600/0644. 0 or MT_E… (logged). */
int tls_self_sign(const char *certificate_file, const char *key_file, const char *const *names, unsigned name_count);

/* "TLSv1.3" and the cipher's standard name of a connection, as in Received fields. Static strings. */
const char *tls_version(const SSL *ssl);
const char *tls_cipher(const SSL *ssl);

#endif
