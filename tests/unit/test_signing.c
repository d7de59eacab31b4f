/* signer is a thread here: the same code answers over a pair of sockets, and handshakes go through in memory. */
#include "tests/unit/unit.h"

#include "lib/remote_key.h"
#include "lib/signer_link.h"
#include "lib/tls.h"
#include "signer/sign.h"
#include "signer/signing_keys.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- Certificates of every kind ---------------------------------------------------------------------------------------- */

enum kind { P256, P384, RSA_2048, RSA_2049, ED25519, KINDS };

static struct fixture {
    char           dir[64];
    char           certificate[KINDS][96], key[KINDS][96];
    struct config *config;
} f;

static EVP_PKEY *
make_key(enum kind kind)
{
    switch (kind) {
    case P256:
        return EVP_EC_gen("P-256");
    case P384:
        return EVP_EC_gen("P-384");
    case RSA_2048:
        return EVP_RSA_gen(2048);
    case RSA_2049:
        return EVP_RSA_gen(2049);
    default:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
}

static void
make_certificate(enum kind kind, int64_t days)
{
    EVP_PKEY *key = make_key(kind);
    X509     *certificate = X509_new();
    FILE     *out;

    assert_non_null(key);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), kind + 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * 86400 + 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"a.test", -1, -1, 0);
    assert_int_not_equal(X509_sign(certificate, key, kind == ED25519 ? NULL : EVP_sha256()), 0);
    snprintf(f.certificate[kind], sizeof(f.certificate[kind]), "%s/%u.pem", f.dir, (unsigned)kind);
    snprintf(f.key[kind], sizeof(f.key[kind]), "%s/%u.key", f.dir, (unsigned)kind);
    assert_non_null(out = fopen(f.certificate[kind], "w"));
    PEM_write_X509(out, certificate);
    fclose(out);
    assert_non_null(out = fopen(f.key[kind], "w"));
    PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int
make_files(void **state)
{
    static const int64_t days[KINDS] = { 400, 10, 400, -2, 400 };
    struct config_error  error;
    char                 text[2048];

    (void)state;
    snprintf(f.dir, sizeof(f.dir), "/tmp/mailtest-signing-XXXXXX");
    if (mkdtemp(f.dir) == NULL)
        return -1;
    for (enum kind kind = 0; kind < KINDS; kind++)
        make_certificate(kind, days[kind]);
    snprintf(text, sizeof(text), "domains: [a.test]\ntls: {certificate: %s, key: %s, certificates: ["
             "{certificate: %s, key: %s}, {certificate: %s, key: %s}, {certificate: %s, key: %s}]}\n", f.certificate[P256], f.key[P256],
             f.certificate[P384], f.key[P384], f.certificate[RSA_2048], f.key[RSA_2048], f.certificate[RSA_2049], f.key[RSA_2049]);
    if (config_parse(slice_of(text), "f.yaml", &f.config, &error) != MT_OK)
        fail_msg("%s", error.text);
    return 0;
}

static int
remove_files(void **state)
{
    (void)state;
    config_free(f.config);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        unlink(f.certificate[kind]);
        unlink(f.key[kind]);
    }
    return rmdir(f.dir);
}

/* ---- A signer ------------------------------------------------------------------------------------------------------------ */

struct signer_thread {
    pthread_t            thread;
    struct signing_keys *keys;
    int                  fd;
    unsigned             answered;
};

