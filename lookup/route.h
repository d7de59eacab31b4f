#ifndef LOOKUP_ROUTE_H
#define LOOKUP_ROUTE_H
/*
 * route - from method, path and query of a request to what is asked for: a table, and pure functions over bytes.
 */

#include "lookup/http.h"

enum route {
    ROUTE_STATUS_PAGE,
    ROUTE_METRICS,
    ROUTE_HEALTHZ,
    ROUTE_READYZ,
    ROUTE_TOKEN_MINT,
    ROUTE_TOKEN_SHOW,
    ROUTE_TOKEN_FORGET,
    ROUTE_LOOKUP,
    ROUTE_MESSAGE_LIST,
    ROUTE_MESSAGE_SHOW,
    ROUTE_MESSAGE_RAW,
    ROUTE_MESSAGE_DELETE,
    ROUTE_ARRIVALS,
    ROUTE_EVENTS,
    ROUTE_MAILBOX_SHOW,
    ROUTE_RESULTS_POST,
    ROUTE_CHECK_LIST,
    ROUTE_CHECK_SHOW,
    ROUTE_CHECK_RESULTS,
    ROUTE_COUNT
};

#define ROUTE_PARAMS_MAX 2u
#define ROUTE_QUERY_MAX  8u
#define ROUTE_TEXT_BYTES 128u   /* of a parameter, decoded, with its NUL */

struct route_value {
    bool given;
    char text[ROUTE_TEXT_BYTES];
};

struct route_match {
    enum route         route;
    bool               open;                        /* needs no key */
    struct route_value params[ROUTE_PARAMS_MAX];    /* from the path, in order */
    struct route_value query[ROUTE_QUERY_MAX];      /* in the order of route_query_name */
    char               allow[32];                   /* of MT_EDENIED: the methods that the path has */
    char               fault[160];                  /* of MT_ESYNTAX: what is wrong, for the client; printable ASCII */
};

/*
 * MT_ENOTFOUND   no such path
 * MT_EDENIED     the path exists, but not with this method: out->allow is set
 * MT_ESYNTAX     a bad percent-encoding, a NUL, a value that is too long, a query parameter that this path does not have or that is
 *                given twice
 */
int route_find(enum http_method method, struct slice path, struct slice query, struct route_match *out);

/* Name of the i-th query parameter of a route; NULL where it has fewer. */
const char *route_query_name(enum route route, unsigned i);

/* Decodes %XX (and '+' as a blank where plus is set). MT_ESYNTAX: a bad escape or a NUL; MT_ESIZE: over size - 1 octets. */
int percent_decode(struct slice text, bool plus, char *out, size_t size);

#endif
