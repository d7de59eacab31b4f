#include "tests/unit/unit.h"

#include "checker/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

enum { DAY_S = 86400, MANY = 200 };

static void
add_name(X509_NAME *name, const char *kind, const char *value)
{
    if (value != NULL)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, kind, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0), 1);
}

/* Issued by whom it is said: signatures are not looked at here. */
static X509 *
make(const char *subject, const char *issuer, const char *organisation, const char *names, time_t until)
{
    X509      *cert = X509_new();
    X509_NAME *by = X509_NAME_new();

    assert_true(cert != NULL && by != NULL);
    X509_set_version(cert, 2);
    add_name(X509_get_subject_name(cert), "CN", subject);
    add_name(by, "CN", issuer);
    add_name(by, "O", organisation);
    X509_set_issuer_name(cert, by);
    X509_NAME_free(by);
    ASN1_TIME_set(X509_getm_notBefore(cert), until - 100 * DAY_S);
    ASN1_TIME_set(X509_getm_notAfter(cert), until);
    if (names != NULL) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

        assert_non_null(extension);
        X509_add_ext(cert, extension, -1);
        X509_EXTENSION_free(extension);
    }
    return cert;
}

static void
what_it_says_is_told(void **state)
{
    static const struct {
        const char *label, *subject, *issuer, *organisation, *names, *host;
        long        verify;
        const char *shown_subject, *shown_issuer, *shown_names, *shown_verify;
    } cases[] = {
        { "good", "mx.test", "CA", "Org", "DNS:mx.test,DNS:*.b.test,IP:192.0.2.1,IP:2001:db8::1", "mx.test", X509_V_OK,
          "mx.test", "CA", "mx.test *.b.test 192.0.2.1 2001:db8::1", "ok" },
        { "wildcard", "mx.test", "CA", NULL, "DNS:*.b.test", "a.b.test", X509_V_OK, "mx.test", "CA", "*.b.test", "ok" },
        { "address", "x", "CA", NULL, "IP:192.0.2.1", "192.0.2.1", X509_V_OK, "x", "CA", "192.0.2.1", "ok" },
        { "another name", "mx.test", "CA", NULL, "DNS:mx.test", "other.test", X509_V_OK, "mx.test", "CA", "mx.test", "not for this host's name" },
        { "expired comes first", "mx.test", "CA", NULL, "DNS:mx.test", "other.test", X509_V_ERR_CERT_HAS_EXPIRED, "mx.test", "CA", "mx.test",
          "certificate has expired" },
        { "organisation", NULL, NULL, "Org", NULL, "mx.test", X509_V_OK, "", "Org", "", "not for this host's name" },
        { "control characters", "a\033[2Jb", "c\nd", NULL, NULL, "mx.test", X509_V_OK, "a\\x1b[2Jb", "c\\x0ad", "", "not for this host's name" },
        { "other kinds of names", "mx.test", "CA", NULL, "email:a@b.test,DNS:mx.test", "mx.test", X509_V_OK, "mx.test", "CA", "mx.test", "ok" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        time_t             until = 2000000000;
        X509              *cert = make(cases[i].subject, cases[i].issuer, cases[i].organisation, cases[i].names, until);
        struct certificate c;

        certificate_read(&c, cert, cases[i].verify, cases[i].host);
        X509_free(cert);
        assert_true(c.seen);
        assert_slice(cases[i].label, slice_of(c.subject), cases[i].shown_subject);
        assert_slice(cases[i].label, slice_of(c.issuer), cases[i].shown_issuer);
        assert_slice(cases[i].label, slice_of(c.names), cases[i].shown_names);
        assert_slice(cases[i].label, slice_of(c.verify), cases[i].shown_verify);
        assert_int_equal(c.until_unix, until);
        assert_int_equal(c.from_unix, until - 100 * DAY_S);
    }
}

static void
names_that_do_not_fit_are_left_out(void **state)
{
    char               names[MANY * 40] = "", *end = names;
    struct certificate c;
    X509              *cert;

    (void)state;
    for (int i = 0; i < MANY; i++)
        end += snprintf(end, sizeof(names) - (size_t)(end - names), "%sDNS:a-rather-long-name-%d.test", i > 0 ? "," : "", i);
    cert = make("x", "y", NULL, names, 2000000000);
    certificate_read(&c, cert, X509_V_OK, "a-rather-long-name-150.test");
    X509_free(cert);
    assert_true(strlen(c.names) > sizeof(c.names) / 2 && c.names_host);
    assert_true(slice_ends_nocase(slice_of(c.names), ".test"));        /* none is cut in its middle */
}

static void
days_are_counted_in_whole_ones(void **state)
{
    static const struct {
        int64_t left_s, days;
    } cases[] = {
        { 10 * DAY_S, 10 }, { 10 * DAY_S - 1, 9 }, { DAY_S - 1, 0 }, { 0, 0 }, { -1, -1 }, { -DAY_S, -1 }, { -DAY_S - 1, -2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct certificate c = { .until_unix = 2000000000 };

        assert_int_equal(certificate_days_left(&c, 2000000000 - cases[i].left_s), cases[i].days);
    }
}

static void
no_certificate_is_said_so(void **state)
{
    struct certificate c;

    (void)state;
    certificate_read(&c, NULL, X509_V_OK, "mx.test");
    assert_false(c.seen);
    assert_slice("none", slice_of(c.verify), "no certificate");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_is_told),
        cmocka_unit_test(names_that_do_not_fit_are_left_out),
        cmocka_unit_test(days_are_counted_in_whole_ones),
        cmocka_unit_test(no_certificate_is_said_so),
    };

    return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
