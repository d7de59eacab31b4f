#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H
/*
 * trace - the Received field that we put in front of a message (RFC 5321 section 4.4), and the time in it. Pure: what they need is
 * given to them.
 */

#include "lib/buf.h"

struct trace_facts {
    struct slice helo;              /* as the client said it; what cannot stand in a Received field becomes '?' */
    struct slice client_name;       /* a host name that was confirmed; empty: none */
    struct slice client_address;    /* "192.0.2.1", "2001:db8::1", "unix" */
    struct slice tls_version;       /* empty: none */
    struct slice tls_cipher;
    struct slice hostname;          /* ours */
    struct slice protocol;          /* "ESMTPS" */
    struct slice id;
    struct slice recipient;         /* only where there is one alone: others would be told of each other; else empty */
    int64_t      time_unix;
};

/* Appends the whole field with its CRLF. 0, or the fault of out. */
int trace_write(struct buf *out, const struct trace_facts *f);

/* "Sat, 21 Nov 2026 03:50:00 +0000" (RFC 5322 section 3.3) with a NUL. */
#define TRACE_DATE_BYTES 32u
void trace_date(char out[TRACE_DATE_BYTES], int64_t time_unix);

/* "with" of RFC 3848 and RFC 6531: "ESMTPS", "LMTP", "UTF8SMTPS", … Static. */
const char *trace_protocol(bool lmtp, bool extended, bool tls, bool utf8);

#endif
