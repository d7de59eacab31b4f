#ifndef CHECKER_STORY_H
#define CHECKER_STORY_H
/*
 * story - what happened in one round trip (plan says what it was to be): plain data, filled in by round_trip, told by report. All times in
 * microseconds from the start of the round trip, by the clock that never jumps.
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
    TRIP_LATE,              /* arrived, but after the window had ended */
    TRIP_JUNK,              /* arrived, but in the folder for junk alone */
    TRIP_TAKEN,             /* a server took it, and no more was wanted (RECEIVE_NONE) */
    TRIP_NOT_SENT,          /* no server took the mail */
    TRIP_NOT_ARRIVED,       /* taken, but not there when the window ended */
    TRIP_AUTOREPLY,         /* the same, and there was an automatic reply */
    TRIP_BOUNCED,
    TRIP_NOT_FETCHED,       /* the customer's account could not be looked into */
    TRIP_OWN_TROUBLE,       /* the service, our resolver, our memory: nothing is known of the customer's mail */
};

/* "arrived", "late", "junk", "ok", "not-sent", "not-arrived", "autoreply", "bounced", "failed", "unknown". */
const char *verdict_kind_name(enum verdict_kind kind);

/* Whose trouble TRIP_OWN_TROUBLE is. */
enum own_trouble {
    OWN_NONE,
    OWN_SERVICE,            /* it does not answer, or not what it should */
    OWN_RECEIVER,           /* its receiver was down while the mail was expected */
    OWN_RESOLVER,
    OWN_LOGIN,              /* our secret for a server cannot be had */
    OWN_MACHINE,            /* memory, descriptors */
    OWN_INTERRUPTED,
};

struct story {
    uint64_t          started_wall_us;      /* since 1970 */
    char              token[TOKEN_CHARS + 1];   /* or, SEND_NONE: empty until something came */
    char              address[330];         /* the mailbox's; empty without one */
    char              from[330];            /* sender that was used */
    uint64_t          minted_us, mint_took_us;  /* where it was drawn here: when, and 0 */
    bool              resumed;              /* taken up again after a restart of the checker: what was before that is known in short */

    /* Look-up: the times of the last one before the first attempt, the route of the last one of all. */
    bool              looked_up;
    uint64_t          lookup_at_us, lookup_took_us;
    struct target    *targets;              /* targets_count of them */
    unsigned          targets_count;
    bool              by_mx;                /* from MX records, not from the name's own addresses */
    char              no_route[256];        /* why there is none; empty when found */

    /* Sending. */
    unsigned          attempts_made;        /* in all */
    unsigned          attempts_kept;
    unsigned          attempts_room;        /* story_new_attempt's own */
    struct attempt   *attempts;             /* up to ATTEMPTS_MAX */
    bool              sent;                 /* a server said 2yz to the end of the data */
    uint64_t          send_at_us;           /* the first attempt began, or the look-up before it; SEND_NONE: the waiting began */
    uint64_t          sent_us;              /* that 2yz came */
    bool              deferred;             /* before it was resumed: see story_was_deferred */
    bool              doubled_here;         /* it was sent again after an attempt whose end is not known: copies prove nothing */

    /* Arrival. */
    json_t           *answer;               /* the last token document, or what a watch tells of the mail in the same form; NULL: none */
    bool              arrived;
    unsigned          copies;               /* of the mail itself */
    bool              autoreply;            /* an automatic reply came */
    uint64_t          answered_us;          /* when we were told */
    uint64_t          arrived_us;           /* at the latest: answered_us, or the service's stamp by its clock's bounds if earlier */
    uint64_t          arrived_after_us;     /* at the earliest; never more than arrived_us */
    bool              clamped;              /* by its stamps it came before it was sent, or after we were told: cut to that */
    bool              clock_known;          /* the service's clock less ours lies between these, microseconds */
    int64_t           clock_low_us, clock_high_us;
    bool              junk;                 /* it was found in the folder for junk alone */
    char              folder[64];           /* of the account, where it was found */

    /* The last look into the account, where it failed; empty where it did not. */
    bool              fetch_own;            /* by trouble of ours: no name server, our secret cannot be had */
    char              fetch_step[16];
    char              fetch_host[ROUTE_HOST_BYTES];
    char              fetch_reason[300];

    bool              deleted;
    unsigned          messages_deleted;
    char              delete_fault[300];

    uint64_t          ended_us;             /* it was concluded */
    enum verdict_kind verdict;
    enum own_trouble  own;                  /* with TRIP_OWN_TROUBLE */
    bool              interrupted_unsent;   /* with TRIP_OWN_TROUBLE: a signal came before a server took the mail */
    enum state        state;
    char              reason[512];          /* one sentence for people, also in the first line */
};

/* NULL: out of memory. */
struct story *story_new(void);
void          story_free(struct story *s);  /* NULL is fine */

/* Keeps what a look-up has found, no larger than it is: thousands of round trips are under way at once. MT_ENOMEM. */
int story_take_route(struct story *s, const struct route *route);

/* Room for one more attempt, all zeros; beyond ATTEMPTS_MAX the newest takes the last place. NULL: out of memory. */
struct attempt *story_new_attempt(struct story *s);

/*
 * The attempt that says most: the one that was taken, else the last that a server refused, else the last that failed by itself, else
 * the last; NULL: none was made.
 */
const struct attempt *story_attempt(const struct story *s);

/* Whether a server said 4yz at least once, as greylisting does. */
bool story_was_deferred(const struct story *s);

/* "mx1.example[192.0.2.1]", or the address alone where that is what was given as the host. */
#define TARGET_TEXT_BYTES (ROUTE_HOST_BYTES + ROUTE_ADDRESS_BYTES + 3)
const char *story_target_text(const struct target *t, char out[TARGET_TEXT_BYTES]);

/* The same with its port, "mx1.example[192.0.2.1]:25"; of a program that was run, its path. */
#define SERVER_TEXT_BYTES (TARGET_TEXT_BYTES + 6)
const char *story_server_text(const struct target *t, char out[SERVER_TEXT_BYTES]);

/* Appends "10 mx1.example[192.0.2.1], 20 mx2.example[192.0.2.2]", or why there is none. */
#define ROUTE_TEXT_BYTES (32u * 1024)       /* a limit for the text */
void story_put_route(struct buf *out, const struct route *route);
void story_put_targets(struct buf *out, const struct story *s);        /* the same of what the story keeps */

/* From the beginning of sending to the arrival; and from the server's 2yz to it (0 where it came before that). Only when arrived. */
bool     story_has_arrived(const struct story *s);     /* as TRIP_ARRIVED, TRIP_LATE or TRIP_JUNK */
uint64_t story_total_us(const struct story *s);
uint64_t story_transit_us(const struct story *s);

#endif