static void *
answer_all(void *arg)
{
    struct signer_thread *t = arg;
    char                  packet[SIGNING_MESSAGE_BYTES];
    ssize_t               n;

    while ((n = recv(t->fd, packet, sizeof(packet), 0)) > 0) {
        struct signing_request request;
        struct signing_answer  reply = { .rc = MT_ENOTFOUND };
        struct buf             signature, out;
        EVP_PKEY              *key;
        if (signing_request_read(slice_make(packet, (size_t)n), &request) != MT_OK)
            break;
        buf_init(&signature, SIGNING_BYTES_MAX);
        buf_init(&out, SIGNING_MESSAGE_BYTES);
        reply.req = request.req;
        if ((key = signing_keys_find(t->keys, request.key_id)) != NULL)
            reply.rc = (uint32_t)sign(key, &request, &signature);
        if (reply.rc == MT_OK)
            reply.signature = buf_slice(&signature);
        signing_answer_write(&out, &reply);
        t->answered++;
        send(t->fd, out.data, out.len, MSG_NOSIGNAL);
        buf_fini(&out);
        buf_fini(&signature);
    }
    return NULL;
}

static void
signer_begin(struct signer_thread *t, struct signer_link *link)
{
    int fds[2];

    *t = (struct signer_thread){ .fd = -1 };
    assert_rc("keys", signing_keys_open(f.config, &t->keys), MT_OK);
    assert_rc("pair", signer_link_pair(fds), MT_OK);
    /* Blocking here, where signer waits in its loop. */
    assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
    t->fd = fds[0];
    signer_link_init(link);
    signer_link_set(link, fds[1]);
    assert_int_equal(pthread_create(&t->thread, NULL, answer_all, t), 0);
}

static void
signer_end(struct signer_thread *t, struct signer_link *link)
{
    signer_link_fini(link);
    pthread_join(t->thread, NULL);
    close(t->fd);
    signing_keys_free(t->keys);
}

/* ---- Handshakes ---------------------------------------------------------------------------------------------------------- */

/* "TLSv1.3", or "" where they did not agree. */
static const char *
shake_hands(SSL_CTX *server_ctx, int version, const char *signatures)
{
    SSL_CTX    *client_ctx = SSL_CTX_new(TLS_client_method());
    SSL        *server = SSL_new(server_ctx), *client;
    BIO        *a, *b;
    int         s = 0, c = 0;
    const char *agreed;

    SSL_CTX_set_max_proto_version(client_ctx, version);
    if (signatures != NULL)
        assert_int_equal(SSL_CTX_set1_sigalgs_list(client_ctx, signatures), 1);
    client = SSL_new(client_ctx);
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int turn = 0; turn < 20 && (s != 1 || c != 1); turn++) {
        c = SSL_do_handshake(client);
        s = SSL_do_handshake(server);
    }
    agreed = s == 1 && c == 1 ? SSL_get_version(client) : "";
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(client_ctx);
    return agreed;
}

static const struct {
    const char *label;
    enum kind   kind;
    int         version;
    const char *signatures, *agreed;
} handshakes[] = {
    { "P-256, TLS 1.3",             P256,     TLS1_3_VERSION, NULL, "TLSv1.3" },
    { "P-256, TLS 1.2",             P256,     TLS1_2_VERSION, NULL, "TLSv1.2" },
    { "P-384, TLS 1.3",             P384,     TLS1_3_VERSION, NULL, "TLSv1.3" },
    { "P-384, TLS 1.2",             P384,     TLS1_2_VERSION, NULL, "TLSv1.2" },
    { "RSA, TLS 1.3",               RSA_2048, TLS1_3_VERSION, NULL, "TLSv1.3" },
    { "RSA, TLS 1.2, PSS",          RSA_2048, TLS1_2_VERSION, NULL, "TLSv1.2" },
    { "RSA, PSS with SHA-384",      RSA_2048, TLS1_3_VERSION, "RSA-PSS+SHA384", "TLSv1.3" },
    { "RSA, PSS with SHA-512",      RSA_2048, TLS1_3_VERSION, "RSA-PSS+SHA512", "TLSv1.3" },
    { "RSA, TLS 1.2, PKCS #1",      RSA_2048, TLS1_2_VERSION, "RSA+SHA256", "TLSv1.2" },
    { "RSA, PKCS #1 with SHA-512",  RSA_2048, TLS1_2_VERSION, "RSA+SHA512", "TLSv1.2" },
    { "RSA of odd length, TLS 1.3", RSA_2049, TLS1_3_VERSION, NULL, "TLSv1.3" },
    { "RSA of odd length, PKCS #1", RSA_2049, TLS1_2_VERSION, "RSA+SHA384", "TLSv1.2" },
    { "SHA-1 alone",                RSA_2048, TLS1_2_VERSION, "RSA+SHA1", "" },
};

