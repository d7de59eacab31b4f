#include "tests/unit/unit.h"

#include "lookup/route.h"

#include "lib/error.h"

#define ID "1795231800"

static const struct {
    const char      *label;
    enum http_method method;
    const char      *path, *query;
    int              rc;
    enum route       route;
    const char      *first, *second;        /* parameters, or the methods that are allowed */
} rows[] = {
    { "root",                     METHOD_GET,    "/",                        "", MT_OK, ROUTE_STATUS_PAGE, NULL, NULL },
    { "root by HEAD",             METHOD_HEAD,   "/",                        "", MT_OK, ROUTE_STATUS_PAGE, NULL, NULL },
    { "metrics",                  METHOD_GET,    "/metrics",                 "", MT_OK, ROUTE_METRICS, NULL, NULL },
    { "mint",                     METHOD_POST,   "/v1/mailboxes/acme/tokens", "", MT_OK, ROUTE_TOKEN_MINT, "acme", NULL },
    { "show",                     METHOD_GET,    "/v1/mailboxes/acme/tokens/mt1x", "", MT_OK, ROUTE_TOKEN_SHOW, "acme", "mt1x" },
    { "forget",                   METHOD_DELETE, "/v1/mailboxes/acme/tokens/mt1x", "", MT_OK, ROUTE_TOKEN_FORGET, "acme", "mt1x" },
    { "decoded",                  METHOD_GET,    "/v1/mailboxes/a%63me/tokens/%6dt1%2Fx", "", MT_OK, ROUTE_TOKEN_SHOW, "acme", "mt1/x" },
    { "plus stays in a path",     METHOD_GET,    "/v1/mailboxes/a+b/messages", "", MT_OK, ROUTE_MESSAGE_LIST, "a+b", NULL },
    { "message",                  METHOD_GET,    "/v1/messages/" ID,         "", MT_OK, ROUTE_MESSAGE_SHOW, ID, NULL },
    { "raw",                      METHOD_GET,    "/v1/messages/" ID "/raw",  "", MT_OK, ROUTE_MESSAGE_RAW, ID, NULL },
    { "delete",                   METHOD_DELETE, "/v1/messages/" ID,         "", MT_OK, ROUTE_MESSAGE_DELETE, ID, NULL },
    { "arrivals",                 METHOD_GET,    "/v1/arrivals",             "", MT_OK, ROUTE_ARRIVALS, NULL, NULL },
    { "events",                   METHOD_GET,    "/v1/events",               "kinds=missed&format=json", MT_OK, ROUTE_EVENTS, NULL, NULL },
    { "mailbox",                  METHOD_GET,    "/v1/mailboxes/acme",       "", MT_OK, ROUTE_MAILBOX_SHOW, "acme", NULL },

    { "empty path",               METHOD_GET,    "",                         "", MT_ENOTFOUND, 0, NULL, NULL },
    { "star",                     METHOD_OTHER,  "*",                        "", MT_ENOTFOUND, 0, NULL, NULL },
    { "no slash in front",        METHOD_GET,    "metrics",                  "", MT_ENOTFOUND, 0, NULL, NULL },
    { "slash behind",             METHOD_GET,    "/metrics/",                "", MT_ENOTFOUND, 0, NULL, NULL },
    { "two slashes",              METHOD_GET,    "//metrics",                "", MT_ENOTFOUND, 0, NULL, NULL },
    { "other case",               METHOD_GET,    "/Metrics",                 "", MT_ENOTFOUND, 0, NULL, NULL },
    { "empty parameter",          METHOD_GET,    "/v1/mailboxes//messages",  "", MT_ENOTFOUND, 0, NULL, NULL },
    { "too short",                METHOD_GET,    "/v1/mailboxes",            "", MT_ENOTFOUND, 0, NULL, NULL },
    { "too long",                 METHOD_GET,    "/v1/messages/1/raw/x",     "", MT_ENOTFOUND, 0, NULL, NULL },
    { "dots lead nowhere",        METHOD_GET,    "/v1/../metrics",           "", MT_ENOTFOUND, 0, NULL, NULL },

    { "wrong method",             METHOD_POST,   "/metrics",                 "", MT_EDENIED, 0, "GET, HEAD", NULL },
    { "unknown method",           METHOD_OTHER,  "/v1/lookup",               "", MT_EDENIED, 0, "POST", NULL },
    { "both of a path are named", METHOD_POST,   "/v1/messages/1",           "", MT_EDENIED, 0, "GET, HEAD, DELETE", NULL },

    { "bad escape",               METHOD_GET,    "/v1/messages/%4",          "", MT_ESYNTAX, 0, NULL, NULL },
    { "escape that is none",      METHOD_GET,    "/v1/messages/%zz",         "", MT_ESYNTAX, 0, NULL, NULL },
    { "NUL",                      METHOD_GET,    "/v1/messages/1%00",        "", MT_ESYNTAX, 0, NULL, NULL },
    { "query where none is",      METHOD_GET,    "/metrics",            "a=b", MT_ESYNTAX, 0, NULL, NULL },
    { "misspelt parameter",       METHOD_GET,    "/v1/mailboxes/a/tokens/b", "wiat=300s", MT_ESYNTAX, 0, NULL, NULL },
    { "given twice",              METHOD_GET,    "/v1/mailboxes/a/tokens/b", "wait=1&wait=2", MT_ESYNTAX, 0, NULL, NULL },
    { "bad escape in the query",  METHOD_GET,    "/v1/mailboxes/a/tokens/b", "wait=%", MT_ESYNTAX, 0, NULL, NULL },
};

