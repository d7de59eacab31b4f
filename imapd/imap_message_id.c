#include "imapd/imap_message_id.h"

#include "lib/error.h"

struct id_reader {
    struct slice rest;          /* behind "<" */
    struct buf  *out;
    bool         quoted;        /* within quotes */
    size_t       at_sign;       /* octets of out in front of "@"; out->limit + 1: none yet */
};

/* One octet. False: it has no place in a message id. */
static bool
take(struct id_reader *r)
{
    char c = r->rest.data[0];

    r->rest = slice_sub(r->rest, 1, r->rest.len);
    if (c == '"') {
        r->quoted = !r->quoted;
        return true;
    }
    if (c == '\\' && r->rest.len > 0) {
        c = r->rest.data[0];
        r->rest = slice_sub(r->rest, 1, r->rest.len);
    } else if (c == '@' && !r->quoted) {
        r->at_sign = r->out->len;
    } else if (!r->quoted && (c == ' ' || c == '\t' || c == '<')) {
        return false;
    }
    if (c == '\0' || c == '\r' || c == '\n')
        return r->quoted;       /* a fold */
    return buf_append_byte(r->out, c) == MT_OK;
}

/* Reads up to ">". Quotes and folds do not fill out, so octets are counted, too: a field of them is read in linear time. */
static bool
read_id(struct id_reader *r)
{
    for (size_t left = r->out->limit * 2; r->rest.len > 0 && (r->quoted || r->rest.data[0] != '>'); left--)
        if (left == 0 || !take(r))
            return false;
    return r->rest.len > 0 && r->at_sign > 0 && r->at_sign + 1 < r->out->len;
}

bool
imap_next_message_id(struct slice *value, struct buf *out)
{
    for (;;) {
        struct id_reader r = { .out = out, .at_sign = out->limit + 1 };
        size_t           begin = slice_find(*value, '<');

        if (begin == value->len)
            return false;
        buf_clear(out);
        *value = r.rest = slice_sub(*value, begin + 1, value->len);
        if (read_id(&r)) {
            *value = slice_sub(r.rest, 1, r.rest.len);
            return true;
        }
    }
}
