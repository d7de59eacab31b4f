#ifndef LIB_SIGNING_H
#define LIB_SIGNING_H
/*
 * signing - what smtpd, imapd and lookup ask signer for in a TLS handshake, and what it answers: one packet each way on a socket pair of
 * each process (lib/signer_link.h). Pure functions on bytes; whatever the other end sends is hostile.
 *
 * A request names the certificate whose key is to sign by the SHA-256 of its public key, never by a number: a process and a signer that were
 * made from different files do not understand each other wrongly.
 */

#include "lib/wire.h"

enum signing_kind {
    SIGNING_RSA_PKCS1,      /* RFC 8017 section 8.2: input is the digest, signer makes the encoding */
    SIGNING_RSA_PSS,        /* RFC 8017 section 8.1: input is the whole encoding (EM), which signer checks (signer/sign.h) */
    SIGNING_ECDSA,          /* input is the digest; the signature is the DER of RFC 3279 section 2.2.3 */
    SIGNING_KINDS
};

enum signing_digest { SIGNING_SHA256, SIGNING_SHA384, SIGNING_SHA512, SIGNING_DIGESTS };

#define SIGNING_KEY_ID_BYTES  32u
#define SIGNING_BYTES_MAX     1024u     /* of an input and of a signature: RSA of 8192 bits */
#define SIGNING_MESSAGE_BYTES (SIGNING_BYTES_MAX + 64u)

struct signing_request {
    uint64_t      req;          /* chosen by the asker, repeated in the answer */
    uint8_t       kind;         /* enum signing_kind */
    uint8_t       digest;       /* enum signing_digest; without a meaning for ECDSA */
    unsigned char key_id[SIGNING_KEY_ID_BYTES];
    struct slice  input;        /* borrowed */
};

struct signing_answer {
    uint64_t     req;
    uint32_t     rc;            /* enum mt_error; MT_ENOTFOUND: no such key, MT_EINVALID: the key does not sign this, MT_EIO */
    struct slice signature;     /* borrowed; empty unless MT_OK */
};

/* The name that OpenSSL knows it by; octets of the digest. */
const char *signing_digest_name(enum signing_digest digest);
size_t      signing_digest_bytes(enum signing_digest digest);

/* Each appends to b, whose fault tells whether it fitted. */
void signing_request_write(struct buf *b, const struct signing_request *request);
void signing_answer_write(struct buf *b, const struct signing_answer *answer);

/* What is written to *out is borrowed from packet. MT_EPROTO: it is none. */
int signing_request_read(struct slice packet, struct signing_request *out);
int signing_answer_read(struct slice packet, struct signing_answer *out);

#endif
