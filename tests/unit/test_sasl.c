/* SASL and logins against a real database; the client's side of SCRAM is computed here, by RFC 5802 section 3. */

#include "imapd/sasl.h"
#include "tests/unit/store_service.h"

#include "lib/secret.h"
#include "lib/tls.h"

#include <openssl/evp.h>
#include <sodium.h>

#define B64 sodium_base64_VARIANT_ORIGINAL

enum { HASH_BYTES = 32, TEXT_BYTES = 2048 };

static struct {
    struct store_service *sv;
    char                  secret[SECRET_CHARS + 1];
    char                  agent[SECRET_CHARS + 1];      /* of "checker", who may read acme */
    SSL                  *ssl;                          /* NULL: without TLS */
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
    service_add_mailbox(world.sv, "other");
    assert_rc("agent", service_call(world.sv, MSG_AGENT_ADD, "sbus", "checker", 0, 1, "acme"), MT_OK);
    r = service_answer(world.sv);
    read_string(&r, text, sizeof(text));
    read_string(&r, world.agent, sizeof(world.agent));
    assert_true(read_end(&r));
    return 0;
}

/* A secret that a person chose. */
static void
choose(const char *mailbox, const char *secret)
{
    struct credentials c;

    assert_rc("hash", secret_hash_chosen(slice_of(secret), &c), MT_OK);
    assert_rc("choose", service_call(world.sv, MSG_MAILBOX_CHOSEN, "sxx", mailbox, slice_make((const char *)c.salt, sizeof(c.salt)),
                                     slice_make((const char *)c.secret_hash, sizeof(c.secret_hash))), MT_OK);
}

static void
start(struct sasl *s, enum sasl_mechanism mechanism)
{
    sasl_begin(s, mechanism, world.sv->store.db, &world.sv->config, world.ssl);
}

/* ---- PLAIN ------------------------------------------------------------------------------------------------------ */

static void
plain(void **state)
{
    static const struct {
        const char      *label, *message;       /* "|" stands for NUL, "$" for the mailbox's secret, "%" for the agent's */
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
        { "agent",                "|acme*checker|%",       SASL_PASSED    },
        { "agent, other forms",   "|Acme@" DOMAIN "*CHECKER|%", SASL_PASSED },
        { "agent, with a folder", "|acme*checker/Unmatched|%", SASL_PASSED },
        { "agent by identity",    "acme|checker|%",        SASL_PASSED    },
        { "agent, both ways",     "acme|acme*checker|%",   SASL_PASSED    },
        { "agent, contradiction", "other|acme*checker|%",  SASL_REFUSED   },
        { "agent as identity",    "acme*checker|acme|%",   SASL_REFUSED   },
        { "agent, another's box", "|other*checker|%",      SASL_REFUSED   },
        { "agent, no such box",   "|nobody*checker|%",     SASL_REFUSED   },
        { "agent, its secret",    "|acme*checker|$",       SASL_REFUSED   },
        { "no such agent",        "|acme*nobody|%",        SASL_REFUSED   },
        { "agent alone",          "|checker|%",            SASL_REFUSED   },
        { "the mailbox's name",   "|acme|%",               SASL_REFUSED   },
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
            buf_append_slice(&message, *c == '$' ? slice_of(world.secret) : *c == '%' ? slice_of(world.agent) : *c == '|' ? slice_make("", 1) : slice_make(c, 1));
        start(&s, SASL_PLAIN);
        if (sasl_step(&s, buf_slice(&message), &out) != rows[i].want)
            fail_msg("%s", rows[i].label);
        sasl_end(&s);
        buf_fini(&message);
    }
}

static void
a_chosen_secret_is_left_to_the_caller(void **state)
{
    static const char right[] = "\0other\0correct horse battery";
    struct sasl       s;
    struct buf        out;

    (void)state;
    choose("other", "correct horse battery");
    buf_init(&out, TEXT_BYTES);
    start(&s, SASL_PLAIN);
    assert_int_equal(sasl_step(&s, slice_make(right, sizeof(right) - 1), &out), SASL_CHECK);
    assert_slice("secret", s.secret, "correct horse battery");
    assert_true(secret_matches_chosen(s.secret, s.login.credentials.salt, s.login.credentials.secret_hash));
    assert_int_equal(sasl_checked(&s, true), SASL_PASSED);
    assert_int_equal(sasl_checked(&s, false), SASL_REFUSED);
    assert_false(login_matches(&s.login, s.secret));
    sasl_end(&s);
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
        { "the same identity",        "n,a=acme,", "n=acme,r=abc",  "c=bixhPWFjbWUs,r=%s", true, SASL_PASSED   },
        { "himself as identity",      "n,a=Acme,", "n=acme,r=abc",  "c=bixhPUFjbWUs,r=%s", true, SASL_PASSED  },
        { "another identity",         "n,a=root,", "n=acme,r=abc",  "c=bixhPXJvb3Qs,r=%s", true, SASL_REFUSED },
        { "no identity",              "n,b=root,", "n=acme,r=abc",  "%s",                true,  SASL_MALFORMED },
        { "an identity that is none", "n,acme,", "n=acme,r=abc",    "%s",                true,  SASL_MALFORMED },
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
    assert_int_equal(exchange(SASL_SCRAM, "n,a=acme,", "n=checker,r=abc", "c=bixhPWFjbWUs,r=%s", world.agent), SASL_PASSED);
    assert_int_equal(exchange(SASL_SCRAM, "n,,", "n=acme*checker,r=abc", "c=biws,r=%s", world.agent), SASL_PASSED);
    assert_int_equal(exchange(SASL_SCRAM, "n,a=other,", "n=checker,r=abc", "c=bixhPW90aGVyLA==,r=%s", world.agent), SASL_REFUSED);
    choose("other", "correct horse battery");
    assert_int_equal(exchange(SASL_SCRAM, "n,,", "n=other,r=abc", "c=biws,r=%s", "correct horse battery"), SASL_REFUSED);
    assert_int_equal(exchange(SASL_SCRAM_PLUS, "n,,", "n=acme,r=abc", "%s", world.secret), SASL_MALFORMED);
}

