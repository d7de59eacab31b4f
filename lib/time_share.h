#ifndef LIB_TIME_SHARE_H
#define LIB_TIME_SHARE_H
/*
 * time_share - where the time between sending and storing went: at which hop most of it, and how much on the customer's side, in
 * the forwarding, and in our receiver. Pure: from hops and times alone. docs/hops.md has the rule in full and its limits.
 */

#include "lib/hop_delay.h"

/* By what the hop that forwarded was found. */
enum forwarder_evidence {
    FORWARDER_UNKNOWN,          /* there is none: nothing between us and the sender, or the mail was addressed to us from the beginning */
    FORWARDER_BY_RECIPIENT,     /* "for": it took the mail for the customer's recipient, or is the last before hops that took it for ours */
    FORWARDER_BY_HOST,          /* "by": the newest host in the domain of the customer's recipient */
    FORWARDER_BY_POSITION,      /* nothing tells: the host that handed the mail to us */
};

/* "recipient", "host", "position"; NULL for FORWARDER_UNKNOWN. */
const char *forwarder_evidence_name(enum forwarder_evidence evidence);

/* What the shares are made from. */
struct time_facts {
    const struct message_hop *hops;         /* newest first, at most HOP_DELAY_MAX; the first is ours and its time exact */
    unsigned                  count;
    struct slice              recipient;    /* ours, as given in RCPT; its domain tells our recipients from the customer's */
    int64_t                   sent_us;      /* the earliest time of sending; 0: not known */
    int64_t                   begun_us;     /* when the client began to hand it to us; 0: not known, then the end of the data */
    int64_t                   committed_us;
};

struct time_shares {
    enum forwarder_evidence evidence;
    unsigned                forwarder;      /* index of the hop that forwarded; 0: none */
    /* known, delay_us, bounded and at_most_us as of a hop; from the sending to the forwarder's stamp, and from there to begun_us. */
    struct hop_delay        customer;
    struct hop_delay        forwarding;
    int64_t                 receiver_us;    /* from begun_us to the commit, by our own clock; >= 0 */
    bool                    total_known;
    int64_t                 total_us;       /* from the sending to the commit, by our own clock; >= 0 */
    int64_t                 unknown_us;     /* of total_us, what belongs to no share; >= 0 */
};

void time_shares_find(const struct time_facts *f, struct time_shares *out);

/*
 * The hop that took the longest: the greatest delay, or where only a bound is known the greatest bound. False: none took a second or more,
 * as far as is known, or the time is the sender's. A delay that begins with the minting, since no older stamp is believed, has the
 * time in it that the sender took until it sent: it is never certain, and never held against our own hop, the first of hops.
 */
struct slowest_hop {
    unsigned index;
    bool     certain;           /* no other can have taken longer */
    bool     since_minting;     /* its delay begins with the minting, not with another hop's stamp */
};
bool slowest_hop_find(const struct message_hop *hops, unsigned count, struct slowest_hop *out);

#endif
