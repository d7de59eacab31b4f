#include "checker/certificate.h"

#include "lib/buf.h"
#include "lib/display.h"
#include "lib/error.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { NAME_CHARS = 150, NAMES_MAX = 100, DAY_S = 86400 };

static void
show(char *to, size_t size, struct slice text)
{
    struct buf safe;

    buf_init(&safe, size * 4 + 16);
    display_text(&safe, text, size / 4 > NAME_CHARS ? size / 4 : NAME_CHARS);
    slice_copy(to, size, buf_slice(&safe));
    buf_fini(&safe);
}

/* The first attribute of a kind, such as the common name. False: it has none. */
static bool
take_attribute(const X509_NAME *name, int nid, char *to, size_t size)
{
    int             at = X509_NAME_get_index_by_NID(name, nid, -1);
    X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(name, at);
    unsigned char   *utf8 = NULL;
    int              len = entry == NULL ? -1 : ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

    if (len < 0)
        return false;
    show(to, size, slice_make(utf8, (size_t)len));
    OPENSSL_free(utf8);
    return true;
}

static int64_t
unix_of(const ASN1_TIME *t)
{
    struct tm tm;

    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void
put_name(struct buf *out, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (name->type == GEN_DNS) {
        if (out->len > 0)
            buf_append_byte(out, ' ');
        display_text(out, slice_make(ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName)), NAME_CHARS);
    } else if (name->type == GEN_IPADD) {
        int len = ASN1_STRING_length(name->d.iPAddress);

        if ((len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof(text)) != NULL)
            buf_printf(out, "%s%s", out->len > 0 ? " " : "", text);
    }
}

static void
take_names(struct certificate *c, const X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct buf     out;

    buf_init(&out, sizeof(c->names) - 1);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < NAMES_MAX; i++) {
        size_t before = out.len;

        put_name(&out, sk_GENERAL_NAME_value(names, i));
        if (out.fault != MT_OK) {
            out.len = before;       /* the rest does not fit */
            break;
        }
    }
    slice_copy(c->names, sizeof(c->names), buf_slice(&out));
    buf_fini(&out);
    GENERAL_NAMES_free(names);
}

void
certificate_read(struct certificate *out, X509 *cert, long verify_result, const char *host)
{
    const X509_NAME *issuer;
    const char      *verify;

    *out = (struct certificate){ .seen = cert != NULL };
    if (cert == NULL) {
        slice_copy(out->verify, sizeof(out->verify), slice_of("no certificate"));
        return;
    }
    issuer = X509_get_issuer_name(cert);
    take_attribute(X509_get_subject_name(cert), NID_commonName, out->subject, sizeof(out->subject));
    if (!take_attribute(issuer, NID_commonName, out->issuer, sizeof(out->issuer)))
        take_attribute(issuer, NID_organizationName, out->issuer, sizeof(out->issuer));
    take_names(out, cert);
    out->from_unix = unix_of(X509_get0_notBefore(cert));
    out->until_unix = unix_of(X509_get0_notAfter(cert));
    out->names_host = X509_check_host(cert, host, 0, 0, NULL) == 1 || X509_check_ip_asc(cert, host, 0) == 1;
    verify = verify_result != X509_V_OK ? X509_verify_cert_error_string(verify_result) : out->names_host ? "ok" : "not for this host's name";
    slice_copy(out->verify, sizeof(out->verify), slice_of(verify));
}

int64_t
certificate_days_left(const struct certificate *c, int64_t now_unix)
{
    int64_t left = c->until_unix - now_unix;

    return left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
}