static void
handshakes_are_signed_by_message(void **state)
{
    struct signer_thread t;
    struct signer_link   link;
    struct remote_keys  *keys;
    unsigned             done = 0;

    (void)state;
    signer_begin(&t, &link);
    assert_non_null(keys = remote_keys_new(&link));
    for (size_t i = 0; i < COUNT(handshakes); i++) {
        SSL_CTX *ctx = NULL;
        assert_rc(handshakes[i].label, tls_server_open_remote(f.certificate[handshakes[i].kind], keys, &ctx), MT_OK);
        assert_slice(handshakes[i].label, slice_of(shake_hands(ctx, handshakes[i].version, handshakes[i].signatures)), handshakes[i].agreed);
        SSL_CTX_free(ctx);
        done += handshakes[i].agreed[0] != '\0';
    }
    remote_keys_free(keys);
    signer_end(&t, &link);
    assert_int_equal(t.answered, done);
}

static void
no_signer_is_no_handshake(void **state)
{
    struct signer_thread t;
    struct signer_link   link;
    struct remote_keys  *keys;
    SSL_CTX             *ctx = NULL;

    (void)state;
    signer_link_init(&link);
    assert_non_null(keys = remote_keys_new(&link));
    assert_rc("open", tls_server_open_remote(f.certificate[P256], keys, &ctx), MT_OK);
    assert_string_equal(shake_hands(ctx, TLS1_3_VERSION, NULL), "");
    signer_begin(&t, &link);
    assert_string_equal(shake_hands(ctx, TLS1_3_VERSION, NULL), "TLSv1.3");
    signer_end(&t, &link);
    assert_string_equal(shake_hands(ctx, TLS1_3_VERSION, NULL), "");
    signer_begin(&t, &link);
    assert_string_equal(shake_hands(ctx, TLS1_2_VERSION, NULL), "TLSv1.2");
    signer_end(&t, &link);
    SSL_CTX_free(ctx);
    remote_keys_free(keys);
}

/* ---- The link ------------------------------------------------------------------------------------------------------------ */

static void
a_signer_that_hangs_costs_one_wait(void **state)
{
    struct signer_link     link;
    struct signing_request request = { .kind = SIGNING_ECDSA, .input = slice_of("0123456789abcdef0123456789abcdef") };
    struct signing_answer  reply = { .rc = MT_OK, .signature = slice_of("signature") };
    struct buf             out;
    unsigned char          to[SIGNING_BYTES_MAX];
    char                   packet[SIGNING_MESSAGE_BYTES];
    size_t                 len = 0;
    int                    fds[2];

    (void)state;
    signer_link_init(&link);
    assert_rc("no signer", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_ESHUTDOWN);
    assert_rc("pair", signer_link_pair(fds), MT_OK);
    signer_link_set(&link, fds[1]);
    assert_rc("it hangs", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_EAGAIN);
    assert_true(recv(fds[0], packet, sizeof(packet), 0) > 0);
    for (int i = 0; i < 100; i++)
        assert_rc("it still hangs", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_EAGAIN);
    assert_int_equal(recv(fds[0], packet, sizeof(packet), 0), -1);      /* nothing was asked in vain */
    /* The answer that came too late is for nobody; it shows that signer is there. */
    buf_init(&out, SIGNING_MESSAGE_BYTES);
    for (reply.req = 1; reply.req <= 2; reply.req++) {
        buf_clear(&out);
        signing_answer_write(&out, &reply);
        assert_int_equal(send(fds[0], out.data, out.len, 0), out.len);
    }
    assert_rc("it is back", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_OK);
    assert_slice("signature", slice_make(to, len), "signature");
    assert_true(recv(fds[0], packet, sizeof(packet), 0) > 0);
    assert_int_equal(send(fds[0], "strange", 7, 0), 7);
    assert_rc("no answer at all", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_EPROTO);
    assert_rc("given up", signer_link_sign(&link, &request, to, sizeof(to), &len), MT_ESHUTDOWN);
    buf_fini(&out);
    close(fds[0]);
}

