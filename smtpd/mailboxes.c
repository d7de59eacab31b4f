#include "smtpd/mailboxes.h"

#include "lib/error.h"

#include <stdlib.h>
#include <xxhash.h>

/* A power of two; the table is kept at most three quarters full. */
enum { FIRST_SLOTS = 64 };

struct slot {
    struct mailbox_state state;
    uint32_t             round;     /* of tellings, in which it was told last */
    bool                 used;
};

/* Open addressing with linear probing: removal closes the gap, so that there are no tombstones. */
struct mailboxes {
    struct slot *slots;
    size_t       slot_count;
    size_t       count;
    uint32_t     round;
    bool         complete;
};

struct mailboxes *
mailboxes_new(void)
{
    struct mailboxes *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->slot_count = FIRST_SLOTS;
    m->slots = calloc(m->slot_count, sizeof(struct slot));
    if (m->slots == NULL) {
        free(m);
        return NULL;
    }
    return m;
}

void
mailboxes_free(struct mailboxes *m)
{
    if (m == NULL)
        return;
    free(m->slots);
    free(m);
}

static size_t
home_of(const struct mailboxes *m, struct slice name)
{
    return (size_t)XXH3_64bits(name.data, name.len) & (m->slot_count - 1);
}

/* The slot of the name, or the free one where it would go. */
static size_t
locate(const struct mailboxes *m, struct slice name)
{
    size_t i = home_of(m, name);

    while (m->slots[i].used && !slice_equal(slice_of(m->slots[i].state.name), name))
        i = (i + 1) & (m->slot_count - 1);
    return i;
}

static int
grow(struct mailboxes *m)
{
    struct mailboxes larger = *m;

    larger.slot_count *= 2;
    larger.slots = calloc(larger.slot_count, sizeof(struct slot));
    if (larger.slots == NULL)
        return MT_ENOMEM;
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].used)
            larger.slots[locate(&larger, slice_of(m->slots[i].state.name))] = m->slots[i];
    free(m->slots);
    *m = larger;
    return MT_OK;
}

void
mailboxes_begin(struct mailboxes *m)
{
    m->round++;
    m->complete = false;
}

int
mailboxes_set(struct mailboxes *m, const struct mailbox_state *state)
{
    struct slot *slot;

    if (m->count + 1 > m->slot_count / 4 * 3 && grow(m) != MT_OK)
        return MT_ENOMEM;
    slot = &m->slots[locate(m, slice_of(state->name))];
    if (!slot->used)
        m->count++;
    *slot = (struct slot){ .state = *state, .round = m->round, .used = true };
    return MT_OK;
}

static void
remove_at(struct mailboxes *m, size_t gap)
{
    size_t mask = m->slot_count - 1;

    m->count--;
    for (size_t i = (gap + 1) & mask; m->slots[i].used; i = (i + 1) & mask) {
        size_t home = home_of(m, slice_of(m->slots[i].state.name));

        /* It may move into the gap unless its home lies behind the gap. */
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap].used = false;
}

void
mailboxes_remove(struct mailboxes *m, struct slice name)
{
    size_t i = locate(m, name);

    if (m->slots[i].used)
        remove_at(m, i);
}

void
mailboxes_complete(struct mailboxes *m)
{
    m->complete = true;
    /* A removal may bring another one to the same place. One that is moved around the end is looked at twice or has been kept. */
    for (size_t i = 0; i < m->slot_count;) {
        if (m->slots[i].used && m->slots[i].round != m->round)
            remove_at(m, i);
        else
            i++;
    }
}

bool
mailboxes_are_complete(const struct mailboxes *m)
{
    return m->complete;
}

size_t
mailboxes_count(const struct mailboxes *m)
{
    return m->count;
}

const struct mailbox_state *
mailboxes_find(const struct mailboxes *m, struct slice name)
{
    const struct slot *slot = &m->slots[locate(m, name)];

    return slot->used ? &slot->state : NULL;
}
