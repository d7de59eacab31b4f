#ifndef LIB_TLS_HELLO_H
#define LIB_TLS_HELLO_H
/*
 * tls_hello - a bound on a client's ClientHello. OpenSSL takes up to 128 KiB of one, and makes room for all of it as soon as its head says how long it
 * will be: a client that sends nine octets and waits would hold as much. Those of real clients have some hundred octets, with the keys of
 * post-quantum exchanges two thousand.
 */

#include "lib/slice.h"

#include <openssl/ssl.h>

/* A message's octets behind its head; no more than one record holds (RFC 8446 section 5.1). */
#define TLS_HELLO_MAX_BYTES 16384u

/* Where in the records of one client we are. All zero: at their beginning. */
struct tls_hello {
    uint8_t  head[5];       /* a record's head (RFC 8446 section 5.1), as far as it has come */
    uint8_t  head_len;
    bool     in_record;
    bool     done;          /* what comes now is no ClientHello: nothing more is looked at */
    uint8_t  message[4];    /* a message's head (section 4), the same */
    uint8_t  message_len;
    uint16_t record_left;
    uint32_t message_left;
};

/*
 * Takes what the client sent next, in pieces of any size. False: it announces a ClientHello that is too long. Both of them are looked at where the
 * client is asked for a second one (RFC 8446 section 4.1.4); what is no TLS is left to OpenSSL. Linear in bytes.
 */
bool tls_hello_take(struct tls_hello *w, struct slice bytes);

/* From now on the handshake of ssl, whose BIO is there already, fails where tls_hello_take does. *w lives until tls_hello_end, or as long as ssl does. */
void tls_hello_guard(SSL *ssl, struct tls_hello *w);
void tls_hello_end(SSL *ssl);

#endif