/* ---- What is signed -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char         *label;
    enum kind           kind;
    enum signing_kind   how;
    enum signing_digest digest;
    size_t              len;
    unsigned char       fill;
    int                 rc;
} inputs[] = {
    { "digest with PKCS #1",               RSA_2048, SIGNING_RSA_PKCS1, SIGNING_SHA256, 32, 7, MT_OK },
    { "digest of another length",          RSA_2048, SIGNING_RSA_PKCS1, SIGNING_SHA384, 32, 7, MT_EINVALID },
    { "empty digest",                      RSA_2048, SIGNING_RSA_PKCS1, SIGNING_SHA256, 0, 0, MT_EINVALID },
    { "bare number, as in a decryption",   RSA_2048, SIGNING_RSA_PSS, SIGNING_SHA256, 256, 0x11, MT_EINVALID },
    { "zeros",                             RSA_2048, SIGNING_RSA_PSS, SIGNING_SHA256, 256, 0, MT_EINVALID },
    { "all of PSS's trailer",              RSA_2048, SIGNING_RSA_PSS, SIGNING_SHA256, 256, 0xbc, MT_EINVALID },
    { "shorter than the key",              RSA_2048, SIGNING_RSA_PSS, SIGNING_SHA256, 32, 7, MT_EINVALID },
    { "longer than the key",               RSA_2048, SIGNING_RSA_PSS, SIGNING_SHA256, 257, 7, MT_EINVALID },
    { "ECDSA with a key of RSA",           RSA_2048, SIGNING_ECDSA, SIGNING_SHA256, 32, 7, MT_EINVALID },
    { "RSA with a key of ECDSA",           P256, SIGNING_RSA_PKCS1, SIGNING_SHA256, 32, 7, MT_EINVALID },
    { "digest with ECDSA",                 P256, SIGNING_ECDSA, SIGNING_SHA256, 32, 7, MT_OK },
    { "longer digest with ECDSA",          P256, SIGNING_ECDSA, SIGNING_SHA256, 64, 7, MT_OK },
    { "no digest, with ECDSA",             P256, SIGNING_ECDSA, SIGNING_SHA256, 0, 0, MT_EINVALID },
    { "more than a digest, with ECDSA",    P256, SIGNING_ECDSA, SIGNING_SHA256, 65, 7, MT_EINVALID },
};

static void
only_encodings_of_signatures_are_signed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        unsigned char          input[SIGNING_BYTES_MAX];
        struct signing_request request = { .kind = inputs[i].how, .digest = inputs[i].digest, .input = { (char *)input, inputs[i].len } };
        struct buf             out;
        SSL_CTX               *ctx = NULL;
        memset(input, inputs[i].fill, sizeof(input));
        buf_init(&out, SIGNING_BYTES_MAX);
        assert_rc("key", tls_server_open(f.certificate[inputs[i].kind], f.key[inputs[i].kind], &ctx), MT_OK);
        assert_rc(inputs[i].label, sign(SSL_CTX_get0_privatekey(ctx), &request, &out), inputs[i].rc);
        assert_int_equal(out.len > 0, inputs[i].rc == MT_OK);
        SSL_CTX_free(ctx);
        buf_fini(&out);
    }
}

/* ---- Messages -------------------------------------------------------------------------------------------------------------- */

