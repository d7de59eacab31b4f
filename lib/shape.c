#include "lib/shape.h"

#include "lib/error.h"

#include <stdlib.h>

enum { PARTS_FIRST = 4, PARTS_KEPT = 32, WRITTEN_KEPT_BYTES = 4096 };

/* As struct part, but the type is in s->types. */
struct shape_part {
    uint64_t header_at, body_at, end_at;
    uint32_t parent;
    uint32_t lines;
    uint32_t type_at;
    uint8_t  type_len;
    uint8_t  encoding;
};

void
shape_init(struct shape *s)
{
    *s = (struct shape){ .parts = NULL };
    buf_init(&s->types, SHAPE_TYPES_BYTES);
    buf_init(&s->written, PARSED_PARTS_BYTES);
}

void
shape_fini(struct shape *s)
{
    free(s->parts);
    buf_fini(&s->types);
    buf_fini(&s->written);
    shape_init(s);
}

void
shape_clear(struct shape *s)
{
    if (s->cap > PARTS_KEPT || s->written.cap > WRITTEN_KEPT_BYTES)
        shape_fini(s);
    s->count = 0;
    s->is_cut = false;
    buf_clear(&s->types);
    buf_clear(&s->written);
}

static bool
has_room(struct shape *s)
{
    uint32_t           cap = s->cap == 0 ? PARTS_FIRST : s->cap * 2;
    struct shape_part *more;

    if (s->count == PARSED_PARTS_MAX)
        return false;
    if (s->count < s->cap)
        return true;
    more = realloc(s->parts, cap * sizeof(*more));
    if (more == NULL)
        return false;
    s->parts = more;
    s->cap = cap;
    return true;
}

void
shape_begin(struct shape *s, const struct mime_part *p)
{
    if (s->is_cut || !has_room(s)) {
        s->is_cut = true;       /* what follows is left out, too: a part's index is its place in the list */
        return;
    }
    s->parts[s->count++] = (struct shape_part){ .parent = p->parent, .header_at = p->header_at };
}

void
shape_header_end(struct shape *s, const struct mime_part *p)
{
    struct shape_part *part;

    if (p->index >= s->count)
        return;
    part = &s->parts[p->index];
    part->body_at = p->body_at;
    part->encoding = (uint8_t)p->encoding;
    part->type_at = (uint32_t)s->types.len;
    if (buf_append_string(&s->types, p->type) == MT_OK)
        part->type_len = (uint8_t)strlen(p->type);
}

void
shape_end(struct shape *s, const struct mime_part *p)
{
    if (p->index >= s->count)
        return;
    s->parts[p->index].end_at = p->end_at;
    s->parts[p->index].lines = p->lines;
}

struct slice
shape_write(struct shape *s, bool *whole)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct shape_part *part = &s->parts[i];

        part_write(&s->written, &(struct part){
            .parent = part->parent,
            .header_at = part->header_at,
            .body_at = part->body_at,
            .end_at = part->end_at,
            .lines = part->lines,
            .encoding = part->encoding,
            .type = slice_sub(buf_slice(&s->types), part->type_at, part->type_len),
        });
    }
    *whole = !s->is_cut && s->types.fault == MT_OK && s->written.fault == MT_OK;
    return buf_slice(&s->written);
}
