#include "lib/curl_route.h"

#include "lib/buf.h"
#include "lib/error.h"

enum { ENTRY_MAX = 4096 };

bool
curl_list_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

/* "+host:port:address,address": to libcurl as if it had looked it up itself. */
bool
curl_route_add(struct curl_slist **list, const char *host, uint16_t port, const struct route *route, curl_route_fit_fn *fit, void *arg)
{
    bool       literal = route->count == 1 && strcmp(route->targets[0].host, route->targets[0].address) == 0;
    struct buf text;
    unsigned   count = 0;
    bool       added;

    buf_init(&text, ENTRY_MAX);
    buf_printf(&text, "+%s:%u:", host, port);
    for (unsigned i = 0; i < route->count; i++) {
        const char *address = route->targets[i].address;
        bool        ipv6 = strchr(address, ':') != NULL;

        if (fit == NULL || fit(arg, address))
            buf_printf(&text, "%s%s%s%s", count++ > 0 ? "," : "", ipv6 ? "[" : "", address, ipv6 ? "]" : "");
    }
    buf_append(&text, "", 1);
    added = count > 0 && text.fault == MT_OK && (literal || curl_list_add(list, text.data));
    buf_fini(&text);
    return added;
}