/* ---- Bound to TLS ------------------------------------------------------------------------------------------------- */

/* Both ends of one TLS connection, without a socket. */
struct tls_pair {
    SSL_CTX *server_ctx, *client_ctx;
    SSL     *server, *client;
};

static void
pair_open(struct tls_pair *p, int version)
{
    static const char *const names[] = { DOMAIN };
    char                     certificate[128], key[128];
    BIO                     *ours, *theirs;

    snprintf(certificate, sizeof(certificate), "%s/certificate.pem", world.sv->dir);
    snprintf(key, sizeof(key), "%s/key.pem", world.sv->dir);
    assert_rc("sign", tls_self_sign(certificate, key, names, 1), MT_OK);
    assert_rc("open", tls_server_open(certificate, key, &p->server_ctx), MT_OK);
    p->client_ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(p->client_ctx, version), 1);
    p->server = SSL_new(p->server_ctx);
    p->client = SSL_new(p->client_ctx);
    assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
    SSL_set_bio(p->server, ours, ours);
    SSL_set_bio(p->client, theirs, theirs);
    SSL_set_accept_state(p->server);
    SSL_set_connect_state(p->client);
    for (unsigned i = 0; i < 20 && !(SSL_is_init_finished(p->client) && SSL_is_init_finished(p->server)); i++) {
        SSL_do_handshake(p->client);
        SSL_do_handshake(p->server);
    }
    assert_int_equal(SSL_version(p->client), version);
    assert_true(SSL_is_init_finished(p->server));
    unlink(certificate);
    unlink(key);
}

static void
pair_close(struct tls_pair *p)
{
    SSL_free(p->server);
    SSL_free(p->client);
    SSL_CTX_free(p->server_ctx);
    SSL_CTX_free(p->client_ctx);
}

/* What the client knows of the connection by that binding (RFC 9266; RFC 5929 section 4.1, for a signature with SHA-256). */
static size_t
client_binding(const struct tls_pair *p, bool exporter, uint8_t out[EVP_MAX_MD_SIZE])
{
    X509    *certificate = SSL_get1_peer_certificate(p->client);
    unsigned len = 0;

    if (exporter)
        assert_int_equal(SSL_export_keying_material(p->client, out, HASH_BYTES, "EXPORTER-Channel-Binding", 24, NULL, 0, 0), 1);
    else
        assert_int_equal(X509_digest(certificate, EVP_sha256(), out, &len), 1);
    X509_free(certificate);
    return exporter ? HASH_BYTES : len;
}

