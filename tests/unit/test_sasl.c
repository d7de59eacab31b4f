/* SASL and logins against a real database; the client's side of SCRAM is computed here, by RFC 5802 section 3. */

#include "imapd/sasl.h"
#include "tests/unit/store_service.h"

#include "lib/secret.h"

#include <openssl/evp.h>
#include <sodium.h>

#define B64 sodium_base64_VARIANT_ORIGINAL

enum { HASH_BYTES = 32, TEXT_BYTES = 2048 };

static const uint8_t decoy_key[HASH_BYTES] = { 1, 2, 3 };

static struct {
    struct store_service *sv;
    char                  secret[SECRET_CHARS + 1];
} world;

static int
begin(void **state)
{
    struct reader r;
    char          text[MAILBOX_ADDRESS_MAX + 1];

    service_setup((void **)&world.sv);
    *state = world.sv;
    service_add_mailbox(world.sv, "acme");
    r = service_answer(world.sv);
    read_string(&r, text, sizeof(text));
    read_string(&r, text, sizeof(text));
    read_string(&r, world.secret, sizeof(world.secret));
    assert_true(read_end(&r));
    return 0;
}

static void
start(struct sasl *s, enum sasl_mechanism mechanism)
{
    sasl_begin(s, mechanism, world.sv->store.db, &world.sv->config, decoy_key, NULL);
}

/* ---- PLAIN ------------------------------------------------------------------------------------------------------ */

static void
plain(void **state)
{
    static const struct {
        const char      *label, *message;       /* "|" stands for NUL, "$" for the secret */
        enum sasl_result want;
    } rows[] = {
        { "right",                "|acme|$",               SASL_PASSED    },
        { "letter case",          "|ACME|$",               SASL_PASSED    },
        { "with our domain",      "|acme@" DOMAIN "|$",    SASL_PASSED    },
        { "with a folder",        "|acme/Unmatched|$",     SASL_PASSED    },
        { "identity: himself",    "acme|Acme|$",           SASL_PASSED    },
        { "identity: another",    "root|acme|$",           SASL_REFUSED   },
        { "wrong secret",         "|acme|x",               SASL_REFUSED   },
        { "no secret",            "|acme|",                SASL_REFUSED   },
        { "no such mailbox",      "|nobody|$",             SASL_REFUSED   },
        { "foreign domain",       "|acme@other.test|$",    SASL_REFUSED   },
        { "no mailbox name",      "|../acme|$",            SASL_REFUSED   },
        { "no user",              "||$",                   SASL_MALFORMED },
        { "one NUL",              "|acme",                 SASL_MALFORMED },
        { "three NULs",           "|acme|$|",              SASL_MALFORMED },
        { "nothing",              "",                      SASL_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf  message, out;
        struct sasl s;

        buf_init(&message, TEXT_BYTES);
        buf_init(&out, TEXT_BYTES);
        for (const char *c = rows[i].message; *c != '\0'; c++)
            buf_append_slice(&message, *c == '$' ? slice_of(world.secret) : *c == '|' ? slice_make("", 1) : slice_make(c, 1));
        start(&s, SASL_PLAIN);
        if (sasl_step(&s, buf_slice(&message), &out) != rows[i].want)
            fail_msg("%s", rows[i].label);
        sasl_end(&s);
        buf_fini(&message);
    }
}

/* ---- SCRAM ------------------------------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3)))
print(char *to, const char *format, ...)
{
    va_list args;
    int     len;

    va_start(args, format);
    len = vsnprintf(to, TEXT_BYTES, format, args);
    va_end(args);
    assert_in_range(len, 0, TEXT_BYTES - 1);
}

static void
hmac(const uint8_t key[HASH_BYTES], const char *text, uint8_t out[HASH_BYTES])
{
    crypto_auth_hmacsha256(out, (const unsigned char *)text, strlen(text), key);
}

/* The client's last message for what the server said, and the server's proof that has to follow. */
static void
answer_challenge(const char *bare, const char *challenge, const char *without_proof, const char *secret, char *final, char *verifier)
{
    uint8_t     salt[64], salted[HASH_BYTES], client[HASH_BYTES], stored[HASH_BYTES], server[HASH_BYTES], signature[HASH_BYTES];
    char        auth[TEXT_BYTES], text[64];
    const char *s = strstr(challenge, ",s=") + 3, *end = strchr(s, ',');
    size_t      salt_len;

    assert_int_equal(sodium_base642bin(salt, sizeof(salt), s, (size_t)(end - s), NULL, &salt_len, NULL, B64), 0);
    assert_string_equal(end, ",i=4096");
    assert_int_equal(PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), salt, (int)salt_len, 4096, EVP_sha256(), HASH_BYTES, salted), 1);
    hmac(salted, "Client Key", client);
    crypto_hash_sha256(stored, client, HASH_BYTES);
    print(auth, "%s,%s,%s", bare, challenge, without_proof);
    hmac(stored, auth, signature);
    for (size_t i = 0; i < HASH_BYTES; i++)
        client[i] ^= signature[i];
    sodium_bin2base64(text, sizeof(text), client, HASH_BYTES, B64);
    print(final, "%s,p=%s", without_proof, text);
    hmac(salted, "Server Key", server);
    hmac(server, auth, signature);
    sodium_bin2base64(text, sizeof(text), signature, HASH_BYTES, B64);
    print(verifier, "v=%s", text);
}

