#include "lib/config_outline.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include <yaml.h>

enum {
    KEY_BYTES_MAX = 64,
    PATH_BYTES_MAX = OUTLINE_DEPTH_MAX * (KEY_BYTES_MAX + 16),
    SLOTS_MIN = 128,            /* a power of 2, as each number of slots */
};

/* A mapping or list that is open. */
struct level {
    unsigned node;              /* index in the outline */
    bool     is_list;
    bool     has_key;           /* a mapping whose next event is the value of key */
    char     key[KEY_BYTES_MAX + 1];
    unsigned key_line, key_column;
};

struct outline_parser {
    yaml_parser_t        yaml;
    struct slice         text;
    struct outline      *out;
    struct config_error *error;
    struct level         levels[OUTLINE_DEPTH_MAX];
    unsigned             depth;
    unsigned             documents;
    struct outline_limits limits;
};

int
config_fail(struct config_error *error, const char *file, unsigned line, unsigned column, const char *format, ...)
{
    int     n = snprintf(error->text, sizeof(error->text), "%s:%u:%u: ", file, line, column);
    va_list args;

    if (n < 0 || (size_t)n >= sizeof(error->text))
        n = 0;
    va_start(args, format);
    vsnprintf(error->text + n, sizeof(error->text) - (size_t)n, format, args);
    va_end(args);
    return MT_ESYNTAX;
}

#define FAIL_AT(p, mark, ...) \
    config_fail((p)->error, (p)->out->file, (unsigned)(mark).line + 1, (unsigned)(mark).column + 1, __VA_ARGS__)

/* What libyaml says of broken text. It gives bytes that are no UTF-8 by their offset alone. */
static int
fail_syntax(struct outline_parser *p)
{
    const yaml_parser_t *y = &p->yaml;
    yaml_mark_t          mark = y->problem_mark;
    const char          *problem = y->problem != NULL ? y->problem : "broken";

    if (y->error == YAML_MEMORY_ERROR)
        return MT_ENOMEM;
    if (y->error == YAML_READER_ERROR) {
        struct slice before = slice_sub(p->text, 0, y->problem_offset);
        mark = (yaml_mark_t){ .index = y->problem_offset };
        for (size_t i = 0; i < before.len; i++) {
            mark.column = before.data[i] == '\n' ? 0 : mark.column + 1;
            mark.line += before.data[i] == '\n';
        }
        return FAIL_AT(p, mark, "found bytes that are no text (%s), allowed: YAML in UTF-8", problem);
    }
    if (mark.index < p->text.len && p->text.data[mark.index] == '\t')
        return FAIL_AT(p, mark, "found a tab, allowed: spaces to indent with");
    return FAIL_AT(p, mark, "found what is no YAML (%s%s%s), allowed: \"name: value\" lines and lists \"[a, b]\"", problem,
                   y->context != NULL ? " " : "", y->context != NULL ? y->context : "");
}

static uint32_t
path_hash(const char *path)
{
    return (uint32_t)XXH3_64bits(path, strlen(path));
}

/* The slot that has the path, or the empty one where it belongs. There is always an empty one. */
static unsigned
slot_of(const struct outline *o, const char *path, uint32_t hash)
{
    unsigned slot = hash & (o->slot_count - 1);

    for (; o->slots[slot] != 0; slot = (slot + 1) & (o->slot_count - 1)) {
        const struct node *n = &o->nodes[o->slots[slot] - 1];
        if (n->hash == hash && strcmp(n->path, path) == 0)
            break;
    }
    return slot;
}

/* Twice as many slots as nodes at least. */
static int
grow_slots(struct outline *o)
{
    unsigned  count = o->slot_count == 0 ? SLOTS_MIN : o->slot_count * 2;
    unsigned *slots;

    if (o->count * 2 < o->slot_count)
        return MT_OK;
    slots = calloc(count, sizeof(*slots));
    if (slots == NULL)
        return MT_ENOMEM;
    free(o->slots);
    o->slots = slots;
    o->slot_count = count;
    for (unsigned i = 0; i < o->count; i++)
        o->slots[slot_of(o, o->nodes[i].path, o->nodes[i].hash)] = i + 1;
    return MT_OK;
}

/* Appends a node whose path is that of the innermost open level and its key, or the number of the item. */
static int
add_node(struct outline_parser *p, enum node_kind kind, const char *text, yaml_mark_t mark)
{
    struct outline *o = p->out;
    struct level   *level = p->depth > 0 ? &p->levels[p->depth - 1] : NULL;
    struct node     node = { .kind = kind, .line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1 };
    char            path[PATH_BYTES_MAX] = "";

    if (o->count == p->limits.nodes)
        return FAIL_AT(p, mark, "found more than %u values", p->limits.nodes);
    if (grow_slots(o) != MT_OK)
        return MT_ENOMEM;
    if (o->count == o->cap) {
        unsigned     cap = o->cap == 0 ? 64 : o->cap * 2;
        struct node *nodes = reallocarray(o->nodes, cap, sizeof(*nodes));
        if (nodes == NULL)
            return MT_ENOMEM;
        o->nodes = nodes;
        o->cap = cap;
    }
    node.key_line = node.line;
    node.key_column = node.column;
    if (level != NULL) {
        struct node *parent = &o->nodes[level->node];
        if (level->is_list) {
            snprintf(path, sizeof(path), "%s[%u]", parent->path, parent->item_count++);
        } else {
            snprintf(path, sizeof(path), "%s%s%s", parent->path, parent->path[0] != '\0' ? "." : "", level->key);
            node.key_line = level->key_line;
            node.key_column = level->key_column;
        }
        level->has_key = false;
    }
    node.hash = path_hash(path);
    node.path = strdup(path);
    node.text = strdup(text);
    if (node.path == NULL || node.text == NULL) {
        free(node.path);
        free(node.text);
        return MT_ENOMEM;
    }
    o->nodes[o->count++] = node;
    o->slots[slot_of(o, path, node.hash)] = o->count;
    return MT_OK;
}

