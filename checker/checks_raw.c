#include "checker/checks_raw.h"

#include "checker/checks.h"
#include "lib/error.h"
#include "lib/log.h"

#include <cyaml/cyaml.h>
#include <stdio.h>

enum { DEPTH = 5 };                 /* document, lists, list, codes, code */
#define NODES_MAX     5000000u
#define LIST_MAX      1000u         /* items of a list of texts; the settings have narrower bounds of their own */
#define ALLOWED_BYTES 800u

/* ---- libcyaml's schema, from the lines of checks_raw.h ------------------------------------------------------------ */

#define FIELD_TEXT(section, name) \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct section, name, 0, CYAML_UNLIMITED),
#define FIELD_LIST(section, name) \
    CYAML_FIELD_SEQUENCE_COUNT(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct section, name.items, name.count, &text_schema, 0, \
                               LIST_MAX),
#define FIELD_PART(section, name, type) \
    CYAML_FIELD_MAPPING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct section, name, type##_fields),
#define FIELD_MANY(section, name, type) \
    CYAML_FIELD_SEQUENCE_COUNT(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct section, name.items, name.count, &type##_schema, 0, \
                               CHECKS_MAX),
#define SCHEMA(tag, SETTINGS) \
    static const cyaml_schema_field_t tag##_fields[] = { SETTINGS(FIELD_TEXT, FIELD_LIST, FIELD_PART, FIELD_MANY) CYAML_FIELD_END };
#define ITEM_SCHEMA(tag, SETTINGS) \
    SCHEMA(tag, SETTINGS) \
    static const cyaml_schema_value_t tag##_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tag, tag##_fields) };
#define TOP_SCHEMA(tag, SETTINGS) \
    SCHEMA(tag, SETTINGS) \
    static const cyaml_schema_value_t tag##_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct tag, tag##_fields) };

static const cyaml_schema_value_t text_schema = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED) };

SCHEMA(raw_api, RAW_API_SETTINGS)
SCHEMA(raw_auth, RAW_AUTH_SETTINGS)
SCHEMA(raw_mail, RAW_MAIL_SETTINGS)
SCHEMA(raw_defaults, RAW_DEFAULTS_SETTINGS)
ITEM_SCHEMA(raw_server, RAW_SERVER_SETTINGS)
ITEM_SCHEMA(raw_way, RAW_WAY_SETTINGS)
ITEM_SCHEMA(raw_contact, RAW_CONTACT_SETTINGS)
ITEM_SCHEMA(raw_code, RAW_CODE_SETTINGS)
ITEM_SCHEMA(raw_blocklist, RAW_BLOCKLIST_SETTINGS)
ITEM_SCHEMA(raw_check, RAW_CHECK_SETTINGS)
TOP_SCHEMA(raw_top, RAW_TOP_SETTINGS)
TOP_SCHEMA(raw_lists, RAW_LISTS_SETTINGS)

static const cyaml_config_t cyaml = { .mem_fn = cyaml_mem, .flags = CYAML_CFG_NO_ALIAS };

/* ---- Names and kinds of values --------------------------------------------------------------------------------------- */

static const cyaml_schema_field_t *
field_find(const cyaml_schema_field_t *fields, struct slice name)
{
    for (; fields->key != NULL; fields++)
        if (slice_equal(slice_of(fields->key), name))
            return fields;
    return NULL;
}

/* What the schema says of a path such as "checks[3].quiet[0]". NULL: nothing; *fields are then those of the section that it would be in. */
static const cyaml_schema_value_t *
schema_find(const cyaml_schema_value_t *value, struct slice path, const cyaml_schema_field_t **fields)
{
    while (path.len > 0 && value != NULL) {
        if (path.data[0] == '[') {
            value = value->type == CYAML_SEQUENCE ? value->sequence.entry : NULL;
            path = slice_sub(path, slice_find(path, ']') + 1, path.len);
        } else {
            size_t                      start = path.data[0] == '.' ? 1 : 0;
            size_t                      end = start;
            const cyaml_schema_field_t *field;
            while (end < path.len && (end == start || (path.data[end] != '.' && path.data[end] != '[')))
                end++;
            if (value->type != CYAML_MAPPING)
                return NULL;
            *fields = value->mapping.fields;
            field = field_find(*fields, slice_sub(path, start, end - start));
            value = field == NULL ? NULL : &field->value;
            path = slice_sub(path, end, path.len);
        }
    }
    return value;
}

