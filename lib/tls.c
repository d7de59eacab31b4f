#include "lib/tls.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/tls_protocol.h"
#include "lib/remote_key.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* CBC with SHA-2 stays for mail servers on old Windows, which know no GCM with RSA certificates. */
#define CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!SHA1:!aNULL"
#define GROUPS        "X25519:P-256:P-384"

/* What signer signs (lib/signing.h); no SHA-1. */
#define SIGNATURES    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

enum { SELF_SIGNED_DAYS = 3650, COMMON_NAME_MAX = 64 };

/* ---- Opening ------------------------------------------------------------------------------------------------------ */

/* What is wrong with which file. The texts are static. */
struct problem {
    const char *event, *file, *reason;
    const char *wanted;     /* what should be there; NULL: the reason says it all */
};

/* What OpenSSL says first is the cause, in its own terms. Empties its queue. */
static struct problem
problem_of_openssl(const char *event, const char *file, const char *wanted)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());

    ERR_clear_error();
    return (struct problem){ event, file, reason != NULL ? reason : "OpenSSL gives none", wanted };
}

static void
log_problem(const struct problem *problem)
{
    if (problem->wanted == NULL)
        log_error("event=%s file=\"%s\" reason=\"%s\"", problem->event, LOG_TEXT(slice_of(problem->file)), problem->reason);
    else
        log_error("event=%s file=\"%s\" reason=\"%s\" wanted=\"%s\"", problem->event, LOG_TEXT(slice_of(problem->file)),
                  problem->reason, problem->wanted);
}

/* OpenSSL's own message for a file that cannot be opened does not tell absent from denied. */
static int
check_readable(const char *file, struct problem *problem)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), rc;

    if (fd >= 0) {
        close(fd);
        return MT_OK;
    }
    rc = mt_from_errno(errno);
    *problem = (struct problem){ "tls-file", file, strerror(errno), NULL };
    return rc;
}

/* A key that wants a passphrase is an error: nobody is there to type it. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static SSL_CTX *
context_new(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                             SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /*
     * No session goes on later: a ticket's key would be a secret of every process that could be carried away and that opens what was said in
     * TLS 1.2, and a checker that comes every few minutes saves nothing that anybody notices (docs/tls.md).
     */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    tls_protocol_check(ctx);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12) != 1 || SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
        SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* Kinds that can be with signer, which is what a certificate for mail has. */
static bool
has_usable_key(const SSL_CTX *ctx)
{
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_CTX_get0_certificate(ctx)));

    return kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC;
}

static bool
use_remote_key(SSL_CTX *ctx, struct remote_keys *keys)
{
    EVP_PKEY *key = remote_key_new(keys, SSL_CTX_get0_certificate(ctx));
    bool      ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

/* Either key_file or keys is given. */
static int
open_server(const char *certificate_file, const char *key_file, struct remote_keys *keys, SSL_CTX **out, struct problem *problem)
{
    SSL_CTX *ctx;
    int      rc;

    if ((rc = check_readable(certificate_file, problem)) != MT_OK || (keys == NULL && (rc = check_readable(key_file, problem)) != MT_OK))
        return rc;
    ERR_clear_error();
    if ((ctx = context_new()) == NULL) {
        *problem = problem_of_openssl("tls-context", "", "a context");
        return MT_ENOMEM;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate_file) != 1) {
        *problem = problem_of_openssl("tls-certificate", certificate_file, "the certificate and its chain in PEM, the own one first");
    } else if (!has_usable_key(ctx)) {
        *problem = (struct problem){ "tls-certificate", certificate_file, "its key is of another kind", "a key of RSA or ECDSA" };
    } else if (keys != NULL && !use_remote_key(ctx, keys)) {
        *problem = problem_of_openssl("tls-certificate", certificate_file, "a certificate with a key of RSA or ECDSA");
    } else if (keys == NULL && (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)) {
        *problem = problem_of_openssl("tls-key", key_file, "the certificate's private key in PEM, without a passphrase");
    } else {
        *out = ctx;
        return MT_OK;
    }
    SSL_CTX_free(ctx);
    return MT_EINVALID;
}

int
tls_server_open(const char *certificate_file, const char *key_file, SSL_CTX **out)
{
    struct problem problem;
    int            rc = open_server(certificate_file, key_file, NULL, out, &problem);

    if (rc != MT_OK)
        log_problem(&problem);
    return rc;
}

int
tls_server_open_remote(const char *certificate_file, struct remote_keys *keys, SSL_CTX **out)
{
    struct problem problem;
    int            rc;

    assert(keys != NULL);
    rc = open_server(certificate_file, NULL, keys, out, &problem);
    if (rc != MT_OK)
        log_problem(&problem);
    return rc;
}

int
tls_server_check(const char *certificate_file, const char *key_file, char *text, size_t size)
{
    struct problem problem;
    SSL_CTX       *ctx = NULL;
    int            rc = open_server(certificate_file, key_file, NULL, &ctx, &problem);

    if (rc == MT_OK)
        SSL_CTX_free(ctx);
    else if (problem.wanted == NULL)
        snprintf(text, size, "%s: %s", problem.file, problem.reason);
    else
        snprintf(text, size, "%s: %s; wanted: %s", problem.file, problem.reason, problem.wanted);
    return rc;
}

