#ifndef LIB_TLS_SERVER_H
#define LIB_TLS_SERVER_H
/*
 * tls_server - all certificates of the configuration, and the choice between them by the name that a client asks for (SNI, RFC 6066
 * section 3): the first certificate in the order of the configuration that is for that name, else the first of all (tls.certificate). Names are
 * compared without case; "*" stands for one whole label, the first (RFC 6125 section 6.4.3), and a name itself goes before a "*".
 */

#include "lib/config.h"
#include "lib/signer_link.h"

#include <openssl/ssl.h>

struct tls_server;

/*
 * Reads the certificates. signer: who signs, borrowed; NULL: the keys are read here as well, for tests that have no signer.
 * MT_ENOTFOUND, MT_EDENIED, MT_EINVALID: logged with the file and the reason; MT_ENOMEM. *out is freed with tls_server_free, behind the last
 * session.
 */
int  tls_server_new(const struct config *config, struct signer_link *signer, struct tls_server **out);
void tls_server_free(struct tls_server *server);        /* NULL is fine */

/* The context for new sessions, borrowed; the choice is made within the handshake. NULL for NULL. */
SSL_CTX *tls_server_context(const struct tls_server *server);

/* The number of the certificate for a name, from 0 in the order of the configuration; 0 where none is for it. Without a final dot or with it. */
unsigned tls_server_choose(const struct tls_server *server, struct slice name);

/* When the first of the certificates expires, Unix seconds; 0 where unknown. */
int64_t tls_server_expires_unix(const struct tls_server *server);

#endif
