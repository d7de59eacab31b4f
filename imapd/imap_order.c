#include "imapd/imap_order.h"

#include "lib/error.h"

#include <stdlib.h>

enum { FIRST_ROWS = 256, MERGES_A_STEP = 4000 };

void
imap_order_init(struct imap_order *o)
{
    *o = (struct imap_order){ .width = 0 };
    buf_init(&o->keys, IMAP_ORDER_BYTES);
}

void
imap_order_fini(struct imap_order *o)
{
    free(o->rows);
    free(o->other);
    buf_fini(&o->keys);
    imap_order_init(o);
}

uint64_t
imap_order_bytes(const struct imap_order *o)
{
    return o->keys.cap + (uint64_t)o->cap * sizeof(*o->rows) * 2;
}

int
imap_order_add(struct imap_order *o, uint32_t number, struct slice key)
{
    int rc;

    if (o->count == o->cap) {
        uint32_t               cap = o->cap == 0 ? FIRST_ROWS : o->cap * 2;
        struct imap_order_row *more;

        if ((uint64_t)cap * sizeof(*more) > IMAP_ORDER_BYTES)
            return MT_ESIZE;
        more = realloc(o->rows, cap * sizeof(*more));
        if (more == NULL)
            return MT_ENOMEM;
        o->rows = more;
        o->cap = cap;
    }
    o->rows[o->count] = (struct imap_order_row){ number, (uint32_t)o->keys.len, (uint32_t)key.len };
    rc = buf_append_slice(&o->keys, key);
    o->count += rc == MT_OK;
    return rc;
}

/* ---- Merging ------------------------------------------------------------------------------------------------------------------ */

static bool
is_behind(const struct imap_order *o, const struct imap_order_row *a, const struct imap_order_row *b)
{
    int d = memcmp(o->keys.data + a->at, o->keys.data + b->at, a->len < b->len ? a->len : b->len);

    return d > 0 || (d == 0 && a->len > b->len);
}

static uint32_t
end_of_run(const struct imap_order *o, uint32_t from)
{
    return o->width < o->count - from ? from + o->width : o->count;
}

/* Begins with the next two runs. False: there are none any more. */
static bool
begin_merge(struct imap_order *o)
{
    if (o->from >= o->count)
        return false;
    o->left = o->put = o->from;
    o->right = end_of_run(o, o->from);
    o->merging = true;
    return true;
}

/* Merges the two runs as far as *left_over rows go. */
static void
merge(struct imap_order *o, unsigned *left_over)
{
    uint32_t middle = end_of_run(o, o->from), end = middle == o->count ? middle : end_of_run(o, middle);

    for (; o->put < end && *left_over > 0; (*left_over)--) {
        bool right = o->left == middle || (o->right < end && is_behind(o, &o->rows[o->left], &o->rows[o->right]));

        o->other[o->put++] = o->rows[right ? o->right++ : o->left++];
    }
    if (o->put == end) {
        o->merging = false;
        o->from = end;
    }
}

static void
next_width(struct imap_order *o)
{
    struct imap_order_row *merged = o->other;

    o->other = o->rows;
    o->rows = merged;
    o->width = o->width > UINT32_MAX / 2 ? UINT32_MAX : o->width * 2;
    o->from = 0;
}

bool
imap_order_step(struct imap_order *o, int *rc)
{
    unsigned left_over = MERGES_A_STEP;

    *rc = MT_OK;
    if (o->count < 2)
        return false;
    if (o->width == 0) {
        o->other = malloc(o->cap * sizeof(*o->other));
        if (o->other == NULL) {
            *rc = MT_ENOMEM;
            return false;
        }
        o->width = 1;
    }
    while (o->width < o->count && left_over > 0) {
        if (o->merging || begin_merge(o))
            merge(o, &left_over);
        else
            next_width(o);
    }
    return o->width < o->count;
}

/* ---- Keys --------------------------------------------------------------------------------------------------------------------- */

/* Big-endian and beyond the negative ones, so that octets compare as numbers do. */
void
imap_order_put_number(struct buf *key, int64_t number, bool reverse)
{
    uint64_t bits = (uint64_t)number ^ (uint64_t)1 << 63;

    if (reverse)
        bits = ~bits;
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_append_byte(key, (char)(bits >> shift));
}

/* Ended by a NUL, which comes before everything else. */
void
imap_order_put_text(struct buf *key, struct slice text, bool reverse)
{
    char flip = reverse ? '\xff' : '\0';

    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\0')
            buf_append_byte(key, text.data[i] ^ flip);
    buf_append_byte(key, flip);
}
