#include "checker/sasl_client.h"

#include "checker/credential.h"
#include "checker/secret_echo.h"
#include "lib/display.h"
#include "lib/error.h"
#include "lib/scram.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { NONCE_BYTES = 18, NONCE_CHARS_MAX = 64, DIGEST_MAX = EVP_MAX_MD_SIZE, SALT_BYTES_MAX = 1024, OFFER_CHARS = 120 };

#define BASE64 sodium_base64_VARIANT_ORIGINAL

struct sasl_client {
    enum auth_mechanism mechanism;
    unsigned            step;               /* messages of ours so far */
    char               *user, *host;
    uint16_t            port;
    char               *secret;             /* sodium_malloc */
    bool                proved;             /* SCRAM: the server knows the password, too */
    char                nonce[NONCE_CHARS_MAX + 1];
    struct buf          first_bare;         /* SCRAM: our first message behind its header */
    uint8_t             server_signature[DIGEST_MAX];
    char                reason[SASL_CLIENT_REASON_BYTES];
};

/* From weak to strong, as AUTH_AUTO goes through them backwards. */
static const struct mechanism {
    enum auth_mechanism id;
    const char         *name;
    bool                token;              /* the secret is an access token */
    bool                open;               /* as sasl_mechanism_is_open */
    bool                first;              /* the client speaks first */
} mechanisms[] = {
    { AUTH_LOGIN,         "LOGIN",         false, true,  false },
    { AUTH_PLAIN,         "PLAIN",         false, true,  true  },
    { AUTH_CRAM_MD5,      "CRAM-MD5",      false, false, false },
    { AUTH_SCRAM_SHA_1,   "SCRAM-SHA-1",   false, false, true  },
    { AUTH_SCRAM_SHA_256, "SCRAM-SHA-256", false, false, true  },
    { AUTH_XOAUTH2,       "XOAUTH2",       true,  true,  true  },
    { AUTH_OAUTHBEARER,   "OAUTHBEARER",   true,  true,  true  },
};

static const struct mechanism *
mechanism_find(enum auth_mechanism id)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        if (mechanisms[i].id == id)
            return &mechanisms[i];
    return NULL;
}

const char *
sasl_mechanism_name(enum auth_mechanism mechanism)
{
    const struct mechanism *m = mechanism_find(mechanism);

    return m == NULL ? "" : m->name;
}

bool
sasl_mechanism_is_open(enum auth_mechanism mechanism)
{
    const struct mechanism *m = mechanism_find(mechanism);

    return m != NULL && m->open;
}

/* ---- Choosing ----------------------------------------------------------------------------------------------------- */

/* Whether the name is one of the words of the offer. */
static bool
offers(struct slice offered, const char *name)
{
    while (offered.len > 0) {
        size_t len = slice_find(offered, ' ');

        if (slice_equal_nocase(slice_sub(offered, 0, len), slice_of(name)))
            return true;
        offered = slice_sub(offered, len + 1, offered.len);
    }
    return false;
}

/* Gives the strongest that can be taken; *hidden is the strongest that only the lack of encryption keeps away. */
static enum auth_mechanism
choose_strongest(bool token, struct slice offered, bool is_private, const struct mechanism **hidden)
{
    for (size_t i = COUNT(mechanisms); i > 0; i--) {
        const struct mechanism *m = &mechanisms[i - 1];

        if (m->token != token || !offers(offered, m->name))
            continue;
        if (is_private || !m->open)
            return m->id;
        if (*hidden == NULL)
            *hidden = m;
    }
    return AUTH_NONE;
}

