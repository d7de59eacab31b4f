/* fuzz_http_path - paths and queries as clients send them: an octet for the method, then the target. */
#include "lookup/route.h"

#include "lib/error.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the route promises of what it gives. */
static void
check_value(const struct route_value *v)
{
    assert(memchr(v->text, '\0', sizeof(v->text)) != NULL);
    assert(v->given || v->text[0] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = { METHOD_GET, METHOD_POST, METHOD_HEAD, METHOD_DELETE, METHOD_OTHER };
    struct slice                  target, path, query;
    struct route_match            m;

    if (size == 0)
        return 0;
    target = slice_make(data + 1, size - 1);
    path = slice_sub(target, 0, slice_find(target, '?'));
    query = slice_sub(target, path.len + 1, target.len);
    switch (route_find(methods[data[0] % COUNT(methods)], path, query, &m)) {
    case MT_OK:
        assert(m.route < ROUTE_COUNT);
        for (unsigned i = 0; i < ROUTE_PARAMS_MAX; i++)
            check_value(&m.params[i]);
        for (unsigned i = 0; i < ROUTE_QUERY_MAX; i++) {
            check_value(&m.query[i]);
            assert(!m.query[i].given || route_query_name(m.route, i) != NULL);
        }
        break;
    case MT_EDENIED:
        assert(m.allow[0] != '\0' && memchr(m.allow, '\0', sizeof(m.allow)) != NULL);
        break;
    case MT_ESYNTAX:
        assert(m.fault[0] != '\0');
        for (const char *c = m.fault; *c != '\0'; c++)
            assert(*c >= ' ' && *c < 0x7f);
        break;
    default:
        break;
    }
    return 0;
}
