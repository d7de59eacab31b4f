#include "tests/unit/unit.h"

#include "lookup/framing.h"

#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

enum { FIELDS_MAX = 4 };

static const struct {
    const char               *label;
    enum evhttp_cmd_type      method;
    char                      minor;
    struct {
        const char *name, *value;
    } fields[FIELDS_MAX];
    size_t                    body_bytes;
    bool                      refused, is_last;
} cases[] = {
    { "no body", EVHTTP_REQ_GET, 1, { { "Host", "x" } }, 0, false, false },
    { "a body", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "2" } }, 2, false, false },
    { "a body of nothing", EVHTTP_REQ_DELETE, 1, { { "Host", "x" }, { "Content-Length", "0" } }, 0, false, false },
    { "chunks", EVHTTP_REQ_POST, 1, { { "host", "x" }, { "transfer-encoding", "Chunked" } }, 2, false, true },
    { "HTTP/1.0 without a host", EVHTTP_REQ_GET, 0, { { "Accept", "x" } }, 0, false, false },
    { "no host", EVHTTP_REQ_GET, 1, { { "Accept", "x" } }, 0, true, true },
    { "two hosts", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "HOST", "x" } }, 0, true, true },
    { "two keys", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "Authorization", "a" }, { "authorization", "b" } }, 0, true, true },
    { "two lengths", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "2" }, { "Content-Length", "2" } }, 2, true, true },
    { "a length beside chunks", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "2" }, { "Transfer-Encoding", "chunked" } }, 2, true, true },
    { "a length with a sign", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "+2" } }, 2, true, true },
    { "a list of lengths", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "2, 2" } }, 2, true, true },
    { "an empty length", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length", "" } }, 0, true, true },
    { "a body that was not read", EVHTTP_REQ_TRACE, 1, { { "Host", "x" }, { "Content-Length", "2" } }, 0, true, true },
    { "chunks that were not read", EVHTTP_REQ_TRACE, 1, { { "Host", "x" }, { "Transfer-Encoding", "chunked" } }, 0, true, true },
    { "another coding", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Transfer-Encoding", "gzip, chunked" } }, 0, true, true },
    { "chunks in HTTP/1.0", EVHTTP_REQ_POST, 0, { { "Host", "x" }, { "Transfer-Encoding", "chunked" } }, 2, true, true },
    { "a blank before the colon", EVHTTP_REQ_POST, 1, { { "Host", "x" }, { "Content-Length ", "2" } }, 0, true, true },
    { "a name of nothing", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "", "2" } }, 0, true, true },
    { "a name with a control character", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "X\v", "2" } }, 0, true, true },
    { "a name that is not ASCII", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "X\xc4", "2" } }, 0, true, true },
    { "a name of every character that may be in one", EVHTTP_REQ_GET, 1, { { "Host", "x" }, { "aZ09!#$%&'*+-.^_`|~", "2" } }, 0, false, false },
};

static void
a_request_that_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct evhttp_request req = { .type = cases[i].method, .major = 1, .minor = cases[i].minor };
        struct evkeyval       rows[FIELDS_MAX];
        struct evkeyvalq      fields;
        struct framing        f;

        TAILQ_INIT(&fields);
        for (size_t j = 0; j < FIELDS_MAX && cases[i].fields[j].name != NULL; j++) {
            rows[j].key = (char *)(uintptr_t)cases[i].fields[j].name;
            rows[j].value = (char *)(uintptr_t)cases[i].fields[j].value;
            TAILQ_INSERT_TAIL(&fields, &rows[j], next);
        }
        f = framing_check(&req, &fields, cases[i].body_bytes);
        if ((f.fault != NULL) != cases[i].refused || f.is_last != cases[i].is_last)
            fail_msg("%s: %s, %s", cases[i].label, f.fault == NULL ? "taken" : f.fault, f.is_last ? "the last" : "more may follow");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_can_be_read_in_two_ways_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
