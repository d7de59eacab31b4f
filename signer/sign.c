#include "signer/sign.h"

#include "lib/error.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

enum { PSS_TRAILER = 0xbc, DIGEST_BYTES_MAX = 64 };

/* ---- PSS --------------------------------------------------------------------------------------------------------- */

/* RFC 8017 appendix B.2.1, exclusive-or'ed into data. */
static bool
unmask(unsigned char *data, size_t len, const EVP_MD *md, const unsigned char *seed, size_t digest_bytes)
{
    unsigned char block[DIGEST_BYTES_MAX], counter[4];
    EVP_MD_CTX   *ctx = EVP_MD_CTX_new();
    bool          ok = ctx != NULL;

    for (size_t at = 0; ok && at < len; at++) {
        if (at % digest_bytes == 0) {
            put_u32(counter, (uint32_t)(at / digest_bytes));
            ok = EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, seed, digest_bytes) == 1 &&
                 EVP_DigestUpdate(ctx, counter, sizeof(counter)) == 1 && EVP_DigestFinal_ex(ctx, block, NULL) == 1;
        }
        data[at] ^= block[at % digest_bytes];
    }
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* em: of (bits of the key - 1) bits. EMSA-PSS-VERIFY's steps but for the last, which needs the message. */
static bool
is_pss_with(struct slice em, unsigned unused_bits, enum signing_digest digest)
{
    unsigned char block[SIGNING_BYTES_MAX];
    size_t        digest_bytes = signing_digest_bytes(digest), masked, at = 0;

    if (em.len < 2 * digest_bytes + 2 || em.len > sizeof(block))
        return false;
    memcpy(block, em.data, em.len);
    masked = em.len - digest_bytes - 1;
    if ((block[0] & ~(0xffu >> unused_bits)) != 0 ||
        !unmask(block, masked, EVP_get_digestbyname(signing_digest_name(digest)), block + masked, digest_bytes))
        return false;
    block[0] &= (unsigned char)(0xffu >> unused_bits);
    while (at < masked - digest_bytes - 1 && block[at] == 0)
        at++;
    return at == masked - digest_bytes - 1 && block[at] == 1;
}

bool
pss_encoding_is_sound(struct slice em, unsigned key_bits)
{
    unsigned bits = key_bits - 1;
    size_t   len = (bits + 7) / 8;

    /* Where the length is one octet less than the modulus, there is a zero in front. */
    if (key_bits < 2 || em.len != (key_bits + 7) / 8 || (len < em.len && em.data[0] != 0))
        return false;
    em = slice_sub(em, em.len - len, len);
    if (em.len == 0 || (unsigned char)em.data[em.len - 1] != PSS_TRAILER)
        return false;
    for (enum signing_digest digest = 0; digest < SIGNING_DIGESTS; digest++)
        if (is_pss_with(em, (unsigned)(8 * len - bits), digest))
            return true;
    return false;
}

/* ---- Signing ----------------------------------------------------------------------------------------------------- */

/* Whether the request fits the key, and what OpenSSL is to be told of it. */
static bool
prepare(EVP_PKEY_CTX *ctx, EVP_PKEY *key, const struct signing_request *request)
{
    bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

    switch (request->kind) {
    case SIGNING_RSA_PKCS1:
        return is_rsa && request->input.len == signing_digest_bytes(request->digest) &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(signing_digest_name(request->digest))) == 1;
    case SIGNING_RSA_PSS:
        return is_rsa && pss_encoding_is_sound(request->input, (unsigned)EVP_PKEY_get_bits(key)) &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1;
    case SIGNING_ECDSA:
        return !is_rsa && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && request->input.len >= signing_digest_bytes(SIGNING_SHA256) &&
               request->input.len <= DIGEST_BYTES_MAX;
    default:
        return false;
    }
}

int
sign(EVP_PKEY *key, const struct signing_request *request, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t        len = SIGNING_BYTES_MAX;
    void         *room;
    int           rc = MT_OK;

    if (ctx == NULL || (room = buf_reserve(out, SIGNING_BYTES_MAX)) == NULL)
        rc = MT_ENOMEM;
    else if (EVP_PKEY_sign_init(ctx) != 1)
        rc = MT_EIO;
    else if (!prepare(ctx, key, request))
        rc = MT_EINVALID;
    else if (EVP_PKEY_sign(ctx, room, &len, (const unsigned char *)request->input.data, request->input.len) != 1)
        rc = MT_EIO;
    else
        buf_added(out, len);
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    return rc;
}
