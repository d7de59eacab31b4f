#ifndef LIB_TLS_H
#define LIB_TLS_H
/*
 * tls - server contexts of OpenSSL as this service wants them: TLS 1.2 and up, forward secrecy only, no renegotiation, no
 * compression, small buffers while idle.
 */

#include "lib/slice.h"

#include <openssl/ssl.h>

/*
 * Reads the certificate chain and the key (PEM files). MT_ENOTFOUND, MT_EDENIED, MT_EINVALID (they do not belong together, or
 * are none): logged with the file and the reason. *out is freed with SSL_CTX_free.
 */
int tls_server_open(const char *certificate_file, const char *key_file, SSL_CTX **out);

/* Whether tls_server_open would do. As it, but the file and the reason go into text (cut at size) and nothing is logged. */
int tls_server_check(const char *certificate_file, const char *key_file, char *text, size_t size);

/* When the context's certificate expires, Unix seconds; 0 where unknown. */
int64_t tls_expires_unix(const SSL_CTX *ctx);

/* Makes a P-256 key and a self-signed certificate for the names, valid for ten years, mode 0600/0644. 0 or MT_E… (logged). */
int tls_self_sign(const char *certificate_file, const char *key_file, const char *const *names, unsigned name_count);

/* "TLSv1.3" and the cipher's standard name of a connection, as in Received fields. Static strings. */
const char *tls_version(const SSL *ssl);
const char *tls_cipher(const SSL *ssl);

#endif