static void
scram_plus(void **state)
{
    static const struct {
        const char      *label, *header;
        int              version;
        bool             exporter;
        uint8_t          damage;        /* of the binding: that of another connection */
        enum sasl_result want;
    } rows[] = {
        { "exporter, TLS 1.3",     "p=tls-exporter,,",         TLS1_3_VERSION, true,  0, SASL_PASSED    },
        { "exporter, TLS 1.2",     "p=tls-exporter,,",         TLS1_2_VERSION, true,  0, SASL_PASSED    },
        { "end point, TLS 1.2",    "p=tls-server-end-point,,", TLS1_2_VERSION, false, 0, SASL_PASSED    },
        { "end point, TLS 1.3",    "p=tls-server-end-point,,", TLS1_3_VERSION, false, 0, SASL_PASSED    },
        { "another connection",    "p=tls-exporter,,",         TLS1_3_VERSION, true,  1, SASL_MALFORMED },
        { "another certificate",   "p=tls-server-end-point,,", TLS1_2_VERSION, false, 1, SASL_MALFORMED },
        { "the other's binding",   "p=tls-exporter,,",         TLS1_3_VERSION, false, 0, SASL_MALFORMED },
        { "an unknown binding",    "p=tls-unique,,",           TLS1_2_VERSION, true,  0, SASL_MALFORMED },
        { "none",                  "n,,",                      TLS1_3_VERSION, true,  0, SASL_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_pair  pair;
        uint8_t          bytes[TEXT_BYTES];
        char             text[TEXT_BYTES], final[TEXT_BYTES];
        size_t           len = strlen(rows[i].header);
        enum sasl_result got;

        pair_open(&pair, rows[i].version);
        memcpy(bytes, rows[i].header, len);
        len += client_binding(&pair, rows[i].exporter, bytes + len);
        bytes[len - 1] ^= rows[i].damage;
        sodium_bin2base64(text, sizeof(text), bytes, len, B64);
        print(final, "c=%s,r=%%s", text);
        world.ssl = pair.server;
        got = exchange(SASL_SCRAM_PLUS, rows[i].header, "n=acme,r=abc", final, world.secret);
        world.ssl = NULL;
        pair_close(&pair);
        if (got != rows[i].want)
            fail_msg("%s: %d", rows[i].label, (int)got);
    }
}

/* Somebody between the two took the offer of binding away. */
static void
a_client_that_was_told_that_we_cannot_bind(void **state)
{
    struct tls_pair pair;

    (void)state;
    pair_open(&pair, TLS1_3_VERSION);
    world.ssl = pair.server;
    assert_int_equal(exchange(SASL_SCRAM, "y,,", "n=acme,r=abc", "c=eSws,r=%s", world.secret), SASL_MALFORMED);
    assert_int_equal(exchange(SASL_SCRAM, "n,,", "n=acme,r=abc", "c=biws,r=%s", world.secret), SASL_PASSED);
    world.ssl = NULL;
    pair_close(&pair);
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
        assert_rc(rows[i].user, login_find(world.sv->store.db, &world.sv->config, slice_of(rows[i].user), slice_make("", 0), &l), MT_OK);
        if (l.known != rows[i].known || login_matches(&l, slice_of(world.secret)) != rows[i].known || login_matches(&l, slice_of("x")))
            fail_msg("%s", rows[i].user);
        assert_slice(rows[i].user, slice_of(l.folder), rows[i].folder);
    }
    /* A decoy's salt is always the same, as one that is kept would be, and differs from name to name. */
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, slice_of("nobody"), slice_make("", 0), &l), MT_OK);
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, slice_of("Nobody@" DOMAIN), slice_make("", 0), &again), MT_OK);
    assert_memory_equal(l.scram_salt, again.scram_salt, sizeof(l.scram_salt));
    assert_rc("decoy", login_find(world.sv->store.db, &world.sv->config, slice_of("nobody2"), slice_make("", 0), &again), MT_OK);
    assert_memory_not_equal(l.scram_salt, again.scram_salt, sizeof(l.scram_salt));
}

/* Whatever the mailbox is, an agent's salt is his: who has no secret learns nothing of what he may read. */
static void
the_salt_of_an_agent_tells_nothing_of_mailboxes(void **state)
{
    static const char *const users[] = { "acme*checker", "other*checker", "nobody*checker", "a b*checker" };
    struct login             first, l;

    (void)state;
    for (size_t i = 0; i < COUNT(users); i++) {
        assert_rc(users[i], login_find(world.sv->store.db, &world.sv->config, slice_of(users[i]), slice_make("", 0), i == 0 ? &first : &l), MT_OK);
        if (i > 0)
            assert_memory_equal(first.scram_salt, l.scram_salt, sizeof(l.scram_salt));
    }
    assert_true(first.known && first.reads_only);
    assert_string_equal(first.agent, "checker");
}

static void
one_name_has_one_form(void **state)
{
    static const struct {
        const char *user, *identity, *name;
    } rows[] = {
        { "acme", "", "acme" }, { "ACME@" DOMAIN, "", "acme" }, { "acme/Unmatched", "", "acme" }, { "acme", "Acme", "acme" },
        { "acme*checker", "", "*checker" }, { "other*Checker", "", "*checker" }, { "checker", "acme", "*checker" }, { "acme*checker", "acme", "*checker" },
        { "No Such", "", "no such" }, { "acme@other.test", "", "acme@other.test" },
    };
    char name[LOGIN_NAME_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        login_name(&world.sv->config, slice_of(rows[i].user), slice_of(rows[i].identity), name);
        assert_string_equal(name, rows[i].name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain, begin, service_teardown),
        cmocka_unit_test_setup_teardown(scram, begin, service_teardown),
        cmocka_unit_test_setup_teardown(a_chosen_secret_is_left_to_the_caller, begin, service_teardown),
        cmocka_unit_test_setup_teardown(scram_plus, begin, service_teardown),
        cmocka_unit_test_setup_teardown(a_client_that_was_told_that_we_cannot_bind, begin, service_teardown),
        cmocka_unit_test_setup_teardown(names_and_decoys, begin, service_teardown),
        cmocka_unit_test_setup_teardown(the_salt_of_an_agent_tells_nothing_of_mailboxes, begin, service_teardown),
        cmocka_unit_test_setup_teardown(one_name_has_one_form, begin, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
