#ifndef LIB_FACT_H
#define LIB_FACT_H
/*
 * fact - what a message says of itself beyond its token: pairs of a kind and a text for a person, in the order in which they
 * were found. smtpd gathers them while the message comes in (meaning/), store keeps them with the message, and the answers show them.
 * They are claims of whoever wrote the mail or stamped it; nothing is decided by them alone.
 */

#include "lib/wire.h"

enum fact_kind {
    /* A delivery status report (RFC 3464, or a plain-text form). */
    FACT_REPORT_ACTION = 1,     /* "failed", "delayed", "delivered", "relayed", "expanded" */
    FACT_REPORT_STATUS,         /* enhanced status code "5.1.1"; where only a reply code is known: "550" */
    FACT_REPORT_DIAGNOSTIC,     /* the words of the refusal */
    FACT_REPORT_HOST,           /* who reports (Reporting-MTA) */
    FACT_REPORT_REFUSED_BY,     /* who refused (Remote-MTA), where another */
    FACT_REPORT_RECIPIENT,      /* original recipient; the final one where that is all there is */
    FACT_REPORT_FORM,           /* by which it was read: "rfc3464", "exchange", "gmail", "postfix", "exim", "qmail", "domino", "sendmail" */
    /* Kinds that are no arrival, and why. */
    FACT_AUTOREPLY_WHY,         /* "Auto-Submitted: auto-replied" */
    FACT_RECEIPT_WHY,           /* "report-type=disposition-notification; displayed" */
    FACT_REPLY_WHY,             /* "In-Reply-To has the token, and the subject begins with Re:" */
    /* A provider's "confirm this forwarding address". */
    FACT_CONFIRMATION_PROVIDER, /* "Gmail", or "not recognised: it comes from noreply@a.example" */
    FACT_CONFIRMATION_CODE,
    FACT_CONFIRMATION_LINK,     /* shown, never followed */
    FACT_CONFIRMATION_FOR,      /* the address that wants to forward, where stated */
    /* How it was forwarded. */
    FACT_FORWARD_WAY,           /* "redirect", "inline", "attachment", "direct" (not forwarded); none: not known */
    FACT_FORWARD_EVIDENCE,      /* one a piece of evidence: "Resent-From: user@customer.test" */
    /* Claims of the hosts on the way, each with the name of the host that wrote it in front, where it gave one. */
    FACT_AUTHENTICATION,        /* one an Authentication-Results field (RFC 8601), without comments: "mx.example; spf=pass …; dkim=fail …" */
    FACT_ARC,                   /* one an ARC set (RFC 8617), newest first: "i=2; mx.example; cv=pass; spf=fail" */
    FACT_SPF,                   /* one a Received-SPF field (RFC 7208 section 9.1): "mx.example; pass; client-ip=192.0.2.1" */
    FACT_KIND_LIMIT
};

/* Begins the name of a provider that is none: what follows is a sentence that begins with "it" and says why. */
#define FACT_NOT_RECOGNISED "not recognised: "

#define FACT_TEXT_BYTES   512u              /* of one text; longer ones are cut at a character */
#define FACTS_BYTES       (8u * 1024)       /* of all facts of a message; what does not fit is left out */

struct fact {
    enum fact_kind kind;
    struct slice   text;        /* UTF-8 without control characters */
};

/* The member's name in JSON: "report-status". */
const char *fact_name(enum fact_kind kind);

/* Appends one; the text is trimmed, cleaned (lib/utf8.h) and cut. b has the limit FACTS_BYTES. False: it is empty, or does not fit. */
bool fact_add(struct buf *b, enum fact_kind kind, struct slice text);

/* Reads one after the other: false at the end, or at a fault (then read_ok is false). The text borrows. */
bool fact_next(struct reader *r, struct fact *out);

/* A request to confirm a forwarding by a provider that is recognised. */
bool fact_is_recognised(struct slice facts);

/* The first of that kind, or an empty slice. */
struct slice fact_find(struct slice facts, enum fact_kind kind);

#endif