static void
paths_lead_to_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route_match m;

        assert_rc(rows[i].label, route_find(rows[i].method, slice_of(rows[i].path), slice_of(rows[i].query), &m), rows[i].rc);
        if (rows[i].rc == MT_EDENIED)
            assert_slice(rows[i].label, slice_of(m.allow), rows[i].first);
        if (rows[i].rc == MT_ESYNTAX && m.fault[0] == '\0')
            fail_msg("%s: does not say what is wrong", rows[i].label);
        if (rows[i].rc != MT_OK)
            continue;
        if (m.route != rows[i].route)
            fail_msg("%s: route %d", rows[i].label, m.route);
        assert_true(m.params[0].given == (rows[i].first != NULL) && m.params[1].given == (rows[i].second != NULL));
        assert_slice(rows[i].label, slice_of(m.params[0].text), rows[i].first == NULL ? "" : rows[i].first);
        assert_slice(rows[i].label, slice_of(m.params[1].text), rows[i].second == NULL ? "" : rows[i].second);
    }
}

static void
the_query_is_read_by_name(void **state)
{
    struct route_match m;

    (void)state;
    assert_string_equal(route_query_name(ROUTE_TOKEN_SHOW, 0), "wait");
    assert_string_equal(route_query_name(ROUTE_TOKEN_SHOW, 1), "after");
    assert_null(route_query_name(ROUTE_METRICS, 0));
    assert_rc("both", route_find(METHOD_GET, slice_of("/v1/mailboxes/a/tokens/b"), slice_of("&after=2&wait=1%2E5+s&"), &m), MT_OK);
    assert_string_equal(m.query[0].text, "1.5 s");
    assert_string_equal(m.query[1].text, "2");
    assert_rc("without value", route_find(METHOD_GET, slice_of("/v1/mailboxes/a/tokens/b"), slice_of("wait"), &m), MT_OK);
    assert_true(m.query[0].given && m.query[0].text[0] == '\0' && !m.query[1].given);
    assert_rc("unknown", route_find(METHOD_GET, slice_of("/v1/events"), slice_of("kind=x"), &m), MT_ESYNTAX);
    assert_string_equal(m.fault, "the query has a parameter that this path does not take; it takes: mailbox, after, kinds, format, limit, cursor");
}

static void
values_have_a_bound(void **state)
{
    char               path[200] = "/v1/messages/";
    struct route_match m;
    size_t             prefix = strlen(path);

    (void)state;
    memset(path + prefix, '1', ROUTE_TEXT_BYTES - 1);
    assert_rc("longest", route_find(METHOD_GET, slice_make(path, prefix + ROUTE_TEXT_BYTES - 1), slice_of(""), &m), MT_OK);
    memset(path + prefix, '1', ROUTE_TEXT_BYTES);
    assert_rc("longer", route_find(METHOD_GET, slice_make(path, prefix + ROUTE_TEXT_BYTES), slice_of(""), &m), MT_ESYNTAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_routes),
        cmocka_unit_test(the_query_is_read_by_name),
        cmocka_unit_test(values_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
