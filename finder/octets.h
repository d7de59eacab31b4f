#ifndef FINDER_OCTETS_H
#define FINDER_OCTETS_H
/*
 * octets - what the decoders of finder/ pass on to one another. Each decoder is a struct of fixed size that is told octets in
 * pieces of any size (X_feed) and the end (X_finish), and passes on what it made of them in pieces of any size. None allocates
 * by what the input says, none recurses, and each is linear in what it is fed and what it passes on.
 */

#include "lib/slice.h"

/* Some octets, in order; valid during the call only. */
typedef void octets_fn(void *arg, struct slice octets);

#endif
