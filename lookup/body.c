#include "lookup/body.h"

#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <math.h>
#include <stdio.h>

/* Text of a client made fit for a message to it. */
static void
copy_printable(char *to, size_t size, const char *from)
{
    size_t i = 0;

    for (; from[i] != '\0' && i + 1 < size; i++)
        to[i] = from[i] >= ' ' && from[i] < 0x7f ? from[i] : '?';
    to[i] = '\0';
}

static bool
is_listed(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool
has_only(struct call *c, json_t *object, const char *const *names)
{
    const char *name;
    json_t     *value;
    char        shown[40], list[120] = "";

    json_object_foreach(object, name, value)
    {
        if (is_listed(name, names))
            continue;
        copy_printable(shown, sizeof(shown), name);
        for (size_t i = 0; names[i] != NULL; i++)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i == 0 ? "" : ", ", names[i]);
        reply_problem(c->exchange, 400, "the member \"%s\" is not known here; these are: %s", shown, list);
        return false;
    }
    return true;
}

static json_t *
load_object(struct call *c, const char *const *names, size_t flags)
{
    struct slice text = slice_trim(c->request->body);
    json_error_t error;
    json_t      *object;
    char         shown[JSON_ERROR_TEXT_LENGTH];

    if (text.len == 0) {
        object = json_object();
        if (object == NULL)
            reply_busy(c->exchange, 1, "out of memory");
        return object;
    }
    object = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | flags, &error);
    if (object == NULL) {
        copy_printable(shown, sizeof(shown), error.text);
        reply_problem(c->exchange, 400, "the body is not JSON: line %d, column %d: %s", error.line, error.column, shown);
        return NULL;
    }
    if (!json_is_object(object))
        reply_problem(c->exchange, 400, "the body must be a JSON object");
    else if (has_only(c, object, names))
        return object;
    json_decref(object);
    return NULL;
}

json_t *
body_object(struct call *c, const char *const *names)
{
    return load_object(c, names, 0);
}

json_t *
body_object_with_nul(struct call *c, const char *const *names)
{
    return load_object(c, names, JSON_ALLOW_NUL);
}

int
body_span_ms(const json_t *value, uint64_t max_ms, uint64_t *out)
{
    double seconds;

    if (value == NULL || json_is_null(value))
        return MT_OK;
    if (json_is_string(value))
        return duration_parse(slice_make(json_string_value(value), json_string_length(value)), max_ms, out);
    if (!json_is_number(value))
        return MT_ESYNTAX;
    seconds = json_number_value(value);
    if (!(seconds >= 0) || isinf(seconds))
        return MT_ESYNTAX;
    if (seconds * 1000 > (double)max_ms)
        return MT_ESIZE;
    *out = (uint64_t)(seconds * 1000);
    return MT_OK;
}

int
body_time_unix(const json_t *value, uint64_t *out)
{
    uint64_t us;

    if (value == NULL || json_is_null(value))
        return MT_OK;
    if (json_is_integer(value) && json_integer_value(value) > 0) {
        *out = (uint64_t)json_integer_value(value);
        return MT_OK;
    }
    if (!json_is_string(value) || rfc3339_parse(slice_make(json_string_value(value), json_string_length(value)), &us) != MT_OK)
        return MT_ESYNTAX;
    *out = us / 1000000;
    return MT_OK;
}
