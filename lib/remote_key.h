#ifndef LIB_REMOTE_KEY_H
#define LIB_REMOTE_KEY_H
/*
 * remote_key - a private key for OpenSSL that is none: it has the public half of a certificate, and signs by asking signer. RSA and ECDSA;
 * others (Ed25519) have no such way in OpenSSL 3.0 and are refused when the configuration is checked (lib/tls.h).
 */

#include "lib/signer_link.h"

#include <openssl/x509.h>

/* How keys of each kind ask. One for each process; outlives every context and session that has a key of it. */
struct remote_keys;

/* Borrows link, whose socket may come and go. NULL: out of memory. */
struct remote_keys *remote_keys_new(struct signer_link *link);
void                remote_keys_free(struct remote_keys *keys);     /* NULL is fine */

/* A key for SSL_CTX_use_PrivateKey; freed with EVP_PKEY_free. NULL: out of memory, or the certificate's key is of another kind. */
EVP_PKEY *remote_key_new(struct remote_keys *keys, X509 *certificate);

/* How the key of a certificate is named in requests. false: the certificate has none. */
bool remote_key_id(const X509 *certificate, unsigned char id[SIGNING_KEY_ID_BYTES]);

#endif
