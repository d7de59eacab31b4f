#include "smtpd/line.h"

#include "lib/error.h"

static struct slice
behind(struct slice s, size_t len)
{
    return slice_sub(s, len, s.len);
}

/* Throws away what is there of an overlong line. */
static int
skip_line(struct line *l, struct slice *in)
{
    size_t lf = slice_find(*in, '\n');
    size_t used = lf < in->len ? lf + 1 : in->len;
    bool   cr = lf > 0 ? in->data[lf - 1] == '\r' : l->after_cr;

    if (in->len == 0)
        return MT_EAGAIN;
    l->skipped += used;
    l->after_cr = in->data[used - 1] == '\r';
    if (lf == in->len) {
        *in = behind(*in, used);
        return l->skipped > LINE_SKIP_BYTES_MAX ? MT_EFULL : MT_EAGAIN;
    }
    *in = behind(*in, used);
    *l = (struct line){ .scanned = 0 };
    return cr ? MT_ESIZE : MT_ESYNTAX;
}

int
line_take(struct line *l, struct slice *in, struct slice *line)
{
    size_t lf;

    if (l->skipped > 0)
        return skip_line(l, in);
    lf = l->scanned + slice_find(behind(*in, l->scanned), '\n');
    if (lf < in->len && (lf == 0 || in->data[lf - 1] != '\r'))
        return MT_ESYNTAX;
    if (lf < in->len && lf - 1 <= LINE_BYTES_MAX) {
        *line = slice_sub(*in, 0, lf - 1);
        *in = behind(*in, lf + 1);
        l->scanned = 0;
        return MT_OK;
    }
    if (lf == in->len && in->len <= LINE_BYTES_MAX + 1) {
        l->scanned = in->len;
        return MT_EAGAIN;
    }
    l->scanned = 0;
    return skip_line(l, in);
}
