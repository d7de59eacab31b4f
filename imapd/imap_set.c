#include "imapd/imap_set.h"

#include "lib/error.h"

#include <stdlib.h>

enum { FIRST_RANGES = 4 };

static bool
read_number(struct slice *text, uint32_t largest, uint32_t *out)
{
    size_t   len = 0;
    uint64_t number;

    if (text->len > 0 && text->data[0] == '*') {
        *text = slice_sub(*text, 1, text->len);
        *out = largest;
        return true;
    }
    while (len < text->len && text->data[len] >= '0' && text->data[len] <= '9')
        len++;
    if (slice_to_u64(slice_sub(*text, 0, len), UINT32_MAX, &number) != MT_OK || number == 0)
        return false;
    *text = slice_sub(*text, len, text->len);
    *out = (uint32_t)number;
    return true;
}

static int
compare(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static void
join(struct imap_set *s)
{
    uint32_t kept = 0;

    qsort(s->ranges, s->count, sizeof(*s->ranges), compare);
    for (uint32_t i = 0; i < s->count; i++) {
        struct imap_range *last = kept == 0 ? NULL : &s->ranges[kept - 1];

        if (last != NULL && (last->last == UINT32_MAX || s->ranges[i].first <= last->last + 1)) {
            if (s->ranges[i].last > last->last)
                last->last = s->ranges[i].last;
        } else {
            s->ranges[kept++] = s->ranges[i];
        }
    }
    s->count = kept;
}

static bool
make_room(struct imap_set *s)
{
    struct imap_range *more;

    if (s->count != 0 && (s->count < FIRST_RANGES || (s->count & (s->count - 1)) != 0))
        return true;
    more = realloc(s->ranges, (s->count < FIRST_RANGES ? FIRST_RANGES : s->count * 2) * sizeof(*more));
    if (more != NULL)
        s->ranges = more;
    return more != NULL;
}

int
imap_set_parse(struct slice text, uint32_t largest, struct imap_set *out)
{
    int rc = MT_OK;

    *out = (struct imap_set){ 0 };
    for (uint32_t count = 0; rc == MT_OK; count++) {
        struct imap_range range = { 0 };

        if (count == IMAP_SET_RANGES_MAX)
            rc = MT_ESIZE;
        else if (!read_number(&text, largest, &range.first))
            rc = MT_ESYNTAX;
        range.last = range.first;
        if (rc == MT_OK && text.len > 0 && text.data[0] == ':') {
            text = slice_sub(text, 1, text.len);
            rc = read_number(&text, largest, &range.last) ? MT_OK : MT_ESYNTAX;
        }
        if (rc == MT_OK && !make_room(out))
            rc = MT_ENOMEM;
        if (rc != MT_OK)
            break;
        if (range.first > range.last)
            range = (struct imap_range){ range.last, range.first };
        if (range.last > 0)             /* "*" of an empty folder */
            out->ranges[out->count++] = (struct imap_range){ range.first == 0 ? 1 : range.first, range.last };
        if (text.len == 0)
            break;
        if (text.data[0] != ',')
            rc = MT_ESYNTAX;
        text = slice_sub(text, 1, text.len);
    }
    if (rc != MT_OK)
        imap_set_fini(out);
    else
        join(out);
    return rc;
}

void
imap_set_fini(struct imap_set *s)
{
    free(s->ranges);
    *s = (struct imap_set){ 0 };
}

bool
imap_set_append(struct imap_set *s, uint32_t number)
{
    if (s->count > 0 && s->ranges[s->count - 1].last + 1 == number) {
        s->ranges[s->count - 1].last = number;
        return true;
    }
    if (!make_room(s))
        return false;
    s->ranges[s->count++] = (struct imap_range){ number, number };
    return true;
}

bool
imap_set_copy(struct imap_set *to, const struct imap_set *from)
{
    *to = (struct imap_set){ 0 };
    if (from->count == 0)
        return true;
    to->ranges = malloc(from->count * sizeof(*to->ranges));
    if (to->ranges == NULL)
        return false;
    memcpy(to->ranges, from->ranges, from->count * sizeof(*to->ranges));
    to->count = from->count;
    return true;
}

void
imap_put_range(struct buf *b, const struct imap_range *r)
{
    buf_printf(b, r->first == r->last ? "%u" : "%u:%u", r->first, r->last);
}

void
imap_set_put(struct buf *b, const struct imap_set *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_append_byte(b, ',');
        imap_put_range(b, &s->ranges[i]);
    }
}

bool
imap_set_has(const struct imap_set *s, uint32_t number)
{
    uint32_t low = 0, high = s->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (number < s->ranges[middle].first)
            high = middle;
        else if (number > s->ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}
