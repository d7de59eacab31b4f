#include "imapd/sasl.h"

#include "lib/error.h"
#include "lib/scram.h"

#include <openssl/objects.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>

enum { NONCE_BYTES = 18, PROOF_BYTES = 32, BINDING_BYTES_MAX = EVP_MAX_MD_SIZE };

#define BASE64 sodium_base64_VARIANT_ORIGINAL

enum sasl_mechanism
sasl_mechanism_of(struct slice name)
{
    static const struct {
        const char         *name;
        enum sasl_mechanism mechanism;
    } mechanisms[] = {
        { "PLAIN", SASL_PLAIN }, { "SCRAM-SHA-256", SASL_SCRAM }, { "SCRAM-SHA-256-PLUS", SASL_SCRAM_PLUS },
    };

    for (size_t i = 0; i < COUNT(mechanisms); i++)
        if (slice_equal_nocase(name, slice_of(mechanisms[i].name)))
            return mechanisms[i].mechanism;
    return SASL_NONE;
}

void
sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, struct db *db, const struct config *config, SSL *ssl)
{
    *s = (struct sasl){ .mechanism = mechanism, .db = db, .config = config, .ssl = ssl };
    buf_init(&s->first_bare, SASL_MESSAGE_BYTES);
    buf_init(&s->server_first, SASL_MESSAGE_BYTES);
}

void
sasl_end(struct sasl *s)
{
    buf_fini(&s->first_bare);
    buf_fini(&s->server_first);
    sodium_memzero(s, sizeof(*s));
}

static enum sasl_result
passed(const struct sasl *s, bool right)
{
    if (!right || !s->login.known)
        return SASL_REFUSED;
    return s->login.enabled ? SASL_PASSED : SASL_DISABLED;
}

static bool
find_user(struct sasl *s, enum sasl_result *result)
{
    *result = SASL_UNREADABLE;
    return login_find(s->db, s->config, slice_of(s->user), slice_of(s->identity), &s->login) == MT_OK;
}

enum sasl_result
sasl_checked(const struct sasl *s, bool right)
{
    return passed(s, right);
}

/* ---- PLAIN ------------------------------------------------------------------------------------------------------------ */

/* [authorization identity] NUL user NUL secret */
static bool
read_plain(struct sasl *s, struct slice message)
{
    size_t       first = slice_find(message, '\0');
    struct slice rest = slice_sub(message, first + 1, message.len);
    size_t       second = slice_find(rest, '\0');

    s->secret = slice_sub(rest, second + 1, rest.len);
    return first < message.len && second > 0 && second < rest.len && slice_find(s->secret, '\0') == s->secret.len &&
           slice_copy(s->identity, sizeof(s->identity), slice_sub(message, 0, first)) &&
           slice_copy(s->user, sizeof(s->user), slice_sub(rest, 0, second));
}

static enum sasl_result
step_plain(struct sasl *s, struct slice message)
{
    enum sasl_result result;

    if (!read_plain(s, message))
        return SASL_MALFORMED;
    if (!find_user(s, &result))
        return result;
    return s->login.credentials.chosen ? SASL_CHECK : passed(s, login_matches(&s->login, s->secret));
}

/* ---- SCRAM ------------------------------------------------------------------------------------------------------------ */

static void
hmac(const uint8_t key[32], struct slice text, uint8_t out[32])
{
    crypto_auth_hmacsha256(out, (const unsigned char *)text.data, text.len, key);
}

/* "=2C" and "=3D" are a comma and an equals sign (RFC 5802 section 5.1). */
static bool
read_name(struct slice from, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < from.len; i++) {
        char c = from.data[i];

        if (c == '=') {
            if (slice_starts(slice_sub(from, i, from.len), "=2C"))
                c = ',';
            else if (!slice_starts(slice_sub(from, i, from.len), "=3D"))
                return false;
            i += 2;
        }
        if (c == '\0' || len + 1 >= size)
            return false;
        to[len++] = c;
    }
    to[len] = '\0';
    return len > 0;
}

