#include "finder/candidates.h"

#include "lib/error.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { CAP_FIRST = 8, CAP_KEPT = 32 };

#define SHARED_MAX (PARSED_CANDIDATES_MAX - PLACE_COUNT * CANDIDATES_PER_PLACE)

void
candidate_set_init(struct candidate_set *s)
{
    *s = (struct candidate_set){ .items = NULL };
}

void
candidate_set_fini(struct candidate_set *s)
{
    free(s->items);
    free(s->slots);
    candidate_set_init(s);
}

void
candidate_set_clear(struct candidate_set *s)
{
    if (s->cap > CAP_KEPT)
        candidate_set_fini(s);
    else if (s->count > 0)
        memset(s->slots, 0, s->slot_count * sizeof(s->slots[0]));
    s->count = 0;
    s->shared = 0;
    memset(s->of_place, 0, sizeof(s->of_place));
}

/* The slot of the token, or the free one where it belongs. */
static uint16_t *
find_slot(const struct candidate_set *s, const struct token *t)
{
    uint8_t  hash[crypto_shorthash_BYTES];
    uint32_t at;

    static_assert(crypto_shorthash_KEYBYTES == sizeof(s->key), "key size");
    crypto_shorthash(hash, t->raw, sizeof(t->raw), s->key);
    for (at = get_u32(hash);; at++) {
        uint16_t *slot = &s->slots[at & (s->slot_count - 1)];

        if (*slot == 0 || token_equal(&s->items[*slot - 1].token, t))
            return slot;
    }
}

/* Makes room for one more. On failure all is as it was. */
static bool
grow(struct candidate_set *s)
{
    uint32_t          cap = s->cap == 0 ? CAP_FIRST : s->cap * 2;
    uint16_t         *slots;
    struct candidate *items;

    if (s->count < s->cap)
        return true;
    items = realloc(s->items, cap * sizeof(*items));
    if (items == NULL)
        return false;
    s->items = items;
    slots = calloc(cap * 2, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(s->slots);
    s->slots = slots;
    s->slot_count = cap * 2;
    s->cap = cap;
    if (!s->has_key)
        randombytes_buf(s->key, sizeof(s->key));
    s->has_key = true;
    for (uint32_t i = 0; i < s->count; i++)
        *find_slot(s, &s->items[i].token) = (uint16_t)(i + 1);
    return true;
}

/* Takes one of the places that are set aside, or of those for all. */
static bool
take_room(struct candidate_set *s, uint32_t places)
{
    uint32_t where = places & ~(uint32_t)PLACE_ATTACHED;
    unsigned place = (unsigned)__builtin_ctz(where != 0 ? where : PLACE_ATTACHED);

    assert(place < PLACE_COUNT);
    if (s->of_place[place] < CANDIDATES_PER_PLACE)
        s->of_place[place]++;
    else if (s->shared < SHARED_MAX)
        s->shared++;
    else
        return false;
    return true;
}

bool
candidate_set_add(struct candidate_set *s, const struct token *t, uint32_t places)
{
    uint16_t *slot = s->cap == 0 ? NULL : find_slot(s, t);

    if (slot != NULL && *slot != 0) {
        s->items[*slot - 1].found_in |= places;
        return true;
    }
    if (!grow(s) || !take_room(s, places))
        return false;
    s->items[s->count] = (struct candidate){ .token = *t, .found_in = places };
    *find_slot(s, t) = (uint16_t)++s->count;
    return true;
}
