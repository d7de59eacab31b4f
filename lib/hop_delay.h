#ifndef LIB_HOP_DELAY_H
#define LIB_HOP_DELAY_H
/*
 * hop_delay - how long a mail stayed at each hop, from clocks that may be wrong. Only our own clock is trusted: it says when the
 * mail was received and, for a token issued here, the earliest moment it can have been sent. A hop whose stamp lies outside of
 * these, or does not fit the order in which most of the others passed the mail on, is skewed: its stamp is shown, but no delay is
 * made from it. Stamps have whole seconds: a delay of which they tell no more than a bound is not known. None is negative.
 *
 * How far a skewed clock is off is estimated: at least by so much as its stamp lies outside of the nearest stamps that can be
 * trusted. Where the difference is a whole multiple of an hour, of half or of a quarter of an hour, so far as these stamps tell,
 * the clock looks right and its time zone wrong, and the estimate is that multiple.
 */

#include "lib/parsed.h"

/* Stamps are whole seconds, and good clocks still differ a little: this much disorder is not held against a hop. */
#define HOP_TOLERANCE_S 2

#define HOP_DELAY_MAX (PARSED_HOPS_MAX + 1u)

struct hop_delay {
    bool    skewed;         /* the stamp cannot be right */
    bool    wrong_zone;     /* skewed, and by so much as time zones differ */
    int64_t skew_us;        /* of a skewed stamp, estimated: how far it is ahead of ours (below 0: behind); never 0. Else 0 */
    bool    known;          /* delay_us holds */
    int64_t delay_us;       /* from the next older hop to this one, >= 0; whole seconds, or exact where bounded is not set */
    bool    bounded;        /* by the nearest stamps that can be trusted the hop took at most at_most_us */
    int64_t at_most_us;     /* never more than from the sending, if known, to our receipt */
};

/* A hop of a message with what was made of its stamp. */
struct message_hop {
    struct hop       hop;
    int64_t          time_us;       /* 0: unreadable */
    struct hop_delay delay;
};

/*
 * times_us: of count (at most HOP_DELAY_MAX) hops, newest first, 0 where unreadable; the first is ours and exact, the others are
 * whole seconds. sent_us: the earliest time of sending, 0 where not known.
 */
void hop_delays(const int64_t *times_us, unsigned count, int64_t sent_us, struct hop_delay *out);

/*
 * The way cut in two at hop at (1 to count - 1): from the sending to its stamp, and from there to our receipt. Of both, as above,
 * known or only bounded; of the first nothing is known where sent_us is 0.
 */
void hop_split(const int64_t *times_us, unsigned count, int64_t sent_us, unsigned at, struct hop_delay *before,
               struct hop_delay *behind);

#endif
