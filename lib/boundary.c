#include "lib/boundary.h"

#include "lib/error.h"

#include <assert.h>

void
boundary_stack_init(struct boundary_stack *s)
{
    buf_init(&s->text, (size_t)BOUNDARY_OPEN_MAX * BOUNDARY_CHARS);
    s->count = 0;
}

void
boundary_stack_fini(struct boundary_stack *s)
{
    buf_fini(&s->text);
    s->count = 0;
}

int
boundary_open(struct boundary_stack *s, uint32_t owner, struct slice text)
{
    assert(text.len > 0 && text.len <= BOUNDARY_CHARS);
    assert(s->count == 0 || s->open[s->count - 1].owner < owner);
    if (s->count == BOUNDARY_OPEN_MAX)
        return MT_ESIZE;
    if (buf_append_slice(&s->text, text) != MT_OK) {
        s->text.fault = MT_OK;
        return MT_ENOMEM;
    }
    s->open[s->count].owner = owner;
    s->open[s->count].len = (uint32_t)text.len;
    s->count++;
    return MT_OK;
}

bool
boundary_close(struct boundary_stack *s, uint32_t owner)
{
    bool was_open = false;

    while (s->count > 0 && s->open[s->count - 1].owner >= owner) {
        s->count--;
        s->text.len -= s->open[s->count].len;
        was_open = s->open[s->count].owner == owner;
    }
    return was_open;
}

bool
boundary_find(const struct boundary_stack *s, struct slice line, struct delimiter *out)
{
    const char *end;
    size_t      best_len = 0;

    if (s->count == 0 || !slice_starts(line, "--"))
        return false;
    end = s->text.data + s->text.len;
    line = slice_sub(line, 2, DELIMITER_CHARS - 2);
    for (uint32_t i = s->count; i-- > 0;) {
        size_t len = s->open[i].len;

        end -= len;
        if (len > best_len && line.len >= len && memcmp(line.data, end, len) == 0) {
            best_len = len;
            out->owner = s->open[i].owner;
        }
    }
    out->closes = best_len > 0 && slice_starts(slice_sub(line, best_len, line.len), "--");
    return best_len > 0;
}
