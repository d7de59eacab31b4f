#include "tests/unit/unit.h"

#include "lib/tls.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "mx.a.test", "a.test", "b.test" };

/* A folder with a certificate and its key, for all tests. */
static struct fixture {
    char dir[64], certificate[96], key[96], scratch[96];
} f;

static int
make_files(void **state)
{
    (void)state;
    snprintf(f.dir, sizeof(f.dir), "/tmp/mailtest-tls-XXXXXX");
    if (mkdtemp(f.dir) == NULL)
        return -1;
    snprintf(f.certificate, sizeof(f.certificate), "%s/certificate.pem", f.dir);
    snprintf(f.key, sizeof(f.key), "%s/key.pem", f.dir);
    snprintf(f.scratch, sizeof(f.scratch), "%s/scratch.pem", f.dir);
    return tls_self_sign(f.certificate, f.key, names, COUNT(names));
}

static int
remove_files(void **state)
{
    (void)state;
    unlink(f.certificate);
    unlink(f.key);
    unlink(f.scratch);
    return rmdir(f.dir);
}

static SSL_CTX *
open_server(void)
{
    SSL_CTX *ctx = NULL;

    assert_int_equal(tls_server_open(f.certificate, f.key, &ctx), MT_OK);
    return ctx;
}

static void
write_scratch(const char *text)
{
    FILE *out = fopen(f.scratch, "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void
own_certificate_is_for_the_names(void **state)
{
    SSL_CTX    *ctx = open_server();
    X509       *certificate = SSL_CTX_get0_certificate(ctx);
    struct stat st;
    int64_t     days = (tls_expires_unix(ctx) - time(NULL)) / 86400;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(X509_check_host(certificate, names[i], 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "c.test", 0, 0, NULL), 0);
    assert_in_range(days, 3649, 3650);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(certificate)), 256);
    assert_int_equal(stat(f.key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(f.certificate, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    SSL_CTX_free(ctx);
}

static void
long_name_fits_beside_the_common_name(void **state)
{
    char        name[256];
    const char *one[] = { name };
    char        certificate[128], key[128];
    SSL_CTX    *ctx = NULL;

    (void)state;
    snprintf(name, sizeof(name), "%060d.%060d.%060d.test", 1, 2, 3);
    snprintf(certificate, sizeof(certificate), "%s/long.pem", f.dir);
    snprintf(key, sizeof(key), "%s/long.key", f.dir);
    assert_int_equal(tls_self_sign(certificate, key, one, 1), MT_OK);
    assert_int_equal(tls_server_open(certificate, key, &ctx), MT_OK);
    assert_int_equal(X509_check_host(SSL_CTX_get0_certificate(ctx), name, 0, 0, NULL), 1);
    SSL_CTX_free(ctx);
    unlink(certificate);
    unlink(key);
}

static void
unusable_files_are_refused(void **state)
{
    static const char locked_key[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
                                     "-----END ENCRYPTED PRIVATE KEY-----\n";
    char              other_key[128], other[128], text[200], wanted[200];
    SSL_CTX          *ctx = NULL;

    (void)state;
    assert_rc("certificate missing", tls_server_open(f.scratch, f.key, &ctx), MT_ENOTFOUND);
    assert_rc("key missing", tls_server_open(f.certificate, f.scratch, &ctx), MT_ENOTFOUND);
    snprintf(wanted, sizeof(wanted), "%s: No such file or directory", f.scratch);
    assert_rc("checked", tls_server_check(f.certificate, f.scratch, text, sizeof(text)), MT_ENOTFOUND);
    assert_string_equal(text, wanted);
    assert_rc("both there", tls_server_check(f.certificate, f.key, text, sizeof(text)), MT_OK);
    write_scratch("no certificate\n");
    assert_rc("no certificate", tls_server_open(f.scratch, f.key, &ctx), MT_EINVALID);
    assert_rc("no key", tls_server_open(f.certificate, f.scratch, &ctx), MT_EINVALID);
    assert_rc("key as certificate", tls_server_open(f.key, f.key, &ctx), MT_EINVALID);
    write_scratch(locked_key);
    assert_rc("key with a passphrase", tls_server_open(f.certificate, f.scratch, &ctx), MT_EINVALID);
    write_scratch("");
    assert_rc("empty", tls_server_open(f.scratch, f.key, &ctx), MT_EINVALID);
    snprintf(other, sizeof(other), "%s/other.pem", f.dir);
    snprintf(other_key, sizeof(other_key), "%s/other.key", f.dir);
    assert_int_equal(tls_self_sign(other, other_key, names, 1), MT_OK);
    assert_rc("key of another certificate", tls_server_open(f.certificate, other_key, &ctx), MT_EINVALID);
    unlink(other);
    unlink(other_key);
    assert_null(ctx);
    assert_rc("folder missing", tls_self_sign("/nonexistent/c.pem", "/nonexistent/k.pem", names, 1), MT_ENOTFOUND);
}

/* ---- Handshakes, in memory --------------------------------------------------------------------------------------------- */

struct pair {
    SSL *server, *client;
};

/* Whether both sides agreed. */
static bool
shake_hands(struct pair *p, SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
    BIO *server_bio, *client_bio;
    int  server = 0, client = 0;

    assert_int_equal(BIO_new_bio_pair(&server_bio, 0, &client_bio, 0), 1);
    p->server = SSL_new(server_ctx);
    p->client = SSL_new(client_ctx);
    SSL_set_bio(p->server, server_bio, server_bio);
    SSL_set_bio(p->client, client_bio, client_bio);
    SSL_set_accept_state(p->server);
    SSL_set_connect_state(p->client);
    for (int turn = 0; turn < 20 && (server != 1 || client != 1); turn++) {
        client = SSL_do_handshake(p->client);
        server = SSL_do_handshake(p->server);
    }
    return server == 1 && client == 1;
}

static void
pair_free(struct pair *p)
{
    SSL_free(p->server);
    SSL_free(p->client);
}

static const struct {
    const char *label;
    int         least, most;    /* protocol of the client; 0: any */
    const char *ciphers;        /* of TLS 1.2; NULL: any */
    const char *groups;         /* NULL: any */
    const char *version;        /* what both agree on; NULL: nothing */
    const char *cipher;         /* its start */
} clients[] = {
    { "any",                  0, 0, NULL, NULL, "TLSv1.3", "TLS_" },
    { "TLS 1.3",              TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, "TLSv1.3", "TLS_" },
    { "TLS 1.2",              TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_" },
    { "TLS 1.2, P-256 alone", TLS1_2_VERSION, TLS1_2_VERSION, NULL, "P-256", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_" },
    { "old Windows",          TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, "TLSv1.2",
      "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
    { "TLS 1.1",              TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, NULL },
    { "SHA-1",                TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL, NULL, NULL },
    { "no forward secrecy",   TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, NULL, NULL },
    { "anonymous",            TLS1_2_VERSION, TLS1_2_VERSION, "aNULL:@SECLEVEL=0", NULL, NULL, NULL },
};

static void
only_modern_clients_agree(void **state)
{
    SSL_CTX *server = open_server();

    (void)state;
    assert_int_equal(SSL_CTX_get_min_proto_version(server), TLS1_2_VERSION);
    for (size_t i = 0; i < COUNT(clients); i++) {
        SSL_CTX    *client = SSL_CTX_new(TLS_client_method());
        struct pair p;
        SSL_CTX_set_min_proto_version(client, clients[i].least);
        SSL_CTX_set_max_proto_version(client, clients[i].most);
        if (clients[i].ciphers != NULL)
            assert_int_equal(SSL_CTX_set_cipher_list(client, clients[i].ciphers), 1);
        if (clients[i].groups != NULL)
            assert_int_equal(SSL_CTX_set1_groups_list(client, clients[i].groups), 1);
        if (shake_hands(&p, server, client) != (clients[i].version != NULL))
            fail_msg("%s: they %s", clients[i].label, clients[i].version != NULL ? "did not agree" : "agreed");
        if (clients[i].version != NULL) {
            assert_slice(clients[i].label, slice_of(tls_version(p.server)), clients[i].version);
            if (!slice_starts(slice_of(tls_cipher(p.server)), clients[i].cipher))
                fail_msg("%s: cipher %s", clients[i].label, tls_cipher(p.server));
        }
        pair_free(&p);
        SSL_CTX_free(client);
    }
    SSL_CTX_free(server);
}

static void
sessions_are_not_kept_and_not_renegotiated(void **state)
{
    SSL_CTX    *server = open_server(), *client = SSL_CTX_new(TLS_client_method());
    struct pair p;
    char        byte;

    (void)state;
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_true(shake_hands(&p, server, client));
    assert_int_equal(SSL_SESSION_is_resumable(SSL_get0_session(p.client)), 0);
    assert_int_equal(SSL_renegotiate(p.client), 1);
    SSL_do_handshake(p.client);
    SSL_read(p.server, &byte, 1);
    SSL_do_handshake(p.client);
    assert_int_equal(SSL_renegotiate_pending(p.server), 0);
    assert_true(SSL_get_options(p.server) & SSL_OP_NO_RENEGOTIATION);
    pair_free(&p);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_certificate_is_for_the_names),
        cmocka_unit_test(long_name_fits_beside_the_common_name),
        cmocka_unit_test(unusable_files_are_refused),
        cmocka_unit_test(only_modern_clients_agree),
        cmocka_unit_test(sessions_are_not_kept_and_not_renegotiated),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