/* What binds the login to this TLS connection. 0: the client names a binding that is not there. */
static size_t
binding_data(const struct sasl *s, struct slice header, uint8_t out[BINDING_BYTES_MAX])
{
    enum { EXPORTER_BYTES = 32 };
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned          len = 0;
    X509             *certificate;
    int               digest = NID_undef;

    if (s->ssl == NULL)
        return 0;
    if (slice_starts(header, "p=tls-exporter,"))
        return SSL_export_keying_material(s->ssl, out, EXPORTER_BYTES, label, sizeof(label) - 1, NULL, 0, 0) == 1 ? EXPORTER_BYTES : 0;
    certificate = SSL_get_certificate(s->ssl);
    if (!slice_starts(header, "p=tls-server-end-point,") || certificate == NULL)
        return 0;
    OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, NULL);
    if (digest == NID_md5 || digest == NID_sha1 || digest == NID_undef)
        digest = NID_sha256;
    return X509_digest(certificate, EVP_get_digestbynid(digest), out, &len) == 1 ? len : 0;
}

/* The header in front of the client's first message says how it is bound: "n,,", "y,,", "p=tls-exporter,,". */
static bool
read_header(struct sasl *s, struct slice *message)
{
    size_t       first = slice_find(*message, ',');
    struct slice identity = slice_sub(*message, first + 1, message->len);
    size_t       second = slice_find(identity, ',');
    struct slice header = slice_sub(*message, 0, first + 1 + second + 1);
    uint8_t      data[BINDING_BYTES_MAX];

    identity = slice_sub(identity, 0, second);
    if (first + 1 + second >= message->len || !slice_copy(s->header, sizeof(s->header), header))
        return false;
    *message = slice_sub(*message, header.len, message->len);
    s->identity[0] = '\0';
    if (identity.len > 0 && !(slice_starts(identity, "a=") && read_name(slice_sub(identity, 2, identity.len), s->identity, sizeof(s->identity))))
        return false;
    if (s->mechanism == SASL_SCRAM_PLUS)
        return binding_data(s, header, data) > 0;
    /* "y": the client could, and thinks that we cannot: over TLS we offered it, so somebody between us took it away. */
    return slice_starts(header, "n,") || (slice_starts(header, "y,") && s->ssl == NULL);
}

/* Leaves in bare what the proofs are made over, and in nonce the client's part of it. */
static bool
read_first(struct sasl *s, struct slice message, struct slice *bare, struct slice *nonce)
{
    struct slice name;

    if (!read_header(s, &message))
        return false;
    *bare = message;
    if (!scram_attribute(&message, 'n', &name) || !scram_attribute(&message, 'r', nonce) || nonce->len == 0 ||
        !read_name(name, s->user, sizeof(s->user)))
        return false;
    for (size_t i = 0; i < nonce->len; i++)     /* RFC 5802 section 7, printable; a comma ended it */
        if (nonce->data[i] <= ' ' || nonce->data[i] >= 0x7f)
            return false;
    return true;
}

static enum sasl_result
scram_first(struct sasl *s, struct slice message, struct buf *out)
{
    struct slice     bare, nonce;
    char             salt[sodium_base64_ENCODED_LEN(16, BASE64)], ours[sodium_base64_ENCODED_LEN(NONCE_BYTES, BASE64)];
    uint8_t          random[NONCE_BYTES];
    enum sasl_result result;
    int              len;

    if (!read_first(s, message, &bare, &nonce))
        return SASL_MALFORMED;
    if (!find_user(s, &result))
        return result;
    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(ours, sizeof(ours), random, sizeof(random), BASE64);
    len = snprintf(s->nonce, sizeof(s->nonce), "%.*s%s", (int)nonce.len, nonce.data, ours);
    if (len < 0 || (size_t)len >= sizeof(s->nonce))
        return SASL_MALFORMED;
    sodium_bin2base64(salt, sizeof(salt), s->login.scram_salt, sizeof(s->login.scram_salt), BASE64);
    buf_append_slice(&s->first_bare, bare);
    buf_printf(&s->server_first, "r=%s,s=%s,i=%u", s->nonce, salt, SCRAM_ITERATIONS);
    buf_append_slice(out, buf_slice(&s->server_first));
    return s->first_bare.fault == MT_OK && s->server_first.fault == MT_OK ? SASL_MORE : SASL_MALFORMED;
}