static void
explain_choice(const char *wanted, const struct mechanism *hidden, struct slice offered, char *reason)
{
    struct buf offer;

    buf_init(&offer, OFFER_CHARS * 4 + 8);
    display_text(&offer, slice_trim(offered), OFFER_CHARS);
    if (hidden != NULL)
        snprintf(reason, SASL_CLIENT_REASON_BYTES, "the connection is not encrypted: %s would show the %s to everyone on the way", hidden->name,
                 hidden->token ? "access token" : "password");
    else if (offer.len == 0)
        snprintf(reason, SASL_CLIENT_REASON_BYTES, "the server offers no login");
    else
        snprintf(reason, SASL_CLIENT_REASON_BYTES, "the server does not offer %s, but %.*s", wanted, (int)offer.len, offer.data);
    buf_fini(&offer);
}

enum auth_mechanism
sasl_client_choose(const struct auth *auth, struct slice offered, bool is_private, char *reason)
{
    const struct mechanism *wanted = mechanism_find(auth->mechanism), *hidden = NULL;
    enum auth_mechanism     chosen = AUTH_NONE;
    bool                    token = credential_is_token(auth);

    reason[0] = '\0';
    if (wanted == NULL)
        chosen = choose_strongest(token, offered, is_private, &hidden);
    else if (!is_private && wanted->open)
        hidden = wanted;
    else if (offers(offered, wanted->name))
        chosen = wanted->id;
    if (chosen == AUTH_NONE)
        explain_choice(wanted != NULL ? wanted->name : token ? "XOAUTH2 or OAUTHBEARER" : "a mechanism for passwords that is known here",
                       hidden, offered, reason);
    return chosen;
}

/* ---- Base64 ------------------------------------------------------------------------------------------------------- */

int
sasl_base64_encode(struct slice octets, struct buf *out)
{
    size_t size = sodium_base64_encoded_len(octets.len, BASE64);
    char  *room = octets.len > SASL_CLIENT_BYTES ? NULL : buf_reserve(out, size);

    if (room == NULL)
        return out->fault != MT_OK ? out->fault : MT_ESIZE;
    sodium_bin2base64(room, size, (const unsigned char *)octets.data, octets.len, BASE64);
    buf_added(out, size - 1);
    return MT_OK;
}

int
sasl_base64_decode(struct slice text, struct buf *out)
{
    size_t size = text.len / 4 * 3 + 3, len = 0;
    char  *room = text.len > (size_t)SASL_CLIENT_BYTES * 2 ? NULL : buf_reserve(out, size);

    if (room == NULL)
        return out->fault != MT_OK ? out->fault : MT_ESIZE;
    if (text.len > 0 && sodium_base642bin((unsigned char *)room, size, text.data, text.len, NULL, &len, NULL, BASE64) != 0)
        return MT_ESYNTAX;
    buf_added(out, len);
    return MT_OK;
}

/* ---- The exchange ------------------------------------------------------------------------------------------------- */

struct sasl_client *
sasl_client_new_with_nonce(enum auth_mechanism mechanism, const char *user, const char *secret, const char *host, uint16_t port, const char *nonce)
{
    struct sasl_client *c = calloc(1, sizeof(*c));
    size_t              len = strlen(secret);

    if (c == NULL)
        return NULL;
    c->mechanism = mechanism;
    c->port = port;
    c->user = strdup(user);
    c->host = strdup(host);
    c->secret = sodium_malloc(len + 1);
    slice_copy(c->nonce, sizeof(c->nonce), slice_of(nonce));
    buf_init(&c->first_bare, SASL_CLIENT_BYTES);
    if (c->user == NULL || c->host == NULL || c->secret == NULL) {
        sasl_client_free(c);
        return NULL;
    }
    memcpy(c->secret, secret, len + 1);
    return c;
}

struct sasl_client *
sasl_client_new(enum auth_mechanism mechanism, const char *user, const char *secret, const char *host, uint16_t port)
{
    unsigned char random[NONCE_BYTES];
    char          nonce[NONCE_CHARS_MAX + 1];

    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(nonce, sizeof(nonce), random, sizeof(random), BASE64);     /* of characters that RFC 5802 section 7 allows */
    return sasl_client_new_with_nonce(mechanism, user, secret, host, port, nonce);
}

