#include "lib/header_field.h"

#include "lib/error.h"

enum { FIRST_BYTES = 1024 };

int
header_fields_init(struct header_fields *h, header_field_fn *out, void *arg)
{
    h->out = out;
    h->arg = arg;
    h->goes_on = false;
    buf_init(&h->text, HEADER_FIELD_BYTES);
    return buf_reserve(&h->text, FIRST_BYTES) == NULL ? MT_ENOMEM : MT_OK;
}

void
header_fields_fini(struct header_fields *h)
{
    buf_fini(&h->text);
}

void
header_fields_reset(struct header_fields *h)
{
    buf_clear(&h->text);
    h->goes_on = false;
}

/* Length of the name that text begins with, 0 where there is none (RFC 5322 section 3.6.8; blanks before the colon: 4.5). */
static size_t
name_len(struct slice text, size_t *colon)
{
    size_t len;

    *colon = slice_find(text, ':');
    if (*colon == text.len)
        return 0;
    len = *colon;
    while (len > 0 && (text.data[len - 1] == ' ' || text.data[len - 1] == '\t'))
        len--;
    for (size_t i = 0; i < len; i++)
        if (text.data[i] <= ' ' || text.data[i] == 127)
            return 0;
    return len;
}

static void
hand_out(struct header_fields *h, struct slice text, bool last)
{
    struct header_field f = { .value = text, .first = !h->goes_on, .last = last };
    size_t              colon;

    if (f.first) {
        f.name = slice_make(text.data, name_len(text, &colon));
        if (f.name.len > 0)
            f.value = slice_sub(text, colon + 1, text.len);
    } else {
        f.name = slice_make(h->name, h->name_len);
    }
    if (f.first && !last) {
        h->name_len = f.name.len < sizeof(h->name) ? f.name.len : sizeof(h->name);
        memcpy(h->name, f.name.data, h->name_len);
    }
    h->goes_on = !last;
    h->out(h->arg, &f);
}

static struct slice
without_line_end(struct slice text)
{
    if (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r')
        text.len--;
    return text;
}

void
header_fields_end(struct header_fields *h)
{
    if (h->text.len == 0 && !h->goes_on)
        return;
    hand_out(h, without_line_end(buf_slice(&h->text)), true);
    buf_clear(&h->text);
}

/* A line end stays behind: it may be the field's last, and then is no part of its value. */
static void
hand_out_piece(struct header_fields *h)
{
    struct slice text = without_line_end(buf_slice(&h->text));

    hand_out(h, text, false);
    buf_consume(&h->text, text.len);
    h->text.fault = MT_OK;
}

void
header_fields_add(struct header_fields *h, struct slice octets)
{
    while (octets.len > 0) {
        size_t room = h->text.limit - h->text.len;
        size_t len = octets.len < room ? octets.len : room;

        if (len > 0 && buf_append(&h->text, octets.data, len) == MT_OK) {
            octets = slice_sub(octets, len, octets.len);
            continue;
        }
        if (h->text.fault == MT_ENOMEM)
            h->text.limit = h->text.cap;
        hand_out_piece(h);
    }
}
