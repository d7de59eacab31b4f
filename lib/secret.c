#include "lib/secret.h"

#include "lib/error.h"
#include "lib/utf8.h"

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

/* ---- Chosen by a person -------------------------------------------------------------------------------------------------- */

static uint32_t
char_of(const char *at, size_t len)
{
    static const uint8_t lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t             code = (uint8_t)at[0] & lead_bits[len];

    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((uint8_t)at[i] & 0x3f);
    return code;
}

/* General category Zs, without U+0020. */
static bool
is_foreign_space(uint32_t code)
{
    return code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool
is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

static const char *
prepare(struct slice typed, struct buf *out, size_t *chars)
{
    *chars = 0;
    if (typed.len == 0)
        return "is empty";
    if (typed.len > SECRET_CHOSEN_BYTES)
        return "is longer than 1024 octets";
    for (size_t i = 0, len; i < typed.len; i += len, (*chars)++) {
        uint32_t code;

        len = utf8_char_len(slice_sub(typed, i, typed.len));
        if (len == 0)
            return "is not UTF-8";
        code = char_of(typed.data + i, len);
        if (is_control(code))
            return "has a control character in it, such as a tab or a line end";
        if (code >= 0x300 && code <= 0x36f)
            return "has a letter with a separate accent in it; write the letter as one character";
        if (is_foreign_space(code))
            buf_append_byte(out, ' ');
        else
            buf_append_slice(out, slice_sub(typed, i, len));
    }
    return out->fault == MT_OK ? NULL : "does not fit into memory";
}

const char *
secret_prepare(struct slice typed, struct buf *out)
{
    size_t chars;

    return prepare(typed, out, &chars);
}

const char *
secret_choose(struct slice typed, struct buf *out)
{
    size_t      chars;
    const char *fault = prepare(typed, out, &chars);

    return fault == NULL && chars < SECRET_CHOSEN_LEAST ? "has fewer than 12 characters" : fault;
}

static int
slow_hash(struct slice prepared, const uint8_t salt[16], uint8_t out[32])
{
    static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "the salt of a record");
    return crypto_pwhash_argon2id(out, 32, prepared.data, prepared.len, salt, SECRET_ARGON2_PASSES, SECRET_ARGON2_BYTES,
                                  crypto_pwhash_argon2id_ALG_ARGON2ID13) == 0 ? MT_OK : MT_ENOMEM;
}

int
secret_hash_chosen(struct slice prepared, struct credentials *out)
{
    *out = (struct credentials){ .chosen = true };
    randombytes_buf(out->salt, sizeof(out->salt));
    return slow_hash(prepared, out->salt, out->secret_hash);
}

bool
secret_matches_chosen(struct slice typed, const uint8_t salt[16], const uint8_t hash[32])
{
    struct buf prepared;
    uint8_t    own[32];
    bool       fit, right;

    buf_init(&prepared, SECRET_CHOSEN_BYTES);
    fit = secret_prepare(typed, &prepared) == NULL;
    if (!fit)
        buf_clear(&prepared);       /* hashed all the same, so that it takes as long */
    right = slow_hash(prepared.len == 0 ? slice_make("", 0) : buf_slice(&prepared), salt, own) == MT_OK && sodium_memcmp(own, hash, sizeof(own)) == 0 && fit;
    buf_wipe(&prepared);
    sodium_memzero(own, sizeof(own));
    return right;
}

/* ---- Of the HTTP API ----------------------------------------------------------------------------------------------------- */

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