/* Without the characters that paths are made with. */
static bool
is_name(const char *key, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(ascii_lower(key[i]) >= 'a' && ascii_lower(key[i]) <= 'z') && !(key[i] >= '0' && key[i] <= '9') && key[i] != '_')
            return false;
    return len > 0 && len <= KEY_BYTES_MAX;
}

static int
take_key(struct outline_parser *p, const yaml_event_t *event)
{
    struct level *level = &p->levels[p->depth - 1];
    const char   *key = (const char *)event->data.scalar.value;
    size_t        len = event->data.scalar.length;
    char          path[PATH_BYTES_MAX];
    const char   *above = p->out->nodes[level->node].path;

    if (!is_name(key, len))
        return FAIL_AT(p, event->start_mark, "found the name \"%s\", allowed: letters, digits and \"_\"; the settings of a section stand "
                       "indented below \"section:\"", LOG_TEXT(slice_make(key, len)));
    memcpy(level->key, key, len);
    level->key[len] = '\0';
    level->key_line = (unsigned)event->start_mark.line + 1;
    level->key_column = (unsigned)event->start_mark.column + 1;
    level->has_key = true;
    snprintf(path, sizeof(path), "%s%s%s", above, above[0] != '\0' ? "." : "", level->key);
    const struct node *first = outline_find(p->out, path);
    if (first != NULL)
        return FAIL_AT(p, event->start_mark, "%s: found it a second time, allowed: once (line %u has the first)",
                       LOG_TEXT(slice_of(path)), first->key_line);
    return MT_OK;
}

static int
take_scalar(struct outline_parser *p, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t      len = event->data.scalar.length;
    bool        is_nothing = len == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        return FAIL_AT(p, event->start_mark, "found an anchor or a tag, allowed: plain values");
    if (p->depth > 0 && !p->levels[p->depth - 1].is_list && !p->levels[p->depth - 1].has_key)
        return take_key(p, event);
    if (memchr(value, '\0', len) != NULL)
        return FAIL_AT(p, event->start_mark, "found a NUL character, allowed: text");
    return add_node(p, is_nothing ? NODE_NOTHING : NODE_SCALAR, value, event->start_mark);
}

static int
take_start(struct outline_parser *p, const yaml_event_t *event)
{
    bool        is_list = event->type == YAML_SEQUENCE_START_EVENT;
    const void *anchor = is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    const void *tag = is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    int         rc;

    if (anchor != NULL || tag != NULL)
        return FAIL_AT(p, event->start_mark, "found an anchor or a tag, allowed: plain values");
    if (p->depth > 0 && !p->levels[p->depth - 1].is_list && !p->levels[p->depth - 1].has_key)
        return FAIL_AT(p, event->start_mark, "found a name that is a list or a mapping, allowed: the name of a setting");
    if (p->depth == p->limits.depth)
        return FAIL_AT(p, event->start_mark, "found more than %u levels, allowed: sections with settings", p->limits.depth);
    if ((rc = add_node(p, is_list ? NODE_LIST : NODE_MAPPING, "", event->start_mark)) != MT_OK)
        return rc;
    p->levels[p->depth++] = (struct level){ .node = p->out->count - 1, .is_list = is_list };
    return MT_OK;
}

static int
take_event(struct outline_parser *p, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (p->documents++ > 0)
            return FAIL_AT(p, event->start_mark, "found a second document, allowed: one");
        return MT_OK;
    case YAML_ALIAS_EVENT:
        return FAIL_AT(p, event->start_mark, "found an alias, allowed: plain values");
    case YAML_SCALAR_EVENT:
        return take_scalar(p, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_start(p, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        p->depth--;
        return MT_OK;
    default:
        return MT_OK;
    }
}

int
outline_read(struct outline *o, struct slice text, const char *file, struct outline_limits limits, struct config_error *error)
{
    struct outline_parser p = { .text = text, .out = o, .error = error, .limits = limits };
    bool                  done = false;
    int                   rc = MT_OK;

    assert(limits.depth <= OUTLINE_DEPTH_MAX);
    *o = (struct outline){ .file = file };
    if (yaml_parser_initialize(&p.yaml) == 0)
        return MT_ENOMEM;
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text.data, text.len);
    while (rc == MT_OK && !done) {
        yaml_event_t event;
        if (yaml_parser_parse(&p.yaml, &event) == 0) {
            rc = fail_syntax(&p);
            break;
        }
        rc = take_event(&p, &event);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&p.yaml);
    return rc;
}

void
outline_fini(struct outline *o)
{
    for (unsigned i = 0; i < o->count; i++) {
        free(o->nodes[i].path);
        free(o->nodes[i].text);
    }
    free(o->nodes);
    free(o->slots);
    *o = (struct outline){ .file = NULL };
}

const struct node *
outline_find(const struct outline *o, const char *path)
{
    unsigned place = o->slot_count == 0 ? 0 : o->slots[slot_of(o, path, path_hash(path))];

    return place == 0 ? NULL : &o->nodes[place - 1];
}

bool
outline_names_are_near(struct slice a, struct slice b)
{
    unsigned row[64], most = a.len < 4 || b.len < 4 ? 1 : 2;

    if (a.data == NULL || b.data == NULL || a.len >= COUNT(row) || b.len >= COUNT(row))
        return false;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned change = diagonal + (a.data[i - 1] != b.data[j - 1]);
            unsigned one = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < one ? change : one;
        }
    }
    return row[b.len] <= most;
}