static void
broken_messages_are_refused(void **state)
{
    struct signing_request request = { .req = 7, .kind = SIGNING_ECDSA, .input = slice_of("digest") }, back;
    struct signing_answer  answer = { .req = 7, .rc = MT_OK, .signature = slice_of("s") }, answer_back;
    struct buf             b;

    (void)state;
    buf_init(&b, SIGNING_MESSAGE_BYTES);
    signing_request_write(&b, &request);
    assert_rc("whole", signing_request_read(buf_slice(&b), &back), MT_OK);
    assert_slice("input", back.input, "digest");
    for (size_t len = 0; len < b.len; len++)
        assert_rc("cut", signing_request_read(slice_sub(buf_slice(&b), 0, len), &back), MT_EPROTO);
    buf_append_byte(&b, 'x');
    assert_rc("with more behind", signing_request_read(buf_slice(&b), &back), MT_EPROTO);
    b.len--;
    b.data[8] = SIGNING_KINDS;
    assert_rc("unknown kind", signing_request_read(buf_slice(&b), &back), MT_EPROTO);
    b.data[8] = 0;
    b.data[9] = SIGNING_DIGESTS;
    assert_rc("unknown digest", signing_request_read(buf_slice(&b), &back), MT_EPROTO);
    buf_clear(&b);
    signing_answer_write(&b, &answer);
    assert_rc("answer", signing_answer_read(buf_slice(&b), &answer_back), MT_OK);
    b.data[11] = MT_ENOTFOUND;
    assert_rc("signature with an error", signing_answer_read(buf_slice(&b), &answer_back), MT_EPROTO);
    b.data[8] = 1;
    assert_rc("unknown error", signing_answer_read(buf_slice(&b), &answer_back), MT_EPROTO);
    buf_fini(&b);
}

/* ---- Keys ------------------------------------------------------------------------------------------------------------------ */

static void
certificates_that_expire_are_counted(void **state)
{
    struct signing_keys *keys = NULL;
    int64_t              first, now = time(NULL);
    unsigned char        nobody[SIGNING_KEY_ID_BYTES] = { 0 };

    (void)state;
    assert_rc("open", signing_keys_open(f.config, &keys), MT_OK);
    assert_int_equal(signing_keys_count(keys), 4);
    assert_null(signing_keys_find(keys, nobody));
    assert_int_equal(signing_keys_expiring(keys, now, 14, true, &first), 2);        /* one in ten days, one is over */
    assert_in_range(now - first, 0, 2 * 86400);
    assert_int_equal(signing_keys_expiring(keys, now, 0, false, &first), 1);
    assert_int_equal(signing_keys_expiring(keys, now, 500, false, &first), 4);
    assert_int_equal(signing_keys_expiring(keys, now - 86400 * 30, 14, false, &first), 0);
    signing_keys_free(keys);
}

static void
other_kinds_of_keys_are_refused(void **state)
{
    char     text[400];
    SSL_CTX *ctx = NULL;

    (void)state;
    assert_rc("Ed25519", tls_server_check(f.certificate[ED25519], f.key[ED25519], text, sizeof(text)), MT_EINVALID);
    assert_non_null(strstr(text, "its key is of another kind; wanted: a key of RSA or ECDSA"));
    assert_rc("Ed25519", tls_server_open(f.certificate[ED25519], f.key[ED25519], &ctx), MT_EINVALID);
    assert_rc("key of another", tls_server_open(f.certificate[P256], f.key[P384], &ctx), MT_EINVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_are_signed_by_message),
        cmocka_unit_test(no_signer_is_no_handshake),
        cmocka_unit_test(a_signer_that_hangs_costs_one_wait),
        cmocka_unit_test(only_encodings_of_signatures_are_signed),
        cmocka_unit_test(broken_messages_are_refused),
        cmocka_unit_test(certificates_that_expire_are_counted),
        cmocka_unit_test(other_kinds_of_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