void
sasl_client_free(struct sasl_client *c)
{
    if (c == NULL)
        return;
    free(c->user);
    free(c->host);
    sodium_free(c->secret);
    buf_fini(&c->first_bare);
    sodium_memzero(c->server_signature, sizeof(c->server_signature));
    free(c);
}

bool
sasl_client_is_first(const struct sasl_client *c)
{
    const struct mechanism *m = mechanism_find(c->mechanism);

    return m != NULL && m->first;
}

const char *
sasl_client_reason(const struct sasl_client *c)
{
    return c->reason;
}

static int
give_up(struct sasl_client *c, const char *reason)
{
    slice_copy(c->reason, sizeof(c->reason), slice_of(reason));
    return MT_EPROTO;
}

static int
answer_plain(struct sasl_client *c, struct buf *out)
{
    buf_append_byte(out, '\0');
    buf_append_string(out, c->user);
    buf_append_byte(out, '\0');
    return buf_append_string(out, c->secret);
}

static int
answer_cram_md5(struct sasl_client *c, struct slice challenge, struct buf *out)
{
    uint8_t  mac[DIGEST_MAX];
    unsigned len = 0;

    if (HMAC(EVP_md5(), c->secret, (int)strlen(c->secret), (const unsigned char *)challenge.data, challenge.len, mac, &len) == NULL)
        return give_up(c, "MD5 is not available on this machine");
    buf_append_string(out, c->user);
    buf_append_byte(out, ' ');
    for (unsigned i = 0; i < len; i++)
        buf_printf(out, "%02x", mac[i]);
    return out->fault;
}

/* ---- SCRAM -------------------------------------------------------------------------------------------------------- */

static const EVP_MD *
digest_of(const struct sasl_client *c)
{
    return c->mechanism == AUTH_SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

/* "," and "=" have a way of their own to be written (RFC 5802 section 5.1). */
static void
put_name(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == ',')
            buf_append_string(out, "=2C");
        else if (*name == '=')
            buf_append_string(out, "=3D");
        else
            buf_append_byte(out, *name);
    }
}

static int
scram_first(struct sasl_client *c, struct buf *out)
{
    buf_append_string(&c->first_bare, "n=");
    put_name(&c->first_bare, c->user);
    buf_printf(&c->first_bare, ",r=%s", c->nonce);
    buf_append_string(out, "n,,");
    buf_append_slice(out, buf_slice(&c->first_bare));
    return c->first_bare.fault != MT_OK ? c->first_bare.fault : out->fault;
}

/* What the server's first message says. */
struct scram_server_first {
    struct slice nonce;
    uint8_t      salt[SALT_BYTES_MAX];
    size_t       salt_len;
    uint64_t     iterations;
};

/* NULL, or what is wrong with it. */
static const char *
scram_read_first(const struct sasl_client *c, struct slice message, struct scram_server_first *out)
{
    struct slice salt, iterations;

    if (!scram_attribute(&message, 'r', &out->nonce) || !scram_attribute(&message, 's', &salt) || !scram_attribute(&message, 'i', &iterations))
        return "the server's first message is none of SCRAM";
    if (!slice_starts(out->nonce, c->nonce) || out->nonce.len <= strlen(c->nonce))
        return "the server's nonce does not go on from ours";
    if (salt.len == 0 || sodium_base642bin(out->salt, sizeof(out->salt), salt.data, salt.len, NULL, &out->salt_len, NULL, BASE64) != 0)
        return "the server's salt is no base64, or too long";
    if (slice_to_u64(iterations, UINT32_MAX, &out->iterations) != MT_OK)
        return "the server's iteration count is no number";
    if (out->iterations < SASL_CLIENT_ITERATIONS_MIN)
        return "the server's iteration count is below 4096: the password could be guessed from what we would send";
    if (out->iterations > SASL_CLIENT_ITERATIONS_MAX)
        return "the server's iteration count is over 200000";
    return NULL;
}