/* The whole exchange; %s of final_form is the nonce. */
static enum sasl_result
exchange(enum sasl_mechanism mechanism, const char *header, const char *bare, const char *final_form, const char *secret)
{
    char             first[TEXT_BYTES], challenge[TEXT_BYTES], nonce[TEXT_BYTES], without[TEXT_BYTES], final[TEXT_BYTES], verifier[TEXT_BYTES];
    struct sasl      s;
    struct buf       out;
    enum sasl_result result;

    buf_init(&out, SASL_MESSAGE_BYTES);
    start(&s, mechanism);
    print(first, "%s%s", header, bare);
    result = sasl_step(&s, slice_of(first), &out);
    if (result == SASL_MORE) {
        assert_true(slice_copy(challenge, sizeof(challenge), buf_slice(&out)));
        assert_true(strncmp(challenge, "r=", 2) == 0);
        assert_true(slice_copy(nonce, sizeof(nonce), slice_make(challenge + 2, strcspn(challenge + 2, ","))));
        print(without, "%.*s%s%s", (int)(strstr(final_form, "%s") - final_form), final_form, nonce, strstr(final_form, "%s") + 2);
        answer_challenge(bare, challenge, without, secret, final, verifier);
        buf_clear(&out);
        result = sasl_step(&s, slice_of(final), &out);
    }
    if (result == SASL_MORE) {
        assert_slice("the server's proof", buf_slice(&out), verifier);
        result = sasl_step(&s, slice_make("", 0), &out);
        assert_int_equal(result == SASL_PASSED, s.login.known);
    }
    sasl_end(&s);
    buf_fini(&out);
    return result;
}

