#include "lib/secret.h"

#include "lib/error.h"

#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>

enum { GROUP_CHARS = 4, RANDOM_BYTES = 20, API_RANDOM_BYTES = 32, API_RANDOM_CHARS = 43 };

void
secret_make(char out[SECRET_CHARS + 1])
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char     random[RANDOM_BYTES];
    unsigned          bits = 0, count = 0, at = 0;

    randombytes_buf(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random) || count >= 5;) {
        if (count < 5) {
            bits = bits << 8 | random[i++];
            count += 8;
            continue;
        }
        if (at % (GROUP_CHARS + 1) == GROUP_CHARS)
            out[at++] = '-';
        count -= 5;
        out[at++] = alphabet[bits >> count & 31];
    }
    assert(at == SECRET_CHARS);
    out[at] = '\0';
    sodium_memzero(random, sizeof(random));
    sodium_memzero(&bits, sizeof(bits));
}

static void
fast_hash(struct slice secret, const uint8_t salt[16], uint8_t out[32])
{
    crypto_generichash(out, 32, (const unsigned char *)secret.data, secret.len, salt, 16);
}

static void
hmac(const uint8_t key[32], const char *text, uint8_t out[32])
{
    crypto_auth_hmacsha256(out, (const unsigned char *)text, strlen(text), key);
}

int
secret_hash(struct slice secret, struct credentials *out)
{
    uint8_t salt[16];

    randombytes_buf(salt, sizeof(salt));
    return secret_hash_with_salt(secret, salt, out);
}

int
secret_hash_with_salt(struct slice secret, const uint8_t salt[16], struct credentials *out)
{
    uint8_t salted[32], client_key[32];

    assert(secret.len < INT_MAX);
    memcpy(out->salt, salt, sizeof(out->salt));
    fast_hash(secret, out->salt, out->secret_hash);
    /* RFC 5802 section 3: SaltedPassword, ClientKey, StoredKey, ServerKey. */
    if (PKCS5_PBKDF2_HMAC(secret.data, (int)secret.len, out->salt, sizeof(out->salt), SCRAM_ITERATIONS, EVP_sha256(),
                          sizeof(salted), salted) != 1)
        return MT_EIO;
    hmac(salted, "Client Key", client_key);
    crypto_hash_sha256(out->stored_key, client_key, sizeof(client_key));
    hmac(salted, "Server Key", out->server_key);
    sodium_memzero(salted, sizeof(salted));
    sodium_memzero(client_key, sizeof(client_key));
    return MT_OK;
}

bool
secret_matches(struct slice secret, const struct credentials *c)
{
    uint8_t hash[32];

    fast_hash(secret, c->salt, hash);
    return sodium_memcmp(hash, c->secret_hash, sizeof(hash)) == 0;
}

void
api_key_make(uint32_t id, char out[API_KEY_CHARS_MAX + 1])
{
    unsigned char random[API_RANDOM_BYTES];
    char          text[API_RANDOM_CHARS + 1];

    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(text, sizeof(text), random, sizeof(random), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(out, API_KEY_CHARS_MAX + 1, "mtk_%u_%s", id, text);
    sodium_memzero(random, sizeof(random));
    sodium_memzero(text, sizeof(text));
}

void
api_key_hash(struct slice text, uint8_t out[32])
{
    crypto_generichash(out, 32, (const unsigned char *)text.data, text.len, NULL, 0);
}
