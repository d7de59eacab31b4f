#include "lookup/wait.h"

#include <sodium.h>
#include <stdlib.h>

struct waits {
    unsigned                  count;
    unsigned                  mask;         /* buckets less one: a power of two less one */
    uint8_t                   key[crypto_shorthash_KEYBYTES];     /* so that nobody can choose tokens for one bucket */
    LIST_HEAD(bucket, wait_entry) buckets[];
};

struct waits *
waits_new(unsigned room)
{
    unsigned      size = 64;
    struct waits *w;

    while (size < room && size < 1u << 20)
        size *= 2;
    w = calloc(1, sizeof(*w) + size * sizeof(w->buckets[0]));
    if (w == NULL)
        return NULL;
    w->mask = size - 1;
    randombytes_buf(w->key, sizeof(w->key));
    return w;
}

void
waits_free(struct waits *w)
{
    free(w);
}

static struct bucket *
bucket_of(struct waits *w, const struct token *t)
{
    uint8_t  hash[crypto_shorthash_BYTES];
    uint32_t index;

    crypto_shorthash(hash, t->raw, sizeof(t->raw), w->key);
    memcpy(&index, hash, sizeof(index));
    return &w->buckets[index & w->mask];
}

void
waits_add(struct waits *w, struct wait_entry *e)
{
    LIST_INSERT_HEAD(bucket_of(w, &e->token), e, same_bucket);
    w->count++;
}

void
waits_remove(struct waits *w, struct wait_entry *e)
{
    if (e->same_bucket.le_prev == NULL)
        return;
    LIST_REMOVE(e, same_bucket);
    e->same_bucket.le_prev = NULL;
    w->count--;
}

bool
waits_has(struct waits *w, const struct token *token)
{
    struct wait_entry *e;

    for (e = LIST_FIRST(bucket_of(w, token)); e != NULL; e = LIST_NEXT(e, same_bucket))
        if (token_equal(&e->token, token))
            return true;
    return false;
}

void
waits_find(struct waits *w, const struct token *token, uint32_t mailbox_id, wait_found_fn *fn, void *arg)
{
    struct wait_entry *e;

    for (e = LIST_FIRST(bucket_of(w, token)); e != NULL; e = LIST_NEXT(e, same_bucket))
        if (token_equal(&e->token, token) && (e->mailbox_id == 0 || e->mailbox_id == mailbox_id))
            fn(arg, e);
}

unsigned
waits_count(const struct waits *w)
{
    return w->count;
}
