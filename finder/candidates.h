#ifndef FINDER_CANDIDATES_H
#define FINDER_CANDIDATES_H
/*
 * candidates - the distinct look-alikes of a message and the places where each stood, in the order in which they came.
 *
 * At most PARSED_CANDIDATES_MAX are kept. CANDIDATES_PER_PLACE of these are set aside for each place, so that a body full of
 * look-alikes cannot keep out a genuine token that comes later in another place. Whether one is genuine, or its issue time
 * makes sense, is not judged here: only store has the keys and the clock to do so.
 */

#include "lib/parsed.h"

#define CANDIDATES_PER_PLACE 16u

struct candidate_set {
    struct candidate *items;        /* read-only for others */
    uint32_t          count;
    uint32_t          cap;          /* private, from here on */
    uint16_t         *slots;        /* hash table: number of an item plus one, 0: free */
    uint32_t          slot_count;   /* a power of two, at least twice cap */
    uint32_t          shared;       /* kept beyond what is set aside */
    uint16_t          of_place[PLACE_COUNT];
    bool              has_key;
    uint8_t           key[16];      /* random: who sends look-alikes must not choose where they collide */
};

void candidate_set_init(struct candidate_set *s);
void candidate_set_fini(struct candidate_set *s);

/* Empties it; keeps a little memory. */
void candidate_set_clear(struct candidate_set *s);

/* Notes that the token stood at places (enum place bits, at least one). False: it is new, and there is no room to keep it. */
bool candidate_set_add(struct candidate_set *s, const struct token *t, uint32_t places);

#endif