static bool
mac(const EVP_MD *digest, const uint8_t *key, struct slice text, uint8_t out[DIGEST_MAX])
{
    return HMAC(digest, key, EVP_MD_get_size(digest), (const unsigned char *)text.data, text.len, out, NULL) != NULL;
}

/* RFC 5802 section 3. The proof goes into proof, and what the server has to prove into the client. */
static bool
scram_compute(struct sasl_client *c, const struct scram_server_first *first, struct slice auth_message, uint8_t proof[DIGEST_MAX])
{
    const EVP_MD *digest = digest_of(c);
    int           len = EVP_MD_get_size(digest);
    struct {
        uint8_t salted[DIGEST_MAX], client_key[DIGEST_MAX], stored_key[DIGEST_MAX], server_key[DIGEST_MAX];
    } k;
    bool ok = PKCS5_PBKDF2_HMAC(c->secret, (int)strlen(c->secret), first->salt, (int)first->salt_len, (int)first->iterations, digest, len,
                                k.salted) == 1 &&
              mac(digest, k.salted, slice_of("Client Key"), k.client_key) &&
              EVP_Digest(k.client_key, (size_t)len, k.stored_key, NULL, digest, NULL) == 1 &&
              mac(digest, k.stored_key, auth_message, proof) && mac(digest, k.salted, slice_of("Server Key"), k.server_key) &&
              mac(digest, k.server_key, auth_message, c->server_signature);

    for (int i = 0; i < len && ok; i++)
        proof[i] ^= k.client_key[i];
    sodium_memzero(&k, sizeof(k));
    return ok;
}

static int
scram_final(struct sasl_client *c, struct slice challenge, struct buf *out)
{
    struct scram_server_first first;
    const char               *fault = scram_read_first(c, challenge, &first);
    uint8_t                   proof[DIGEST_MAX];
    struct buf                auth_message;
    int                       rc;

    if (fault != NULL)
        return give_up(c, fault);
    buf_append_string(out, "c=biws,r=");        /* "n,," in base64: no channel binding */
    buf_append_slice(out, first.nonce);
    buf_init(&auth_message, (size_t)SASL_CLIENT_BYTES * 4);
    buf_append_slice(&auth_message, buf_slice(&c->first_bare));
    buf_append_byte(&auth_message, ',');
    buf_append_slice(&auth_message, challenge);
    buf_append_byte(&auth_message, ',');
    buf_append_slice(&auth_message, buf_slice(out));
    rc = auth_message.fault != MT_OK ? auth_message.fault : out->fault;
    if (rc == MT_OK && !scram_compute(c, &first, buf_slice(&auth_message), proof))
        rc = give_up(c, "the hash function is not available on this machine");
    if (rc == MT_OK) {
        buf_append_string(out, ",p=");
        rc = sasl_base64_encode(slice_make(proof, (size_t)EVP_MD_get_size(digest_of(c))), out);
    }
    buf_fini(&auth_message);
    sodium_memzero(proof, sizeof(proof));
    return rc;
}

/* The server's last message: its proof, or why it refuses. We have nothing to say to it. */
static int
scram_check(struct sasl_client *c, struct slice challenge)
{
    size_t       len = (size_t)EVP_MD_get_size(digest_of(c)), got = 0;
    uint8_t      signature[DIGEST_MAX];
    struct slice value;

    if (scram_attribute(&challenge, 'e', &value)) {
        if (secret_echo_is_in(c->secret, value))
            value = slice_of(SECRET_ECHO_SAID);
        snprintf(c->reason, sizeof(c->reason), "the server says %.*s", (int)(value.len < 100 ? value.len : 100), value.data);
        return MT_EPROTO;
    }
    if (!scram_attribute(&challenge, 'v', &value) || value.len == 0 ||
        sodium_base642bin(signature, sizeof(signature), value.data, value.len, NULL, &got, NULL, BASE64) != 0 || got != len ||
        CRYPTO_memcmp(signature, c->server_signature, len) != 0)
        return give_up(c, "the server does not know the password itself: its proof is wrong");
    c->proved = true;
    return MT_OK;
}