/* What the writer may have meant: a near name in the same section, or all of them. */
static int
fail_name(const struct outline *o, const struct node *n, const cyaml_schema_field_t *fields, struct config_error *error)
{
    const char  *dot = strrchr(n->path, '.');
    struct slice name = slice_of(dot == NULL ? n->path : dot + 1);
    char         allowed[ALLOWED_BYTES] = "";
    bool         near = false;

    for (const cyaml_schema_field_t *f = fields; f != NULL && f->key != NULL && !near; f++) {
        near = outline_names_are_near(slice_of(f->key), name);
        if (near)
            snprintf(allowed, sizeof(allowed), "did you mean \"%s\"?", f->key);
    }
    for (const cyaml_schema_field_t *f = fields; f != NULL && f->key != NULL && !near; f++) {
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used == 0 ? "allowed: " : ", ", f->key);
    }
    return config_fail(error, o->file, n->key_line, n->key_column, "%s: found an unknown setting, %s", LOG_TEXT(slice_of(n->path)), allowed);
}

static int
fail_kind(const struct outline *o, const struct node *n, const cyaml_schema_value_t *value, struct config_error *error)
{
    static const char *const others[] = { [NODE_NOTHING] = "nothing", [NODE_LIST] = "a list", [NODE_MAPPING] = "a section" };
    const char              *allowed = value->type == CYAML_MAPPING ? "\"name: value\" lines, indented below it, or \"{name: value}\"" : "a text";
    char                     found[LOG_TEXT_BYTES * 4 + 16];

    if (value->type == CYAML_SEQUENCE)
        allowed = value->sequence.entry->type == CYAML_MAPPING ? "a list of sections, each as \"- name: value\"" : "a list \"[a, b]\"";
    if (n->kind == NODE_SCALAR)
        snprintf(found, sizeof(found), "\"%s\"", LOG_TEXT(slice_of(n->text)));
    else
        snprintf(found, sizeof(found), "%s", others[n->kind]);
    return config_fail(error, o->file, n->line, n->column, "%s: found %s, allowed: %s", n->path, found, allowed);
}

static int
check_node(const struct outline *o, const struct node *n, const cyaml_schema_value_t *top, struct config_error *error)
{
    const cyaml_schema_field_t *fields = NULL;
    const cyaml_schema_value_t *value = schema_find(top, slice_of(n->path), &fields);
    enum node_kind              kind;

    if (value == NULL)
        return fail_name(o, n, fields, error);
    kind = value->type == CYAML_MAPPING ? NODE_MAPPING : value->type == CYAML_SEQUENCE ? NODE_LIST : NODE_SCALAR;
    if (n->kind != kind)
        return fail_kind(o, n, value, error);
    if (kind == NODE_LIST && n->item_count > value->sequence.max)
        return config_fail(error, o->file, n->line, n->column, "%s: found a list of %u items, allowed: at most %u", n->path, n->item_count,
                           (unsigned)value->sequence.max);
    return MT_OK;
}

static int
check_outline(const struct outline *o, const cyaml_schema_value_t *top, struct config_error *error)
{
    int rc = MT_OK;

    if (o->count == 0 || o->nodes[0].kind != NODE_MAPPING)
        return config_fail(error, o->file, o->count == 0 ? 1 : o->nodes[0].line, o->count == 0 ? 1 : o->nodes[0].column,
                           "found no settings, allowed: \"name: value\" lines");
    for (unsigned i = 1; rc == MT_OK && i < o->count; i++)
        rc = check_node(o, &o->nodes[i], top, error);
    return rc;
}

/* ---- Reading -------------------------------------------------------------------------------------------------------- */

static int
read_by(const cyaml_schema_value_t *schema, struct slice text, const char *file, struct outline *o, void **out, struct config_error *error)
{
    static const struct outline_limits limits = { .depth = DEPTH, .nodes = NODES_MAX };
    cyaml_data_t                      *data = NULL;
    cyaml_err_t                        err;
    int                                rc;

    if ((rc = outline_read(o, text, file, limits, error)) != MT_OK || (rc = check_outline(o, schema, error)) != MT_OK)
        return rc;
    err = cyaml_load_data((const uint8_t *)text.data, text.len, &cyaml, schema, &data, NULL);
    if (err == CYAML_ERR_OOM)
        return MT_ENOMEM;
    if (err != CYAML_OK || data == NULL)    /* the outline was checked: this would be a difference between it and the schema */
        return config_fail(error, file, 1, 1, "found what the schema does not allow: %s", cyaml_strerror(err));
    *out = data;
    return MT_OK;
}

int
raw_top_read(struct slice text, const char *file, struct outline *o, struct raw_top **out, struct config_error *error)
{
    void *data;
    int   rc = read_by(&raw_top_schema, text, file, o, &data, error);

    if (rc == MT_OK)
        *out = data;
    return rc;
}

int
raw_lists_read(struct slice text, const char *file, struct outline *o, struct raw_lists **out, struct config_error *error)
{
    void *data;
    int   rc = read_by(&raw_lists_schema, text, file, o, &data, error);

    if (rc == MT_OK)
        *out = data;
    return rc;
}

void
raw_top_free(struct raw_top *r)
{
    if (r != NULL)
        cyaml_free(&cyaml, &raw_top_schema, r, 0);
}

void
raw_lists_free(struct raw_lists *r)
{
    if (r != NULL)
        cyaml_free(&cyaml, &raw_lists_schema, r, 0);
}
