#include "lookup/route.h"

#include "lib/error.h"

#include <assert.h>
#include <stdio.h>

/* Whoever may GET may also HEAD. */
enum { READING = METHOD_GET | METHOD_HEAD };

static const struct entry {
    const char *path;
    unsigned    methods;
    const char *allow;
    bool        open;
    const char *query[ROUTE_QUERY_MAX];
} entries[ROUTE_COUNT] = {
    [ROUTE_STATUS_PAGE]    = { "/",                                      READING,       "GET, HEAD", true,  { NULL } },
    [ROUTE_METRICS]        = { "/metrics",                               READING,       "GET, HEAD", true,  { NULL } },
    [ROUTE_HEALTHZ]        = { "/healthz",                               READING,       "GET, HEAD", true,  { NULL } },
    [ROUTE_READYZ]         = { "/readyz",                                READING,       "GET, HEAD", true,  { NULL } },
    [ROUTE_TOKEN_MINT]     = { "/v1/mailboxes/{mailbox}/tokens",         METHOD_POST,   "POST",      false, { NULL } },
    [ROUTE_TOKEN_SHOW]     = { "/v1/mailboxes/{mailbox}/tokens/{token}", READING,       "GET, HEAD", false, { "wait", "after" } },
    [ROUTE_TOKEN_FORGET]   = { "/v1/mailboxes/{mailbox}/tokens/{token}", METHOD_DELETE, "DELETE",    false, { NULL } },
    [ROUTE_LOOKUP]         = { "/v1/lookup",                             METHOD_POST,   "POST",      false, { NULL } },
    [ROUTE_MESSAGE_LIST]   = { "/v1/mailboxes/{mailbox}/messages",       READING,       "GET, HEAD", false, { "cursor", "limit" } },
    [ROUTE_MESSAGE_SHOW]   = { "/v1/messages/{id}",                      READING,       "GET, HEAD", false, { NULL } },
    [ROUTE_MESSAGE_RAW]    = { "/v1/messages/{id}/raw",                  READING,       "GET, HEAD", false, { NULL } },
    [ROUTE_MESSAGE_DELETE] = { "/v1/messages/{id}",                      METHOD_DELETE, "DELETE",    false, { NULL } },
    [ROUTE_ARRIVALS]       = { "/v1/arrivals",                           READING,       "GET, HEAD", false, { "mailbox", "after" } },
    [ROUTE_EVENTS]         = { "/v1/events",                             READING,       "GET, HEAD", false,
                               { "mailbox", "after", "kinds", "format", "limit", "cursor" } },
    [ROUTE_MAILBOX_SHOW]   = { "/v1/mailboxes/{mailbox}",                READING,       "GET, HEAD", false, { NULL } },
    [ROUTE_RESULTS_POST]   = { "/v1/results",                            METHOD_POST,   "POST",      false, { NULL } },
    [ROUTE_CHECK_LIST]     = { "/v1/checks",                             READING,       "GET, HEAD", false, { "mailbox", "state", "cursor", "limit" } },
    [ROUTE_CHECK_SHOW]     = { "/v1/checks/{check}",                     READING,       "GET, HEAD", false, { "mailbox", "at" } },
    [ROUTE_CHECK_RESULTS]  = { "/v1/checks/{check}/results",             READING,       "GET, HEAD", false,
                               { "mailbox", "from", "to", "verdict", "cursor", "limit", "resolution", "documents" } },
};

const char *
route_query_name(enum route route, unsigned i)
{
    assert(route < ROUTE_COUNT);
    return i < ROUTE_QUERY_MAX ? entries[route].query[i] : NULL;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
percent_decode(struct slice text, bool plus, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%') {
            int high = text.len - i < 3 ? -1 : hex_value(text.data[i + 1]);
            int low = text.len - i < 3 ? -1 : hex_value(text.data[i + 2]);

            if (high < 0 || low < 0)
                return MT_ESYNTAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return MT_ESYNTAX;
        if (len + 1 >= size)
            return MT_ESIZE;
        out[len++] = c;
    }
    out[len] = '\0';
    return MT_OK;
}

/* Cuts the next segment of a path off: what stands between two slashes. */
static struct slice
take_segment(struct slice *rest)
{
    struct slice s = slice_sub(*rest, 0, slice_find(*rest, '/'));

    *rest = slice_sub(*rest, s.len + 1, rest->len);
    return s;
}

/*
 * Whether path has the form of the template, whose segments in braces match anything but nothing: params are then set to what
 * they matched, still encoded. Fixed segments are compared as they are: nothing in them needs an escape.
 */