static void
scram(void **state)
{
    static const struct {
        const char      *label, *header, *bare, *final_form;
        bool             right_secret;
        enum sasl_result want;
    } rows[] = {
        { "right",                    "n,,",  "n=acme,r=abc",       "c=biws,r=%s",       true,  SASL_PASSED    },
        { "extensions are passed by", "n,,",  "n=acme,r=abc,x=y",   "c=biws,r=%s,x=z",   true,  SASL_PASSED    },
        { "y without TLS",            "y,,",  "n=acme,r=abc",       "c=eSws,r=%s",       true,  SASL_PASSED    },
        { "wrong secret",             "n,,",  "n=acme,r=abc",       "c=biws,r=%s",       false, SASL_REFUSED   },
        { "no such mailbox",          "n,,",  "n=nobody,r=abc",     "c=biws,r=%s",       true,  SASL_REFUSED   },
        { "binding of another form",  "n,,",  "n=acme,r=abc",       "c=eSws,r=%s",       true,  SASL_MALFORMED },
        { "binding is no base64",     "n,,",  "n=acme,r=abc",       "c=!,r=%s",          true,  SASL_MALFORMED },
        { "nonce cut",                "n,,",  "n=acme,r=abc",       "c=biws,r=x%s",      true,  SASL_MALFORMED },
        { "attributes reordered",     "n,,",  "n=acme,r=abc",       "r=%s,c=biws",       true,  SASL_MALFORMED },
        { "first reordered",          "n,,",  "r=abc,n=acme",       "%s",                true,  SASL_MALFORMED },
        { "mandatory extension",      "n,,",  "m=x,n=acme,r=abc",   "%s",                true,  SASL_MALFORMED },
        { "no nonce",                 "n,,",  "n=acme,r=",          "%s",                true,  SASL_MALFORMED },
        { "nonce with a space",       "n,,",  "n=acme,r=a b",       "%s",                true,  SASL_MALFORMED },
        { "bad escape in the name",   "n,,",  "n=ac=me,r=abc",      "%s",                true,  SASL_MALFORMED },
        { "another identity",         "n,a=root,", "n=acme,r=abc",  "%s",                true,  SASL_MALFORMED },
        { "binding without TLS",      "p=tls-exporter,,", "n=acme,r=abc", "%s",          true,  SASL_MALFORMED },
        { "no header",                "",     "n=acme,r=abc",       "%s",                true,  SASL_MALFORMED },
        { "empty",                    "",     "",                   "%s",                true,  SASL_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum sasl_result got = exchange(SASL_SCRAM, rows[i].header, rows[i].bare, rows[i].final_form, rows[i].right_secret ? world.secret : "wrong");

        if (got != rows[i].want)
            fail_msg("%s: %d", rows[i].label, (int)got);
    }
    assert_int_equal(exchange(SASL_SCRAM_PLUS, "p=tls-exporter,,", "n=acme,r=abc", "%s", world.secret), SASL_MALFORMED);
    assert_int_equal(exchange(SASL_SCRAM_PLUS, "n,,", "n=acme,r=abc", "%s", world.secret), SASL_MALFORMED);
}

/* ---- Who there is ------------------------------------------------------------------------------------------------- */

static void
names_and_decoys(void **state)
{
    static const struct {
        const char *user, *folder;
        bool        known;
    } rows[] = {
        { "acme", "", true }, { "Acme@MailTest1.Test", "", true }, { "acme/Unmatched", "Unmatched", true }, { "acme@" DOMAIN "/a/b", "a/b", true },
        { "acme@other.test", "", false }, { "acme@", "", false }, { "", "", false }, { "@" DOMAIN, "", false }, { "acme ", "", false },
    };
    struct login l, again;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_rc(rows[i].user, login_find(world.sv->store.db, &world.sv->config, decoy_key, slice_of(rows[i].user), &l), MT_OK);
        if (l.known != rows[i].known || login_matches(&l, slice_of(world.secret)) != rows[i].known || login_matches(&l, slice_of("x")))
            fail_msg("%s", rows[i].user);
        assert_slice(rows[i].user, slice_of(l.folder), rows[i].folder);
    }
    /* A decoy's salt is always the same, as one that is kept would be, and differs from name to name. */
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, decoy_key, slice_of("nobody"), &l), MT_OK);
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, decoy_key, slice_of("nobody"), &again), MT_OK);
    assert_memory_equal(l.credentials.salt, again.credentials.salt, sizeof(l.credentials.salt));
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, decoy_key, slice_of("nobody2"), &again), MT_OK);
    assert_memory_not_equal(l.credentials.salt, again.credentials.salt, sizeof(l.credentials.salt));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain, begin, service_teardown),
        cmocka_unit_test_setup_teardown(scram, begin, service_teardown),
        cmocka_unit_test_setup_teardown(names_and_decoys, begin, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
