#ifndef CHECKER_TRIP_RECORD_H
#define CHECKER_TRIP_RECORD_H
/*
 * trip_record - what must be kept of a round trip under way, so that it is taken up again after a restart of the checker, as octets
 * (lib/wire). Times are by the wall clock, since the other one begins anew with each boot.
 */

#include "checker/checks.h"
#include "checker/story.h"

#define TRIP_RECORD_MAX_BYTES 4096u

struct trip_record {
    char          check[CHECK_NAME_MAX + 1];    /* its name, by which its plan is found again: plan->label */
    char          token[TOKEN_CHARS + 1];       /* empty: none was minted; or SEND_NONE, none came yet */
    char          address[330], from[330];
    uint64_t      started_us;                   /* wall clock */
    uint64_t      minted_us, mint_took_us, send_at_us, sent_us, lookup_at_us, lookup_took_us;     /* on the story's clock */
    bool          begun;                        /* there is a token, or none is needed: sending and waiting had begun */
    bool          sent, maybe_taken, deferred, looked_up;
    bool          sending;                      /* an attempt was under way: its end is not known */
    uint32_t      attempts_made;
    struct target target;                       /* of the attempt that was taken, or the last one; host empty: none */
    uint16_t      code;                         /* of its refusal */
    char          fault[400];                   /* in words; empty: none */
};

void trip_record_write(struct buf *out, const struct trip_record *r);

/* MT_EDAMAGED: not such octets, or of a version that is not known. */
int trip_record_read(struct slice octets, struct trip_record *out);

#endif
