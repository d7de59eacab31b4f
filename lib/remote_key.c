/*
 * RSA_METHOD and EC_KEY_METHOD are what OpenSSL has for keys that are elsewhere. 3.0 calls them deprecated in favour of a provider, which
 * would be a far longer way for the same two functions; both work in all of 3.x.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "lib/remote_key.h"

#include "lib/error.h"
#include "lib/log.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* What a key of OpenSSL's knows of itself: in its slot for the application, which is number 0 of every kind. */
enum { APPLICATION_SLOT = 0 };

struct identity {
    struct identity    *next;
    struct signer_link *link;
    unsigned char       id[SIGNING_KEY_ID_BYTES];
};

struct remote_keys {
    struct signer_link *link;
    RSA_METHOD         *rsa;
    EC_KEY_METHOD      *ec;
    struct identity    *identities;
};

/* Octets of the signature, 0 where there is none. */
static size_t
ask(const struct identity *identity, enum signing_kind kind, enum signing_digest digest, struct slice input, unsigned char *to, size_t size)
{
    struct signing_request request = { .kind = kind, .digest = digest, .input = input };
    size_t                 len = 0;
    int                    rc;

    if (identity == NULL)
        return 0;
    memcpy(request.key_id, identity->id, sizeof(request.key_id));
    rc = signer_link_sign(identity->link, &request, to, size, &len);
    if (rc == MT_OK)
        return len;
    log_warning("event=no-signature reason=\"%s\"%s", rc == MT_EAGAIN ? "signer does not answer" : rc == MT_ESHUTDOWN ? "there is no signer" :
                mt_strerror(rc), rc == MT_ENOTFOUND ? " hint=\"the files of tls have changed; a reload brings both sides the same\"" : "");
    return 0;
}

static bool
digest_of(int nid, enum signing_digest *out)
{
    switch (nid) {
    case NID_sha256:
        *out = SIGNING_SHA256;
        return true;
    case NID_sha384:
        *out = SIGNING_SHA384;
        return true;
    case NID_sha512:
        *out = SIGNING_SHA512;
        return true;
    default:
        return false;
    }
}

/* ---- RSA -------------------------------------------------------------------------------------------------------- */

/* TLS 1.2 with PKCS #1 v1.5. */
static int
rsa_sign(int digest_nid, const unsigned char *digest, unsigned len, unsigned char *to, unsigned *to_len, const RSA *rsa)
{
    enum signing_digest digest_kind;
    size_t              n;

    if (!digest_of(digest_nid, &digest_kind) || len != signing_digest_bytes(digest_kind))
        return 0;
    n = ask(RSA_get_ex_data(rsa, APPLICATION_SLOT), SIGNING_RSA_PKCS1, digest_kind, slice_make(digest, len), to, (size_t)RSA_size(rsa));
    *to_len = (unsigned)n;
    return n > 0;
}

/* PSS: OpenSSL has made the encoding already. Nothing else is signed so. */
static int
rsa_private_encrypt(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    size_t n = 0;

    if (padding == RSA_NO_PADDING && len > 0)
        n = ask(RSA_get_ex_data(rsa, APPLICATION_SLOT), SIGNING_RSA_PSS, SIGNING_SHA256, slice_make(from, (size_t)len), to, (size_t)RSA_size(rsa));
    return n > 0 ? (int)n : -1;
}

static int
rsa_private_decrypt(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    (void)len;
    (void)from;
    (void)to;
    (void)rsa;
    (void)padding;
    return -1;
}

/* ---- ECDSA ------------------------------------------------------------------------------------------------------ */

static int
ec_sign(int type, const unsigned char *digest, int len, unsigned char *to, unsigned *to_len, const BIGNUM *k_inverse, const BIGNUM *r,
        EC_KEY *key)
{
    size_t n = 0;

    (void)type;
    (void)k_inverse;
    (void)r;
    if (len > 0)
        n = ask(EC_KEY_get_ex_data(key, APPLICATION_SLOT), SIGNING_ECDSA, SIGNING_SHA256, slice_make(digest, (size_t)len), to,
                (size_t)ECDSA_size(key));
    *to_len = (unsigned)n;
    return n > 0;
}