/* Whether "c=" repeats the header, and the binding is that of this connection. */
static bool
is_bound(const struct sasl *s, struct slice value)
{
    uint8_t given[sizeof(s->header) + BINDING_BYTES_MAX], wanted[sizeof(given)];
    size_t  header_len = strlen(s->header), given_len, wanted_len = header_len;

    if (sodium_base642bin(given, sizeof(given), value.data, value.len, NULL, &given_len, NULL, BASE64) != 0)
        return false;
    memcpy(wanted, s->header, header_len);
    if (s->mechanism == SASL_SCRAM_PLUS)
        wanted_len += binding_data(s, slice_of(s->header), wanted + header_len);
    return given_len == wanted_len && sodium_memcmp(given, wanted, wanted_len) == 0;
}

/* Whether the proof is right; then the server's own is appended to out. */
static bool
check_proof(struct sasl *s, struct slice without_proof, const uint8_t proof[PROOF_BYTES], struct buf *out)
{
    uint8_t    signature[32], client_key[32], stored_key[32], verifier[32];
    char       text[sodium_base64_ENCODED_LEN(32, BASE64)];
    struct buf auth;
    bool       right;

    buf_init(&auth, 4 * SASL_MESSAGE_BYTES);
    buf_append_slice(&auth, buf_slice(&s->first_bare));
    buf_append_string(&auth, ",");
    buf_append_slice(&auth, buf_slice(&s->server_first));
    buf_append_string(&auth, ",");
    buf_append_slice(&auth, without_proof);
    hmac(s->login.credentials.stored_key, buf_slice(&auth), signature);
    for (size_t i = 0; i < sizeof(client_key); i++)
        client_key[i] = proof[i] ^ signature[i];
    crypto_hash_sha256(stored_key, client_key, sizeof(client_key));
    right = auth.fault == MT_OK && !s->login.credentials.chosen && sodium_memcmp(stored_key, s->login.credentials.stored_key, sizeof(stored_key)) == 0;
    hmac(s->login.credentials.server_key, buf_slice(&auth), verifier);
    buf_fini(&auth);
    sodium_bin2base64(text, sizeof(text), verifier, sizeof(verifier), BASE64);
    if (right)
        buf_printf(out, "v=%s", text);
    sodium_memzero(client_key, sizeof(client_key));
    return right;
}

static enum sasl_result
scram_final(struct sasl *s, struct slice message, struct buf *out)
{
    struct slice     rest = message, binding, nonce, proof_text = { NULL, 0 };
    uint8_t          proof[PROOF_BYTES];
    size_t           proof_len, without_len = message.len;
    enum sasl_result result;

    if (!scram_attribute(&rest, 'c', &binding) || !scram_attribute(&rest, 'r', &nonce))
        return SASL_MALFORMED;
    while (rest.len > 0 && !slice_starts(rest, "p="))     /* extensions, which we need not know */
        rest = slice_sub(rest, slice_find(rest, ',') + 1, rest.len);
    without_len -= rest.len + 1;
    if (!scram_attribute(&rest, 'p', &proof_text) || rest.len > 0 || !slice_equal(nonce, slice_of(s->nonce)) || !is_bound(s, binding) ||
        sodium_base642bin(proof, sizeof(proof), proof_text.data, proof_text.len, NULL, &proof_len, NULL, BASE64) != 0 ||
        proof_len != sizeof(proof))
        return SASL_MALFORMED;
    result = passed(s, check_proof(s, slice_sub(message, 0, without_len), proof, out));
    return result == SASL_PASSED ? SASL_MORE : result;
}

bool
sasl_begins_try(struct sasl *s, struct slice message, char name[LOGIN_NAME_BYTES + 1])
{
    struct slice bare, nonce;

    if (s->step > 0 || message.len > SASL_MESSAGE_BYTES || !(s->mechanism == SASL_PLAIN ? read_plain(s, message) : read_first(s, message, &bare, &nonce)))
        return false;
    login_name(s->config, slice_of(s->user), slice_of(s->identity), name);
    return true;
}

enum sasl_result
sasl_step(struct sasl *s, struct slice message, struct buf *out)
{
    if (message.len > SASL_MESSAGE_BYTES)
        return SASL_MALFORMED;
    if (s->mechanism == SASL_PLAIN)
        return step_plain(s, message);
    switch (s->step++) {
    case 0:
        return scram_first(s, message, out);
    case 1:
        return scram_final(s, message, out);
    default:    /* the server's proof was sent; the client accepts it by an empty message */
        return message.len == 0 ? SASL_PASSED : SASL_MALFORMED;
    }
}
