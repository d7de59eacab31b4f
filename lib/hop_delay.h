#ifndef LIB_HOP_DELAY_H
#define LIB_HOP_DELAY_H
/*
 * hop_delay - how long a mail stayed at each hop, from clocks that may be wrong. Only our own clock is trusted: it says when
 * the mail was received and, for a token issued here, the earliest moment it can have been sent. A hop whose stamp lies outside
 * of these, or does not fit the order in which most of the others passed the mail on, is skewed: its stamp is shown, but no
 * delay is made from it. Stamps have whole seconds: a delay of which they tell no more than a bound is not known. None is negative.
 */

#include "lib/parsed.h"

/* Stamps are whole seconds, and good clocks still differ a little: this much disorder is not held against a hop. */
#define HOP_TOLERANCE_S 2

#define HOP_DELAY_MAX (PARSED_HOPS_MAX + 1u)

struct hop_delay {
    bool    skewed;         /* the stamp cannot be right */
    bool    known;          /* delay_us holds */
    int64_t delay_us;       /* from the next older hop to this one, >= 0; whole seconds, or exact where bounded is not set */
    bool    bounded;        /* by the nearest stamps that can be trusted the hop took at most at_most_us */
    int64_t at_most_us;     /* never more than from the sending, if known, to our receipt */
};

/*
 * times_us: of count (at most HOP_DELAY_MAX) hops, newest first, 0 where unreadable; the first is ours and exact, the others are whole seconds.
 * sent_us: the earliest time of sending, 0 where not known.
 */
void hop_delays(const int64_t *times_us, unsigned count, int64_t sent_us, struct hop_delay *out);

#endif
