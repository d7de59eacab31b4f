#ifndef LIB_CURL_ROUTE_H
#define LIB_CURL_ROUTE_H
/* curl_route - hands libcurl the addresses that a look-up found, so that it looks up nothing by itself and connects to what was looked at. */

#include "lib/resolver.h"

#include <curl/curl.h>

/* Whether an address may be connected to. */
typedef bool curl_route_fit_fn(void *arg, const char *address);

/*
 * Appends an entry for CURLOPT_RESOLVE to the list: host and port lead to the route's addresses that are fit (fit NULL: all are). Where the host is
 * an address itself there is nothing to append. False: none is fit, or out of memory.
 */
bool curl_route_add(struct curl_slist **list, const char *host, uint16_t port, const struct route *route, curl_route_fit_fn *fit, void *arg);

/* Appends a line to a list; false: out of memory, the list is as it was. */
bool curl_list_add(struct curl_slist **list, const char *line);

#endif
