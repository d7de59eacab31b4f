#ifndef CHECKER_STORY_H
#define CHECKER_STORY_H
/*
 * story - what happened in one round trip (plan says what it was to be): plain data, filled in by round_trip, told by report. All times in microseconds from the start of the round trip, by the clock that never jumps.
 */

#include "checker/sender.h"
#include "lib/buf.h"
#include "lib/resolver.h"
#include "lib/token.h"

#include <jansson.h>

/* One attempt to send to one address. */
struct attempt {
    uint64_t             at_us;
    uint64_t             took_us;
    struct target        target;
    struct sender_result result;
    bool                 cut_short;     /* we gave it up before it had an outcome */
};

/* Attempts that are kept: beyond that the newest takes the last place. */
#define ATTEMPTS_MAX 32u

enum verdict_kind {
    TRIP_RUNNING,
    TRIP_ARRIVED,
    TRIP_NOT_SENT,          /* no server took the mail */
    TRIP_NOT_ARRIVED,       /* taken, but not there when the window ended */
    TRIP_BOUNCED,
    TRIP_OWN_TROUBLE,       /* the service, our resolver, our memory: nothing is known of the customer's mail */
};

/* "arrived", "not-sent", "not-arrived", "bounced", "unknown". */
const char *verdict_kind_name(enum verdict_kind kind);

struct story {
    uint64_t          started_wall_us;      /* since 1970 */
    char              token[TOKEN_CHARS + 1];
    char              address[330];         /* the mailbox's */
    char              from[330];            /* sender that was used */
    uint64_t          minted_us, mint_took_us;

    /* Look-up: the times of the last one before the first attempt, the route of the last one of all. */
    bool              looked_up;
    uint64_t          lookup_at_us, lookup_took_us;
    struct route      route;

    /* Sending. */
    unsigned          attempts_made;        /* in all */
    unsigned          attempts_kept;
    struct attempt   *attempts;             /* ATTEMPTS_MAX */
    bool              sent;                 /* a server said 2yz to the end of the data */
    uint64_t          send_at_us;           /* the first attempt began, or the look-up before it */
    uint64_t          sent_us;              /* that 2yz came */

    /* Arrival. */
    json_t           *answer;               /* the last token document; NULL: none */
    bool              arrived;
    uint64_t          answered_us;          /* when we were told */
    uint64_t          arrived_us;           /* at the latest: answered_us, or the service's stamp by its clock's bounds if earlier */
    bool              clock_known;          /* the service's clock less ours lies between these, microseconds */
    int64_t           clock_low_us, clock_high_us;

    bool              deleted;
    unsigned          messages_deleted;
    char              delete_fault[300];

    enum verdict_kind verdict;
    bool              interrupted_unsent;   /* with TRIP_OWN_TROUBLE: a signal came before a server took the mail */
    enum state        state;
    char              reason[512];          /* one sentence for people, also in the first line */
};

/* NULL: out of memory. */
struct story *story_new(void);
void          story_free(struct story *s);  /* NULL is fine */

/*
 * The attempt that says most: the one that was taken, else the last that a server refused, else the last that failed by itself, else
 * the last; NULL: none was made.
 */
const struct attempt *story_attempt(const struct story *s);

/* "mx1.example[192.0.2.1]", or the address alone where that is what was given as the host. */
#define TARGET_TEXT_BYTES (ROUTE_HOST_BYTES + ROUTE_ADDRESS_BYTES + 3)
const char *story_target_text(const struct target *t, char out[TARGET_TEXT_BYTES]);

/* Appends "10 mx1.example[192.0.2.1], 20 mx2.example[192.0.2.2]", or why there is none. */
#define ROUTE_TEXT_BYTES (32u * 1024)       /* a limit for the text */
void story_put_route(struct buf *out, const struct route *route);

/* From the beginning of sending to the arrival; and from the server's 2yz to it (0 where it came before that). Only when arrived. */
uint64_t story_total_us(const struct story *s);
uint64_t story_transit_us(const struct story *s);

#endif