static int64_t
expires_unix(const X509 *certificate)
{
    struct tm tm;

    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return timegm(&tm);
}

int64_t
tls_expires_unix(const SSL_CTX *ctx)
{
    return expires_unix(SSL_CTX_get0_certificate(ctx));
}

static struct slice
slice_of_asn1(const ASN1_STRING *string)
{
    return slice_make(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

bool
tls_certificate_names(const X509 *certificate, tls_name_fn *take, void *arg)
{
    GENERAL_NAMES   *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    bool             found = false, go_on = true;
    int              at;

    for (int i = 0; go_on && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        found = true;
        go_on = take(arg, slice_of_asn1(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    if (!found && (at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) >= 0)
        go_on = take(arg, slice_of_asn1(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    return go_on;
}

/* Of the caller of tls_certificate_read. */
struct first_name {
    char  *to;
    size_t size;
};

static bool
take_first(void *arg, struct slice name)
{
    struct first_name *first = arg;

    slice_copy(first->to, first->size, name);
    return false;
}

int
tls_certificate_read(const char *certificate_file, char *name, size_t size, int64_t *expires)
{
    FILE             *f = fopen(certificate_file, "re");
    X509             *certificate = f == NULL ? NULL : PEM_read_X509(f, NULL, no_passphrase, NULL);
    struct first_name first = { name, size };

    if (f != NULL)
        fclose(f);
    ERR_clear_error();
    if (certificate == NULL)
        return MT_EINVALID;
    name[0] = '\0';
    tls_certificate_names(certificate, take_first, &first);
    *expires = expires_unix(certificate);
    X509_free(certificate);
    return MT_OK;
}

const char *
tls_version(const SSL *ssl)
{
    return SSL_get_version(ssl);
}

const char *
tls_cipher(const SSL *ssl)
{
    const char *name = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));

    return name != NULL ? name : "";
}

/* ---- A certificate of one's own ------------------------------------------------------------------------------------ */

/* "DNS:a,DNS:b"; NULL when out of memory. */
static char *
alternative_names(const char *const *names, unsigned count)
{
    char  *text = NULL;
    size_t size = 0;
    FILE  *f = open_memstream(&text, &size);

    if (f == NULL)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        fprintf(f, "%sDNS:%s", i > 0 ? "," : "", names[i]);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool
add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX      ctx;
    X509_EXTENSION *extension;
    bool            ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool
set_serial(X509 *certificate)
{
    unsigned char random[16];
    BIGNUM       *number;
    bool          ok;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return false;
    random[0] &= 0x7f;      /* RFC 5280 4.1.2.2: positive */
    number = BN_bin2bn(random, sizeof(random), NULL);
    ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static bool
fill_certificate(X509 *certificate, EVP_PKEY *key, const char *const *names, unsigned name_count)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    char      *alternatives = alternative_names(names, name_count);
    bool       ok;

    ok = alternatives != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) != NULL &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), SELF_SIGNED_DAYS, 0, NULL) != NULL &&
         X509_set_pubkey(certificate, key) == 1;
    if (ok && strlen(names[0]) <= COMMON_NAME_MAX)
        ok = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)names[0], -1, -1, 0) == 1;
    ok = ok && X509_set_issuer_name(certificate, subject) == 1 &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, NID_subject_alt_name, alternatives) && X509_sign(certificate, key, EVP_sha256()) != 0;
    free(alternatives);
    return ok;
}

/* Appears whole or not at all: written beside, synced, renamed. Exactly one of the two is given. */
static int
write_pem(const char *file, mode_t mode, X509 *certificate, EVP_PKEY *key)
{
    char *temporary;
    FILE *f = NULL;
    int   fd, err;
    bool  ok;

    if (asprintf(&temporary, "%s.new", file) < 0)
        return MT_ENOMEM;
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    ok = fd >= 0 && fchmod(fd, mode) == 0 && (f = fdopen(fd, "w")) != NULL &&
         (certificate != NULL ? PEM_write_X509(f, certificate) : PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)) == 1 &&
         fflush(f) == 0 && fsync(fd) == 0;
    err = errno;
    if (f != NULL)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    if (ok && rename(temporary, file) != 0) {
        err = errno;
        ok = false;
    }
    if (!ok) {
        log_error("event=tls-write file=\"%s\" reason=\"%s\"", LOG_TEXT(slice_of(file)), strerror(err));
        unlink(temporary);
    }
    free(temporary);
    return ok ? MT_OK : mt_from_errno(err);
}

int
tls_self_sign(const char *certificate_file, const char *key_file, const char *const *names, unsigned name_count)
{
    EVP_PKEY      *key = EVP_EC_gen("P-256");
    X509          *certificate = X509_new();
    struct problem problem;
    int            rc = MT_ENOMEM;

    if (key == NULL || certificate == NULL || !fill_certificate(certificate, key, names, name_count)) {
        problem = problem_of_openssl("tls-self-sign", certificate_file, "a new certificate");
        log_problem(&problem);
    } else if ((rc = write_pem(key_file, 0600, NULL, key)) == MT_OK) {
        rc = write_pem(certificate_file, 0644, certificate, NULL);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}