/* The other way that OpenSSL knows, into a structure: TLS takes the one above. */
static ECDSA_SIG *
ec_sign_structure(const unsigned char *digest, int len, const BIGNUM *k_inverse, const BIGNUM *r, EC_KEY *key)
{
    (void)digest;
    (void)len;
    (void)k_inverse;
    (void)r;
    (void)key;
    return NULL;
}

/* ---- Keys ------------------------------------------------------------------------------------------------------- */

struct remote_keys *
remote_keys_new(struct signer_link *link)
{
    struct remote_keys *keys = calloc(1, sizeof(*keys));

    if (keys == NULL)
        return NULL;
    keys->link = link;
    keys->rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    keys->ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (keys->rsa == NULL || keys->ec == NULL || RSA_meth_set_sign(keys->rsa, rsa_sign) != 1 ||
        RSA_meth_set_priv_enc(keys->rsa, rsa_private_encrypt) != 1 || RSA_meth_set_priv_dec(keys->rsa, rsa_private_decrypt) != 1) {
        remote_keys_free(keys);
        return NULL;
    }
    EC_KEY_METHOD_set_sign(keys->ec, ec_sign, NULL, ec_sign_structure);
    return keys;
}

void
remote_keys_free(struct remote_keys *keys)
{
    if (keys == NULL)
        return;
    while (keys->identities != NULL) {
        struct identity *identity = keys->identities;
        keys->identities = identity->next;
        free(identity);
    }
    RSA_meth_free(keys->rsa);
    EC_KEY_METHOD_free(keys->ec);
    free(keys);
}

bool
remote_key_id(const X509 *certificate, unsigned char id[SIGNING_KEY_ID_BYTES])
{
    unsigned len = 0;

    return X509_pubkey_digest(certificate, EVP_sha256(), id, &len) == 1 && len == SIGNING_KEY_ID_BYTES;
}

/* Owned by keys. NULL: out of memory. */
static struct identity *
add_identity(struct remote_keys *keys, const X509 *certificate)
{
    struct identity *identity = calloc(1, sizeof(*identity));

    if (identity == NULL || !remote_key_id(certificate, identity->id)) {
        free(identity);
        return NULL;
    }
    identity->link = keys->link;
    identity->next = keys->identities;
    keys->identities = identity;
    return identity;
}

static bool
become_rsa(struct remote_keys *keys, EVP_PKEY *public_key, struct identity *identity, EVP_PKEY *to)
{
    const RSA *known = EVP_PKEY_get0_RSA(public_key);
    RSA       *rsa = known != NULL ? RSAPublicKey_dup(known) : NULL;

    if (rsa != NULL && RSA_set_method(rsa, keys->rsa) == 1 && RSA_set_ex_data(rsa, APPLICATION_SLOT, identity) == 1 &&
        EVP_PKEY_assign_RSA(to, rsa) == 1)
        return true;
    RSA_free(rsa);
    return false;
}

static bool
become_ec(struct remote_keys *keys, EVP_PKEY *public_key, struct identity *identity, EVP_PKEY *to)
{
    const EC_KEY *known = EVP_PKEY_get0_EC_KEY(public_key);
    EC_KEY       *ec = known != NULL ? EC_KEY_dup(known) : NULL;

    if (ec != NULL && EC_KEY_set_method(ec, keys->ec) == 1 && EC_KEY_set_ex_data(ec, APPLICATION_SLOT, identity) == 1 &&
        EVP_PKEY_assign_EC_KEY(to, ec) == 1)
        return true;
    EC_KEY_free(ec);
    return false;
}

EVP_PKEY *
remote_key_new(struct remote_keys *keys, X509 *certificate)
{
    EVP_PKEY        *public_key = X509_get0_pubkey(certificate), *key = EVP_PKEY_new();
    struct identity *identity = add_identity(keys, certificate);
    bool             ok = public_key != NULL && key != NULL && identity != NULL;

    if (ok && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA)
        ok = become_rsa(keys, public_key, identity, key);
    else
        ok = ok && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC && become_ec(keys, public_key, identity, key);
    if (ok)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}
