#include "imapd/imap_vanished.h"

#include "imapd/imap.h"

#include "lib/error.h"

enum { RANGES_A_LINE = 500 };

void
imap_vanished_fini(struct imap_vanished *v)
{
    imap_set_fini(&v->set);
    *v = (struct imap_vanished){ 0 };
}

void
imap_vanished_read(struct connection *c, struct imap_reader *r, struct slice text, uint64_t changed_since, struct imap_vanished *out)
{
    const struct imap *s = c->own;
    bool               fits = true;

    if ((s->enabled & IMAP_QRESYNC) == 0)
        imap_fail(r, "ENABLE QRESYNC, before VANISHED,");
    if (!imap_ok(r) || out->set.count > 0 || changed_since >= s->view.modseq)
        return;
    if (slice_equal(text, slice_of("$")))
        fits = imap_set_copy(&out->set, &s->found);
    else
        fits = imap_set_parse(text, s->view.uidnext - 1, &out->set) == MT_OK;
    if (!fits)
        imap_fail(r, "a sequence set");
}

bool
imap_vanished_next(struct imap_vanished *v, const struct imap_view *view, struct imap_range *out)
{
    while (v->range < v->set.count) {
        const struct imap_range *range = &v->set.ranges[v->range];
        uint32_t                 first = v->next > range->first ? v->next : range->first;
        uint32_t                 last = range->last < view->uidnext ? range->last : view->uidnext - 1;
        bool                     exact;
        uint32_t                 at = imap_view_find(view, first, &exact);

        for (; first <= last && at < view->count && view->uids[at] == first; at++)
            first++;
        if (first > last) {
            v->range++;
            continue;
        }
        if (at < view->count && view->uids[at] <= last)
            last = view->uids[at] - 1;
        *out = (struct imap_range){ first, last };
        v->next = last + 1;
        return true;
    }
    return false;
}

bool
imap_vanished_say(struct connection *c, struct imap_vanished *v)
{
    const struct imap *s = c->own;
    struct imap_range  range;
    unsigned           count = 0;

    while (count < RANGES_A_LINE && imap_vanished_next(v, &s->view, &range)) {
        buf_append_string(&c->out, count++ == 0 ? "* VANISHED (EARLIER) " : ",");
        imap_put_range(&c->out, &range);
    }
    if (count > 0)
        buf_append_string(&c->out, "\r\n");
    return count == RANGES_A_LINE;
}

/* Of a run of numbers and the UIDs said to be theirs, how many from the first on are right: once a message is missing, all behind it differ. */
static uint32_t
count_right(const struct imap_view *view, uint32_t number, uint32_t uid, uint32_t len)
{
    uint32_t low = 0, high = len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (number - 1 + middle < view->count && view->uids[number - 1 + middle] == uid + middle)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
imap_vanished_known(const struct imap_view *view, const struct imap_set *numbers, const struct imap_set *uids)
{
    uint32_t i = 0, j = 0, known = 0;
    uint32_t number_at = 0, uid_at = 0;         /* within the ranges */

    while (i < numbers->count && j < uids->count) {
        const struct imap_range *n = &numbers->ranges[i], *u = &uids->ranges[j];
        uint32_t                 left_n = n->last - n->first - number_at, left_u = u->last - u->first - uid_at;
        uint32_t                 step = left_n < left_u ? left_n : left_u;     /* members, less one */
        uint32_t                 right = count_right(view, n->first + number_at, u->first + uid_at, step + 1);

        if (right > 0)
            known = u->first + uid_at + right - 1;
        if (right <= step)
            break;
        number_at = left_n == step ? 0 : number_at + step + 1;
        uid_at = left_u == step ? 0 : uid_at + step + 1;
        i += left_n == step;
        j += left_u == step;
    }
    return known;
}
