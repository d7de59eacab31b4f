#ifndef CHECKER_CERTIFICATE_H
#define CHECKER_CERTIFICATE_H
/* certificate - what a server's certificate says, in words fit to be shown, and until when it is valid. Plain data. */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct certificate {
    bool    seen;               /* there was one */
    char    subject[200];       /* its common name; empty: it has none */
    char    issuer[200];        /* common name, or organisation */
    char    names[512];         /* DNS names and addresses that it is for, with blanks between them; those that fit */
    bool    names_host;         /* the host that was asked for is one of them */
    int64_t from_unix, until_unix;      /* seconds since 1970; 0: cannot be read */
    char    verify[128];        /* "ok", or why it is not valid: of its chain and dates first, then of its name */
};

/* verify_result: X509_V_OK or an error of OpenSSL's verification. cert NULL: there was none. */
void certificate_read(struct certificate *out, X509 *cert, long verify_result, const char *host);

/* Whole days until it expires; -1: it expired within the last 24 hours, and so on. */
int64_t certificate_days_left(const struct certificate *c, int64_t now_unix);

#endif
