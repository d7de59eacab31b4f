#ifndef SIGNER_SIGN_H
#define SIGNER_SIGN_H
/*
 * sign - one signature, and what is refused one. Of RSA only encodings of signatures are taken (PKCS #1 v1.5, which is made here, and PSS,
 * whose structure is checked), so that no asker gets the bare private operation, with which old sessions could be decrypted.
 */

#include "lib/signing.h"

#include <openssl/evp.h>

/*
 * Appends the signature to out.
 * MT_EINVALID  the key is of another kind, or the input is no encoding that it signs
 * MT_EIO, MT_ENOMEM
 */
int sign(EVP_PKEY *key, const struct signing_request *request, struct buf *out);

/* Whether em is the encoding of RFC 8017 section 9.1.1 with one of the digests, MGF1 with the same, and a salt as long as it, for a key of so many bits. */
bool pss_encoding_is_sound(struct slice em, unsigned key_bits);

#endif
