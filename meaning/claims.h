#ifndef MEANING_CLAIMS_H
#define MEANING_CLAIMS_H
/*
 * claims - what the hosts on a mail's way say that they checked: Authentication-Results (RFC 8601), ARC sets (RFC 8617) and
 * Received-SPF (RFC 7208 section 9.1), shortened to methods and results as the fields pass by. Nothing is verified here.
 */

#include "lib/header_field.h"

#define CLAIMS_MAX       8u         /* kept of each kind, the topmost */
#define CLAIM_TEXT_BYTES 400u       /* of one */

struct claim {
    uint16_t len;
    char     text[CLAIM_TEXT_BYTES];
};

struct arc_set {
    unsigned     instance;          /* i= */
    char         cv[8];             /* what its seal states of the chain: "none", "pass", "fail" */
    char         sealer[64];        /* d= of its seal */
    struct claim results;           /* of its ARC-Authentication-Results */
};

struct claims {
    unsigned       authentication_count, arc_count, spf_count;
    struct claim   authentication[CLAIMS_MAX];
    struct claim   spf[CLAIMS_MAX];
    struct arc_set arc[CLAIMS_MAX];
};

void claims_clear(struct claims *c);

/* A field of the message's own header, or a piece of one, of which the first counts. */
void claims_add(struct claims *c, const struct header_field *f);

/* Adds FACT_AUTHENTICATION, FACT_SPF and FACT_ARC as far as there is room. */
void claims_write(const struct claims *c, struct buf *facts);

#endif
