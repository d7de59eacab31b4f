#include "ctl/document.h"

#include "ctl/output.h"
#include "lib/display.h"

enum { LINE_BYTES = 1024 * 1024, DEPTH_MAX = 12 };

/* A level of the walk through a document. */
struct level {
    const json_t *value;
    void         *iter;         /* of an object */
    size_t        index;        /* of an array */
};

static struct level
level_of(const json_t *value)
{
    return (struct level){ .value = value, .iter = json_object_iter((json_t *)(uintptr_t)value) };
}

static bool
is_group(const json_t *value)
{
    return json_is_object(value) || json_is_array(value);
}

/* "title: " of an object's member, and a value that is no group. */
static void
put_member(struct buf *line, const char *title, const json_t *value)
{
    struct slice name = slice_of(title);
    bool         seconds = json_is_number(value) && name.len > 2 && slice_ends_nocase(name, "_s");

    if (title != NULL) {
        display_text(line, slice_sub(name, 0, seconds ? name.len - 2 : name.len), OUTPUT_SHORT_MAX);
        buf_append_string(line, ": ");
    }
    if (seconds)
        output_value(line, value, AS_SECONDS);
    else if (json_is_real(value))
        buf_printf(line, "%.6g", json_real_value(value));
    else
        output_value(line, value, AS_LONG);
}

/* One step of the walk: the next member of the innermost level. False: it has ended. */
static bool
next_member(struct level *l, const char **title, const json_t **value)
{
    if (json_is_array(l->value)) {
        *title = NULL;
        *value = json_array_get(l->value, l->index++);
        return *value != NULL;
    }
    if (l->iter == NULL)
        return false;
    *title = json_object_iter_key(l->iter);
    *value = json_object_iter_value(l->iter);
    l->iter = json_object_iter_next((json_t *)(uintptr_t)l->value, l->iter);
    return true;
}

/* Whether nothing within is a group again: then it fits into one line. */
static bool
is_flat(const json_t *group)
{
    struct level  l = level_of(group);
    const char   *title;
    const json_t *value;

    while (next_member(&l, &title, &value))
        if (is_group(value))
            return false;
    return true;
}

/* What is not null in a flat group, behind its title. */
static void
put_flat(struct buf *line, const char *title, const json_t *group)
{
    struct level  l = level_of(group);
    const char   *name;
    const json_t *value;
    bool          first = true;

    if (title != NULL) {
        display_text(line, slice_of(title), OUTPUT_SHORT_MAX);
        buf_append_string(line, ": ");
    }
    while (next_member(&l, &name, &value)) {
        if (json_is_null(value))
            continue;
        buf_append_string(line, first ? "" : ", ");
        put_member(line, name, value);
        first = false;
    }
}

/* One line, or as many as it takes, depth steps to the right. */
static void
show_line(FILE *to, unsigned depth, const struct buf *line)
{
    fprintf(to, "%*s", (int)depth * 2, "");
    output_wrapped(to, buf_slice(line), (size_t)depth * 2);
    fputc('\n', to);
}

void
document_show(FILE *to, const json_t *document)
{
    struct level levels[DEPTH_MAX] = { level_of(document) };
    unsigned     depth = 1;
    struct buf   line;

    buf_init(&line, LINE_BYTES);
    while (depth > 0) {
        const char   *title;
        const json_t *value;

        buf_clear(&line);
        if (!next_member(&levels[depth - 1], &title, &value)) {
            depth--;
        } else if (!is_group(value)) {
            if (!json_is_null(value)) {
                put_member(&line, title, value);
                show_line(to, depth, &line);
            }
        } else if (is_flat(value)) {
            if (json_object_size(value) + json_array_size(value) > 0) {
                put_flat(&line, title, value);
                show_line(to, depth, &line);
            }
        } else if (depth < DEPTH_MAX) {
            display_text(&line, slice_of(title != NULL ? title : "-"), OUTPUT_SHORT_MAX);
            show_line(to, depth, &line);
            levels[depth++] = level_of(value);
        }
    }
    buf_fini(&line);
}

void
document_show_text(FILE *to, const json_t *text)
{
    struct buf line;

    buf_init(&line, LINE_BYTES);
    put_member(&line, NULL, text);
    show_line(to, 1, &line);
    buf_fini(&line);
}