static bool
matches(const char *form, struct slice path, struct slice params[ROUTE_PARAMS_MAX], unsigned *count)
{
    struct slice want = slice_sub(slice_of(form), 1, SIZE_MAX);
    unsigned     n = 0;

    path = slice_sub(path, 1, path.len);
    for (;;) {
        bool         last_wanted = slice_find(want, '/') == want.len, last = slice_find(path, '/') == path.len;
        struct slice w = take_segment(&want), p = take_segment(&path);

        if (w.len > 0 && w.data[0] == '{') {
            if (p.len == 0)
                return false;
            assert(n < ROUTE_PARAMS_MAX);
            params[n++] = p;
        } else if (!slice_equal(w, p)) {
            return false;
        }
        if (last != last_wanted)
            return false;
        if (last)
            break;
    }
    *count = n;
    return true;
}

static int
take_value(struct route_match *out, struct route_value *v, struct slice text, bool plus, const char *name)
{
    switch (percent_decode(text, plus, v->text, sizeof(v->text))) {
    case MT_OK:
        v->given = true;
        return MT_OK;
    case MT_ESIZE:
        snprintf(out->fault, sizeof(out->fault), "%s is longer than %u characters", name, ROUTE_TEXT_BYTES - 1);
        return MT_ESYNTAX;
    default:
        snprintf(out->fault, sizeof(out->fault), "%s has a %% that is not followed by two hexadecimal digits, or stands for a NUL",
                 name);
        return MT_ESYNTAX;
    }
}

/* The query has a parameter that this path does not take. */
static void
fail_name(struct route_match *out, const struct entry *e)
{
    size_t used;

    if (e->query[0] == NULL) {
        snprintf(out->fault, sizeof(out->fault), "there is a query, but this path takes none");
        return;
    }
    used = (size_t)snprintf(out->fault, sizeof(out->fault), "the query has a parameter that this path does not take; it takes: ");
    for (unsigned i = 0; i < ROUTE_QUERY_MAX && e->query[i] != NULL && used < sizeof(out->fault); i++)
        used += (size_t)snprintf(out->fault + used, sizeof(out->fault) - used, "%s%s", i > 0 ? ", " : "", e->query[i]);
}

/* One "name=value" of the query; names are compared as they are. */
static int
take_query(struct route_match *out, const struct entry *e, struct slice pair)
{
    struct slice name = slice_sub(pair, 0, slice_find(pair, '='));

    for (unsigned i = 0; i < ROUTE_QUERY_MAX && e->query[i] != NULL; i++) {
        if (!slice_equal(name, slice_of(e->query[i])))
            continue;
        if (out->query[i].given) {
            snprintf(out->fault, sizeof(out->fault), "the query parameter %s is given twice", e->query[i]);
            return MT_ESYNTAX;
        }
        return take_value(out, &out->query[i], slice_sub(pair, name.len + 1, pair.len), true, e->query[i]);
    }
    fail_name(out, e);
    return MT_ESYNTAX;
}

static int
take_all(struct route_match *out, const struct entry *e, const struct slice *params, unsigned count, struct slice query)
{
    int rc = MT_OK;

    for (unsigned i = 0; i < count && rc == MT_OK; i++)
        rc = take_value(out, &out->params[i], params[i], false, "a part of the path");
    while (query.len > 0 && rc == MT_OK) {
        struct slice pair = slice_sub(query, 0, slice_find(query, '&'));

        query = slice_sub(query, pair.len + 1, query.len);
        if (pair.len > 0)
            rc = take_query(out, e, pair);
    }
    return rc;
}

int
route_find(enum http_method method, struct slice path, struct slice query, struct route_match *out)
{
    struct slice params[ROUTE_PARAMS_MAX];
    unsigned     count;
    bool         known = false;
    size_t       used = 0;

    memset(out, 0, sizeof(*out));
    if (path.len == 0 || path.data[0] != '/')
        return MT_ENOTFOUND;
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const struct entry *e = &entries[i];

        if (!matches(e->path, path, params, &count))
            continue;
        if ((e->methods & method) != 0) {
            out->route = (enum route)i;
            out->open = e->open;
            return take_all(out, e, params, count, query);
        }
        used += (size_t)snprintf(out->allow + used, sizeof(out->allow) - used, "%s%s", known ? ", " : "", e->allow);
        known = true;
    }
    return known ? MT_EDENIED : MT_ENOTFOUND;
}