/* ---- OAuth -------------------------------------------------------------------------------------------------------- */

static int
answer_xoauth2(struct sasl_client *c, struct buf *out)
{
    buf_append_string(out, "user=");
    buf_append_string(out, c->user);
    buf_append_string(out, "\001auth=Bearer ");
    buf_append_string(out, c->secret);
    return buf_append_string(out, "\001\001");
}

static int
answer_oauthbearer(struct sasl_client *c, struct buf *out)
{
    buf_append_string(out, "n,a=");
    put_name(out, c->user);
    buf_append_string(out, ",\001host=");
    buf_append_string(out, c->host);
    buf_printf(out, "\001port=%u\001auth=Bearer ", (unsigned)c->port);
    buf_append_string(out, c->secret);
    return buf_append_string(out, "\001\001");
}

/* A second challenge tells in JSON why the token is refused (RFC 7628 section 3.2.2); the refusal itself comes after our answer. */
static int
answer_refusal(struct sasl_client *c, struct slice challenge, struct buf *out)
{
    json_t     *j = json_loadb(challenge.data == NULL ? "" : challenge.data, challenge.len, 0, NULL);
    const char *status = json_string_value(json_object_get(j, "status")), *text = json_string_value(json_object_get(j, "error_description"));

    if (secret_echo_is_in(c->secret, slice_of(status)) || secret_echo_is_in(c->secret, slice_of(text)))
        status = NULL, text = SECRET_ECHO_SAID;
    snprintf(c->reason, sizeof(c->reason), "the access token is refused%s%.60s%s%.120s", status != NULL ? ": status " : "",
             status != NULL ? status : "", text != NULL ? ": " : "", text != NULL ? text : "");
    json_decref(j);
    return c->mechanism == AUTH_OAUTHBEARER ? buf_append_byte(out, '\001') : MT_OK;
}

/* ---- One step ----------------------------------------------------------------------------------------------------- */

int
sasl_client_step(struct sasl_client *c, struct slice challenge, struct buf *out)
{
    unsigned step = c->step++;

    if (challenge.len > SASL_CLIENT_BYTES)
        return MT_ESIZE;
    switch (c->mechanism) {
    case AUTH_PLAIN:
        return step == 0 ? answer_plain(c, out) : give_up(c, "the server asks for more than PLAIN has");
    case AUTH_LOGIN:
        return step < 2 ? buf_append_string(out, step == 0 ? c->user : c->secret) : give_up(c, "the server asks for more than LOGIN has");
    case AUTH_CRAM_MD5:
        return step == 0 ? answer_cram_md5(c, challenge, out) : give_up(c, "the server asks for more than CRAM-MD5 has");
    case AUTH_SCRAM_SHA_1:
    case AUTH_SCRAM_SHA_256:
        return step == 0 ? scram_first(c, out) : step == 1 ? scram_final(c, challenge, out) :
               step == 2 ? scram_check(c, challenge) : give_up(c, "the server asks for more than SCRAM has");
    case AUTH_XOAUTH2:
        return step == 0 ? answer_xoauth2(c, out) : step == 1 ? answer_refusal(c, challenge, out) : give_up(c, "the server asks without end");
    case AUTH_OAUTHBEARER:
        return step == 0 ? answer_oauthbearer(c, out) : step == 1 ? answer_refusal(c, challenge, out) : give_up(c, "the server asks without end");
    case AUTH_NONE:
    case AUTH_AUTO:
        break;
    }
    return give_up(c, "there is no mechanism");
}

bool
sasl_client_finish(struct sasl_client *c)
{
    bool scram = c->mechanism == AUTH_SCRAM_SHA_1 || c->mechanism == AUTH_SCRAM_SHA_256;

    if (!scram || c->proved)
        return true;
    give_up(c, "the server has not proved that it knows the password itself");
    return false;
}
