#include "signer/signing_keys.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/remote_key.h"
#include "lib/tls.h"
#include "signer/sign.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum {
    SECURE_BYTES     = 1024 * 1024,     /* a key of RSA with 4096 bits takes 4 KiB */
    SECURE_LEAST     = 32,
    SECONDS_OF_A_DAY = 86400,
};

struct signing_key {
    SSL_CTX      *ctx;              /* holds certificate and key; no session is ever made with it */
    const char   *file;             /* of the certificate; borrowed from the configuration */
    unsigned char id[SIGNING_KEY_ID_BYTES];
};

struct signing_keys {
    unsigned   count;
    struct signing_key items[];
};

/* OpenSSL keeps the secret numbers of keys there: locked, with guard pages, left out of core dumps, wiped when freed. */
static void
open_secure_memory(void)
{
    if (CRYPTO_secure_malloc_initialized() == 0 && CRYPTO_secure_malloc_init(SECURE_BYTES, SECURE_LEAST) != 1)
        log_warning("event=keys-not-locked reason=\"the kernel refuses to lock %u octets of memory; LimitMEMLOCK= or ulimit -l raises it\"",
                    (unsigned)SECURE_BYTES);
}

/* One signature shows that the key works, and makes OpenSSL load all that it needs while there are files. */
static int
try_key(const struct signing_key *key)
{
    static const unsigned char digest[32] = { 0 };
    EVP_PKEY                  *pkey = SSL_CTX_get0_privatekey(key->ctx);
    struct signing_request     request = { .digest = SIGNING_SHA256, .input = { (const char *)digest, sizeof(digest) } };
    struct buf                 signature;
    int                        rc;

    request.kind = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA ? SIGNING_RSA_PKCS1 : SIGNING_ECDSA;
    buf_init(&signature, SIGNING_BYTES_MAX);
    rc = sign(pkey, &request, &signature);
    buf_fini(&signature);
    return rc;
}

static int
open_key(struct signing_key *key, const char *certificate, const char *key_file)
{
    int rc = tls_server_open(certificate, key_file, &key->ctx);

    if (rc != MT_OK)
        return rc;
    key->file = certificate;
    if (!remote_key_id(SSL_CTX_get0_certificate(key->ctx), key->id) || try_key(key) != MT_OK) {
        log_error("event=tls-key file=\"%s\" reason=\"it does not sign\"", LOG_TEXT(slice_of(key_file)));
        return MT_EINVALID;
    }
    return MT_OK;
}

int
signing_keys_open(const struct config *config, struct signing_keys **out)
{
    unsigned     count = 1 + config->tls.certificates.count;
    struct signing_keys *keys = calloc(1, sizeof(*keys) + count * sizeof(keys->items[0]));
    int          rc;

    if (keys == NULL)
        return MT_ENOMEM;
    open_secure_memory();
    keys->count = count;
    rc = open_key(&keys->items[0], config->tls.certificate, config->tls.key);
    for (unsigned i = 1; rc == MT_OK && i < count; i++)
        rc = open_key(&keys->items[i], config->tls.certificates.items[i - 1].certificate, config->tls.certificates.items[i - 1].key);
    if (rc != MT_OK) {
        signing_keys_free(keys);
        return rc;
    }
    *out = keys;
    return MT_OK;
}

void
signing_keys_free(struct signing_keys *keys)
{
    if (keys == NULL)
        return;
    for (unsigned i = 0; i < keys->count; i++)
        SSL_CTX_free(keys->items[i].ctx);
    free(keys);
}

EVP_PKEY *
signing_keys_find(const struct signing_keys *keys, const unsigned char id[SIGNING_KEY_ID_BYTES])
{
    for (unsigned i = 0; i < keys->count; i++)
        if (memcmp(keys->items[i].id, id, SIGNING_KEY_ID_BYTES) == 0)
            return SSL_CTX_get0_privatekey(keys->items[i].ctx);
    return NULL;
}

unsigned
signing_keys_count(const struct signing_keys *keys)
{
    return keys->count;
}

unsigned
signing_keys_expiring(const struct signing_keys *keys, int64_t now_unix, uint32_t days, bool tell, int64_t *first_unix)
{
    unsigned expiring = 0;

    *first_unix = 0;
    for (unsigned i = 0; i < keys->count; i++) {
        const struct signing_key *key = &keys->items[i];
        int64_t           expires = tls_expires_unix(key->ctx), left = expires - now_unix;
        if (expires != 0 && (*first_unix == 0 || expires < *first_unix))
            *first_unix = expires;
        if (left >= (int64_t)days * SECONDS_OF_A_DAY)
            continue;
        expiring++;
        if (tell && left < 0)
            log_error("event=certificate-expired file=\"%s\" days=%lld", LOG_TEXT(slice_of(key->file)),
                      (long long)(-left / SECONDS_OF_A_DAY));
        else if (tell)
            log_warning("event=certificate-expires file=\"%s\" days=%lld", LOG_TEXT(slice_of(key->file)),
                        (long long)(left / SECONDS_OF_A_DAY));
    }
    return expiring;
}
